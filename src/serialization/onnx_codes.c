/* Integer networks in ONNX: floats between pairs of QuantizeLinear and DequantizeLinear, which
 * runtimes fuse with the operators between them into those of integers. The forms are what ONNX
 * Runtime fuses to the very arithmetic of passes/quantize.h: a pair after every value that has
 * codes, scalars for scale and zero point, weights of a vector of zero points, biases whose scale
 * is float(s_x s_w[c]) to the bit. */
#include <string.h>

#include "ops/ops.h"
#include "passes/quantize.h"
#include "serialization/onnx_builder.h"

static const weld_codes *codes_of(const weld_onnx_builder *b, const weld_value *v) {
    const weld_codes *codes = b->codes ? &b->codes->codes[v->id] : NULL;
    return codes && codes->scale > 0 ? codes : NULL;
}

bool weld_onnx_is_integer(const weld_onnx_builder *b, const weld_node *node) {
    return b->codes && weld_quantization_is_integer(b->codes, node);
}

static bool is_output(const weld_graph *g, const weld_value *v) {
    for (size_t i = 0; i < g->output_count; i++) {
        if (g->outputs[i].value == v) {
            return true;
        }
    }
    return false;
}

static bool reads(const weld_node *node, const weld_value *v) {
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] == v) {
            return true;
        }
    }
    return false;
}

static bool is_relu(const weld_node *node) {
    return node->op == &weld_op_activation && node->attributes.function == WELD_RELU;
}

/* Does nothing but ReLUs read it, whose outputs have its codes? These begin at 0, so that rounding
 * once, behind them, gives the same: they become part of what makes v. */
static bool is_rounded_by_relu(const weld_onnx_builder *b, const weld_value *v) {
    const weld_codes *own = codes_of(b, v);
    int readers = 0;
    for (size_t i = 0; i < b->graph->node_count; i++) {
        const weld_node *node = b->graph->nodes[i];
        if (!reads(node, v)) {
            continue;
        }
        const weld_codes *next = is_relu(node) ? codes_of(b, node->outputs[0]) : NULL;
        if (!next || next->scale != own->scale || next->zero != 0 || own->zero != 0) {
            return false;
        }
        readers++;
    }
    return readers > 0 && !is_output(b->graph, v);
}

static char *zero_point(weld_onnx_builder *b, int32_t zero) {
    const unsigned char code = (unsigned char)(b->signed_codes ? zero - 128 : zero);
    char *name = b->signed_codes ? weld_onnx_text(b, "constant/signed_code_%d", zero - 128)
                                 : weld_onnx_text(b, "constant/code_%d", zero);
    return weld_onnx_bytes_of(b, name, (weld_shape){.rank = 0}, b->signed_codes, &code);
}

char *weld_onnx_coded(weld_onnx_builder *b, const weld_value *v, char *name) {
    const weld_codes *codes = codes_of(b, v);
    if (b->status != WELD_OK || !codes || is_rounded_by_relu(b, v)) {
        return name;
    }
    char *in[] = {name, weld_onnx_scalar(b, codes->scale), zero_point(b, codes->zero)};
    in[0] = weld_onnx_node(b, "QuantizeLinear-10", 3, in, NULL);
    return weld_onnx_node(b, "DequantizeLinear-10", 3, in, NULL);
}

/* --- Weights ---------------------------------------------------------------------------------- */

static char *of_channels(weld_onnx_builder *b, char *integers, char *scales, char *zeros) {
    char *in[] = {integers, scales, zeros};
    weld_onnx_attribute axis[] = {weld_onnx_integer("axis", 0), {0}};
    return weld_onnx_node(b, "DequantizeLinear-13", zeros ? 3 : 2, in, axis);
}

static char *zeros_of(weld_onnx_builder *b, int64_t count) {
    const signed char *zeros = weld_onnx_alloc(b, (size_t)count, 1);
    char *name = weld_onnx_text(b, "constant/zeros_%lld", (long long)count);
    return zeros ? weld_onnx_bytes_of(b, name, WELD_SHAPE(count), true, zeros) : NULL;
}

/* float(s_x s_w[c]) */
static char *bias_scales(weld_onnx_builder *b, const weld_value *bias, float s_x,
                         const weld_tensor *s_w) {
    const int64_t count = s_w->shape.dim[0];
    float *scales = weld_onnx_alloc(b, (size_t)count, sizeof *scales);
    for (int64_t c = 0; scales && c < count; c++) {
        scales[c] = s_x * ((const float *)s_w->data)[c];
    }
    char *name = weld_onnx_text(b, "scales/%s", bias->name);
    return scales ? weld_onnx_reals_of(b, name, s_w->shape, scales) : NULL;
}

