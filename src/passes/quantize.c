/* Which values of a graph have codes, and whether a quantisation is sound; see quantize.h. */
#include "passes/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/codes.h"
#include "passes/quantized_names.h"

/* --- In memory -------------------------------------------------------------------------------- */

static weld_status allocate(size_t values, size_t nodes, weld_quantization *out, weld_error *err) {
    *out = (weld_quantization){.value_count = values,
                               .node_count = nodes,
                               .codes = weld_alloc(values, sizeof *out->codes),
                               .origins = weld_alloc(values, sizeof *out->origins),
                               .float_nodes = weld_alloc(nodes, sizeof *out->float_nodes)};
    if (!out->codes || !out->origins || !out->float_nodes) {
        weld_quantization_free(out);
        return weld_fail_memory(err, "quantization");
    }
    for (size_t i = 0; i < values; i++) {
        out->origins[i] = (int)i;
    }
    return WELD_OK;
}

weld_status weld_quantization_create(const weld_graph *g, weld_quantization *out, weld_error *err) {
    return allocate(g->value_count, g->node_count, out, err);
}

weld_status weld_quantization_clone(const weld_quantization *q, weld_quantization *out,
                                    weld_error *err) {
    WELD_TRY(allocate(q->value_count, q->node_count, out, err));
    memcpy(out->codes, q->codes, q->value_count * sizeof *q->codes);
    memcpy(out->origins, q->origins, q->value_count * sizeof *q->origins);
    memcpy(out->float_nodes, q->float_nodes, q->node_count * sizeof *q->float_nodes);
    out->weight_bits = q->weight_bits;
    out->learned = q->learned;
    out->details = q->details ? weld_strdup(q->details) : NULL;
    if (q->details && !out->details) {
        weld_quantization_free(out);
        return weld_fail_memory(err, "quantization");
    }
    return WELD_OK;
}

void weld_quantization_free(weld_quantization *q) {
    weld_free(q->codes);
    weld_free(q->origins);
    weld_free(q->float_nodes);
    weld_free(q->details);
    *q = (weld_quantization){0};
}

weld_codes weld_codes_of_range(double low, double high) {
    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    const double range = high - low > 1e-30 ? high - low : 1e-30;
    const float scale = (float)(range / 255);
    const double zero = nearbyint(-low / (double)scale);
    return (weld_codes){scale, (int32_t)(zero < 0 ? 0 : zero > 255 ? 255 : zero)};
}

/* --- What has an integer form ----------------------------------------------------------------- */

bool weld_node_is_product(const weld_node *node) {
    return node->op == &weld_op_conv2d || node->op == &weld_op_linear;
}

/* Made of what goes through the network, not of parameters. */
static bool is_activation(const weld_value *v) {
    const weld_value *of = weld_viewed(v);
    return of && v->dtype == WELD_F32 &&
           (of->kind == WELD_VALUE_RESULT || of->kind == WELD_VALUE_INPUT);
}

static bool are_activations(const weld_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        if (!is_activation(node->inputs[i])) {
            return false;
        }
    }
    return true;
}

/* A parameter that no other node reads: it is to be written in the codes of one input. */
static bool is_own(const weld_value *leaf) {
    return leaf->kind == WELD_VALUE_PARAMETER && leaf->dtype == WELD_F32 && leaf->reads == 1;
}

static bool is_sound_product(const weld_node *node) {
    const weld_value *bias = weld_optional_input(node, 2);
    return is_activation(node->inputs[0]) && is_own(node->inputs[1]) && (!bias || is_own(bias));
}

/* A group a channel: its kernels give codes alone. */
static bool is_by_channel(const weld_node *node) {
    return node->op == &weld_op_conv2d &&
           node->attributes.groups == node->inputs[0]->shape.dim[3] &&
           (node->attributes.groups > 1 || node->outputs[0]->shape.dim[3] == 1);
}

bool weld_node_has_integer_form(const weld_node *node) {
    const weld_op *op = node->op;
    if (weld_node_is_product(node)) {
        return is_sound_product(node);
    }
    const bool has = op == &weld_op_add || op == &weld_op_activation || op == &weld_op_clamp ||
                     op == &weld_op_channel_scale || op == &weld_op_global_avg_pool ||
                     op == &weld_op_max_pool || op == &weld_op_concat || op == &weld_op_slice ||
                     op == &weld_op_reshape || op == &weld_op_permute ||
                     (op == &weld_op_resize && node->attributes.function == WELD_RESIZE_NEAREST);
    return has && are_activations(node) && node->outputs[0]->dtype == WELD_F32;
}

