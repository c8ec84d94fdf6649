/* Boxes as what is said of an image; see detection.h. */
#include <math.h>

#include "base/error.h"
#include "base/text.h"
#include "datasets/boxes.h"
#include "tasks/detection/detection.h"

/* In pixels of the image, until `place` moves them. */
static weld_status read(const weld_dataset *ds, int64_t index, weld_array *out, weld_error *err) {
    int64_t count;
    const weld_box *boxes = weld_dataset_boxes(ds, index, &count);
    for (int64_t i = 0; i < count; i++) {
        const weld_box *b = &boxes[i];
        if (b->flags & WELD_BOX_UNUSED) {
            continue;
        }
        const weld_placed_box placed = {
            (float)b->x,    (float)b->y, (float)(b->x + b->width), (float)(b->y + b->height),
            b->class_index, b->flags};
        if (!weld_array_append(out, &placed, 1)) {
            return weld_fail_memory(err, "boxes");
        }
    }
    return WELD_OK;
}

weld_status weld_box_check_training(const weld_dataset *ds, weld_error *err) {
    const int64_t images = weld_dataset_count(ds);
    for (int64_t i = 0; i < images; i++) {
        int64_t count;
        const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
        for (int64_t k = 0; k < count; k++) {
            if (!(boxes[k].flags & (WELD_BOX_UNUSED | WELD_BOX_CROWD))) {
                return WELD_OK;
            }
        }
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: none of its %lld %s has a box to learn from: `weld check-data` says "
                     "what is wrong with those that are there",
                     weld_dataset_path(ds), (long long)images,
                     weld_plural(images, "image", "images"));
}

enum { LEAST_SIDE = 2, LARGEST_ASPECT = 100 };
static const double LEAST_PART = 0.1, WHOLE = 0.99;

static double within(double v, double high) {
    return fmin(fmax(v, 0), high);
}

/* false: it is left out. A crowd that is tiny is nothing to count. */
static bool place_box(weld_placed_box *b, const weld_placement *p) {
    const double box[4] = {within((double)b->x1, p->width), within((double)b->y1, p->height),
                           within((double)b->x2, p->width), within((double)b->y2, p->height)};
    double seen[4];
    const double area = weld_placement_box(p, box, seen);
    const double width = seen[2] - seen[0], height = seen[3] - seen[1];
    const double all = fabs(p->scale[0] * p->scale[1]) * (box[2] - box[0]) * (box[3] - box[1]);
    const bool cut = width * height < WHOLE * all;
    const bool tiny = !(width > LEAST_SIDE && height > LEAST_SIDE &&
                        fmax(width / height, height / width) < LARGEST_ASPECT);
    const bool counts = !cut && !(b->flags & (WELD_BOX_CROWD | WELD_BOX_IGNORE));
    *b = (weld_placed_box){
        (float)seen[0], (float)seen[1],
        (float)seen[2], (float)seen[3],
        b->class_index, b->flags | (cut ? WELD_PLACED_CUT : 0) | (tiny ? WELD_PLACED_TINY : 0)};
    return width * height > LEAST_PART * area && (counts || !tiny);
}

static void place(weld_array *elements, size_t first, const weld_placement *placement) {
    weld_placed_box *boxes = elements->data;
    size_t kept = first;
    for (size_t i = first; i < elements->count; i++) {
        if (place_box(&boxes[i], placement)) {
            boxes[kept++] = boxes[i];
        }
    }
    elements->count = kept;
}

const weld_annotation weld_box_annotation = {
    .element = sizeof(weld_placed_box), .of_boxes = true, .read = read, .place = place};