/* Biases of integers; those of floats are written as any. */
static void code_bias(weld_onnx_builder *b, const weld_node *node, const weld_tensor *s_w) {
    const weld_value *bias = weld_optional_input(node, 2);
    weld_tensor t;
    if (!bias || (weld_weights_find(b->weights, bias->name, &t) && t.dtype == WELD_F32)) {
        return;
    }
    char *integers = weld_onnx_leaf(b, bias->name, WELD_I32, bias->shape);
    char *scales = bias_scales(b, bias, codes_of(b, node->inputs[0])->scale, s_w);
    b->values[bias->id].names[WELD_ONNX_PLAIN] = of_channels(b, integers, scales, NULL);
}

void weld_onnx_code_product(weld_onnx_builder *b, const weld_node *node) {
    const bool product = node->op == &weld_op_conv2d || node->op == &weld_op_linear;
    if (b->status != WELD_OK || !product || !weld_onnx_is_integer(b, node)) {
        return;
    }
    const weld_value *weight = node->inputs[1];
    const weld_shape channels = WELD_SHAPE(weight->shape.dim[0]);
    char *name = weld_onnx_text(b, "scales/%s", weight->name);
    char *scales = name ? weld_onnx_leaf(b, name, WELD_F32, channels) : NULL;
    char *integers = weld_onnx_leaf(b, weight->name, WELD_I8, weight->shape);
    b->values[weight->id].names[WELD_ONNX_PLAIN] =
        of_channels(b, integers, scales, zeros_of(b, channels.dim[0]));
    weld_tensor s_w;
    if (b->status == WELD_OK && weld_weights_find(b->weights, name, &s_w)) {
        code_bias(b, node, &s_w);
    }
}

/* --- Layers that stay float ------------------------------------------------------------------- */

static const WeldOnnx__NodeProto *node_making(const weld_onnx_builder *b, const char *name) {
    for (size_t i = b->nodes.count; i-- > 0;) {
        const WeldOnnx__NodeProto *node = ((WeldOnnx__NodeProto **)b->nodes.data)[i];
        if (node->output[0] == name) {
            return node;
        }
    }
    return NULL;
}

/* A scale and a zero point for each of the channels, all the same. */
static void repeat(weld_onnx_builder *b, const weld_codes *codes, int64_t channels, char *out[2]) {
    float *scales = weld_onnx_alloc(b, (size_t)channels, sizeof *scales);
    unsigned char *zeros = weld_onnx_alloc(b, (size_t)channels, 1);
    for (int64_t c = 0; scales && zeros && c < channels; c++) {
        scales[c] = codes->scale;
        zeros[c] = (unsigned char)(b->signed_codes ? codes->zero - 128 : codes->zero);
    }
    if (scales && zeros) {
        char *name =
            weld_onnx_text(b, "constant/%.9g_%lld", (double)codes->scale, (long long)channels);
        out[0] = weld_onnx_reals_of(b, name, WELD_SHAPE(channels), scales);
        name = weld_onnx_text(b, "constant/code_%d_%lld", codes->zero, (long long)channels);
        out[1] = weld_onnx_bytes_of(b, name, WELD_SHAPE(channels), b->signed_codes, zeros);
    }
}

/* `name` is x, dequantised, by one scale. */
static char *by_channels(weld_onnx_builder *b, const weld_value *x, char *name) {
    const WeldOnnx__NodeProto *made = name ? node_making(b, name) : NULL;
    if (!made || strcmp(made->op_type, "DequantizeLinear") != 0) {
        return name;
    }
    char *in[] = {made->input[0], NULL, NULL};
    weld_onnx_attribute axis[] = {weld_onnx_integer("axis", 1), {0}};
    repeat(b, codes_of(b, x), x->shape.dim[x->shape.rank - 1], in + 1);
    return weld_onnx_node(b, "DequantizeLinear-13", 3, in, axis);
}

/* ONNX Runtime quantises the weights of a float Conv or Gemm between DequantizeLinear and
 * QuantizeLinear, by one scale for all. It leaves those alone whose input is dequantised channel by
 * channel, which comes to the same numbers. */
char *weld_onnx_coded_input(weld_onnx_builder *b, const weld_node *node, char *name) {
    const weld_value *x = node->inputs[0];
    const bool conv = node->op == &weld_op_conv2d;
    const bool gemm = node->op == &weld_op_linear && x->shape.rank == 2;
    return (conv || gemm) && codes_of(b, x) && !weld_onnx_is_integer(b, node)
               ? by_channels(b, x, name)
               : name;
}
