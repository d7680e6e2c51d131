// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "event_reader.h"
#include "event_writer.h"
#include "jobcomp_chain.h"
#include "jobcomp_ring.h"
#include "jobcomp_spool.h"

enum {
    WINDOW = 256,           // frames sent and not acknowledged
    SILENCE_MS = 5000,      // without an acknowledgement before the agent counts as away
    AWAY_MS = 1000,         // without a connection before frames go to the spool
    RETRY_FIRST_MS = 50,
    RETRY_LIMIT_MS = 2000,
    SCAN_MS = 30000,        // between two looks for files of processes that have ended
    SPOOL_RETRY_MS = 1000
};

// What is on its way: where to forget it when it is acknowledged.
struct sent {
    enum { SENT_HELLO, SENT_RING, SENT_SPOOL } from;
    size_t file;
    off_t after;
};

static struct {
    pthread_mutex_t lock; // of `running`, `stop` and the status below
    pthread_cond_t ended;
    bool running;
    bool stop;
    enum event_mode mode;
    char mode_reason[256];
    uint64_t callback_maximum;
    unsigned changes; // of what a hello says

    struct settings settings;
    struct ring ring;
    bool has_ring;
    uint8_t boot_id[EVENT_BOOT_ID_SIZE];
    atomic_uint_fast64_t sequence;
    atomic_bool asleep;
    int wake;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .wake = -1};

// The thread's own.
static struct {
    struct spool spool;
    int socket;
    struct sent window[WINDOW];
    size_t first, in_flight;
    uint64_t acked; // frames of this connection
    size_t cursor;  // in the ring
    uint8_t out[EVENT_FRAME_MAX];
    size_t out_length, out_done;
    uint8_t in[4096];
    size_t in_length;
    unsigned told; // `changes` of the last hello
    uint64_t told_dropped, told_errors;
    int64_t last_progress, away_since, retry_at, retry_pause, scan_at, spool_at;
} own;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool stopping(void)
{
    pthread_mutex_lock(&shared.lock);
    bool stop = shared.stop;
    pthread_mutex_unlock(&shared.lock);
    return stop;
}

// MARK: connection

static void disconnect(void)
{
    if (own.socket >= 0)
        close(own.socket);
    own.socket = -1;
    own.in_flight = own.first = 0;
    own.acked = 0;
    own.out_length = own.out_done = own.in_length = 0;
    own.cursor = 0;
    spool_rewind(&own.spool);
    own.away_since = now_ms();
    own.retry_at = own.away_since + own.retry_pause;
    own.retry_pause = own.retry_pause * 2 < RETRY_LIMIT_MS ? own.retry_pause * 2 : RETRY_LIMIT_MS;
}

static void write_hello(void)
{
    struct event_writer writer;
    struct chain_status chain;
    char host[256] = "", text[16];
    size_t count, used;
    chain_read_status(&chain);
    ring_state(&shared.ring, &count, &used, &own.told_dropped);
    gethostname(host, sizeof(host) - 1);
    pthread_mutex_lock(&shared.lock);
    event_begin(&writer, own.out, sizeof(own.out), EVENT_HELLO, atomic_load(&shared.sequence) + 1);
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    event_put_bytes(&writer, TAG_BOOT_ID, shared.boot_id, sizeof(shared.boot_id));
    if (shared.mode != EVENT_UNDECIDED)
        event_put_number(&writer, TAG_MODE, shared.mode);
    event_put_text(&writer, TAG_MODE_REASON, shared.mode_reason);
    event_put_number(&writer, TAG_CALLBACK_MAXIMUM, shared.callback_maximum);
    own.told = shared.changes;
    pthread_mutex_unlock(&shared.lock);
    if (own.told_dropped)
        event_put_number(&writer, TAG_DROPPED, own.told_dropped);
    event_put_text(&writer, TAG_CLUSTER, shared.settings.cluster);
    event_put_text(&writer, TAG_HOST, host);
    event_put_number(&writer, TAG_PID, (uint64_t)getpid());
    version_text(built_version(), text, sizeof(text));
    event_put_text(&writer, TAG_BUILT_FOR, text);
    if (running_version()) {
        version_text(running_version(), text, sizeof(text));
        event_put_text(&writer, TAG_RUNNING, text);
    }
    event_put_text(&writer, TAG_SOCKET, shared.settings.socket);
    event_put_text(&writer, TAG_SPOOL_FOLDER, shared.settings.spool_folder);
    event_put_number(&writer, TAG_RING_LIMIT, shared.settings.ring_frames);
    event_put_number(&writer, TAG_SPOOL_LIMIT, shared.settings.spool_bytes);
    if (chain.type[0]) {
        event_put_text(&writer, TAG_CHAIN, chain.type);
        event_put_text(&writer, TAG_CHAIN_STATE, chain.state);
        event_put_number(&writer, TAG_CHAIN_ERRORS, chain.errors);
        event_put_number(&writer, TAG_CHAIN_MAXIMUM, chain.maximum_us);
    }
    own.told_errors = chain.errors;
    event_put_number(&writer, TAG_SPOOLED, own.spool.frames);
    event_put_number(&writer, TAG_SPOOL_REFUSED, own.spool.refused);
    if (own.spool.trouble[0])
        event_put_text(&writer, TAG_SPOOL_TROUBLE, own.spool.trouble);
    event_put_text(&writer, TAG_PLUGIN_VERSION, GRID_AGENT_VERSION);
    event_put_text(&writer, TAG_SETTINGS_FROM, shared.settings.source);
    own.out_length = event_end(&writer);
    own.out_done = 0;
}

