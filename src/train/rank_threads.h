/* How many threads a rank takes where nobody says: ranks of one host may have the same cpus. */
#ifndef WELD_TRAIN_RANK_THREADS_H
#define WELD_TRAIN_RANK_THREADS_H

#include "distributed/group.h"

/* Of all ranks, as rank 0 knows them. */
typedef struct weld_rank_threads {
    int least, most;
    char advice[400]; /* a line for each thing that a person should know; "": nothing */
} weld_rank_threads;

/* asked: as of weld_train_settings; *threads: what it comes to. Called by all ranks. What the
 * process may use is divided by the ranks on its host that may use some of the same cpus, but for
 * OMP_NUM_THREADS, which is said of each process. */
weld_status weld_rank_threads_settle(weld_group *g, int asked, int *threads, weld_rank_threads *all,
                                     weld_error *err);

#endif
