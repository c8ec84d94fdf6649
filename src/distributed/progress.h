/* The thread that moves the messages of this process: it makes every call of the transport, opening
 * and closing too.
 *
 * MPI moves nothing between calls, and what computes makes none for minutes. So the thread looks
 * after what is under way each 50 us; less often, if nothing has moved for a while; and in between,
 * and when nothing is under way, it sleeps.
 */
#ifndef WELD_DISTRIBUTED_PROGRESS_H
#define WELD_DISTRIBUTED_PROGRESS_H

#include "distributed/watch.h"

typedef struct weld_progress weld_progress;

/* Messages, and work of the thread, of which somebody waits for the end. Starts zeroed. */
typedef struct weld_pending {
    int open; /* the thread's and the waiting one's, under a lock */
} weld_pending;

typedef struct weld_progress_options {
    weld_watch_options watch;
    void (*notice)(void *context, const char *text); /* NULL, or as in weld_group_options */
    void *context;
} weld_progress_options;

weld_status weld_progress_start(weld_transport_opener *opener, void *argument,
                                const weld_progress_options *o, weld_progress **out,
                                weld_error *err);
/* When all messages are done, and all ranks have come so far. Where one has failed: by the
 * transport's abort. Accepts NULL. */
void weld_progress_stop(weld_progress *p);

const weld_transport *
weld_progress_transport(const weld_progress *p); /* what it is, not to be used */

/* Have the thread begin it. From any thread, `done` too. After a failure nothing is begun. One to
 * this rank itself is work for the thread: nothing is sent, `done` is called. */
void weld_progress_post(weld_progress *p, weld_message *m);
/* Until it has come to its end; by one thread at a time. what: "update 812", or "". An error: the
 * failure that has ended all, which is the same for ever after. */
weld_status weld_progress_wait(weld_progress *p, weld_pending *pending, const char *what,
                               weld_error *err);
/* The same until that time (weld_clock) at most: false: it has passed. */
bool weld_progress_wait_until(weld_progress *p, weld_pending *pending, const char *what,
                              double until);
/* Have all fail with this, or whatever did before; then the thread does nothing any more. By the
 * thread that waits else. Returns status and message of the failure. */
weld_status weld_progress_fail(weld_progress *p, weld_status status, weld_error *err);
/* WELD_OK, or that failure. */
weld_status weld_progress_status(weld_progress *p, weld_error *err);
double weld_progress_waited(weld_progress *p); /* seconds, so far */

#endif
