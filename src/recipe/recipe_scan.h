/* Names and lines of a recipe's keys, by libyaml: everything wrong with names is found here. */
#ifndef WELD_RECIPE_RECIPE_SCAN_H
#define WELD_RECIPE_RECIPE_SCAN_H

#include "recipe/recipe_keys.h"

/* Lines on which keys stand, from 1; 0 where absent. */
typedef struct weld_recipe_lines {
    int line[WELD_RECIPE_KEYS_MAX];
    bool lone[WELD_RECIPE_KEYS_MAX]; /* one value stands there, no list */
} weld_recipe_lines;

/* Messages begin with `where`, followed, when it is a file, by ":LINE". *group_off: null stands in
 * the place of a group of keys. */
weld_status weld_recipe_scan(const weld_recipe_keys *keys, const char *where, bool is_file,
                             const char *text, size_t size, weld_recipe_lines *lines,
                             bool *group_off, weld_error *err);
/* The value of model.name, which says what other keys there are; false where none can be found, for
 * whatever reason. */
bool weld_recipe_scan_model(const char *text, size_t size, char name[WELD_MODEL_NAME_SIZE]);

weld_status weld_recipe_fail_at(const char *where, bool is_file, int line, weld_error *err,
                                const char *reason);

#endif
