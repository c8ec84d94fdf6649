/* Splitting and shape rules that many operators share; see ops.h. */
#include "ops/ops.h"

#include "base/error.h"

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b != 0);
}

weld_split weld_split_make(int64_t total, int64_t size, int64_t parts, int64_t grain) {
    int64_t units = divide_up(total, grain), largest = size > grain ? size / grain : 1;
    int64_t count = divide_up(units, largest), wanted = parts < units ? parts : units;
    return (weld_split){total, grain, count > wanted ? count : wanted};
}

int64_t weld_split_begin(weld_split s, int64_t part) {
    int64_t units = divide_up(s.total, s.grain), rest = units % s.count;
    int64_t begin = (units / s.count * part + (part < rest ? part : rest)) * s.grain;
    return begin < s.total ? begin : s.total;
}

int64_t weld_split_largest(weld_split s) {
    int64_t units = divide_up(divide_up(s.total, s.grain), s.count) * s.grain;
    return units < s.total ? units : s.total;
}

weld_slicing weld_slice_rows(const weld_node *node, const weld_tensor *in) {
    (void)node;
    (void)in;
    return WELD_SLICE_ROWS;
}

weld_slicing weld_slice_images(const weld_node *node, const weld_tensor *in) {
    (void)node;
    (void)in;
    return WELD_SLICE_IMAGES;
}

weld_slicing weld_axis_slicing(const weld_tensor *x, int axis) {
    return axis == x->shape.rank - 1 ? WELD_SLICE_ROWS
           : axis > 0                ? WELD_SLICE_IMAGES
                                     : WELD_SLICE_NONE;
}

unsigned weld_axis_traits(const weld_node *node, int axis) {
    return axis == node->inputs[0]->shape.rank - 1 ? WELD_OP_BY_ROW : 0;
}

typedef struct pieces {
    const weld_run *run;
    weld_split split;
    weld_piece piece;
} pieces;

static void run_piece(void *arg, int64_t item, int thread) {
    const pieces *p = arg;
    (void)thread;
    p->piece(p->run, weld_split_begin(p->split, item), weld_split_begin(p->split, item + 1));
}

void weld_run_pieces(const weld_run *run, int64_t total, int64_t elements, weld_piece piece) {
    int64_t size = elements < WELD_PIECE_ELEMENTS ? WELD_PIECE_ELEMENTS / elements : 1;
    pieces p = {run, weld_split_make(total, size, 1, 1), piece};
    weld_parallel(run->threads, p.split.count, run_piece, &p);
}

void weld_run_rows(const weld_run *run, weld_piece piece) {
    weld_run_pieces(run, weld_rows(&run->in[0]), weld_channels(&run->in[0]), piece);
}

void weld_run_elements(const weld_run *run, weld_piece piece) {
    weld_run_pieces(run, weld_shape_count(&run->out[0].shape), 1, piece);
}

void weld_run_items(const weld_run *run, int64_t count, weld_parallel_body body) {
    weld_parallel(run->threads, count, body, (void *)run); /* which they read as const */
}

void weld_finish(const weld_run *run, int64_t rows, int64_t n, int64_t ld, void *y) {
    const weld_unary function = run->finish ? (weld_unary)run->finish->attributes.function : 0;
    if (run->finish && ld == n) {
        run->kernels->unary(function, rows * n, y, y);
    } else if (run->finish) {
        run->kernels->unary_rows(function, rows, n, ld, y);
    }
}

bool weld_finishes_floats(const weld_node *node, const weld_kernels *kernels) {
    (void)node;
    return kernels->dtype != WELD_BF16;
}

int64_t weld_channels(const weld_tensor *t) {
    return t->shape.rank > 0 ? t->shape.dim[t->shape.rank - 1] : 1;
}

int64_t weld_rows(const weld_tensor *t) {
    int64_t rows = 1;
    for (int i = 0; i + 1 < t->shape.rank; i++) {
        rows *= t->shape.dim[i];
    }
    return rows;
}

int64_t weld_strip(const weld_tensor *t, int axis) {
    int64_t count = 1;
    for (int i = axis; i < t->shape.rank; i++) {
        count *= t->shape.dim[i];
    }
    return count;
}

