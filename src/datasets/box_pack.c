/* Boxes into packed files; see box_packed.h. */
#include "datasets/box_packed.h"

#include "base/error.h"
#include "base/memory.h"

weld_status weld_box_pack_begin(const weld_dataset *ds, weld_packed_writer *w, weld_error *err) {
    const int classes = weld_dataset_class_count(ds);
    int64_t *categories = weld_alloc((size_t)classes, sizeof *categories);
    if (!categories) {
        return weld_fail_memory(err, weld_dataset_path(ds));
    }
    for (int i = 0; i < classes; i++) {
        categories[i] = weld_dataset_category_id(ds, i);
    }
    const weld_status status =
        weld_packed_writer_have_boxes(w, categories, weld_dataset_has_shape_areas(ds), err);
    weld_free(categories);
    return status;
}

weld_status weld_box_pack_add(const weld_dataset *ds, int64_t i, const double scale[2], int width,
                              int height, weld_packed_writer *w, weld_error *err) {
    int64_t count;
    int stated[2];
    const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
    double(*rows)[WELD_PACKED_BOX_NUMBERS] = weld_alloc((size_t)count, sizeof *rows);
    if (!rows) {
        return weld_fail_memory(err, weld_dataset_path(ds));
    }
    for (int64_t k = 0; k < count; k++) {
        const weld_box *b = &boxes[k];
        const double row[WELD_PACKED_BOX_NUMBERS] = {b->x * scale[0],
                                                     b->y * scale[1],
                                                     b->width * scale[0],
                                                     b->height * scale[1],
                                                     b->area * scale[0] * scale[1],
                                                     b->class_index,
                                                     b->flags};
        for (int n = 0; n < WELD_PACKED_BOX_NUMBERS; n++) {
            rows[k][n] = row[n];
        }
    }
    weld_dataset_stated_size(ds, i, &stated[0], &stated[1]);
    const int64_t sample[WELD_PACKED_SAMPLE_NUMBERS] = {
        weld_dataset_image_id(ds, i), width ? width : stated[0], width ? height : stated[1]};
    const weld_status status = weld_packed_writer_add_boxes(w, rows[0], count, sample, err);
    weld_free(rows);
    return status;
}
