// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "event_reader.h"

static void slow_down(struct link *link)
{
    link->retry_pause = link->retry_pause * 2 < LINK_RETRY_LIMIT_MS ? link->retry_pause * 2 : LINK_RETRY_LIMIT_MS;
}

void link_make(struct link *link, const struct hello_facts *facts, struct spool *spool, int64_t now)
{
    memset(link, 0, sizeof(*link));
    link->facts = *facts;
    link->facts.socket_trouble = link->trouble;
    link->spool = spool;
    link->socket = -1;
    link->now = link->away_since = now;
    link->retry_pause = LINK_RETRY_FIRST_MS;
}

void link_drop(struct link *link)
{
    if (link->socket >= 0)
        close(link->socket);
    link->socket = -1;
    link->in_flight = link->first = 0;
    link->acked = 0;
    link->out_length = link->out_done = link->in_length = 0;
    link->cursor = 0;
    spool_rewind(link->spool);
    link->away_since = link->now;
    link->retry_at = link->now + link->retry_pause;
    slow_down(link);
}

// Whoever listens there gets all events and may say that they are dealt with.
static bool is_agent(struct link *link, int descriptor)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    char text[256];
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    snprintf(text, sizeof(text), "grid_agent_socket=%.108s: uid %u listened there, who is neither root nor SlurmUser; nothing was sent",
        link->facts.settings->socket, (unsigned)peer.uid);
    if (strcmp(text, link->trouble)) {
        memcpy(link->trouble, text, sizeof(text)); // the agent hears of it when it is back
        log_line("%s", text);
    }
    return false;
}

static void put_hello(struct link *link)
{
    link->out_length = hello_write(&link->facts, link->out, sizeof(link->out));
    link->out_done = 0;
}

void link_connect(struct link *link)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (link->socket >= 0 || link->now < link->retry_at)
        return;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", link->facts.settings->socket);
    link->retry_at = link->now + link->retry_pause;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // A Unix socket connects at once or not at all; a full backlog is "not now".
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 || !is_agent(link, descriptor)) {
        if (descriptor >= 0)
            close(descriptor);
        slow_down(link);
        return;
    }
    link->socket = descriptor;
    link->last_progress = link->now;
    put_hello(link);
    link->window[0].from = SENT_HELLO;
    link->in_flight = 1;
}

// MARK: sending

// Puts the next frame into the out buffer, spooled ones first: they are older.
static bool load_next(struct link *link)
{
    size_t at = (link->first + link->in_flight) % LINK_WINDOW;
    if (link->in_flight == LINK_WINDOW)
        return false;
    link->out_length = link->out_done = 0;
    if (hello_is_old(&link->facts)) {
        put_hello(link);
        link->window[at].from = SENT_HELLO;
    } else if ((link->out_length = spool_next(link->spool, link->out, sizeof(link->out), &link->window[at].file, &link->window[at].after)) > 0) {
        link->window[at].from = SENT_SPOOL;
    } else if (!spool_holds_back(link->spool)) {
        link->out_length = ring_read(link->facts.ring, &link->cursor, link->out, sizeof(link->out));
        link->window[at].from = SENT_RING;
    }
    if (link->out_length == 0)
        return false;
    if (link->in_flight == 0)
        link->last_progress = link->now;
    link->in_flight++;
    return true;
}

static void send_frames(struct link *link)
{
    while (link->socket >= 0) {
        if (link->out_done == link->out_length && !load_next(link))
            return;
        ssize_t count = send(link->socket, link->out + link->out_done, link->out_length - link->out_done, MSG_NOSIGNAL);
        if (count > 0)
            link->out_done += (size_t)count;
        else if (count == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno != EINTR)
            link_drop(link);
    }
}

// MARK: acknowledgements

static void forget_oldest(struct link *link)
{
    size_t at = link->first;
    link->first = (link->first + 1) % LINK_WINDOW;
    link->in_flight--;
    link->acked++;
    if (link->window[at].from == SENT_SPOOL)
        spool_ack(link->spool, link->window[at].file, link->window[at].after);
    else if (link->window[at].from == SENT_RING)
        link->cursor -= ring_remove(link->facts.ring);
}

// False: no agent of ours says that.
static bool take_ack(struct link *link, uint64_t frames)
{
    // The last one may be under way still: nobody can have dealt with half a frame.
    uint64_t whole = link->acked + link->in_flight - (link->out_done < link->out_length);
    if (frames < link->acked || frames > whole)
        return false;
    if (frames == link->acked)
        return true; // nothing new, and so no sign that it gets on
    while (link->acked < frames)
        forget_oldest(link);
    link->last_progress = link->now;
    link->retry_pause = LINK_RETRY_FIRST_MS;
    return true;
}

static bool take_answers(struct link *link)
{
    size_t position = 0;
    long size;
    while ((size = event_frame_size(link->in + position, link->in_length - position)) > 0 && (size_t)size <= link->in_length - position) {
        struct event_frame frame;
        if (!event_read(link->in + position, (size_t)size, &frame) || frame.type == EVENT_REFUSAL)
            return false;
        if (frame.type == EVENT_ACK && !take_ack(link, frame.sequence))
            return false;
        position += (size_t)size;
    }
    memmove(link->in, link->in + position, link->in_length - position);
    link->in_length -= position;
    return size >= 0 && link->in_length < sizeof(link->in);
}

void link_receive(struct link *link)
{
    while (link->socket >= 0) {
        ssize_t count = recv(link->socket, link->in + link->in_length, sizeof(link->in) - link->in_length, 0);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (count < 0 && errno == EINTR)
            continue;
        if (count > 0)
            link->in_length += (size_t)count;
        if (count <= 0 || !take_answers(link))
            link_drop(link);
    }
}

void link_work(struct link *link)
{
    link_receive(link);
    send_frames(link);
    if (link->socket >= 0 && link->in_flight > 0 && link->now - link->last_progress >= LINK_SILENCE_MS)
        link_drop(link);
}

// MARK: state

bool link_has_room(const struct link *link)
{
    return link->socket >= 0 && link->in_flight < LINK_WINDOW && link->out_done == link->out_length;
}

int64_t link_next_time(const struct link *link)
{
    if (link->socket < 0)
        return link->retry_at;
    return link->in_flight > 0 ? link->last_progress + LINK_SILENCE_MS : INT64_MAX;
}
