// SPDX-License-Identifier: GPL-2.0-or-later
// Whoever may listen where the agent should: one that never accepts, reads or acknowledges, lies, talks nonsense, or is
// somebody else. Each has its way for a minute of the sender's time; then the agent is back, and gets every event.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_writer.h"
#include "../jobcomp_sender.h"
#include "world.h"

enum { EVENTS = 400, MINUTE_US = 60000000, PATIENCE_US = 600000000, STRANGER = 65534, CONNECTIONS_MIN = 3, CONNECTIONS_MAX = 60 };

struct door {
    const char *name;
    /// What is done with the connection at each turn; NULL: it is never accepted.
    void (*act)(struct agent *agent);
    bool stranger;
    bool well;    // it is slow, and all that the agent must be
    bool commits; // what it acknowledges it has
};

static struct {
    const struct door *door;
    struct agent agent;
    struct settings settings;
    uint8_t seen[EVENTS + 1];
    uint64_t sequence;
    int64_t begun;
    uint64_t connections; // while the door was there
    bool heard;           // the stranger got something
    bool back;
    unsigned step, halves, quiet;
} test;

// MARK: doors

static void say(struct agent *agent, const void *bytes, size_t length)
{
    // send() is the plugin's (test/world.c).
    if (sendto(agent->client, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0) < 0)
        return; // it has hung up on us
}

static void never_reads(struct agent *agent)
{
    (void)agent;
}

static void never_acknowledges(struct agent *agent)
{
    agent_read(agent, 100000);
}

static void hangs_up_at_once(struct agent *agent)
{
    agent_hang_up(agent);
}

static void acknowledges_nothing_new(struct agent *agent)
{
    agent_read(agent, 100000);
    agent_ack(agent, 0);
}

static void acknowledges_more_than_there_is(struct agent *agent)
{
    agent_read(agent, 100000);
    agent_ack(agent, agent->frames + 300);
}

// The hello, and the first half of an event.
static void acknowledges_half_a_frame(struct agent *agent)
{
    if (!agent_read(agent, 100000)) {
        world.room = ALL_GOES;
    } else if (world.room == NOTHING_GOES) {
        test.halves++;
        agent_ack(agent, agent->frames + 1);
    } else if (agent->frames == 1) {
        world.room = HALF_GOES;
        agent_ack(agent, 1);
    }
}

static void goes_backwards(struct agent *agent)
{
    agent_read(agent, 100000);
    if (agent->acked > 1)
        agent_ack(agent, agent->acked - 1);
    else if (agent->frames > 2)
        agent_ack(agent, 2);
}

static void talks_nonsense(struct agent *agent)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)world_random(256);
    say(agent, bytes, sizeof(bytes));
}

static void says_half(struct agent *agent)
{
    agent_read(agent, 100000);
    if (test.step++ % 50 == 0)
        say(agent, "\x0c\x00\x00\x00\x53\x47\x01", 7);
}

// A whole frame of a size that no answer has.
static void says_too_much(struct agent *agent)
{
    static const uint8_t bytes[8192] = {0xf0, 0xff, 0, 0, 0x53, 0x47, 1, EVENT_REFUSAL};
    say(agent, bytes, sizeof(bytes));
}

static void refuses(struct agent *agent)
{
    uint8_t bytes[64];
    struct event_writer writer;
    event_begin(&writer, bytes, sizeof(bytes), EVENT_REFUSAL, 0);
    event_put_text(&writer, TAG_TEXT, "not you");
    say(agent, bytes, event_end(&writer));
}

static void listens(struct agent *agent)
{
    uint8_t byte;
    if (recv(agent->client, &byte, 1, MSG_DONTWAIT) > 0)
        test.heard = true;
}

// Reads parts of frames and answers in parts, and is right.
static void is_slow(struct agent *agent)
{
    static uint8_t bytes[32];
    static size_t length, done;
    static int client = -1;
    static uint64_t connection;
    struct event_writer writer;
    agent_read(agent, 2000);
    if (client != agent->client || connection != agent->connections)
        length = done = 0;
    client = agent->client;
    connection = agent->connections;
    if (done == length && agent->frames > agent->acked) {
        event_begin(&writer, bytes, sizeof(bytes), EVENT_ACK, agent->frames);
        agent->acked = agent->frames;
        length = event_end(&writer);
        done = 0;
    }
    if (done < length && client >= 0) {
        size_t part = length - done < 5 ? length - done : 5;
        say(agent, bytes + done, part);
        done += part;
    }
}

static const struct door doors[] = {{"never accepts", NULL, false, false, false}, {"never reads", never_reads, false, false, false},
    {"never acknowledges", never_acknowledges, false, false, false}, {"hangs up at once", hangs_up_at_once, false, false, false},
    {"acknowledges nothing new", acknowledges_nothing_new, false, false, false},
    {"acknowledges more than there is", acknowledges_more_than_there_is, false, false, false},
    {"acknowledges half a frame", acknowledges_half_a_frame, false, false, false}, {"goes backwards", goes_backwards, false, false, true},
    {"talks nonsense", talks_nonsense, false, false, false}, {"says half of an answer", says_half, false, false, false},
    {"says too much", says_too_much, false, false, false}, {"refuses", refuses, false, false, false}, {"is somebody else", listens, true, false, false},
    {"is slow", is_slow, false, true, true}};

