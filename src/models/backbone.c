/* The network of one family as the beginning of another's; see backbone.h.
 *
 * It is built in a graph of its own, whose part up to the maps that are wanted is copied: so any
 * family will do, and none has to know of it. */
#include "models/backbone.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

typedef struct copying {
    weld_graph *to;
    const weld_graph *from;
    weld_value **map; /* by value id in from */
    bool *needed;
} copying;

static weld_value *copy_leaf(copying *c, const weld_value *leaf) {
    char name[WELD_TENSOR_NAME_SIZE];
    if (snprintf(name, sizeof name, WELD_BACKBONE_PREFIX "%s", leaf->name) >= (int)sizeof name) {
        return weld_graph_fail(c->to, WELD_ERROR_ARGUMENT, "%.80s...: its name is too long",
                               leaf->name);
    }
    return leaf->kind == WELD_VALUE_BUFFER
               ? weld_buffer(c->to, name, leaf->dtype, leaf->shape, leaf->init)
               : weld_parameter(c->to, name, leaf->shape, leaf->init);
}

static void copy_node(copying *c, const weld_node *node, weld_value **inputs) {
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = node->inputs[i] ? c->map[node->inputs[i]->id] : NULL;
        if (node->inputs[i] && !inputs[i]) {
            return; /* an error that the graph keeps */
        }
    }
    const weld_value *made = weld_graph_copy_node(c->to, node, inputs);
    for (int i = 0; made && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = made->producer->outputs[i];
    }
}

/* A leaf that is needed, or the counter beside one: a batch norm that uses its running statistics
 * does not read it, but it is a tensor of the network all the same. */
static bool is_wanted(const copying *c, const weld_value *v) {
    static const char counter[] = ".num_batches_tracked";
    const size_t length = v->kind == WELD_VALUE_BUFFER ? strlen(v->name) : 0;
    char mean[WELD_TENSOR_NAME_SIZE];
    if (length < sizeof counter || strcmp(v->name + length - (sizeof counter - 1), counter) != 0) {
        return c->needed[v->id] && v->kind != WELD_VALUE_RESULT;
    }
    snprintf(mean, sizeof mean, "%.*s.running_mean", (int)(length - (sizeof counter - 1)), v->name);
    const weld_value *beside = weld_graph_find_leaf(c->from, mean);
    return beside && c->needed[beside->id];
}

/* All that the values of `from` in `maps` need; they become those of `to`. */
static weld_status copy(copying *c, weld_value *images, weld_value **maps, int count,
                        weld_error *err) {
    const weld_graph *from = c->from;
    weld_value **inputs = weld_alloc(weld_graph_most_inputs(from), sizeof *inputs);
    weld_named_value *wanted = weld_alloc((size_t)count, sizeof *wanted);
    const bool has_memory = inputs && wanted && c->map && c->needed;
    for (int i = 0; has_memory && i < count; i++) {
        wanted[i] = (weld_named_value){"", maps[i]};
    }
    if (has_memory) {
        weld_graph_find_needed(from, wanted, (size_t)count, c->needed);
    }
    for (size_t i = 0; has_memory && i < from->value_count; i++) {
        const weld_value *v = from->values[i];
        if (is_wanted(c, v)) {
            c->map[i] = v->kind == WELD_VALUE_INPUT ? images : copy_leaf(c, v);
        }
    }
    for (size_t i = 0; has_memory && i < from->node_count; i++) {
        if (weld_node_is_needed(from->nodes[i], c->needed)) {
            copy_node(c, from->nodes[i], inputs);
        }
    }
    for (int i = 0; has_memory && i < count; i++) {
        maps[i] = c->map[maps[i]->id];
    }
    weld_free(wanted);
    weld_free(inputs);
    return has_memory ? WELD_OK : weld_fail_memory(err, "backbone");
}

/* The last stage of each stride. */
static weld_status find_maps(const weld_graph *g, const weld_model_family *family,
                             const weld_model_config *config, const int *strides, int count,
                             weld_value **maps, weld_error *err) {
    for (int i = 0; i < count; i++) {
        maps[i] = NULL;
        for (int stage = 0; stage < family->stage_count(config); stage++) {
            int stride;
            weld_value *end = weld_family_stage_end(family, g, config, stage, &stride);
            maps[i] = end && stride == strides[i] ? end : maps[i];
        }
        if (!maps[i]) {
            return weld_fail(err, WELD_ERROR_ARGUMENT, "no stage of a %s has a map of stride %d",
                             family->name, strides[i]);
        }
    }
    return WELD_OK;
}

