/* Do all ranks compute by the same kernels? Tables of kernels differ in the last bits, and so would
 * what they come to, by who computes which part of it. */
#ifndef WELD_DISTRIBUTED_RANK_KERNELS_H
#define WELD_DISTRIBUTED_RANK_KERNELS_H

#include <stdbool.h>

#include "distributed/group.h"

enum { WELD_RANK_KERNELS_SIZE = 400 };

/* Called by all ranks: others than rank 0's are an error, unless they may be mixed; in note rank 0
 * then gets what there is to say of it, else "". advice: what else could be done, at the end of
 * that error. */
weld_status weld_rank_kernels_compare(weld_group *g, bool mixed, const char *advice,
                                      char note[WELD_RANK_KERNELS_SIZE], weld_error *err);

#endif
