/* From sums to codes: the finish of kernels/int8.h for up to a vector of columns at a time. */
#ifndef WELD_KERNELS_INT8_FINISH_H
#define WELD_KERNELS_INT8_FINISH_H

#include "kernels/int8.h"
#include "kernels/int8/vector.h"

/* What does not change with the columns. */
typedef struct finisher {
    const weld_int8_finish *f;
    codes zero; /* words */
    floats a_scale, b_scale, constant;
    c_table table;
} finisher;

/* Columns [column, column + count) of all, four vectors of which `width` are used, in the places
 * that sums have. */
typedef struct columns {
    int width;
    int64_t column, count;
    codes compact, spread; /* see vector.h */
    floats multiplier[4];
    ints bias[4];
} columns;

C_INLINE void start_finish(finisher *s, const weld_int8_finish *f) {
    s->f = f;
    s->zero = c_set_words((int16_t)f->zero);
    s->a_scale = f_set(f->sum.a_scale);
    s->b_scale = f_set(f->sum.b_scale);
    s->constant = f_set(f->sum.constant);
    if (f->table) {
        c_load_table(&s->table, f->table);
    }
}

C_INLINE void start_columns(columns *p, const int32_t *bias, const float *multiplier, int width,
                            int64_t column, int64_t count) {
    p->width = width;
    p->column = column;
    p->count = c_least(count, width * LANES);
    p->compact = c_index_compact(width);
    p->spread = c_index_spread(width);
    memset(p->multiplier, 0, sizeof p->multiplier);
    c_place(width, bias + column, count, p->bias);
    c_place(width, multiplier + column, count, p->multiplier);
}

/* What does not change from row to row: in variables of their own, which are registers, as the
 * compiler must expect each store to change all that is in memory. */
typedef struct constants {
    floats multiplier[4];
    floats a_scale, b_scale, constant;
    codes zero, compact, spread;
    int64_t count;
    c_table table;
} constants;

/* For rows by themselves or, where the columns are at most two vectors, by twos. */
C_INLINE void start_rows(constants *k, bool table, bool pairs, const finisher *s,
                         const columns *p) {
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        k->multiplier[j] = p->multiplier[pairs ? j % 2 : j];
    }
    k->a_scale = s->a_scale;
    k->b_scale = s->b_scale;
    k->constant = s->constant;
    k->zero = s->zero;
    k->compact = pairs ? c_index_compact_pair(p->width) : p->compact;
    k->spread = pairs ? c_index_spread_pair(p->width) : p->spread;
    k->count = p->count;
    if (table) {
        k->table = s->table;
    }
}

/* Codes of the first `vectors` vectors of sums, 3 or 4, which have their bias already. */
C_INLINE codes finish_sums(bool table, bool residual, int vectors, const constants *k, quad q,
                           codes other) {
    C_UNROLL
    for (int j = 0; j < vectors; j++) {
        q.v[j] = f_round(f_mul(i_to_float(q.v[j]), k->multiplier[j]));
    }
    codes x = c_pack(q, k->zero);
    if (table) {
        x = c_lookup(&k->table, x);
    }
    return residual ? sum_of_codes(vectors, k->a_scale, k->b_scale, k->constant, other, x) : x;
}

/* A row of the sums of one panel of columns to c; a is the residual's row. */
C_INLINE void finish_row(bool table, bool residual, int vectors, bool whole, const constants *k,
                         const ints *sums, const uint8_t *a, uint8_t *c) {
    const quad q = {{sums[0], sums[1], sums[2], vectors > 3 ? sums[3] : i_set(0)}};
    codes other = c_set(0);
    if (residual) {
        other = whole ? c_load(a) : c_permute(c_load_first(a, k->count), k->spread);
    }
    const codes x = finish_sums(table, residual, vectors, k, q, other);
    if (whole) {
        c_store(c, x);
    } else {
        c_store_first(c, c_permute(x, k->compact), k->count);
    }
}

