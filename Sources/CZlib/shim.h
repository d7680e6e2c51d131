// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <limits.h>
#include <stddef.h>
#include <zlib.h>

/// What gzip(1) has packed, all of it. Returns the bytes of it, or -1: it is damaged, cut, goes on after its end, or is more than
/// there is room for.
static inline long czlib_gunzip(const unsigned char *packed, size_t size, unsigned char *out, size_t room)
{
	z_stream stream = {0};
	if (size > UINT_MAX || room > UINT_MAX || inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
		return -1;
	stream.next_in = (unsigned char *)packed;
	stream.avail_in = (unsigned int)size;
	stream.next_out = out;
	stream.avail_out = (unsigned int)room;
	int rc = inflate(&stream, Z_FINISH);
	long found = rc == Z_STREAM_END && stream.avail_in == 0 ? (long)stream.total_out : -1;
	inflateEnd(&stream);
	return found;
}
