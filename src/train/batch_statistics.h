/* Running statistics of batch norms: a chain, moved by the statistics of one batch after the other,
 * always in the order of the batches, wherever each of them was computed.
 *
 * A training step leaves running statistics as they are and has the batch's as outputs. Those of
 * all its batch norms are one block of doubles, whose layout the network alone decides: not the
 * size of its images, nor what passes made of its graph.
 *
 *     weld_train_step_run(step, number);
 *     weld_batch_statistics_copy(step->statistics, block);
 *     weld_batch_statistics_move(step->statistics, block);
 */
#ifndef WELD_TRAIN_BATCH_STATISTICS_H
#define WELD_TRAIN_BATCH_STATISTICS_H

#include "graph/graph.h"

typedef struct weld_batch_statistics weld_batch_statistics;

/* Make outputs of g of all that its nodes move (weld_running), if an output needs the node.
 * Before passes over g, which may leave other nodes in their place. */
weld_status weld_batch_statistics_outputs(weld_graph *g, weld_error *err);

/* For a session of weld_sessions_create that runs such a graph; it must outlive them. */
weld_status weld_batch_statistics_create(const weld_session *s, weld_batch_statistics **out,
                                         weld_error *err);
void weld_batch_statistics_free(weld_batch_statistics *b); /* accepts NULL */

/* How many doubles a batch's are: 0 where nothing moves. */
size_t weld_batch_statistics_count(const weld_batch_statistics *b);
/* Those of the session's latest run, to block[count]. */
void weld_batch_statistics_copy(const weld_batch_statistics *b, double *block);
/* Move the running ones, in the session's weights, by those of a batch. */
void weld_batch_statistics_move(const weld_batch_statistics *b, const double *block);

/* The same for processes that have some batches each (distributed/chain.h). The running averages,
 * in the weights, as tensors of which each has its part of the block; in its order; returns how
 * many. out NULL: only that. */
size_t weld_batch_statistics_tensors(const weld_batch_statistics *b, weld_tensor *out);
/* Two of its nodes move the same averages: elements are not independent of each other. */
bool weld_batch_statistics_overlap(const weld_batch_statistics *b);
/* Move elements [begin, end) of one of them, which lie elsewhere... */
void weld_batch_statistics_move_some(const weld_batch_statistics *b, size_t tensor, int64_t begin,
                                     int64_t end, const double *values, void *average);
/* ...and count batches whose statistics have moved all. */
void weld_batch_statistics_count_batches(const weld_batch_statistics *b, int64_t batches);
/* The step of the session after which all statistics of a batch are there. */
size_t weld_batch_statistics_step(const weld_batch_statistics *b);

#endif
