/* What attention and its gradient share: sizes, and the scratch in which a thread works on one head
 * of one sample, by blocks of queries. */
#ifndef WELD_OPS_ATTENTION_H
#define WELD_OPS_ATTENTION_H

#include "ops/ops.h"

typedef struct weld_attention_sizes {
    int64_t n, heads, lq, lk, d, dv;
} weld_attention_sizes;

/* Whether q, k, v (inputs 0 to 2) and the bias, which is NULL or of in's, fit; leaves their sizes
 * in *s. */
weld_status weld_attention_check(const weld_node *node, const weld_tensor *in,
                                 const weld_tensor *bias, weld_attention_sizes *s, weld_error *err);
weld_attention_sizes weld_attention_sizes_of(const weld_node *node, const weld_tensor *in);

/* Offsets in a thread's scratch: packed k^T, and v or for the gradient v^T and k; of a block of
 * queries their scores, in which the gradient of p comes to lie, and p, in which that of the scores
 * does (in the same place where it may be); sums of dk and dv. */
typedef struct weld_attention_layout {
    int64_t queries; /* of a block, at most */
    int64_t ld;      /* of scores and p */
    size_t keys, values, keys_again, scores, p, dk, dv, total;
} weld_attention_layout;
weld_attention_layout weld_attention_lay_out(const weld_kernels *kernels,
                                             const weld_attention_sizes *s, bool gradient);

/* One head of one sample, in one thread. */
typedef struct weld_attention_head {
    const weld_run *run;
    weld_attention_sizes s;
    weld_attention_layout l;
    int64_t sample, head;
    char *scratch;
    const weld_tensor *bias; /* NULL: none */
} weld_attention_head;

/* `bias`: number of that input. */
weld_attention_head weld_attention_head_of(const weld_run *run, bool gradient, int bias,
                                           int64_t sample, int64_t head, int thread);
/* The head's columns in t [n, l, heads * width], from this row of its sample on. */
void *weld_attention_rows(const weld_attention_head *h, const weld_tensor *t, int64_t row);
/* Pack all rows of an input to that offset, as they are or transposed. */
void weld_attention_pack(const weld_attention_head *h, int input, bool transposed, size_t to);
/* scores = `count` rows of an input from `row` on, times what is packed. */
void weld_attention_scores(const weld_attention_head *h, int input, int64_t row, int64_t count,
                           size_t packed);
/* p of queries [row, row + count), of keys that are packed. */
void weld_attention_p(const weld_attention_head *h, int64_t row, int64_t count);

#endif