int64_t weld_weight_macs(const weld_node *node) {
    const weld_shape *weight = &node->inputs[1]->shape;
    return weld_shape_count(&node->outputs[0]->shape) * (weld_shape_count(weight) / weight->dim[0]);
}

int weld_dilation(const weld_attributes *a, int axis) {
    return a->dilation[axis] ? a->dilation[axis] : 1;
}

static int64_t extent(const weld_attributes *a, int axis, int64_t kernel) {
    return (kernel - 1) * weld_dilation(a, axis) + 1;
}

/* Windows along an axis, 0 for the height. */
static int64_t positions(const weld_attributes *a, int axis, int64_t size, int64_t kernel) {
    return a->same ? divide_up(size, a->stride[axis])
                   : (size + 2 * a->padding[axis] - extent(a, axis, kernel)) / a->stride[axis] + 1;
}

/* Before the input. */
static int64_t padding(const weld_attributes *a, int axis, int64_t size, int64_t kernel) {
    const int64_t last = (positions(a, axis, size, kernel) - 1) * a->stride[axis];
    const int64_t missing = last + extent(a, axis, kernel) - size;
    return !a->same ? a->padding[axis] : missing > 0 ? missing / 2 : 0;
}

weld_window weld_window_of(const weld_attributes *a, int64_t kernel_h, int64_t kernel_w,
                           weld_shape x) {
    return (weld_window){.h = x.dim[1],
                         .w = x.dim[2],
                         .c = x.dim[3],
                         .oh = positions(a, 0, x.dim[1], kernel_h),
                         .ow = positions(a, 1, x.dim[2], kernel_w),
                         .kernel_h = kernel_h,
                         .kernel_w = kernel_w,
                         .stride_h = a->stride[0],
                         .stride_w = a->stride[1],
                         .pad_h = padding(a, 0, x.dim[1], kernel_h),
                         .pad_w = padding(a, 1, x.dim[2], kernel_w),
                         .dilation_h = weld_dilation(a, 0),
                         .dilation_w = weld_dilation(a, 1)};
}

weld_status weld_infer_same(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                            weld_error *err) {
    (void)node;
    (void)err;
    out[0].dtype = in[0].dtype;
    out[0].shape = in[0].shape;
    return WELD_OK;
}

weld_status weld_expect(const weld_tensor *t, weld_dtype dtype, weld_shape shape, const char *what,
                        weld_error *err) {
    if (t->dtype != dtype || !weld_shape_equal(&t->shape, &shape)) {
        char wanted[128], found[128];
        return weld_fail(err, WELD_ERROR_SHAPE, "%s must be %s %s, is %s %s", what,
                         weld_dtype_name(dtype), weld_shape_text(&shape, wanted, sizeof wanted),
                         weld_dtype_name(t->dtype),
                         weld_shape_text(&t->shape, found, sizeof found));
    }
    return WELD_OK;
}

weld_status weld_expect_channels(const weld_node *node, const weld_tensor *in, int first, int last,
                                 const char *const *names, weld_error *err) {
    weld_status status = WELD_OK;
    for (int i = first; i <= last && i < node->input_count && !status; i++) {
        if (node->inputs[i]) {
            status = weld_expect(&in[i], weld_parameter_dtype(in[0].dtype),
                                 WELD_SHAPE(weld_channels(&in[0])), names[i], err);
        }
    }
    return status;
}

weld_status weld_expect_rank(const weld_tensor *t, int rank, const char *what, const char *layout,
                             weld_error *err) {
    if (t->shape.rank != rank) {
        char found[128];
        return weld_fail(err, WELD_ERROR_SHAPE, "%s must be %s, is %s", what, layout,
                         weld_shape_text(&t->shape, found, sizeof found));
    }
    return WELD_OK;
}

weld_status weld_expect_axis(const weld_tensor *x, int axis, weld_error *err) {
    if (axis < 0 || axis >= x->shape.rank) {
        char found[128];
        return weld_fail(err, WELD_ERROR_SHAPE, "x %s has no axis %d: they count from 0",
                         weld_shape_text(&x->shape, found, sizeof found), axis);
    }
    return WELD_OK;
}
