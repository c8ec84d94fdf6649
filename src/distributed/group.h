/* The ranks of a run as one thing (weld/distributed.h): what all of them say and hear together.
 *
 * Every function here is called by all ranks, in the same order, by one thread of each; and each
 * takes NULL, which is a group of one, that talks to nobody. A failure is for good: all later calls
 * return it, and weld_group_free ends all ranks. Such are: a rank that has gone, or has not
 * answered for the time-out, or sends what nobody waits for. It is another thing if a rank has an
 * error of its own: that is agreed on (weld_group_agree), and all ranks go on together, to their
 * end.
 */
#ifndef WELD_DISTRIBUTED_GROUP_H
#define WELD_DISTRIBUTED_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "distributed/transport.h"
#include "weld/distributed.h"

/* A group over another transport than MPI's: for tests. opener is called with argument on the
 * group's thread. patience: seconds until ranks must have found each other, and until it is said
 * for whom one waits: 60 in weld_group_open. */
weld_status weld_group_open_over(const weld_group_options *options, double patience,
                                 weld_transport_opener *opener, void *argument, weld_group **out,
                                 weld_error *err);

/* --- Who and where ---------------------------------------------------------------------------- */

int weld_group_hosts(const weld_group *g);              /* how many there are; NULL: 1 */
int weld_group_ranks_at(const weld_group *g, int rank); /* that are on a rank's host; NULL: 1 */
int weld_group_index_here(const weld_group *g);         /* of this one among them; NULL: 0 */
const char *weld_group_library(const weld_group *g);    /* "Open MPI 4.1.4"; NULL: "" */
/* A number for the host of a rank, the same for all ranks on it; NULL: 0. */
int weld_group_host(const weld_group *g, int rank);
/* "rank 2 (node7)" into text; returns text. */
const char *weld_group_say_where(const weld_group *g, int rank, char *text, size_t size);
/* Put "rank 2 (node7): " before the message of a failure that this rank had; rank 0's stays as it
 * is. Returns status. */
weld_status weld_group_fail_at(const weld_group *g, int rank, weld_status status, weld_error *err);
/* The failure of a rank that sent something else than ranks send. */
weld_status weld_group_fail_strange(const weld_group *g, int rank, weld_error *err);
/* What the run is at, "the evaluation": said where somebody waits in a function of this header.
 * Before it is called, nothing. (Exchanges say "update 812" themselves.) */
void weld_group_doing(weld_group *g, const char *what);
/* Have it fail with this failure of this rank's own, where it cannot do what the others wait for
 * and cannot tell them: all end at once, and no message comes any more. Returns status and message
 * of what has failed first. */
weld_status weld_group_break(weld_group *g, weld_status status, weld_error *err);
/* Whether it has failed, so that nobody hears of it but by what this rank prints itself. */
bool weld_group_broken(const weld_group *g);
/* Seconds that this rank has waited for others so far, in all functions of the group and of its
 * exchanges. */
double weld_group_waited(const weld_group *g);

/* --- Said by one, heard by all ---------------------------------------------------------------- */

/* Rank 0's `bytes` bytes into data of all. bytes is the same on all ranks. */
weld_status weld_group_broadcast(weld_group *g, void *data, size_t bytes, weld_error *err);
/* The same where others do not know how many: *out is a copy, on rank 0 too, with a zero behind it;
 * of weld_alloc, to be freed. data and bytes are looked at on rank 0 alone. */
weld_status weld_group_tell(weld_group *g, const void *data, size_t bytes, void **out,
                            size_t *out_bytes, weld_error *err);
/* A text of rank 0 in the place of *text, of weld_alloc; NULL stays NULL. */
weld_status weld_group_tell_text(weld_group *g, char **text, weld_error *err);

/* --- Said by all, heard by rank 0 -------------------------------------------------------------
 */

/* What every rank has said, by rank; freed by weld_gathered_free. */
typedef struct weld_gathered {
    int count; /* of ranks; 0 on others than rank 0 */
    const void **data;
    size_t *bytes; /* ranks may say more or less, or nothing */
    void *memory;
} weld_gathered;

/* On rank 0 *all is what every rank has said, its own first; on others it is empty. */
weld_status weld_group_gather(weld_group *g, const void *mine, size_t bytes, weld_gathered *all,
                              weld_error *err);
/* The same in two: what is said goes off (a copy of it), and is waited for later, in the same *all.
 * One at a time: in between there may be exchanges and what rank 0 says, but nothing else that
 * gathers or agrees. */
weld_status weld_group_gather_begin(weld_group *g, const void *mine, size_t bytes,
                                    weld_gathered *all, weld_error *err);
weld_status weld_group_gather_end(weld_group *g, weld_gathered *all, weld_error *err);
void weld_gathered_free(weld_gathered *all); /* accepts one that is empty, or zeroed */

/* --- Agreed on by all -------------------------------------------------------------------------
 */

/* The first status that is not WELD_OK, by rank, on all ranks, with its message in *err, the same
 * on all: with "rank 2 (node7): " before it, as weld_group_fail_at puts it. status is this rank's
 * own, *err its message. err may not be NULL. */
weld_status weld_group_agree(weld_group *g, weld_status status, weld_error *err);

/* Have all open what they read on their hosts: rank 0 first, then the first rank of each other
 * host, then the others, so that what one leaves for others (an index of a folder) is there. Each
 * goes on when it has gone well on all before. err may not be NULL. */
weld_status weld_group_in_turn(weld_group *g, weld_status (*open)(void *context, weld_error *err),
                               void *context, weld_error *err);

#endif
