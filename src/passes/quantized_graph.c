/* The graph of integers that takes the place of a graph of floats, and the fusing of its products
 * with what follows; see quantize.h.
 *
 * A value with codes is had as codes; where floats are wanted it is dequantised, whoever made it,
 * so that what a value is does not depend on who reads it. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/copy.h"
#include "ops/codes.h"
#include "passes/quantize.h"
#include "passes/quantized_names.h"

weld_status weld_scales_name(const char *weight, char name[WELD_QUANTIZED_NAME_SIZE],
                             weld_error *err) {
    const int length = snprintf(name, WELD_QUANTIZED_NAME_SIZE, WELD_GROUP_SCALES "/%s", weight);
    return length < WELD_QUANTIZED_NAME_SIZE
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT, "%.100s...: too long a name", weight);
}

void weld_table_name(const weld_quantization *q, const weld_value *v,
                     char name[WELD_QUANTIZED_NAME_SIZE]) {
    snprintf(name, WELD_QUANTIZED_NAME_SIZE, WELD_GROUP_TABLES "/%d", q->origins[v->id]);
}

bool weld_is_quantized_name(const char *name) {
    return strncmp(name, WELD_GROUP_SCALES "/", strlen(WELD_GROUP_SCALES "/")) == 0 ||
           strncmp(name, WELD_GROUP_TABLES "/", strlen(WELD_GROUP_TABLES "/")) == 0;
}

typedef struct conversion {
    const weld_graph *from;
    const weld_quantization *q;
    weld_graph *to;
    weld_value **map; /* by value id in from: codes where it has some, else f32; or a leaf */
    weld_value **float_ /* the same as f32, where that was asked for */;
} conversion;

static weld_codes codes_of(const conversion *c, const weld_value *v) {
    return c->q->codes[v->id];
}

static bool is_coded(const conversion *c, const weld_value *v) {
    return codes_of(c, v).scale != 0;
}

static weld_value *fail_memory(conversion *c) {
    return weld_graph_fail(c->to, WELD_ERROR_MEMORY, "quantization: out of memory");
}

/* --- Values ----------------------------------------------------------------------------------- */

static weld_value *as_float(conversion *c, const weld_value *v) {
    if (!v || !is_coded(c, v)) {
        return v ? c->map[v->id] : NULL;
    }
    if (!c->float_[v->id]) {
        const weld_attributes a = {.codes[WELD_CODES_X] = codes_of(c, v)};
        c->float_[v->id] = weld_graph_node(c->to, &weld_op_dequantize, &a, &c->map[v->id], 1, 1);
    }
    return c->float_[v->id];
}

/* What was made as f32: as codes where it has some. */
static weld_value *quantized(conversion *c, const weld_value *v, weld_value *made) {
    if (!is_coded(c, v)) {
        return made;
    }
    const weld_attributes a = {.codes[WELD_CODES_Y] = codes_of(c, v)};
    return weld_graph_node(c->to, &weld_op_quantize, &a, &made, 1, 1);
}

/* The codes of `in` as those that v, which has the same numbers, has. */
static weld_value *recoded(conversion *c, const weld_value *in, const weld_value *v) {
    const weld_codes x = codes_of(c, in), y = codes_of(c, v);
    if (x.scale == y.scale && x.zero == y.zero) {
        return c->map[in->id];
    }
    const weld_attributes a = {.codes = {[WELD_CODES_X] = x, [WELD_CODES_Y] = y}};
    return weld_graph_node(c->to, &weld_op_recode, &a, &c->map[in->id], 1, 1);
}

/* --- Leaves ----------------------------------------------------------------------------------- */

static weld_value *add_leaf(conversion *c, const char *name, weld_dtype dtype, weld_shape shape) {
    const weld_value leaf = {
        .kind = WELD_VALUE_PARAMETER, .name = name, .dtype = dtype, .shape = shape};
    return weld_graph_copy_leaf(c->to, &leaf);
}

static weld_value *add_table(conversion *c, const weld_node *node) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    weld_table_name(c->q, node->outputs[0], name);
    return add_leaf(c, name, WELD_U8, WELD_SHAPE(WELD_CODE_COUNT));
}

/* --- Nodes ------------------------------------------------------------------------------------ */

static weld_value *convert_product(conversion *c, const weld_node *node) {
    char name[WELD_QUANTIZED_NAME_SIZE];
    const weld_value *x = node->inputs[0], *weight = node->inputs[1];
    const weld_value *bias = weld_optional_input(node, 2);
    weld_error err;
    if (weld_scales_name(weight->name, name, &err)) {
        return weld_graph_fail(c->to, err.status, "%s", err.message);
    }
    weld_attributes a = node->attributes;
    a.unrounded = false;
    a.codes[WELD_CODES_X] = codes_of(c, x);
    a.codes[WELD_CODES_Y] = codes_of(c, node->outputs[0]);
    weld_value *inputs[WELD_PRODUCT_INPUTS] = {
        c->map[x->id], add_leaf(c, weight->name, WELD_I8, weight->shape),
        add_leaf(c, name, WELD_F32, WELD_SHAPE(weight->shape.dim[0])),
        bias ? add_leaf(c, bias->name, WELD_I32, bias->shape) : NULL};
    const weld_op *op = node->op == &weld_op_conv2d ? &weld_op_conv2d_codes : &weld_op_linear_codes;
    return weld_graph_node(c->to, op, &a, inputs, WELD_PRODUCT_INPUTS, WELD_PRODUCT_SCALES + 1);
}

