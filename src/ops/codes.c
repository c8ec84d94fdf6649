/* From floats to codes, back, and from codes to codes; see codes.h.
 *
 *     quantize    x f32 -> y u8: clamp(rne(x / s) + z)
 *     dequantize  x u8 -> y f32: s (x - z)
 *     recode      x u8 -> y u8 of other codes: by a table of 256
 *     lookup      x u8, table u8 [256] -> table[x]
 *     add_codes   a, b u8 -> y u8: clamp(rne(fma(a, r_a, fma(b, r_b, k))))
 */
#include "ops/codes.h"

#include <float.h>
#include <math.h>

#include "base/error.h"

unsigned char weld_code_of(float x, weld_codes y) {
    const float low = (float)-y.zero, high = (float)(255 - y.zero);
    float q = x / y.scale;
    q = q > low ? q : low;
    q = q < high ? q : high;
    return (unsigned char)(lrintf(q) + y.zero);
}

void weld_recode_table(weld_codes x, weld_codes y, unsigned char table[WELD_CODE_COUNT]) {
    for (int q = 0; q < WELD_CODE_COUNT; q++) {
        table[q] = weld_code_of(x.scale * (float)(q - x.zero), y);
    }
}

weld_int8_sum weld_sum_of_codes(weld_codes a, weld_codes b, weld_codes y) {
    const float r_a = a.scale / y.scale, r_b = b.scale / y.scale;
    const float of_b = r_b * (float)b.zero, both = fmaf(r_a, (float)a.zero, of_b);
    return (weld_int8_sum){.a_scale = r_a, .b_scale = r_b, .constant = (float)y.zero - both};
}

float weld_product_multiplier(weld_codes x, float s_w, weld_codes y) {
    const float both = x.scale * s_w;
    return y.scale != 0 ? both / y.scale : both;
}

weld_status weld_expect_codes(const weld_node *node, int first, int last, weld_error *err) {
    for (int i = first; i <= last; i++) {
        const weld_codes *c = &node->attributes.codes[i];
        if (!isnormal(c->scale) || c->scale < 0 || c->zero < 0 || c->zero > 255) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "codes %d: scale %g and zero point %d: they must be a positive number "
                             "and 0..255",
                             i, (double)c->scale, c->zero);
        }
    }
    return WELD_OK;
}

static weld_status expect_type(const weld_tensor *t, weld_dtype dtype, weld_error *err) {
    return weld_expect(t, dtype, t->shape, "x", err);
}

static weld_status infer_as(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                            weld_dtype from, weld_dtype to, int codes, weld_error *err) {
    WELD_TRY(expect_type(&in[0], from, err));
    WELD_TRY(weld_expect_codes(node, codes, codes, err));
    out[0] = (weld_tensor){to, in[0].shape, NULL};
    return WELD_OK;
}

/* --- quantize, dequantize --------------------------------------------------------------------- */

static weld_status quantize_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                  weld_error *err) {
    return infer_as(node, in, out, WELD_F32, WELD_U8, WELD_CODES_Y, err);
}

static void quantize_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_codes y = run->node->attributes.codes[WELD_CODES_Y];
    const float *x = weld_at(&run->in[0], begin);
    if (run->kernels->first_not_finite(end - begin, x) >= 0) {
        atomic_store_explicit(run->lost, true, memory_order_relaxed);
    }
    run->int8->quantize(end - begin, x, y.scale, y.zero, weld_at(&run->out[0], begin));
}

static void quantize_run(const weld_run *run) {
    weld_run_elements(run, quantize_piece);
}

const weld_op weld_op_quantize = {
    .name = "quantize",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = 1u << WELD_F32,
    .traits = WELD_OP_BY_ROW,
    .infer = quantize_infer,
    .cpu = {.run = quantize_run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

static weld_status dequantize_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                    weld_error *err) {
    return infer_as(node, in, out, WELD_U8, WELD_F32, WELD_CODES_X, err);
}

static void dequantize_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_codes x = run->node->attributes.codes[WELD_CODES_X];
    run->int8->dequantize(end - begin, weld_at(&run->in[0], begin), x.scale, x.zero,
                          weld_at(&run->out[0], begin));
}

