/* What keys of recipes are called by other programs. */
#ifndef WELD_RECIPE_OTHER_NAMES_H
#define WELD_RECIPE_OTHER_NAMES_H

#include "recipe/recipe_keys.h"

/* "section.key" of these keys for such a name; NULL: it is none, or they have no such key. */
const char *weld_recipe_key_of_other_name(const weld_recipe_keys *keys, const char *name);

#endif
