/* Names of tensors and recognition of networks for all families; see names.h. */
#include "models/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"

weld_status weld_model_tensor_name(const weld_model_config *config, weld_naming naming,
                                   const char *name, char out[WELD_TENSOR_NAME_SIZE],
                                   weld_error *err) {
    const weld_model_config *variant;
    const weld_model_family *family = weld_family_find(config->name, &variant, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    if (!family->tensor_name(config, naming, name, out)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "tensor %.80s: %s has none of that name", name,
                         config->name);
    }
    return WELD_OK;
}

/* --- Looking up ------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b) {
    const weld_named_shape *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

weld_status weld_shape_index_create(const weld_named_shape *tensors, size_t count,
                                    weld_shape_index *out, weld_error *err) {
    *out = (weld_shape_index){.sorted = weld_alloc(count, sizeof *out->sorted), .count = count};
    if (!out->sorted) {
        return weld_fail_memory(err, "names of tensors");
    }
    for (size_t i = 0; i < count; i++) {
        out->sorted[i] = &tensors[i];
    }
    qsort(out->sorted, count, sizeof *out->sorted, compare_names);
    return WELD_OK;
}

void weld_shape_index_free(weld_shape_index *index) {
    weld_free(index->sorted);
    *index = (weld_shape_index){0};
}

const weld_named_shape *weld_shape_index_find(const weld_shape_index *index, const char *name) {
    const weld_named_shape key = {.name = name}, *const at = &key;
    const weld_named_shape **found =
        bsearch(&at, index->sorted, index->count, sizeof *index->sorted, compare_names);
    return found ? *found : NULL;
}

/* --- Recognition ----------------------------------------------------------------------------- */

static bool same_sizes(const weld_model_config *a, const weld_model_config *b) {
    bool same = a->stage_count == b->stage_count;
    for (int i = 0; same && i < a->stage_count; i++) {
        same = a->channels[i] == b->channels[i] && a->depths[i] == b->depths[i];
    }
    return same;
}

/* The layout is a property of a file and not of a name, so it decides only between two that fit. */
static void name_config(const weld_model_family *family, weld_model_config *config) {
    const weld_model_config *best = NULL;
    for (size_t i = 0; i < family->variant_count; i++) {
        const weld_model_config *v = &family->variants[i];
        if (same_sizes(v, config) && (!best || v->legacy == config->legacy)) {
            best = v;
        }
    }
    snprintf(config->name, sizeof config->name, "%s", best ? best->name : family->name);
}

weld_status weld_model_recognize(const weld_shape_index *index, weld_recognized *out,
                                 weld_error *err) {
    weld_status status = WELD_ERROR_NOT_FOUND;
    for (size_t i = 0; i < weld_family_count && status == WELD_ERROR_NOT_FOUND; i++) {
        const weld_model_family *family = weld_families[i];
        status = family->recognize(index, out, err);
        if (status == WELD_OK) {
            name_config(family, &out->config);
            status = family->check(&out->config, err);
        }
    }
    return status;
}

weld_status weld_model_check_variant(const weld_model_config *config, const char *name,
                                     weld_error *err) {
    const weld_model_config *variant, *own;
    const weld_model_family *family = weld_family_find(name, &variant, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    if (weld_family_find(config->name, &own, NULL) == family &&
        (!variant || same_sizes(variant, config))) {
        return WELD_OK;
    }
    char sizes[160] = "";
    size_t used = 0;
    for (int i = 0; i < 2 * config->stage_count && used < sizeof sizes; i++) {
        int stage = i % config->stage_count;
        used += (size_t)snprintf(sizes + used, sizeof sizes - used, "%s%d",
                                 i == config->stage_count ? "; "
                                 : stage                  ? " "
                                                          : "",
                                 i < config->stage_count ? config->channels[stage]
                                                         : config->depths[stage]);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "the network is a %s (%s), not %s", config->name,
                     sizes, name);
}
