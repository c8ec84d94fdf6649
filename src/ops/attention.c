/* Scaled dot-product attention of several heads (Vaswani et al. 2017), and its gradient.
 *
 *     attention       q [n, lq, heads d], k [n, lk, heads d], v [n, lk, heads dv],
 *                     bias [heads, lq, lk] (may be absent)
 *                     -> y [n, lq, heads dv], p [n, heads, lq, lk]
 *     attention_grad  q, k, v, p, dy, bias (may be absent)
 *                     -> dq, dk, dv, dbias ([1], zero, where there is no bias)
 *
 * with p = softmax(factor q k^T + bias) and y = p v for each sample and head. The head's columns
 * of q, k, v and y are used where they are, as matrices with a long leading dimension.
 */
#include "ops/ops.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* Sizes of one call. */
typedef struct sizes {
    int64_t n, heads, lq, lk, d, dv;
} sizes;

static sizes sizes_of(const weld_node *node, const weld_tensor *in) {
    int64_t heads = node->attributes.heads;
    return (sizes){.n = in[0].shape.dim[0],
                   .heads = heads,
                   .lq = in[0].shape.dim[1],
                   .lk = in[1].shape.dim[1],
                   .d = in[0].shape.dim[2] / heads,
                   .dv = in[2].shape.dim[2] / heads};
}

/* q, k and v must fit; leaves their sizes in *s. */
static weld_status check_inputs(const weld_node *node, const weld_tensor *in, sizes *s,
                                weld_error *err) {
    static const char *const names[] = {"q", "k", "v"};
    int heads = node->attributes.heads;
    if (heads < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "heads must be at least 1, is %d", heads);
    }
    for (int i = 0; i < 3; i++) {
        WELD_TRY(weld_expect_rank(&in[i], 3, names[i], "[batch, length, heads * width]", err));
        if (in[i].shape.dim[2] % heads != 0) {
            char text[128];
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "the last dimension of %s must be a multiple of %d heads, is %s",
                             names[i], heads, weld_shape_text(&in[i].shape, text, sizeof text));
        }
    }
    *s = sizes_of(node, in);
    weld_dtype dtype = in[0].dtype;
    WELD_TRY(weld_expect(&in[1], dtype, WELD_SHAPE(s->n, s->lk, s->heads * s->d), "k", err));
    return weld_expect(&in[2], dtype, WELD_SHAPE(s->n, s->lk, s->heads * s->dv), "v", err);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    sizes s;
    WELD_TRY(check_inputs(node, in, &s, err));
    out[0].dtype = out[1].dtype = in[0].dtype;
    out[0].shape = WELD_SHAPE(s.n, s.lq, s.heads * s.dv);
    out[1].shape = WELD_SHAPE(s.n, s.heads, s.lq, s.lk);
    if (node->input_count > 3 && node->inputs[3]) {
        return weld_expect(&in[3], in[0].dtype, WELD_SHAPE(s.heads, s.lq, s.lk), "bias", err);
    }
    return WELD_OK;
}

/* The columns of one head of one sample in t [n, l, heads * width]. */
static void *head_of(const weld_tensor *t, int64_t sample, int64_t head, int64_t width) {
    return weld_at(t, sample * t->shape.dim[1] * t->shape.dim[2] + head * width);
}

/* The [lq, lk] matrix of one head of one sample in p. */
static void *matrix_of(const weld_tensor *p, const sizes *s, int64_t sample, int64_t head) {
    return weld_at(p, (sample * s->heads + head) * s->lq * s->lk);
}

static void forward_item(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_run *run = arg;
    const weld_kernels *k = run->kernels;
    const weld_tensor *in = run->in, *out = run->out;
    sizes s = sizes_of(run->node, in);
    int64_t sample = item / s.heads, head = item % s.heads;
    bool biased = run->node->input_count > 3 && in[3].data;
    void *p = matrix_of(&out[1], &s, sample, head);
    if (biased) {
        memcpy(p, weld_at(&in[3], head * s.lq * s.lk),
               (size_t)(s.lq * s.lk) * weld_dtype_size(in[3].dtype));
    }
    k->gemm(false, true, s.lq, s.lk, s.d, run->node->attributes.factor,
            head_of(&in[0], sample, head, s.d), s.heads * s.d, head_of(&in[1], sample, head, s.d),
            s.heads * s.d, biased ? 1 : 0, p, s.lk);
    k->softmax(s.lq, s.lk, p, p);
    k->gemm(false, false, s.lq, s.dv, s.lk, 1, p, s.lk, head_of(&in[2], sample, head, s.dv),
            s.heads * s.dv, 0, head_of(&out[0], sample, head, s.dv), s.heads * s.dv);
}

