/* C[m, n] = finish(A[m, k] B[k, n]) for codes, by tiles: an instruction multiplies 16 rows of 64
 * codes with 16 x 16 fours of weights and adds to 16 x 16 sums. B is packed as avx512vnni's (see
 * int8/pack.c): a vector of weights is a row of a tile, and a panel is up to four tiles wide.
 *
 * Sums start from the bias and leave the tiles, while the next block is multiplied, through one of
 * two buffers, in which they are finished while the block after that is: what has just been stored
 * by tiles is not ready to be loaded. */
#include "kernels/amx/setup.h"
#include "kernels/int8/finish.h"
#include "kernels/int8/panels.h"

#define AMX(name) INT8_GLUE(WELD_PRODUCTS_NAME, name)

void AMX(gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
               const weld_int8_finish *f, uint8_t *c, int64_t ldc);
double AMX(multiply_adds)(int64_t rounds, int32_t *sum);

enum { TILE_SUMS = 16, ROW_SUMS = 4 * TILE_SUMS }; /* of a row, one tile's after the other's */

/* What is common to the blocks of a product, and where A and the panel begin. */
typedef struct tile_block {
    int64_t steps, rest; /* whole 64 of k; bytes of the others */
    int64_t lda, rest_lda;
    const uint8_t *a, *a_rest, *panel;
    const ints *bias;
    int32_t *sums; /* where those of the block before go */
} tile_block;

#define KEEP(t) (void)0
#define TAKE_OUT(t) _tile_stored(t, b->sums + (t)*TILE_SUMS, ROW_SUMS * sizeof(int32_t))
#define TURN(t)                                                                                    \
    do {                                                                                           \
        TAKE_OUT(t);                                                                               \
        _tile_loadd(t, b->bias + (t), 0);                                                          \
    } while (0)

#define MULTIPLY(BEFORE, t, A, B)                                                                  \
    do {                                                                                           \
        if (width > (t)) {                                                                         \
            _tile_loadd(B, panel + (t)*TILE_BYTES, width * TILE_BYTES);                            \
            BEFORE(t);                                                                             \
            _tile_dpbusd(t, A, B);                                                                 \
        }                                                                                          \
    } while (0)

#define STEP(BEFORE, A, B, from, from_bytes)                                                       \
    do {                                                                                           \
        _tile_loadd(A, from, from_bytes);                                                          \
        MULTIPLY(BEFORE, 0, A, B);                                                                 \
        MULTIPLY(BEFORE, 1, A, B);                                                                 \
        MULTIPLY(BEFORE, 2, A, B);                                                                 \
        MULTIPLY(BEFORE, 3, A, B);                                                                 \
    } while (0)

/* Rows of C whose sums are in the tiles, or in a buffer: [begin, end) of those that a tile has from
 * row `first` on. */
typedef struct pending {
    const columns *p; /* NULL: none are */
    int64_t first, begin, end;
    const int32_t *sums;
} pending;

/* What is done between products, in `parts` parts: rows are finished. */
typedef struct finishing {
    const finisher *s;
    pending rows;
    int64_t parts;
    uint8_t *c;
    int64_t ldc;
} finishing;

static void finish_part(const finishing *f, int64_t part) {
    const pending *r = &f->rows;
    if (r->p) {
        const int64_t rows = r->end - r->begin;
        const int64_t begin = r->begin + rows * part / f->parts;
        const int64_t end = r->begin + rows * (part + 1) / f->parts;
        const ints *from = (const ints *)(r->sums + (begin - r->first) * ROW_SUMS);
        finish_rows(f->s, r->p, from, begin, end - begin, f->c, f->ldc);
    }
}

/* A block, and the sums of the one before go out, each tile's just before it is needed. */
C_INLINE void multiply_block(int width, const tile_block *b, const finishing *f) {
    const uint8_t *panel = b->panel;
    /* gcc does not know that loads of tiles read memory: what they read must be there. */
    __asm__ volatile("" ::: "memory");
    if (width < 4) {
        TAKE_OUT(3);
    }
    if (width < 3) {
        TAKE_OUT(2);
    }
    if (width < 2) {
        TAKE_OUT(1);
    }
    if (b->steps == 0) {
        STEP(TURN, 6, 7, b->a_rest, b->rest_lda);
        finish_part(f, 0);
        return;
    }
    STEP(TURN, 4, 5, b->a, b->lda);
    finish_part(f, 0);
    for (int64_t i = 1; i < b->steps; i++) {
        panel += 16 * width * TILE_BYTES;
        STEP(KEEP, 4, 5, b->a + i * 64, b->lda);
        finish_part(f, i);
    }
    if (b->rest > 0) {
        panel += 16 * width * TILE_BYTES;
        STEP(KEEP, 6, 7, b->a_rest, b->rest_lda);
        finish_part(f, b->steps);
    }
}

