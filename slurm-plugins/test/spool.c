// SPDX-License-Identifier: GPL-2.0-or-later
// The spool: what is appended comes back, and of what lies in its folder only that is believed which root or we put there.
// Built with the sanitizers; ends at the first thing that is wrong. Some of it needs root.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../event_writer.h"
#include "../jobcomp_spool.h"
#include "check.h"

enum { STRANGER = 65534, FRAMES = 6 };

int checks;
static const uint8_t boot_id[EVENT_BOOT_ID_SIZE] = {1, 2, 3};
static char folder[] = "/tmp/grid-agent-spool.XXXXXX";
static char where[64], path[256];
static struct spool spool;

static size_t make_frame(uint8_t *bytes, uint64_t sequence, size_t padding)
{
    struct event_writer writer;
    char text[400];
    memset(text, 'x', padding);
    text[padding] = '\0';
    event_begin(&writer, bytes, EVENT_FRAME_MAX, EVENT_EVENT, sequence);
    event_put_number(&writer, TAG_JOB_ID, sequence);
    event_put_text(&writer, TAG_NAME, text);
    return event_end(&writer);
}

static void make(uint64_t limit)
{
    spool_make(&spool, where, limit, "host", 1, boot_id);
    spool.now = 1000;
}

static void fill(uint64_t first, int frames)
{
    uint8_t frame[EVENT_FRAME_MAX];
    for (int i = 0; i < frames; i++)
        CHECK(spool_append(&spool, frame, make_frame(frame, first + (uint64_t)i, 50)));
    CHECK(spool_commit(&spool));
}

// Reads all that there is; a bit for each sequence. With `acknowledge` it is dealt with.
static uint64_t replay(bool acknowledge)
{
    uint8_t bytes[EVENT_FRAME_MAX];
    struct event_frame frame;
    uint64_t file, got = 0, last = 0;
    off_t after;
    for (size_t length; (length = spool_next(&spool, bytes, sizeof(bytes), &file, &after)) > 0 || spool.busy;) {
        if (length == 0)
            continue;
        CHECK(event_read(bytes, length, &frame) && frame.sequence < 64 && frame.sequence > last);
        last = frame.sequence;
        got |= (uint64_t)1 << frame.sequence;
        if (acknowledge)
            spool_ack(&spool, file, after);
    }
    return got;
}

static uint64_t bits(unsigned first, unsigned last)
{
    uint64_t all = 0;
    for (unsigned i = first; i <= last; i++)
        all |= (uint64_t)1 << i;
    return all;
}

