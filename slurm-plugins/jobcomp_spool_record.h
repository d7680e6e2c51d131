// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Records of a spool file (docs/event-format.md), one at a time. An error of reading is never taken for the end of the
/// data, nor for bad data.

enum { SPOOL_HEADER_SIZE = 16, SPOOL_SUM_SIZE = 4 };

enum spool_record {
    RECORD_GOOD,
    RECORD_BAD,  // read, and no record: its first bytes or its sum are wrong
    RECORD_CUT,  // the file ends in it
    RECORD_FAILED // could not be read; errno says why
};

enum spool_header { HEADER_GOOD, HEADER_OTHER, HEADER_LATER, HEADER_FAILED };

enum spool_header spool_read_header(int descriptor);
/// 0 or -1; errno says why.
int spool_write_header(int descriptor);
/// The record at `at` in a file whose data ends at `end`; its frame goes to `frame`, of EVENT_FRAME_MAX bytes.
enum spool_record spool_read_record(int descriptor, off_t at, off_t end, uint8_t *frame, size_t *length);
/// How many bytes the record at `at` has, by its first bytes alone. BAD and CUT as above.
enum spool_record spool_measure_record(int descriptor, off_t at, off_t end, size_t *whole);
/// Moves `*at` on to a place where a record may begin, past 64 KiB without any, or to `end`. `scratch` has EVENT_FRAME_MAX
/// bytes. False: could not be read; errno says why.
bool spool_search_record(int descriptor, off_t *at, off_t end, uint8_t *scratch);
/// Writes a frame and its sum at `at`. 0 or -1; errno says why, and what stands there is of no meaning.
int spool_write_record(int descriptor, off_t at, const uint8_t *frame, size_t length);
