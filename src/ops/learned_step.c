/* Rounding to codes whose steps are learned (Esser et al., "Learned step size quantization", ICLR
 * 2020, arXiv 1902.08153). A parameter `steps` [k] has the steps of a tensor as shares of those
 * that they began with: s = base max(steps, 1/16). These stand with the code that is 0 in a buffer
 * `bases` [n, 2], rows (base, zero) from `begin` on: one for all of x, or one for each of its rows.
 *
 *     learned_round       x, steps, bases -> y = s clamp(rne(x / s), -zero, count - zero), of codes
 *                         from 0 to `count`; where a base is 0, y = x
 *     learned_round_grad  x, dy, steps, bases -> dx = dy where -zero < x / s < count - zero, else 0
 *     learned_step_grad   x, dy, steps, bases -> dsteps [k] = g / base * sum of dy *
 *                           rne(x / s) - x / s   within these limits,
 *                           -zero, count - zero  at them and beyond,
 *                         g = 1 / sqrt(n most): n elements of x's rows (of an activation: of an
 *                         image), most the larger of zero and count - zero
 *     learned_bias        b [out], steps of x [1], of w [out], bases -> y = s rne(b / s), s = s_x
 *                         s_w, whose rows begin at `begin` and `end`. db = dy
 *
 * By plain gradient descent base steps moves as the paper's s. Adam moves every number by its rate:
 * here a share of each step, whatever its size.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ops/learned_step.h"
#include "ops/ops.h"
#include "ops/rounding.h"

enum { LANES = 8 };

/* A row, and its limits. */
typedef struct learned {
    double base;
    weld_rounding to;
} learned;

/* A product of the type's own precision. */
static double product(weld_dtype dtype, double a, double b) {
    return dtype == WELD_F64 ? a * b : (double)(float)(a * b);
}

/* Row `row` of bases, by element i of steps. */
static learned learned_of(const weld_run *run, const weld_tensor *steps, int64_t i,
                          const weld_tensor *bases, int64_t row) {
    const double share = weld_get(steps->dtype, steps->data, i);
    learned l = {.base = weld_get(bases->dtype, bases->data, 2 * row)};
    const double zero = weld_get(bases->dtype, bases->data, 2 * row + 1);
    l.to.scale = product(bases->dtype, l.base, fmax(share, (double)WELD_LEAST_SHARE));
    l.to.low = -zero;
    l.to.high = run->node->attributes.count - zero;
    return l;
}

static weld_status expect_rows(const weld_tensor *x, const weld_tensor *steps,
                               const weld_tensor *bases, int64_t begin, weld_error *err) {
    const int64_t rows = steps->shape.rank == 1 ? steps->shape.dim[0] : 0;
    if (steps->dtype != x->dtype || (rows != 1 && (rows < 1 || rows != x->shape.dim[0]))) {
        return weld_fail(err, WELD_ERROR_SHAPE, "steps: must be [1] or one for each row of x");
    }
    if (bases->dtype != x->dtype || bases->shape.rank != 2 || bases->shape.dim[1] != 2 ||
        begin < 0 || begin + rows > bases->shape.dim[0]) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "bases: must be [n, 2] of x's type, with rows %lld to %lld",
                         (long long)begin, (long long)(begin + rows));
    }
    return WELD_OK;
}

/* --- Loops --- */

/* Adding and taking away 1.5 * 2^23 (2^52) rounds what is much smaller to the nearest even. A NaN
 * stays one. */
