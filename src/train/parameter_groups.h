/* Parameters that are updated alike, for people: how many there are of each kind. */
#ifndef WELD_TRAIN_PARAMETER_GROUPS_H
#define WELD_TRAIN_PARAMETER_GROUPS_H

#include "optimize/optimizer.h"
#include "weld/train.h"

/* Of the parameters of g, with the weight decay that the optimizer gives them: a group for each
 * pair of kind and rate, in the order of their first members; frozen ones are one group.
 * Released with weld_free. */
weld_status weld_parameter_groups_create(const weld_graph *g, const weld_parameter_rate *rates,
                                         double weight_decay, weld_decay_on decay_on,
                                         weld_train_group **out, size_t *count, weld_error *err);

#endif