// A process that spools and dies, as slurmctld does when it is killed; `path` is its file.
static void leave_behind(pid_t named)
{
    pid_t child = fork();
    if (child == 0) {
        spool_make(&spool, where, 1 << 20, "host", named, boot_id);
        fill(1, FRAMES);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    snprintf(path, sizeof(path), "%s/host.%d.01020300000000000000000000000000.spool", where, (int)named);
}

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

static bool there(const char *suffix)
{
    char name[300];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    struct stat status;
    return lstat(name, &status) == 0;
}

static void empty_folder(void)
{
    char command[96];
    spool_close(&spool);
    snprintf(command, sizeof(command), "rm -rf %s", where);
    CHECK(system(command) == 0);
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

// MARK: what others planted

static void as_symlink(void)
{
    char real[64];
    snprintf(real, sizeof(real), "%s/elsewhere", folder);
    CHECK(rename(path, real) == 0 && symlink(real, path) == 0);
}

static void as_hard_link(void)
{
    char other[64];
    snprintf(other, sizeof(other), "%s/elsewhere", folder);
    unlink(other);
    CHECK(link(path, other) == 0);
}

static void as_fifo(void)
{
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
}

static void as_folder(void)
{
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
}

static void as_strangers(void)
{
    CHECK(chown(path, STRANGER, (gid_t)-1) == 0);
}

static void as_writable(void)
{
    CHECK(chmod(path, 0620) == 0);
}

static void planted(void)
{
    static const struct {
        void (*make)(void);
        const char *said;
        bool needs_root;
    } cases[] = {{as_symlink, "no regular file", false}, {as_hard_link, "second name", false}, {as_fifo, "no regular file", false},
        {as_folder, "no regular file", false}, {as_writable, "written by others", false}, {as_strangers, "another user", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].needs_root && geteuid() != 0)
            continue;
        leave_behind(7);
        cases[i].make();
        make(1 << 20);
        CHECK(spool_scan(&spool) && spool_count(&spool) == 0 && replay(true) == 0);
        CHECK(spool.refused == 1 && there(".refused") && !there("") && strstr(spool_message(&spool), cases[i].said));
        // It is looked at once.
        CHECK(spool_scan(&spool) && spool.refused == 1);
        // In place of the own file: that is made all the same.
        empty_folder();
        leave_behind(1);
        cases[i].make();
        make(1 << 20);
        fill(1, 3);
        CHECK(there(".refused") && replay(true) == bits(1, 3));
        empty_folder();
    }
}

// Terabytes of nothing: seen by its beginning, not read to its end.
static void huge(void)
{
    leave_behind(7);
    CHECK(truncate(path, (off_t)1 << 40) == 0);
    make(1 << 20);
    uint8_t frame[EVENT_FRAME_MAX];
    uint64_t file, got = 0;
    off_t after;
    CHECK(spool_scan(&spool));
    for (int i = 0; i < 100; i++) {
        if (spool_next(&spool, frame, sizeof(frame), &file, &after) > 0) {
            got++;
            spool_ack(&spool, file, after);
        }
    }
    CHECK(got == FRAMES);
    // Others come in between, and there is no room beside it.
    CHECK(!spool_append(&spool, frame, make_frame(frame, 9, 50)) && strstr(spool_message(&spool), "grid_agent_spool_limit"));
    empty_folder();
}

static void check_folder(const char *said)
{
    uint8_t frame[EVENT_FRAME_MAX];
    make(1 << 20);
    spool_scan(&spool);
    CHECK(spool_count(&spool) == 0);
    CHECK(!spool_append(&spool, frame, make_frame(frame, 1, 50)));
    CHECK(strstr(spool_message(&spool), "grid_agent_spool") && strstr(spool_message(&spool), said));
    // Said once, however often it is tried.
    unsigned told = spool.changes;
    CHECK(!spool_scan(&spool) && spool.changes == told);
}

static void strange_folders(void)
{
    char parent[64], inner[80];
    leave_behind(7);
    CHECK(chmod(where, 0770) == 0);
    check_folder("can write to");
    CHECK(chmod(where, 01777) == 0);
    check_folder("can write to");
    CHECK(chmod(where, 0700) == 0 && spool_scan(&spool) && !spool_message(&spool)[0] && replay(true) == bits(1, FRAMES));
    empty_folder();

    snprintf(parent, sizeof(parent), "%s/parent", folder);
    snprintf(inner, sizeof(inner), "%s", where);
    CHECK(mkdir(parent, 0777) == 0 && chmod(parent, 0777) == 0);
    snprintf(where, sizeof(where), "%s/spool", parent);
    check_folder("can write to");
    // As /tmp is.
    CHECK(chmod(parent, 01777) == 0);
    leave_behind(7);
    make(1 << 20);
    CHECK(spool_scan(&spool) && replay(true) == bits(1, FRAMES));
    if (geteuid() == 0) {
        CHECK(chmod(parent, 0755) == 0 && chown(parent, STRANGER, (gid_t)-1) == 0);
        check_folder("belongs to uid 65534");
        CHECK(chown(parent, 0, (gid_t)-1) == 0 && chown(where, STRANGER, (gid_t)-1) == 0);
        check_folder("belongs to uid 65534");
    }
    snprintf(where, sizeof(where), "%s", inner);
    snprintf(path, sizeof(path), "rm -rf %s", parent);
    CHECK(system(path) == 0);
    spool_close(&spool);

    // A link that an administrator made leads on; one to a file does not.
    snprintf(inner, sizeof(inner), "%s/real", folder);
    CHECK(mkdir(inner, 0700) == 0 && symlink(inner, where) == 0);
    leave_behind(7);
    make(1 << 20);
    CHECK(spool_scan(&spool) && replay(true) == bits(1, FRAMES) && rmdir(inner) == 0 && unlink(where) == 0);
    spool_close(&spool);
    CHECK(symlink("/dev/null", where) == 0);
    check_folder("/dev/null");
    CHECK(unlink(where) == 0);

    snprintf(inner, sizeof(inner), "%s", where);
    snprintf(where, sizeof(where), "/proc/none/spool");
    make(1 << 20);
    uint8_t frame[EVENT_FRAME_MAX];
    CHECK(spool_scan(&spool) && !spool_append(&spool, frame, make_frame(frame, 1, 1)) && strstr(spool_message(&spool), "/proc/none"));
    snprintf(where, sizeof(where), "%s", inner);
}

int main(void)
{
    CHECK(mkdtemp(folder));
    snprintf(where, sizeof(where), "%s/spool", folder);
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
    planted();
    huge();
    strange_folders();
    snprintf(path, sizeof(path), "rm -rf %s", folder);
    CHECK(system(path) == 0);
    printf("spool: %d checks%s\n", checks, geteuid() ? "; those that need root were left out" : "");
    return 0;
}
