/* One head of one sample, by blocks of queries; see attention.h. */
#include "ops/attention.h"

#include "base/error.h"

enum { Q, K, V };

weld_attention_sizes weld_attention_sizes_of(const weld_node *node, const weld_tensor *in) {
    int64_t heads = node->attributes.heads;
    return (weld_attention_sizes){.n = in[Q].shape.dim[0],
                                  .heads = heads,
                                  .lq = in[Q].shape.dim[1],
                                  .lk = in[K].shape.dim[1],
                                  .d = in[Q].shape.dim[2] / heads,
                                  .dv = in[V].shape.dim[2] / heads};
}

weld_status weld_attention_check(const weld_node *node, const weld_tensor *in,
                                 const weld_tensor *bias, weld_attention_sizes *s,
                                 weld_error *err) {
    static const char *const names[] = {"q", "k", "v"};
    int heads = node->attributes.heads;
    if (heads < 1) {
        return weld_fail(err, WELD_ERROR_SHAPE, "heads must be at least 1, is %d", heads);
    }
    for (int i = Q; i <= V; i++) {
        WELD_TRY(weld_expect_rank(&in[i], 3, names[i], "[batch, length, heads * width]", err));
        if (in[i].shape.dim[2] % heads != 0) {
            char text[128];
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "the last dimension of %s must be a multiple of %d heads, is %s",
                             names[i], heads, weld_shape_text(&in[i].shape, text, sizeof text));
        }
    }
    *s = weld_attention_sizes_of(node, in);
    weld_dtype dtype = in[Q].dtype;
    WELD_TRY(weld_expect(&in[K], dtype, WELD_SHAPE(s->n, s->lk, s->heads * s->d), "k", err));
    WELD_TRY(weld_expect(&in[V], dtype, WELD_SHAPE(s->n, s->lk, s->heads * s->dv), "v", err));
    return bias ? weld_expect(bias, weld_parameter_dtype(dtype), WELD_SHAPE(s->heads, s->lq, s->lk),
                              "bias", err)
                : WELD_OK;
}

enum {
    BLOCK_SCORES = 12288, /* of a block: the cache has room for them twice */
    LEAST_QUERIES = 24,   /* of a block: whole tiles of the products */
    MOST_QUERIES = 96,
    LD_GRAIN = 16 /* rows of scores begin at whole lines of the cache */
};

static int64_t block_queries(const weld_attention_sizes *s) {
    int64_t rows = BLOCK_SCORES / s->lk / LEAST_QUERIES * LEAST_QUERIES;
    rows = rows < LEAST_QUERIES ? LEAST_QUERIES : rows > MOST_QUERIES ? MOST_QUERIES : rows;
    return rows < s->lq ? rows : s->lq;
}

weld_attention_layout weld_attention_lay_out(const weld_kernels *kernels,
                                             const weld_attention_sizes *s, bool gradient) {
    size_t t = weld_activation_size(kernels), sum = weld_parameter_size(kernels);
    weld_attention_layout l = {.queries = block_queries(s),
                               .ld = (s->lk + LD_GRAIN - 1) / LD_GRAIN * LD_GRAIN};
    l.keys = weld_reserve(&l.total, kernels->packed_size(s->d, s->lk) * t);
    l.scores = weld_reserve(&l.total, (size_t)(l.queries * l.ld) * sum);
    l.p = gradient || t != sum ? weld_reserve(&l.total, (size_t)(l.queries * l.ld) * t) : l.scores;
    if (!gradient) {
        l.values = weld_reserve(&l.total, kernels->packed_size(s->lk, s->dv) * t);
        return l;
    }
    l.values = weld_reserve(&l.total, kernels->packed_size(s->dv, s->lk) * t);
    l.keys_again = weld_reserve(&l.total, kernels->packed_size(s->lk, s->d) * t);
    l.dk = weld_reserve(&l.total, (size_t)(s->lk * s->d) * sum);
    l.dv = weld_reserve(&l.total, (size_t)(s->lk * s->dv) * sum);
    return l;
}

weld_attention_head weld_attention_head_of(const weld_run *run, bool gradient, int bias,
                                           int64_t sample, int64_t head, int thread) {
    weld_attention_head h = {.run = run,
                             .s = weld_attention_sizes_of(run->node, run->in),
                             .sample = sample,
                             .head = head,
                             .bias = weld_optional(run, bias) ? &run->in[bias] : NULL};
    h.l = weld_attention_lay_out(run->kernels, &h.s, gradient);
    h.scratch = (char *)run->workspace + h.l.total * (size_t)thread;
    return h;
}

void *weld_attention_rows(const weld_attention_head *h, const weld_tensor *t, int64_t row) {
    int64_t length = t->shape.dim[1], columns = t->shape.dim[2];
    return weld_at(t, (h->sample * length + row) * columns + h->head * (columns / h->s.heads));
}

void weld_attention_pack(const weld_attention_head *h, int input, bool transposed, size_t to) {
    const weld_tensor *t = &h->run->in[input];
    const weld_kernels *kernels = h->run->kernels;
    int64_t length = t->shape.dim[1], columns = t->shape.dim[2], width = columns / h->s.heads;
    const void *from = weld_attention_rows(h, t, 0);
    if (transposed) {
        kernels->pack_activations(width, length, from, 1, columns, h->scratch + to);
    } else {
        kernels->pack_activations(length, width, from, columns, 1, h->scratch + to);
    }
}

void weld_attention_scores(const weld_attention_head *h, int input, int64_t row, int64_t count,
                           size_t packed) {
    const weld_tensor *t = &h->run->in[input];
    int64_t columns = t->shape.dim[2];
    h->run->kernels->gemm_unrounded(count, h->s.lk, columns / h->s.heads,
                                    weld_attention_rows(h, t, row), columns, h->scratch + packed,
                                    NULL, h->scratch + h->l.scores, h->l.ld);
}

void weld_attention_p(const weld_attention_head *h, int64_t row, int64_t count) {
    const weld_attention_sizes *s = &h->s;
    const void *bias = h->bias ? weld_at(h->bias, (h->head * s->lq + row) * s->lk) : NULL;
    weld_attention_scores(h, Q, row, count, h->l.keys);
    h->run->kernels->attention_softmax(count, s->lk, h->l.ld, h->run->node->attributes.factor,
                                       h->scratch + h->l.scores, bias, h->scratch + h->l.p);
}
