/* Recipe files as YAML: where each key stands (recipe_scan.h), and its values as text by schema
 * (libcyaml).
 *
 * libcyaml 1.3 takes 3.5 for the integer 3 and any word for true, and forgets the lines; so it is
 * asked for structure only (which keys, scalar or list, how long), and numbers are read from their
 * text by base/keys.c.
 */
#ifndef WELD_RECIPE_RECIPE_YAML_H
#define WELD_RECIPE_RECIPE_YAML_H

#include <stdint.h>

#include "recipe/recipe_scan.h"

/* Values as text, by index in the keys: NULL where absent; a char * for a scalar, char **
 * with `count` elements for a list. */
typedef struct weld_recipe_values {
    void *value[WELD_RECIPE_KEYS_MAX];
    uint32_t count[WELD_RECIPE_KEYS_MAX];
} weld_recipe_values;

/* Read YAML. Messages begin with `where`, followed, when it is a file, by ":LINE". A recipe without
 * any key gives *values NULL. */
weld_status weld_recipe_yaml_read(const weld_recipe_keys *keys, const char *where, bool is_file,
                                  const char *text, size_t size, weld_recipe_lines *lines,
                                  weld_recipe_values **values, weld_error *err);
void weld_recipe_yaml_free(const weld_recipe_keys *keys, weld_recipe_values *values);
/* YAML of all keys that are not NULL; freed with weld_free. */
weld_status weld_recipe_yaml_write(const weld_recipe_keys *keys, const weld_recipe_values *values,
                                   char **text, weld_error *err);

#endif
