/* Operators on images of codes; codes.h.
 *
 *     channel_scale_codes    x [n, h, w, c], s [n, 1, 1, c] -> y:
 *                            clamp(rne(float((x - z_x)(s - z_s)) m + z_y)), m = s_x s_s / s_y
 *     global_avg_pool_codes  x [n, h, w, c] -> y [n, 1, 1, c]:
 *                            clamp(rne(float(sum - h w z_x) float(s_x / float(s_y h w))) + z_y)
 *     max_pool_codes         as max_pool; y has x's codes
 *     resize_codes           as resize to the nearest; y has x's codes
 */
#include <string.h>

#include "base/error.h"
#include "ops/codes.h"

static weld_status expect_image(const weld_tensor *x, weld_error *err) {
    WELD_TRY(weld_expect_rank(x, 4, "x", "[n, h, w, c]", err));
    return weld_expect(x, WELD_U8, x->shape, "x", err);
}

/* Elements of an image. */
static int64_t image_elements(const weld_tensor *t) {
    return t->shape.dim[1] * t->shape.dim[2] * t->shape.dim[3];
}

/* --- channel_scale_codes ---------------------------------------------------------------------- */

static weld_status scale_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                               weld_error *err) {
    WELD_TRY(expect_image(&in[0], err));
    const weld_shape *x = &in[0].shape;
    WELD_TRY(weld_expect(&in[1], WELD_U8, WELD_SHAPE(x->dim[0], 1, 1, x->dim[3]), "s", err));
    WELD_TRY(weld_expect_codes(node, WELD_CODES_X, WELD_CODES_A, err));
    return weld_infer_same(node, in, out, err);
}

/* Positions [begin, end), counted through all images. */
static void scale_positions(const weld_run *run, int64_t begin, int64_t end) {
    const weld_codes *codes = run->node->attributes.codes;
    const weld_codes x = codes[WELD_CODES_X], s = codes[WELD_CODES_A], y = codes[WELD_CODES_Y];
    const int64_t c = weld_channels(&run->in[0]), positions = image_elements(&run->in[0]) / c;
    for (int64_t at = begin; at < end;) {
        const int64_t image = at / positions, last = (image + 1) * positions;
        const int64_t rows = (last < end ? last : end) - at;
        run->int8->mul_channels(
            rows, c, weld_at(&run->in[0], at * c), x.zero, weld_at(&run->in[1], image * c), s.zero,
            weld_product_multiplier(x, s.scale, y), y.zero, weld_at(&run->out[0], at * c));
        at += rows;
    }
}

static void scale_run(const weld_run *run) {
    weld_run_rows(run, scale_positions);
}

const weld_op weld_op_channel_scale_codes = {
    .name = "channel_scale_codes",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_CODES,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = scale_infer,
    .cpu = {.inplace = 1 << 0,
            .run = scale_run,
            .slicing = weld_slice_images,
            .sliced = 1 << 0 | 1 << 1},
};

/* --- global_avg_pool_codes -------------------------------------------------------------------- */

enum { MOST_POSITIONS = 1 << 23 }; /* whose codes' sum is less than 2^31 */

static weld_status pool_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(expect_image(&in[0], err));
    WELD_TRY(weld_expect_codes(node, WELD_CODES_X, WELD_CODES_Y, err));
    const weld_shape *x = &in[0].shape;
    if (x->dim[1] > MOST_POSITIONS || x->dim[1] * x->dim[2] > MOST_POSITIONS) {
        return weld_fail(err, WELD_ERROR_SHAPE, "more than %d positions", MOST_POSITIONS);
    }
    out[0] = (weld_tensor){WELD_U8, WELD_SHAPE(x->dim[0], 1, 1, x->dim[3]), NULL};
    return WELD_OK;
}

/* A vector of sums for each thread. */
static size_t pool_workspace(const weld_run *run) {
    return (size_t)run->threads * (size_t)weld_channels(&run->in[0]) * sizeof(int32_t);
}

