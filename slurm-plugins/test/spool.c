// SPDX-License-Identifier: GPL-2.0-or-later
// The spool: what is appended comes back, also after a process that died, and what is damaged hides nothing else. Built with
// the sanitizers; ends at the first thing that is wrong.
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool_tools.h"

static void put(const char *file, off_t at, const char *bytes)
{
    int descriptor = open(file, O_RDWR);
    CHECK(descriptor >= 0 && pwrite(descriptor, bytes, strlen(bytes), at) == (ssize_t)strlen(bytes));
    close(descriptor);
}

static off_t size_of(const char *file)
{
    struct stat status;
    CHECK(stat(file, &status) == 0);
    return status.st_size;
}

// MARK: what is appended comes back

static void appended(void)
{
    uint8_t frame[EVENT_FRAME_MAX];
    uint64_t file;
    off_t after;
    make(1 << 20);
    fill(1, 5);
    CHECK(replay(false) == bits(1, 5) && !spool_holds_back(&spool) && spool_frames(&spool) == 5);
    spool_rewind(&spool);
    CHECK(spool_holds_back(&spool) && spool_next(&spool, frame, sizeof(frame), &file, &after) > 0);
    spool_ack(&spool, file, after);
    spool_rewind(&spool);
    CHECK(spool_frames(&spool) == 4 && spool_has_own(&spool));
    CHECK(replay(true) == bits(2, 5) && spool_count(&spool) == 0 && !spool_message(&spool)[0]);
    // What is not committed is not there.
    CHECK(spool_append(&spool, frame, make_frame(frame, 9, 50)) && replay(false) == 0);
    CHECK(spool_commit(&spool) && replay(true) == bits(9, 9));
    empty_folder();
}

static void limited(void)
{
    uint8_t frame[EVENT_FRAME_MAX];
    int taken = 0;
    make(2000);
    while (spool_append(&spool, frame, make_frame(frame, (uint64_t)taken + 1, 50)))
        taken++;
    CHECK(taken > 5 && taken < 25 && strstr(spool_message(&spool), "grid_agent_spool_limit") && spool_commit(&spool));
    CHECK(replay(true) == bits(1, (unsigned)taken));
    fill(1, 1);
    CHECK(!spool_message(&spool)[0]);
    empty_folder();
}

// fini and init again in one process: the file of the first time has the same name.
static void same_process_again(void)
{
    make(1 << 20);
    fill(1, 4);
    spool_close(&spool);
    make(1 << 20);
    spool.own_unseen = true;
    CHECK(spool_holds_back(&spool));
    fill(5, 2);
    CHECK(spool_scan(&spool) && replay(true) == bits(1, 6) && !spool_holds_back(&spool));
    empty_folder();
}

// MARK: what a dead process left

static void cut_short(void)
{
    leave_behind(2);
    CHECK(truncate(path, size_of(path) - 3) == 0);
    make(1 << 20);
    CHECK(spool_scan(&spool) && spool_frames(&spool) == 5 && replay(true) == bits(1, 5));
    CHECK(strstr(spool_message(&spool), "in the middle of a record") && !there("") && !there(".refused"));
    empty_folder();
}

// One record is damaged, each in turn and each part of it: all others are told, and the file is set aside.
static void damaged(void)
{
    static const off_t parts[] = {0, 1, 2, 3, 4, 5, 8, 16, 40, 80};
    leave_behind(2);
    off_t record = (size_of(path) - SPOOL_HEADER_SIZE) / FRAMES;
    CHECK(record > 80 && record * FRAMES + SPOOL_HEADER_SIZE == size_of(path));
    for (unsigned bad = 1; bad <= FRAMES; bad++) {
        for (size_t part = 0; part < sizeof(parts) / sizeof(*parts); part++) {
            empty_folder();
            leave_behind(2);
            put(path, SPOOL_HEADER_SIZE + record * (bad - 1) + parts[part], "\xfe");
            make(1 << 20);
            CHECK(spool_scan(&spool) && replay(false) == (bits(1, FRAMES) & ~bits(bad, bad)));
            // The same after a connection that was lost.
            spool_rewind(&spool);
            unsigned told = spool.changes;
            CHECK(replay(true) == (bits(1, FRAMES) & ~bits(bad, bad)) && there("") == false);
            CHECK(spool_message(&spool)[0] && spool.changes <= told + 2);
            // The length of the last one may say that it was cut.
            CHECK(there(".refused") || (bad == FRAMES && parts[part] < 4));
        }
    }
    empty_folder();
}

