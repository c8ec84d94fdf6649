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
    const int64_t *ids = ds->boxes ? ds->boxes->categories.data : NULL;
    const int count = ds->boxes ? (int)ds->boxes->categories.count : 0;
    if (count && !ds->class_of) {
        return ids[class_index];
    }
    for (int own = 0; own < count; own++) {
        if (ds->class_of[own] == class_index) {
            return ids[own];
        }
    }
    return count ? -1 : class_index;
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
