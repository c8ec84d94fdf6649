/* The three losses of a detector, sums over the anchors that the assigner says something of,
 * divided by what it says (S); `factor` is the gain.
 *
 * detection_box_loss(boxes[n, A, 4], matches[n, A, 6], S[1]) -> [1]: gain / S sum over positives of
 * score (1 - CIoU(box, its object's)), both in cells.
 * detection_dfl_loss(distances[n, A, 4 bins], matches, S) -> [1]: the distances of an object's
 * left, top, right and bottom edge from the anchor's centre, in cells and within [0, bins - 1.01],
 * lie between two bins; gain / S sum over positives of score times the mean over the sides of the
 * cross entropy of these two, weighted by nearness. detection_class_loss(classes[n, A, k], matches,
 * S) -> [1]: gain / S sum over anchors that are not ignored, and over classes, of log(1 + exp(x)) -
 * t x, t being the score at the object's class, else 0. Each has its gradient: ..._grad(x, matches,
 * S, dloss[1]) -> dx. */
#include "ops/detection.h"

#include <string.h>

#include "base/error.h"

enum { X, MATCHES, DIVISOR, DLOSS };
enum { MAX_BINS = 64 };

/* Anchors of the whole batch whose part of a sum is one. */
enum { SUM_ROWS = 512 };

static double match(const weld_run *run, int64_t row, int field) {
    return weld_match(&run->in[MATCHES], row, field);
}

static bool is_positive(const weld_run *run, int64_t row) {
    return match(run, row, WELD_MATCH_CLASS) >= 0;
}

/* The object's box by the anchor's stride. */
static weld_anchor object_in_cells(const weld_run *run, const weld_anchors *anchors, int64_t row,
                                   double box[4]) {
    const weld_anchor anchor = weld_anchor_at(anchors, row % anchors->count);
    for (int i = 0; i < 4; i++) {
        box[i] = match(run, row, WELD_MATCH_BOX + i) / anchor.stride;
    }
    return anchor;
}

/* What the gradient of a sum is multiplied by. */
static double slope(const weld_run *run) {
    return run->node->attributes.factor * weld_get(run->in[DLOSS].dtype, run->in[DLOSS].data, 0) /
           weld_get(run->in[DIVISOR].dtype, run->in[DIVISOR].data, 0);
}

/* --- Boxes --- */

static weld_anchor compare(const weld_run *run, const weld_anchors *anchors, int64_t row,
                           double *ciou, double gradient[4]) {
    const weld_tensor *x = &run->in[X];
    double box[4], object[4];
    const weld_anchor anchor = object_in_cells(run, anchors, row, object);
    for (int i = 0; i < 4; i++) {
        box[i] = weld_get(x->dtype, x->data, row * 4 + i) / anchor.stride;
    }
    *ciou = weld_ciou(box, object, gradient);
    return anchor;
}

static double box_sum(const weld_run *run, int64_t begin, int64_t end) {
    const weld_anchors anchors = weld_anchors_of(&run->node->attributes);
    double sum = 0, ciou, gradient[4];
    for (int64_t row = begin; row < end; row++) {
        if (is_positive(run, row)) {
            compare(run, &anchors, row, &ciou, gradient);
            sum += match(run, row, WELD_MATCH_SCORE) * (1 - ciou);
        }
    }
    return sum;
}

static void box_grad(const weld_run *run, int64_t begin, int64_t end) {
    const weld_anchors anchors = weld_anchors_of(&run->node->attributes);
    const weld_tensor *dx = &run->out[0];
    const double factor = slope(run);
    double ciou, gradient[4];
    memset(weld_at(dx, begin * 4), 0, (size_t)(end - begin) * 4 * weld_dtype_size(dx->dtype));
    for (int64_t row = begin; row < end; row++) {
        if (is_positive(run, row)) {
            const weld_anchor anchor = compare(run, &anchors, row, &ciou, gradient);
            const double each = -factor * match(run, row, WELD_MATCH_SCORE) / anchor.stride;
            for (int i = 0; i < 4; i++) {
                weld_set(dx->dtype, dx->data, row * 4 + i, each * gradient[i]);
            }
        }
    }
}

/* --- Distances --- */

/* Of each side the shares of all bins, room for f32 or f64. */
typedef union bin_shares {
    float f32[4 * MAX_BINS];
    double f64[4 * MAX_BINS];
} bin_shares;

static void share_bins(const weld_run *run, const weld_anchors *anchors, int64_t row,
                       bin_shares *shares) {
    const int64_t bins = weld_channels(&run->in[X]) / 4;
    const weld_dtype dtype = run->in[X].dtype;
    double box[4];
    const weld_anchor a = object_in_cells(run, anchors, row, box);
    const double x = a.x / a.stride, y = a.y / a.stride;
    const double distances[] = {x - box[0], y - box[1], box[2] - x, box[3] - y};
    memset(shares, 0, sizeof *shares);
    for (int side = 0; side < 4; side++) {
        const double most = (double)(bins - 1) - 0.01;
        const double distance = weld_smaller(weld_larger(distances[side], 0), most);
        const int64_t bin = (int64_t)distance;
        weld_set(dtype, shares, side * bins + bin, (double)(bin + 1) - distance);
        weld_set(dtype, shares, side * bins + bin + 1, distance - (double)bin);
    }
}

