/* The mean of the gradients of an update's groups, which ranks share out: the same bits for any
 * number of ranks and any shares, and while they are still being computed.
 *
 *     weld_exchange_create(group, &options, &x, err);
 *     for (each update) {
 *         weld_exchange_begin(x, update);
 *         for (i in this rank's share) {
 *             weld_exchange_add(x, i, plan, gradients);
 *             run the plan; after each of its steps weld_exchange_ready(x, step);
 *         }
 *         weld_exchange_finish(x, &means, err);
 *     }
 *     weld_exchange_free(x);
 *
 * A group's gradients are added as they become ready, along the tree (tree.h): this rank has a
 * buffer for each node of the tree that waits in its share. Gradients lie in them one behind the
 * other in the order in which they become ready, each filled up to 64 bytes; that row is cut into
 * buckets, of 4 MB at most and 0.5 MB at the end, by the plan alone. When the last gradient of a
 * bucket is ready, in the last group of the share, it is sent: it has a block for each rank, of
 * which that one is the owner. The owner, once it has the block's nodes of all ranks, adds up the
 * tree, divides by the number of groups and sends all the mean. That is done by the group's own
 * thread (progress.c), while this one computes on.
 *
 * One process (group NULL) does the same but for the messages; and with one group only, nothing:
 * the means are the group's gradients themselves.
 */
#ifndef WELD_DISTRIBUTED_EXCHANGE_H
#define WELD_DISTRIBUTED_EXCHANGE_H

#include "distributed/expected.h"
#include "distributed/group.h"
#include "distributed/shares.h"
#include "kernels/kernels.h"

typedef struct weld_exchange weld_exchange;

typedef struct weld_exchange_options {
    int64_t groups;            /* of an update: at least one for each rank */
    const weld_groups *shares; /* by rank, in order, all groups in all; NULL: weld_share_of */
    /* Their types, the kernels' dtype, and shapes; data NULL: there is none (frozen). */
    const weld_tensor *gradients;
    size_t count;
    /* Plans that make them, which run in turns (training at several image sizes), at least one; by
     * plan and gradient: the step after which it is ready, in any numbers that rise. */
    int plans;
    const size_t *const *ready;
    const weld_kernels *kernels;
    int threads; /* 0: all that the process may use */
} weld_exchange_options;

/* The same options, but threads, on all ranks, which create their exchanges in the same order.
 * Options are not needed later. It is freed before the group. */
weld_status weld_exchange_create(weld_group *g, const weld_exchange_options *options,
                                 weld_exchange **out, weld_error *err);
void weld_exchange_free(weld_exchange *x); /* accepts NULL */

/* Begin an update; its number is for what is said where somebody waits. The means of the one before
 * are gone. */
void weld_exchange_begin(weld_exchange *x, int64_t update);
/* Group `index` of the update, the next one of this rank's share, is now being computed by this
 * plan; its gradients are in these tensors when they are ready, and until the next add or finish.
 */
void weld_exchange_add(weld_exchange *x, int64_t index, int plan, const weld_tensor *gradients);
/* This step of the plan is done: gradients that are ready by then are taken, and their memory may
 * be used for something else; SIZE_MAX: all. Need not be called for every step, or at all: what has
 * not been taken by the next add or finish is taken then. */
void weld_exchange_ready(weld_exchange *x, size_t step);
/* The means, by gradient, valid until the next begin. One process may finish after fewer groups
 * than there might be, but one: then the means are theirs, along the tree of so many. A rank that
 * has failed calls it too, without all of its groups: then all get means of something, which their
 * verdict tells them not to use. */
weld_status weld_exchange_finish(weld_exchange *x, const weld_tensor **means, weld_error *err);

typedef struct weld_exchange_facts {
    size_t memory;     /* bytes that it has */
    size_t moved;      /* bytes of gradients that this rank sends and receives in an update */
    double early, all; /* bytes that were there when the last bucket went; all; of all updates */
} weld_exchange_facts;
weld_exchange_facts weld_exchange_facts_of(const weld_exchange *x);
/* Of the updates so far: early, all and the leads that the next function tells count from here on.
 */
void weld_exchange_forget(weld_exchange *x);
/* The same as weld_expect_ranks takes it. A moment is when a bucket went, with that one still to be
 * sent; its lead on the last one, with which the backward pass is over, is the least of all
 * updates. Moments stay the exchange's, until the next update. */
weld_exchange_load weld_exchange_load_of(const weld_exchange *x);

#endif
