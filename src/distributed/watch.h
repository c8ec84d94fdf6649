/* Whether the others are still there: what the group's thread asks them while somebody waits, and
 * what is said of it.
 *
 * Each two ranks have small messages of their own: "are you there?", "I am, and compute" (or wait),
 * "I have come to my end". A rank's thread answers at any time, whatever the rank computes. So of a
 * rank that keeps others waiting it is known whether it is slow or gone, even by those who wait for
 * it only because a third one does.
 */
#ifndef WELD_DISTRIBUTED_WATCH_H
#define WELD_DISTRIBUTED_WATCH_H

#include <stdint.h>

#include "distributed/transport.h"

/* A message under way; whoever posts it keeps it, and its data, until it is done. */
typedef struct weld_message weld_message;
struct weld_message {
    int peer, tag;
    bool receive;
    void *data;
    size_t bytes; /* a receive fails if there come others than so many */
    /* Called on the group's thread when it is done; may be NULL. */
    weld_status (*done)(weld_message *m, weld_error *err);
    void *context;
    struct weld_pending *pending; /* see progress.h */
    weld_message *next;
};

enum { WELD_TAG_WATCH, WELD_TAG_GROUP, WELD_TAG_FREE }; /* the last is the first for others */

/* "rank 3 (node2, pid 4711)", as far as it is known, into text; returns text. */
typedef const char *weld_say_peer(void *context, int rank, char *text, size_t size);

typedef struct weld_watch_options {
    double patience, timeout; /* seconds: until it is said for whom one waits; 0: for ever */
    weld_say_peer *say;
    void *context;
} weld_watch_options;

/* Begin a message. */
weld_status weld_message_start(const weld_transport *t, const weld_watch_options *o,
                               weld_message *m, weld_error *err);
/* WELD_ERROR_IO: "rank 3 (node2, pid 4711) has gone: ...", with what is to follow upon the name. */
weld_status weld_message_fail(const weld_watch_options *o, const weld_message *m,
                              const char *reason, weld_error *err);

/* What a rank waits for. */
typedef struct weld_waiting {
    double since;        /* weld_clock; 0: it computes */
    char what[64];       /* "update 812"; may be empty */
    const int *receives; /* by rank: that are open */
} weld_waiting;

typedef struct weld_watch weld_watch;

weld_status weld_watch_open(const weld_transport *t, const weld_watch_options *o, weld_watch **out,
                            weld_error *err);
void weld_watch_free(weld_watch *w); /* accepts NULL */

/* Called often by the thread. notice, of `size` bytes, is filled in where there is something to say
 * on this rank, else "". WELD_ERROR_IO: the time is out, or a rank that is waited for has come to
 * its end. */
weld_status weld_watch_look(weld_watch *w, const weld_waiting *waiting, char *notice, size_t size,
                            weld_error *err);
/* This rank has come to its end: say so, once. */
void weld_watch_end(weld_watch *w);
/* All have, and have heard it of this one. */
bool weld_watch_ended(const weld_watch *w);
/* The lowest other rank that has not; -1: there is none. */
int weld_watch_late(const weld_watch *w);

#endif