static double dfl_sum(const weld_run *run, int64_t begin, int64_t end) {
    const weld_anchors anchors = weld_anchors_of(&run->node->attributes);
    const weld_tensor *x = &run->in[X];
    const int64_t bins = weld_channels(x) / 4;
    bin_shares shares;
    double sum = 0, losses[4];
    for (int64_t row = begin; row < end; row++) {
        if (is_positive(run, row)) {
            share_bins(run, &anchors, row, &shares);
            run->kernels->cross_entropy(4, bins, weld_at(x, row * 4 * bins), &shares, 0, losses);
            double mean = 0;
            for (int side = 0; side < 4; side++) {
                mean += weld_get(x->dtype, losses, side) / 4;
            }
            sum += match(run, row, WELD_MATCH_SCORE) * mean;
        }
    }
    return sum;
}

static void dfl_grad(const weld_run *run, int64_t begin, int64_t end) {
    const weld_anchors anchors = weld_anchors_of(&run->node->attributes);
    const weld_tensor *x = &run->in[X], *dx = &run->out[0];
    const int64_t bins = weld_channels(x) / 4;
    const double factor = slope(run) / 4;
    bin_shares shares;
    double each[4];
    memset(weld_at(dx, begin * 4 * bins), 0,
           (size_t)((end - begin) * 4 * bins) * weld_dtype_size(dx->dtype));
    for (int64_t row = begin; row < end; row++) {
        if (is_positive(run, row)) {
            share_bins(run, &anchors, row, &shares);
            for (int side = 0; side < 4; side++) {
                weld_set(dx->dtype, each, side, factor * match(run, row, WELD_MATCH_SCORE));
            }
            run->kernels->cross_entropy_grad(4, bins, weld_at(x, row * 4 * bins), &shares, 0, each,
                                             weld_at(dx, row * 4 * bins));
        }
    }
}

/* --- Classes --- */

/* The first row from `row` on that is ignored, or is not; `end` where there is none. */
static int64_t next_row(const weld_run *run, int64_t row, int64_t end, bool ignored) {
    while (row < end && (match(run, row, WELD_MATCH_CLASS) == WELD_IGNORED) != ignored) {
        row++;
    }
    return row;
}

static double class_sum(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *x = &run->in[X];
    const int64_t classes = weld_channels(x);
    double sum = 0;
    for (int64_t from, to = begin; (from = next_row(run, to, end, false)) < end;) {
        to = next_row(run, from, end, true);
        sum += run->kernels->softplus_sum((to - from) * classes, weld_at(x, from * classes));
        for (int64_t row = from; row < to; row++) {
            if (is_positive(run, row)) {
                const int64_t at = row * classes + (int64_t)match(run, row, WELD_MATCH_CLASS);
                sum -= match(run, row, WELD_MATCH_SCORE) * weld_get(x->dtype, x->data, at);
            }
        }
    }
    return sum;
}

static void class_grad(const weld_run *run, int64_t begin, int64_t end) {
    const weld_tensor *x = &run->in[X], *dx = &run->out[0];
    const int64_t classes = weld_channels(x), first = begin * classes;
    const int64_t count = (end - begin) * classes;
    run->kernels->unary(WELD_SIGMOID, count, weld_at(x, first), weld_at(dx, first));
    for (int64_t row = begin; row < end; row++) {
        const double class = match(run, row, WELD_MATCH_CLASS);
        if (class >= 0) {
            const int64_t at = row * classes + (int64_t) class;
            weld_set(dx->dtype, dx->data, at,
                     weld_get(dx->dtype, dx->data, at) - match(run, row, WELD_MATCH_SCORE));
        } else if (class == WELD_IGNORED) {
            memset(weld_at(dx, row * classes), 0, (size_t)classes * weld_dtype_size(dx->dtype));
        }
    }
    run->kernels->scale(count, slope(run), weld_at(dx, first), weld_at(dx, first));
}

/* --- What is the same for all --- */

static double sum_of(const weld_run *run, int64_t begin, int64_t end) {
    const weld_op *op = run->node->op;
    return op == &weld_op_detection_box_loss   ? box_sum(run, begin, end)
           : op == &weld_op_detection_dfl_loss ? dfl_sum(run, begin, end)
                                               : class_sum(run, begin, end);
}

static weld_split split_of(const weld_run *run) {
    return weld_split_make(weld_rows(&run->in[X]), SUM_ROWS, 1, 1);
}

static size_t workspace(const weld_run *run) {
    return (size_t)split_of(run).count * sizeof(double);
}

