/* cast: the same numbers as another type, between f32 and bf16 or f64; what becomes narrower is
 * rounded to nearest even. */
#include "base/error.h"
#include "ops/ops.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    weld_dtype from = in[0].dtype, to = node->attributes.dtype;
    const weld_dtype other = from == WELD_F32 ? to : from;
    if ((from != WELD_F32 && to != WELD_F32) || (other != WELD_BF16 && other != WELD_F64)) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "from %s to %s: casts are between f32 and bf16 or f64",
                         weld_dtype_name(from), weld_dtype_name(to));
    }
    out[0] = (weld_tensor){to, in[0].shape, NULL};
    return WELD_OK;
}

static void grad(const weld_gradient *of) {
    of->dx[0] = weld_cast(of->g, of->dy[0], of->node->inputs[0]->dtype);
}

static void widen(int64_t n, const float *x, double *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i];
    }
}

static void narrow(int64_t n, const double *x, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)x[i];
    }
}

static void piece(const weld_run *run, int64_t begin, int64_t end) {
    const void *x = weld_at(&run->in[0], begin);
    void *y = weld_at(&run->out[0], begin);
    if (run->out[0].dtype == WELD_F64) {
        widen(end - begin, x, y);
    } else if (run->in[0].dtype == WELD_F64) {
        narrow(end - begin, x, y);
    } else if (run->out[0].dtype == WELD_BF16) {
        run->kernels->from_f32(end - begin, x, y);
    } else {
        run->kernels->to_f32(end - begin, x, y);
    }
}

static void run(const weld_run *run) {
    weld_run_elements(run, piece);
}

const weld_op weld_op_cast = {
    .name = "cast",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_DTYPE,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_BY_ROW,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

weld_value *weld_cast(weld_graph *g, weld_value *x, weld_dtype dtype) {
    if (x && x->dtype == dtype) {
        return x;
    }
    return weld_graph_node(g, &weld_op_cast, &(weld_attributes){.dtype = dtype}, &x, 1, 1);
}
