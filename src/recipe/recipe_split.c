/* Parts of data.train; see recipe_split.h. */
#include "recipe/recipe_split.h"

weld_status weld_recipe_split(const weld_recipe *r, const weld_annotation *annotation,
                              const weld_dataset *ds, int threads, weld_data_split *out,
                              weld_error *err) {
    const weld_data_split_options options = {.annotation = annotation,
                                             .validation = r->data.split,
                                             .fraction = r->data.fraction,
                                             .seed = (uint64_t)r->data.split_seed,
                                             .threads = threads};
    *out = (weld_data_split){.images = 0};
    return r->data.split > 0 || r->data.fraction < 1
               ? weld_data_split_create(ds, &options, out, err)
               : WELD_OK;
}
