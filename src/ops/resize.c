/* Images of another size, and the gradient, as PyTorch's interpolate without align_corners:
 *
 *     resize       x [n, h, w, c] -> y [n, oh, ow, c]; the attribute `shape` is [oh, ow]
 *     resize_grad  dy [n, oh, ow, c] -> dx of the shape in the attribute (dim 0 is dy's)
 *
 * The attribute `function` is a weld_resize_mode. Along either axis, with scale = h / oh, output p
 * is by
 *
 *     nearest   x[min(floor(p scale), h - 1)]
 *     bilinear  (1 - t) x[i] + t x[min(i + 1, h - 1)], i + t = max((p + 1/2) scale - 1/2, 0)
 *
 * with i whole and 0 <= t < 1. The two axes have a table of taps each (weld_taps), the gradient the
 * same tables turned round. */
#include <math.h>

#include "base/error.h"
#include "ops/ops.h"

/* --- Tables ---------------------------------------------------------------------------------- */

/* PyTorch takes the scale as a float whatever the type, which here and there decides. */
int64_t weld_resize_nearest(int64_t p, int64_t inputs, int64_t outputs) {
    if (outputs == inputs) {
        return p;
    }
    if (outputs == 2 * inputs) {
        return p / 2;
    }
    const float scale = (float)inputs / (float)outputs;
    const int64_t at = (int64_t)floorf((float)p * scale);
    return at < inputs ? at : inputs - 1;
}

/* An axis of the table that is being made. */
typedef struct axis {
    int64_t inputs, outputs, *first, *from;
    double *weight;
} axis;

/* The taps of output p: how many, and in which inputs with which weights. */
static int taps_of(weld_resize_mode mode, const axis *a, int64_t p, int64_t from[2],
                   double weight[2]) {
    if (mode == WELD_RESIZE_NEAREST) {
        from[0] = weld_resize_nearest(p, a->inputs, a->outputs);
        weight[0] = 1;
        return 1;
    }
    const double scale = (double)a->inputs / (double)a->outputs;
    const double at = fmax(((double)p + 0.5) * scale - 0.5, 0);
    from[0] = (int64_t)at; /* < inputs, as p < outputs */
    from[1] = from[0] + 1 < a->inputs ? from[0] + 1 : from[0];
    weight[1] = at - (double)from[0];
    weight[0] = 1 - weight[1];
    return 2;
}

static void fill_forward(weld_resize_mode mode, const axis *a) {
    int64_t count = 0;
    for (int64_t p = 0; p < a->outputs; p++) {
        a->first[p] = count;
        count += taps_of(mode, a, p, a->from + count, a->weight + count);
    }
    a->first[a->outputs] = count;
}

/* For each input the outputs that read it, in order. */
static void fill_backward(weld_resize_mode mode, const axis *a) {
    int64_t from[2];
    double weight[2];
    for (int64_t i = 0; i <= a->inputs; i++) {
        a->first[i] = 0;
    }
    for (int64_t p = 0; p < a->outputs; p++) {
        for (int t = taps_of(mode, a, p, from, weight); t-- > 0;) {
            a->first[from[t] + 1]++;
        }
    }
    for (int64_t i = 0; i < a->inputs; i++) {
        a->first[i + 1] += a->first[i];
    }
    for (int64_t p = a->outputs; p-- > 0;) { /* from the last on, so that ends become starts */
        for (int t = taps_of(mode, a, p, from, weight); t-- > 0;) {
            const int64_t at = --a->first[from[t] + 1];
            a->from[at] = p;
            a->weight[at] = weight[t];
        }
    }
    for (int64_t i = 0; i < a->inputs; i++) { /* the start of input i is at i + 1 by now */
        a->first[i] = a->first[i + 1];
    }
    a->first[a->inputs] = taps_of(mode, a, 0, from, weight) * a->outputs;
}

/* --- Running --------------------------------------------------------------------------------- */

enum { TABLES = 2, MOST_TAPS = 2 };

/* Places of the tables of rows and of columns in the workspace, and bytes of all. */
typedef struct layout {
    size_t first[TABLES], from[TABLES], weight[TABLES], total;
} layout;

static layout lay_out(const weld_shape *small, const weld_shape *large) {
    layout l = {0};
    for (int i = 0; i < TABLES; i++) {
        const size_t inputs = (size_t)small->dim[1 + i], outputs = (size_t)large->dim[1 + i];
        const size_t most = inputs > outputs ? inputs : outputs;
        l.first[i] = weld_reserve(&l.total, (most + 1) * sizeof(int64_t));
        l.from[i] = weld_reserve(&l.total, MOST_TAPS * outputs * sizeof(int64_t));
        l.weight[i] = weld_reserve(&l.total, MOST_TAPS * outputs * sizeof(double));
    }
    return l;
}

static size_t workspace(const weld_run *run) {
    return lay_out(&run->in[0].shape, &run->out[0].shape).total;
}

static size_t grad_workspace(const weld_run *run) {
    return lay_out(&run->out[0].shape, &run->in[0].shape).total;
}

typedef struct call {
    const weld_run *run;
    weld_resampling resampling;
    weld_split bands; /* of the rows of one image */
} call;

