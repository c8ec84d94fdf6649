/* The registry of networks: families and their variants, by name. */
#include "models/models.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define DEFAULT_CLASSES 1000

static const weld_model_variant *variant_at(size_t i) {
    for (size_t f = 0; f < weld_family_count; f++) {
        if (i < weld_families[f]->variant_count) {
            return &weld_families[f]->variants[i];
        }
        i -= weld_families[f]->variant_count;
    }
    return NULL;
}

const char *weld_model_name(size_t i) {
    const weld_model_variant *variant = variant_at(i);
    return variant ? variant->name : NULL;
}

static void fail_unknown(const char *name, weld_error *err) {
    char known[512] = "";
    size_t used = 0;
    for (size_t i = 0; variant_at(i) && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s, ", variant_at(i)->name);
    }
    for (size_t f = 0; f < weld_family_count && used < sizeof known; f++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", f ? ", " : "",
                                 weld_families[f]->name);
    }
    weld_fail(err, WELD_ERROR_NOT_FOUND, "model '%.80s': no such name: take one of %s", name,
              known);
}

const weld_model_family *weld_family_find(const char *name, const weld_model_variant **variant,
                                          weld_error *err) {
    const weld_model_variant *unwanted;
    variant = variant ? variant : &unwanted;
    *variant = NULL;
    for (size_t f = 0; f < weld_family_count; f++) {
        if (strcmp(weld_families[f]->name, name) == 0) {
            return weld_families[f];
        }
        for (size_t i = 0; i < weld_families[f]->variant_count; i++) {
            if (strcmp(weld_families[f]->variants[i].name, name) == 0) {
                *variant = &weld_families[f]->variants[i];
                return weld_families[f];
            }
        }
    }
    fail_unknown(name, err);
    return NULL;
}

const weld_model_family *weld_family_of(const weld_model_config *config) {
    return weld_family_find(config->name, NULL, NULL);
}

weld_status weld_model_config_named(const char *name, weld_model_config *out, weld_error *err) {
    const weld_model_variant *variant;
    const weld_model_family *family = weld_family_find(name, &variant, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    *out = (weld_model_config){.num_classes = DEFAULT_CLASSES};
    snprintf(out->name, sizeof out->name, "%s", name);
    if (variant) {
        memcpy(out->values, variant->values, family->values_size);
    } else {
        weld_keys_set_standard(family->keys, family->key_count, out->values);
    }
    return WELD_OK;
}

static weld_status check(const weld_model_config *config, int64_t batch, int64_t height,
                         int64_t width, weld_error *err) {
    if (config->num_classes < 1 || config->num_classes > WELD_MAX_CLASSES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "model %s: num_classes is %d: it must be in 1..%d", config->name,
                         config->num_classes, WELD_MAX_CLASSES);
    }
    weld_status status = weld_model_config_check(config, NULL, err);
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
        weld_graph_free(g);
        return weld_fail_context(err, status, "model %s", config->name);
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

int weld_model_stage_count(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    return family ? family->stage_count(config) : 0;
}

int64_t weld_model_block_count(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    return family ? family->block_count(config) : 0;
}

weld_model_place weld_model_place_of(const weld_model_config *config, const char *name) {
    const weld_model_family *family = weld_family_of(config);
    return family ? family->place(config, name) : (weld_model_place){0};
}

bool weld_model_is_head(const weld_model_config *config, const char *name) {
    return weld_model_place_of(config, name).part == weld_model_stage_count(config) + 1;
}

weld_value *weld_model_stage_end(const weld_graph *g, const weld_model_config *config, int stage,
                                 int *stride) {
    const weld_model_family *family = weld_family_of(config);
    bool good = family && weld_model_config_check(config, NULL, NULL) == WELD_OK;
    return good ? family->stage_end(g, config, stage, stride) : NULL;
}

weld_preprocessing weld_model_usual_preprocessing(const weld_model_config *config,
                                                  const weld_naming *naming) {
    const weld_model_family *family = weld_family_of(config);
    return family ? family->usual(config, naming) : (weld_preprocessing){0};
}