static weld_value *convert_function(conversion *c, const weld_node *node) {
    weld_value *inputs[2] = {c->map[node->inputs[0]->id], NULL};
    if (!weld_quantization_has_table(c->q, node)) {
        return inputs[0]; /* a ReLU of what is not negative */
    }
    const weld_attributes a = {.codes = {[WELD_CODES_X] = codes_of(c, node->inputs[0]),
                                         [WELD_CODES_Y] = codes_of(c, node->outputs[0])}};
    inputs[1] = add_table(c, node);
    return weld_graph_node(c->to, &weld_op_lookup, &a, inputs, 2, 2);
}

static weld_value *convert_add(conversion *c, const weld_node *node) {
    const weld_attributes a = {.codes = {[WELD_CODES_A] = codes_of(c, node->inputs[0]),
                                         [WELD_CODES_B] = codes_of(c, node->inputs[1]),
                                         [WELD_CODES_SUM] = codes_of(c, node->outputs[0])}};
    weld_value *inputs[2] = {c->map[node->inputs[0]->id], c->map[node->inputs[1]->id]};
    return weld_graph_node(c->to, &weld_op_add_codes, &a, inputs, 2, 2);
}

static weld_value *convert_scale(conversion *c, const weld_node *node) {
    const weld_attributes a = {.codes = {[WELD_CODES_X] = codes_of(c, node->inputs[0]),
                                         [WELD_CODES_A] = codes_of(c, node->inputs[1]),
                                         [WELD_CODES_Y] = codes_of(c, node->outputs[0])}};
    weld_value *inputs[2] = {c->map[node->inputs[0]->id], c->map[node->inputs[1]->id]};
    return weld_graph_node(c->to, &weld_op_channel_scale_codes, &a, inputs, 2, 2);
}

static weld_value *convert_pool(conversion *c, const weld_node *node) {
    const weld_attributes a = {.codes = {[WELD_CODES_X] = codes_of(c, node->inputs[0]),
                                         [WELD_CODES_Y] = codes_of(c, node->outputs[0])}};
    return weld_graph_node(c->to, &weld_op_global_avg_pool_codes, &a, &c->map[node->inputs[0]->id],
                           1, 1);
}

/* What moves codes: all inputs are had in those of the output. */
static weld_value *convert_move(conversion *c, const weld_node *node) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof *inputs);
    if (!inputs) {
        return fail_memory(c);
    }
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = recoded(c, node->inputs[i], node->outputs[0]);
    }
    const weld_op *op = node->op == &weld_op_max_pool ? &weld_op_max_pool_codes
                        : node->op == &weld_op_resize ? &weld_op_resize_codes
                                                      : node->op;
    weld_value *out =
        weld_graph_node(c->to, op, &node->attributes, inputs, node->input_count, node->input_count);
    weld_free(inputs);
    return out;
}

static weld_value *convert_integer(conversion *c, const weld_node *node) {
    const weld_op *op = node->op;
    return weld_node_is_product(node)                          ? convert_product(c, node)
           : op == &weld_op_activation || op == &weld_op_clamp ? convert_function(c, node)
           : op == &weld_op_add                                ? convert_add(c, node)
           : op == &weld_op_channel_scale                      ? convert_scale(c, node)
           : op == &weld_op_global_avg_pool                    ? convert_pool(c, node)
                                                               : convert_move(c, node);
}

static void convert_float(conversion *c, const weld_node *node) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof *inputs);
    if (!inputs) {
        fail_memory(c);
        return;
    }
    for (int i = 0; i < node->input_count; i++) {
        const weld_value *in = node->inputs[i];
        if (in && in->kind != WELD_VALUE_RESULT && !c->map[in->id]) {
            c->map[in->id] = weld_graph_copy_leaf(c->to, in);
        }
        inputs[i] = as_float(c, in);
    }
    const weld_value *made = weld_graph_copy_node(c->to, node, inputs);
    for (int i = 0; made && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = quantized(c, node->outputs[i], made->producer->outputs[i]);
    }
    weld_free(inputs);
}

/* The inputs first, so that they are numbered as in `from`. Leaves of integers come with their
 * layers. */
static void convert_inputs(conversion *c) {
    for (size_t i = 0; i < c->from->value_count; i++) {
        const weld_value *v = c->from->values[i];
        if (v->kind == WELD_VALUE_INPUT) {
            c->map[i] = quantized(c, v, weld_graph_copy_leaf(c->to, v));
        }
    }
}

