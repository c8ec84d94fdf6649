/* Which network a state dict is of, and what it calls the network's tensors; see models.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/models.h"

weld_status weld_model_tensor_name(const weld_model_config *config, const weld_naming *naming,
                                   const char *name, char out[WELD_TENSOR_NAME_SIZE],
                                   weld_error *err) {
    return weld_family_tensor_name(weld_family_of(config), config, naming, name, out)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NOT_FOUND, "tensor %.80s: %s has none of that name",
                           name, config->name);
}

/* The layout is a property of a file and not of a name, so it decides only between two that fit, as
 * what tensors do not tell does. */
static void name_config(const weld_model_family *family, weld_model_config *config) {
    const char *best = NULL;
    int best_fit = -1;
    for (size_t i = 0; i < family->variant_count; i++) {
        weld_model_config v;
        weld_model_config_named(family->variants[i].name, &v, NULL);
        const int fit = 2 * !weld_model_difference(&v, config, WELD_KEY_LAYOUT) +
                        !weld_model_difference(&v, config, WELD_KEY_UNTOLD);
        if (!weld_model_difference(&v, config, WELD_KEY_SIZE) && fit > best_fit) {
            best = family->variants[i].name;
            best_fit = fit;
        }
    }
    if (best) {
        snprintf(config->name, sizeof config->name, "%s", best);
    }
}

/* The config that a family finds in the tensors, named and sound. */
static weld_status recognize_as(const weld_model_family *family, const weld_shape_index *index,
                                const weld_model_config *stated, weld_recognized *out,
                                weld_error *err) {
    *out = (weld_recognized){.stated = stated && weld_family_of(stated) == family ? stated : NULL,
                             .naming = NULL};
    WELD_TRY(weld_model_config_named(family->name, &out->config, err));
    WELD_TRY(family->recognize ? family->recognize(index, out, err)
                               : weld_model_recognize_variant(family, index, out, err));
    name_config(family, &out->config);
    return weld_model_config_check(&out->config, NULL, err);
}

/* With few families the reasons of each; with many what the tensors are called, which tells people
 * more. */
static weld_status fail_unknown(const weld_shape_index *index, const char *reasons, size_t families,
                                weld_error *err) {
    enum { FEW = 2, NAMED = 3 };
    char known[256] = "", first[256] = "";
    if (families <= FEW) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s", reasons);
    }
    for (size_t i = 0; i < weld_family_count; i++) {
        if (!weld_families[i]->in_files_alone) {
            weld_append(known, sizeof known, *known ? ", %s" : "%s", weld_families[i]->name);
        }
    }
    for (size_t i = 0; i < index->count && i < NAMED; i++) {
        weld_append(first, sizeof first, i ? ", %.60s" : "%.60s", index->sorted[i]->name);
    }
    return weld_fail(
        err, WELD_ERROR_NOT_FOUND,
        "its %zu tensors (%s%s) are of no network that is known (%s): name the variant "
        "that is meant (--model) to be told what does not fit",
        index->count, first, index->count > NAMED ? ", ..." : "", known);
}

/* The family that a file states comes first: another may have tensors of the same names. One of
 * which the tensors are only in part is taken where they are of no other wholly. */
weld_status weld_model_recognize(const weld_shape_index *index, const weld_model_config *stated,
                                 weld_recognized *out, weld_error *err) {
    char reasons[WELD_ERROR_MESSAGE_SIZE] = "";
    weld_recognized partial = {.partial = false};
    const weld_model_family *first = stated ? weld_family_of(stated) : NULL;
    weld_error stated_reason = {.message = ""};
    size_t tried = 0;
    for (size_t i = 0; i <= weld_family_count; i++) {
        weld_error reason = {.message = ""};
        const weld_model_family *family = i == 0 ? first : weld_families[i - 1];
        if (!family || family->in_files_alone || (i > 0 && family == first)) {
            continue;
        }
        weld_status status = recognize_as(family, index, stated, out, &reason);
        if (!status && out->partial) {
            partial = partial.partial ? partial : *out;
        } else if (status != WELD_ERROR_NOT_FOUND) {
            return status ? weld_fail(err, status, "%s", reason.message) : WELD_OK;
        }
        weld_append(reasons, sizeof reasons, *reasons ? "; %s" : "%s", reason.message);
        tried++;
        if (i == 0 && status == WELD_ERROR_NOT_FOUND) {
            stated_reason = reason;
        }
    }
    *out = partial;
    if (!partial.partial && *stated_reason.message) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s", stated_reason.message);
    }
    return partial.partial ? WELD_OK : fail_unknown(index, reasons, tried, err);
}

weld_status weld_model_check_variant(const weld_model_config *config, const char *name,
                                     weld_error *err) {
    const weld_model_family *family = weld_family_of(config);
    weld_model_config named;
    char values[160], sizes[160] = ""; /* "48 96 192 384; 2 2 14 2" */
    WELD_TRY(weld_model_config_named(name, &named, err));
    if (weld_family_of(&named) == family &&
        (!weld_model_is_variant(name) || !weld_model_difference(&named, config, WELD_KEY_SIZE))) {
        return WELD_OK;
    }
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, WELD_KEY_SIZE));) {
        weld_append(sizes, sizeof sizes, *sizes ? "; %s" : "%s",
                    weld_key_text(key, config->values, " ", values, sizeof values));
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "the network is a %s%s%s%s, not %s", config->name,
                     *sizes ? " (" : "", sizes, *sizes ? ")" : "", name);
}
