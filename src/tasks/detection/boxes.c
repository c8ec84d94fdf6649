/* Boxes as what is said of an image; see detection.h. */
#include <math.h>

#include "base/error.h"
#include "data/boxes.h"
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

/* A side of a box. */
typedef struct span {
    float low, high;
} span;

static span clipped(span s, float low, float high) {
    return (span){fminf(fmaxf(s.low, low), high), fmaxf(fminf(s.high, high), low)};
}

/* Where a side comes to lie; a flip turns it round. */
static span placed(span s, const weld_placement *p, int axis) {
    const double a = p->scale[axis] * (double)s.low + p->shift[axis];
    const double b = p->scale[axis] * (double)s.high + p->shift[axis];
    return (span){(float)fmin(a, b), (float)fmax(a, b)};
}

enum { LEAST_SIDE = 2, LARGEST_ASPECT = 100 };
static const float LEAST_PART = 0.1f;

/* Where a side comes to lie, as far as the sample has a share in it. */
static span side(span s, int size, const weld_placement *p, int axis) {
    const span whole = placed(clipped(s, 0, (float)size), p, axis);
    return clipped(whole, (float)p->extent[axis], (float)p->extent[axis + 2]);
}

/* false: it is left out. */
static bool place_box(weld_placed_box *b, const weld_placement *p) {
    const weld_rectangle *c = &p->cell;
    const span x = side((span){b->x1, b->x2}, p->width, p, 0);
    const span y = side((span){b->y1, b->y2}, p->height, p, 1);
    const span sx = clipped(x, (float)c->x, (float)(c->x + c->width));
    const span sy = clipped(y, (float)c->y, (float)(c->y + c->height));
    const float width = sx.high - sx.low, height = sy.high - sy.low;
    *b = (weld_placed_box){sx.low, sy.low, sx.high, sy.high, b->class_index, b->flags};
    return width > LEAST_SIDE && height > LEAST_SIDE &&
           width * height > LEAST_PART * (x.high - x.low) * (y.high - y.low) &&
           fmaxf(width / height, height / width) < LARGEST_ASPECT;
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
    .element = sizeof(weld_placed_box), .read = read, .place = place};
