/* Where what an image shows comes to lie; see placement.h. */
#include "data/placement.h"

#include <math.h>

#include "data/projection.h"

void weld_placement_extend(weld_placement *p) {
    const int sides[2] = {p->width, p->height};
    for (int axis = 0; axis < 2; axis++) {
        const double end = p->shift[axis] + p->scale[axis] * sides[axis];
        p->extent[axis] = fmin(p->shift[axis], end);
        p->extent[axis + 2] = fmax(p->shift[axis], end);
    }
}

void weld_placement_mirror(weld_placement *p, int axis, int begin, int length) {
    const double ends = 2.0 * begin + length, low = p->extent[axis];
    int *cell = axis ? &p->cell.y : &p->cell.x;
    *cell = 2 * begin + length - *cell - (axis ? p->cell.height : p->cell.width);
    if (p->turned) {
        for (int i = 0; i < 3; i++) {
            p->turn[3 * axis + i] = ends * p->turn[6 + i] - p->turn[3 * axis + i];
        }
        return;
    }
    p->scale[axis] = -p->scale[axis];
    p->shift[axis] = ends - p->shift[axis];
    p->extent[axis] = ends - p->extent[axis + 2];
    p->extent[axis + 2] = ends - low;
}

/* To low..high; what lies elsewhere comes to lie, without length, on an edge. */
static void cut(double box[4], int axis, double low, double high) {
    box[axis] = fmin(fmax(box[axis], low), high);
    box[axis + 2] = fmin(fmax(box[axis + 2], low), high);
}

double weld_placement_box(const weld_placement *p, const double box[4], double out[4]) {
    const int begin[2] = {p->cell.x, p->cell.y}, length[2] = {p->cell.width, p->cell.height};
    for (int axis = 0; axis < 2; axis++) {
        const double a = p->scale[axis] * box[axis] + p->shift[axis];
        const double b = p->scale[axis] * box[axis + 2] + p->shift[axis];
        out[axis] = fmin(a, b);
        out[axis + 2] = fmax(a, b);
        cut(out, axis, p->extent[axis], p->extent[axis + 2]);
    }
    const double area = (out[2] - out[0]) * (out[3] - out[1]);
    if (p->turned) {
        weld_projection_box(p->turn, out, out);
    }
    for (int axis = 0; axis < 2; axis++) {
        cut(out, axis, begin[axis], begin[axis] + length[axis]);
    }
    return area;
}
