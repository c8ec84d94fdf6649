/* Reading a recipe as commands do: with --set and with --data, a folder that stands for data.train
 * and data.val.
 */
#ifndef WELD_RECIPE_DATA_OPTION_H
#define WELD_RECIPE_DATA_OPTION_H

#include "base/text.h"
#include "recipe/recipe.h"

typedef struct weld_recipe_source {
    const char *path;       /* of the recipe */
    const char *const *set; /* overrides, as of weld_recipe_read */
    size_t set_count;
    const char *data;               /* the folder; NULL: none. What set says wins */
    const weld_recipe_start *start; /* as of weld_recipe_read */
    bool trains; /* notes say so where nothing is evaluated though there are images to */
} weld_recipe_source;

/* The folder holds either train and val, as folders or packed (.h5, .tar), or classes alone: then
 * all images are trained on and there is no data.val; or it is a data set with boxes, of which the
 * parts train and val are taken. *notes: what people should know of that, a
 * line each; NULL: nobody asks. */
weld_status weld_recipe_open(const weld_recipe_source *from, weld_recipe *out, weld_text *notes,
                             weld_error *err);

#endif
