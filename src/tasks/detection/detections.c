/* Detections in pixels of the image; see detections.h. */
#include "tasks/detection/detections.h"

#include <math.h>

/* Scales are quotients of whole sizes, one for each axis, so that nothing is lost by their having
 * been rounded one by one. A negative one is a flip, which swaps the ends. */
static void span(double from, double to, double scale, double shift, int side, double *start,
                 double *length) {
    const double a = (from - shift) / scale, b = (to - shift) / scale;
    const double low = fmin(fmax(fmin(a, b), 0), side), high = fmin(fmax(fmax(a, b), 0), side);
    *start = low;
    *length = high - low;
}

weld_found_box weld_found_box_of(const weld_detection *d, const weld_placement *p) {
    weld_found_box box = {.score = (double)d->score, .class_index = d->class_index};
    span((double)d->x1, (double)d->x2, p->scale[0], p->shift[0], p->width, &box.x, &box.width);
    span((double)d->y1, (double)d->y2, p->scale[1], p->shift[1], p->height, &box.y, &box.height);
    return box;
}
