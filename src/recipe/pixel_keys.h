/* The recipe's keys that the pixels of an augmented sample depend on, before samples are mixed:
 * what a cached teacher and the training that it is for must have in common.
 */
#ifndef WELD_RECIPE_PIXEL_KEYS_H
#define WELD_RECIPE_PIXEL_KEYS_H

#include "datasets/dataset.h"
#include "recipe/recipe.h"

/* Lines "section.key: value"; freed with weld_free. Where nothing is random they do not name the
 * seed. */
weld_status weld_pixel_keys_text(const weld_recipe *r, char **text, weld_error *err);

/* Does `text`, made by the above, say the same of all keys as the recipe r does? The first key of r
 * that it has another value for, or none, is an error; `file` is where the text is from. */
weld_status weld_pixel_keys_check(const weld_recipe *r, const char *text, const char *file,
                                  weld_error *err);

/* Hash of all samples' names and what group they are of to the recipe's task, in order, in
 * hexadecimal. */
void weld_samples_identity(const weld_recipe *r, const weld_dataset *ds, char text[17]);

#endif
