/* How bytes go from one process to another: a table of functions, behind which is MPI (mpi.c, a
 * module of its own) or, in tests, sockets between processes of one machine.
 *
 * All functions, opening too, are called by one thread (progress.c). Messages have a tag. From one
 * rank to another, those of a tag are received in the order in which they were sent; of two tags
 * either may be first. Nothing is done between calls: whatever is under way gets on in `test` only.
 * A receive names who sends. What errors of messages say follows upon the name of the peer: "has
 * gone: Connection reset by peer".
 *
 * The module is linked with nothing of weld: this header has types alone.
 */
#ifndef WELD_DISTRIBUTED_TRANSPORT_H
#define WELD_DISTRIBUTED_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "weld/status.h"

/* A message is no longer than this: counts of MPI are int. */
#define WELD_TRANSPORT_MOST ((size_t)1 << 30)

/* A send or receive that has come to its end. */
typedef struct weld_transport_done {
    void *message; /* as it was given with it */
    size_t bytes;  /* of a receive, that came */
    bool failed;   /* the peer has gone, or sent more than there was room for: reason says it */
    char reason[200];
} weld_transport_done;

typedef struct weld_transport {
    void *self;
    int rank, size;
    int host;           /* the lowest rank of those that share this one's memory */
    char host_name[64]; /* of the system this rank runs on */
    char library[64];   /* "Open MPI 4.1.4" */

    /* Begin to send, or to receive up to `bytes` bytes; data is the caller's and stays until `test`
     * tells of `message`. */
    weld_status (*send)(void *self, int to, int tag, const void *data, size_t bytes, void *message,
                        weld_error *err);
    weld_status (*receive)(void *self, int from, int tag, void *data, size_t bytes, void *message,
                           weld_error *err);
    /* Let all get on; up to `room` that have ended since the last call. */
    weld_status (*test)(void *self, weld_transport_done *done, int room, int *count,
                        weld_error *err);
    /* End all ranks, this one too; it may return. What is under way is left to itself. */
    void (*abort)(void *self);
    /* When nothing is under way, on any rank. */
    void (*close)(void *self);
} weld_transport;

/* What a module has by the name weld_transport_open, and by weld_transport_version the version of
 * weld whose table it fills in. */
typedef weld_status weld_transport_opener(void *argument, weld_transport *out, weld_error *err);

#endif