#define DEFINE_LOOPS(name, type, magic)                                                            \
    static void pass_##name(int64_t n, const learned *l, const type *restrict x,                   \
                            const type *restrict dy, type *restrict dx) {                          \
        const type scale = (type)l->to.scale, low = (type)l->to.low, high = (type)l->to.high;      \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const type t = x[i] / scale;                                                           \
            dx[i] = t <= low || t >= high ? 0 : dy[i];                                             \
        }                                                                                          \
    }                                                                                              \
    static double sum_##name(int64_t n, const learned *l, const type *restrict x,                  \
                             const type *restrict dy) {                                            \
        const type scale = (type)l->to.scale, low = (type)l->to.low, high = (type)l->to.high;      \
        double sums[LANES] = {0}, sum = 0;                                                         \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const type t = x[i] / scale, within = ((t + (magic)) - (magic)) - t;                   \
            const type by = t <= low ? low : t >= high ? high : within;                            \
            sums[i % LANES] += (double)dy[i] * (double)by;                                         \
        }                                                                                          \
        for (int i = 0; i < LANES; i++) {                                                          \
            sum += sums[i];                                                                        \
        }                                                                                          \
        return sum;                                                                                \
    }

DEFINE_LOOPS(f32, float, 12582912.0f)
DEFINE_LOOPS(f64, double, 6755399441055744.0)

/* --- Rounding --- */

enum { X, STEPS, BASES };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    WELD_TRY(expect_rows(&in[X], &in[STEPS], &in[BASES], node->attributes.begin, err));
    return weld_infer_same(node, in, out, err);
}

static void round_elements(const weld_run *run, const learned *l, int64_t begin, int64_t end) {
    const weld_tensor *x = &run->in[X];
    if (l->to.scale == 0) {
        memmove(weld_at(&run->out[0], begin), weld_at(x, begin),
                (size_t)(end - begin) * weld_dtype_size(x->dtype));
    } else {
        weld_round_to_codes(x->dtype, end - begin, &l->to, weld_at(x, begin),
                            weld_at(&run->out[0], begin));
    }
}

static void round_piece(const weld_run *run, int64_t begin, int64_t end) {
    const learned l =
        learned_of(run, &run->in[STEPS], 0, &run->in[BASES], run->node->attributes.begin);
    round_elements(run, &l, begin, end);
}

static int64_t row_of(const weld_tensor *x) {
    return weld_shape_count(&x->shape) / x->shape.dim[0];
}

static void round_rows(const weld_run *run, int64_t begin, int64_t end) {
    const int64_t row = row_of(&run->in[X]);
    for (int64_t o = begin; o < end; o++) {
        const learned l =
            learned_of(run, &run->in[STEPS], o, &run->in[BASES], run->node->attributes.begin + o);
        round_elements(run, &l, o * row, (o + 1) * row);
    }
}

static void run(const weld_run *run) {
    const weld_tensor *x = &run->in[X];
    if (run->in[STEPS].shape.dim[0] == 1) {
        weld_run_elements(run, round_piece);
    } else {
        weld_run_pieces(run, x->shape.dim[0], row_of(x), round_rows);
    }
}

static void grad(const weld_gradient *of) {
    weld_value *const *in = of->node->inputs;
    weld_value *inputs[] = {in[X], of->dy[0], in[STEPS], in[BASES]};
    const weld_attributes *a = &of->node->attributes;
    of->dx[X] = weld_graph_node(of->g, &weld_op_learned_round_grad, a, inputs, 4, 4);
    of->dx[STEPS] = weld_graph_node(of->g, &weld_op_learned_step_grad, a, inputs, 4, 4);
}

/* Of an activation: elements one by one, whatever rows they are in. */
static bool has_one_step(const weld_node *node, int steps) {
    return node->inputs[steps]->shape.dim[0] == 1;
}

static unsigned round_traits(const weld_node *node) {
    return has_one_step(node, STEPS) ? WELD_OP_CHEAP | WELD_OP_BY_ROW : 0;
}

static weld_slicing round_slicing(const weld_node *node, const weld_tensor *in) {
    (void)in;
    return has_one_step(node, STEPS) ? WELD_SLICE_ROWS : WELD_SLICE_NONE;
}

const weld_op weld_op_learned_round = {
    .name = "learned_round",
    .inputs = {3, 3},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_COUNT,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .node_traits = round_traits,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = round_slicing, .sliced = 1 << X},
};

/* --- Gradients --- */

