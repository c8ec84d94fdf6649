/* Rounding to codes and back, for training networks that are to run on codes (Jacob et al.,
 * "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
 * CVPR 2018). Codes are a table [n, 2] of the parameters' type, of which a node reads row `begin`.
 *
 *     fake_quantize       x, codes -> y = s clamp(rne(x / s), -z, count - z), row (s, z): codes are
 *                         0 to `count`, z stands for 0; where s is 0, y = x
 *     fake_quantize_grad  x, dy, codes -> dx = dy where rne(x / s) is within these limits, else 0:
 *                         rounding counts as if it were none (Bengio, Leonard, Courville, 2013)
 *     fake_quantize_rows  w [out, ...], codes -> y[o, ..] = s rne(w / s), s = max |w[o]| / m, row
 *                         (m, -); where m is 0, y = w. dw = dy: nothing is beyond the limits
 *     fake_quantize_bias  b [out], w [out, ...], codes -> y = s rne(b / s), s[o] = s_x s_w[o]: s_x
 * of row `begin`, s_w as above by row `end`, of a row of zeros the largest one. db = dy
 *
 * x / s is a true division, as where codes are made (passes/quantize.h).
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ops/ops.h"
#include "ops/rounding.h"

/* By a row of codes. */
static weld_rounding limits_of(const weld_run *run, const weld_tensor *codes) {
    const weld_attributes *a = &run->node->attributes;
    const double zero = weld_get(codes->dtype, codes->data, 2 * a->begin + 1);
    return (weld_rounding){weld_get(codes->dtype, codes->data, 2 * a->begin), -zero,
                           a->count - zero};
}

static weld_status expect_codes(const weld_node *node, const weld_tensor *codes, weld_dtype dtype,
                                weld_error *err) {
    const int64_t row = node->attributes.begin;
    if (codes->dtype != dtype || codes->shape.rank != 2 || codes->shape.dim[1] != 2 || row < 0 ||
        row >= codes->shape.dim[0]) {
        return weld_fail(err, WELD_ERROR_SHAPE, "codes: must be [n, 2] of x's type, with row %lld",
                         (long long)row);
    }
    return WELD_OK;
}

/* --- Activations --- */

/* Adding and taking away 1.5 * 2^23 (2^52) rounds what is much smaller to the nearest even. A NaN
 * stays one. */
#define DEFINE_LOOPS(name, type, magic)                                                            \
    static void pass_##name(int64_t n, const weld_rounding *l, const type *restrict x,             \
                            const type *restrict dy, type *restrict dx) {                          \
        const type scale = (type)l->scale, low = (type)l->low, high = (type)l->high;               \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type t = x[i] / scale;                                                                 \
            t = t < low - 1 ? low - 1 : t;                                                         \
            t = t > high + 1 ? high + 1 : t;                                                       \
            t = (t + (magic)) - (magic);                                                           \
            dx[i] = t < low || t > high ? 0 : dy[i];                                               \
        }                                                                                          \
    }

DEFINE_LOOPS(f32, float, 12582912.0f)
DEFINE_LOOPS(f64, double, 6755399441055744.0)

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    WELD_TRY(expect_codes(node, &in[1], in[0].dtype, err));
    return weld_infer_same(node, in, out, err);
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_rounding l = limits_of(run, &run->in[1]);
    const void *x = weld_at(&run->in[0], begin);
    void *y = weld_at(&run->out[0], begin);
    if (l.scale == 0) {
        memmove(y, x, (size_t)(end - begin) * weld_dtype_size(run->in[0].dtype));
    } else {
        weld_round_to_codes(run->in[0].dtype, end - begin, &l, x, y);
    }
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

static void grad(const weld_gradient *of) {
    weld_value *inputs[] = {of->node->inputs[0], of->dy[0], of->node->inputs[1]};
    of->dx[0] =
        weld_graph_node(of->g, &weld_op_fake_quantize_grad, &of->node->attributes, inputs, 3, 3);
}

const weld_op weld_op_fake_quantize = {
    .name = "fake_quantize",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_COUNT,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(weld_expect(&in[1], in[0].dtype, in[0].shape, "dy", err));
    WELD_TRY(expect_codes(node, &in[2], in[0].dtype, err));
    return weld_infer_same(node, in, out, err);
}

static void grad_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_rounding l = limits_of(run, &run->in[2]);
    const void *x = weld_at(&run->in[0], begin), *dy = weld_at(&run->in[1], begin);
    void *dx = weld_at(&run->out[0], begin);
    if (l.scale == 0) {
        memmove(dx, dy, (size_t)(end - begin) * weld_dtype_size(run->in[0].dtype));
    } else if (run->in[0].dtype == WELD_F64) {
        pass_f64(end - begin, &l, x, dy, dx);
    } else {
        pass_f32(end - begin, &l, x, dy, dx);
    }
}

static void grad_run(const weld_run *run) {
    weld_run_elements(run, grad_piece);
}