/* Leaves that no node reads are part of the network too. */
static void copy_rest(conversion *c) {
    for (size_t i = 0; i < c->from->value_count; i++) {
        const weld_value *v = c->from->values[i];
        if (v->kind != WELD_VALUE_RESULT && !weld_graph_find_leaf(c->to, v->name)) {
            c->map[i] = weld_graph_copy_leaf(c->to, v);
        }
    }
}

static weld_status convert(conversion *c, weld_error *err) {
    convert_inputs(c);
    for (size_t i = 0; i < c->from->node_count && !weld_graph_status(c->to, NULL); i++) {
        const weld_node *node = c->from->nodes[i];
        if (weld_quantization_is_integer(c->q, node)) {
            c->map[node->outputs[0]->id] = convert_integer(c, node);
        } else {
            convert_float(c, node);
        }
    }
    copy_rest(c);
    for (size_t i = 0; i < c->from->output_count; i++) {
        weld_output(c->to, c->from->outputs[i].name, as_float(c, c->from->outputs[i].value));
    }
    return weld_graph_status(c->to, err);
}

static weld_status make_graph(const weld_graph *g, const weld_quantization *q, weld_graph **out,
                              weld_error *err) {
    conversion c = {.from = g,
                    .q = q,
                    .map = weld_alloc(g->value_count, sizeof *c.map),
                    .float_ = weld_alloc(g->value_count, sizeof *c.float_)};
    weld_status status = c.map && c.float_ ? weld_graph_create(WELD_F32, &c.to, err)
                                           : weld_fail_memory(err, "quantization");
    status = status ? status : convert(&c, err);
    weld_free(c.map);
    weld_free(c.float_);
    if (status) {
        weld_graph_free(c.to);
        return status;
    }
    *out = c.to;
    return WELD_OK;
}

/* --- Fusing ----------------------------------------------------------------------------------- */

static bool is_codes_product(const weld_node *node) {
    return node->op == &weld_op_conv2d_codes || node->op == &weld_op_linear_codes;
}

/* The product whose codes, by a table or not, v is, if nobody else reads them. */
static const weld_node *product_of(const weld_value *v, const weld_node **lookup) {
    const weld_node *node = v->producer;
    *lookup = NULL;
    if (node && node->op == &weld_op_lookup && v->reads == 1) {
        *lookup = node;
        v = node->inputs[0];
        node = v->producer;
    }
    return node && is_codes_product(node) && v->reads == 1 ? node : NULL;
}

/* Does the one who reads this product, or its table, take it up? */
static bool is_taken_up(const weld_value *v) {
    const weld_node *reader = v->reader, *lookup;
    if (!reader || !product_of(v, &lookup)) {
        return false;
    }
    return (reader->op == &weld_op_lookup && !lookup) ||
           (reader->op == &weld_op_add_codes && reader->inputs[1] == v);
}

/* product, table of `lookup` where there is one, and sum with the residual of `add` where there is
 * one. */
static weld_value *build_fused(weld_copy *c, const weld_node *product, const weld_node *lookup,
                               const weld_node *add) {
    weld_attributes a = product->attributes;
    weld_value *inputs[WELD_PRODUCT_INPUTS];
    for (int i = 0; i < WELD_PRODUCT_INPUTS; i++) {
        inputs[i] = product->inputs[i] ? c->map[product->inputs[i]->id] : NULL;
    }
    if (lookup) {
        inputs[WELD_PRODUCT_TABLE] = c->map[lookup->inputs[1]->id];
    }
    if (add) {
        inputs[WELD_PRODUCT_RESIDUAL] = c->map[add->inputs[0]->id];
        for (int i = WELD_CODES_A; i <= WELD_CODES_SUM; i++) {
            a.codes[i] = add->attributes.codes[i];
        }
    }
    return weld_graph_node(c->to, product->op, &a, inputs, WELD_PRODUCT_INPUTS,
                           WELD_PRODUCT_SCALES + 1);
}

static bool fuse_node(weld_copy *c, const weld_node *node, void *context) {
    (void)context;
    const weld_node *lookup = NULL, *product = NULL;
    if ((is_codes_product(node) || node->op == &weld_op_lookup) && is_taken_up(node->outputs[0])) {
        return true;
    }
    if (node->op == &weld_op_lookup) {
        product = product_of(node->inputs[0], &lookup);
        product = lookup ? NULL : product;
        lookup = node;
    } else if (node->op == &weld_op_add_codes) {
        product = product_of(node->inputs[1], &lookup);
    }
    if (!product) {
        return false;
    }
    c->map[node->outputs[0]->id] =
        build_fused(c, product, lookup, node->op == &weld_op_add_codes ? node : NULL);
    return true;
}

weld_status weld_quantized_graph(const weld_graph *g, const weld_quantization *q, bool fuse,
                                 weld_graph **out, weld_error *err) {
    weld_graph *plain;
    *out = NULL;
    WELD_TRY(make_graph(g, q, &plain, err));
    if (!fuse) {
        *out = plain;
        return WELD_OK;
    }
    const weld_status status = weld_copy_graph(plain, fuse_node, NULL, out, err);
    weld_graph_free(plain);
    return status;
}
