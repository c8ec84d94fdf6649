/* Do all ranks compute by the same kernels? Tables of kernels differ in the last bits, and so would
 * what they come to, by who computes which part of it. */
#ifndef WELD_DISTRIBUTED_RANK_KERNELS_H
#define WELD_DISTRIBUTED_RANK_KERNELS_H

#include <stdbool.h>

#include "distributed/group.h"

/* As rank 0 knows it. */
typedef struct weld_rank_kernels {
    char own[64];      /* rank 0's: "avx512, avx2 in bf16" */
    int others, first; /* how many ranks have others; the lowest of them, ... */
    char its[64];      /* ... and which, as `own` */
} weld_rank_kernels;

/* Called by all ranks: others than rank 0's are an error, unless they may differ. advice: what else
 * could be done, at the end of that error. all: filled in on rank 0 of a group; or NULL. */
weld_status weld_rank_kernels_compare(weld_group *g, bool may_differ, const char *advice,
                                      weld_rank_kernels *all, weld_error *err);

#endif
