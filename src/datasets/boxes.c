/* Boxes of data sets; see boxes.h. */
#include "datasets/boxes.h"

#include "datasets/dataset_private.h"

bool weld_dataset_has_boxes(const weld_dataset *ds) {
    return ds->boxes != NULL;
}

const char *weld_dataset_box_kind(const weld_dataset *ds) {
    return ds->boxes ? ds->boxes->format : NULL;
}

static const weld_box_image *entry_of(const weld_dataset *ds, int64_t i) {
    return (const weld_box_image *)ds->boxes->images.data + weld_dataset_number(ds, i);
}

const weld_box *weld_dataset_boxes(const weld_dataset *ds, int64_t i, int64_t *count) {
    const weld_box_image *entry = ds->boxes ? entry_of(ds, i) : NULL;
    *count = entry ? (int64_t)entry->count : 0;
    return *count ? (const weld_box *)ds->boxes->boxes.data + entry->first : NULL;
}

int64_t weld_dataset_image_id(const weld_dataset *ds, int64_t i) {
    return ds->boxes ? entry_of(ds, i)->id : weld_dataset_number(ds, i);
}

int64_t weld_dataset_category_id(const weld_dataset *ds, int class_index) {
    const int own = weld_dataset_own_class(ds, class_index);
    const bool has_ids = ds->boxes && ds->boxes->categories.count;
    return has_ids && own >= 0 ? ((const int64_t *)ds->boxes->categories.data)[own] : own;
}

const char *weld_dataset_category_name(const weld_dataset *ds, int class_index) {
    const int own = weld_dataset_own_class(ds, class_index);
    return own < 0 ? NULL : weld_dataset_own_class_name(ds, own);
}

const int64_t *weld_dataset_box_faults(const weld_dataset *ds) {
    return ds->boxes ? ds->boxes->faults : NULL;
}

void weld_dataset_stated_size(const weld_dataset *ds, int64_t i, int *width, int *height) {
    *width = ds->boxes ? entry_of(ds, i)->width : 0;
    *height = ds->boxes ? entry_of(ds, i)->height : 0;
}

bool weld_dataset_has_shape_areas(const weld_dataset *ds) {
    return ds->boxes && ds->boxes->shape_areas;
}
