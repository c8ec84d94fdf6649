/* The ranks of a run: what the processes that share it out say to each other outside of updates
 * (those: verdict.h).
 *
 * All do the same on equal state, and take every branch by what has been settled between them or
 * follows from that state, never by a clock or a failure of their own. Rank 0 alone has the run's
 * folder and speaks to the caller. A run of one process goes the same way, with nobody to ask.
 */
#ifndef WELD_TRAIN_RANKS_H
#define WELD_TRAIN_RANKS_H

#include "base/text.h"
#include "data/bad_on_all.h"
#include "distributed/rank_threads.h"
#include "weld/train.h"

struct weld_trainer;

/* Of a rank, in an epoch. */
typedef struct weld_rank_time {
    double seconds;        /* that its groups took */
    double waited, before; /* that it waited for others, in the run, and before the epoch */
} weld_rank_time;

typedef struct weld_ranks {
    weld_group *group;  /* NULL: one process */
    weld_error failure; /* of what this rank has written, as long as others have not heard of it */
    weld_rank_threads threads;
    weld_rank_time *times; /* rank 0's, by rank; else NULL */
    weld_doubts doubts;    /* of the training images */
    double waited, began;  /* for others before the first update; weld_clock at the epoch's begin */
    bool stop;             /* after the latest update: a rank was asked to */
    weld_error end;        /* after the latest update: the run ends with it */
    bool advised_copy;     /* of the data, in this run */
    bool mixed;            /* they may compute by cpus of several kinds */
    weld_train_callbacks caller; /* the settings' own */
    bool opening;                /* what is said is kept in `said` */
    weld_text said;
} weld_ranks;

/* Before anything is opened: *settings gets callbacks by which rank 0 alone speaks to the caller,
 * while what others say on opening is told by weld_ranks_settle. r stays where it is. */
void weld_ranks_begin(weld_ranks *r, weld_train_settings *settings);
/* Where there are several: the threads of each. */
weld_status weld_ranks_take_threads(weld_ranks *r, weld_train_settings *settings, weld_error *err);
/* What others say from now on is what rank 0 says too, and is left out. Also where opening failed.
 */
void weld_ranks_opened(weld_ranks *r);
void weld_ranks_free(weld_ranks *r);

/* Does this rank write the run's folder? Not after a failure of which others have yet to hear. */
bool weld_ranks_writes(const struct weld_trainer *t);
/* What has come of writing. One process: the status itself. Of several it is kept, and settled with
 * the next update at the latest. */
weld_status weld_ranks_wrote(struct weld_trainer *t, weld_status status, weld_error *err);

/* After an update: is the run to end? */
bool weld_ranks_stop(const struct weld_trainer *t);

/* Wait for all: the first failure by rank, on all of them; status and *err are this one's own. What
 * they have said meanwhile is told, if rank 0 has not said the same. */
weld_status weld_ranks_settle(struct weld_trainer *t, weld_status status, weld_error *err);
/* The same, and whether any rank is asked to stop. */
weld_status weld_ranks_settle_stop(struct weld_trainer *t, weld_status status, bool *stop,
                                   weld_error *err);

#endif
