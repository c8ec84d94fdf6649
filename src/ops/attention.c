/* Scaled dot-product attention of several heads (Vaswani et al. 2017).
 *
 *     q [n, lq, heads d], k [n, lk, heads d], v [n, lk, heads dv], bias [heads, lq, lk] (may be
 *     absent) -> y [n, lq, heads dv]
 *
 * with y = p v, p = softmax(factor q k^T + bias) for each sample and head. The head's columns of q,
 * k, v and y are used where they are, as matrices with a long leading dimension.
 *
 * Scores exist for a block of queries at a time, in scratch of the thread: k and v are packed once
 * for many blocks, and a block's scores stay in the cache from one product to the next. The bias is
 * a parameter; it and scores are f32 where the rest is bf16. */
#include "ops/attention.h"

#include <math.h>

#include "base/error.h"

enum { Q, K, V, BIAS };

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    weld_attention_sizes s;
    const weld_tensor *bias = weld_optional_input(node, BIAS) ? &in[BIAS] : NULL;
    WELD_TRY(weld_attention_check(node, in, bias, &s, err));
    out[0].dtype = in[Q].dtype;
    out[0].shape = WELD_SHAPE(s.n, s.lq, s.heads * s.dv);
    return WELD_OK;
}

enum { ITEM_QUERIES = 256 /* for which k and v are packed once */, ITEM_GRAIN = 24 };

static weld_split query_items(const weld_attention_sizes *s) {
    return weld_split_make(s->lq, ITEM_QUERIES, 1, ITEM_GRAIN);
}

static size_t workspace(const weld_run *run) {
    weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    return weld_attention_lay_out(run->kernels, &s, false).total * (size_t)run->threads;
}

/* Some queries of one head of one sample. */
static void run_item(void *arg, int64_t item, int thread) {
    const weld_run *run = arg;
    weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    weld_split items = query_items(&s);
    int64_t head = item / items.count, part = item % items.count;
    weld_attention_head h =
        weld_attention_head_of(run, false, BIAS, head / s.heads, head % s.heads, thread);
    int64_t end = weld_split_begin(items, part + 1);
    weld_attention_pack(&h, K, true, h.l.keys);
    weld_attention_pack(&h, V, false, h.l.values);
    for (int64_t row = weld_split_begin(items, part); row < end; row += h.l.queries) {
        int64_t count = end - row < h.l.queries ? end - row : h.l.queries;
        weld_attention_p(&h, row, count);
        run->kernels->gemm_packed(count, s.dv, s.lk, h.scratch + h.l.p, h.l.ld,
                                  h.scratch + h.l.values, NULL, false,
                                  weld_attention_rows(&h, &run->out[0], row), s.heads * s.dv);
    }
}

static void run(const weld_run *run) {
    weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    weld_run_items(run, s.n * s.heads * query_items(&s).count, run_item);
}

static void grad(const weld_gradient *of) {
    weld_value *const *x = of->node->inputs, *bias = weld_optional_input(of->node, BIAS);
    weld_value *in[] = {x[Q], x[K], x[V], of->dy[0], bias};
    of->dx[Q] =
        weld_graph_node(of->g, &weld_op_attention_grad, &of->node->attributes, in, bias ? 5 : 4, 4);
    for (int i = K; i <= (bias ? BIAS : V) && of->dx[Q]; i++) {
        of->dx[i] = of->dx[Q]->producer->outputs[i];
    }
}

static void count_cost(const weld_run *run, weld_cost *cost) {
    weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    cost->flops = (double)(s.n * s.heads) * (double)(s.lq * s.lk) * (double)(2 * (s.d + s.dv) + 4);
}

const weld_op weld_op_attention = {
    .name = "attention",
    .inputs = {3, 4},
    .outputs = 1,
    .attributes = WELD_ATTR_HEADS | WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT_BF16,
    .infer = infer,
    .grad = grad,
    .cost = count_cost,
    .cpu = {.workspace = workspace,
            .run = run,
            .slicing = weld_slice_images,
            .sliced = 1 << Q | 1 << K | 1 << V},
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
