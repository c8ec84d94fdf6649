/* Networks rounded to codes while they are trained; see fake_quantize.h. */
#include "passes/fake_quantize.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "passes/merged_nodes.h"
#include "passes/quantized_names.h"

/* --- Which values --- */

weld_status weld_fake_rows_of(const weld_graph *merged, weld_fake_rows *out, weld_error *err) {
    bool *rows = weld_alloc(2 * merged->value_count + merged->node_count, sizeof *rows);
    *out = (weld_fake_rows){rows, rows ? rows + merged->value_count : NULL};
    if (!rows) {
        return weld_fail_memory(err, "quantisation");
    }
    if (merged->dtype != WELD_F32) {
        return WELD_OK;
    }
    const bool *float_nodes = out->weight + merged->value_count; /* none */
    const weld_status status = weld_quantization_mark(merged, float_nodes, rows, err);
    for (size_t i = 0; i < merged->node_count && !status; i++) {
        const weld_node *node = merged->nodes[i];
        if (weld_node_is_product(node) && rows[node->inputs[0]->id]) {
            out->weight[node->inputs[1]->id] = true;
        }
    }
    if (status) {
        weld_free(rows);
        *out = (weld_fake_rows){0};
    }
    return status;
}

void weld_fake_table_fill(const weld_fake_rows *rows, size_t count, weld_fake_bits bits,
                          const weld_codes *codes, float *table) {
    for (size_t i = 0; i < count; i++) {
        const bool is = rows->activation[i] && bits.activations;
        table[2 * i] = is                ? codes[i].scale
                       : rows->weight[i] ? (float)weld_fake_largest(bits.weights)
                                         : 0;
        table[2 * i + 1] = is ? (float)codes[i].zero : 0;
    }
}

bool weld_fake_table_is_empty(const float *table, size_t count) {
    bool empty = true;
    for (size_t i = 0; i < 2 * count; i++) {
        empty = empty && table[i] == 0;
    }
    return empty;
}

/* Of `bits` bits as codes of 8 bits for the same range, from the same zero to the same end. */
static weld_codes widened(weld_codes c, int bits) {
    const double scale = (double)c.scale;
    return bits == 8 ? c : weld_codes_of_range(-scale * c.zero, scale * ((1 << bits) - 1 - c.zero));
}

static bool take_codes(const float *table, const weld_fake_rows *rows, weld_fake_bits bits,
                       weld_quantization *out) {
    const float most = (float)((1 << bits.activations) - 1);
    bool fit = true;
    for (size_t i = 0; i < out->value_count; i++) {
        const float scale = table[2 * i], zero = table[2 * i + 1];
        if (!rows->activation[i] || !bits.activations) {
            const float code = rows->weight[i] ? (float)weld_fake_largest(bits.weights) : 0;
            fit = fit && scale == code && zero == 0;
        } else if (isnormal(scale) && scale > 0 && zero >= 0 && zero <= most &&
                   zero == nearbyintf(zero)) {
            out->codes[i] = widened((weld_codes){scale, (int32_t)zero}, bits.activations);
        } else {
            fit = false;
        }
    }
    return fit;
}

bool weld_fake_bits_are_sound(int64_t weights, int64_t activations) {
    return weights >= 2 && weights <= 8 &&
           (activations == 0 || (activations >= 2 && activations <= 8));
}

weld_status weld_fake_table_read(const float *table, size_t count, weld_fake_bits bits,
                                 const weld_graph *merged, weld_quantization *out,
                                 weld_error *err) {
    weld_fake_rows rows;
    WELD_TRY(weld_fake_rows_of(merged, &rows, err));
    weld_status status = weld_quantization_create(merged, out, err);
    if (!status && (!weld_fake_bits_are_sound(bits.weights, bits.activations) ||
                    count != merged->value_count || !take_codes(table, &rows, bits, out))) {
        weld_quantization_free(out);
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "the codes that it was trained for are of another network");
    }
    if (!status) {
        out->weight_bits = bits.weights;
    }
    weld_free(rows.activation);
    return status;
}

weld_codes weld_fake_codes_of(double low, double high, int bits) {
    if (bits == 8) {
        return weld_codes_of_range(low, high);
    }
    const int most = (1 << bits) - 1;
    low = fmin(low, 0);
    high = fmax(fmax(high, 0), low + 1e-30);
    const float scale = (float)((high - low) / most);
    return (weld_codes){scale, (int32_t)fmin(fmax(nearbyint(-low / (double)scale), 0), most)};
}

/* --- The graph --- */

typedef struct building {
    weld_graph *to;
    const weld_merged_nodes *nodes;
    weld_fake_rows rows;
    weld_fake_bits bits;
    weld_value *table;
    size_t *first;             /* by value id: row of steps, where these are learned */
    weld_value *steps, *bases; /* likewise */
    weld_value **map;          /* by value id of the merged graph */
} building;

/* The steps of v: one, or one for each row. */
static weld_value *steps_of(const building *b, const weld_value *v) {
    const int64_t begin = (int64_t)b->first[v->id];
    return weld_slice(b->to, b->steps, 0, begin,
                      begin + (b->rows.weight[v->id] ? v->shape.dim[0] : 1));
}

static weld_value *learned(const building *b, const weld_value *of, weld_value *x, int count) {
    const weld_attributes a = {.begin = (int64_t)b->first[of->id], .count = count};
    weld_value *in[] = {x, steps_of(b, of), b->bases};
    return weld_graph_node(b->to, &weld_op_learned_round, &a, in, 3, 3);
}

