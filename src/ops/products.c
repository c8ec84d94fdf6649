/* Matrix products over many rows; see products.h. */
#include "ops/products.h"

enum {
    BLOCK_ELEMENTS =
        128 * 1024,             /* of a and c in a block of rows: stays in the second-level cache */
    ROW_GRAIN = 8,              /* rows of the micro-kernels */
    LEAST_ROWS = 24,            /* for which it is worth reading B again */
    CHUNK_COLUMNS = 192,        /* a multiple of what the micro-kernels are wide */
    ITEM_PRODUCTS = 512 * 1024, /* multiplications that are worth a thread's while */
    MIN_ITEMS = 8,              /* so that a few threads are evenly loaded */
    ENOUGH_PARTS = 4, /* of rows, to leave B whole: a's rows are then read by one thread */
    SUM_ROWS = 512,   /* at least, in a range with a partial sum of its own */
    SUM_MAX_CHUNKS = 32,
    SUM_MAX_ELEMENTS = 4 * 1024 * 1024, /* of all partial sums together */
    SUM_GRAIN = 32                      /* columns of a that are not split further */
};

static int64_t at_least_one(int64_t x) {
    return x > 1 ? x : 1;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* B is packed in chunks of columns, so that threads can share a product of few rows too. The last
 * one takes what is left over. Depends on the matrix alone: B is packed before rows are known. */
typedef struct column_chunks {
    int64_t n, count;
    size_t bytes; /* from one to the next */
} column_chunks;

static column_chunks chunks_of(const weld_kernels *kernels, int64_t k, int64_t n) {
    column_chunks c = {n, at_least_one(n / CHUNK_COLUMNS), 0};
    weld_reserve(&c.bytes, kernels->packed_size(k, smaller(n, CHUNK_COLUMNS)) *
                               weld_activation_size(kernels));
    return c;
}

static int64_t chunk_begin(const column_chunks *c, int64_t i) {
    return i < c->count ? i * CHUNK_COLUMNS : c->n;
}

size_t weld_row_product_prepared(const weld_kernels *kernels, int64_t k, int64_t n) {
    column_chunks c = chunks_of(kernels, k, n);
    int64_t last = n - chunk_begin(&c, c.count - 1);
    return (size_t)(c.count - 1) * c.bytes +
           kernels->packed_size(k, last) * weld_activation_size(kernels);
}

typedef struct packing {
    const weld_row_product *product;
    const weld_kernels *kernels;
    column_chunks chunks;
    char *to;
} packing;

static void pack_chunk(void *arg, int64_t i, int thread) {
    (void)thread;
    const packing *job = arg;
    const weld_row_product *p = job->product;
    const int64_t begin = chunk_begin(&job->chunks, i);
    const char *b =
        (const char *)p->b + (size_t)(begin * p->column_stride) * weld_parameter_size(job->kernels);
    job->kernels->pack(p->k, chunk_begin(&job->chunks, i + 1) - begin, b, p->row_stride,
                       p->column_stride, job->to + (size_t)i * job->chunks.bytes);
}

void weld_row_product_prepare(weld_row_product p, const weld_run *run, void *prepared) {
    packing job = {&p, run->kernels, chunks_of(run->kernels, p.k, p.n), prepared};
    weld_parallel(run->threads, job.chunks.count, pack_chunk, &job);
}

void weld_multiply_packed(const weld_run *run, int64_t m, int64_t n, int64_t k, const void *a,
                          int64_t lda, const void *packed, const void *bias, void *c, int64_t ldc) {
    if (run->out[0].dtype == run->kernels->dtype) {
        run->kernels->gemm_packed(m, n, k, a, lda, packed, bias, false, c, ldc);
    } else {
        run->kernels->gemm_unrounded(m, n, k, a, lda, packed, bias, c, ldc);
    }
}

typedef struct row_product_call {
    const weld_row_product *product;
    const weld_run *run;
    weld_split blocks; /* of rows */
    column_chunks chunks;
    int64_t chunks_per_item;
} row_product_call;

static void multiply_chunk(const row_product_call *call, int64_t chunk, int64_t begin,
                           int64_t end) {
    const weld_row_product *p = call->product;
    const weld_kernels *kernels = call->run->kernels;
    const int64_t column = chunk_begin(&call->chunks, chunk);
    const int64_t columns = chunk_begin(&call->chunks, chunk + 1) - column;
    const char *bias = p->bias;
    void *c =
        (char *)p->c + (size_t)(begin * p->n + column) * weld_dtype_size(call->run->out[0].dtype);
    weld_multiply_packed(
        call->run, end - begin, columns, p->k,
        (const char *)p->a + (size_t)(begin * p->k) * weld_activation_size(kernels), p->k,
        (const char *)call->run->prepared + (size_t)chunk * call->chunks.bytes,
        bias ? bias + (size_t)column * weld_parameter_size(kernels) : NULL, c, p->n);
    weld_finish(call->run, end - begin, columns, p->n, c);
}

static void row_product_item(void *arg, int64_t item, int thread) {
    (void)thread;
    const row_product_call *call = arg;
    const int64_t block = item % call->blocks.count; /* after the others with the same columns */
    int64_t begin = weld_split_begin(call->blocks, block);
    int64_t end = weld_split_begin(call->blocks, block + 1);
    int64_t chunk = item / call->blocks.count * call->chunks_per_item;
    for (int64_t i = 0; i < call->chunks_per_item; i++) {
        multiply_chunk(call, chunk + i, begin, end);
    }
}

void weld_row_product_run(weld_row_product p, const weld_run *run) {
    row_product_call call = {&p, run, {0}, chunks_of(run->kernels, p.k, p.n), 1};
    int64_t chunks = call.chunks.count;
    int64_t size = smaller(at_least_one(BLOCK_ELEMENTS / (p.k + p.n)), 1024);
    int64_t items = smaller(p.rows * p.n * p.k / ITEM_PRODUCTS, MIN_ITEMS);
    int64_t parts = smaller(items, p.rows / LEAST_ROWS);
    if (!p.by_columns && (items < 2 || parts >= ENOUGH_PARTS)) {
        call.chunks_per_item = chunks;
        chunks = 1;
    }
    call.blocks = weld_split_make(p.rows, size, parts, ROW_GRAIN);
    weld_parallel(run->threads, call.blocks.count * chunks, row_product_item, &call);
}

/* Ranges of rows come first: a range reads its rows once for all of the matrix. Where there are too
 * few rows to occupy some threads, the matrix is split too. */
weld_row_sum weld_row_sum_split(int64_t units, int64_t unit_rows, int64_t m, int64_t n) {
    int64_t chunks = smaller(units * unit_rows / SUM_ROWS, SUM_MAX_CHUNKS);
    chunks = at_least_one(smaller(smaller(chunks, units), SUM_MAX_ELEMENTS / (m * n)));
    int64_t blocks = (MIN_ITEMS + chunks - 1) / chunks;
    return (weld_row_sum){.chunks = weld_split_make(units, units, chunks, 1),
                          .blocks = weld_split_make(m, m, blocks, smaller(m, SUM_GRAIN))};
}

typedef struct partials_call {
    const weld_run *run;
    int64_t n_partials, count;
    const void *partials;
    void *first;
    weld_split pieces;
} partials_call;

/* Here and not a kernel: kernels for bf16 add bf16, and these are sums in the parameters' type. */
static void add_f32(int64_t n, const float *part, float *sum) {
    for (int64_t i = 0; i < n; i++) {
        sum[i] += part[i];
    }
}

static void add_f64(int64_t n, const double *part, double *sum) {
    for (int64_t i = 0; i < n; i++) {
        sum[i] += part[i];
    }
}

static void add_piece(void *arg, int64_t piece, int thread) {
    (void)thread;
    const partials_call *call = arg;
    size_t size = weld_parameter_size(call->run->kernels);
    int64_t begin = weld_split_begin(call->pieces, piece);
    int64_t end = weld_split_begin(call->pieces, piece + 1);
    void *sum = (char *)call->first + (size_t)begin * size;
    for (int64_t i = 0; i < call->n_partials; i++) {
        const void *part = (const char *)call->partials + (size_t)(i * call->count + begin) * size;
        if (call->run->kernels->dtype == WELD_F64) {
            add_f64(end - begin, part, sum);
        } else {
            add_f32(end - begin, part, sum);
        }
    }
}

void weld_add_partials(const weld_run *run, int64_t n_partials, int64_t count, const void *partials,
                       void *first) {
    partials_call call = {run,      n_partials, count,
                          partials, first,      weld_split_make(count, 4096, 1, 16)};
    if (n_partials > 0) {
        weld_parallel(run->threads, call.pieces.count, add_piece, &call);
    }
}

typedef struct transposed_call {
    const weld_transposed_product *product;
    const weld_run *run;
    weld_row_sum split;
} transposed_call;

static void transposed_item(void *arg, int64_t item, int thread) {
    (void)thread;
    const transposed_call *call = arg;
    const weld_transposed_product *p = call->product;
    const weld_kernels *kernels = call->run->kernels;
    size_t size = weld_activation_size(kernels), sum_size = weld_parameter_size(kernels);
    int64_t chunk = item / call->split.blocks.count, block = item % call->split.blocks.count;
    int64_t row = weld_split_begin(call->split.chunks, chunk);
    int64_t row_end = weld_split_begin(call->split.chunks, chunk + 1);
    int64_t column = weld_split_begin(call->split.blocks, block);
    int64_t column_end = weld_split_begin(call->split.blocks, block + 1);
    char *c = chunk == 0
                  ? p->c
                  : (char *)call->run->workspace + (size_t)((chunk - 1) * p->m * p->n) * sum_size;
    kernels->gemm_at_b(column_end - column, p->n, row_end - row,
                       (const char *)p->a + (size_t)(row * p->m + column) * size, p->m,
                       (const char *)p->b + (size_t)(row * p->n) * size, p->n, false,
                       c + (size_t)(column * p->n) * sum_size, p->n);
}

size_t weld_transposed_product_workspace(const weld_kernels *kernels, int64_t rows, int64_t m,
                                         int64_t n) {
    weld_row_sum split = weld_row_sum_split(rows, 1, m, n);
    return (size_t)((split.chunks.count - 1) * m * n) * weld_parameter_size(kernels);
}

/* To the rows that are asked for. */
static void add_slice(const weld_transposed_product *p, const weld_run *run) {
    const weld_kernels *kernels = run->kernels;
    const int64_t first = run->first_row, end = run->end_row ? run->end_row : p->m;
    kernels->gemm_at_b(end - first, p->n, p->rows,
                       (const char *)p->a + (size_t)first * weld_activation_size(kernels), p->m,
                       p->b, p->n, true,
                       (char *)p->c + (size_t)(first * p->n) * weld_parameter_size(kernels), p->n);
}

void weld_transposed_product_run(const weld_transposed_product *p, const weld_run *run) {
    if (run->accumulate) { /* a slice, in one thread: small */
        add_slice(p, run);
        return;
    }
    transposed_call call = {p, run, weld_row_sum_split(p->rows, 1, p->m, p->n)};
    weld_parallel(run->threads, call.split.chunks.count * call.split.blocks.count, transposed_item,
                  &call);
    weld_add_partials(run, call.split.chunks.count - 1, p->m * p->n, run->workspace, p->c);
}
