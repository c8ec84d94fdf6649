/* The thread that moves messages; see progress.h. */
#define _GNU_SOURCE
#include "distributed/progress.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "distributed/patience.h"

/* Seconds: the sleep between two looks, the longer one if nothing has moved for the quiet, by
 * whether somebody waits for it; and with nothing under way. */
static const double SHORT = 50e-6, LONG_WAITING = 1e-3, LONG_COMPUTING = 5e-3, IDLE = 20e-3,
                    QUIET_WAITING = 0.1, QUIET_COMPUTING = 5e-3;

struct weld_progress {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, news; /* for the thread; for who waits */
    weld_transport_opener *opener;
    void *argument;
    weld_progress_options o;

    /* Under the lock. */
    weld_message *posted, **posted_end;
    bool opened, stopping, ended;
    weld_status wish;     /* somebody's to fail */
    weld_status status;   /* of the failure that has ended all: the thread does nothing any more */
    weld_error error;     /* of either */
    weld_waiting waiting; /* but its receives */
    double waited;
    char notice[400]; /* "": none */
    int late;         /* as it stops: the lowest rank that has not come to its end; -1: none */

    /* The thread's alone, once it is open. */
    weld_transport transport;
    weld_watch *watch;
    int *receives; /* by rank, that are open */
    int open;      /* messages that were posted and are under way */
    double moved;  /* weld_clock when something last was */
};

/* As the conditions have it, which go by the same clock. */
static struct timespec time_of(double clock) {
    return (struct timespec){(time_t)clock, (long)(1e9 * (clock - floor(clock)))};
}

/* --- For all threads -------------------------------------------------------------------------- */

