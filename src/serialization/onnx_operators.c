/* How each operator of a graph is spelled in ONNX (https://onnx.ai/onnx/operators).
 *
 * Operators on images read and make NCHW; those that work element by element keep the layout that
 * there is; others go by the graph's own. Where two neighbours disagree weld_onnx_get transposes.
 * Spellings are those of PyTorch's exporter where it has one, since runtimes look for these to fuse
 * them.
 */
#include <math.h>
#include <string.h>

#include "serialization/onnx_builder.h"
#include "ops/ops.h"

#define FIRST WELD_ONNX_CHANNELS_FIRST
#define PLAIN WELD_ONNX_PLAIN

/* A node of one or two inputs without attributes. */
static char *apply(weld_onnx_builder *b, const char *form, char *x) {
    return weld_onnx_node(b, form, 1, &x, NULL);
}

static char *apply2(weld_onnx_builder *b, const char *form, char *x, char *y) {
    return weld_onnx_node(b, form, 2, (char *[]){x, y}, NULL);
}

static char *first_input(weld_onnx_builder *b, const weld_node *node, weld_onnx_layout layout) {
    return weld_onnx_coded_input(b, node, weld_onnx_get(b, node->inputs[0], layout));
}

/* One node for all of `node`: its first input in this layout, as its output is, and what else it
 * has (weights) as in the graph. */
static void spell_as(weld_onnx_builder *b, const weld_node *node, weld_onnx_layout layout,
                     const char *form, const weld_onnx_attribute *attributes) {
    char *inputs[5];
    int count = 0;
    for (; count < node->input_count && count < 5 && node->inputs[count]; count++) {
        inputs[count] =
            count ? weld_onnx_get(b, node->inputs[count], PLAIN) : first_input(b, node, layout);
    }
    char *y = weld_onnx_node(b, form, count, inputs, attributes);
    weld_onnx_set(b, node->outputs[0], layout, y);
}

/* Axis of the graph's layout in another. */
static int64_t axis_in(weld_onnx_layout layout, int axis) {
    static const int64_t moved[] = {0, 2, 3, 1};
    return layout == FIRST ? moved[axis] : axis;
}

/* --- Images ----------------------------------------------------------------------------------- */

static void conv2d(weld_onnx_builder *b, const weld_node *node) {
    const weld_attributes *a = &node->attributes;
    const weld_shape *weight = &node->inputs[1]->shape;
    const int *pad = a->padding;
    weld_onnx_attribute attributes[] = {
        weld_onnx_integers("kernel_shape", weight->dim[2], weight->dim[3]),
        weld_onnx_integers("strides", a->stride[0], a->stride[1]),
        a->same ? weld_onnx_word("auto_pad", "SAME_UPPER")
                : weld_onnx_integers("pads", pad[0], pad[1], pad[0], pad[1]),
        weld_onnx_integers("dilations", weld_dilation(a, 0), weld_dilation(a, 1)),
        weld_onnx_integer("group", a->groups),
        {0}};
    spell_as(b, node, FIRST, "Conv-1", attributes);
}

static void max_pool(weld_onnx_builder *b, const weld_node *node) {
    const weld_attributes *a = &node->attributes;
    const int *pad = a->padding;
    weld_onnx_attribute attributes[] = {
        weld_onnx_integers("kernel_shape", a->kernel[0], a->kernel[1]),
        weld_onnx_integers("strides", a->stride[0], a->stride[1]),
        weld_onnx_integers("pads", pad[0], pad[1], pad[0], pad[1]),
        {0}};
    spell_as(b, node, FIRST, "MaxPool-1", attributes);
}

static void global_avg_pool(weld_onnx_builder *b, const weld_node *node) {
    spell_as(b, node, FIRST, "GlobalAveragePool-1", NULL);
}

static void channel_scale(weld_onnx_builder *b, const weld_node *node) {
    char *x = weld_onnx_get(b, node->inputs[0], FIRST);
    char *y = apply2(b, "Mul-7", x, weld_onnx_get(b, node->inputs[1], FIRST));
    weld_onnx_set(b, node->outputs[0], FIRST, y);
}