const weld_op weld_op_fake_quantize_grad = {
    .name = "fake_quantize_grad",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_COUNT,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW,
    .infer = grad_infer,
    .cpu = {.run = grad_run, .slicing = weld_slice_rows, .sliced = 1 << 0 | 1 << 1},
};

/* --- Weights --- */

static void round_row_f32(int64_t n, float most, const float *w, float *y) {
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fabsf(w[i]) > largest ? fabsf(w[i]) : largest;
    }
    const float scale = largest / most;
    const weld_rounding l = {scale, -(double)most, (double)most};
    if (scale > 0) {
        weld_round_to_codes(WELD_F32, n, &l, w, y);
    } else {
        memset(y, 0, (size_t)n * sizeof *y);
    }
}

static void round_row_f64(int64_t n, double most, const double *w, double *y) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fabs(w[i]) > largest ? fabs(w[i]) : largest;
    }
    const weld_rounding l = {largest / most, -most, most};
    if (l.scale > 0) {
        weld_round_to_codes(WELD_F64, n, &l, w, y);
    } else {
        memset(y, 0, (size_t)n * sizeof *y);
    }
}

static void rows_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *w = &run->in[0];
    const int64_t row = weld_shape_count(&w->shape) / w->shape.dim[0];
    const double most = limits_of(run, &run->in[1]).scale;
    for (int64_t o = begin; o < end; o++) {
        const void *from = weld_at(w, o * row);
        void *to = weld_at(&run->out[0], o * row);
        if (most == 0) {
            memcpy(to, from, (size_t)row * weld_dtype_size(w->dtype));
        } else if (w->dtype == WELD_F64) {
            round_row_f64(row, most, from, to);
        } else {
            round_row_f32(row, (float)most, from, to);
        }
    }
}

static void rows_run(const weld_run *run) {
    const weld_tensor *w = &run->in[0];
    weld_run_pieces(run, w->shape.dim[0], weld_shape_count(&w->shape) / w->shape.dim[0],
                    rows_piece);
}

static void rows_grad(const weld_gradient *of) {
    of->dx[0] = of->dy[0];
}

const weld_op weld_op_fake_quantize_rows = {
    .name = "fake_quantize_rows",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = rows_grad,
    .cpu = {.run = rows_run},
};

/* --- Biases --- */

enum { BIAS, BIAS_WEIGHT, BIAS_CODES };

static weld_status bias_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    const int64_t row = node->attributes.end;
    WELD_TRY(weld_expect(&in[BIAS], in[BIAS_WEIGHT].dtype, WELD_SHAPE(in[BIAS_WEIGHT].shape.dim[0]),
                         "b", err));
    WELD_TRY(expect_codes(node, &in[BIAS_CODES], in[BIAS].dtype, err));
    if (row < 0 || row >= in[BIAS_CODES].shape.dim[0]) {
        return weld_fail(err, WELD_ERROR_SHAPE, "codes: must be [n, 2], with row %lld",
                         (long long)row);
    }
    return weld_infer_same(node, in, out, err);
}

static double largest_of(const weld_tensor *w, int64_t o) {
    const int64_t row = weld_shape_count(&w->shape) / w->shape.dim[0];
    double largest = 0;
    for (int64_t i = o * row; i < (o + 1) * row; i++) {
        const double size = fabs(weld_get(w->dtype, w->data, i));
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* A product of the type's own precision, as where the integers are made. */
static double step_of(weld_dtype dtype, double x, double largest, double most) {
    return dtype == WELD_F64 ? x * (largest / most)
                             : (double)((float)x * ((float)largest / (float)most));
}

static void bias_run(const weld_run *run) {
    const weld_tensor *b = &run->in[BIAS], *w = &run->in[BIAS_WEIGHT];
    const weld_tensor *codes = &run->in[BIAS_CODES];
    const weld_attributes *a = &run->node->attributes;
    const double x = weld_get(codes->dtype, codes->data, 2 * a->begin);
    const double most = weld_get(codes->dtype, codes->data, 2 * a->end);
    double *largest = run->workspace, all = 0;
    for (int64_t o = 0; o < w->shape.dim[0]; o++) {
        largest[o] = largest_of(w, o);
        all = fmax(all, largest[o]);
    }
    for (int64_t o = 0; o < w->shape.dim[0]; o++) {
        const double bias = weld_get(b->dtype, b->data, o);
        const double of = largest[o] > 0 ? largest[o] : all;
        const double step = most > 0 ? step_of(b->dtype, x, of, most) : 0;
        weld_set(b->dtype, run->out[0].data, o, step > 0 ? nearbyint(bias / step) * step : bias);
    }
}

static size_t bias_workspace(const weld_run *run) {
    return (size_t)run->in[BIAS_WEIGHT].shape.dim[0] * sizeof(double);
}

const weld_op weld_op_fake_quantize_bias = {
    .name = "fake_quantize_bias",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_END,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = bias_infer,
    .grad = rows_grad,
    .cpu = {.workspace = bias_workspace, .run = bias_run},
};
