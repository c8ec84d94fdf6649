/* Are the replicas of a run's state, of which each rank has one, the same? */
#ifndef WELD_TRAIN_REPLICAS_H
#define WELD_TRAIN_REPLICAS_H

#include "train/trainer.h"

/* Of a small part of the weights, their average and the moments, another one at each update: all of
 * them in WELD_REPLICA_PARTS updates. 0 where there is one process. */
enum { WELD_REPLICA_PARTS = 64 };
uint64_t weld_replicas_hash_part(const weld_trainer *t);
/* What is said where a rank's is another than that of rank 0; returns WELD_ERROR_NUMERIC. */
weld_status weld_replicas_fail(const weld_trainer *t, int rank, weld_error *err);
/* All of the state, settled by all ranks: before it is written. */
weld_status weld_replicas_check(weld_trainer *t, weld_error *err);

#endif
