/* Integer weights from float ones, back, and the proof that no sum of them overflows; see
 * quantize.h. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/codes.h"
#include "passes/quantize.h"
#include "passes/quantized_names.h"

enum { MOST_WEIGHT = 127, MOST_BIAS = 1 << 30 };

/* A layer: its tensors, as far as they are there. */
typedef struct layer {
    const weld_node *node;
    const char *name; /* of the weight */
    int64_t out, row; /* weights of one output */
    weld_codes x, y;  /* y.scale 0: there are none */
} layer;

static layer layer_of(const weld_quantization *q, const weld_node *node) {
    const weld_shape *w = &node->inputs[1]->shape;
    return (layer){.node = node,
                   .name = node->inputs[1]->name,
                   .out = w->dim[0],
                   .row = weld_shape_count(w) / w->dim[0],
                   .x = q->codes[node->inputs[0]->id],
                   .y = q->codes[node->outputs[0]->id]};
}

static const weld_value *bias_of(const weld_node *node) {
    return node->input_count > 2 ? node->inputs[2] : NULL;
}

static float magnitude(const float *row, int64_t count) {
    float most = 0;
    for (int64_t i = 0; i < count; i++) {
        most = fmaxf(most, fabsf(row[i]));
    }
    return most;
}

/* max |w[c]| / 127; of a row of zeros the layer's largest, or 1. */
static void find_scales(const layer *l, const float *w, float *scales) {
    float largest = 0;
    for (int64_t c = 0; c < l->out; c++) {
        scales[c] = magnitude(w + c * l->row, l->row) / MOST_WEIGHT;
        largest = fmaxf(largest, scales[c]);
    }
    largest = largest > 0 ? largest : 1;
    for (int64_t c = 0; c < l->out; c++) {
        scales[c] = scales[c] > 0 ? scales[c] : largest;
    }
}

static bool factors_are_normal(const layer *l, float s_w) {
    const float both = l->x.scale * s_w;
    return isnormal(s_w) && isnormal(both) && (l->y.scale == 0 || isnormal(both / l->y.scale));
}

/* Large enough for the bias, and for factors that are normal numbers. */
static float raised(const layer *l, float s_w, float bias) {
    while (isfinite(s_w) && (!factors_are_normal(l, s_w) ||
                             fabs((double)bias / (double)(l->x.scale * s_w)) > MOST_BIAS)) {
        s_w *= 2;
    }
    return s_w;
}

static int8_t weight_code(float w, float s_w) {
    const float q = w / s_w;
    return (int8_t)lrintf(fmaxf(fminf(q, MOST_WEIGHT), -MOST_WEIGHT));
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

static weld_status quantize_layer(const layer *l, const weld_weights *w, weld_weights *to,
                                  weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *bias = bias_of(l->node);
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
            ((int8_t *)codes)[i] = weight_code(from[i], scales[c]);
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

static double function_of(const weld_node *node, double x) {
    const double hard = fmin(fmax(x + 3, 0), 6) / 6;
    if (node->op == &weld_op_clamp) {
        return fmin(fmax(x, (double)(float)node->attributes.low),
                    (double)(float)node->attributes.high);
    }
    switch ((weld_unary)node->attributes.function) {
    case WELD_GELU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case WELD_RELU:
        return fmax(x, 0);
    case WELD_SILU:
        return x / (1 + exp(-x));
    case WELD_HARD_SWISH:
        return x * hard;
    case WELD_HARD_SIGMOID:
        return hard;
    case WELD_SIGMOID:
        return 1 / (1 + exp(-x));
    case WELD_IDENTITY:
        break;
    }
    return x;
}

void weld_quantize_table(const weld_node *node, weld_codes x, weld_codes y, unsigned char *table) {
    for (int q = 0; q < WELD_CODE_COUNT; q++) {
        const float number = x.scale * (float)(q - x.zero);
        table[q] = weld_code_of((float)function_of(node, (double)number), y);
    }
}

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
            const layer l = layer_of(q, node);
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

/* --- Checking --------------------------------------------------------------------------------- */

weld_status weld_quantization_check_codes(const weld_graph *g, const weld_quantization *q,
                                          const char *where, weld_error *err) {
    bool *coded = weld_alloc(g->value_count, sizeof *coded);
    weld_status status = coded ? weld_quantization_mark(g, q->float_nodes, coded, err)
                               : weld_fail_memory(err, "quantization");
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_codes *c = &q->codes[i];
        const bool has = c->scale != 0;
        if (has != coded[i]) {
            status = weld_fail(err, WELD_ERROR_FORMAT, "%s: value %zu: %s", where, i,
                               has ? "codes of a value that stays float"
                                   : "no codes of a value that integers are made of");
        } else if (has && (!isnormal(c->scale) || c->scale < 0)) {
            status = weld_fail(err, WELD_ERROR_FORMAT,
                               "%s: value %zu: scale %g: it must be positive and a normal number",
                               where, i, (double)c->scale);
        } else if (has && (c->zero < 0 || c->zero > 255)) {
            status = weld_fail(err, WELD_ERROR_FORMAT, "%s: value %zu: zero point %d, not 0..255",
                               where, i, c->zero);
        }
    }
    weld_free(coded);
    return status;
}

static weld_status find_integers(const weld_weights *w, const char *name, weld_dtype dtype,
                                 weld_shape shape, const char *where, const void **out,
                                 weld_error *err) {
    weld_tensor t;
    if (!weld_weights_find(w, name, &t) || t.dtype != dtype ||
        !weld_shape_equal(&t.shape, &shape)) {
        char text[96];
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: missing, or not %s %s", where, name,
                         weld_dtype_name(dtype), weld_shape_text(&shape, text, sizeof text));
    }
    *out = t.data;
    return WELD_OK;
}