static void take_out_all(const tile_block *b) {
    TAKE_OUT(0);
    TAKE_OUT(1);
    TAKE_OUT(2);
    TAKE_OUT(3);
    __asm__ volatile("" ::: "memory");
}

static void multiply(int width, const tile_block *b, const finishing *f) {
    if (width == 4) {
        multiply_block(4, b, f);
    } else if (width == 3) {
        multiply_block(3, b, f);
    } else if (width == 2) {
        multiply_block(2, b, f);
    } else {
        multiply_block(1, b, f);
    }
}

/* The last codes of a tile's rows, with zeros to make fours of them: what they are multiplied with
 * is zero, but the last row must not be read past its end. */
static void copy_rest(int64_t height, int64_t rest, const uint8_t *a, int64_t lda, uint8_t *copy) {
    for (int64_t i = 0; i < height; i++) {
        c_store(copy + i * TILE_BYTES, c_load_first(a + i * lda, rest));
    }
}

void AMX(gemm)(int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda, const void *packed,
               const weld_int8_finish *f, uint8_t *c, int64_t ldc) {
    if (m <= 0 || n <= 0) {
        return;
    }
    _Alignas(64) int32_t sums[2][TILE_ROWS * ROW_SUMS] = {0};
    _Alignas(64) uint8_t copies[TILE_ROWS * TILE_BYTES];
    const int64_t height = tile_height(m), tiles = (m + height - 1) / height, rest = k % 64;
    finisher s;
    start_finish(&s, f);
    columns panels[3]; /* the last blocks of a panel are finished in the next ones */
    pending inside = {.p = NULL};
    finishing between = {.s = &s, .parts = k / 64 + (rest > 0), .c = c, .ldc = ldc};
    tile_block b = {.steps = k / 64, .rest = rest, .lda = lda, .panel = packed, .sums = sums[0]};
    tiles_start(height, fours(rest));
    for (int64_t column = 0; column < n; column += C_BYTES) {
        columns *p = &panels[column / C_BYTES % 3];
        const int width = panel_width(n - column);
        start_columns(p, f->bias, f->multiplier, width, column, n - column);
        b.bias = p->bias;
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t row = c_least(t * height, m - height);
            b.a = a + row * lda;
            b.a_rest = b.a + k - rest;
            b.rest_lda = lda;
            if (rest % 4 != 0 && row + height == m) { /* else the next row may be read instead */
                copy_rest(height, rest, b.a_rest, lda, copies);
                b.a_rest = copies;
                b.rest_lda = TILE_BYTES;
            }
            multiply(width, &b, &between);
            between.rows = inside;
            between.rows.sums = b.sums;
            inside = (pending){p, row, t * height, row + height, NULL};
            b.sums = b.sums == sums[0] ? sums[1] : sums[0];
        }
        b.panel += width * C_WEIGHTS * fours(k);
    }
    take_out_all(&b);
    between.parts = 1;
    finish_part(&between, 0);
    between.rows = inside;
    between.rows.sums = b.sums;
    finish_part(&between, 0);
    _tile_release();
}

double AMX(multiply_adds)(int64_t rounds, int32_t *sum) {
    enum { REPEATS = 16 };
    _Alignas(64) uint8_t ones[TILE_ROWS * TILE_BYTES];
    _Alignas(64) int32_t sums[TILE_ROWS * TILE_SUMS];
    memset(ones, 1, sizeof ones);
    __asm__ volatile("" ::: "memory");
    tiles_start(TILE_ROWS, 0);
    _tile_loadd(4, ones, TILE_BYTES);
    _tile_loadd(5, ones, TILE_BYTES);
    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < REPEATS; i++) {
            _tile_dpbusd(0, 4, 5);
            _tile_dpbusd(1, 4, 5);
            _tile_dpbusd(2, 4, 5);
            _tile_dpbusd(3, 4, 5);
        }
    }
    _tile_stored(0, sums, TILE_BYTES);
    __asm__ volatile("" ::: "memory");
    _tile_release();
    *sum = sums[0];
    return (double)rounds * REPEATS * 4 * TILE_ROWS * TILE_BYTES * 16;
}