weld_status weld_quantization_mark(const weld_graph *g, const bool *float_nodes, bool *coded,
                                   weld_error *err) {
    if (g->dtype != WELD_F32) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "quantization: a graph of %s: it must be of f32",
                         weld_dtype_name(g->dtype));
    }
    memset(coded, 0, g->value_count * sizeof *coded);
    for (size_t i = g->node_count; i-- > 0;) {
        const weld_node *node = g->nodes[i];
        const bool product = weld_node_is_product(node), is_coded = coded[node->outputs[0]->id];
        if (float_nodes[i] || !weld_node_has_integer_form(node)) {
            continue;
        }
        if (product && (is_coded || !is_by_channel(node))) {
            coded[node->inputs[0]->id] = true;
        }
        for (int j = 0; !product && is_coded && j < node->input_count; j++) {
            coded[node->inputs[j]->id] = true;
        }
    }
    return WELD_OK;
}

static bool has_codes(const weld_quantization *q, const weld_value *v) {
    return q->codes[v->id].scale != 0;
}

bool weld_quantization_is_integer(const weld_quantization *q, const weld_node *node) {
    if (q->float_nodes[node->id] || !weld_node_has_integer_form(node)) {
        return false;
    }
    const bool result = has_codes(q, node->outputs[0]);
    if (weld_node_is_product(node)) {
        return has_codes(q, node->inputs[0]) && (result || !is_by_channel(node));
    }
    bool all = result;
    for (int i = 0; i < node->input_count; i++) {
        all = all && has_codes(q, node->inputs[i]);
    }
    return all;
}

bool weld_quantization_has_table(const weld_quantization *q, const weld_node *node) {
    const bool is = node->op == &weld_op_activation || node->op == &weld_op_clamp;
    if (!is || !weld_quantization_is_integer(q, node)) {
        return false;
    }
    const weld_codes x = q->codes[node->inputs[0]->id], y = q->codes[node->outputs[0]->id];
    const bool relu = node->op == &weld_op_activation && node->attributes.function == WELD_RELU;
    return !(relu && x.scale == y.scale && x.zero == 0 && y.zero == 0);
}

/* --- Following a copy ------------------------------------------------------------------------- */

static bool is_copy(const weld_node *node, const weld_node *copy, weld_value *const *map) {
    bool same = node->op == copy->op && node->input_count == copy->input_count &&
                node->attributes.function == copy->attributes.function &&
                node->attributes.axis == copy->attributes.axis;
    for (int i = 0; same && i < node->input_count; i++) {
        const weld_value *in = node->inputs[i];
        same = (in ? map[in->id] : NULL) == copy->inputs[i];
    }
    return same;
}

/* What value `from` of the copied graph is, value `to` of the copy is too. */
static void follow_value(const weld_quantization *q, size_t from, weld_quantization *out, int to) {
    out->codes[to] = q->codes[from];
    out->origins[to] = q->origins[from];
}

static size_t follow_nodes(const weld_quantization *q, const weld_graph *g, const weld_graph *copy,
                           weld_value **map, weld_quantization *out) {
    size_t next = 0;
    for (size_t i = 0; i < g->node_count && next < copy->node_count; i++) {
        const weld_node *node = g->nodes[i], *made = copy->nodes[next];
        if (!is_copy(node, made, map)) {
            continue;
        }
        next++;
        out->float_nodes[made->id] = q->float_nodes[i];
        for (int j = 0; j < node->output_count; j++) {
            map[node->outputs[j]->id] = made->outputs[j];
            follow_value(q, (size_t)node->outputs[j]->id, out, made->outputs[j]->id);
        }
    }
    return next;
}

weld_status weld_quantization_follow(const weld_quantization *q, const weld_graph *g,
                                     const weld_graph *copy, weld_quantization *out,
                                     weld_error *err) {
    weld_value **map = weld_alloc(g->value_count, sizeof *map);
    WELD_TRY(map ? WELD_OK : weld_fail_memory(err, "quantization"));
    weld_status status = weld_quantization_create(copy, out, err);
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_value *v = g->values[i];
        map[i] = v->kind == WELD_VALUE_RESULT ? NULL : weld_graph_find_leaf(copy, v->name);
        if (map[i]) {
            follow_value(q, i, out, map[i]->id);
        }
    }
    if (!status && follow_nodes(q, g, copy, map, out) < copy->node_count) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT, "quantization: a graph that is no copy");
    }
    out->details = !status && q->details ? weld_strdup(q->details) : NULL;
    if (!status && q->details && !out->details) {
        status = weld_fail_memory(err, "quantization");
    }
    if (status) {
        weld_quantization_free(out);
    }
    weld_free(map);
    return status;
}
