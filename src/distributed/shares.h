/* Who has which groups of an update. */
#ifndef WELD_DISTRIBUTED_SHARES_H
#define WELD_DISTRIBUTED_SHARES_H

#include "distributed/tree.h"
#include "weld/status.h"

/* What `rank` has of `groups` groups where none says otherwise: even shares, the first ones one
 * larger where need be. */
weld_groups weld_share_of(int64_t groups, int ranks, int rank);

/* Those of all ranks: a copy of `shares`, or even ones where it is NULL; of weld_alloc, to be
 * freed. WELD_ERROR_ARGUMENT: they are not all groups in order, some for each rank. */
weld_status weld_shares_create(int64_t groups, int ranks, const weld_groups *shares,
                               weld_groups **out, weld_error *err);

#endif
