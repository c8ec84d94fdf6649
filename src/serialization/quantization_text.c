/* How a network's values are codes, as JSON text; see quantization_text.h. */
#include "serialization/quantization_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "formats/json.h"
#include "formats/json_text.h"

static const char arithmetic[] = "weld-int8-1";

/* --- Writing. NULL stands for a lack of memory throughout, as in jansson. --- */

static json_t *values_json(const weld_quantization *q) {
    json_t *values = json_array();
    for (size_t i = 0; i < q->value_count; i++) {
        const weld_codes *c = &q->codes[i];
        if (c->scale != 0) {
            weld_json_append(&values, json_pack("{s:I, s:f, s:i}", "value", (json_int_t)i, "scale",
                                                (double)c->scale, "zero", (int)c->zero));
        }
    }
    return values;
}

static json_t *float_json(const weld_graph *g, const weld_quantization *q) {
    json_t *names = json_array();
    for (size_t i = 0; i < q->node_count; i++) {
        if (q->float_nodes[i]) {
            weld_json_append(&names, weld_json_name(g->nodes[i]->inputs[1]->name));
        }
    }
    return names;
}

static weld_status details_json(const weld_quantization *q, json_t **out, weld_error *err) {
    weld_json j = {.where = "quantization: details", .err = err};
    *out = q->details ? weld_json_parse(&j, q->details) : json_object();
    return j.status;
}

weld_status weld_quantization_to_text(const weld_graph *g, const weld_quantization *q, char **text,
                                      weld_error *err) {
    json_t *details;
    WELD_TRY(details_json(q, &details, err));
    json_t *root = json_pack("{s:s, s:o, s:o, s:o}", "arithmetic", arithmetic, "values",
                             values_json(q), "float", float_json(g, q), "details", details);
    return weld_json_text(root, "quantization", text, err);
}

/* --- Reading. --- */

static void read_values(weld_json *j, const json_t *root, weld_quantization *out) {
    const json_t *values = weld_json_array(j, root, "values", 0, out->value_count);
    int64_t before = -1;
    for (size_t i = 0; i < json_array_size(values) && !j->status; i++) {
        const json_t *object = json_array_get(values, i);
        const int64_t id = weld_json_int(j, object, "value", 0, (int64_t)out->value_count - 1);
        const double scale = weld_json_real(j, object, "scale");
        const int64_t zero = weld_json_int(j, object, "zero", INT32_MIN, INT32_MAX);
        weld_json_no_more(j, object, 3);
        if (!j->status && id <= before) {
            weld_json_fail(j, "value %lld: twice, or not in order", (long long)id);
        } else if (!j->status && !isnormal((float)scale)) {
            weld_json_fail(j, "value %lld: scale %g: it must be positive and a normal number",
                           (long long)id, scale);
        }
        before = id;
        if (!j->status) {
            out->codes[id] = (weld_codes){(float)scale, (int32_t)zero};
        }
    }
}

/* By value id: the first layer that has it as its weight. */
static const weld_node **find_layers(const weld_graph *g) {
    const weld_node **layers = weld_alloc(g->value_count, sizeof(weld_node *));
    for (size_t i = g->node_count; layers && i-- > 0;) {
        if (weld_node_is_product(g->nodes[i])) {
            layers[g->nodes[i]->inputs[1]->id] = g->nodes[i];
        }
    }
    return layers;
}

static void read_float(weld_json *j, const json_t *root, const weld_graph *g,
                       weld_quantization *out) {
    const json_t *names = weld_json_array(j, root, "float", 0, out->node_count);
    const weld_node **layers = find_layers(g);
    if (!layers && !j->status) {
        j->status = weld_fail_memory(j->err, j->where);
    }
    for (size_t i = 0; i < json_array_size(names) && !j->status; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        const weld_value *weight = name ? weld_graph_find_leaf(g, name) : NULL;
        const weld_node *layer = weight ? layers[weight->id] : NULL;
        if (!layer || out->float_nodes[layer->id]) {
            weld_json_fail(j, "float: \"%.100s\": %s", name ? name : "",
                           layer ? "twice" : "the network has no such layer");
        } else {
            out->float_nodes[layer->id] = true;
        }
    }
    weld_free(layers);
}

static void read_details(weld_json *j, const json_t *root, weld_quantization *out) {
    const json_t *details = json_object_get(root, "details");
    if (!json_is_object(details)) {
        weld_json_fail(j, "details: missing, or not an object");
        return;
    }
    out->details = weld_json_dump(details, JSON_COMPACT);
    if (!out->details) {
        j->status = weld_fail_memory(j->err, j->where);
    }
}

weld_status weld_quantization_from_text(const char *text, const char *where, const weld_graph *g,
                                        weld_quantization *out, weld_error *err) {
    weld_json j = {.where = where, .err = err};
    json_t *root = weld_json_parse(&j, text);
    if (!root) {
        return j.status;
    }
    j.status = weld_quantization_create(g, out, err);
    const char *is = weld_json_string(&j, root, "arithmetic");
    if (!j.status && strcmp(is, arithmetic) != 0) {
        weld_json_fail(&j, "arithmetic \"%.40s\": this version knows \"%s\" alone", is, arithmetic);
    }
    if (!j.status) {
        read_values(&j, root, out);
    }
    if (!j.status) {
        read_float(&j, root, g, out);
    }
    if (!j.status) {
        read_details(&j, root, out);
    }
    weld_json_no_more(&j, root, 4);
    json_decref(root);
    if (j.status) {
        weld_quantization_free(out);
    }
    return j.status;
}
