/* Checking a recipe that has been read: what values say to one another. */
#ifndef WELD_RECIPE_RECIPE_CHECK_H
#define WELD_RECIPE_RECIPE_CHECK_H

#include "recipe/recipe_keys.h"

/* Keys, and where each was given, for messages of checks that come later. */
typedef struct weld_recipe_origins {
    const char *file;
    const weld_recipe_start *start; /* NULL: from nothing */
    weld_recipe_keys keys;
    int line[WELD_RECIPE_KEYS_MAX];           /* in file; 0: not there */
    const char *option[WELD_RECIPE_KEYS_MAX]; /* the last --set of it, which wins over file */
} weld_recipe_origins;

/* Also fills in what follows from other values: the second head of a student, "none" for no word.
 */
weld_status weld_recipe_check(weld_recipe *r, const weld_recipe_origins *o, weld_error *err);

/* Does the recipe, or an option, say what a key is? */
bool weld_recipe_was_given(const weld_recipe_origins *o, size_t place);

/* The section quantize, after all others; quantize_check.c. */
weld_status weld_recipe_check_quantize(const weld_recipe *r, const weld_recipe_origins *o,
                                       weld_error *err);

/* "FILE:LINE: section.key: reason", or the option in place of the line. */
weld_status weld_recipe_fail(const weld_recipe_origins *o, size_t place, const char *reason,
                             weld_error *err);

#endif
