/* A table of biases by relative position, spread over all pairs of positions of an h x w window
 * (Liu et al. 2021, Swin), and its gradient. The attribute `kernel` holds h and w.
 *
 *     relative_position_bias       table [heads, (2 h - 1)(2 w - 1)] -> bias [heads, h w, h w]
 *     relative_position_bias_grad  dbias [heads, h w, h w] -> dtable [heads, (2 h - 1)(2 w - 1)]
 *
 * bias[p, q] = table[(py - qy + h - 1)(2 w - 1) + px - qx + w - 1].
 */
#include "ops/ops.h"

#include <string.h>

#include "base/error.h"

typedef struct window {
    int64_t h, w, offsets, area;
} window;

static window window_of(const weld_node *node) {
    int64_t h = node->attributes.kernel[0], w = node->attributes.kernel[1];
    return (window){h, w, (2 * h - 1) * (2 * w - 1), h * w};
}

/* A window so large that its square overflows has no memory to hold its bias. */
static weld_status check_window(const weld_node *node, weld_error *err) {
    const int *k = node->attributes.kernel;
    if (k[0] < 1 || k[1] < 1 || k[0] > 4096 || k[1] > 4096) {
        return weld_fail(err, WELD_ERROR_SHAPE, "the window must be 1..4096 a side, is %d x %d",
                         k[0], k[1]);
    }
    return WELD_OK;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    WELD_TRY(check_window(node, err));
    WELD_TRY(weld_expect_rank(&in[0], 2, "table", "[heads, (2 h - 1)(2 w - 1)]", err));
    window w = window_of(node);
    out[0].dtype = in[0].dtype;
    out[0].shape = WELD_SHAPE(in[0].shape.dim[0], w.area, w.area);
    return weld_expect(&in[0], in[0].dtype, WELD_SHAPE(in[0].shape.dim[0], w.offsets), "table",
                       err);
}

static void spread_head(void *arg, int64_t head, int thread) {
    (void)thread;
    const weld_run *run = arg;
    window s = window_of(run->node);
    size_t size = weld_dtype_size(run->out[0].dtype);
    const char *table = weld_at(&run->in[0], head * s.offsets);
    char *to = weld_at(&run->out[0], head * s.area * s.area);
    for (int64_t p = 0; p < s.area; p++) {
        for (int64_t q = 0; q < s.area; q++, to += size) {
            int64_t row = p / s.w - q / s.w + s.h - 1, column = p % s.w - q % s.w + s.w - 1;
            memcpy(to, table + (size_t)(row * (2 * s.w - 1) + column) * size, size);
        }
    }
}

static void run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], spread_head);
}

static void grad(const weld_gradient *of) {
    of->dx[0] = weld_graph_node(of->g, &weld_op_relative_position_bias_grad, &of->node->attributes,
                                of->dy, 1, 1);
}

const weld_op weld_op_relative_position_bias = {
    .name = "relative_position_bias",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL,
    .types = WELD_TYPES_FLOAT,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(check_window(node, err));
    WELD_TRY(weld_expect_rank(&in[0], 3, "dbias", "[heads, h w, h w]", err));
    window w = window_of(node);
    int64_t heads = in[0].shape.dim[0];
    out[0].dtype = in[0].dtype;
    out[0].shape = WELD_SHAPE(heads, w.offsets);
    return weld_expect(&in[0], in[0].dtype, WELD_SHAPE(heads, w.area, w.area), "dbias", err);
}

/* The sum of dbias over the pairs of positions that are (dy, dx) apart. */
static double sum_pairs(const weld_run *run, const window *s, int64_t head, int64_t dy,
                        int64_t dx) {
    const void *dbias = weld_at(&run->in[0], head * s->area * s->area);
    double sum = 0;
    for (int64_t py = dy > 0 ? dy : 0; py < s->h && py - dy < s->h; py++) {
        for (int64_t px = dx > 0 ? dx : 0; px < s->w && px - dx < s->w; px++) {
            int64_t p = py * s->w + px, q = (py - dy) * s->w + px - dx;
            sum += weld_get(run->in[0].dtype, dbias, p * s->area + q);
        }
    }
    return sum;
}

static void gather_head(void *arg, int64_t head, int thread) {
    (void)thread;
    const weld_run *run = arg;
    window s = window_of(run->node);
    void *table = weld_at(&run->out[0], head * s.offsets);
    for (int64_t i = 0; i < s.offsets; i++) {
        int64_t dy = i / (2 * s.w - 1) - (s.h - 1), dx = i % (2 * s.w - 1) - (s.w - 1);
        weld_set(run->out[0].dtype, table, i, sum_pairs(run, &s, head, dy, dx));
    }
}

static void grad_run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], gather_head);
}

const weld_op weld_op_relative_position_bias_grad = {
    .name = "relative_position_bias_grad",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = grad_run},
};

weld_value *weld_relative_position_bias(weld_graph *g, weld_value *table, int height, int width) {
    return weld_graph_node(g, &weld_op_relative_position_bias,
                           &(weld_attributes){.kernel = {height, width}}, &table, 1, 1);
}
