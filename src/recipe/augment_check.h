/* Checking the keys of a recipe's section `augment`: what kinds and tasks have to do with them. */
#ifndef WELD_RECIPE_AUGMENT_CHECK_H
#define WELD_RECIPE_AUGMENT_CHECK_H

#include "base/text.h"
#include "recipe/recipe_check.h"

/* Also fills in what nobody gave: the kind, where it follows from the task, and of keys that are of
 * another kind that they do nothing. */
weld_status weld_recipe_check_augment(weld_recipe *r, const weld_recipe_origins *o,
                                      weld_error *err);

/* Append a line of what the recipe sets of its kind of augmentation and does not have; nothing
 * where there is nothing to say. */
void weld_recipe_tell_augment(const weld_recipe *r, weld_text *notes);

#endif
