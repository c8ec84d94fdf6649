/* The keys of a recipe's section `augment` by themselves; see augment_set.h. */
#include "recipe/augment_set.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "recipe/recipe_keys.h"

static const weld_recipe_key *find_key(const weld_recipe_keys *keys, const char *name) {
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->at[i].section, "augment") == 0 &&
            strcmp(keys->at[i].row->name, name) == 0) {
            return &keys->at[i];
        }
    }
    return NULL;
}

static weld_status set_key(const char *option, const weld_recipe_keys *keys, weld_recipe *r,
                           weld_error *err) {
    char name[64];
    const char *equals = strchr(option, '=');
    const size_t length = equals ? (size_t)(equals - option) : 0;
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), option);
    const weld_recipe_key *key = find_key(keys, name);
    if (!key) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "augment '%.80s': is not KEY=VALUE with a key of a recipe's section "
                         "augment, as mixup=0.2",
                         option);
    }
    weld_status status = weld_key_set(key->row, (char *)r + key->base, equals + 1, err);
    return status ? weld_fail_context(err, status, "augment '%.80s'", option) : WELD_OK;
}

weld_status weld_augmentation_set(const char *const *set, size_t count, weld_augmentation *out,
                                  weld_error *err) {
    weld_recipe *r = weld_alloc(1, sizeof *r);
    weld_recipe_keys *keys = weld_alloc(1, sizeof *keys);
    weld_status status = r && keys ? WELD_OK : weld_fail_memory(err, "augmentation");
    if (!status) {
        weld_recipe_defaults(r);
        weld_recipe_keys_of(NULL, keys);
    }
    for (size_t i = 0; !status && i < count; i++) {
        status = set_key(set[i], keys, r, err);
    }
    if (!status) {
        *out = r->augment;
    }
    weld_free(r);
    weld_free(keys);
    return status;
}
