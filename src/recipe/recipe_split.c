/* Parts of data.train; see recipe_split.h. */
#include "recipe/recipe_split.h"

#include "base/error.h"
#include "datasets/boxes.h"

/* Nothing is left to be chosen where the run has done so, and told it. Images with boxes are in a
 * part whatever is in them. */
static weld_status choose(const weld_recipe *r, weld_dataset *ds, weld_error *err) {
    weld_text told = WELD_TEXT;
    weld_status status = weld_dataset_has_boxes(ds)
                             ? WELD_OK
                             : weld_dataset_choose_alike(ds, &r->data.classes, NULL, &told, err);
    weld_text_free(&told);
    return status;
}

weld_status weld_recipe_split(const weld_recipe *r, const weld_annotation *annotation,
                              weld_dataset *ds, int threads, weld_data_split *out,
                              weld_error *err) {
    const weld_data_split_options options = {.annotation = annotation,
                                             .validation = r->data.split,
                                             .fraction = r->data.fraction,
                                             .seed = (uint64_t)r->data.split_seed,
                                             .threads = threads};
    *out = (weld_data_split){.images = 0};
    if (!(r->data.split > 0) && !(r->data.fraction < 1)) {
        return WELD_OK;
    }
    WELD_TRY(choose(r, ds, err));
    return weld_data_split_create(ds, &options, out, err);
}