static void pool_image(void *arg, int64_t i, int thread) {
    const weld_run *run = arg;
    const weld_codes *codes = run->node->attributes.codes;
    const weld_codes x = codes[WELD_CODES_X], y = codes[WELD_CODES_Y];
    const int64_t c = weld_channels(&run->in[0]), elements = image_elements(&run->in[0]);
    const int64_t positions = elements / c;
    const float below = y.scale * (float)positions;
    int32_t *sum = (int32_t *)run->workspace + thread * c;
    run->int8->channel_sum(positions, c, weld_at(&run->in[0], i * elements), sum);
    run->int8->scale_sums(c, sum, -(int32_t)positions * x.zero, x.scale / below, y.zero,
                          weld_at(&run->out[0], i * c));
}

static void pool_run(const weld_run *run) {
    weld_run_items(run, run->in[0].shape.dim[0], pool_image);
}

const weld_op weld_op_global_avg_pool_codes = {
    .name = "global_avg_pool_codes",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_CODES,
    .traits = WELD_OP_BY_ROW,
    .infer = pool_infer,
    .cpu = {.workspace = pool_workspace,
            .run = pool_run,
            .slicing = weld_slice_images,
            .sliced = 1 << 0},
};

/* --- max_pool_codes, resize_codes: the shape rules are those of their namesakes ----------------
 */

static weld_status max_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                             weld_error *err) {
    WELD_TRY(expect_image(&in[0], err));
    return weld_op_max_pool.infer(node, in, out, err);
}

static weld_window window_of(const weld_run *run) {
    const weld_attributes *a = &run->node->attributes;
    return weld_window_of(a, a->kernel[0], a->kernel[1], run->in[0].shape);
}

/* Output rows [begin, end), counted through all images. */
static void max_rows(const weld_run *run, int64_t begin, int64_t end) {
    const weld_window window = window_of(run);
    for (int64_t row = begin; row < end;) {
        const int64_t image = row / window.oh, first = row % window.oh;
        const int64_t last = first + end - row < window.oh ? first + end - row : window.oh;
        run->int8->max_pool(&window, weld_at(&run->in[0], image * image_elements(&run->in[0])),
                            first, last,
                            weld_at(&run->out[0], image * image_elements(&run->out[0])));
        row += last - first;
    }
}

static void max_run(const weld_run *run) {
    const weld_shape *y = &run->out[0].shape;
    weld_run_pieces(run, y->dim[0] * y->dim[1], y->dim[2] * y->dim[3], max_rows);
}

const weld_op weld_op_max_pool_codes = {
    .name = "max_pool_codes",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_KERNEL | WELD_ATTR_STRIDE | WELD_ATTR_PADDING,
    .types = WELD_TYPES_CODES,
    .infer = max_infer,
    .cpu = {.run = max_run},
};

static weld_status resize_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                weld_error *err) {
    WELD_TRY(expect_image(&in[0], err));
    if (node->attributes.function != WELD_RESIZE_NEAREST) {
        return weld_fail(err, WELD_ERROR_SHAPE, "codes are resized to the nearest alone");
    }
    return weld_op_resize.infer(node, in, out, err);
}

/* Rows of y [begin, end), counted through all images. */
static void resize_rows(const weld_run *run, int64_t begin, int64_t end) {
    const weld_shape *x = &run->in[0].shape, *y = &run->out[0].shape;
    const int64_t c = x->dim[3];
    for (int64_t row = begin; row < end; row++) {
        const int64_t image = row / y->dim[1];
        const int64_t from = weld_resize_nearest(row % y->dim[1], x->dim[1], y->dim[1]);
        const char *line = weld_at(&run->in[0], (image * x->dim[1] + from) * x->dim[2] * c);
        char *to = weld_at(&run->out[0], row * y->dim[2] * c);
        for (int64_t i = 0; i < y->dim[2]; i++) {
            const int64_t column = weld_resize_nearest(i, x->dim[2], y->dim[2]);
            memcpy(to + i * c, line + column * c, (size_t)c);
        }
    }
}

static void resize_run(const weld_run *run) {
    const weld_shape *y = &run->out[0].shape;
    weld_run_pieces(run, y->dim[0] * y->dim[1], y->dim[2] * y->dim[3], resize_rows);
}

const weld_op weld_op_resize_codes = {
    .name = "resize_codes",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_SHAPE | WELD_ATTR_FUNCTION,
    .types = WELD_TYPES_CODES,
    .infer = resize_infer,
    .cpu = {.run = resize_run, .slicing = weld_slice_images, .sliced = 1 << 0},
};
