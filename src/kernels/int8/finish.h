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

/* Rows [row, row + rows) of the sums of one panel of columns, four vectors a row of which the first
 * `vectors`, 3 or 4, are used, to c + column; they have their bias already. The sums of vectors
 * that are not used may be anything. What does not change is kept in variables of its own, as the
 * compiler must expect each store to change all that is in memory. */
C_INLINE void finish_some(bool table, bool residual, int vectors, bool whole, const finisher *s,
                          const columns *p, const ints *sums, int64_t row, int64_t rows, uint8_t *c,
                          int64_t ldc) {
    const floats scale0 = p->multiplier[0], scale1 = p->multiplier[1];
    const floats scale2 = p->multiplier[2], scale3 = p->multiplier[3];
    const floats a_scale = s->a_scale, b_scale = s->b_scale, constant = s->constant;
    const codes zero = s->zero, compact = p->compact, spread = p->spread;
    const int64_t count = p->count, a_ld = s->f->residual_ld;
    const uint8_t *a = residual ? s->f->residual + row * a_ld + p->column : NULL;
    c_table t;
    if (table) {
        t = s->table;
    }
    c += row * ldc + p->column;
    for (int64_t i = 0; i < rows; i++, sums += 4, c += ldc) {
        const quad q = {{f_round(f_mul(i_to_float(sums[0]), scale0)),
                         f_round(f_mul(i_to_float(sums[1]), scale1)),
                         f_round(f_mul(i_to_float(sums[2]), scale2)),
                         vectors > 3 ? f_round(f_mul(i_to_float(sums[3]), scale3)) : i_set(0)}};
        codes x = c_pack(q, zero);
        if (table) {
            x = c_lookup(&t, x);
        }
        if (residual) {
            const codes other = whole ? c_load(a) : c_permute(c_load_first(a, count), spread);
            x = sum_of_codes(vectors, a_scale, b_scale, constant, other, x);
            a += a_ld;
        }
        if (whole) {
            c_store(c, x);
        } else {
            c_store_first(c, c_permute(x, compact), count);
        }
    }
}

/* The same two rows at a time, where the columns are at most two vectors: half the work. */
C_INLINE void finish_pairs(bool table, bool residual, const finisher *s, const columns *p,
                           const ints *sums, int64_t row, int64_t pairs, uint8_t *c, int64_t ldc) {
    const floats scale0 = p->multiplier[0], scale1 = p->multiplier[1];
    const floats a_scale = s->a_scale, b_scale = s->b_scale, constant = s->constant;
    const codes zero = s->zero, compact = c_index_compact_pair(p->width);
    const codes spread = c_index_spread_pair(p->width);
    const int64_t count = p->count, a_ld = s->f->residual_ld;
    const uint8_t *a = residual ? s->f->residual + row * a_ld + p->column : NULL;
    c_table t;
    if (table) {
        t = s->table;
    }
    c += row * ldc + p->column;
    for (int64_t i = 0; i < pairs; i++, sums += 8, c += 2 * ldc) {
        const quad q = {{f_round(f_mul(i_to_float(sums[0]), scale0)),
                         f_round(f_mul(i_to_float(sums[1]), scale1)),
                         f_round(f_mul(i_to_float(sums[4]), scale0)),
                         f_round(f_mul(i_to_float(sums[5]), scale1))}};
        codes x = c_pack(q, zero);
        if (table) {
            x = c_lookup(&t, x);
        }
        if (residual) {
            const codes other = c_join(c_load_first(a, count), c_load_first(a + a_ld, count));
            x = sum_of_codes(4, a_scale, b_scale, constant, c_permute(other, spread), x);
            a += 2 * a_ld;
        }
        x = c_permute(x, compact);
        c_store_first(c, x, count);
        c_store_first(c + ldc, c_high_half(x), count);
    }
}

static void finish_rows(const finisher *s, const columns *p, const ints *sums, int64_t row,
                        int64_t rows, uint8_t *c, int64_t ldc) {
#define FINISH(table, residual)                                                                    \
    do {                                                                                           \
        if (p->count == C_BYTES) {                                                                 \
            finish_some(table, residual, 4, true, s, p, sums, row, rows, c, ldc);                  \
        } else if (p->width <= 2 && rows > 1) {                                                    \
            finish_pairs(table, residual, s, p, sums, row, rows / 2, c, ldc);                      \
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
