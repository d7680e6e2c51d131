// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_spool_record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event_reader.h"

enum { PEEK = 8, RECORD_MIN = EVENT_HEADER_SIZE + SPOOL_SUM_SIZE };

static const uint8_t header[SPOOL_HEADER_SIZE] = {'S', 'G', 'S', 'P', 'O', 'O', 'L', 0, 1, 0, 0, 0, 0, 0, 0, 0};

// All of it, or errno. Less than the file's size said is an error of the file system, too: we hold the file's lock.
static bool read_all(int descriptor, void *to, size_t size, off_t at)
{
    size_t got = 0;
    while (got < size) {
        ssize_t count = pread(descriptor, (char *)to + got, size - got, at + (off_t)got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = ENODATA;
        if (count <= 0)
            return false;
        got += (size_t)count;
    }
    return true;
}

static int write_all(int descriptor, const void *from, size_t size, off_t at)
{
    size_t put = 0;
    while (put < size) {
        ssize_t count = pwrite(descriptor, (const char *)from + put, size - put, at + (off_t)put);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = ENOSPC;
        if (count <= 0)
            return -1;
        put += (size_t)count;
    }
    return 0;
}

enum spool_header spool_read_header(int descriptor)
{
    uint8_t found[SPOOL_HEADER_SIZE];
    if (!read_all(descriptor, found, sizeof(found), 0))
        return HEADER_FAILED;
    if (memcmp(found, header, 8))
        return HEADER_OTHER;
    return memcmp(found, header, 12) ? HEADER_LATER : HEADER_GOOD;
}

int spool_write_header(int descriptor)
{
    return write_all(descriptor, header, sizeof(header), 0);
}

static enum spool_record peek(int descriptor, off_t at, off_t end, uint8_t *bytes, size_t *whole)
{
    if (end - at < RECORD_MIN)
        return RECORD_CUT;
    if (!read_all(descriptor, bytes, PEEK, at))
        return RECORD_FAILED;
    long size = event_frame_size(bytes, PEEK);
    if (size < EVENT_HEADER_SIZE || size > EVENT_FRAME_MAX)
        return RECORD_BAD;
    *whole = (size_t)size + SPOOL_SUM_SIZE;
    return end - at < (off_t)*whole ? RECORD_CUT : RECORD_GOOD;
}

enum spool_record spool_measure_record(int descriptor, off_t at, off_t end, size_t *whole)
{
    uint8_t bytes[PEEK];
    return peek(descriptor, at, end, bytes, whole);
}

enum spool_record spool_read_record(int descriptor, off_t at, off_t end, uint8_t *frame, size_t *length)
{
    uint8_t sum[SPOOL_SUM_SIZE];
    size_t whole;
    enum spool_record found = peek(descriptor, at, end, frame, &whole);
    if (found != RECORD_GOOD)
        return found;
    *length = whole - SPOOL_SUM_SIZE;
    if (!read_all(descriptor, frame + PEEK, *length - PEEK, at + PEEK) || !read_all(descriptor, sum, sizeof(sum), at + (off_t)*length))
        return RECORD_FAILED;
    return event_crc32(frame, *length) == event_integer(sum, sizeof(sum)) ? RECORD_GOOD : RECORD_BAD;
}

bool spool_search_record(int descriptor, off_t *at, off_t end, uint8_t *scratch)
{
    if (end - *at < RECORD_MIN) {
        *at = end;
        return true;
    }
    size_t size = end - *at < EVENT_FRAME_MAX ? (size_t)(end - *at) : EVENT_FRAME_MAX, place = 0;
    if (!read_all(descriptor, scratch, size, *at))
        return false;
    while (place + PEEK <= size && event_frame_size(scratch + place, PEEK) < EVENT_HEADER_SIZE)
        place++;
    *at += (off_t)place;
    return true;
}

int spool_write_record(int descriptor, off_t at, const uint8_t *frame, size_t length)
{
    uint8_t bytes[SPOOL_SUM_SIZE];
    uint32_t sum = event_crc32(frame, length);
    for (int i = 0; i < SPOOL_SUM_SIZE; i++)
        bytes[i] = (uint8_t)(sum >> (8 * i));
    return write_all(descriptor, frame, length, at) == 0 ? write_all(descriptor, bytes, sizeof(bytes), at + (off_t)length) : -1;
}