/* The family's whole network, in a graph of its own. */
static weld_status build_whole(const weld_layers *net, const weld_model_family *family,
                               const weld_model_config *config, const weld_shape *images,
                               weld_graph **out, weld_error *err) {
    WELD_TRY(weld_graph_create(net->g->dtype, out, err));
    family->build(*out, config, net->mode, weld_input(*out, "images", *images));
    weld_status status = weld_graph_status(*out, err);
    if (status) {
        weld_graph_free(*out);
    }
    return status;
}

void weld_layer_backbone(const weld_layers *net, const weld_model_family *family,
                         const weld_model_config *config, weld_value *images, const int *strides,
                         int count, weld_value **maps) {
    weld_graph *g;
    weld_error err;
    for (int i = 0; i < count; i++) {
        maps[i] = NULL;
    }
    if (!images) {
        return;
    }
    weld_status status = build_whole(net, family, config, &images->shape, &g, &err);
    if (!status) {
        copying c = {.to = net->g,
                     .from = g,
                     .map = weld_alloc(g->value_count, sizeof(weld_value *)),
                     .needed = weld_alloc(g->value_count, sizeof(bool))};
        status = find_maps(g, family, config, strides, count, maps, &err);
        status = status ? status : copy(&c, images, maps, count, &err);
        weld_free(c.map);
        weld_free(c.needed);
        weld_graph_free(g);
    }
    for (int i = 0; status && i < count; i++) {
        maps[i] = NULL; /* not one of the graph that is gone */
    }
    if (status) {
        weld_graph_fail(net->g, status, "backbone: %s", err.message);
    }
}

/* --- Normalisation --------------------------------------------------------------------------- */

static const char *const colours[] = {"red", "green", "blue"};

/* A number as it was written down, not as a float has it. */
static double written(float x) {
    return round((double)x * 1e7) / 1e7;
}

/* What images are multiplied with, and what is added then. */
static void map_of(const float mean[3], const float std[3], double factor[3], double shift[3]) {
    for (int c = 0; c < 3; c++) {
        factor[c] = 1 / written(std[c]);
        shift[c] = -written(mean[c]) / written(std[c]);
    }
}

/* A leaf begins with one number, so there is one for each colour. */
static weld_value *by_colour(const weld_layers *net, const char *what, const double values[3]) {
    weld_value *parts[3];
    for (int c = 0; c < 3; c++) {
        const weld_path at = weld_under((weld_path){WELD_NORMALIZE}, "%s.%s", what, colours[c]);
        parts[c] = weld_buffer(net->g, at.text, net->g->dtype, WELD_SHAPE(1),
                               (weld_init){WELD_INIT_CONSTANT, values[c], 0});
    }
    return weld_concat(net->g, parts, 3, 0);
}

weld_value *weld_layer_normalize(const weld_layers *net, weld_value *images, const float mean[3],
                                 const float std[3]) {
    double factor[3], shift[3];
    map_of(mean, std, factor, shift);
    return weld_affine(net->g, images, by_colour(net, "factor", factor),
                       by_colour(net, "shift", shift));
}

static bool set_buffer(weld_weights *w, const char *what, int c, double value) {
    weld_tensor t;
    const weld_path at = weld_under((weld_path){WELD_NORMALIZE}, "%s.%s", what, colours[c]);
    if (!weld_weights_find(w, at.text, &t) || t.dtype != WELD_F32) {
        return false;
    }
    ((float *)t.data)[0] = (float)value;
    return true;
}

bool weld_set_normalization(weld_weights *w, const float mean[3], const float std[3]) {
    double factor[3], shift[3];
    bool all = true;
    map_of(mean, std, factor, shift);
    for (int c = 0; c < 3; c++) {
        all = set_buffer(w, "factor", c, factor[c]) && set_buffer(w, "shift", c, shift[c]) && all;
    }
    return all;
}

/* --- Places ---------------------------------------------------------------------------------- */

bool weld_backbone_place(const weld_model_family *family, const weld_model_config *config,
                         const char *name, weld_model_place *out) {
    static const char prefix[] = WELD_BACKBONE_PREFIX;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    *out = family->place(config, name + sizeof prefix - 1);
    return true;
}