static void connect_now(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", shared.settings.socket);
    own.retry_at = now_ms() + own.retry_pause;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return;
    // A Unix socket connects at once or not at all; a full backlog is "not now".
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(descriptor);
        own.retry_pause = own.retry_pause * 2 < RETRY_LIMIT_MS ? own.retry_pause * 2 : RETRY_LIMIT_MS;
        return;
    }
    own.socket = descriptor;
    own.last_progress = now_ms();
    spool_scan(&own.spool);
    write_hello();
    own.window[0].from = SENT_HELLO;
    own.in_flight = 1;
}

static bool hello_is_old(void)
{
    size_t count, used;
    uint64_t dropped;
    struct chain_status chain;
    ring_state(&shared.ring, &count, &used, &dropped);
    chain_read_status(&chain);
    pthread_mutex_lock(&shared.lock);
    bool old = own.told != shared.changes;
    pthread_mutex_unlock(&shared.lock);
    return old || dropped != own.told_dropped || (chain.errors && !own.told_errors);
}

// Puts the next frame into the out buffer, spooled ones first: they are older.
static bool load_next(void)
{
    struct sent *sent = &own.window[(own.first + own.in_flight) % WINDOW];
    if (own.in_flight == WINDOW)
        return false;
    if (hello_is_old()) {
        write_hello();
        sent->from = SENT_HELLO;
    } else if ((own.out_length = spool_next(&own.spool, own.out, sizeof(own.out), &sent->file, &sent->after)) > 0) {
        sent->from = SENT_SPOOL;
    } else if ((own.out_length = ring_read(&shared.ring, &own.cursor, own.out, sizeof(own.out))) > 0) {
        sent->from = SENT_RING;
    }
    own.out_done = 0;
    if (own.out_length == 0)
        return false;
    if (own.in_flight == 0)
        own.last_progress = now_ms();
    own.in_flight++;
    return true;
}

static void send_frames(void)
{
    while (own.socket >= 0) {
        if (own.out_done == own.out_length && !load_next())
            return;
        ssize_t count = send(own.socket, own.out + own.out_done, own.out_length - own.out_done, MSG_NOSIGNAL);
        if (count > 0)
            own.out_done += (size_t)count;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno != EINTR)
            disconnect();
    }
}

static void forget_oldest(void)
{
    struct sent *sent = &own.window[own.first];
    if (sent->from == SENT_SPOOL)
        spool_ack(&own.spool, sent->file, sent->after);
    else if (sent->from == SENT_RING)
        own.cursor -= ring_remove(&shared.ring);
    own.first = (own.first + 1) % WINDOW;
    own.in_flight--;
    own.acked++;
}