// MARK: run

static void add(void)
{
    uint8_t bytes[1200];
    struct event_writer writer;
    char text[900];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1 - world_random(600)] = '\0';
    text[sizeof(text) - 1] = '\0';
    test.sequence = sender_next_sequence();
    event_begin(&writer, bytes, sizeof(bytes), EVENT_EVENT, test.sequence);
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    event_put_text(&writer, TAG_NAME, text);
    sender_add(bytes, event_end(&writer));
}

static int files_left(void)
{
    int count = 0;
    DIR *open = opendir(test.settings.spool_folder);
    for (struct dirent *entry; open && (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.';
    if (open)
        closedir(open);
    return count;
}

// A connection that waits says that the one before is over, whatever is still to be read of it.
static bool accept_newest(struct agent *agent)
{
    for (int next; (next = accept(agent->listener, NULL, NULL)) >= 0; agent->connections++) {
        agent_hang_up(agent);
        agent->client = next;
    }
    return agent->client >= 0;
}

static bool all_seen(void)
{
    for (int i = 1; i <= EVENTS; i++)
        if (!test.seen[i])
            return false;
    return true;
}

static void open_door(void)
{
    // Who listens is asked when it listens.
    if (test.door->stranger) {
        agent_bind(&test.agent);
        if (seteuid(STRANGER) != 0 || listen(test.agent.listener, 8) != 0 || seteuid(0) != 0)
            exit(1);
    } else {
        agent_listen(&test.agent);
    }
}

static void agent_returns(void)
{
    test.connections = test.agent.connections;
    agent_leave(&test.agent);
    world.part_percent = 0;
    world.room = ALL_GOES;
    if (!test.door->commits) {
        test.agent.mark = 0;
        memset(test.seen, 0, sizeof(test.seen));
    }
    agent_listen(&test.agent);
    test.back = true;
}

static void turn(void *unused)
{
    (void)unused;
    int64_t since = world.now_us - test.begun;
    for (int i = 0; i < 3 && test.sequence < EVENTS && since > (int64_t)test.sequence * MINUTE_US / EVENTS; i++)
        add();
    if (!test.door->well && !test.back && since >= MINUTE_US)
        agent_returns();
    if (test.back) {
        if (agent_accept(&test.agent) && agent_read(&test.agent, sizeof(test.agent.in)) && test.agent.frames > test.agent.acked)
            agent_ack(&test.agent, test.agent.frames);
    } else if (test.door->act && accept_newest(&test.agent)) {
        test.door->act(&test.agent);
    }
    // The last acknowledgement may be under way.
    bool done = test.sequence == EVENTS && all_seen() && files_left() == 0 && test.agent.frames > 0 && test.agent.acked == test.agent.frames;
    test.quiet = done ? test.quiet + 1 : 0;
    if (test.quiet > 30 || since > (int64_t)PATIENCE_US * (test.door->well ? 10 : 1))
        sender_stop(0);
}

static int wrong(const char *what)
{
    fprintf(stderr, "doors: one that %s: %s\n", test.door->name, what);
    return 1;
}

static int run(const struct door *door, const char *folder)
{
    test.door = door;
    world_begin(7, turn, NULL);
    world.part_percent = 30;
    test.begun = world.now_us;
    settings_defaults(&test.settings);
    snprintf(test.settings.socket, sizeof(test.settings.socket), "%s/socket", folder);
    snprintf(test.settings.spool_folder, sizeof(test.settings.spool_folder), "%s/spool", folder);
    snprintf(test.agent.path, sizeof(test.agent.path), "%s", test.settings.socket);
    test.agent.seen = test.seen;
    test.agent.limit = EVENTS + 1;
    open_door();
    sender_set_mode(EVENT_RICH, "a test");
    world_run(&test.settings);
    if (!all_seen())
return wrong("events are lost");
    if (sender_dropped() || files_left())
        return wrong("something was dropped, or is left on disk");
    if (test.connections > CONNECTIONS_MAX)
        return wrong("it is connected to again and again");
    if (door->act == acknowledges_half_a_frame && test.halves == 0)
        return wrong("there was no half frame");
    if (door->act && !door->well && test.connections < CONNECTIONS_MIN)
        return wrong("it is waited for without end");
    if (test.heard)
        return wrong("it heard of jobs");
    if (door->stranger && !strstr(test.agent.trouble, "grid_agent_socket="))
        return wrong("the agent is not told of it");
    return 0;
}

int main(void)
{
    size_t count = sizeof(doors) / sizeof(*doors), failed = 0, left_out = 0;
    for (size_t i = 0; i < count; i++) {
        char folder[] = "/tmp/grid-agent-doors.XXXXXX", command[64];
        if (doors[i].stranger && geteuid() != 0) {
            left_out++;
            continue;
        }
        if (!mkdtemp(folder))
            return 1;
        pid_t child = fork();
        if (child == 0)
            _exit(run(&doors[i], folder));
        int status;
        failed += waitpid(child, &status, 0) != child || status != 0;
        snprintf(command, sizeof(command), "rm -rf %s", folder);
        if (system(command) != 0)
            return 1;
    }
    printf("doors: %zu of %zu ok%s\n", count - failed - left_out, count, left_out ? "; one needs root" : "");
    return failed ? 1 : 0;
}