static weld_value *rounded(const building *b, const weld_op *op, const weld_value *of,
                           weld_value *x, int count) {
    const weld_attributes a = {.begin = of->id, .count = count};
    if (b->bits.learned) {
        const int largest = weld_fake_largest(b->bits.weights);
        return learned(b, of, x, b->rows.weight[of->id] ? 2 * largest : count);
    }
    return weld_graph_node(b->to, op, &a, (weld_value *[]){x, b->table}, 2, 2);
}

/* What the merged graph's value v is in b->to, once that is there: rounded where it has codes. */
static weld_value *as_codes(const building *b, const weld_value *v, weld_value *x) {
    return b->rows.activation[v->id] && b->bits.activations
               ? rounded(b, &weld_op_fake_quantize, v, x, (1 << b->bits.activations) - 1)
               : x;
}

static weld_value *leaf_of(const building *b, const weld_value *v) {
    if (v->kind == WELD_VALUE_INPUT) {
        return as_codes(b, v, weld_graph_find_leaf(b->to, v->name));
    }
    weld_value *made = b->nodes->made[v->id];
    weld_value *x = v->dtype == WELD_I64 ? made : weld_cast(b->to, made, v->dtype);
    return b->rows.weight[v->id] ? rounded(b, &weld_op_fake_quantize_rows, v, x, 0) : x;
}

/* The bias of a product, in steps of its sums, as integers have it. */
static weld_value *bias_of(const building *b, const weld_node *node, weld_value *bias) {
    const weld_value *x = node->inputs[0], *w = node->inputs[1];
    const weld_attributes a = {.begin = x->id, .end = w->id};
    if (b->bits.learned && b->rows.weight[w->id] && b->bits.activations) {
        const weld_attributes rows = {.begin = (int64_t)b->first[x->id],
                                      .end = (int64_t)b->first[w->id]};
        weld_value *of[] = {bias, steps_of(b, x), steps_of(b, w), b->bases};
        return weld_graph_node(b->to, &weld_op_learned_bias, &rows, of, 4, 4);
    }
    weld_value *in[] = {bias, weld_cast(b->to, b->nodes->made[w->id], w->dtype), b->table};
    return b->rows.weight[w->id] && b->bits.activations
               ? weld_graph_node(b->to, &weld_op_fake_quantize_bias, &a, in, 3, 3)
               : bias;
}

static weld_status copy_node(building *b, const weld_node *node, weld_error *err) {
    weld_value **inputs = weld_alloc((size_t)node->input_count, sizeof(weld_value *));
    if (!inputs) {
        return weld_fail_memory(err, "quantisation");
    }
    for (int i = 0; i < node->input_count; i++) {
        const weld_value *v = node->inputs[i];
        if (v && !b->map[v->id]) {
            b->map[v->id] = leaf_of(b, v);
        }
        inputs[i] = v ? b->map[v->id] : NULL;
    }
    if (weld_node_is_product(node) && node->input_count > 2 && inputs[2]) {
        inputs[2] = bias_of(b, node, inputs[2]);
    }
    const weld_value *out = weld_graph_copy_node(b->to, node, inputs);
    for (int i = 0; out && i < node->output_count; i++) {
        b->map[node->outputs[i]->id] = as_codes(b, node->outputs[i], out->producer->outputs[i]);
    }
    weld_free(inputs);
    return weld_graph_status(b->to, err);
}

static void add_steps(building *b) {
    const weld_init zero = {.kind = WELD_INIT_CONSTANT}, one = {WELD_INIT_CONSTANT, 1, 0};
    const size_t found = weld_fake_steps_find(b->nodes->merged, &b->rows, b->bits, b->first);
    const int64_t count = found > 0 ? (int64_t)found : 1;
    b->steps = weld_parameter(b->to, WELD_FAKE_STEPS, WELD_SHAPE(count), one);
    b->bases = weld_buffer(b->to, WELD_FAKE_BASES, b->to->dtype, WELD_SHAPE(count, 2), zero);
}

static weld_status build(building *b, weld_error *err) {
    const weld_graph *merged = b->nodes->merged;
    const weld_init zero = {.kind = WELD_INIT_CONSTANT};
    if (b->bits.learned) {
        add_steps(b);
    }
    b->table = weld_buffer(b->to, WELD_FAKE_CODES, b->to->dtype,
                           WELD_SHAPE((int64_t)merged->value_count, 2), zero);
    for (size_t i = 0; i < merged->node_count; i++) {
        WELD_TRY(copy_node(b, merged->nodes[i], err));
    }
    for (size_t i = 0; i < merged->output_count; i++) {
        weld_output(b->to, merged->outputs[i].name, b->map[merged->outputs[i].value->id]);
    }
    return weld_graph_status(b->to, err);
}

weld_status weld_fake_quantized(const weld_graph *g, weld_fake_bits bits, weld_graph **out,
                                weld_graph **merged, weld_error *err) {
    weld_merged_nodes nodes;
    *out = NULL;
    WELD_TRY(weld_merged_nodes_create(g, &nodes, err));
    building b = {.to = nodes.graph, .nodes = &nodes, .bits = bits};
    weld_status status = weld_fake_rows_of(nodes.merged, &b.rows, err);
    b.map = weld_alloc(nodes.merged->value_count, sizeof(weld_value *));
    b.first = weld_alloc(nodes.merged->value_count, sizeof *b.first);
    status = status || (b.map && b.first) ? status : weld_fail_memory(err, "quantisation");
    status = status ? status : build(&b, err);
    weld_free(b.rows.activation);
    weld_free(b.map);
    weld_free(b.first);
    if (!status) {
        *out = nodes.graph;
        nodes.graph = NULL;
    }
    if (!status && merged) {
        *merged = nodes.merged;
        nodes.merged = NULL;
    }
    weld_merged_nodes_free(&nodes);
    return status;
}
