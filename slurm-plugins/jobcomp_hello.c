// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_hello.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "event_writer.h"
#include "jobcomp_chain.h"

static struct {
    pthread_mutex_t lock; // never held across a system call
    enum event_mode mode;
    char mode_reason[256];
    uint64_t callback_maximum;
    unsigned changes;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

// The sender's thread's own: what was said last.
static struct {
    unsigned changes, spool_changes;
    uint64_t dropped, errors;
    char socket_trouble[256];
} said;

void hello_set_mode(enum event_mode mode, const char *reason)
{
    pthread_mutex_lock(&shared.lock);
    shared.mode = mode;
    snprintf(shared.mode_reason, sizeof(shared.mode_reason), "%s", reason);
    shared.changes++;
    pthread_mutex_unlock(&shared.lock);
}

void hello_note_callback(uint64_t microseconds)
{
    pthread_mutex_lock(&shared.lock);
    if (microseconds > shared.callback_maximum)
        shared.callback_maximum = microseconds;
    pthread_mutex_unlock(&shared.lock);
}

bool hello_is_old(const struct hello_facts *facts)
{
    size_t count, used;
    uint64_t dropped;
    struct chain_status chain;
    ring_state(facts->ring, &count, &used, &dropped);
    chain_read_status(&chain);
    pthread_mutex_lock(&shared.lock);
    bool old = said.changes != shared.changes;
    pthread_mutex_unlock(&shared.lock);
    return old || dropped != said.dropped || (chain.errors && !said.errors) || facts->spool->changes != said.spool_changes ||
           strcmp(facts->socket_trouble, said.socket_trouble);
}

static void put_state(struct event_writer *writer, const uint8_t *boot_id)
{
    pthread_mutex_lock(&shared.lock);
    event_put_bytes(writer, TAG_BOOT_ID, boot_id, EVENT_BOOT_ID_SIZE);
    if (shared.mode != EVENT_UNDECIDED)
        event_put_number(writer, TAG_MODE, shared.mode);
    event_put_text(writer, TAG_MODE_REASON, shared.mode_reason);
    event_put_number(writer, TAG_CALLBACK_MAXIMUM, shared.callback_maximum);
    said.changes = shared.changes;
    pthread_mutex_unlock(&shared.lock);
}

static void put_process(struct event_writer *writer)
{
    char host[256] = "", text[16];
    gethostname(host, sizeof(host) - 1);
    event_put_text(writer, TAG_HOST, host);
    event_put_number(writer, TAG_PID, (uint64_t)getpid());
    version_text(built_version(), text, sizeof(text));
    event_put_text(writer, TAG_BUILT_FOR, text);
    if (running_version()) {
        version_text(running_version(), text, sizeof(text));
        event_put_text(writer, TAG_RUNNING, text);
    }
}

static void put_settings(struct event_writer *writer, const struct settings *settings)
{
    event_put_text(writer, TAG_CLUSTER, settings->cluster);
    event_put_text(writer, TAG_SOCKET, settings->socket);
    event_put_text(writer, TAG_SPOOL_FOLDER, settings->spool_folder);
    event_put_number(writer, TAG_RING_LIMIT, settings->ring_frames);
    event_put_number(writer, TAG_SPOOL_LIMIT, settings->spool_bytes);
    event_put_text(writer, TAG_SETTINGS_FROM, settings->source);
    event_put_text(writer, TAG_PLUGIN_VERSION, GRID_AGENT_VERSION);
}

static void put_chain(struct event_writer *writer)
{
    struct chain_status chain;
    chain_read_status(&chain);
    said.errors = chain.errors;
    if (!chain.type[0])
        return;
    event_put_text(writer, TAG_CHAIN, chain.type);
    event_put_text(writer, TAG_CHAIN_STATE, chain.state);
    event_put_number(writer, TAG_CHAIN_ERRORS, chain.errors);
    event_put_number(writer, TAG_CHAIN_MAXIMUM, chain.maximum_us);
}

static void put_spool(struct event_writer *writer, const struct hello_facts *facts)
{
    const char *message = spool_message(facts->spool), *socket = facts->socket_trouble;
    char text[520];
    event_put_number(writer, TAG_SPOOLED, spool_frames(facts->spool));
    event_put_number(writer, TAG_SPOOL_REFUSED, facts->spool->refused);
    snprintf(text, sizeof(text), "%s%s%s", message, message[0] && socket[0] ? "; " : "", socket);
    if (text[0])
        event_put_text(writer, TAG_SPOOL_TROUBLE, text);
    said.spool_changes = facts->spool->changes;
    snprintf(said.socket_trouble, sizeof(said.socket_trouble), "%s", facts->socket_trouble);
}

size_t hello_write(const struct hello_facts *facts, uint8_t *frame, size_t size)
{
    struct event_writer writer;
    size_t count, used;
    event_begin(&writer, frame, size, EVENT_HELLO, facts->next_sequence());
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    put_state(&writer, facts->boot_id);
    ring_state(facts->ring, &count, &used, &said.dropped);
    if (said.dropped)
        event_put_number(&writer, TAG_DROPPED, said.dropped);
    put_process(&writer);
    put_settings(&writer, facts->settings);
    put_chain(&writer);
    put_spool(&writer, facts);
    return event_end(&writer);
}
