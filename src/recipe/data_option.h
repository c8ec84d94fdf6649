/* The option --data of commands that take a recipe: a folder that stands for data.train and
 * data.val.
 */
#ifndef WELD_RECIPE_DATA_OPTION_H
#define WELD_RECIPE_DATA_OPTION_H

#include <stdbool.h>

#include "weld/status.h"

/* Overrides of data.train and data.val, to be put in front of others (weld_recipe_read) and freed
 * with weld_free, after errors too. The folder holds either train and val, as folders or packed
 * (.h5), or classes alone: then all images are trained on and there is no data.val. */
weld_status weld_data_overrides(const char *folder, char *out[2], bool *classes_alone,
                                weld_error *err);

#endif