enum { GRAD_X, GRAD_DY, GRAD_STEPS, GRAD_BASES };

static weld_status expect_grad(const weld_node *node, const weld_tensor *in, weld_error *err) {
    WELD_TRY(weld_expect(&in[GRAD_DY], in[GRAD_X].dtype, in[GRAD_X].shape, "dy", err));
    return expect_rows(&in[GRAD_X], &in[GRAD_STEPS], &in[GRAD_BASES], node->attributes.begin, err);
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(expect_grad(node, in, err));
    return weld_infer_same(node, in, out, err);
}

static learned grad_row(const weld_run *run, int64_t o) {
    return learned_of(run, &run->in[GRAD_STEPS], o, &run->in[GRAD_BASES],
                      run->node->attributes.begin + o);
}

static void pass_elements(const weld_run *run, const learned *l, int64_t begin, int64_t end) {
    const weld_tensor *x = &run->in[GRAD_X], *dy = &run->in[GRAD_DY];
    void *dx = weld_at(&run->out[0], begin);
    if (l->to.scale == 0) {
        memmove(dx, weld_at(dy, begin), (size_t)(end - begin) * weld_dtype_size(x->dtype));
    } else if (x->dtype == WELD_F64) {
        pass_f64(end - begin, l, weld_at(x, begin), weld_at(dy, begin), dx);
    } else {
        pass_f32(end - begin, l, weld_at(x, begin), weld_at(dy, begin), dx);
    }
}

static void pass_piece(const weld_run *run, int64_t begin, int64_t end) {
    const learned l = grad_row(run, 0);
    pass_elements(run, &l, begin, end);
}

static void pass_rows(const weld_run *run, int64_t begin, int64_t end) {
    const int64_t row = row_of(&run->in[GRAD_X]);
    for (int64_t o = begin; o < end; o++) {
        const learned l = grad_row(run, o);
        pass_elements(run, &l, o * row, (o + 1) * row);
    }
}

static void grad_run(const weld_run *run) {
    const weld_tensor *x = &run->in[GRAD_X];
    if (run->in[GRAD_STEPS].shape.dim[0] == 1) {
        weld_run_elements(run, pass_piece);
    } else {
        weld_run_pieces(run, x->shape.dim[0], row_of(x), pass_rows);
    }
}

static unsigned grad_traits(const weld_node *node) {
    return has_one_step(node, GRAD_STEPS) ? WELD_OP_BY_ROW : 0;
}

static weld_slicing grad_slicing(const weld_node *node, const weld_tensor *in) {
    (void)in;
    return has_one_step(node, GRAD_STEPS) ? WELD_SLICE_ROWS : WELD_SLICE_NONE;
}

const weld_op weld_op_learned_round_grad = {
    .name = "learned_round_grad",
    .inputs = {4, 4},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_COUNT,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .node_traits = grad_traits,
    .infer = grad_infer,
    .cpu = {.run = grad_run, .slicing = grad_slicing, .sliced = 1 << GRAD_X | 1 << GRAD_DY},
};

static weld_status step_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(expect_grad(node, in, err));
    out[0] = (weld_tensor){in[GRAD_STEPS].dtype, in[GRAD_STEPS].shape, NULL};
    return WELD_OK;
}

static double sum_elements(const weld_run *run, const learned *l, int64_t begin, int64_t end) {
    const weld_tensor *x = &run->in[GRAD_X], *dy = &run->in[GRAD_DY];
    return l->to.scale == 0       ? 0
           : x->dtype == WELD_F64 ? sum_f64(end - begin, l, weld_at(x, begin), weld_at(dy, begin))
                                  : sum_f32(end - begin, l, weld_at(x, begin), weld_at(dy, begin));
}

/* By the shape of x alone: parts that are summed apart. */
static weld_split parts_of(const weld_run *run) {
    return weld_split_make(weld_shape_count(&run->in[GRAD_X].shape), WELD_PIECE_ELEMENTS, 1, 1);
}

