// SPDX-License-Identifier: GPL-2.0-or-later
// What others put into the spool's way: of what lies in its folder only that is believed which root or we put there. Built with
// the sanitizers; ends at the first thing that is wrong. Some of it needs root.
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_tools.h"

enum { STRANGER = 65534 };

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
    begin();
    planted();
    huge();
    strange_folders();
    end("planted");
    return 0;
}
