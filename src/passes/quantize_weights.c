/* Integer weights from float ones, and back; see quantize.h. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/codes.h"
#include "passes/quantized_layer.h"
#include "passes/quantized_names.h"

/* Infinite where one is not finite, whose layer is then refused. */
static float magnitude(const float *row, int64_t count) {
    float most = 0;
    for (int64_t i = 0; i < count; i++) {
        most = isfinite(row[i]) ? fmaxf(most, fabsf(row[i])) : INFINITY;
    }
    return most;
}

/* max |w[c]| / most; of a row of zeros the layer's largest, or 1. Learned ones as they are. */
static void find_scales(const weld_quantized_layer *l, const float *w, float *scales) {
    float largest = 0;
    for (int64_t c = 0; c < l->out && l->learned; c++) {
        scales[c] = isfinite(magnitude(w + c * l->row, l->row)) ? l->learned[c] : INFINITY;
    }
    for (int64_t c = 0; c < l->out && !l->learned; c++) {
        scales[c] = magnitude(w + c * l->row, l->row) / (float)l->most;
        largest = fmaxf(largest, scales[c]);
    }
    largest = largest > 0 ? largest : 1;
    for (int64_t c = 0; c < l->out; c++) {
        scales[c] = scales[c] > 0 ? scales[c] : largest;
    }
}

/* Large enough for the bias, and for factors that are normal numbers. */
static float raised(const weld_quantized_layer *l, float s_w, float bias) {
    while (isfinite(s_w) && (!weld_factors_are_normal(l, s_w) ||
                             fabs((double)bias / (double)(l->x.scale * s_w)) > WELD_MOST_BIAS)) {
        s_w *= 2;
    }
    return s_w;
}

static int8_t weight_code(float w, float s_w, int most) {
    const float q = w / s_w;
    return (int8_t)lrintf(fmaxf(fminf(q, (float)most), -(float)most));
}

static weld_status add_tensor(weld_weights *to, const char *name, weld_dtype dtype,
                              weld_shape shape, void **data, weld_error *err) {
    weld_tensor t;
    WELD_TRY(weld_weights_add(to, name, dtype, &shape, &t, err));
    *data = t.data;
    return WELD_OK;
}

static weld_status find_float(const weld_weights *w, const weld_value *leaf, const float **out,
                              weld_error *err) {
    weld_tensor t;
    if (!weld_weights_find(w, leaf->name, &t) || t.dtype != leaf->dtype ||
        !weld_shape_equal(&t.shape, &leaf->shape)) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%s: the weights have none of its shape",
                         leaf->name);
    }
    *out = t.data;
    return WELD_OK;
}

static weld_status quantize_layer(const weld_quantized_layer *l, const weld_weights *w,
                                  weld_weights *to, weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *bias = l->bias;
    const float *from = NULL, *from_bias = NULL;
    void *codes = NULL, *scales_data = NULL, *bias_data = NULL;
    WELD_TRY(find_float(w, l->node->inputs[1], &from, err));
    WELD_TRY(bias ? find_float(w, bias, &from_bias, err) : WELD_OK);
    WELD_TRY(add_tensor(to, l->name, WELD_I8, l->node->inputs[1]->shape, &codes, err));
    WELD_TRY(weld_scales_name(l->name, name, err));
    WELD_TRY(add_tensor(to, name, WELD_F32, WELD_SHAPE(l->out), &scales_data, err));
    WELD_TRY(bias ? add_tensor(to, bias->name, WELD_I32, bias->shape, &bias_data, err) : WELD_OK);
    float *scales = scales_data;
    find_scales(l, from, scales);
    for (int64_t c = 0; c < l->out; c++) {
        const float b = bias ? from_bias[c] : 0;
        scales[c] = raised(l, scales[c], b);
        if (!isfinite(b) || !isfinite(scales[c])) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "%s: output channel %lld cannot be written in integers: its weights, "
                             "or its bias, are not finite or too large",
                             l->name, (long long)c);
        }
        for (int64_t i = c * l->row; i < (c + 1) * l->row; i++) {
            ((int8_t *)codes)[i] = weight_code(from[i], scales[c], l->most);
        }
        if (bias) {
            const float both = l->x.scale * scales[c];
            ((int32_t *)bias_data)[c] = (int32_t)nearbyint((double)b / (double)both);
        }
    }
    return WELD_OK;
}