static void dequantize_run(const weld_run *run) {
    weld_run_elements(run, dequantize_piece);
}

const weld_op weld_op_dequantize = {
    .name = "dequantize",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_CODES,
    .traits = WELD_OP_BY_ROW,
    .infer = dequantize_infer,
    .cpu = {.run = dequantize_run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

/* --- Tables ----------------------------------------------------------------------------------- */

static weld_status recode_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                weld_error *err) {
    WELD_TRY(weld_expect_codes(node, WELD_CODES_X, WELD_CODES_Y, err));
    WELD_TRY(expect_type(&in[0], WELD_U8, err));
    return weld_infer_same(node, in, out, err);
}

static size_t recode_prepared(const weld_run *run) {
    (void)run;
    return WELD_CODE_COUNT;
}

static void recode_prepare(const weld_run *run, void *prepared) {
    const weld_codes *codes = run->node->attributes.codes;
    weld_recode_table(codes[WELD_CODES_X], codes[WELD_CODES_Y], prepared);
}

static void recode_piece(const weld_run *run, int64_t begin, int64_t end) {
    run->int8->lookup(end - begin, weld_at(&run->in[0], begin), run->prepared,
                      weld_at(&run->out[0], begin));
}

static void recode_run(const weld_run *run) {
    weld_run_elements(run, recode_piece);
}

const weld_op weld_op_recode = {
    .name = "recode",
    .inputs = {1, 1},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_CODES,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = recode_infer,
    .cpu = {.inplace = 1 << 0,
            .run = recode_run,
            .prepared = recode_prepared,
            .prepare = recode_prepare,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0},
};

static weld_status lookup_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                                weld_error *err) {
    WELD_TRY(expect_type(&in[0], WELD_U8, err));
    WELD_TRY(weld_expect(&in[1], WELD_U8, WELD_SHAPE(WELD_CODE_COUNT), "table", err));
    return weld_infer_same(node, in, out, err);
}

static void lookup_piece(const weld_run *run, int64_t begin, int64_t end) {
    run->int8->lookup(end - begin, weld_at(&run->in[0], begin), run->in[1].data,
                      weld_at(&run->out[0], begin));
}

static void lookup_run(const weld_run *run) {
    weld_run_elements(run, lookup_piece);
}

const weld_op weld_op_lookup = {
    .name = "lookup",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_CODES,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = lookup_infer,
    .cpu = {.inplace = 1 << 0, .run = lookup_run, .slicing = weld_slice_rows, .sliced = 1 << 0},
};

/* --- add_codes -------------------------------------------------------------------------------- */

static weld_status add_infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                             weld_error *err) {
    WELD_TRY(expect_type(&in[0], WELD_U8, err));
    WELD_TRY(weld_expect(&in[1], WELD_U8, in[0].shape, "b", err));
    WELD_TRY(weld_expect_codes(node, WELD_CODES_A, WELD_CODES_SUM, err));
    return weld_infer_same(node, in, out, err);
}

static void add_piece(const weld_run *run, int64_t begin, int64_t end) {
    const weld_codes *codes = run->node->attributes.codes;
    const weld_int8_sum sum =
        weld_sum_of_codes(codes[WELD_CODES_A], codes[WELD_CODES_B], codes[WELD_CODES_SUM]);
    run->int8->add(end - begin, weld_at(&run->in[0], begin), weld_at(&run->in[1], begin), &sum,
                   weld_at(&run->out[0], begin));
}

static void add_run(const weld_run *run) {
    weld_run_elements(run, add_piece);
}

const weld_op weld_op_add_codes = {
    .name = "add_codes",
    .inputs = {2, 2},
    .outputs = 1,
    .attributes = WELD_ATTR_CODES,
    .types = WELD_TYPES_CODES,
    .traits = WELD_OP_CHEAP | WELD_OP_BY_ROW,
    .infer = add_infer,
    .cpu = {.inplace = 1 << 0 | 1 << 1,
            .run = add_run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0 | 1 << 1},
};
