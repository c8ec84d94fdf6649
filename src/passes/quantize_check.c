/* Is a quantisation sound, and can none of its sums overflow? See quantize.h. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/codes.h"
#include "passes/quantized_layer.h"
#include "passes/quantized_names.h"

static weld_status check_values(const weld_graph *g, const weld_quantization *q, const char *where,
                                weld_error *err) {
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

/* --- What is rounded ---------------------------------------------------------------------------
 */

/* Kernels round numbers below 2^30 alone. */
enum { MOST_ROUNDED = 1 << 30, MOST_CODE = 255 };

static double ratio(weld_codes x, weld_codes y) {
    return (double)x.scale / (double)y.scale;
}

/* The most that is rounded for a code of the node's output; 0 where it is the layer's check, or
 * where codes are moved. */
static double most_rounded(const weld_quantization *q, const weld_node *node) {
    const weld_codes x = q->codes[node->inputs[0]->id], y = q->codes[node->outputs[0]->id];
    if (node->op == &weld_op_add) {
        return 2 * MOST_CODE * (ratio(x, y) + ratio(q->codes[node->inputs[1]->id], y)) + MOST_CODE;
    }
    if (node->op == &weld_op_channel_scale) {
        const double s = (double)q->codes[node->inputs[1]->id].scale;
        return (double)MOST_CODE * MOST_CODE * s * ratio(x, y) + MOST_CODE;
    }
    return node->op == &weld_op_global_avg_pool ? MOST_CODE * ratio(x, y) : 0;
}

static weld_status check_rounding(const weld_graph *g, const weld_quantization *q,
                                  const char *where, weld_error *err) {
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (weld_quantization_is_integer(q, node) && most_rounded(q, node) >= MOST_ROUNDED) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: value %d: scale %g is too small for what it is made of", where,
                             node->outputs[0]->id, (double)q->codes[node->outputs[0]->id].scale);
        }
    }
    return WELD_OK;
}

weld_status weld_quantization_check_codes(const weld_graph *g, const weld_quantization *q,
                                          const char *where, weld_error *err) {
    WELD_TRY(check_values(g, q, where, err));
    return check_rounding(g, q, where, err);
}

/* --- Layers ----------------------------------------------------------------------------------- */

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
    int64_t weights; /* sum |q_w| */
    int least;       /* q_w */
} sums;

enum { CHUNK = 1 << 16 }; /* codes whose sum fits an int: what compilers have vectors for */

static sums sums_of(const weld_quantized_layer *l, const int8_t *row) {
    sums s = {0};
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
static bool is_proved(const weld_quantized_layer *l, const sums *s, float s_w, int64_t bias) {
    const int64_t most_x = l->x.zero > 255 - l->x.zero ? l->x.zero : 255 - l->x.zero;
    const int64_t most = (bias < 0 ? -bias : bias) + s->weights * most_x;
    const double rounded = (double)most * (double)weld_product_multiplier(l->x, s_w, l->y);
    return s->weights <= INT32_MAX / 255 && most <= INT32_MAX &&
           (l->y.scale == 0 || rounded < MOST_ROUNDED);
}

bool weld_quantized_bias_fits(const weld_quantized_layer *l, const int8_t *row, float s_w,
                              int64_t bias) {
    const sums s = sums_of(l, row);
    return is_proved(l, &s, s_w, bias);
}

static weld_status check_layer(const weld_quantized_layer *l, const weld_weights *integers,
                               const char *where, weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *leaf = l->bias;
    const void *codes = NULL, *scales = NULL, *bias = NULL;
    WELD_TRY(weld_scales_name(l->name, name, err));
    WELD_TRY(
        find_integers(integers, l->name, WELD_I8, l->node->inputs[1]->shape, where, &codes, err));
    WELD_TRY(find_integers(integers, name, WELD_F32, WELD_SHAPE(l->out), where, &scales, err));
    WELD_TRY(leaf ? find_integers(integers, leaf->name, WELD_I32, leaf->shape, where, &bias, err)
                  : WELD_OK);
    for (int64_t c = 0; c < l->out; c++) {
        const float s_w = ((const float *)scales)[c];
        const sums s = sums_of(l, (const int8_t *)codes + c * l->row);
        if (!(s_w > 0) || !weld_factors_are_normal(l, s_w)) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: %s: scale %g of channel %lld: it must be positive, and normal "
                             "together with those of values",
                             where, name, (double)s_w, (long long)c);
        }
        if (s.least < -WELD_MOST_WEIGHT) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: a code of -128 in channel %lld",
                             where, l->name, (long long)c);
        }
        if (!is_proved(l, &s, s_w, bias ? ((const int32_t *)bias)[c] : 0)) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: %s: the sums of channel %lld could overflow", where,
                             leaf ? leaf->name : l->name, (long long)c);
        }
    }
    return WELD_OK;
}

/* A table says what its function does: to a code, as the functions of systems differ by less. */
static weld_status check_table(const weld_quantization *q, const weld_node *node,
                               const weld_weights *integers, const char *where, weld_error *err) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const void *data = NULL;
    unsigned char expected[WELD_CODE_COUNT];
    const weld_value *y = node->outputs[0];
    weld_table_name(q, y, name);
    WELD_TRY(
        find_integers(integers, name, WELD_U8, WELD_SHAPE(WELD_CODE_COUNT), where, &data, err));
    weld_quantize_table(node, q->codes[node->inputs[0]->id], q->codes[y->id], expected);
    for (int i = 0; i < WELD_CODE_COUNT; i++) {
        const int found = ((const unsigned char *)data)[i];
        if (found > expected[i] + 1 || found < expected[i] - 1) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: %s: code %d becomes %d: by the graph's function it is %d", where,
                             name, i, found, expected[i]);
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
        if (weld_node_is_product(node) && weld_quantization_is_integer(q, node)) {
            const weld_quantized_layer l = weld_quantized_layer_of(q, node);
            WELD_TRY(check_layer(&l, integers, where, err));
        } else if (weld_quantization_has_table(q, node)) {
            WELD_TRY(check_table(q, node, integers, where, err));
        }
    }
    return WELD_OK;
}