static void run(const weld_run *run) {
    sizes s = sizes_of(run->node, run->in);
    weld_run_items(run, s.n * s.heads, forward_item);
}

static void grad(const weld_gradient *of) {
    bool biased = of->node->input_count > 3 && of->node->inputs[3];
    weld_value *in[] = {of->node->inputs[0], of->node->inputs[1],
                        of->node->inputs[2], of->node->outputs[1],
                        of->dy[0],           biased && of->wanted[3] ? of->node->inputs[3] : NULL};
    of->dx[0] = weld_graph_node(of->g, &weld_op_attention_grad, &of->node->attributes, in,
                                in[5] ? 6 : 5, 5);
    for (int i = 1; i < (in[5] ? 4 : 3) && of->dx[0]; i++) {
        of->dx[i] = of->dx[0]->producer->outputs[i];
    }
}

static double products(const weld_run *run, weld_cost *cost) {
    sizes s = sizes_of(run->node, run->in);
    size_t size = weld_dtype_size(run->in[0].dtype);
    cost->bytes = (double)size * (double)(s.n * s.heads * (s.lq + s.lk) * (s.d + s.dv));
    return (double)(s.n * s.heads) * (double)(s.lq * s.lk);
}

static void count_cost(const weld_run *run, weld_cost *cost) {
    sizes s = sizes_of(run->node, run->in);
    double scores = products(run, cost);
    cost->flops = scores * (double)(2 * (s.d + s.dv) + 4);
    cost->bytes += scores * (double)weld_dtype_size(run->in[0].dtype);
}

const weld_op weld_op_attention = {
    .name = "attention",
    .inputs = {3, 4},
    .outputs = 2,
    .attributes = WELD_ATTR_HEADS | WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .infer = infer,
    .grad = grad,
    .cost = count_cost,
    .cpu = {.run = run, .load = weld_kernels_load_gemm},
};

/* --- The gradient. Its inputs: */
enum { Q, K, V, P, DY, BIAS };

/* Samples are taken in at most 16 groups; each adds up dbias of its samples in order. */
static weld_split sample_groups(int64_t n) {
    return weld_split_make(n, (n + 15) / 16, 1, 1);
}

static bool wants_bias(const weld_node *node) {
    return node->input_count > BIAS && node->inputs[BIAS];
}

static weld_status grad_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                              weld_error *err) {
    sizes s;
    WELD_TRY(check_inputs(node, in, &s, err));
    for (int i = 0; i < 4; i++) {
        out[i].dtype = in[0].dtype;
        out[i].shape = in[i].shape;
    }
    out[3].shape = wants_bias(node) ? WELD_SHAPE(s.heads, s.lq, s.lk) : WELD_SHAPE(1);
    WELD_TRY(weld_expect(&in[P], in[0].dtype, WELD_SHAPE(s.n, s.heads, s.lq, s.lk), "p", err));
    return weld_expect(&in[DY], in[0].dtype, WELD_SHAPE(s.n, s.lq, s.heads * s.dv), "dy", err);
}

/* One [lq, lk] matrix for each thread, and with a bias one for each head of each group of samples:
 * dbias of that group. */
static size_t grad_workspace(const weld_run *run) {
    sizes s = sizes_of(run->node, run->in);
    int64_t matrices =
        run->threads + (wants_bias(run->node) ? sample_groups(s.n).count * s.heads : 0);
    return (size_t)(matrices * s.lq * s.lk) * weld_dtype_size(run->in[0].dtype);
}

/* Matrix i of the workspace. */
static void *scratch(const weld_run *run, const sizes *s, int64_t i) {
    size_t size = (size_t)(s->lq * s->lk) * weld_dtype_size(run->in[0].dtype);
    return (char *)run->workspace + (size_t)i * size;
}

