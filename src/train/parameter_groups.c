/* Groups of parameters; see parameter_groups.h. */
#include "train/parameter_groups.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"

/* The group of such parameters, which may be a new one at the end. */
static weld_train_group *find_group(weld_train_group *groups, size_t *count,
                                    weld_train_group like) {
    for (size_t i = 0; i < *count; i++) {
        const weld_train_group *g = &groups[i];
        if (g->trained == like.trained && g->weights == like.weights &&
            g->lr_scale == like.lr_scale) {
            return &groups[i];
        }
    }
    groups[*count] = like;
    return &groups[(*count)++];
}

weld_status weld_parameter_groups_create(const weld_graph *g, const weld_parameter_rate *rates,
                                         double weight_decay, weld_decay_on decay_on,
                                         weld_train_group **out, size_t *count, weld_error *err) {
    size_t parameters = weld_graph_parameter_count(g);
    weld_train_group *groups = weld_alloc(parameters, sizeof *groups);
    if (!groups) {
        return weld_fail_memory(err, "parameter groups");
    }
    *count = 0;
    for (size_t i = 0; i < parameters; i++) {
        const weld_value *p = weld_graph_parameter(g, i);
        weld_shape shape = weld_value_shape(p);
        bool trained = rates[i].trained;
        bool weights = trained && weld_optimizer_decays(weld_value_name(p), &shape);
        bool decays = trained && (weights || decay_on == WELD_DECAY_ALL);
        weld_train_group *group =
            find_group(groups, count,
                       (weld_train_group){.trained = trained,
                                          .weights = weights,
                                          .weight_decay = decays ? weight_decay : 0,
                                          .lr_scale = trained ? rates[i].scale : 0});
        group->tensors++;
        group->parameters += weld_shape_count(&shape);
    }
    *out = groups;
    return WELD_OK;
}
