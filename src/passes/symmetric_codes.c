/* Symmetric codes; see symmetric_codes.h. */
#include "passes/symmetric_codes.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/copy.h"
#include "ops/codes.h"

enum { MIDDLE = 128, MOST = 127 };

static weld_codes symmetric(weld_codes c) {
    const int below = c.zero, above = 255 - c.zero;
    const double most = (double)c.scale * (below > above ? below : above);
    return (weld_codes){(float)(most / MOST), MIDDLE};
}

static const weld_node *only_reader(const weld_value *v) {
    return v->reads == 1 ? v->reader : NULL;
}

/* A layer whose sums may stay floats; those of a group a channel are integers with codes alone. */
static bool makes_floats(const weld_quantization *q, const weld_node *node) {
    const bool product = node && (node->op == &weld_op_conv2d || node->op == &weld_op_linear);
    const bool by_channel = product && node->op == &weld_op_conv2d &&
                            (node->attributes.groups > 1 || (node->inputs[0]->shape.dim[3] == 1 &&
                                                             node->outputs[0]->shape.dim[3] == 1));
    return product && !by_channel && weld_quantization_is_integer(q, node);
}

/* Of two products that are added one is taken up, the second; the other is the shortcut. */
static bool is_taken_up(const weld_quantization *q, const weld_value *v) {
    const weld_node *reader = makes_floats(q, v->producer) ? only_reader(v) : NULL;
    if (!reader || reader->op != &weld_op_add) {
        return reader && reader->op == &weld_op_activation;
    }
    const weld_value *second = reader->inputs[1];
    return v == second || !(makes_floats(q, second->producer) && only_reader(second) == reader);
}

weld_status weld_symmetric_codes(const weld_graph *g, const weld_quantization *q,
                                 weld_quantization *out, weld_error *err) {
    WELD_TRY(weld_quantization_clone(q, out, err));
    for (size_t i = 0; i < g->value_count; i++) {
        if (q->codes[i].scale == 0) {
            continue;
        }
        const bool free = is_taken_up(q, g->values[i]);
        out->codes[i] = free ? (weld_codes){0} : symmetric(q->codes[i]);
    }
    return WELD_OK;
}

static weld_status copy_tensors(const weld_weights *integers, const weld_weights *floats,
                                weld_weights *to, weld_error *err) {
    for (size_t i = 0; i < weld_weights_count(integers); i++) {
        const char *name = weld_weights_name(integers, i);
        weld_tensor from = weld_weights_tensor(integers, i), made;
        if (from.dtype == WELD_I32 && !weld_weights_find(floats, name, &from)) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: has no floats", name);
        }
        WELD_TRY(weld_weights_add(to, name, from.dtype, &from.shape, &made, err));
        memcpy(made.data, from.data, weld_tensor_bytes(&from));
    }
    return WELD_OK;
}

weld_status weld_symmetric_weights(const weld_graph *g, const weld_quantization *q,
                                   const weld_weights *integers, weld_weights **out,
                                   weld_error *err) {
    weld_weights *floats, *made = NULL;
    WELD_TRY(weld_dequantize_weights(g, q, integers, &floats, err));
    weld_status status = weld_weights_create(&made, err);
    status = status ? status : copy_tensors(integers, floats, made, err);
    weld_weights_free(floats);
    if (status) {
        weld_weights_free(made);
        return status;
    }
    *out = made;
    return WELD_OK;
}

/* --- Simulated -------------------------------------------------------------------------------- */

static weld_value *rounded(weld_copy *c, const weld_quantization *q, const weld_value *v,
                           weld_value *made) {
    if (q->codes[v->id].scale == 0) {
        return made;
    }
    const weld_attributes to = {.codes[WELD_CODES_Y] = q->codes[v->id]};
    const weld_attributes from = {.codes[WELD_CODES_X] = q->codes[v->id]};
    made = weld_graph_node(c->to, &weld_op_quantize, &to, &made, 1, 1);
    return weld_graph_node(c->to, &weld_op_dequantize, &from, &made, 1, 1);
}

static bool round_node(weld_copy *c, const weld_node *node, void *context) {
    const weld_quantization *q = context;
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof *inputs);
    if (!inputs) {
        weld_graph_fail(c->to, WELD_ERROR_MEMORY, "rounding to codes: out of memory");
        return true;
    }
    for (int i = 0; i < node->input_count; i++) {
        const weld_value *in = node->inputs[i];
        inputs[i] = in ? c->map[in->id] : NULL;
        if (in && in->kind == WELD_VALUE_INPUT) {
            inputs[i] = rounded(c, q, in, inputs[i]);
        }
    }
    const weld_node *copy = weld_copy_node(c, node, inputs);
    for (int i = 0; copy && i < node->output_count; i++) {
        c->map[node->outputs[i]->id] = rounded(c, q, node->outputs[i], copy->outputs[i]);
    }
    weld_free(inputs);
    return true;
}

weld_status weld_rounded_graph(const weld_graph *g, const weld_quantization *q, weld_graph **out,
                               weld_error *err) {
    weld_quantization own;
    WELD_TRY(weld_quantization_clone(q, &own, err));
    const weld_status status = weld_copy_graph(g, round_node, &own, out, err);
    weld_quantization_free(&own);
    return status;
}
