// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank_send.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <munge.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "event_writer.h"

enum { PORT = 6821 };

static const char not_taken[] = "the agent did not take it";

void spank_target_defaults(struct spank_target *target)
{
    memset(target, 0, sizeof(*target));
    target->timeout_ms = 200;
}

bool spank_set_controller(struct spank_target *target, const char *text)
{
    char host[64];
    unsigned long port = PORT;
    target->has_controller = false; // also after a good one: the last one counts
    const char *colon = strrchr(text, ':');
    size_t length = strlen(text);
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        text++;
        length = (size_t)(end - text);
        colon = end[1] ? end + 1 : NULL;
    } else if (colon && strchr(text, ':') == colon) {
        length = (size_t)(colon - text);
    } else {
        colon = NULL; // none, or IPv6 without a port
    }
    if (colon) {
        size_t digits = strspn(colon + 1, "0123456789");
        port = strtoul(colon + 1, NULL, 10);
        if (digits == 0 || colon[1 + digits] || port < 1 || port > 65535)
            return false;
    }
    if (length == 0 || length >= sizeof(host))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    struct sockaddr_in *four = (struct sockaddr_in *)&target->controller;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&target->controller;
    memset(&target->controller, 0, sizeof(target->controller));
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        target->controller_size = sizeof(*four);
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        target->controller_size = sizeof(*six);
    } else {
        return false;
    }
    return target->has_controller = true;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_for(int descriptor, short event, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd wanted = {.fd = descriptor, .events = event};
        if (left <= 0)
            return false;
        int ready = poll(&wanted, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

// Whoever listens there is root, ourselves, or the one whose folder it is that the socket is in: in the agent's, nobody else
// can put one.
static bool is_agent(int descriptor, const struct sockaddr_un *address)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    struct stat folder;
    char path[sizeof(address->sun_path)];
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    snprintf(path, sizeof(path), "%.*s", (int)sizeof(path) - 1, address->sun_path);
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    slash[slash == path] = '\0';
    return stat(path, &folder) == 0 && folder.st_uid == peer.uid && !(folder.st_mode & (S_IWGRP | S_IWOTH));
}

// The agent's acknowledgement: a frame without fields. EPROTO: it says something else, or nothing.
static int wait_for_answer(int descriptor, int64_t deadline)
{
    uint8_t answer[EVENT_HEADER_SIZE];
    for (size_t length = 0; length < sizeof(answer);) {
        ssize_t count = recv(descriptor, answer + length, sizeof(answer) - length, 0);
        if (count > 0)
            length += (size_t)count;
        else if (count == 0)
            return EPROTO;
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_for(descriptor, POLLIN, deadline))
                return ETIMEDOUT;
        } else if (errno != EINTR)
            return EPROTO;
    }
    return (answer[4] | answer[5] << 8) == EVENT_MAGIC && answer[7] == EVENT_ACK ? 0 : EPROTO;
}

// Connects and sends, all before the deadline. 0 or an error number.
static int deliver(
    const struct sockaddr *address, socklen_t size, const uint8_t *bytes, size_t length, bool answered, int64_t deadline)
{
    int problem = 0;
    int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return errno;
    int connected = connect(descriptor, address, size);
    // A Unix socket whose queue is full says so at once, and cannot be polled for room.
    for (struct timespec pause = {0, 2000000}; connected != 0 && errno == EAGAIN && now_ms() < deadline;) {
        nanosleep(&pause, NULL);
        connected = connect(descriptor, address, size);
    }
    if (connected != 0) {
        socklen_t room = sizeof(problem);
        problem = errno;
        if (problem == EINPROGRESS)
            problem = !wait_for(descriptor, POLLOUT, deadline) ? ETIMEDOUT
                : getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &room) != 0 ? errno : problem;
    }
    if (problem == 0 && address->sa_family == AF_UNIX && !is_agent(descriptor, (const struct sockaddr_un *)address))
        problem = EPERM;
    for (size_t sent = 0; problem == 0 && sent < length;) {
        ssize_t count = send(descriptor, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            problem = wait_for(descriptor, POLLOUT, deadline) ? 0 : ETIMEDOUT;
        else if (errno != EINTR)
            problem = errno;
    }
    if (problem == 0 && answered)
        problem = wait_for_answer(descriptor, deadline);
    close(descriptor);
    return problem;
}

// MARK: remote

// Owned by whoever is last: the hook that waits, or the thread that hangs.
struct message {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool finished, abandoned, answered;
    const char *problem;
    struct spank_target target;
    int64_t deadline;
    size_t length;
    uint8_t frame[SPANK_FRAME_MAX];
};

static void release(struct message *message)
{
    pthread_cond_destroy(&message->done);
    pthread_mutex_destroy(&message->lock);
    free(message);
}