static weld_status copy_leaf(const weld_value *leaf, const weld_weights *w, weld_weights *to,
                             weld_error *err) {
    weld_tensor t, copy;
    if (weld_weights_find(to, leaf->name, NULL)) {
        return WELD_OK; /* as integers */
    }
    if (!weld_weights_find(w, leaf->name, &t) || t.dtype != leaf->dtype ||
        !weld_shape_equal(&t.shape, &leaf->shape)) {
        return weld_fail(err, WELD_ERROR_SHAPE, "%s: the weights have none of its shape",
                         leaf->name);
    }
    WELD_TRY(weld_weights_add(to, leaf->name, t.dtype, &t.shape, &copy, err));
    memcpy(copy.data, t.data, weld_tensor_bytes(&t));
    return WELD_OK;
}

/* --- Tables ----------------------------------------------------------------------------------- */

static weld_status add_table(const weld_quantization *q, const weld_node *node, weld_weights *to,
                             weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *y = node->outputs[0];
    void *table;
    weld_table_name(q, y, name);
    WELD_TRY(add_tensor(to, name, WELD_U8, WELD_SHAPE(WELD_CODE_COUNT), &table, err));
    weld_quantize_table(node, q->codes[node->inputs[0]->id], q->codes[y->id], table);
    return WELD_OK;
}

static weld_status quantize_all(const weld_graph *g, const weld_weights *w,
                                const weld_quantization *q, weld_weights *to, weld_error *err) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (weld_node_is_product(node) && weld_quantization_is_integer(q, node)) {
            const weld_quantized_layer l = weld_quantized_layer_of(q, node);
            WELD_TRY(quantize_layer(&l, w, to, err));
        } else if (weld_quantization_has_table(q, node)) {
            WELD_TRY(add_table(q, node, to, err));
        }
    }
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            WELD_TRY(copy_leaf(v, w, to, err));
        }
    }
    return WELD_OK;
}

weld_status weld_quantize_weights(const weld_graph *g, const weld_weights *w,
                                  const weld_quantization *q, weld_weights **out, weld_error *err) {
    *out = NULL;
    weld_weights *to;
    WELD_TRY(weld_weights_create(&to, err));
    weld_status status = quantize_all(g, w, q, to, err);
    if (!status && weld_quantization_check(g, q, to, "quantization", err)) {
        status = WELD_ERROR_NUMERIC; /* what came out is at fault, no file */
    }
    if (status) {
        weld_weights_free(to);
        return status;
    }
    *out = to;
    return WELD_OK;
}

/* --- Back to floats --------------------------------------------------------------------------- */

static weld_status dequantize_layer(const weld_quantized_layer *l, const weld_weights *integers,
                                    weld_weights *to, weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *leaf = l->bias;
    weld_tensor codes, scales, bias;
    void *weight, *bias_data = NULL;
    WELD_TRY(weld_scales_name(l->name, name, err));
    if (!weld_weights_find(integers, l->name, &codes) ||
        !weld_weights_find(integers, name, &scales) ||
        (leaf && !weld_weights_find(integers, leaf->name, &bias))) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: no integers of it", l->name);
    }
    WELD_TRY(add_tensor(to, l->name, WELD_F32, codes.shape, &weight, err));
    WELD_TRY(leaf ? add_tensor(to, leaf->name, WELD_F32, bias.shape, &bias_data, err) : WELD_OK);
    for (int64_t c = 0; c < l->out; c++) {
        const float s_w = ((const float *)scales.data)[c], both = l->x.scale * s_w;
        for (int64_t i = c * l->row; i < (c + 1) * l->row; i++) {
            ((float *)weight)[i] = s_w * (float)((const int8_t *)codes.data)[i];
        }
        if (leaf) {
            ((float *)bias_data)[c] = both * (float)((const int32_t *)bias.data)[c];
        }
    }
    return WELD_OK;
}

weld_status weld_dequantize_weights(const weld_graph *g, const weld_quantization *q,
                                    const weld_weights *integers, weld_weights **out,
                                    weld_error *err) {
    *out = NULL;
    weld_weights *to;
    WELD_TRY(weld_weights_create(&to, err));
    weld_status status = WELD_OK;
    for (size_t i = 0; i < g->node_count && !status; i++) {
        const weld_node *node = g->nodes[i];
        if (weld_node_is_product(node) && weld_quantization_is_integer(q, node)) {
            const weld_quantized_layer l = weld_quantized_layer_of(q, node);
            status = dequantize_layer(&l, integers, to, err);
        }
    }
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            status = copy_leaf(v, integers, to, err);
        }
    }
    if (status) {
        weld_weights_free(to);
        return status;
    }
    *out = to;
    return WELD_OK;
}