static bool take_acks(void)
{
    size_t position = 0;
    long size;
    while ((size = event_frame_size(own.in + position, own.in_length - position)) > 0 &&
           (size_t)size <= own.in_length - position) {
        struct event_frame frame;
        if (!event_read(own.in + position, (size_t)size, &frame))
            return false;
        if (frame.type == EVENT_REFUSAL)
            return false;
        if (frame.type == EVENT_ACK) {
            if (frame.sequence > own.acked + own.in_flight)
                return false; // more than was sent: no agent of ours
            while (own.acked < frame.sequence)
                forget_oldest();
            own.last_progress = now_ms();
            own.retry_pause = RETRY_FIRST_MS;
        }
        position += (size_t)size;
    }
    memmove(own.in, own.in + position, own.in_length - position);
    own.in_length -= position;
    return size >= 0 && own.in_length < sizeof(own.in);
}

static void receive(void)
{
    while (own.socket >= 0) {
        ssize_t count = recv(own.socket, own.in + own.in_length, sizeof(own.in) - own.in_length, 0);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            disconnect();
            return;
        }
        own.in_length += (size_t)count;
        if (!take_acks())
            disconnect();
    }
}

// MARK: spool

// Moves the ring's frames to disk, oldest first. What the disk does not take stays.
static void spill(void)
{
    size_t cursor = 0, length;
    int64_t now = now_ms();
    if (now < own.spool_at)
        return;
    bool wrote = false;
    while ((length = ring_read(&shared.ring, &cursor, own.out, sizeof(own.out))) > 0) {
        if (!spool_append(&own.spool, own.out, length)) {
            own.spool_at = now + SPOOL_RETRY_MS;
            break;
        }
        wrote = true;
        cursor -= ring_remove(&shared.ring);
    }
    own.out_length = own.out_done = 0;
    if (wrote)
        spool_sync(&own.spool);
}

static void manage_spool(void)
{
    size_t count, used;
    uint64_t dropped;
    int64_t now = now_ms();
    ring_state(&shared.ring, &count, &used, &dropped);
    bool full = count > shared.ring.limit / 2 || used > shared.ring.size / 2;
    if (own.socket >= 0 && full && !spool_has_unsent(&own.spool) && own.spool.count == 0) {
        // The agent lives but does not keep up. Start over from the disk; it knows what it has had.
        disconnect();
    }
    if (count > 0 && ((own.socket < 0 && (now - own.away_since >= AWAY_MS || full)) || (own.spool.count > 0 && full && own.cursor == 0)))
        spill();
    if (now >= own.scan_at) {
        own.scan_at = now + SCAN_MS;
        spool_scan(&own.spool);
    }
}

// MARK: thread

static int next_pause(void)
{
    int64_t now = now_ms(), until = own.scan_at;
    size_t count, used;
    uint64_t dropped;
    ring_state(&shared.ring, &count, &used, &dropped);
    if (own.socket < 0 && own.retry_at < until)
        until = own.retry_at;
    if (own.socket < 0 && count > 0 && own.away_since + AWAY_MS > now && own.away_since + AWAY_MS < until)
        until = own.away_since + AWAY_MS;
    if (own.socket >= 0 && own.in_flight > 0 && own.last_progress + SILENCE_MS < until)
        until = own.last_progress + SILENCE_MS;
    if (own.socket < 0 && count > 0 && own.spool_at > now && own.spool_at < until)
        until = own.spool_at;
    return until > now ? (int)(until - now) : 0;
}

