/* The parts of data.train that a recipe speaks of. */
#ifndef WELD_RECIPE_RECIPE_SPLIT_H
#define WELD_RECIPE_RECIPE_SPLIT_H

#include "data/split.h"
#include "recipe/recipe.h"

/* As data.split and data.fraction say; out->part is NULL where they say nothing. ds: all of
 * data.train, or the same images elsewhere; of these, images of classes that data.classes leaves
 * out are in no part, and no more seen. */
weld_status weld_recipe_split(const weld_recipe *r, const weld_annotation *annotation,
                              weld_dataset *ds, int threads, weld_data_split *out, weld_error *err);

#endif
