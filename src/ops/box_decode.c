/* Boxes of a map whose channels say how far the sides of a box are from each position, and the
 * gradient (Li et al., "Generalized focal loss", NeurIPS 2020, section 3.2):
 *
 *     box_decode       x [n, h, w, 4 bins] -> boxes [n, h w, 4]: x1, y1, x2, y2
 *     box_decode_grad  x, dboxes [n, h w, 4] -> dx
 *
 * The channels are four times `bins` logits: left, top, right, bottom. A distance is the mean of
 * 0 .. bins - 1 weighted by their softmax. Positions are `stride` pixels apart:
 *
 *     x1 = stride (column + 1/2 - left)    x2 = stride (column + 1/2 + right)
 *     y1 = stride (row + 1/2 - top)        y2 = stride (row + 1/2 + bottom)
 *
 * The attribute `stride` is for rows and columns. Boxes, as all that is measured in pixels, are f32
 * where x is bf16. */
#include "base/error.h"
#include "ops/ops.h"

enum { SIDES = 4, CHUNK = 64 }; /* CHUNK: positions whose sides are on the stack at a time */

static weld_status boxes_of(const weld_node *node, const weld_tensor *x, weld_tensor *boxes,
                            weld_error *err) {
    const weld_shape *s = &x->shape;
    const int *stride = node->attributes.stride;
    WELD_TRY(weld_expect_rank(x, 4, "x", "[n, h, w, 4 bins]", err));
    if (s->dim[3] < SIDES || s->dim[3] % SIDES != 0) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "x has %lld channels: they must be four times the number of bins",
                         (long long)s->dim[3]);
    }
    if (stride[0] < 1 || stride[1] < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "stride %d, %d: it must be at least 1", stride[0],
                         stride[1]);
    }
    *boxes = (weld_tensor){weld_parameter_dtype(x->dtype),
                           WELD_SHAPE(s->dim[0], s->dim[1] * s->dim[2], SIDES), NULL};
    return WELD_OK;
}

/* Called for each chunk of positions [begin, end), counted through all images. */
typedef void chunk_body(const weld_run *run, int64_t begin, int64_t end);

static void run_chunks(const weld_run *run, int64_t begin, int64_t end, chunk_body *body) {
    for (int64_t at = begin; at < end; at += CHUNK) {
        body(run, at, end - at < CHUNK ? end : at + CHUNK);
    }
}

static void decode_chunk(const weld_run *run, int64_t begin, int64_t end) {
    const int64_t h = run->in[0].shape.dim[1], w = run->in[0].shape.dim[2];
    const int64_t channels = run->in[0].shape.dim[3], bins = channels / SIDES;
    const weld_dtype dtype = run->out[0].dtype;
    const int *stride = run->node->attributes.stride;
    double room[SIDES * CHUNK]; /* for distances of either type */
    run->kernels->expectation((end - begin) * SIDES, bins, weld_at(&run->in[0], begin * channels),
                              room);
    for (int64_t p = begin; p < end; p++) {
        const double centre[] = {(double)(p % w) + 0.5, (double)(p / w % h) + 0.5};
        for (int side = 0; side < SIDES; side++) {
            const int axis = side % 2;
            const double distance = weld_get(dtype, room, (p - begin) * SIDES + side);
            const double at = centre[axis] + (side < 2 ? -distance : distance);
            weld_set(dtype, run->out[0].data, p * SIDES + side, stride[1 - axis] * at);
        }
    }
}

static void decode(const weld_run *run, int64_t begin, int64_t end) {
    run_chunks(run, begin, end, decode_chunk);
}

/* An exponential for each logit. */
enum { WORK = 8 };

static void run(const weld_run *run) {
    weld_run_pieces(run, weld_rows(&run->in[0]), WORK * weld_channels(&run->in[0]), decode);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    return boxes_of(node, &in[0], &out[0], err);
}

static void grad(const weld_gradient *of) {
    weld_value *in[] = {of->node->inputs[0], of->dy[0]};
    of->dx[0] = weld_graph_node(of->g, &weld_op_box_decode_grad, &of->node->attributes, in, 2, 2);
}

const weld_op weld_op_box_decode = {
    .name = "box_decode",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE,
    .types = WELD_TYPES_FLOAT_BF16,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = weld_slice_images, .sliced = 1 << 0},
};

static void grad_chunk(const weld_run *run, int64_t begin, int64_t end) {
    const int64_t channels = run->in[0].shape.dim[3];
    const weld_dtype dtype = run->in[1].dtype;
    const int *stride = run->node->attributes.stride;
    double room[SIDES * CHUNK];
    for (int64_t p = begin; p < end; p++) {
        for (int side = 0; side < SIDES; side++) {
            const double dbox = weld_get(dtype, run->in[1].data, p * SIDES + side);
            const double factor = side < 2 ? -stride[1 - side % 2] : stride[1 - side % 2];
            weld_set(dtype, room, (p - begin) * SIDES + side, factor * dbox);
        }
    }
    run->kernels->expectation_grad((end - begin) * SIDES, channels / SIDES,
                                   weld_at(&run->in[0], begin * channels), room,
                                   weld_at(&run->out[0], begin * channels));
}

static void grad_decode(const weld_run *run, int64_t begin, int64_t end) {
    run_chunks(run, begin, end, grad_chunk);
}

static void grad_run(const weld_run *run) {
    weld_run_pieces(run, weld_rows(&run->in[0]), WORK * weld_channels(&run->in[0]), grad_decode);
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    weld_tensor boxes = {0};
    WELD_TRY(boxes_of(node, &in[0], &boxes, err));
    WELD_TRY(weld_expect(&in[1], boxes.dtype, boxes.shape, "dboxes", err));
    return weld_infer_same(node, in, out, err);
}

const weld_op weld_op_box_decode_grad = {
    .name = "box_decode_grad",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_STRIDE,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cpu = {.run = grad_run, .slicing = weld_slice_images, .sliced = 1 << 0 | 1 << 1},
};

weld_value *weld_box_decode(weld_graph *g, weld_value *x, int bins, int stride) {
    if (x && x->shape.rank == 4 && x->shape.dim[3] != (int64_t)SIDES * bins) {
        return weld_graph_fail(g, WELD_ERROR_SHAPE,
                               "box_decode: x has %lld channels: four times %d bins are %lld",
                               (long long)x->shape.dim[3], bins, (long long)SIDES * bins);
    }
    weld_attributes a = {.stride = {stride, stride}};
    return weld_graph_node(g, &weld_op_box_decode, &a, &x, 1, 1);
}
