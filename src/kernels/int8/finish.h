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

/* fma(a, a_scale, fma(b, b_scale, constant)) */
C_INLINE codes sum_of_codes(floats a_scale, floats b_scale, floats constant, codes a, codes b) {
    const quad p = c_unpack(a), q = c_unpack(b);
    quad sum;
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        const floats second = f_fma(i_to_float(q.v[j]), b_scale, constant);
        sum.v[j] = f_round(f_fma(i_to_float(p.v[j]), a_scale, second));
    }
    return c_pack_only(sum);
}

/* Row `row` of the sums, which have their bias already, of one panel of columns, to c + column. The
 * sums of vectors that are not used may be anything. */
C_INLINE void finish_row(const finisher *s, const columns *p, const ints *sums, int64_t row,
                         uint8_t *c) {
    const weld_int8_finish *f = s->f;
    quad q;
    C_UNROLL
    for (int j = 0; j < 4; j++) {
        q.v[j] = f_round(f_mul(i_to_float(sums[j]), p->multiplier[j]));
    }
    codes x = c_pack(q, s->zero);
    if (f->table) {
        x = c_lookup(&s->table, x);
    }
    if (f->residual) {
        const uint8_t *from = f->residual + row * f->residual_ld + p->column;
        codes a = p->count == C_BYTES ? c_load(from) : c_load_first(from, p->count);
        if (p->width < 4) {
            a = c_permute(a, p->spread);
        }
        x = sum_of_codes(s->a_scale, s->b_scale, s->constant, a, x);
    }
    if (p->width < 4) {
        x = c_permute(x, p->compact);
    }
    if (p->count == C_BYTES) {
        c_store(c + p->column, x);
    } else {
        c_store_first(c + p->column, x, p->count);
    }
}

#endif
