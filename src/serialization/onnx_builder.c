/* Making the GraphProto of an ONNX file; see onnx_builder.h. */
#include "serialization/onnx_builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"

/* --- Memory and errors ------------------------------------------------------------------------ */

struct weld_onnx_block {
    struct weld_onnx_block *next;
    _Alignas(16) char bytes[];
};

enum { BLOCK_BYTES = 1 << 14 };

static bool add_block(weld_onnx_builder *b, size_t bytes) {
    struct weld_onnx_block *block = weld_alloc(1, sizeof *block + bytes);
    if (!block) {
        weld_onnx_fail(b, WELD_ERROR_MEMORY, "out of memory");
        return false;
    }
    block->next = b->blocks;
    b->blocks = block;
    b->block_left = bytes;
    return true;
}

/* Blocks are used from their end, so that what is left lies at their beginning. */
void *weld_onnx_alloc(weld_onnx_builder *b, size_t count, size_t size) {
    size_t bytes;
    if (b->status != WELD_OK) {
        return NULL;
    }
    if (!weld_mul_size(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        weld_onnx_fail(b, WELD_ERROR_MEMORY, "out of memory");
        return NULL;
    }
    bytes = (bytes + 15) / 16 * 16;
    if ((!b->blocks || bytes > b->block_left) &&
        !add_block(b, bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES)) {
        return NULL;
    }
    b->block_left -= bytes;
    return b->blocks->bytes + b->block_left;
}

char *weld_onnx_text(weld_onnx_builder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = weld_vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = weld_onnx_alloc(b, (size_t)length + 1, 1);
    if (text) {
        va_start(args, format);
        weld_vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

void weld_onnx_fail(weld_onnx_builder *b, weld_status status, const char *format, ...) {
    if (b->status == WELD_OK) {
        char reason[WELD_ERROR_MESSAGE_SIZE];
        va_list args;
        va_start(args, format);
        weld_vsnprintf(reason, sizeof reason, format, args);
        va_end(args);
        b->status = weld_fail(b->err, status, "%s: %s", b->where, reason);
    }
}

weld_status weld_onnx_builder_start(weld_onnx_builder *b, const weld_graph *g,
                                    const weld_weights *w, const weld_onnx_options *options,
                                    const char *where, weld_error *err) {
    *b = (weld_onnx_builder){.graph = g,
                             .weights = w,
                             .input = options->input ? options->input : WELD_ONNX_INPUT,
                             .ending = options->ending,
                             .codes = options->codes,
                             .signed_codes = options->signed_codes,
                             .where = where,
                             .wanted = options->opset,
                             .any_size = options->other_count > 0,
                             .opset = WELD_ONNX_OLDEST,
                             .scope = (char *)"",
                             .nodes = {.element = sizeof(WeldOnnx__NodeProto *)},
                             .initializers = {.element = sizeof(WeldOnnx__TensorProto *)},
                             .constants = {.element = sizeof(weld_onnx_constant)},
                             .err = err};
    b->values = weld_onnx_alloc(b, g->value_count, sizeof *b->values);
    return b->status;
}

void weld_onnx_builder_free(weld_onnx_builder *b) {
    while (b->blocks) {
        struct weld_onnx_block *next = b->blocks->next;
        weld_free(b->blocks);
        b->blocks = next;
    }
    weld_array_free(&b->nodes);
    weld_array_free(&b->initializers);
    weld_array_free(&b->constants);
}

static void append(weld_onnx_builder *b, weld_array *to, void *message) {
    if (b->status == WELD_OK && !weld_array_append(to, &message, 1)) {
        weld_onnx_fail(b, WELD_ERROR_MEMORY, "out of memory");
    }
}

/* --- Names ------------------------------------------------------------------------------------ */

/* Values of a file must not share a name: inputs, outputs, initialisers, results (which have their
 * nodes' names, which must not be shared either). */
static bool is_taken(const weld_onnx_builder *b, const char *name) {
    for (size_t i = 0; i < b->graph->output_count; i++) {
        if (strcmp(b->graph->outputs[i].name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < b->nodes.count; i++) {
        const WeldOnnx__NodeProto *node = ((WeldOnnx__NodeProto **)b->nodes.data)[i];
        if (strcmp(node->name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < b->initializers.count; i++) {
        const WeldOnnx__TensorProto *tensor = ((WeldOnnx__TensorProto **)b->initializers.data)[i];
        if (strcmp(tensor->name, name) == 0) {
            return true;
        }
    }
    return strcmp(name, b->input) == 0 || (b->ending && strcmp(name, b->ending->name) == 0);
}

/* `wanted`, or with a number after it where the name is taken. Leaves come first come, and other
 * values leave their names to them. */
static char *unique(weld_onnx_builder *b, const char *wanted, bool leaf) {
    char *name = weld_onnx_text(b, "%s", wanted);
    for (int i = 2; name && (is_taken(b, name) || (!leaf && weld_graph_find_leaf(b->graph, name)));
         i++) {
        name = weld_onnx_text(b, "%s_%d", wanted, i);
    }
    return name;
}

/* --- Initialisers ----------------------------------------------------------------------------- */

static WeldOnnx__TensorProto *new_tensor(weld_onnx_builder *b, char *name, int type,
                                         const int64_t *dims, int rank, const void *data,
                                         size_t bytes) {
    WeldOnnx__TensorProto *tensor = weld_onnx_alloc(b, 1, sizeof *tensor);
    int64_t *own_dims = weld_onnx_alloc(b, (size_t)rank, sizeof *own_dims);
    if (b->status != WELD_OK) {
        return NULL;
    }
    *tensor = (WeldOnnx__TensorProto)WELD_ONNX__TENSOR_PROTO__INIT;
    if (rank > 0) {
        memcpy(own_dims, dims, (size_t)rank * sizeof *dims);
    }
    tensor->n_dims = (size_t)rank;
    tensor->dims = own_dims;
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->name = name;
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)data};
    append(b, &b->initializers, tensor);
    return tensor;
}

char *weld_onnx_leaf(weld_onnx_builder *b, const char *leaf, weld_dtype dtype, weld_shape shape) {
    static const int types[] = {[WELD_F32] = WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                                [WELD_I8] = WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT8,
                                [WELD_I32] = WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT32};
    weld_tensor t;
    char has[128], wants[128];
    if (!weld_weights_find(b->weights, leaf, &t)) {
        weld_onnx_fail(b, WELD_ERROR_NOT_FOUND,
                       "the weights have no '%s': they belong to another network", leaf);
    } else if (t.dtype != dtype || !weld_shape_equal(&t.shape, &shape)) {
        weld_onnx_fail(b, WELD_ERROR_SHAPE,
                       "'%s' is %s %s, but the graph has %s %s: the weights belong to another "
                       "network",
                       leaf, weld_dtype_name(t.dtype), weld_shape_text(&t.shape, has, sizeof has),
                       weld_dtype_name(dtype), weld_shape_text(&shape, wants, sizeof wants));
    }
    char *name = unique(b, leaf, true);
    if (name) {
        new_tensor(b, name, types[dtype], t.shape.dim, t.shape.rank, t.data, weld_tensor_bytes(&t));
    }
    return name;
}

/* The constant that was asked for under this text before, or a new one with a copy of the bytes. */
static char *constant(weld_onnx_builder *b, char *text, int type, const int64_t *dims, int rank,
                      const void *data, size_t bytes) {
    for (size_t i = 0; text && i < b->constants.count; i++) {
        const weld_onnx_constant *known = (weld_onnx_constant *)b->constants.data + i;
        if (strcmp(known->text, text) == 0) {
            return known->name;
        }
    }
    void *copy = weld_onnx_alloc(b, 1, bytes);
    weld_onnx_constant made = {text, text ? unique(b, text, false) : NULL};
    if (b->status != WELD_OK) {
        return NULL;
    }
    memcpy(copy, data, bytes);
    new_tensor(b, made.name, type, dims, rank, copy, bytes);
    if (!weld_array_append(&b->constants, &made, 1)) {
        weld_onnx_fail(b, WELD_ERROR_MEMORY, "out of memory");
    }
    return made.name;
}

char *weld_onnx_scalar(weld_onnx_builder *b, double value) {
    float element = (float)value;
    return constant(b, weld_onnx_text(b, "constant/%.9g", (double)element),
                    WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, NULL, 0, &element, sizeof element);
}

char *weld_onnx_list(weld_onnx_builder *b, const int64_t *values, int count) {
    weld_shape list = {.rank = count};
    for (int i = 0; i < count; i++) {
        list.dim[i] = values[i];
    }
    char text[160];
    weld_shape_text(&list, text, sizeof text);
    return constant(b, weld_onnx_text(b, "constant/%s", text),
                    WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT64, (int64_t[]){count}, 1, values,
                    (size_t)count * sizeof *values);
}

char *weld_onnx_nothing(weld_onnx_builder *b) {
    const float none[1] = {0};
    return constant(b, weld_onnx_text(b, "constant/none"),
                    WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, (int64_t[]){0}, 1, none, 0);
}

char *weld_onnx_scales(weld_onnx_builder *b, const float values[4]) {
    char *text = weld_onnx_text(b, "constant/scales_%.9g_%.9g_%.9g_%.9g", (double)values[0],
                                (double)values[1], (double)values[2], (double)values[3]);
    return weld_onnx_reals_of(b, text, WELD_SHAPE(4), values);
}

char *weld_onnx_reals_of(weld_onnx_builder *b, char *name, weld_shape shape, const float *values) {
    return constant(b, name, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape.dim, shape.rank,
                    values, (size_t)weld_shape_count(&shape) * sizeof *values);
}

char *weld_onnx_integers_of(weld_onnx_builder *b, char *name, weld_shape shape,
                            const int64_t *values) {
    return constant(b, name, WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT64, shape.dim, shape.rank,
                    values, (size_t)weld_shape_count(&shape) * sizeof *values);
}

char *weld_onnx_bytes_of(weld_onnx_builder *b, char *name, weld_shape shape, bool is_signed,
                         const void *values) {
    return constant(b, name,
                    is_signed ? WELD_ONNX__TENSOR_PROTO__DATA_TYPE__INT8
                              : WELD_ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
                    shape.dim, shape.rank, values, (size_t)weld_shape_count(&shape));
}

/* --- Nodes ------------------------------------------------------------------------------------ */

static WeldOnnx__AttributeProto *new_attribute(weld_onnx_builder *b, const weld_onnx_attribute *a) {
    WeldOnnx__AttributeProto *proto = weld_onnx_alloc(b, 1, sizeof *proto);
    int64_t *integers = weld_onnx_alloc(b, WELD_MAX_DIMS, sizeof *integers);
    if (b->status != WELD_OK) {
        return NULL;
    }
    *proto = (WeldOnnx__AttributeProto)WELD_ONNX__ATTRIBUTE_PROTO__INIT;
    proto->name = (char *)a->name;
    proto->has_type = 1;
    proto->type = a->type;
    if (a->type == WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT) {
        proto->has_f = 1;
        proto->f = a->real;
    } else if (a->type == WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT) {
        proto->has_i = 1;
        proto->i = a->integers[0];
    } else if (a->type == WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING) {
        proto->has_s = 1;
        proto->s = (ProtobufCBinaryData){.len = strlen(a->word), .data = (uint8_t *)a->word};
    } else {
        memcpy(integers, a->integers, sizeof a->integers);
        proto->n_ints = (size_t)a->count;
        proto->ints = integers;
    }
    return proto;
}

static void add_attributes(weld_onnx_builder *b, WeldOnnx__NodeProto *node,
                           const weld_onnx_attribute *attributes) {
    size_t count = 0;
    while (attributes && attributes[count].name) {
        count++;
    }
    node->attribute = weld_onnx_alloc(b, count, sizeof *node->attribute);
    for (; node->n_attribute < count && b->status == WELD_OK; node->n_attribute++) {
        node->attribute[node->n_attribute] = new_attribute(b, &attributes[node->n_attribute]);
    }
}

/* The operator's name alone; that the file needs an operator set which has it is kept. */
static char *read_form(weld_onnx_builder *b, const char *form) {
    const char *dash = strchr(form, '-');
    const int since = (int)strtol(dash + 1, NULL, 10);
    if (since > b->opset) {
        b->opset = since;
        b->latest = form;
        b->latest_node = b->node;
    }
    return weld_onnx_text(b, "%.*s", (int)(dash - form), form);
}

char *weld_onnx_node(weld_onnx_builder *b, const char *form, int count, char *const *inputs,
                     const weld_onnx_attribute *attributes) {
    WeldOnnx__NodeProto *node = weld_onnx_alloc(b, 1, sizeof *node);
    char **own_inputs = weld_onnx_alloc(b, (size_t)count, sizeof *own_inputs);
    char **output = weld_onnx_alloc(b, 1, sizeof *output);
    char *type = read_form(b, form), *name = NULL;
    if (type) {
        name = weld_onnx_text(b, "%s%s%s", b->scope, *b->scope ? "/" : "", type);
    }
    name = name ? unique(b, name, false) : NULL;
    if (b->status != WELD_OK) {
        return NULL;
    }
    *node = (WeldOnnx__NodeProto)WELD_ONNX__NODE_PROTO__INIT;
    memcpy(own_inputs, inputs, (size_t)count * sizeof *inputs);
    *output = name;
    node->name = name;
    node->op_type = type;
    node->n_input = (size_t)count;
    node->input = own_inputs;
    node->n_output = 1;
    node->output = output;
    add_attributes(b, node, attributes);
    append(b, &b->nodes, node);
    return name;
}

WeldOnnx__NodeProto *weld_onnx_last_node(const weld_onnx_builder *b) {
    return ((WeldOnnx__NodeProto **)b->nodes.data)[b->nodes.count - 1];
}

char *weld_onnx_second_output(weld_onnx_builder *b) {
    char **outputs = weld_onnx_alloc(b, 2, sizeof *outputs);
    if (!outputs) {
        return NULL;
    }
    WeldOnnx__NodeProto *last = weld_onnx_last_node(b);
    outputs[0] = last->output[0];
    outputs[1] = weld_onnx_text(b, "%s:1", last->name);
    last->output = outputs;
    last->n_output = 2;
    return outputs[1];
}
