/* One array of which every rank has parts, as long as the whole (say, sums of its groups): a rank
 * is owner of a block of it, gets that block of all parts, makes one of them, and gives it to all.
 * Of B bytes every rank sends and receives 2 B (k - 1) / k, which is the least that k ranks can do
 * with, and each message waits for none but what it is made of. */
#ifndef WELD_DISTRIBUTED_BLOCKS_H
#define WELD_DISTRIBUTED_BLOCKS_H

#include <stdatomic.h>

#include "distributed/group.h"
#include "distributed/progress.h"

/* Make the result of elements [begin, end) of all parts, first those of rank 0. Pointers are to
 * element `begin`; parts may be overwritten, and the first of them may be the result. */
typedef void weld_blocks_join(void *context, size_t begin, size_t end, void *const *parts,
                              void *result);

typedef struct weld_blocks_options {
    size_t elements, multiple;     /* blocks are of a multiple of so many elements, but the last */
    size_t part_size, result_size; /* bytes of an element */
    const int *parts;              /* by rank: how many it has; stays the caller's */
    weld_blocks_join *join;        /* called on the group's thread */
    void *context;
    weld_pending *pending; /* counts what is under way */
    atomic_size_t *moved;  /* counts bytes that have been sent and have come */
} weld_blocks_options;

typedef struct weld_blocks weld_blocks;

/* The same on all ranks, which create them in the same order. g is not NULL. */
weld_status weld_blocks_create(weld_group *g, const weld_blocks_options *o, weld_blocks **out,
                               weld_error *err);
void weld_blocks_free(weld_blocks *b); /* accepts NULL */

/* Be ready for what others have. mine: this rank's parts; result: where all of it will be, which
 * holds what the join wants it to. Both stay until all is done, which is when nothing is pending.
 */
void weld_blocks_begin(weld_blocks *b, void *const *mine, void *result);
/* This rank's parts are there. */
void weld_blocks_go(weld_blocks *b);

/* Until nothing is pending; what: as of weld_progress_wait. */
weld_status weld_blocks_wait(weld_blocks *b, const char *what, weld_error *err);

size_t weld_blocks_memory(const weld_blocks *b); /* bytes, for what others send */
size_t weld_blocks_moved(const weld_blocks *b);  /* bytes, from a begin to its end */

#endif