static void band(void *arg, int64_t item, int thread) {
    (void)thread;
    const call *job = arg;
    const weld_shape *x = &job->run->in[0].shape, *y = &job->run->out[0].shape;
    const int64_t image = item / job->bands.count, part = item % job->bands.count;
    job->run->kernels->resample(
        &job->resampling, weld_at(&job->run->in[0], image * x->dim[1] * x->dim[2] * x->dim[3]),
        weld_split_begin(job->bands, part), weld_split_begin(job->bands, part + 1),
        weld_at(&job->run->out[0], image * y->dim[1] * y->dim[2] * y->dim[3]));
}

/* `forward`: the images are of the size of input 0 and become those of output 0; else back. */
static void resample(const weld_run *run, bool forward) {
    const weld_shape *x = &run->in[0].shape, *y = &run->out[0].shape;
    const weld_shape *from = forward ? x : y, *to = forward ? y : x;
    const weld_resize_mode mode = (weld_resize_mode)run->node->attributes.function;
    const layout l = lay_out(from, to);
    char *memory = run->workspace;
    weld_taps taps[TABLES];
    for (int i = 0; i < TABLES; i++) {
        const axis a = {.inputs = from->dim[1 + i],
                        .outputs = to->dim[1 + i],
                        .first = (int64_t *)(memory + l.first[i]),
                        .from = (int64_t *)(memory + l.from[i]),
                        .weight = (double *)(memory + l.weight[i])};
        (forward ? fill_forward : fill_backward)(mode, &a);
        taps[i] = (weld_taps){a.first, a.from, a.weight};
    }
    const int64_t row = y->dim[2] * y->dim[3];
    call job = {.run = run,
                .resampling = {x->dim[2], y->dim[2], y->dim[3], taps[0], taps[1]},
                .bands = weld_split_make(y->dim[1], WELD_PIECE_ELEMENTS / row, 1, 1)};
    weld_parallel(run->threads, y->dim[0] * job.bands.count, band, &job);
}

static void run(const weld_run *run) {
    resample(run, true);
}

static void grad_run(const weld_run *run) {
    resample(run, false);
}

/* --- Operators ------------------------------------------------------------------------------- */

static weld_status check_mode(const weld_node *node, weld_error *err) {
    const int mode = node->attributes.function;
    if (mode != WELD_RESIZE_NEAREST && mode != WELD_RESIZE_BILINEAR) {
        return weld_fail(err, WELD_ERROR_SHAPE, "there is no way %d to resize, only %d and %d",
                         mode, WELD_RESIZE_NEAREST, WELD_RESIZE_BILINEAR);
    }
    return WELD_OK;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const weld_shape *size = &node->attributes.shape, *x = &in[0].shape;
    WELD_TRY(check_mode(node, err));
    WELD_TRY(weld_expect_rank(&in[0], 4, "x", "[n, h, w, c]", err));
    if (size->rank != 2 || size->dim[0] < 1 || size->dim[1] < 1) {
        char text[128];
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "the size must be [height, width] of at least 1, is %s",
                         weld_shape_text(size, text, sizeof text));
    }
    out[0].dtype = in[0].dtype;
    out[0].shape = WELD_SHAPE(x->dim[0], size->dim[0], size->dim[1], x->dim[3]);
    return WELD_OK;
}

static void grad(const weld_gradient *of) {
    weld_attributes a = {.function = of->node->attributes.function,
                         .shape = of->node->inputs[0]->shape};
    of->dx[0] = weld_graph_node(of->g, &weld_op_resize_grad, &a, of->dy, 1, 1);
}

/* A few multiply-adds of each element made. */
static void count_cost(const weld_run *run, weld_cost *cost) {
    const bool linear = run->node->attributes.function == WELD_RESIZE_BILINEAR;
    cost->flops = linear ? 8 * (double)weld_shape_count(&run->out[0].shape) : 0;
}

const weld_op weld_op_resize = {
    .name = "resize",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_FUNCTION | WELD_ATTR_SHAPE,
    .types = WELD_TYPES_FLOAT_BF16,
    .infer = infer,
    .grad = grad,
    .cost = count_cost,
    .cpu = {.workspace = workspace, .run = run, .slicing = weld_slice_images, .sliced = 1 << 0},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_shape x = node->attributes.shape;
    WELD_TRY(check_mode(node, err));
    WELD_TRY(weld_expect_rank(&in[0], 4, "dy", "[n, oh, ow, c]", err));
    x.dim[0] = in[0].shape.dim[0];
    out[0] = (weld_tensor){in[0].dtype, x, NULL};
    WELD_TRY(weld_expect_rank(&out[0], 4, "the shape of x", "[n, h, w, c]", err));
    const weld_shape dy = WELD_SHAPE(x.dim[0], in[0].shape.dim[1], in[0].shape.dim[2], x.dim[3]);
    return weld_expect(&in[0], in[0].dtype, dy, "dy", err);
}

const weld_op weld_op_resize_grad = {
    .name = "resize_grad",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_FUNCTION | WELD_ATTR_SHAPE,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.workspace = grad_workspace,
            .run = grad_run,
            .slicing = weld_slice_images,
            .sliced = 1 << 0},
};

weld_value *weld_resize(weld_graph *g, weld_value *x, int64_t height, int64_t width,
                        weld_resize_mode mode) {
    weld_attributes a = {.function = mode, .shape = WELD_SHAPE(height, width)};
    return weld_graph_node(g, &weld_op_resize, &a, &x, 1, 1);
}
