/* Names of tensors and recognition of networks for all families; see names.h. */
#include "models/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"

/* --- Namings --------------------------------------------------------------------------------- */

const weld_naming *weld_model_find_naming(const weld_model_config *config, const char *name,
                                          weld_error *err) {
    const weld_model_family *family = weld_family_find(config->name, NULL, err);
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; family && i < family->naming_count; i++) {
        const weld_naming *naming = &family->namings[i];
        if (!name || strcmp(naming->name, name) == 0) {
            return naming;
        }
        used +=
            (size_t)snprintf(known + used, sizeof known - used, i ? ", %s" : "%s", naming->name);
    }
    if (family) {
        weld_fail(err, WELD_ERROR_NOT_FOUND, "names '%.80s': %s has %s", name, family->name, known);
    }
    return NULL;
}

/* The namings of all families, one after the other; NULL past the end. */
static const weld_naming *naming_at(size_t i) {
    for (size_t f = 0; f < weld_family_count; f++) {
        if (i < weld_families[f]->naming_count) {
            return &weld_families[f]->namings[i];
        }
        i -= weld_families[f]->naming_count;
    }
    return NULL;
}

/* The number of the first of that name from `from` on, or of the end. */
static size_t find_named(const char *name, size_t from) {
    while (naming_at(from) && strcmp(naming_at(from)->name, name) != 0) {
        from++;
    }
    return from;
}

bool weld_naming_is_known(const char *name) {
    return naming_at(find_named(name, 0)) != NULL;
}

const char *weld_naming_list(char *text, size_t size) {
    const char *last = NULL;
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; naming_at(i) && used < size; i++) {
        const char *name = naming_at(i)->name;
        if (find_named(name, 0) == i) { /* each once, where it is first */
            used +=
                last ? (size_t)snprintf(text + used, size - used, used ? ", %s" : "%s", last) : 0;
            last = name;
        }
    }
    if (last && used < size) {
        snprintf(text + used, size - used, used ? " or %s" : "%s", last);
    }
    return text;
}

weld_status weld_model_tensor_name(const weld_model_config *config, const weld_naming *naming,
                                   const char *name, char out[WELD_TENSOR_NAME_SIZE],
                                   weld_error *err) {
    const weld_model_family *family = weld_family_find(config->name, NULL, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    if (!family->tensor_name(config, naming, name, out)) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "tensor %.80s: %s has none of that name", name,
                         config->name);
    }
    return WELD_OK;
}

/* Append a pattern with its numbers filled in; false where it does not fit. */
static bool add_pattern(const char *pattern, const weld_named_place *at,
                        char out[WELD_TENSOR_NAME_SIZE]) {
    size_t used = strlen(out);
    for (; *pattern && used < WELD_TENSOR_NAME_SIZE; pattern++) {
        int number = at->stage;
        if (*pattern != '{') {
            out[used++] = *pattern;
            continue;
        }
        number = pattern[1] == 'b' ? at->block : pattern[1] == 'f' ? at->feature : number;
        used += (size_t)snprintf(out + used, WELD_TENSOR_NAME_SIZE - used, "%d", number);
        pattern += 2;
    }
    if (used >= WELD_TENSOR_NAME_SIZE) {
        return false;
    }
    out[used] = 0;
    return true;
}

bool weld_place_tensor_name(const weld_named_place *at, size_t naming, const char *module,
                            char out[WELD_TENSOR_NAME_SIZE]) {
    for (const weld_module_names *m = at->names->modules; m->in[0]; m++) {
        size_t length = strlen(m->in[0]);
        if (strncmp(module, m->in[0], length) == 0 && module[length] == '.') {
            out[0] = 0;
            return add_pattern(at->names->place.in[naming], at, out) && add_pattern(".", at, out) &&
                   add_pattern(m->in[naming], at, out) && add_pattern(module + length, at, out);
        }
    }
    return false;
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

/* What a family knows as its variant number i. */
static weld_model_config variant_config(const weld_model_family *family, size_t i) {
    weld_model_config config;
    weld_model_config_named(family->variants[i].name, &config, NULL);
    return config;
}

/* The layout is a property of a file and not of a name, so it decides only between two that fit. */
static void name_config(const weld_model_family *family, weld_model_config *config) {
    const char *best = NULL;
    for (size_t i = 0; i < family->variant_count; i++) {
        weld_model_config v = variant_config(family, i);
        if (weld_model_config_same(&v, config, WELD_KEY_SIZE) &&
            (!best || weld_model_config_same(&v, config, WELD_KEY_LAYOUT))) {
            best = family->variants[i].name;
        }
    }
    if (best) {
        snprintf(config->name, sizeof config->name, "%s", best);
    }
}

/* The config that a family finds in the tensors, named and sound. */
static weld_status recognize_as(const weld_model_family *family, const weld_shape_index *index,
                                weld_recognized *out, weld_error *err) {
    *out = (weld_recognized){.naming = NULL};
    weld_status status = weld_model_config_named(family->name, &out->config, err);
    status = status ? status : family->recognize(index, out, err);
    if (!status) {
        name_config(family, &out->config);
        status = weld_model_config_check(&out->config, NULL, err);
    }
    return status;
}

weld_status weld_model_recognize(const weld_shape_index *index, weld_recognized *out,
                                 weld_error *err) {
    char reasons[WELD_ERROR_MESSAGE_SIZE] = "";
    size_t used = 0;
    for (size_t i = 0; i < weld_family_count; i++) {
        weld_error reason = {.message = ""};
        weld_status status = recognize_as(weld_families[i], index, out, &reason);
        if (status != WELD_ERROR_NOT_FOUND) {
            return status ? weld_fail(err, status, "%s", reason.message) : WELD_OK;
        }
        if (used < sizeof reasons) {
            used += (size_t)snprintf(reasons + used, sizeof reasons - used, i ? "; %s" : "%s",
                                     reason.message);
        }
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s", reasons);
}

/* "48 96 192 384; 2 2 14 2": the values of keys with sizes. */
static void list_sizes(const weld_model_config *config, char *text, size_t size) {
    const weld_model_family *family = weld_family_of(config);
    char values[160];
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; family && i < family->key_count && used < size; i++) {
        if (family->keys[i].flags & WELD_KEY_SIZE) {
            weld_key_text(&family->keys[i], config->values, " ", values, sizeof values);
            used += (size_t)snprintf(text + used, size - used, used ? "; %s" : "%s", values);
        }
    }
}

weld_status weld_model_check_variant(const weld_model_config *config, const char *name,
                                     weld_error *err) {
    const weld_model_variant *variant;
    const weld_model_family *family = weld_family_find(name, &variant, err);
    weld_model_config named;
    char sizes[160];
    WELD_TRY(weld_model_config_named(name, &named, err));
    if (weld_family_of(config) == family &&
        (!variant || weld_model_config_same(&named, config, WELD_KEY_SIZE))) {
        return WELD_OK;
    }
    list_sizes(config, sizes, sizeof sizes);
    return weld_fail(err, WELD_ERROR_ARGUMENT, "the network is a %s (%s), not %s", config->name,
                     sizes, name);
}
