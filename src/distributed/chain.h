/* State that every group of an update moves, one after the other: running statistics. Ranks share
 * out the groups, so that each has the values of some; the result is that of one process that takes
 * all in their order.
 *
 *     weld_chain_create(group, &options, &c, err);
 *     for (each update) {
 *         weld_chain_begin(c, update, state);
 *         for (i in this rank's share) {
 *             ... weld_chain_add(c, i, values); as soon as they are known
 *         }
 *         weld_chain_finish(c, state, err);
 *     }
 *     weld_chain_free(c);
 *
 * It goes as gradients do (exchange.h), with a chain in the place of the tree: each rank owns a
 * block of the elements, gets the values of all groups for it, moves its state by one after the
 * other, and sends all what came of it.
 */
#ifndef WELD_DISTRIBUTED_CHAIN_H
#define WELD_DISTRIBUTED_CHAIN_H

#include "distributed/group.h"
#include "distributed/shares.h"
#include "weld/tensor.h"

typedef struct weld_chain weld_chain;

/* Move elements [begin, end) of state tensor `tensor` by a group's values: state and values point
 * to those of `begin`. Elements are independent of each other. Called for one group after the
 * other, perhaps on another thread than that of the caller. */
typedef void weld_chain_move(void *context, size_t tensor, int64_t begin, int64_t end,
                             const double *values, void *state);

typedef struct weld_chain_options {
    int64_t groups;            /* of an update: at least one for each rank */
    const weld_groups *shares; /* as of weld_exchange_options */
    const weld_tensor *state;  /* types (all the same, WELD_F32 or WELD_F64) and shapes */
    size_t count;              /* 0: there is nothing to move */
    weld_chain_move *move;
    void *context;
} weld_chain_options;

/* The same options on all ranks, which create it in the same order. Options are not needed later.
 */
weld_status weld_chain_create(weld_group *g, const weld_chain_options *options, weld_chain **out,
                              weld_error *err);
void weld_chain_free(weld_chain *c); /* accepts NULL */

/* The state as it is before the update: tensors of the options' shapes, copied; the same bits on
 * all ranks. */
void weld_chain_begin(weld_chain *c, int64_t update, const weld_tensor *state);
/* Values of group `index`, the next one of this rank's share: `count` tensors of WELD_F64, copied,
 * that have an element for each one of the state, in the same order, if laid one behind the other
 * (so [2, c] for a mean [c] and a variance [c]). */
void weld_chain_add(weld_chain *c, int64_t index, const weld_tensor *values, size_t count);
/* Wait, and write the state as it is after the update. Without all groups of the share, as a rank
 * that has failed has them: to something that is not to be used. */
weld_status weld_chain_finish(weld_chain *c, const weld_tensor *state, weld_error *err);

#endif
