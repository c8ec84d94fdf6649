/* Which evaluation of a run is its best, and when no better one is waited for any more. */
#ifndef WELD_TRAIN_BEST_H
#define WELD_TRAIN_BEST_H

#include "train/trainer.h"

/* Take the latest evaluation into t->state: is it the best of the run, as train.best says? *more:
 * it is of more (above 0) or fewer images than the best before it, and so not compared with it. */
bool weld_trainer_judge(weld_trainer *t, int64_t *more);

/* Of best.h5: the evaluation and the weights that train.best speaks of. */
const weld_evaluation *weld_trainer_best_evaluation(const weld_trainer *t);
weld_weights *weld_trainer_best_weights(const weld_trainer *t);
weld_evaluator *weld_trainer_best_evaluator(const weld_trainer *t);

/* Has train.patience come to an end? */
bool weld_trainer_gave_up(const weld_trainer *t);
/* Has that, or have all epochs been done? */
bool weld_trainer_is_over(const weld_trainer *t);
/* Say so, where patience has, and whether the moving average in best.h5 is better than its weights.
 */
void weld_trainer_tell_best(const weld_trainer *t);

#endif