static void sum_part(void *arg, int64_t part, int thread) {
    const weld_run *run = arg;
    const weld_split split = split_of(run);
    double *sums = run->workspace;
    (void)thread;
    sums[part] = sum_of(run, weld_split_begin(split, part), weld_split_begin(split, part + 1));
}

static void run(const weld_run *run) {
    const int64_t parts = split_of(run).count;
    const double *sums = run->workspace;
    double sum = 0;
    weld_run_items(run, parts, sum_part);
    for (int64_t i = 0; i < parts; i++) {
        sum += sums[i];
    }
    sum /= weld_get(run->in[DIVISOR].dtype, run->in[DIVISOR].data, 0);
    weld_set(run->out[0].dtype, run->out[0].data, 0, run->node->attributes.factor * sum);
}

static weld_status check_channels(const weld_op *op, int64_t channels, weld_error *err) {
    const bool boxes = op == &weld_op_detection_box_loss || op == &weld_op_detection_box_loss_grad;
    const bool bins = op == &weld_op_detection_dfl_loss || op == &weld_op_detection_dfl_loss_grad;
    if (boxes && channels != 4) {
        return weld_fail(err, WELD_ERROR_SHAPE, "boxes have 4 numbers, not %lld",
                         (long long)channels);
    }
    if (bins && (channels % 4 || channels < 8 || channels > 4 * MAX_BINS)) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "distances have 4 times 2 to %d bins, not %lld numbers", MAX_BINS,
                         (long long)channels);
    }
    return WELD_OK;
}

static weld_status check(const weld_node *node, const weld_tensor *in, weld_error *err) {
    const weld_tensor *x = &in[X];
    WELD_TRY(weld_expect_rank(x, 3, "x", "[n, anchors, channels]", err));
    WELD_TRY(check_channels(node->op, x->shape.dim[2], err));
    WELD_TRY(weld_check_anchors(&node->attributes, x->shape.dim[1], err));
    WELD_TRY(weld_expect(&in[MATCHES], x->dtype,
                         WELD_SHAPE(x->shape.dim[0], x->shape.dim[1], WELD_MATCH_SIZE), "matches",
                         err));
    return weld_expect(&in[DIVISOR], x->dtype, WELD_SHAPE(1), "the divisor", err);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    out[0] = (weld_tensor){in[X].dtype, WELD_SHAPE(1), NULL};
    return check(node, in, err);
}

/* What the assigner says is taken as it is. */
static void grad(const weld_gradient *of) {
    const weld_op *op = of->node->op;
    weld_value *const *in = of->node->inputs;
    if (of->wanted[X]) {
        of->dx[X] = weld_graph_node(
            of->g,
            op == &weld_op_detection_box_loss   ? &weld_op_detection_box_loss_grad
            : op == &weld_op_detection_dfl_loss ? &weld_op_detection_dfl_loss_grad
                                                : &weld_op_detection_class_loss_grad,
            &of->node->attributes, (weld_value *[]){in[X], in[MATCHES], in[DIVISOR], of->dy[0]}, 4,
            4);
    }
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    WELD_TRY(check(node, in, err));
    WELD_TRY(weld_expect(&in[DLOSS], in[X].dtype, WELD_SHAPE(1), "dloss", err));
    return weld_infer_same(node, in, out, err);
}

static void box_grad_run(const weld_run *run) {
    weld_run_rows(run, box_grad);
}

static void dfl_grad_run(const weld_run *run) {
    weld_run_rows(run, dfl_grad);
}

static void class_grad_run(const weld_run *run) {
    weld_run_rows(run, class_grad);
}

#define LOSS(text)                                                                                 \
    .name = text, .inputs = {3, 3}, .outputs = 1,                                                  \
    .attributes = WELD_ATTR_SHAPE | WELD_ATTR_FACTOR, .types = WELD_TYPES_FLOAT,                   \
    .traits = WELD_OP_TRAINING_ONLY, .infer = infer, .grad = grad,                                 \
    .cpu = {.workspace = workspace, .run = run}
#define LOSS_GRAD(text, function)                                                                  \
    .name = text, .inputs = {4, 4}, .outputs = 1,                                                  \
    .attributes = WELD_ATTR_SHAPE | WELD_ATTR_FACTOR, .types = WELD_TYPES_FLOAT,                   \
    .traits = WELD_OP_TRAINING_ONLY, .infer = grad_infer, .cpu = {.run = function}

const weld_op weld_op_detection_box_loss = {LOSS("detection_box_loss")};
const weld_op weld_op_detection_dfl_loss = {LOSS("detection_dfl_loss")};
const weld_op weld_op_detection_class_loss = {LOSS("detection_class_loss")};
const weld_op weld_op_detection_box_loss_grad = {
    LOSS_GRAD("detection_box_loss_grad", box_grad_run)};
const weld_op weld_op_detection_dfl_loss_grad = {
    LOSS_GRAD("detection_dfl_loss_grad", dfl_grad_run)};
const weld_op weld_op_detection_class_loss_grad = {
    LOSS_GRAD("detection_class_loss_grad", class_grad_run)};
