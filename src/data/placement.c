/* Where what an image shows comes to lie; see placement.h. */
#include "data/placement.h"

#include <math.h>

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
        double *row = p->turn + 3 * axis;
        row[0] = -row[0];
        row[1] = -row[1];
        row[2] = ends - row[2];
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

static void turn(const double m[6], double box[4]) {
    double turned[4] = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 4; corner++) {
        const double u = box[corner % 2 * 2], v = box[1 + corner / 2 * 2];
        for (int axis = 0; axis < 2; axis++) {
            const double at = m[3 * axis] * u + m[3 * axis + 1] * v + m[3 * axis + 2];
            turned[axis] = fmin(turned[axis], at);
            turned[axis + 2] = fmax(turned[axis + 2], at);
        }
    }
    for (int i = 0; i < 4; i++) {
        box[i] = turned[i];
    }
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
        turn(p->turn, out);
    }
    for (int axis = 0; axis < 2; axis++) {
        cut(out, axis, begin[axis], begin[axis] + length[axis]);
    }
    return area;
}