/* Channels are dimension 1 in ONNX, as those of an image or of vectors are. */
static void batch_norm_eval(weld_onnx_builder *b, const weld_node *node) {
    int rank = node->inputs[0]->shape.rank;
    if (rank != 2 && rank != 4) {
        weld_onnx_fail(b, WELD_ERROR_ARGUMENT,
                       "batch_norm_eval#%d of %d dimensions cannot be written as ONNX, only of 2 "
                       "or 4",
                       node->id, rank);
        return;
    }
    weld_onnx_attribute attributes[] = {weld_onnx_real("epsilon", node->attributes.eps), {0}};
    spell_as(b, node, rank == 4 ? FIRST : PLAIN, "BatchNormalization-7", attributes);
}

/* --- Element by element ----------------------------------------------------------------------- */

/* x Phi(x) = 0.5 (x (erf(x / sqrt(2)) + 1)): in this order it is recognised. */
static char *gelu(weld_onnx_builder *b, char *x) {
    if (weld_onnx_has(b, 20)) {
        return apply(b, "Gelu-20", x);
    }
    char *y = apply2(b, "Div-7", x, weld_onnx_scalar(b, sqrt(2)));
    y = apply2(b, "Add-7", apply(b, "Erf-9", y), weld_onnx_scalar(b, 1));
    return apply2(b, "Mul-7", apply2(b, "Mul-7", x, y), weld_onnx_scalar(b, 0.5));
}

static char *hard_sigmoid(weld_onnx_builder *b, char *x) {
    weld_onnx_attribute attributes[] = {
        weld_onnx_real("alpha", 1.0 / 6), weld_onnx_real("beta", 0.5), {0}};
    return weld_onnx_node(b, "HardSigmoid-6", 1, &x, attributes);
}

static void activation(weld_onnx_builder *b, const weld_node *node) {
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    char *x = weld_onnx_get(b, node->inputs[0], layout), *y = NULL;
    switch ((weld_unary)node->attributes.function) {
    case WELD_GELU:
        y = gelu(b, x);
        break;
    case WELD_RELU:
        y = apply(b, "Relu-6", x);
        break;
    case WELD_SILU:
        y = apply2(b, "Mul-7", x, apply(b, "Sigmoid-6", x));
        break;
    case WELD_HARD_SWISH:
        y = weld_onnx_has(b, 14) ? apply(b, "HardSwish-14", x)
                                 : apply2(b, "Mul-7", x, hard_sigmoid(b, x));
        break;
    case WELD_HARD_SIGMOID:
        y = hard_sigmoid(b, x);
        break;
    case WELD_SIGMOID:
        y = apply(b, "Sigmoid-6", x);
        break;
    case WELD_UNARY_COUNT:
        break;
    }
    weld_onnx_set(b, node->outputs[0], layout, y);
}

/* Of two values of one shape, in the layout of either. */
static void spell_both(weld_onnx_builder *b, const weld_node *node, const char *form) {
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    layout = layout == FIRST ? layout : weld_onnx_layout_of(b, node->inputs[1]);
    char *x = weld_onnx_get(b, node->inputs[0], layout);
    char *y = apply2(b, form, x, weld_onnx_get(b, node->inputs[1], layout));
    weld_onnx_set(b, node->outputs[0], layout, y);
}

static void add(weld_onnx_builder *b, const weld_node *node) {
    spell_both(b, node, "Add-7");
}

static void mul(weld_onnx_builder *b, const weld_node *node) {
    spell_both(b, node, "Mul-7");
}

static void clamp(weld_onnx_builder *b, const weld_node *node) {
    const weld_attributes *a = &node->attributes;
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    char *in[] = {weld_onnx_get(b, node->inputs[0], layout), weld_onnx_scalar(b, a->low),
                  weld_onnx_scalar(b, a->high)};
    weld_onnx_set(b, node->outputs[0], layout, weld_onnx_node(b, "Clip-11", 3, in, NULL));
}

