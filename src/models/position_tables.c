/* Resizing tables of positions; see position_tables.h. */
#include "models/position_tables.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

weld_shape weld_position_shape(const weld_position_grids *g) {
    return WELD_SHAPE(g->heads, g->queries[0] * g->queries[1], g->keys[0] * g->keys[1]);
}

/* The weight of an entry at distance t, 0 to 2. */
static double cubic(double t) {
    const double a = -0.75;
    return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
}

static int64_t clamp(int64_t i, int64_t count) {
    return i < 0 ? 0 : i < count ? i : count - 1;
}

/* y [outer, to, inner] of x [outer, from, inner]. */
static void resize_axis(const double *x, int64_t outer, int64_t from, int64_t to, int64_t inner,
                        double *y) {
    for (int64_t i = 0; i < to; i++) {
        const double place = ((double)i + 0.5) * (double)from / (double)to - 0.5;
        const double first = floor(place), t = place - first;
        const double weight[4] = {cubic(1 + t), cubic(t), cubic(1 - t), cubic(2 - t)};
        for (int64_t o = 0; o < outer; o++) {
            for (int64_t k = 0; k < inner; k++) {
                double sum = 0;
                for (int tap = 0; tap < 4; tap++) {
                    const int64_t at = clamp((int64_t)first - 1 + tap, from);
                    sum += weight[tap] * x[(o * from + at) * inner + k];
                }
                y[(o * to + i) * inner + k] = sum;
            }
        }
    }
}

/* Elements of the largest table on the way, in which some sizes are old and some new. */
static int64_t room(const weld_position_grids *from, const weld_position_grids *to) {
    int64_t count = from->heads;
    for (int i = 0; i < 2; i++) {
        const int64_t *q[] = {&from->queries[i], &to->queries[i]};
        const int64_t *k[] = {&from->keys[i], &to->keys[i]};
        count *= (*q[0] > *q[1] ? *q[0] : *q[1]) * (*k[0] > *k[1] ? *k[0] : *k[1]);
    }
    return count;
}

weld_status weld_position_resize(const weld_position_grids *from, const float *x,
                                 const weld_position_grids *to, float *y, weld_error *err) {
    int64_t size[4] = {from->queries[0], from->queries[1], from->keys[0], from->keys[1]};
    const int64_t wanted[4] = {to->queries[0], to->queries[1], to->keys[0], to->keys[1]};
    const size_t most = (size_t)room(from, to);
    double *now = weld_alloc(most, sizeof *now), *next = weld_alloc(most, sizeof *next);
    weld_status status = now && next ? WELD_OK : weld_fail_memory(err, "a table of positions");
    for (int64_t i = 0; !status && i < from->heads * size[0] * size[1] * size[2] * size[3]; i++) {
        now[i] = x[i];
    }
    for (int axis = 0; !status && axis < 4; axis++) {
        int64_t outer = from->heads, inner = 1;
        for (int i = 0; i < 4; i++) {
            outer *= i < axis ? size[i] : 1;
            inner *= i > axis ? size[i] : 1;
        }
        double *swap = now;
        resize_axis(now, outer, size[axis], wanted[axis], inner, next);
        size[axis] = wanted[axis];
        now = next;
        next = swap;
    }
    for (int64_t i = 0; !status && i < to->heads * size[0] * size[1] * size[2] * size[3]; i++) {
        y[i] = (float)now[i];
    }
    weld_free(now);
    weld_free(next);
    return status;
}