void weld_progress_post(weld_progress *p, weld_message *m) {
    pthread_mutex_lock(&p->lock);
    m->next = NULL;
    *p->posted_end = m;
    p->posted_end = &m->next;
    m->pending->open++;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

/* With the lock. */
static weld_status failure(const weld_progress *p, weld_error *err) {
    if (p->status && err) {
        *err = p->error;
    }
    return p->status;
}

weld_status weld_progress_fail(weld_progress *p, weld_status status, weld_error *err) {
    pthread_mutex_lock(&p->lock);
    if (!p->status && !p->wish) {
        p->wish = status;
        p->error = *err;
        pthread_cond_signal(&p->work);
    }
    while (!p->status) {
        pthread_cond_wait(&p->news, &p->lock);
    }
    status = failure(p, err);
    pthread_mutex_unlock(&p->lock);
    return status;
}

weld_status weld_progress_status(weld_progress *p, weld_error *err) {
    pthread_mutex_lock(&p->lock);
    const weld_status status = failure(p, err);
    pthread_mutex_unlock(&p->lock);
    return status;
}

double weld_progress_waited(weld_progress *p) {
    pthread_mutex_lock(&p->lock);
    const double waited = p->waited;
    pthread_mutex_unlock(&p->lock);
    return waited;
}

const weld_transport *weld_progress_transport(const weld_progress *p) {
    return &p->transport;
}

/* With the lock, which it leaves meanwhile. */
static void pass_notice(weld_progress *p) {
    char text[sizeof p->notice];
    memcpy(text, p->notice, sizeof text);
    p->notice[0] = '\0';
    if (text[0] && p->o.notice) {
        pthread_mutex_unlock(&p->lock);
        p->o.notice(p->o.context, text);
        pthread_mutex_lock(&p->lock);
    }
}

bool weld_progress_wait_until(weld_progress *p, weld_pending *pending, const char *what,
                              double until) {
    const struct timespec t = until < INFINITY ? time_of(until) : (struct timespec){0};
    pthread_mutex_lock(&p->lock);
    const double begin = weld_clock();
    p->waiting.since = begin;
    snprintf(p->waiting.what, sizeof p->waiting.what, "%s", what);
    pthread_cond_signal(&p->work);
    while (!p->status && pending->open > 0 && weld_clock() < until) {
        if (until < INFINITY) {
            pthread_cond_timedwait(&p->news, &p->lock, &t);
        } else {
            pthread_cond_wait(&p->news, &p->lock);
        }
        pass_notice(p);
    }
    p->waiting.since = 0;
    p->waited += weld_clock() - begin;
    const bool all = p->status || pending->open == 0;
    pthread_mutex_unlock(&p->lock);
    return all;
}

weld_status weld_progress_wait(weld_progress *p, weld_pending *pending, const char *what,
                               weld_error *err) {
    weld_progress_wait_until(p, pending, what, INFINITY);
    return weld_progress_status(p, err);
}

/* --- The thread ------------------------------------------------------------------------------- */

static weld_status end_message(weld_progress *p, const weld_transport_done *d, weld_error *err) {
    weld_message *m = d->message;
    weld_pending *pending = m->pending; /* m may be gone or under way again after `done` */
    if (d->failed) {
        return weld_message_fail(&p->o.watch, m, d->reason, err);
    }
    if (m->receive && d->bytes != m->bytes) {
        char reason[120];
        snprintf(reason, sizeof reason, "sent %zu bytes where %zu are due: has it another recipe?",
                 d->bytes, m->bytes);
        return weld_message_fail(&p->o.watch, m, reason, err);
    }
    if (pending) {
        p->open--;
        p->receives[m->peer] -= m->receive;
    }
    WELD_TRY(m->done ? m->done(m, err) : WELD_OK);
    if (pending) {
        pthread_mutex_lock(&p->lock);
        if (--pending->open == 0) {
            pthread_cond_signal(&p->news);
        }
        pthread_mutex_unlock(&p->lock);
    }
    return WELD_OK;
}

static weld_status end_messages(weld_progress *p, weld_error *err) {
    weld_transport_done done[32];
    int count;
    do {
        WELD_TRY(p->transport.test(p->transport.self, done, 32, &count, err));
        for (int i = 0; i < count; i++) {
            WELD_TRY(end_message(p, &done[i], err));
            p->moved = weld_clock();
        }
    } while (count == 32);
    return WELD_OK;
}

static weld_status begin_message(weld_progress *p, weld_message *m, weld_error *err) {
    p->open++;
    p->receives[m->peer] += m->receive;
    p->moved = weld_clock();
    if (m->peer == p->transport.rank) {
        const weld_transport_done d = {.message = m, .bytes = m->bytes};
        return end_message(p, &d, err);
    }
    return weld_message_start(&p->transport, &p->o.watch, m, err);
}

static weld_status begin_messages(weld_progress *p, weld_message *list, weld_error *err) {
    for (weld_message *next; list; list = next) {
        next = list->next;
        WELD_TRY(begin_message(p, list, err));
    }
    return WELD_OK;
}

/* With the lock: all that was posted. */
static weld_message *take_posted(weld_progress *p) {
    weld_message *list = p->posted;
    p->posted = NULL;
    p->posted_end = &p->posted;
    return list;
}

static void nap(double seconds) {
    const struct timespec t = {0, (long)(1e9 * seconds)};
    nanosleep(&t, NULL);
}

static double time_to_sleep(const weld_progress *p, double waits_since) {
    const bool waits = waits_since > 0;
    const double quiet = weld_clock() - fmax(p->moved, waits_since);
    if (p->open == 0) {
        return IDLE;
    }
    if (quiet < (waits ? QUIET_WAITING : QUIET_COMPUTING)) {
        return SHORT;
    }
    return waits ? LONG_WAITING : LONG_COMPUTING;
}

/* Until there may be something to do, or somebody has posted something or begun to wait. */
static void rest(weld_progress *p, double waits_since) {
    const double seconds = time_to_sleep(p, waits_since);
    if (seconds <= SHORT) {
        nap(seconds);
        return;
    }
    const struct timespec until = time_of(weld_clock() + seconds);
    pthread_mutex_lock(&p->lock);
    if (!p->posted && !p->wish && !p->stopping && p->waiting.since <= waits_since) {
        pthread_cond_timedwait(&p->work, &p->lock, &until);
    }
    pthread_mutex_unlock(&p->lock);
}

static weld_status turn(weld_progress *p, bool *stopping, double *waits_since, weld_error *err) {
    char notice[sizeof p->notice];
    pthread_mutex_lock(&p->lock);
    weld_message *list = take_posted(p);
    weld_waiting waiting = p->waiting;
    const weld_status wish = p->wish;
    *stopping = p->stopping;
    p->late = p->stopping ? weld_watch_late(p->watch) : -1;
    *waits_since = waiting.since;
    pthread_mutex_unlock(&p->lock);
    waiting.receives = p->receives;
    WELD_TRY(wish);
    WELD_TRY(begin_messages(p, list, err));
    WELD_TRY(end_messages(p, err));
    WELD_TRY(weld_watch_look(p->watch, &waiting, notice, sizeof notice, err));
    if (notice[0]) {
        pthread_mutex_lock(&p->lock);
        memcpy(p->notice, notice, sizeof notice);
        pthread_cond_signal(&p->news);
        pthread_mutex_unlock(&p->lock);
    }
    return WELD_OK;
}

/* Until it is to stop and nothing is under way, here and on all ranks. */
static weld_status serve(weld_progress *p, weld_error *err) {
    bool stopping = false, said = false;
    double waits_since;
    for (;;) {
        WELD_TRY(turn(p, &stopping, &waits_since, err));
        if (stopping && p->open == 0 && !said) {
            weld_watch_end(p->watch);
            said = true;
        }
        if (said && weld_watch_ended(p->watch)) {
            return WELD_OK;
        }
        if (stopping) {
            nap(LONG_WAITING);
        } else {
            rest(p, waits_since);
        }
    }
}

static void fail_and_wait_for_stop(weld_progress *p, weld_status status, const weld_error *err) {
    pthread_mutex_lock(&p->lock);
    p->status = status;
    p->error = p->wish ? p->error : *err;
    pthread_cond_signal(&p->news);
    while (!p->stopping) {
        pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

static weld_status open_all(weld_progress *p, bool *has_transport, weld_error *err) {
    WELD_TRY(p->opener(p->argument, &p->transport, err));
    *has_transport = true;
    p->receives = weld_alloc((size_t)p->transport.size, sizeof *p->receives);
    if (!p->receives) {
        return weld_fail_memory(err, "the ranks");
    }
    return weld_watch_open(&p->transport, &p->o.watch, &p->watch, err);
}

static void *live(void *arg) {
    weld_progress *p = arg;
    weld_error err = {0};
    bool has_transport = false;
    weld_status status = open_all(p, &has_transport, &err);
    pthread_mutex_lock(&p->lock);
    p->opened = true;
    p->status = status;
    p->error = err;
    pthread_cond_signal(&p->news);
    pthread_mutex_unlock(&p->lock);
    status = status ? status : serve(p, &err);
    if (status) {
        fail_and_wait_for_stop(p, status, &err);
    }
    if (has_transport && status) {
        p->transport.abort(p->transport.self);
    } else if (has_transport) {
        p->transport.close(p->transport.self);
    }
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    pthread_cond_signal(&p->news);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- Start and stop --------------------------------------------------------------------------- */

static void free_all(weld_progress *p) {
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->news);
    weld_watch_free(p->watch);
    weld_free(p->receives);
    weld_free(p);
}

/* Signals are the business of the program's own threads, but for faults. */
static int create_thread(weld_progress *p) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t set, old;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&set, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &set, &old);
    const int failed = pthread_create(&p->thread, NULL, live, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed;
}

/* "rank 0 (node1, pid 4711) to end": what the end of this rank waits for. */
static const char *say_end(const weld_progress *p, char *text, size_t size) {
    char who[160];
    snprintf(text, size, "%s to end",
             p->late < 0 ? "MPI" : p->o.watch.say(p->o.watch.context, p->late, who, sizeof who));
    return text;
}

/* With the lock: until the thread has opened all, or ended. Where it is within MPI nothing ends it:
 * so where the time is out this process ends, and with it, by their launcher, all ranks. */
static void wait_for_thread(weld_progress *p, const bool *done) {
    weld_patience patience = {.patience = p->o.watch.patience, .timeout = p->o.watch.timeout};
    weld_impatience is = WELD_WAIT_ON;
    char end[200];
    while (!*done && is != WELD_WAIT_NO_MORE) {
        const double begin = weld_clock();
        const struct timespec until = time_of(begin + weld_patience_piece(&patience));
        pthread_cond_timedwait(&p->news, &p->lock, &until);
        if (!*done) {
            is = weld_patience_look(&patience, weld_clock() - begin,
                                    p->stopping ? say_end(p, end, sizeof end) : "MPI to start",
                                    p->stopping ? "" : ": do all ranks run weld?", p->notice,
                                    sizeof p->notice);
        }
        pass_notice(p);
    }
    if (!*done) {
        _exit(1);
    }
}

weld_status weld_progress_start(weld_transport_opener *opener, void *argument,
                                const weld_progress_options *o, weld_progress **out,
                                weld_error *err) {
    weld_progress *p = weld_alloc(1, sizeof *p);
    if (!p) {
        return weld_fail_memory(err, "the ranks");
    }
    *p = (weld_progress){.opener = opener, .argument = argument, .o = *o, .late = -1};
    p->posted_end = &p->posted;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, &monotonic);
    pthread_cond_init(&p->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (create_thread(p)) {
        free_all(p);
        return weld_fail(err, WELD_ERROR_MEMORY, "cannot start the thread of the ranks' messages");
    }
    pthread_mutex_lock(&p->lock);
    wait_for_thread(p, &p->opened);
    const weld_status status = failure(p, err);
    pthread_mutex_unlock(&p->lock);
    if (status) {
        weld_progress_stop(p);
        return status;
    }
    *out = p;
    return WELD_OK;
}

void weld_progress_stop(weld_progress *p) {
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    p->waiting.since = weld_clock();
    snprintf(p->waiting.what, sizeof p->waiting.what, "the end");
    pthread_cond_signal(&p->work);
    wait_for_thread(p, &p->ended);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    free_all(p);
}