static size_t step_workspace(const weld_run *run) {
    return (size_t)parts_of(run).count * sizeof(double);
}

static void sum_part(void *arg, int64_t part, int thread) {
    const weld_run *run = arg;
    const weld_split parts = parts_of(run);
    const learned l = grad_row(run, 0);
    (void)thread;
    ((double *)run->workspace)[part] =
        sum_elements(run, &l, weld_split_begin(parts, part), weld_split_begin(parts, part + 1));
}

static void put_gradient(const weld_run *run, int64_t o, const learned *l, double sum) {
    const double most = l->to.high > -l->to.low ? l->to.high : -l->to.low;
    const double g = 1 / sqrt((double)row_of(&run->in[GRAD_X]) * most);
    weld_set(run->out[0].dtype, run->out[0].data, o, l->to.scale == 0 ? 0 : g / l->base * sum);
}

static void sum_rows(const weld_run *run, int64_t begin, int64_t end) {
    const int64_t row = row_of(&run->in[GRAD_X]);
    for (int64_t o = begin; o < end; o++) {
        const learned l = grad_row(run, o);
        put_gradient(run, o, &l, sum_elements(run, &l, o * row, (o + 1) * row));
    }
}

static void step_run(const weld_run *run) {
    const weld_tensor *x = &run->in[GRAD_X];
    if (run->in[GRAD_STEPS].shape.dim[0] > 1) {
        weld_run_pieces(run, x->shape.dim[0], row_of(x), sum_rows);
        return;
    }
    const learned l = grad_row(run, 0);
    double sum = 0;
    weld_run_items(run, parts_of(run).count, sum_part);
    for (int64_t part = 0; part < parts_of(run).count; part++) {
        sum += ((double *)run->workspace)[part];
    }
    put_gradient(run, 0, &l, sum);
}

const weld_op weld_op_learned_step_grad = {
    .name = "learned_step_grad",
    .inputs = {4, 4},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_COUNT,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = step_infer,
    .cpu = {.workspace = step_workspace, .run = step_run},
};

/* --- Biases --- */

enum { BIAS, BIAS_X, BIAS_W, BIAS_BASES };

static weld_status bias_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    const weld_attributes *a = &node->attributes;
    WELD_TRY(weld_expect(&in[BIAS_X], in[BIAS].dtype, WELD_SHAPE(1), "steps of x", err));
    WELD_TRY(weld_expect(&in[BIAS_W], in[BIAS].dtype, in[BIAS].shape, "steps of w", err));
    WELD_TRY(expect_rows(&in[BIAS], &in[BIAS_X], &in[BIAS_BASES], a->begin, err));
    WELD_TRY(expect_rows(&in[BIAS], &in[BIAS_W], &in[BIAS_BASES], a->end, err));
    return weld_infer_same(node, in, out, err);
}

static void bias_run(const weld_run *run) {
    const weld_tensor *b = &run->in[BIAS], *bases = &run->in[BIAS_BASES];
    const weld_attributes *a = &run->node->attributes;
    const learned x = learned_of(run, &run->in[BIAS_X], 0, bases, a->begin);
    for (int64_t o = 0; o < b->shape.dim[0]; o++) {
        const learned w = learned_of(run, &run->in[BIAS_W], o, bases, a->end + o);
        const double bias = weld_get(b->dtype, b->data, o);
        const double step = product(b->dtype, x.to.scale, w.to.scale);
        weld_set(b->dtype, run->out[0].data, o, step > 0 ? nearbyint(bias / step) * step : bias);
    }
}

static void bias_grad(const weld_gradient *of) {
    of->dx[BIAS] = of->dy[0];
}

const weld_op weld_op_learned_bias = {
    .name = "learned_bias",
    .inputs = {4, 4},
    .outputs = 1,
    .attributes = WELD_ATTR_BEGIN | WELD_ATTR_END,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = bias_infer,
    .grad = bias_grad,
    .cpu = {.run = bias_run},
};
