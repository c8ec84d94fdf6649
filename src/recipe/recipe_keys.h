/* The keys of recipes: rows (base/keys.h) under sections, those of the network's family and of its
 * task among them.
 */
#ifndef WELD_RECIPE_RECIPE_KEYS_H
#define WELD_RECIPE_RECIPE_KEYS_H

#include "models/models.h"
#include "recipe/recipe.h"

/* Most keys that a recipe has. */
#define WELD_RECIPE_KEYS_MAX 256

typedef struct weld_recipe_key {
    const char *section;
    const weld_key *row; /* its name has a dot in a group of keys: "distillation.kind" */
    size_t base;         /* in weld_recipe: where the struct lies that the row is of */
} weld_recipe_key;

typedef struct weld_recipe_keys {
    weld_recipe_key at[WELD_RECIPE_KEYS_MAX];
    size_t count;
    const struct weld_task *task; /* of which they are; NULL: of any */
} weld_recipe_keys;

/* All keys, in the order in which recipes are written, for networks of the family that `model`, a
 * variant's name or its own, is of. NULL or unknown: of any family and any task. */
void weld_recipe_keys_of(const char *model, weld_recipe_keys *out);

extern const char *const weld_recipe_sections[]; /* NULL at the end */

/* Where a key's value lies in weld_recipe names the key: a word that the compiler checks. */
#define WELD_RECIPE_PLACE(member) offsetof(weld_recipe, member)
/* The key with that place, which must be one. */
size_t weld_recipe_key_index(const weld_recipe_keys *keys, size_t place);
static inline size_t weld_recipe_key_place(const weld_recipe_key *key) {
    return key->base + key->row->offset;
}

static inline const void *weld_recipe_values_of(const weld_recipe *r, const weld_recipe_key *key) {
    return (const char *)r + key->base;
}

/* All elements of a key, parted by commas. */
static inline void weld_recipe_key_text(const weld_recipe *r, const weld_recipe_key *key,
                                        char *text, size_t size) {
    weld_key_text(key->row, weld_recipe_values_of(r, key), ", ", text, size);
}

/* Set what keys are where nobody sets them, but for augmentation's, the family's and the task's. */
void weld_recipe_set_standard(weld_recipe *r);

#endif