static void wait_for_work(void)
{
    struct pollfd wanted[2] = {{.fd = shared.wake, .events = POLLIN}, {.fd = own.socket, .events = POLLIN}};
    if (own.out_done < own.out_length)
        wanted[1].events |= POLLOUT;
    atomic_store(&shared.asleep, true);
    // A frame that came before the flag was up would not wake us.
    size_t cursor = own.cursor, count, used;
    uint64_t dropped;
    ring_state(&shared.ring, &count, &used, &dropped);
    bool fresh = own.socket >= 0 && cursor < used && own.in_flight < WINDOW && own.out_done == own.out_length &&
                 !spool_has_unsent(&own.spool);
    poll(wanted, own.socket >= 0 ? 2 : 1, fresh ? 0 : next_pause());
    atomic_store(&shared.asleep, false);
    uint64_t ignored;
    if (read(shared.wake, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN)
        log_line("cannot be woken: %s", strerror(errno));
}

static void *run(void *unused)
{
    (void)unused;
    while (!stopping()) {
        int64_t now = now_ms();
        if (own.socket < 0 && now >= own.retry_at)
            connect_now();
        if (own.socket >= 0)
            receive();
        send_frames();
        if (own.socket >= 0 && own.in_flight > 0 && now_ms() - own.last_progress >= SILENCE_MS)
            disconnect();
        manage_spool();
        if (!stopping())
            wait_for_work();
    }
    if (own.socket >= 0) {
        receive(); // acknowledgements that have come meanwhile
        if (own.socket >= 0)
            disconnect();
    }
    own.spool_at = 0;
    spill();
    spool_close(&own.spool);
    pthread_mutex_lock(&shared.lock);
    shared.running = false;
    pthread_cond_broadcast(&shared.ended);
    pthread_mutex_unlock(&shared.lock);
    return NULL;
}

static void begin(void)
{
    char host[256] = "localhost";
    gethostname(host, sizeof(host) - 1);
    memset(&own, 0, sizeof(own));
    own.socket = -1;
    own.retry_pause = RETRY_FIRST_MS;
    own.away_since = now_ms();
    own.scan_at = own.away_since + SCAN_MS;
    spool_make(&own.spool, shared.settings.spool_folder, shared.settings.spool_bytes, host, getpid(), shared.boot_id);
}

static int start_thread(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 512 << 10);
    // slurmctld's signals are slurmctld's.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (problem == 0)
        pthread_setname_np(thread, "grid-agent");
    return problem;
}

int sender_start(const struct settings *settings)
{
    int problem = 0;
    pthread_mutex_lock(&shared.lock);
    shared.stop = false;
    if (!shared.running) {
        if (!shared.has_ring) {
            // Where there is no random number, time and pid name the process well enough.
            if (getrandom(shared.boot_id, sizeof(shared.boot_id), GRND_NONBLOCK) != (ssize_t)sizeof(shared.boot_id)) {
                struct timespec now;
                clock_gettime(CLOCK_REALTIME, &now);
                uint64_t parts[2] = {(uint64_t)now.tv_sec << 30 | (uint64_t)now.tv_nsec, (uint64_t)getpid()};
                memcpy(shared.boot_id, parts, sizeof(parts));
            }
            shared.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            shared.has_ring = shared.wake >= 0 && ring_make(&shared.ring, settings->ring_bytes, settings->ring_frames);
        }
        if (!shared.has_ring) {
            problem = ENOMEM;
        } else {
            shared.settings = *settings;
            begin();
            problem = start_thread();
            shared.running = problem == 0;
        }
    }
    pthread_mutex_unlock(&shared.lock);
    return problem;
}

static void wake_up(void)
{
    uint64_t one = 1;
    if (write(shared.wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_line("cannot wake the sender: %s", strerror(errno));
}

void sender_add(const uint8_t *frame, size_t length)
{
    if (!shared.has_ring)
        return;
    ring_add(&shared.ring, frame, length);
    if (atomic_exchange(&shared.asleep, false))
        wake_up();
}

void sender_stop(unsigned milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&shared.lock);
    bool running = shared.running;
    shared.stop = true;
    pthread_mutex_unlock(&shared.lock);
    if (!running)
        return;
    wake_up();
    pthread_mutex_lock(&shared.lock);
    int waited = 0;
    while (shared.running && waited == 0)
        waited = pthread_cond_timedwait(&shared.ended, &shared.lock, &until);
    pthread_mutex_unlock(&shared.lock);
    if (waited)
        log_line("the spool's file system does not answer; leaving it to itself");
}

uint64_t sender_next_sequence(void)
{
    return atomic_fetch_add(&shared.sequence, 1) + 1;
}

const uint8_t *sender_boot_id(void)
{
    return shared.boot_id;
}

uint64_t sender_dropped(void)
{
    size_t count, used;
    uint64_t dropped = 0;
    if (shared.has_ring)
        ring_state(&shared.ring, &count, &used, &dropped);
    return dropped;
}

void sender_set_mode(enum event_mode mode, const char *reason)
{
    pthread_mutex_lock(&shared.lock);
    shared.mode = mode;
    snprintf(shared.mode_reason, sizeof(shared.mode_reason), "%s", reason);
    shared.changes++;
    pthread_mutex_unlock(&shared.lock);
}

void sender_note_callback(uint64_t microseconds)
{
    pthread_mutex_lock(&shared.lock);
    if (microseconds > shared.callback_maximum)
        shared.callback_maximum = microseconds;
    pthread_mutex_unlock(&shared.lock);
}
