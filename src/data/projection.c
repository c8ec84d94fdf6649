/* Maps that keep lines straight; see projection.h. */
#include "data/projection.h"

#include <math.h>

#define NEAREST 1e-6 /* w: what is nearer to the edge of sight is cut off */

void weld_projection_inverse(const double m[9], double inverse[9]) {
    if (m[6] == 0 && m[7] == 0) {
        const double determinant = m[0] * m[4] - m[1] * m[3];
        inverse[0] = m[4] / determinant;
        inverse[1] = -m[1] / determinant;
        inverse[3] = -m[3] / determinant;
        inverse[4] = m[0] / determinant;
        inverse[2] = -(inverse[0] * m[2] + inverse[1] * m[5]);
        inverse[5] = -(inverse[3] * m[2] + inverse[4] * m[5]);
        inverse[6] = inverse[7] = 0;
        inverse[8] = 1;
        return;
    }
    double determinant = 0;
    for (int i = 0; i < 9; i++) { /* cofactors, transposed */
        const int row = i % 3, column = i / 3;
        const double *a = m + (row + 1) % 3 * 3, *b = m + (row + 2) % 3 * 3;
        const int p = (column + 1) % 3, q = (column + 2) % 3;
        inverse[i] = a[p] * b[q] - a[q] * b[p];
    }
    for (int i = 0; i < 3; i++) {
        determinant += m[i] * inverse[3 * i];
    }
    for (int i = 0; i < 9; i++) {
        inverse[i] /= determinant;
    }
}

static double depth(const double m[9], const double at[2]) {
    return m[6] * at[0] + m[7] * at[1] + m[8];
}

static void include(const double m[9], const double at[2], double w, double out[4]) {
    for (int axis = 0; axis < 2; axis++) {
        const double *row = m + 3 * axis, to = (row[0] * at[0] + row[1] * at[1] + row[2]) / w;
        out[axis] = fmin(out[axis], to);
        out[axis + 2] = fmax(out[axis + 2], to);
    }
}

bool weld_projection_box(const double m[9], const double box[4], double out[4]) {
    const double corners[4][2] = {
        {box[0], box[1]}, {box[2], box[1]}, {box[2], box[3]}, {box[0], box[3]}};
    double seen[4] = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    bool any = false;
    for (int i = 0; i < 4; i++) {
        const double *a = corners[i], *b = corners[(i + 1) % 4];
        const double w = depth(m, a), next = depth(m, b);
        if (w >= NEAREST) {
            include(m, a, w, seen);
            any = true;
        }
        if ((w >= NEAREST) != (next >= NEAREST)) { /* the edge is cut in two */
            const double share = (NEAREST - w) / (next - w);
            const double at[2] = {a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])};
            include(m, at, NEAREST, seen);
        }
    }
    for (int i = 0; i < 4; i++) {
        out[i] = any ? seen[i] : 0;
    }
    return any;
}
