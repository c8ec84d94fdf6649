/* What a step makes of boxes; see detection.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "datasets/boxes.h"
#include "images/draw.h"
#include "ops/task_aligned.h"
#include "tasks/detection/detection.h"
#include "tasks/drawn_names.h"

typedef struct box_targets {
    const weld_dataset *ds;
    int64_t most; /* boxes of a sample */
} box_targets;

/* Of one image. */
static int64_t most_boxes(const weld_dataset *ds) {
    int64_t most = 1;
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        int64_t count;
        weld_dataset_boxes(ds, i, &count);
        most = count > most ? count : most;
    }
    return most;
}

weld_status weld_box_targets_create(const weld_dataset *ds, const weld_target_options *options,
                                    void **targets, weld_error *err) {
    if (!weld_dataset_has_boxes(ds)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has no boxes, from which a detector learns: give a COCO JSON file, a "
                         "data.yaml of YOLO, or a folder with Annotations of VOC",
                         weld_dataset_path(ds));
    }
    box_targets *t = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, "targets");
    }
    *t = (box_targets){.ds = ds, .most = options->parts * most_boxes(ds)};
    *targets = t;
    return WELD_OK;
}

void weld_box_targets_free(void *targets) {
    weld_free(targets);
}

size_t weld_box_target_size(const void *targets, int input) {
    (void)input;
    return (size_t)((const box_targets *)targets)->most * WELD_TARGET_SIZE;
}

void weld_box_targets_fill(void *targets, const weld_batch *batch, float *const *inputs) {
    const box_targets *t = targets;
    float *row = inputs[0];
    for (int64_t i = 0; i < batch->count; i++) {
        const weld_array *a = &batch->annotations[i];
        const weld_placed_box *boxes = a->data;
        for (int64_t k = 0; k < t->most; k++, row += WELD_TARGET_SIZE) {
            if (k >= (int64_t)a->count) {
                memcpy(row, (const float[WELD_TARGET_SIZE]){-1}, WELD_TARGET_SIZE * sizeof *row);
                continue;
            }
            const weld_placed_box *b = &boxes[k];
            const float crowd = b->flags & (WELD_BOX_CROWD | WELD_BOX_IGNORE) ? 1 : 0;
            memcpy(row,
                   (const float[WELD_TARGET_SIZE]){(float)b->class_index, b->x1, b->y1, b->x2,
                                                   b->y2, crowd},
                   WELD_TARGET_SIZE * sizeof *row);
        }
    }
}

/* "3 boxes" */
void weld_box_caption(const void *targets, float *const *inputs, int64_t i,
                      weld_caption_style style, char *text, size_t size) {
    const box_targets *t = targets;
    const float *row = inputs[0] + i * t->most * WELD_TARGET_SIZE;
    int64_t count = 0;
    (void)style;
    while (count < t->most && row[count * WELD_TARGET_SIZE] >= 0) {
        count++;
    }
    snprintf(text, size, "%lld box%s", (long long)count, count == 1 ? "" : "es");
}

void weld_box_draw_targets(const void *targets, float *const *inputs, int64_t i,
                           weld_image *image) {
    const box_targets *t = targets;
    const float *row = inputs[0] + i * t->most * WELD_TARGET_SIZE;
    for (int64_t k = 0; k < t->most && row[0] >= 0; k++, row += WELD_TARGET_SIZE) {
        const int c = (int)row[0];
        char name[WELD_DRAWN_NAME_SIZE];
        weld_draw_box(image, row[1], row[2], row[3], row[4], weld_draw_colour(c), 1,
                      weld_drawn_name(weld_dataset_class_name(t->ds, c), c, name));
    }
}