typedef struct sums {
    int64_t weights, bias; /* sum |q_w|, |q_b| */
    int least;             /* q_w */
} sums;

enum { CHUNK = 1 << 16 }; /* codes whose sum fits an int: what compilers have vectors for */

static sums sums_of(const layer *l, const int8_t *codes, const int32_t *bias, int64_t c) {
    sums s = {.bias = bias ? llabs((long long)bias[c]) : 0};
    const int8_t *row = codes + c * l->row;
    for (int64_t first = 0; first < l->row; first += CHUNK) {
        const int64_t end = l->row - first < CHUNK ? l->row : first + CHUNK;
        int sum = 0, least = 0;
        for (int64_t i = first; i < end; i++) {
            sum += row[i] < 0 ? -row[i] : row[i];
            least = row[i] < least ? row[i] : least;
        }
        s.weights += sum;
        s.least = least < s.least ? least : s.least;
    }
    return s;
}

/* Neither sum q_x q_w nor that with the bias leaves int32, and what is rounded is below 2^30. */
static bool is_proved(const layer *l, const sums *s, float s_w) {
    const int64_t most_x = l->x.zero > 255 - l->x.zero ? l->x.zero : 255 - l->x.zero;
    const int64_t most = s->bias + s->weights * most_x;
    const double rounded = (double)most * (double)weld_product_multiplier(l->x, s_w, l->y);
    return s->weights <= INT32_MAX / 255 && most <= INT32_MAX &&
           (l->y.scale == 0 || rounded < (double)(1 << 30));
}

static weld_status check_layer(const layer *l, const weld_weights *integers, const char *where,
                               weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *leaf = bias_of(l->node);
    const void *codes = NULL, *scales = NULL, *bias = NULL;
    WELD_TRY(weld_scales_name(l->name, name, err));
    WELD_TRY(
        find_integers(integers, l->name, WELD_I8, l->node->inputs[1]->shape, where, &codes, err));
    WELD_TRY(find_integers(integers, name, WELD_F32, WELD_SHAPE(l->out), where, &scales, err));
    WELD_TRY(leaf ? find_integers(integers, leaf->name, WELD_I32, leaf->shape, where, &bias, err)
                  : WELD_OK);
    for (int64_t c = 0; c < l->out; c++) {
        const float s_w = ((const float *)scales)[c];
        const sums s = sums_of(l, codes, bias, c);
        if (!(s_w > 0) || !factors_are_normal(l, s_w)) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: %s: scale %g of channel %lld: it must be positive, and normal "
                             "together with those of values",
                             where, name, (double)s_w, (long long)c);
        }
        if (s.least < -MOST_WEIGHT) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: a code of -128 in channel %lld",
                             where, l->name, (long long)c);
        }
        if (!is_proved(l, &s, s_w)) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: %s: the sums of channel %lld could overflow", where,
                             leaf ? leaf->name : l->name, (long long)c);
        }
    }
    return WELD_OK;
}

weld_status weld_quantization_check(const weld_graph *g, const weld_quantization *q,
                                    const weld_weights *integers, const char *where,
                                    weld_error *err) {
    WELD_TRY(weld_quantization_check_codes(g, q, where, err));
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        char name[WELD_QUANTIZED_NAME_SIZE];
        const void *table;
        if (weld_node_is_product(node) && weld_quantization_is_integer(q, node)) {
            const layer l = layer_of(q, node);
            WELD_TRY(check_layer(&l, integers, where, err));
        } else if (weld_quantization_has_table(q, node)) {
            weld_table_name(q, node->outputs[0], name);
            WELD_TRY(find_integers(integers, name, WELD_U8, WELD_SHAPE(WELD_CODE_COUNT), where,
                                   &table, err));
        }
    }
    return WELD_OK;
}

/* --- Back to floats --------------------------------------------------------------------------- */

static weld_status dequantize_layer(const layer *l, const weld_weights *integers, weld_weights *to,
                                    weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *leaf = bias_of(l->node);
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
            const layer l = layer_of(q, node);
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