/* Two rows of at most two vectors, which is half the work; `whole`: of two. */
C_INLINE void finish_pair(bool table, bool residual, bool whole, const constants *k,
                          const ints *sums, const ints *next, const uint8_t *a, int64_t a_ld,
                          uint8_t *c, int64_t ldc) {
    const quad q = {{sums[0], sums[1], next[0], next[1]}};
    codes other = c_set(0);
    if (residual) {
        other = whole ? c_join(c_load_half(a), c_load_half(a + a_ld))
                      : c_join(c_load_first(a, k->count), c_load_first(a + a_ld, k->count));
        other = c_permute(other, k->spread);
    }
    const codes x = c_permute(finish_sums(table, residual, 4, k, q, other), k->compact);
    if (whole) {
        c_store_half(c, x);
        c_store_half(c + ldc, c_high_half(x));
    } else {
        c_store_first(c, x, k->count);
        c_store_first(c + ldc, c_high_half(x), k->count);
    }
}

/* Rows [row, row + rows) of sums in memory, four vectors a row, to c + column. Those of vectors
 * that are not used may be anything. */
C_INLINE void finish_some(bool table, bool residual, int vectors, bool whole, const finisher *s,
                          const columns *p, const ints *sums, int64_t row, int64_t rows, uint8_t *c,
                          int64_t ldc) {
    constants k;
    start_rows(&k, table, false, s, p);
    const int64_t a_ld = s->f->residual_ld;
    const uint8_t *a = residual ? s->f->residual + row * a_ld + p->column : NULL;
    c += row * ldc + p->column;
    for (int64_t i = 0; i < rows; i++, sums += 4, c += ldc) {
        finish_row(table, residual, vectors, whole, &k, sums, a, c);
        if (residual) {
            a += a_ld;
        }
    }
}

C_INLINE void finish_pairs(bool table, bool residual, bool whole, const finisher *s,
                           const columns *p, const ints *sums, int64_t row, int64_t pairs,
                           uint8_t *c, int64_t ldc) {
    constants k;
    start_rows(&k, table, true, s, p);
    const int64_t a_ld = s->f->residual_ld;
    const uint8_t *a = residual ? s->f->residual + row * a_ld + p->column : NULL;
    c += row * ldc + p->column;
    for (int64_t i = 0; i < pairs; i++, sums += 8, c += 2 * ldc) {
        finish_pair(table, residual, whole, &k, sums, sums + 4, a, a_ld, c, ldc);
        if (residual) {
            a += 2 * a_ld;
        }
    }
}

static void finish_rows(const finisher *s, const columns *p, const ints *sums, int64_t row,
                        int64_t rows, uint8_t *c, int64_t ldc) {
#define FINISH(table, residual)                                                                    \
    do {                                                                                           \
        if (p->count == C_BYTES) {                                                                 \
            finish_some(table, residual, 4, true, s, p, sums, row, rows, c, ldc);                  \
        } else if (p->width <= 2 && rows > 1) {                                                    \
            if (p->count == C_BYTES / 2) {                                                         \
                finish_pairs(table, residual, true, s, p, sums, row, rows / 2, c, ldc);            \
            } else {                                                                               \
                finish_pairs(table, residual, false, s, p, sums, row, rows / 2, c, ldc);           \
            }                                                                                      \
            finish_some(table, residual, 3, false, s, p, sums + rows / 2 * 8, row + rows / 2 * 2,  \
                        rows % 2, c, ldc);                                                         \
        } else if (p->width <= 3) {                                                                \
            finish_some(table, residual, 3, false, s, p, sums, row, rows, c, ldc);                 \
        } else {                                                                                   \
            finish_some(table, residual, 4, false, s, p, sums, row, rows, c, ldc);                 \
        }                                                                                          \
    } while (0)
    if (s->f->table) {
        if (s->f->residual) {
            FINISH(true, true);
        } else {
            FINISH(true, false);
        }
    } else if (s->f->residual) {
        FINISH(false, true);
    } else {
        FINISH(false, false);
    }
}

#endif
