/* How many threads a rank takes where nobody says: ranks of one host may have the same cpus. */
#ifndef WELD_DISTRIBUTED_RANK_THREADS_H
#define WELD_DISTRIBUTED_RANK_THREADS_H

#include "distributed/group.h"

/* Of all ranks, as rank 0 knows them. */
typedef struct weld_rank_threads {
    int least, most;
    bool crowded;     /* rank 0's host has fewer cpus than its ranks have threads */
    char advice[400]; /* a line for each thing that a person should know; "": nothing */
} weld_rank_threads;

/* asked: as of weld_train_settings; *threads: what it comes to. Called by all ranks. What the
 * process may use is divided by the ranks on its host that may use some of the same cpus, but for
 * OMP_NUM_THREADS, which is said of each process. */
weld_status weld_rank_threads_settle(weld_group *g, int asked, int *threads, weld_rank_threads *all,
                                     weld_error *err);

/* "4 ranks on 2 hosts, 16 threads each"; returns text. */
const char *weld_rank_threads_text(const weld_group *g, const weld_rank_threads *all, char *text,
                                   size_t size);

#endif
