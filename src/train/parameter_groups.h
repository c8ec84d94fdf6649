/* Parameters that are updated alike, for people: how many there are of each kind. */
#ifndef WELD_TRAIN_PARAMETER_GROUPS_H
#define WELD_TRAIN_PARAMETER_GROUPS_H

#include "optimize/parameter_rates.h"
#include "weld/train.h"

/* Of the parameters of g, with the weight decay that weld_optimizer_decays gives them: a group for
 * each pair of decay and rate, in the order of their first members; frozen ones are one group.
 * Released with weld_free. */
weld_status weld_parameter_groups_create(const weld_graph *g, const weld_parameter_rate *rates,
                                         double weight_decay, weld_train_group **out, size_t *count,
                                         weld_error *err);

#endif