/* A vector [c] as it goes with an image in this layout. */
static char *channels_of(weld_onnx_builder *b, const weld_value *vector, weld_onnx_layout layout) {
    char *name = weld_onnx_get(b, vector, PLAIN);
    const int64_t shape[] = {vector->shape.dim[0], 1, 1};
    return layout == FIRST ? apply2(b, "Reshape-5", name, weld_onnx_list(b, shape, 3)) : name;
}

static void affine(weld_onnx_builder *b, const weld_node *node) {
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    const weld_value *shift = weld_optional_input(node, 2);
    char *y = weld_onnx_get(b, node->inputs[0], layout);
    y = apply2(b, "Mul-7", y, channels_of(b, node->inputs[1], layout));
    y = shift ? apply2(b, "Add-7", y, channels_of(b, shift, layout)) : y;
    weld_onnx_set(b, node->outputs[0], layout, y);
}

static void scale(weld_onnx_builder *b, const weld_node *node) {
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    char *x = weld_onnx_get(b, node->inputs[0], layout);
    char *y = apply2(b, "Mul-7", x, weld_onnx_scalar(b, node->attributes.factor));
    weld_onnx_set(b, node->outputs[0], layout, y);
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* All of its factors are said, as they are not where they are usual: ONNX Runtime makes no integer
 * product of others. */
static char *gemm(weld_onnx_builder *b, const weld_node *node, char *x) {
    const bool biased = node->input_count > 2 && node->inputs[2];
    const bool integer = weld_onnx_is_integer(b, node);
    char *in[] = {x, weld_onnx_get(b, node->inputs[1], PLAIN),
                  biased ? weld_onnx_get(b, node->inputs[2], PLAIN) : NULL};
    weld_onnx_attribute attributes[] = {
        weld_onnx_integer("transB", 1), weld_onnx_real("alpha", 1), weld_onnx_real("beta", 1), {0}};
    attributes[1].name = integer ? attributes[1].name : NULL;
    return weld_onnx_node(b, biased ? "Gemm-7" : "Gemm-11", biased ? 3 : 2, in, attributes);
}

/* Of more dimensions than a matrix: integers as one, since the bias must be part of the product;
 * floats as they are. */
static char *product_of_rows(weld_onnx_builder *b, const weld_node *node, char *x) {
    const weld_value *from = node->inputs[0], *to = node->outputs[0];
    if (weld_onnx_is_integer(b, node) && !b->any_size) {
        weld_shape rows = to->shape;
        rows.dim[0] = -1;
        x = apply2(b, "Reshape-5", x,
                   weld_onnx_list(b, (int64_t[]){-1, from->shape.dim[from->shape.rank - 1]}, 2));
        x = gemm(b, node, weld_onnx_coded(b, from, x));
        return apply2(b, "Reshape-5", weld_onnx_coded(b, to, x),
                      weld_onnx_list(b, rows.dim, rows.rank));
    }
    char *weight = weld_onnx_get(b, node->inputs[1], PLAIN);
    weld_onnx_attribute order[] = {weld_onnx_integers("perm", 1, 0), {0}};
    char *y = apply2(b, "MatMul-1", x, weld_onnx_node(b, "Transpose-1", 1, &weight, order));
    const bool biased = node->input_count > 2 && node->inputs[2];
    return biased ? apply2(b, "Add-7", y, weld_onnx_get(b, node->inputs[2], PLAIN)) : y;
}

/* Gemm takes matrices alone. */
static void linear(weld_onnx_builder *b, const weld_node *node) {
    char *x = first_input(b, node, PLAIN);
    weld_onnx_set(b, node->outputs[0], PLAIN,
                  node->inputs[0]->shape.rank == 2 ? gemm(b, node, x)
                                                   : product_of_rows(b, node, x));
}

/* Before 13 all from the axis on was taken together, which is the same for the last. */
static void softmax(weld_onnx_builder *b, const weld_node *node) {
    const weld_value *x = node->inputs[0];
    weld_onnx_layout layout = weld_onnx_layout_of(b, x);
    weld_onnx_attribute axis[] = {weld_onnx_integer("axis", axis_in(layout, x->shape.rank - 1)),
                                  {0}};
    spell_as(b, node, layout, layout == FIRST ? "Softmax-13" : "Softmax-1", axis);
}

/* In the order in which runtimes recognise it. */
static char *spelled_layer_norm(weld_onnx_builder *b, const weld_node *node) {
    const int last = node->inputs[0]->shape.rank - 1;
    const weld_onnx_attribute over_last[] = {weld_onnx_integers("axes", last), {0}};
    char *x = weld_onnx_get(b, node->inputs[0], PLAIN);
    x = apply2(b, "Sub-7", x, weld_onnx_node(b, "ReduceMean-1", 1, &x, over_last));
    char *y = apply2(b, "Pow-7", x, weld_onnx_scalar(b, 2));
    y = weld_onnx_node(b, "ReduceMean-1", 1, &y, over_last);
    y = apply2(b, "Add-7", y, weld_onnx_scalar(b, node->attributes.eps));
    y = apply2(b, "Div-7", x, apply(b, "Sqrt-6", y));
    y = apply2(b, "Mul-7", y, weld_onnx_get(b, node->inputs[1], PLAIN));
    return apply2(b, "Add-7", y, weld_onnx_get(b, node->inputs[2], PLAIN));
}

static void layer_norm(weld_onnx_builder *b, const weld_node *node) {
    weld_onnx_attribute attributes[] = {
        weld_onnx_integer("axis", -1), weld_onnx_real("epsilon", node->attributes.eps), {0}};
    if (weld_onnx_has(b, 17)) {
        spell_as(b, node, PLAIN, "LayerNormalization-17", attributes);
    } else {
        weld_onnx_set(b, node->outputs[0], PLAIN, spelled_layer_norm(b, node));
    }
}

/* As a target of Reshape, 0 stands for the size that the input has there.
 *
 * [n, l, heads d] with the heads set apart, its dimensions n, l, heads, d in this order. */
static char *heads_of(weld_onnx_builder *b, const weld_value *v, int64_t heads,
                      weld_onnx_attribute order) {
    const int64_t apart[] = {0, 0, heads, v->shape.dim[2] / heads};
    char *x = apply2(b, "Reshape-5", weld_onnx_get(b, v, PLAIN), weld_onnx_list(b, apart, 4));
    return weld_onnx_node(b, "Transpose-1", 1, &x, (weld_onnx_attribute[]){order, {0}});
}

/* y = p v, p = softmax(factor q k^T + bias) of each head; see ops/attention.c. */
static void attention(weld_onnx_builder *b, const weld_node *node) {
    const int64_t heads = node->attributes.heads, *dim = node->outputs[0]->shape.dim;
    const weld_onnx_attribute rows = weld_onnx_integers("perm", 0, 2, 1, 3);
    weld_onnx_attribute last[] = {weld_onnx_integer("axis", 3), {0}}, back[] = {rows, {0}};
    char *p = apply2(b, "MatMul-1", heads_of(b, node->inputs[0], heads, rows),
                     heads_of(b, node->inputs[1], heads, weld_onnx_integers("perm", 0, 2, 3, 1)));
    p = apply2(b, "Mul-7", p, weld_onnx_scalar(b, node->attributes.factor));
    if (node->input_count > 3 && node->inputs[3]) {
        p = apply2(b, "Add-7", p, weld_onnx_get(b, node->inputs[3], PLAIN));
    }
    p = weld_onnx_node(b, "Softmax-1", 1, &p, last);
    char *y = apply2(b, "MatMul-1", p, heads_of(b, node->inputs[2], heads, rows));
    y = weld_onnx_node(b, "Transpose-1", 1, &y, back);
    y = apply2(b, "Reshape-5", y, weld_onnx_list(b, (int64_t[]){0, 0, dim[2]}, 3));
    weld_onnx_set(b, node->outputs[0], PLAIN, y);
}

/* Which element of the table is the bias of each pair of positions; see
 * ops/relative_position_bias.c. */
static void relative_position_bias(weld_onnx_builder *b, const weld_node *node) {
    const int64_t h = node->attributes.kernel[0], w = node->attributes.kernel[1], area = h * w;
    int64_t *at = weld_onnx_alloc(b, (size_t)(area * area), sizeof *at);
    for (int64_t p = 0; at && p < area; p++) {
        for (int64_t q = 0; q < area; q++) {
            const int64_t row = p / w - q / w + h - 1, column = p % w - q % w + w - 1;
            at[p * area + q] = row * (2 * w - 1) + column;
        }
    }
    char *name = weld_onnx_text(b, "constant/offsets_%lldx%lld", (long long)h, (long long)w);
    char *in[] = {weld_onnx_get(b, node->inputs[0], PLAIN),
                  at ? weld_onnx_integers_of(b, name, WELD_SHAPE(area, area), at) : NULL};
    weld_onnx_attribute axis[] = {weld_onnx_integer("axis", 1), {0}};
    weld_onnx_set(b, node->outputs[0], PLAIN, weld_onnx_node(b, "Gather-1", 2, in, axis));
}

/* --- Shapes ----------------------------------------------------------------------------------- */

/* An image of one position is its channels in either layout. */
static bool is_flattening(const weld_shape *from, const weld_shape *to) {
    return from->rank == 4 && from->dim[1] == 1 && from->dim[2] == 1 && to->rank == 2 &&
           to->dim[1] == from->dim[3];
}

static void reshape(weld_onnx_builder *b, const weld_node *node) {
    const weld_value *x = node->inputs[0], *y = node->outputs[0];
    char *name;
    if (is_flattening(&x->shape, &y->shape)) {
        weld_onnx_attribute axis[] = {weld_onnx_integer("axis", 1), {0}};
        name = weld_onnx_get(b, x, weld_onnx_layout_of(b, x));
        name = weld_onnx_node(b, "Flatten-1", 1, &name, axis);
    } else {
        const weld_shape *to = &node->attributes.shape;
        char *target = b->any_size ? weld_onnx_open_target(b, x, y) : NULL;
        name = weld_onnx_get(b, x, PLAIN);
        target = target ? target : weld_onnx_list(b, to->dim, to->rank);
        name = apply2(b, "Reshape-5", name, target);
    }
    weld_onnx_set(b, y, PLAIN, name);
}

static void permute(weld_onnx_builder *b, const weld_node *node) {
    const weld_shape *order = &node->attributes.shape;
    weld_onnx_attribute perm = {
        "perm", WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, 0, order->rank, {0}};
    for (int i = 0; i < order->rank; i++) {
        perm.integers[i] = order->dim[i];
    }
    spell_as(b, node, PLAIN, "Transpose-1", (weld_onnx_attribute[]){perm, {0}});
}

static void concat(weld_onnx_builder *b, const weld_node *node) {
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    char **inputs = weld_onnx_alloc(b, (size_t)node->input_count, sizeof *inputs);
    for (int i = 0; inputs && i < node->input_count; i++) {
        inputs[i] = weld_onnx_get(b, node->inputs[i], layout);
    }
    weld_onnx_attribute axis[] = {weld_onnx_integer("axis", axis_in(layout, node->attributes.axis)),
                                  {0}};
    char *y = weld_onnx_node(b, "Concat-4", node->input_count, inputs, axis);
    weld_onnx_set(b, node->outputs[0], layout, y);
}

static void slice(weld_onnx_builder *b, const weld_node *node) {
    const weld_attributes *a = &node->attributes;
    weld_onnx_layout layout = weld_onnx_layout_of(b, node->inputs[0]);
    int64_t axis = axis_in(layout, a->axis);
    char *inputs[] = {weld_onnx_get(b, node->inputs[0], layout), weld_onnx_list(b, &a->begin, 1),
                      weld_onnx_list(b, &a->end, 1), weld_onnx_list(b, &axis, 1)};
    weld_onnx_set(b, node->outputs[0], layout, weld_onnx_node(b, "Slice-10", 4, inputs, NULL));
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct spelling {
    const weld_op *op;
    void (*spell)(weld_onnx_builder *b, const weld_node *node);
} spellings[] = {
    {&weld_op_activation, activation},
    {&weld_op_add, add},
    {&weld_op_affine, affine},
    {&weld_op_attention, attention},
    {&weld_op_batch_norm_eval, batch_norm_eval},
    {&weld_op_box_decode, weld_onnx_box_decode},
    {&weld_op_channel_scale, channel_scale},
    {&weld_op_clamp, clamp},
    {&weld_op_concat, concat},
    {&weld_op_conv2d, conv2d},
    {&weld_op_global_avg_pool, global_avg_pool},
    {&weld_op_layer_norm, layer_norm},
    {&weld_op_linear, linear},
    {&weld_op_max_pool, max_pool},
    {&weld_op_mul, mul},
    {&weld_op_permute, permute},
    {&weld_op_relative_position_bias, relative_position_bias},
    {&weld_op_reshape, reshape},
    {&weld_op_resize, weld_onnx_resize},
    {&weld_op_scale, scale},
    {&weld_op_slice, slice},
    {&weld_op_softmax, softmax},
};

static const struct spelling *spelling_of(const weld_op *op) {
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (spellings[i].op == op) {
            return &spellings[i];
        }
    }
    return NULL;
}

bool weld_onnx_spells(const weld_op *op) {
    return spelling_of(op) != NULL;
}

/* The module of the node's own parameters, or the scope of the youngest of its inputs. */
static char *scope_of(weld_onnx_builder *b, const weld_node *node) {
    const weld_value *youngest = NULL;
    for (int i = 0; i < node->input_count; i++) {
        const weld_value *v = node->inputs[i];
        if (v && v->kind == WELD_VALUE_PARAMETER) {
            const char *dot = strrchr(v->name, '.');
            return weld_onnx_text(b, "%.*s", dot ? (int)(dot - v->name) : 0, v->name);
        }
        youngest = v && (!youngest || v->id > youngest->id) ? v : youngest;
    }
    char *scope = youngest && b->values ? b->values[youngest->id].scope : NULL;
    return scope ? scope : weld_onnx_text(b, "%s", "");
}

static void spell(weld_onnx_builder *b, const weld_node *node) {
    const struct spelling *found = spelling_of(node->op);
    if (!found) {
        char text[160];
        weld_onnx_fail(b, WELD_ERROR_ARGUMENT,
                       "%s: weld cannot write a %s as ONNX: export a graph without it",
                       weld_node_text(node, text, sizeof text), node->op->name);
        return;
    }
    b->node = node;
    b->scope = scope_of(b, node);
    weld_onnx_code_product(b, node);
    if (b->status == WELD_OK) {
        found->spell(b, node);
    }
}

void weld_onnx_spell_graph(weld_onnx_builder *b) {
    const weld_graph *g = b->graph;
    bool *needed = weld_onnx_alloc(b, g->value_count, sizeof *needed);
    b->node = g->node_count ? g->nodes[0] : NULL;
    for (size_t i = 0; i < g->value_count && b->status == WELD_OK; i++) {
        if (g->values[i]->kind == WELD_VALUE_INPUT) {
            b->values[i].names[FIRST] =
                weld_onnx_coded(b, g->values[i], weld_onnx_text(b, "%s", b->input));
        }
    }
    if (needed) {
        weld_graph_find_needed(g, g->outputs, g->output_count, needed);
    }
    for (size_t i = 0; i < g->node_count && b->status == WELD_OK; i++) {
        if (weld_node_is_needed(g->nodes[i], needed)) {
            spell(b, g->nodes[i]);
        }
    }
    weld_onnx_add_outputs(b);
}
