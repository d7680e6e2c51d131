// SPDX-License-Identifier: GPL-2.0-or-later
// Events, an agent that stalls, reads half, dies and comes back, and a spool that fills and empties, in an order that a
// seed decides: each event that was not counted as dropped is committed, and in its order.
//
//   replay [SEEDS [FIRST]]
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_writer.h"
#include "../jobcomp_sender.h"
#include "world.h"

enum { TURNS = 1500, EVENTS_MAX = 60000 };

static struct {
    struct agent agent;
    struct settings settings;
    uint8_t seen[EVENTS_MAX], dropped[EVENTS_MAX];
    uint64_t sequence, stops;
    unsigned turns, quiet;
    int64_t away_until, stalled_until;
    bool restart;
} test;

static void add(void)
{
    static uint8_t bytes[40 << 10];
    static char text[EVENT_TEXT_MAX];
    struct event_writer writer;
    size_t length = world_random(20) ? world_random(700) : world_random(sizeof(text));
    memset(text, 'x', length);
    text[length] = '\0';
    test.sequence = sender_next_sequence();
    event_begin(&writer, bytes, sizeof(bytes), EVENT_EVENT, test.sequence);
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    event_put_bytes(&writer, TAG_BOOT_ID, sender_boot_id(), EVENT_BOOT_ID_SIZE);
    event_put_text(&writer, TAG_NAME, text);
    uint64_t before = sender_dropped();
    sender_add(bytes, event_end(&writer));
    if (sender_dropped() != before)
        test.dropped[test.sequence] = 1;
}

static uint64_t missing(void)
{
    for (uint64_t i = 1; i <= test.sequence; i++)
        if (!test.dropped[i] && !test.seen[i])
            return i;
    return 0;
}

// The agent's turn while things go wrong.
static void stumble(struct agent *agent)
{
    if (world.now_us < test.away_until)
        return;
    if (agent->listener < 0)
        agent_listen(agent);
    if (world.now_us < test.stalled_until || !agent_accept(agent))
        return;
    switch (world_random(40)) {
    case 0:
        agent_leave(agent);
        test.away_until = world.now_us + (int64_t)world_random(20) * 500000;
        return;
    case 1:
        agent_hang_up(agent);
        return;
    case 2:
    case 3:
        test.stalled_until = world.now_us + (int64_t)world_random(20) * 500000;
        return;
    default:
        agent_read(agent, 1 + world_random(world_random(3) ? 3000 : 200000));
        if (agent->frames > agent->acked && world_random(3))
            agent_ack(agent, agent->acked + 1 + world_random((uint32_t)(agent->frames - agent->acked)));
    }
}

static void turn(void *unused)
{
    (void)unused;
    bool over = ++test.turns > TURNS;
    if (!over) {
        unsigned burst = world_random(12) ? world_random(4) : world_random(world_random(4) ? 60 : 500);
        for (unsigned i = 0; i < burst && test.sequence + 1 < EVENTS_MAX; i++)
            add();
        stumble(&test.agent);
        if (world_random(250) == 0) {
            test.restart = true; // as when a backup slurmctld hands over and takes over again
            sender_stop(0);
        }
        return;
    }
    world.eagain_percent = world.part_percent = 0;
    if (test.agent.listener < 0)
        agent_listen(&test.agent);
    if (agent_accept(&test.agent) && agent_read(&test.agent, sizeof(test.agent.in)) && test.agent.frames > test.agent.acked)
        agent_ack(&test.agent, test.agent.frames);
    // All there, and what there was on disk acknowledged; or not in a long time.
    if ((!missing() && ++test.quiet > 20) || test.turns > TURNS + 20000)
        sender_stop(0);
}

static int files_left(const char *folder)
{
    int count = 0;
    DIR *open = opendir(folder);
    for (struct dirent *entry; open && (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.';
    if (open)
        closedir(open);
    return count;
}

static int run(uint64_t seed, const char *folder)
{
    world_begin(seed, turn, NULL);
    world.eagain_percent = world_random(30);
    world.part_percent = world_random(60);
    settings_defaults(&test.settings);
    snprintf(test.settings.socket, sizeof(test.settings.socket), "%s/socket", folder);
    snprintf(test.settings.spool_folder, sizeof(test.settings.spool_folder), "%s/spool", folder);
    test.settings.ring_frames = 16 + world_random(2000);
    test.settings.ring_bytes = (size_t)(256 << 10) << world_random(3);
    test.settings.spool_bytes = world_random(3) ? (uint64_t)256 << 20 : (uint64_t)(64 << 10) << world_random(5);
    snprintf(test.agent.path, sizeof(test.agent.path), "%s", test.settings.socket);
    test.agent.listener = test.agent.client = -1;
    test.agent.seen = test.seen;
    test.agent.limit = EVENTS_MAX;
    sender_set_mode(EVENT_RICH, "a test");
    do {
        test.restart = false;
        world_run(&test.settings);
        test.stops++;
    } while (test.restart);
    uint64_t lost = missing();
    if (lost || files_left(test.settings.spool_folder)) {
        fprintf(stderr, "replay: seed %llu: of %llu events, %llu dropped, sequence %llu is lost; %d files left\n", (unsigned long long)seed,
            (unsigned long long)test.sequence, (unsigned long long)sender_dropped(), (unsigned long long)lost, files_left(test.settings.spool_folder));
        return 1;
    }
    return 0;
}

int main(int count, char **words)
{
    uint64_t seeds = count > 1 ? strtoull(words[1], NULL, 10) : 60, first = count > 2 ? strtoull(words[2], NULL, 10) : 1;
    int failed = 0;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        char folder[] = "/tmp/grid-agent-replay.XXXXXX", command[64];
        if (!mkdtemp(folder))
            return 1;
        // A process each: the sender's state is its process's.
        pid_t child = fork();
        if (child == 0)
            _exit(run(seed, folder));
        int status;
        failed += waitpid(child, &status, 0) != child || status != 0;
        snprintf(command, sizeof(command), "rm -rf %s", folder);
        if (system(command) != 0)
            return 1;
    }
    if (failed)
        return fprintf(stderr, "replay: %d of %llu seeds failed\n", failed, (unsigned long long)seeds) ? 1 : 1;
    printf("replay: %llu seeds ok\n", (unsigned long long)seeds);
    return 0;
}