// Nothing but what looks like records: it is looked through in bits, and set aside.
static void nothing_but_beginnings(void)
{
    leave_behind(2);
    FILE *file = fopen(path, "r+");
    CHECK(file && fseek(file, SPOOL_HEADER_SIZE, SEEK_SET) == 0);
    for (int i = 0; i < 20000; i++)
        CHECK(fwrite("\x0e\x00\x00\x00\x53\x47", 1, 6, file) == 6);
    CHECK(fclose(file) == 0);
    make(1 << 20);
    uint8_t frame[EVENT_FRAME_MAX];
    uint64_t which;
    off_t after;
    CHECK(spool_scan(&spool) && spool_next(&spool, frame, sizeof(frame), &which, &after) == 0 && spool.busy);
    CHECK(spool_next_time(&spool, true) <= spool.now);
    CHECK(replay(true) == 0 && there(".refused") && spool_count(&spool) == 0);
    empty_folder();
}

static void no_spool_file(void)
{
    for (int version = 0; version < 2; version++) {
        leave_behind(3);
        put(path, version ? 8 : 0, version ? "\x02" : "x");
        make(1 << 20);
        CHECK(spool_scan(&spool) && spool.refused == 1 && spool_count(&spool) == 0 && there(".refused") && !there(""));
        // A second one keeps the first.
        leave_behind(3);
        put(path, version ? 8 : 0, version ? "\x02" : "x");
        make(1 << 20);
        CHECK(spool_scan(&spool) && there(".refused") && there(".refused.2") && !there(""));
        empty_folder();
    }
}

static void died_early(void)
{
    leave_behind(3);
    CHECK(truncate(path, 7) == 0);
    make(1 << 20);
    CHECK(spool_scan(&spool) && spool_count(&spool) == 0 && !there("") && !there(".refused"));
    empty_folder();
}

static void process_that_lives(void)
{
    int ready[2], done[2];
    char byte = 'r';
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    pid_t child = fork();
    if (child == 0) {
        spool_make(&spool, where, 1 << 20, "host", 4, boot_id);
        fill(1, 3);
        _exit(write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    make(1 << 20);
    CHECK(spool_scan(&spool) && spool_count(&spool) == 0);
    CHECK(write(done[1], "d", 1) == 1 && waitpid(child, NULL, 0) == child);
    CHECK(spool_scan(&spool) && replay(true) == bits(1, 3));
    empty_folder();
}

// More files than are opened at once.
static void many(void)
{
    enum { MANY = SPOOL_FILES_MAX + 9 };
    for (int i = 0; i < MANY; i++)
        leave_behind(100 + i);
    make(1 << 20);
    int told = 0;
    for (int round = 0; round < 3; round++) {
        bool complete = spool_scan(&spool);
        CHECK(complete == (round > 0));
        uint8_t frame[EVENT_FRAME_MAX];
        uint64_t file;
        off_t after;
        while (spool_next(&spool, frame, sizeof(frame), &file, &after) > 0) {
            spool_ack(&spool, file, after);
            told++;
        }
    }
    CHECK(told == MANY * FRAMES && spool_count(&spool) == 0 && spool.refused == 0);
    empty_folder();
}

int main(void)
{
    begin();
    appended();
    limited();
    same_process_again();
    cut_short();
    damaged();
    nothing_but_beginnings();
    no_spool_file();
    died_early();
    process_that_lives();
    many();
    end("spool");
    return 0;
}
