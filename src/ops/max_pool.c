/* The maximum over windows, where padding does not take part, and its gradient, which goes to the
 * first maximum of each window.
 *
 *     max_pool       x [n, h, w, c] -> y [n, oh, ow, c]
 *     max_pool_grad  x, dy [n, oh, ow, c] -> dx [n, h, w, c]
 */
#include "ops/ops.h"

#include "base/error.h"

static const char *const sides[] = {"height", "width"};

/* The image's shape after pooling. */
static weld_status pooled_shape(const weld_node *node, const weld_tensor *x, weld_shape *shape,
                                weld_error *err) {
    const weld_attributes *a = &node->attributes;
    WELD_TRY(weld_expect_rank(x, 4, "x", "[batch, height, width, channels]", err));
    *shape = x->shape;
    for (int i = 0; i < 2; i++) {
        int64_t size = x->shape.dim[1 + i], kernel = a->kernel[i];
        if (kernel < 1 || a->stride[i] < 1 || a->padding[i] < 0 || a->padding[i] >= kernel) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "%s: kernel %d, stride %d, padding %d: kernel and stride must be at "
                             "least 1, and padding less than the kernel",
                             sides[i], a->kernel[i], a->stride[i], a->padding[i]);
        }
        int64_t room = size + 2 * (int64_t)a->padding[i] - kernel;
        if (room < 0) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "%s %lld with padding %d is smaller than the kernel of %d", sides[i],
                             (long long)size, a->padding[i], a->kernel[i]);
        }
        shape->dim[1 + i] = room / a->stride[i] + 1;
    }
    return WELD_OK;
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    out[0].dtype = in[0].dtype;
    return pooled_shape(node, &in[0], &out[0].shape, err);
}

static weld_window window_of(const weld_run *run) {
    const weld_attributes *a = &run->node->attributes;
    return weld_window_of(a, a->kernel[0], a->kernel[1], run->in[0].shape);
}

/* Output rows [begin, end), counted through all images. */
static void forward_rows(const weld_run *run, int64_t begin, int64_t end) {
    weld_window window = window_of(run);
    int64_t x_image = window.h * window.w * window.c, y_image = window.oh * window.ow * window.c;
    for (int64_t row = begin; row < end;) {
        int64_t image = row / window.oh, first = row % window.oh;
        int64_t last = first + end - row < window.oh ? first + end - row : window.oh;
        run->kernels->max_pool(&window, weld_at(&run->in[0], image * x_image), first, last,
                               weld_at(&run->out[0], image * y_image));
        row += last - first;
    }
}

static void run(const weld_run *run) {
    const weld_shape *y = &run->out[0].shape;
    weld_run_pieces(run, y->dim[0] * y->dim[1], y->dim[2] * y->dim[3], forward_rows);
}

static void grad(const weld_gradient *of) {
    weld_value *in[] = {of->node->inputs[0], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_max_pool_grad, &of->node->attributes, in, 2, 2);
}

const weld_op weld_op_max_pool = {
    .name = "max_pool",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL | WELD_ATTR_STRIDE | WELD_ATTR_PADDING,
    .types = WELD_TYPES_FLOAT_BF16,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run},
};

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_shape pooled;
    WELD_TRY(pooled_shape(node, &in[0], &pooled, err));
    WELD_TRY(weld_expect(&in[1], in[0].dtype, pooled, "dy", err));
    return weld_infer_same(node, in, out, err);
}

static void backward_image(void *arg, int64_t image, int thread) {
    (void)thread;
    const weld_run *run = arg;
    weld_window window = window_of(run);
    int64_t x_image = window.h * window.w * window.c, y_image = window.oh * window.ow * window.c;
    run->kernels->max_pool_grad(&window, weld_at(&run->in[0], image * x_image),
                                weld_at(&run->in[1], image * y_image),
                                weld_at(&run->out[0], image * x_image));
}

static void grad_run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], backward_image);
}

const weld_op weld_op_max_pool_grad = {
    .name = "max_pool_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL | WELD_ATTR_STRIDE | WELD_ATTR_PADDING,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = grad_run},
};

weld_value *weld_max_pool(weld_graph *g, weld_value *x, const int kernel[2], const int stride[2],
                          const int padding[2]) {
    weld_attributes a = {.kernel = {kernel[0], kernel[1]},
                         .stride = {stride[0] ? stride[0] : 1, stride[1] ? stride[1] : 1},
                         .padding = {padding[0], padding[1]}};
    return weld_graph_node(g, &weld_op_max_pool, &a, &x, 1, 1);
}
