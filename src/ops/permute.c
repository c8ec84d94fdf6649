/* Dimensions in another order: y's dimension i is x's dimension order[i]. */
#include "ops/ops.h"

#include <string.h>

#include "base/error.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const weld_shape *x = &in[0].shape, *order = &node->attributes.shape;
    bool seen[WELD_MAX_DIMS] = {false}, fits = order->rank == x->rank;
    out[0].dtype = in[0].dtype;
    out[0].shape.rank = x->rank;
    for (int i = 0; i < x->rank && fits; i++) {
        int64_t from = order->dim[i];
        fits = from >= 0 && from < x->rank && !seen[from];
        if (fits) {
            seen[from] = true;
            out[0].shape.dim[i] = x->dim[from];
        }
    }
    if (!fits) {
        char text[128], shape[128];
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "order %s must hold each of the %d dimensions of x %s once, from 0",
                         weld_shape_text(order, text, sizeof text), x->rank,
                         weld_shape_text(x, shape, sizeof shape));
    }
    return WELD_OK;
}

/* A permutation with neighbours that stay together seen as one: dimensions of y, their distance in
 * x, and the contiguous run of bytes that is moved at once. */
typedef struct moves {
    int rank;
    int64_t dim[WELD_MAX_DIMS], stride[WELD_MAX_DIMS]; /* stride in bytes */
    int64_t unit;                                      /* bytes */
} moves;

static moves moves_of(const weld_run *run) {
    const weld_shape *x = &run->in[0].shape, *order = &run->node->attributes.shape;
    int64_t stride[WELD_MAX_DIMS], step = (int64_t)weld_dtype_size(run->in[0].dtype);
    moves m = {.unit = step};
    for (int i = x->rank; i-- > 0;) {
        stride[i] = step;
        step *= x->dim[i];
    }
    for (int i = 0; i < x->rank; i++) {
        int64_t from = order->dim[i], n = x->dim[from];
        if (n == 1) {
            continue;
        }
        if (m.rank > 0 && m.stride[m.rank - 1] == n * stride[from]) {
            m.dim[m.rank - 1] *= n;
            m.stride[m.rank - 1] = stride[from];
        } else {
            m.dim[m.rank] = n;
            m.stride[m.rank++] = stride[from];
        }
    }
    if (m.rank > 0 && m.stride[m.rank - 1] == m.unit) {
        m.unit *= m.dim[--m.rank];
    }
    return m;
}

/* Units [0, n) of y from places in x that are `stride` apart; 2, 4 and 8 bytes are worth a loop of
 * their own. */
static void move_units(int64_t n, int64_t unit, const char *x, int64_t stride, char *y) {
    if (unit == 2) {
        for (int64_t i = 0; i < n; i++) {
            memcpy(y + 2 * i, x + stride * i, 2);
        }
    } else if (unit == 4) {
        for (int64_t i = 0; i < n; i++) {
            memcpy(y + 4 * i, x + stride * i, 4);
        }
    } else if (unit == 8) {
        for (int64_t i = 0; i < n; i++) {
            memcpy(y + 8 * i, x + stride * i, 8);
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            memcpy(y + unit * i, x + stride * i, (size_t)unit);
        }
    }
}

/* Lines of y (all of its last moved dimension) [begin, end). */
static void move_lines(const weld_run *run, int64_t begin, int64_t end) {
    moves m = moves_of(run);
    int last = m.rank - 1;
    int64_t n = last >= 0 ? m.dim[last] : 1, stride = last >= 0 ? m.stride[last] : 0;
    for (int64_t line = begin; line < end; line++) {
        const char *x = run->in[0].data;
        int64_t rest = line;
        for (int i = last; i-- > 0;) {
            x += rest % m.dim[i] * m.stride[i];
            rest /= m.dim[i];
        }
        move_units(n, m.unit, x, stride, (char *)run->out[0].data + line * n * m.unit);
    }
}

static void run(const weld_run *run) {
    moves m = moves_of(run);
    int64_t lines = 1, line_bytes = m.unit * (m.rank > 0 ? m.dim[m.rank - 1] : 1);
    for (int i = 0; i < m.rank - 1; i++) {
        lines *= m.dim[i];
    }
    weld_run_pieces(run, lines, (line_bytes + 3) / 4, move_lines);
}

static void grad(const weld_gradient *of) {
    const weld_shape *order = &of->node->attributes.shape;
    weld_attributes inverse = {.shape.rank = order->rank};
    for (int i = 0; i < order->rank; i++) {
        inverse.shape.dim[order->dim[i]] = i;
    }
    of->dx[0] = weld_graph_node(of->g, &weld_op_permute, &inverse, of->dy, 1, 1);
}

static weld_slicing slicing(const weld_node *node, const weld_tensor *in) {
    (void)in;
    return node->attributes.shape.dim[0] == 0 ? WELD_SLICE_IMAGES : WELD_SLICE_NONE;
}

const weld_op weld_op_permute = {
    .name = "permute",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_SHAPE,
    .types = WELD_TYPES_MOVED,
    .infer = infer,
    .grad = grad,
    .cpu = {.run = run, .slicing = slicing, .sliced = 1 << 0},
};

weld_value *weld_permute(weld_graph *g, weld_value *x, const int *order) {
    weld_attributes a = {0};
    if (x) {
        a.shape.rank = x->shape.rank;
        for (int i = 0; i < x->shape.rank; i++) {
            a.shape.dim[i] = order[i];
        }
    }
    return weld_graph_node(g, &weld_op_permute, &a, &x, 1, 1);
}
