/* What the groups (batches) of an update come to: the mean of their gradients and running
 * statistics, in an order that leaves no trace of which process computed which of them.
 *
 *     weld_sums_begin(s, update);
 *     for (each group of this process's share) {
 *         fill the inputs of one of the steps
 *         loss = weld_sums_run(s, that step, index, number);
 *     }
 *     weld_sums_finish(s, &means, err);
 */
#ifndef WELD_TRAIN_SUMS_H
#define WELD_TRAIN_SUMS_H

#include "distributed/expected.h"
#include "distributed/group.h"
#include "train/step.h"

typedef struct weld_sums weld_sums;

/* Of updates of `groups` groups, which the ranks of g (NULL: one process) share out evenly, by
 * these steps of weld_train_steps_create, which outlive it. Their gradients are in use until
 * finish. threads as of the steps. */
weld_status weld_sums_create(weld_group *g, int64_t groups, weld_train_step *const *steps,
                             int count, int threads, weld_sums **out, weld_error *err);
void weld_sums_free(weld_sums *s); /* accepts NULL */

void weld_sums_begin(weld_sums *s, int64_t update);
/* Run the group `index`, the next one of the share, whose batch is in the inputs of the step
 * number `step`: weld_train_step_run. What it comes to goes to other ranks while it runs. */
double weld_sums_run(weld_sums *s, int step, int64_t index, uint64_t number);
/* The mean gradients, by parameter, valid until the next begin; running statistics are as after all
 * groups. A process that has failed calls it too, without all groups of its share; then it comes to
 * nothing that may be used. */
weld_status weld_sums_finish(weld_sums *s, const weld_tensor **means, weld_error *err);

size_t weld_sums_bytes(const weld_sums *s); /* of memory */
size_t weld_sums_moved(const weld_sums *s); /* of gradients, between ranks, in an update */
/* The part of these that was there when all groups of this rank were computed, so far. */
double weld_sums_hidden(const weld_sums *s);
void weld_sums_forget(weld_sums *s);                   /* weld_exchange_forget */
weld_exchange_load weld_sums_load(const weld_sums *s); /* weld_exchange_load_of */

#endif
