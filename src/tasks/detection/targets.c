/* What a step makes of boxes; see detection.h. */
#include <math.h>
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
    int64_t most;      /* boxes of a sample */
    int height, width; /* of samples */
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
    *t = (box_targets){.ds = ds,
                       .most = options->parts * most_boxes(ds),
                       .height = options->height,
                       .width = options->width};
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

static int kind_of(const weld_placed_box *b) {
    return b->flags & (WELD_BOX_CROWD | WELD_BOX_IGNORE) ? WELD_TARGET_CROWD
           : b->flags & WELD_PLACED_TINY                 ? WELD_TARGET_TINY
           : b->flags & WELD_PLACED_CUT                  ? WELD_TARGET_CUT
                                                         : WELD_TARGET_OBJECT;
}

/* Those of an image that are tiny, or the others. */
static float *put_boxes(const weld_array *boxes, bool tiny, float *row, const float *end) {
    for (size_t i = 0; i < boxes->count && row < end; i++) {
        const weld_placed_box *b = (const weld_placed_box *)boxes->data + i;
        const int kind = kind_of(b);
        if ((kind == WELD_TARGET_TINY) == tiny) {
            const float values[WELD_TARGET_SIZE] = {
                (float)b->class_index, b->x1, b->y1, b->x2, b->y2, (float)kind};
            memcpy(row, values, sizeof values);
            row += WELD_TARGET_SIZE;
        }
    }
    return row;
}

void weld_box_targets_fill(void *targets, const weld_batch *batch, float *const *inputs) {
    const box_targets *t = targets;
    for (int64_t i = 0; i < batch->count; i++) {
        float *row = inputs[0] + i * t->most * WELD_TARGET_SIZE;
        const float *const end = row + t->most * WELD_TARGET_SIZE;
        row = put_boxes(&batch->annotations[i], false, row, end);
        row = put_boxes(&batch->annotations[i], true, row, end);
        for (; row < end; row += WELD_TARGET_SIZE) {
            memcpy(row, (const float[WELD_TARGET_SIZE]){-1}, WELD_TARGET_SIZE * sizeof *row);
        }
    }
}

/* --- Small objects: at the start anchors predict boxes so much larger than cells of the finest map
 * that objects smaller than a cell hardly overlap with any. --- */

enum { SMALL = 8 };

/* Adds the objects of sample i to *all, and to *small those that are small when all of the image is
 * seen. Of images whose size is not stated nothing is known. */
static void count_small(const box_targets *t, int64_t i, int64_t *small, int64_t *all) {
    int64_t count;
    int width, height;
    const weld_box *boxes = weld_dataset_boxes(t->ds, i, &count);
    weld_dataset_stated_size(t->ds, i, &width, &height);
    const double scale =
        width > 0 && height > 0 ? fmin((double)t->width / width, (double)t->height / height) : 0;
    for (int64_t k = 0; k < count && scale > 0; k++) {
        const weld_box *b = &boxes[k];
        if (!(b->flags & (WELD_BOX_UNUSED | WELD_BOX_CROWD | WELD_BOX_IGNORE))) {
            *all += 1;
            *small += fmin(b->width, b->height) * scale < SMALL;
        }
    }
}

weld_status weld_box_targets_tell(const void *targets, weld_text *out, weld_error *err) {
    const box_targets *t = targets;
    int64_t small = 0, all = 0;
    for (int64_t i = 0; i < weld_dataset_count(t->ds); i++) {
        count_small(t, i, &small, &all);
    }
    if ((double)small > WELD_FEW_OBJECTS * (double)all) {
        weld_text_format(out,
                         "%.1f %% of the objects (%lld of %lld) are less than %d pixels wide or "
                         "high in images of %d x %d, where little is learned of them: larger "
                         "images (data.input_size) have them larger\n",
                         100 * (double)small / (double)all, (long long)small, (long long)all, SMALL,
                         t->width, t->height);
    }
    return out->failed ? weld_fail_memory(err, "targets") : WELD_OK;
}

static bool is_tiny(const float *row) {
    return row[WELD_TARGET_KIND] == WELD_TARGET_TINY;
}

/* "3 boxes", "3 boxes, 1 too small" */
void weld_box_caption(const void *targets, float *const *inputs, int64_t i,
                      weld_caption_style style, char *text, size_t size) {
    const box_targets *t = targets;
    const float *row = inputs[0] + i * t->most * WELD_TARGET_SIZE;
    long long count = 0, tiny = 0;
    char small[48] = "";
    (void)style;
    for (int64_t k = 0; k < t->most && row[0] >= 0; k++, row += WELD_TARGET_SIZE) {
        count += !is_tiny(row);
        tiny += is_tiny(row);
    }
    if (tiny) {
        snprintf(small, sizeof small, ", %lld too small", tiny);
    }
    snprintf(text, size, "%lld box%s%s", count, count == 1 ? "" : "es", small);
}

void weld_box_draw_targets(const void *targets, float *const *inputs, int64_t i,
                           weld_image *image) {
    const box_targets *t = targets;
    const float *row = inputs[0] + i * t->most * WELD_TARGET_SIZE;
    for (int64_t k = 0; k < t->most && row[0] >= 0 && !is_tiny(row); k++, row += WELD_TARGET_SIZE) {
        const int c = (int)row[0];
        char name[WELD_DRAWN_NAME_SIZE];
        weld_draw_box(image, row[1], row[2], row[3], row[4], weld_draw_colour(c), 1,
                      weld_drawn_name(weld_dataset_class_name(t->ds, c), c, name));
    }
}