// libmunge is opened when it is needed: a node without it still loads this plugin.
static const char *sign(const struct message *message, char **credential)
{
    void *library = dlopen("libmunge.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return "libmunge.so.2 is not there";
    munge_ctx_t (*create)(void) = (munge_ctx_t(*)(void))dlsym(library, "munge_ctx_create");
    munge_err_t (*set)(munge_ctx_t, munge_opt_t, ...) = (munge_err_t(*)(munge_ctx_t, munge_opt_t, ...))dlsym(library, "munge_ctx_set");
    void (*destroy)(munge_ctx_t) = (void (*)(munge_ctx_t))dlsym(library, "munge_ctx_destroy");
    munge_err_t (*encode)(char **, munge_ctx_t, const void *, int) =
        (munge_err_t(*)(char **, munge_ctx_t, const void *, int))dlsym(library, "munge_encode");
    if (!create || !set || !destroy || !encode)
        return "libmunge.so.2 is another one";
    munge_ctx_t context = create();
    if (!context)
        return "out of memory";
    munge_err_t outcome = EMUNGE_SUCCESS;
    if (message->target.munge_socket[0])
        outcome = set(context, MUNGE_OPT_SOCKET, message->target.munge_socket);
    if (outcome == EMUNGE_SUCCESS)
        outcome = encode(credential, context, message->frame, (int)message->length);
    destroy(context);
    return outcome == EMUNGE_SUCCESS ? NULL : "munged does not sign";
}

static const char *send_sealed(const struct message *message)
{
    static const char too_late[] = "the time limit was reached";
    char *credential = NULL;
    const char *problem = sign(message, &credential);
    if (problem)
        return problem;
    size_t room = strlen(credential) + 64;
    uint8_t *sealed = malloc(room);
    if (!sealed) {
        free(credential);
        return "out of memory";
    }
    struct event_writer writer;
    event_begin(&writer, sealed, room, EVENT_SEALED, 0);
    event_put_bytes(&writer, TAG_CREDENTIAL, credential, strlen(credential));
    size_t length = event_end(&writer);
    int outcome = now_ms() >= message->deadline
        ? ETIMEDOUT
        : deliver((const struct sockaddr *)&message->target.controller, message->target.controller_size, sealed, length,
              message->answered, message->deadline);
    free(sealed);
    free(credential);
    return outcome == 0      ? NULL
        : outcome == ETIMEDOUT ? too_late
        : outcome == EPROTO    ? not_taken
                               : "the agent on the controller does not listen";
}

static void *run(void *argument)
{
    struct message *message = argument;
    const char *problem = send_sealed(message);
    pthread_mutex_lock(&message->lock);
    message->finished = true;
    message->problem = problem;
    bool last = message->abandoned;
    pthread_cond_signal(&message->done);
    pthread_mutex_unlock(&message->lock);
    if (last)
        release(message);
    return NULL;
}

static int start(struct message *message)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&thread, &attributes, run, message);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return problem;
}

// munge_encode() has no time limit of its own, so it is called where it may hang.
static const char *send_remote(const struct spank_target *target, const uint8_t *frame, size_t length, bool answered, int64_t deadline)
{
    struct message *message = calloc(1, sizeof(*message));
    pthread_condattr_t monotonic;
    if (!message || length > sizeof(message->frame)) {
        free(message);
        return "out of memory";
    }
    pthread_mutex_init(&message->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&message->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    message->target = *target;
    message->deadline = deadline;
    message->answered = answered;
    message->length = length;
    memcpy(message->frame, frame, length);
    if (start(message) != 0) {
        release(message);
        return "no thread can be started";
    }
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = (long)(deadline % 1000) * 1000000};
    pthread_mutex_lock(&message->lock);
    int waited = 0;
    while (!message->finished && waited == 0)
        waited = pthread_cond_timedwait(&message->done, &message->lock, &until);
    const char *problem = message->finished ? message->problem : "the time limit was reached";
    bool last = message->finished;
    message->abandoned = !last;
    pthread_mutex_unlock(&message->lock);
    if (last)
        release(message);
    return problem;
}

const char *spank_send(const struct spank_target *target, const uint8_t *frame, size_t length, bool answered)
{
    int64_t deadline = now_ms() + target->timeout_ms;
    if (target->socket[0]) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        memcpy(address.sun_path, target->socket, sizeof(target->socket));
        int problem = deliver((struct sockaddr *)&address, sizeof(address), frame, length, answered, deadline);
        if (problem == 0)
            return NULL;
        if (!target->has_controller)
            return problem == ENOENT || problem == ECONNREFUSED ? "no agent listens"
                : problem == EPERM                              ? "another user listens at its socket"
                : problem == EPROTO                             ? not_taken
                                                                : strerror(problem);
    }
    if (!target->has_controller)
        return "neither socket= nor controller= is set";
    return send_remote(target, frame, length, answered, deadline);
}
