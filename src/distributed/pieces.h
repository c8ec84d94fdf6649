/* Work in pieces, of which each is done once, by whichever rank, and what comes of them goes to
 * rank 0 in their order.
 *
 * Ranks do it in rounds: of a round each does one piece. While they do those of the next round rank
 * 0 takes what came of the last one and says how it goes on; so nobody waits but for ranks that are
 * a whole piece behind, and no more is kept than two rounds. One process does a piece, takes it,
 * and does the next.
 */
#ifndef WELD_DISTRIBUTED_PIECES_H
#define WELD_DISTRIBUTED_PIECES_H

#include <stdint.h>

#include "base/array.h"
#include "distributed/group.h"

typedef struct weld_pieces {
    int64_t first, end; /* their numbers; the same on all ranks, as what follows is */
    /* All do the first of them, and it is an error where something else comes of it than on rank 0:
     * so ranks are known whose files, libraries or memory are others. */
    bool compared;
    const char *what; /* a piece, for people: "batch" */
    /* Append what comes of a piece to an array of bytes. */
    weld_status (*make)(void *context, int64_t piece, weld_array *bytes, weld_error *err);
    /* Rank 0, of each piece of a round before any of them is taken: is there something in what that
     * rank made of it on which all must agree? Then all do, by `settle`, with the same status. */
    bool (*doubts)(void *context, int rank, const void *data, size_t bytes);
    weld_status (*settle)(void *context, weld_error *err);
    /* Rank 0: it has been made, and all before it. The bytes may stand anywhere. */
    weld_status (*take)(void *context, int64_t piece, const void *data, size_t bytes,
                        weld_error *err);
    /* After a piece that is not compared, on the rank that did it: is the work to end? All end
     * then, after the same round, unless it was the last. */
    bool (*stop)(void *context, int64_t piece);
    void *context;
} weld_pieces;

/* How many of them a rank passes from one of its own to the next. */
int weld_pieces_step(const weld_group *g);
/* Do them all. g NULL: one process. *stopped: some are left, those after the last that was taken.
 * On all ranks the same status, of the first piece that failed; those before it have been taken. */
weld_status weld_pieces_do(weld_group *g, const weld_pieces *p, bool *stopped, weld_error *err);

#endif
