/* The gradient of attention (attention.c):
 *
 *     q, k, v, dy [n, lq, heads dv], bias (may be absent) -> dq, dk, dv, dbias ([1], zero, without)
 *
 * with p taken anew from q and k, so that it need not be kept, and for each sample and head
 *
 *     dv = p^T dy,    ds = p (dp - sum along rows of dp p) for dp = dy v^T
 *     dq = factor ds k,    dk = factor ds^T q;    dbias is the sum of ds over samples
 *
 * An item is a head of a group of samples, which it goes through in order: dbias has a sum for each
 * group, and groups depend on the number of samples alone. */
#include <string.h>

#include "base/error.h"
#include "ops/attention.h"
#include "ops/products.h"

enum { Q, K, V, DY, BIAS };
enum { DQ, DK, DV, DBIAS };

enum { MOST_GROUPS = 16 };

static weld_split sample_groups(int64_t n) {
    return weld_split_make(n, (n + MOST_GROUPS - 1) / MOST_GROUPS, 1, 1);
}

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    weld_attention_sizes s;
    const weld_tensor *bias = weld_optional_input(node, BIAS) ? &in[BIAS] : NULL;
    WELD_TRY(weld_attention_check(node, in, bias, &s, err));
    for (int i = DQ; i <= DV; i++) {
        out[i] = (weld_tensor){in[Q + i].dtype, in[Q + i].shape, NULL};
    }
    out[DBIAS].dtype = weld_parameter_dtype(in[Q].dtype);
    out[DBIAS].shape = bias ? bias->shape : WELD_SHAPE(1);
    return weld_expect(&in[DY], in[Q].dtype, WELD_SHAPE(s.n, s.lq, s.heads * s.dv), "dy", err);
}

static size_t bias_bytes(const weld_run *run, const weld_attention_sizes *s) {
    return weld_optional_input(run->node, BIAS)
               ? (size_t)(s->heads * s->lq * s->lk) * weld_parameter_size(run->kernels)
               : 0;
}

static size_t threads_bytes(const weld_run *run, const weld_attention_sizes *s) {
    return weld_attention_lay_out(run->kernels, s, true).total * (size_t)run->threads;
}

/* The threads' scratch, then dbias of all groups but the first, which has the result itself. */
static size_t workspace(const weld_run *run) {
    weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    return threads_bytes(run, &s) + (size_t)(sample_groups(s.n).count - 1) * bias_bytes(run, &s);
}

/* dbias of a group. */
static char *bias_sum(const weld_run *run, const weld_attention_sizes *s, int64_t group) {
    return group == 0 ? run->out[DBIAS].data
                      : (char *)run->workspace + threads_bytes(run, s) +
                            (size_t)(group - 1) * bias_bytes(run, s);
}

/* What queries [row, row + count) give to all gradients. */
static void run_block(const weld_attention_head *h, int64_t row, int64_t count, char *dbias) {
    const weld_run *run = h->run;
    const weld_kernels *kernels = run->kernels;
    const weld_attention_sizes *s = &h->s;
    const weld_attention_layout *l = &h->l;
    const bool more = row > 0;
    const int64_t wide_k = s->heads * s->d, wide_v = s->heads * s->dv;
    void *p = h->scratch + l->p;
    weld_attention_p(h, row, count);
    kernels->gemm_at_b(s->lk, s->dv, count, p, l->ld, weld_attention_rows(h, &run->in[DY], row),
                       wide_v, more, h->scratch + l->dv, s->dv);
    weld_attention_scores(h, DY, row, count, l->values);
    dbias = dbias ? dbias + (size_t)(row * s->lk) * weld_parameter_size(kernels) : NULL;
    kernels->attention_softmax_grad(count, s->lk, l->ld, run->node->attributes.factor, p,
                                    h->scratch + l->scores, p, dbias);
    kernels->gemm_packed(count, s->d, s->lk, p, l->ld, h->scratch + l->keys_again, NULL, false,
                         weld_attention_rows(h, &run->out[DQ], row), wide_k);
    kernels->gemm_at_b(s->lk, s->d, count, p, l->ld, weld_attention_rows(h, &run->in[Q], row),
                       wide_k, more, h->scratch + l->dk, s->d);
}

/* Rows of sums [lk, width] to where they belong. */
static void put_rows(const weld_attention_head *h, size_t from, int64_t width, int output) {
    const weld_tensor *t = &h->run->out[output];
    const size_t size = weld_parameter_size(h->run->kernels);
    for (int64_t row = 0; row < h->s.lk; row++) {
        const char *sum = h->scratch + from + (size_t)(row * width) * size;
        if (t->dtype == WELD_BF16) {
            h->run->kernels->from_f32(width, (const float *)sum, weld_attention_rows(h, t, row));
        } else {
            memcpy(weld_attention_rows(h, t, row), sum, (size_t)width * size);
        }
    }
}

/* One head of one group of samples. */
static void run_item(void *arg, int64_t item, int thread) {
    const weld_run *run = arg;
    const weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    const weld_split groups = sample_groups(s.n);
    const int64_t group = item / s.heads, head = item % s.heads;
    const size_t head_bytes = bias_bytes(run, &s) / (size_t)s.heads;
    char *dbias = head_bytes ? bias_sum(run, &s, group) + (size_t)head * head_bytes : NULL;
    if (dbias && !(group == 0 && run->accumulate)) {
        memset(dbias, 0, head_bytes);
    }
    const int64_t end = weld_split_begin(groups, group + 1);
    for (int64_t sample = weld_split_begin(groups, group); sample < end; sample++) {
        const weld_attention_head h = weld_attention_head_of(run, true, BIAS, sample, head, thread);
        weld_attention_pack(&h, K, true, h.l.keys);
        weld_attention_pack(&h, V, true, h.l.values);
        weld_attention_pack(&h, K, false, h.l.keys_again);
        for (int64_t row = 0; row < s.lq; row += h.l.queries) {
            run_block(&h, row, s.lq - row < h.l.queries ? s.lq - row : h.l.queries, dbias);
        }
        put_rows(&h, h.l.dk, s.d, DK);
        put_rows(&h, h.l.dv, s.dv, DV);
    }
}

static void run(const weld_run *run) {
    const weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    const int64_t groups = sample_groups(s.n).count;
    weld_run_items(run, groups * s.heads, run_item);
    if (bias_bytes(run, &s)) {
        weld_add_partials(run, groups - 1, s.heads * s.lq * s.lk,
                          (char *)run->workspace + threads_bytes(run, &s), run->out[DBIAS].data);
    } else {
        weld_set(run->out[DBIAS].dtype, run->out[DBIAS].data, 0, 0);
    }
}

/* Five products, one of which the forward pass has done before. */
static void count_cost(const weld_run *run, weld_cost *cost) {
    const weld_attention_sizes s = weld_attention_sizes_of(run->node, run->in);
    cost->flops =
        (double)(s.n * s.heads) * (double)(s.lq * s.lk) * (double)(6 * s.d + 4 * s.dv + 8);
}

const weld_op weld_op_attention_grad = {
    .name = "attention_grad",
    .inputs = {4, 5},
    .outputs = 4,
    .attributes = WELD_ATTR_HEADS | WELD_ATTR_FACTOR,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .cost = count_cost,
    .cpu = {.workspace = workspace,
            .run = run,
            .slicing = weld_slice_images,
            .sliced = 1 << Q | 1 << K | 1 << V | 1 << DY,
            .sums = 1 << DBIAS},
};
