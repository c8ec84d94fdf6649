/* Building networks, and what is asked of one: its places and its outputs; see models.h. */
#include <string.h>

#include "base/error.h"
#include "graph/graph.h"
#include "models/models.h"
#include "ops/ops.h"

/* A family's name alone is no network. */
static bool is_bare_family(const weld_model_config *config) {
    weld_model_config named;
    return !weld_model_is_variant(config->name) &&
           !weld_model_config_named(config->name, &named, NULL) &&
           !weld_model_difference(config, &named, WELD_KEY_SIZE);
}

static weld_status check(const weld_model_config *config, int64_t batch, int64_t height,
                         int64_t width, weld_error *err) {
    if (config->num_classes < 1 || config->num_classes > WELD_MAX_CLASSES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "model %s: num_classes is %d: it must be in 1..%d", config->name,
                         config->num_classes, WELD_MAX_CLASSES);
    }
    weld_status status = weld_model_config_check(config, NULL, err);
    if (status && is_bare_family(config)) {
        const weld_model_family *family = weld_family_of(config);
        char names[128];
        weld_key_names(family->keys, family->key_count, WELD_KEY_SIZE, names, sizeof names);
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "model %s: is a family, whose networks need %s: name a network that weld "
                         "models lists, or a file of one",
                         config->name, names);
    }
    if (status) {
        return weld_fail_context(err, status, "model %s", config->name);
    }
    if (batch <= 0 || height <= 0 || width <= 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "model %s: input of %lld images of %lld x %lld: all must be positive",
                         config->name, (long long)batch, (long long)height, (long long)width);
    }
    return WELD_OK;
}

static bool has(const weld_graph *g, const weld_op *op) {
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op == op) {
            return true;
        }
    }
    return false;
}

/* What is asked for must be there, or somebody trains without it and does not notice. */
static weld_status check_chance(const weld_graph *g, const weld_model_config *config,
                                weld_build_mode mode, weld_error *err) {
    if (mode.training && mode.drop_path > 0 && !has(g, &weld_op_stochastic_depth)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "model %s: drop_path is %g, but the network has no residual branch that "
                         "could be left out: set it to 0",
                         config->name, mode.drop_path);
    }
    if (mode.training && mode.dropout > 0 && !has(g, &weld_op_dropout)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "model %s: dropout is %g, but the network has none: set it to 0",
                         config->name, mode.dropout);
    }
    return WELD_OK;
}

weld_status weld_model_build_as(const weld_model_config *config, weld_build_mode mode,
                                int64_t batch, int64_t height, int64_t width, weld_dtype dtype,
                                weld_graph **out, weld_error *err) {
    if (!memchr(config->name, '\0', sizeof config->name)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "model: the name does not end: make it shorter");
    }
    const weld_model_family *family = weld_family_find(config->name, NULL, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    weld_graph *g;
    WELD_TRY(check(config, batch, height, width, err));
    WELD_TRY(weld_graph_create(dtype, &g, err));
    weld_value *images = weld_input(g, "images", WELD_SHAPE(batch, height, width, 3));
    if (images) {
        family->build(g, config, mode, images);
    }
    weld_status status = weld_graph_status(g, err);
    if (status) {
        weld_fail_context(err, status, "model %s", config->name);
    }
    status = status ? status : check_chance(g, config, mode, err);
    if (status) {
        weld_graph_free(g);
        return status;
    }
    *out = g;
    return WELD_OK;
}

weld_status weld_model_build(const weld_model_config *config, bool training, int64_t batch,
                             int64_t height, int64_t width, weld_dtype dtype, weld_graph **out,
                             weld_error *err) {
    weld_build_mode mode = {.training = training};
    return weld_model_build_as(config, mode, batch, height, width, dtype, out, err);
}

/* --- Places ---------------------------------------------------------------------------------- */

int weld_model_stage_count(const weld_model_config *config) {
    return weld_family_of(config)->stage_count(config);
}

int64_t weld_model_block_count(const weld_model_config *config) {
    return weld_family_of(config)->block_count(config);
}

weld_model_place weld_model_place_of(const weld_model_config *config, const char *name) {
    return weld_family_of(config)->place(config, name);
}

bool weld_model_is_head(const weld_model_config *config, const char *name) {
    return weld_model_place_of(config, name).part == weld_model_stage_count(config) + 1;
}

weld_value *weld_model_stage_end(const weld_graph *g, const weld_model_config *config, int stage,
                                 int *stride) {
    return weld_model_config_check(config, NULL, NULL)
               ? NULL
               : weld_family_stage_end(weld_family_of(config), g, config, stage, stride);
}

weld_preprocessing weld_model_usual_preprocessing(const weld_model_config *config,
                                                  const weld_naming *naming) {
    return weld_family_of(config)->usual(config, naming);
}

/* --- Outputs --------------------------------------------------------------------------------- */

static bool are_logits(const weld_model_config *config, int64_t batch, int64_t height,
                       int64_t width, const weld_shape *shape) {
    (void)height;
    (void)width;
    const weld_shape logits = WELD_SHAPE(batch, config->num_classes);
    return weld_shape_equal(shape, &logits);
}

static const weld_output_form logits_alone[] = {{"logits", are_logits}, {NULL, NULL}};

const weld_output_form *weld_model_outputs(const weld_model_config *config) {
    const weld_output_form *outputs = weld_family_of(config)->outputs;
    return outputs ? outputs : logits_alone;
}

const char *weld_model_output_misfit(const weld_model_config *config, const weld_graph *g,
                                     int64_t batch, int64_t height, int64_t width) {
    for (const weld_output_form *form = weld_model_outputs(config); form->name; form++) {
        const weld_value *v = weld_graph_output(g, form->name);
        if (!v || v->dtype != WELD_F32 || !form->fits(config, batch, height, width, &v->shape)) {
            return form->name;
        }
    }
    return NULL;
}
