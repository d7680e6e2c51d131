// SPDX-License-Identifier: GPL-2.0-or-later
#include "world.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../event_writer.h"
#include "../jobcomp_chain.h"
#include "../jobcomp_sender.h"

struct world world;

void chain_read_status(struct chain_status *status)
{
    memset(status, 0, sizeof(*status));
}

void world_begin(uint64_t seed, void (*turn)(void *), void *context)
{
    memset(&world, 0, sizeof(world));
    world.now_us = (int64_t)1000000 * 1000;
    world.random = seed * 2654435761u + 1;
    world.turn = turn;
    world.context = context;
}

uint32_t world_random(uint32_t below)
{
    world.random = world.random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world.random >> 33) % below;
}

// MARK: the thread, its clock and its sends

static void *(*thread_body)(void *);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    (void)attributes;
    (void)argument;
    *thread = pthread_self();
    thread_body = body;
    return 0;
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
    (void)thread;
    (void)name;
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = world.now_us / 1000000;
    time->tv_nsec = world.now_us % 1000000 * 1000;
    return 0;
}

int __wrap_nanosleep(const struct timespec *length, struct timespec *left);
int __wrap_nanosleep(const struct timespec *length, struct timespec *left)
{
    (void)left;
    world.now_us += (int64_t)length->tv_sec * 1000000 + length->tv_nsec / 1000;
    return 0;
}

// Who stops the thread is the thread itself here: its end is not waited for.
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until)
{
    (void)condition;
    (void)lock;
    (void)until;
    return ETIMEDOUT;
}

int __real_poll(struct pollfd *wanted, nfds_t count, int milliseconds);
int __wrap_poll(struct pollfd *wanted, nfds_t count, int milliseconds);
int __wrap_poll(struct pollfd *wanted, nfds_t count, int milliseconds)
{
    static unsigned in_a_row;
    in_a_row = milliseconds == 0 ? in_a_row + 1 : 0;
    if (in_a_row > 500)
        exit(fprintf(stderr, "world: the thread spins\n") ? 1 : 1);
    // Something may happen at any time before the wait is over.
    int64_t most = milliseconds < 0 || milliseconds > 60000 ? 60000 : milliseconds;
    world.now_us += world_random(4) ? (int64_t)world_random(2000) : most * 1000;
    world.turn(world.context);
    return __real_poll(wanted, count, 0);
}

ssize_t __real_send(int descriptor, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int descriptor, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int descriptor, const void *bytes, size_t length, int flags)
{
    if (world.room == HALF_GOES) {
        world.room = NOTHING_GOES;
        return __real_send(descriptor, bytes, length / 2, flags);
    }
    if (world.room == NOTHING_GOES || world_random(100) < world.eagain_percent) {
        errno = EAGAIN;
        return -1;
    }
    if (length > 1 && world_random(100) < world.part_percent)
        length = 1 + world_random((uint32_t)length);
    return __real_send(descriptor, bytes, length, flags);
}

void world_run(const struct settings *settings)
{
    if (sender_start(settings) != 0 || !thread_body)
        exit(fprintf(stderr, "world: the sender does not start\n") ? 1 : 1);
    thread_body(NULL);
}

// MARK: the agent

void agent_bind(struct agent *agent)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", agent->path);
    unlink(agent->path);
    agent->client = -1;
    agent->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (agent->listener < 0 || bind(agent->listener, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror("world: bind");
        exit(1);
    }
}

void agent_listen(struct agent *agent)
{
    agent_bind(agent);
    if (listen(agent->listener, 8) != 0)
        exit(1);
}

void agent_hang_up(struct agent *agent)
{
    if (agent->client >= 0)
        close(agent->client);
    agent->client = -1;
    agent->have = 0;
    agent->frames = agent->acked = 0;
}

void agent_leave(struct agent *agent)
{
    agent_hang_up(agent);
    if (agent->listener >= 0)
        close(agent->listener);
    agent->listener = -1;
    unlink(agent->path);
}

bool agent_accept(struct agent *agent)
{
    if (agent->client < 0 && agent->listener >= 0) {
        agent->client = accept(agent->listener, NULL, NULL);
        agent->connections += agent->client >= 0;
    }
    return agent->client >= 0;
}

static void commit(struct agent *agent, const uint8_t *bytes, size_t length)
{
    struct event_frame frame;
    if (!event_read(bytes, length, &frame))
        exit(fprintf(stderr, "world: what came is no frame\n") ? 1 : 1);
    agent->frames++;
    struct event_field field;
    if (frame.type == EVENT_HELLO)
        agent->trouble[0] = '\0';
    for (size_t position = 0; frame.type == EVENT_HELLO && event_next_field(&frame, &position, &field) == 1;)
        if (field.tag == TAG_SPOOL_TROUBLE)
            snprintf(agent->trouble, sizeof(agent->trouble), "%.*s", (int)field.length, (const char *)field.value);
    if (frame.type != EVENT_EVENT)
        return;
    agent->events++;
    for (size_t position = 0; agent->taken && event_next_field(&frame, &position, &field) == 1;)
        if (field.tag == TAG_BOOT_ID && field.length == EVENT_BOOT_ID_SIZE)
            agent->taken(field.value, frame.sequence);
    if (agent->taken || frame.sequence <= agent->mark)
        return;
    agent->mark = frame.sequence;
    if (agent->seen && frame.sequence < agent->limit)
        agent->seen[frame.sequence] = 1;
}

bool agent_read(struct agent *agent, size_t bytes)
{
    if (agent->client < 0)
        return false;
    if (bytes > sizeof(agent->in) - agent->have)
        bytes = sizeof(agent->in) - agent->have;
    ssize_t got = recv(agent->client, agent->in + agent->have, bytes, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        agent_hang_up(agent);
        return false;
    }
    agent->have += got > 0 ? (size_t)got : 0;
    size_t at = 0;
    for (long size; (size = event_frame_size(agent->in + at, agent->have - at)) != 0; at += (size_t)size) {
        if (size < 0)
            exit(fprintf(stderr, "world: the stream is broken\n") ? 1 : 1);
        if ((size_t)size > agent->have - at)
            break;
        commit(agent, agent->in + at, (size_t)size);
    }
    memmove(agent->in, agent->in + at, agent->have - at);
    agent->have -= at;
    return true;
}

void agent_ack(struct agent *agent, uint64_t frames)
{
    uint8_t bytes[32];
    struct event_writer writer;
    event_begin(&writer, bytes, sizeof(bytes), EVENT_ACK, frames);
    if (agent->client >= 0 && __real_send(agent->client, bytes, event_end(&writer), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        agent->acked = frames;
}
