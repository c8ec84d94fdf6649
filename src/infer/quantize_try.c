/* Quantising in one way; see quantize_try.h. */
#include "infer/quantize_try.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

/* --- Codes ------------------------------------------------------------------------------------ */

static bool is_sigmoid(const weld_value *v) {
    const weld_node *node = v->producer;
    return node && node->op == &weld_op_activation &&
           (node->attributes.function == WELD_SIGMOID ||
            node->attributes.function == WELD_HARD_SIGMOID);
}

/* Where nothing but zeros was seen other numbers may come all the same: codes of some size. */
static weld_codes codes_seen(const weld_value *v, const weld_observed *o,
                             weld_quantize_method method) {
    const bool all = method == WELD_QUANTIZE_MINMAX;
    const double low = (double)(all ? o->low : o->tail_low);
    const double high = (double)(all ? o->high : o->tail_high);
    return is_sigmoid(v)                          ? WELD_SIGMOID_CODES
           : fmax(high, 0) - fmin(low, 0) < 1e-30 ? weld_codes_of_range(0, 1)
                                                  : weld_codes_of_range(low, high);
}

bool weld_node_cuts(const weld_node *node) {
    return node->op == &weld_op_clamp ||
           (node->op == &weld_op_activation && node->attributes.function == WELD_RELU);
}

/* Does it make a sum that its codes may cut off, so that what cuts it costs nothing? */
static bool makes_sums(const weld_node *node) {
    return node->op->macs || node->op == &weld_op_add;
}

/* Does the node only pass codes on? */
static bool passes_on(const weld_node *node) {
    return node->op == &weld_op_reshape || node->op == &weld_op_slice ||
           node->op == &weld_op_max_pool || node->op == &weld_op_permute ||
           (node->op == &weld_op_resize && node->attributes.function == WELD_RESIZE_NEAREST);
}

static void choose_codes(const weld_grounds *on, weld_quantize_method method, const bool *coded,
                         weld_codes *codes) {
    const weld_graph *g = on->graph;
    for (size_t i = 0; i < g->value_count; i++) {
        codes[i] =
            coded[i] ? codes_seen(g->values[i], &on->seen.values[i], method) : (weld_codes){0};
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const weld_value *x = node->input_count > 0 ? node->inputs[0] : NULL;
        const weld_value *y = node->outputs[0];
        if (!x || !coded[x->id] || !coded[y->id]) {
            continue;
        }
        if (weld_node_cuts(node) && x->producer && makes_sums(x->producer) && x->reads == 1) {
            codes[x->id] = codes[y->id];
        } else if (passes_on(node)) {
            codes[y->id] = codes[x->id];
        }
    }
}

static void take_trained(const weld_grounds *on, const bool *coded, weld_codes *codes) {
    for (size_t i = 0; i < on->graph->value_count; i++) {
        codes[i] = coded[i] ? on->trained->codes[i] : (weld_codes){0};
    }
}

/* --- Attempts --------------------------------------------------------------------------------- */

weld_status weld_attempt_make(const weld_grounds *on, weld_quantize_method method,
                              const bool *float_nodes, weld_attempt *out, weld_error *err) {
    const weld_graph *g = on->graph;
    *out = (weld_attempt){.graph = NULL};
    bool *coded = weld_alloc(g->value_count, sizeof *coded);
    weld_status status =
        coded ? weld_quantization_create(g, &out->codes, err) : weld_fail_memory(err, "quantising");
    for (size_t i = 0; i < g->node_count && !status; i++) {
        out->codes.float_nodes[i] = float_nodes[i];
    }
    out->codes.weight_bits = on->weight_bits;
    out->codes.learned = on->learned;
    status = status ? status : weld_quantization_mark(g, float_nodes, coded, err);
    if (!status && method == WELD_QUANTIZE_TRAINED) {
        take_trained(on, coded, out->codes.codes);
    } else if (!status) {
        choose_codes(on, method, coded, out->codes.codes);
    }
    status =
        status ? status : weld_quantize_weights(g, on->weights, &out->codes, &out->integers, err);
    status = status ? status : weld_quantized_graph(g, &out->codes, true, &out->graph, err);
    weld_free(coded);
    if (status) {
        weld_attempt_free(out);
    }
    return status;
}

void weld_attempt_free(weld_attempt *a) {
    weld_quantization_free(&a->codes);
    weld_weights_free(a->integers);
    weld_graph_free(a->graph);
    *a = (weld_attempt){.graph = NULL};
}