/* dq, dk, dv of one head of one sample; leaves the gradient of its scores in ds[lq, lk]. */
static void backward_head(const weld_run *run, const sizes *s, int64_t sample, int64_t head,
                          void *ds) {
    const weld_kernels *k = run->kernels;
    const weld_tensor *in = run->in, *out = run->out;
    double factor = run->node->attributes.factor;
    int64_t ldk = s->heads * s->d, ldv = s->heads * s->dv;
    const void *p = matrix_of(&in[P], s, sample, head);
    const void *dy = head_of(&in[DY], sample, head, s->dv);
    k->gemm(true, false, s->lk, s->dv, s->lq, 1, p, s->lk, dy, ldv, 0,
            head_of(&out[V], sample, head, s->dv), ldv);
    k->gemm(false, true, s->lq, s->lk, s->dv, 1, dy, ldv, head_of(&in[V], sample, head, s->dv), ldv,
            0, ds, s->lk);
    k->softmax_grad(s->lq, s->lk, p, ds, ds);
    k->gemm(false, false, s->lq, s->d, s->lk, factor, ds, s->lk,
            head_of(&in[K], sample, head, s->d), ldk, 0, head_of(&out[Q], sample, head, s->d), ldk);
    k->gemm(true, false, s->lk, s->d, s->lq, factor, ds, s->lk, head_of(&in[Q], sample, head, s->d),
            ldk, 0, head_of(&out[K], sample, head, s->d), ldk);
}

/* One head of one group of samples. */
static void backward_item(void *arg, int64_t item, int thread) {
    const weld_run *run = arg;
    sizes s = sizes_of(run->node, run->in);
    weld_split groups = sample_groups(s.n);
    int64_t group = item / s.heads, head = item % s.heads;
    void *ds = scratch(run, &s, thread);
    void *sum = wants_bias(run->node) ? scratch(run, &s, run->threads + item) : NULL;
    int64_t begin = weld_split_begin(groups, group), end = weld_split_begin(groups, group + 1);
    for (int64_t sample = begin; sample < end; sample++) {
        bool first = sample == begin;
        backward_head(run, &s, sample, head, sum && first ? sum : ds);
        if (sum && !first) {
            run->kernels->add(s.lq * s.lk, sum, ds, sum);
        }
    }
}

static void add_groups(void *arg, int64_t head, int thread) {
    (void)thread;
    const weld_run *run = arg;
    sizes s = sizes_of(run->node, run->in);
    int64_t groups = sample_groups(s.n).count, count = s.lq * s.lk;
    void *dbias = weld_at(&run->out[3], head * count);
    memcpy(dbias, scratch(run, &s, run->threads + head),
           (size_t)count * weld_dtype_size(run->out[3].dtype));
    for (int64_t group = 1; group < groups; group++) {
        run->kernels->add(count, dbias, scratch(run, &s, run->threads + group * s.heads + head),
                          dbias);
    }
}

static void grad_run(const weld_run *run) {
    sizes s = sizes_of(run->node, run->in);
    weld_run_items(run, sample_groups(s.n).count * s.heads, backward_item);
    if (wants_bias(run->node)) {
        weld_run_items(run, s.heads, add_groups);
    } else {
        weld_set(run->out[3].dtype, run->out[3].data, 0, 0);
    }
}

static void grad_cost(const weld_run *run, weld_cost *cost) {
    sizes s = sizes_of(run->node, run->in);
    double scores = products(run, cost);
    cost->flops = scores * (double)(4 * (s.d + s.dv) + 4);
    cost->bytes = 2 * cost->bytes + scores * (double)weld_dtype_size(run->in[0].dtype);
}

const weld_op weld_op_attention_grad = {
    .name = "attention_grad",
    .inputs = {5, 6},
    .outputs = 4,
    .attributes = WELD_ATTR_HEADS | WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = grad_infer,
    .cost = grad_cost,
    .cpu = {.workspace = grad_workspace, .run = grad_run, .load = weld_kernels_load_gemm},
};

weld_value *weld_attention(weld_graph *g, weld_value *q, weld_value *k, weld_value *v,
                           weld_value *bias, int heads, double scale) {
    if (q && scale == 0 && heads > 0 && q->shape.rank == 3 && q->shape.dim[2] >= heads) {
        scale = 1 / sqrt((double)(q->shape.dim[2] / heads));
    }
    weld_value *in[] = {q, k, v, bias};
    return weld_graph_node(g, &weld_op_attention,
                           &(weld_attributes){.heads = heads, .factor = scale}, in, bias ? 4 : 3,
                           3);
}
