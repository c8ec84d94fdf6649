/* ONNX files, written; see onnx.h.
 *
 * The messages are structs that protobuf-c's compiler made of ONNX's own onnx.proto; the elements
 * of the weights stay where they are, and packing streams straight into the file.
 */
#include "serialization/onnx.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "graph/plan.h"
#include "serialization/onnx_builder.h"

enum { IR_VERSION = 8 };
#define INPUT_NAME "input"
#define BATCH_NAME "batch"

/* --- The graph -------------------------------------------------------------------------------- */

/* The one input of a graph that can be written; NULL, with the error set, where there is none. */
static const weld_value *find_input(const weld_graph *g, const char *path, weld_error *err) {
    const weld_value *input = NULL;
    int inputs = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        if (g->values[i]->kind == WELD_VALUE_INPUT) {
            input = g->values[i];
            inputs++;
        }
    }
    if (g->dtype != WELD_F32 || inputs != 1 || input->shape.rank != 4 || g->output_count == 0) {
        weld_fail(err, WELD_ERROR_ARGUMENT,
                  "%s: a graph of %s with %d inputs and %zu outputs cannot be written as ONNX: it "
                  "must be of f32 with one image [n, h, w, c] as its input",
                  path, weld_dtype_name(g->dtype), inputs, g->output_count);
        return NULL;
    }
    if (weld_graph_output(g, INPUT_NAME)) {
        weld_fail(err, WELD_ERROR_ARGUMENT,
                  "%s: the graph has an output '%s', which is what the input is called in ONNX: "
                  "call it otherwise",
                  path, INPUT_NAME);
        return NULL;
    }
    return input;
}

/* Shapes of the graph at the batch that is to be written. For any batch, one that the
 * graph was not built for shows whether it follows. */
static weld_status plan_graph(const weld_graph *g, const weld_value *input, int64_t batch,
                              const char *path, weld_plan **out, weld_error *err) {
    if (batch < 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: a batch of %lld: must not be negative",
                         path, (long long)batch);
    }
    int64_t tried = batch > 0 ? batch : input->shape.dim[0] + 1;
    const weld_session_options options = {
        .batch = tried, .threads = 1, .isa = "ref", .node_by_node = true};
    weld_status status = weld_plan_create(g, &options, out, err);
    for (size_t i = 0; i < g->output_count && !status; i++) {
        const weld_shape *shape = &(*out)->specs[g->outputs[i].value->id].shape;
        if (batch == 0 && (shape->rank < 1 || shape->dim[0] != tried)) {
            weld_plan_free(*out);
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "%s: output '%s' has no dimension for the batch: give a fixed batch",
                             path, g->outputs[i].name);
        }
    }
    return !status ? status : weld_fail_context(err, status, "%s", path);
}

static WeldOnnx__TensorShapeProto__Dimension *new_dimension(weld_onnx_builder *b, int64_t size) {
    WeldOnnx__TensorShapeProto__Dimension *d = weld_onnx_alloc(b, 1, sizeof *d);
    if (d) {
        *d = (WeldOnnx__TensorShapeProto__Dimension)WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
        if (size > 0) {
            d->value_case = WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = size;
        } else {
            d->value_case = WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = (char *)BATCH_NAME;
        }
    }
    return d;
}

/* An input or output of the file: a value of the graph with this shape, but for an image's layout
 * and, in the first place, the batch (0: any). */
static WeldOnnx__ValueInfoProto *new_value_info(weld_onnx_builder *b, const char *name,
                                                weld_shape shape, bool any_batch) {
    struct {
        WeldOnnx__ValueInfoProto info;
        WeldOnnx__TypeProto type;
        WeldOnnx__TypeProto__Tensor tensor;
        WeldOnnx__TensorShapeProto shape;
        WeldOnnx__TensorShapeProto__Dimension *dims[WELD_MAX_DIMS];
    } *all = weld_onnx_alloc(b, 1, sizeof *all);
    if (!all) {
        return NULL;
    }
    all->info = (WeldOnnx__ValueInfoProto)WELD_ONNX__VALUE_INFO_PROTO__INIT;
    all->type = (WeldOnnx__TypeProto)WELD_ONNX__TYPE_PROTO__INIT;
    all->tensor = (WeldOnnx__TypeProto__Tensor)WELD_ONNX__TYPE_PROTO__TENSOR__INIT;
    all->shape = (WeldOnnx__TensorShapeProto)WELD_ONNX__TENSOR_SHAPE_PROTO__INIT;
    all->info.name = (char *)name;
    all->info.type = &all->type;
    all->type.value_case = WELD_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    all->type.tensor_type = &all->tensor;
    all->tensor.has_elem_type = 1;
    all->tensor.elem_type = WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    all->tensor.shape = &all->shape;
    all->shape.n_dim = (size_t)shape.rank;
    all->shape.dim = all->dims;
    if (shape.rank == 4) {
        shape = WELD_SHAPE(shape.dim[0], shape.dim[3], shape.dim[1], shape.dim[2]);
    }
    for (int i = 0; i < shape.rank; i++) {
        all->dims[i] = new_dimension(b, i == 0 && any_batch ? 0 : shape.dim[i]);
    }
    return &all->info;
}

static void spell_needed(weld_onnx_builder *b) {
    const weld_graph *g = b->graph;
    bool *needed = weld_onnx_alloc(b, g->value_count, sizeof *needed);
    if (needed) {
        weld_graph_find_needed(g, g->outputs, g->output_count, needed);
    }
    for (size_t i = 0; i < g->node_count && b->status == WELD_OK; i++) {
        if (weld_node_is_needed(g->nodes[i], needed)) {
            weld_onnx_spell(b, g->nodes[i]);
        }
    }
}

static void build_graph(weld_onnx_builder *b, const weld_plan *plan, const weld_value *input,
                        const weld_onnx_options *options, WeldOnnx__GraphProto *graph) {
    const weld_graph *g = b->graph;
    bool any_batch = options->batch == 0;
    b->values[input->id].names[WELD_ONNX_CHANNELS_FIRST] = weld_onnx_text(b, INPUT_NAME);
    spell_needed(b);
    weld_onnx_add_outputs(b);
    graph->name = (char *)(options->name ? options->name : "network");
    graph->input = weld_onnx_alloc(b, 1, sizeof *graph->input);
    graph->output = weld_onnx_alloc(b, g->output_count, sizeof *graph->output);
    if (b->status != WELD_OK) {
        return;
    }
    graph->input[graph->n_input++] =
        new_value_info(b, INPUT_NAME, plan->specs[input->id].shape, any_batch);
    for (size_t i = 0; i < g->output_count; i++) {
        const weld_named_value *output = &g->outputs[i];
        graph->output[graph->n_output++] =
            new_value_info(b, output->name, plan->specs[output->value->id].shape, any_batch);
    }
    graph->n_node = b->nodes.count;
    graph->node = b->nodes.data;
    graph->n_initializer = b->initializers.count;
    graph->initializer = b->initializers.data;
}

/* --- The model -------------------------------------------------------------------------------- */

static void add_metadata(weld_onnx_builder *b, const weld_metadata *metadata,
                         WeldOnnx__ModelProto *model) {
    size_t count = metadata ? metadata->count : 0;
    WeldOnnx__StringStringEntryProto *entries = weld_onnx_alloc(b, count, sizeof *entries);
    model->metadata_props = weld_onnx_alloc(b, count, sizeof *model->metadata_props);
    for (size_t i = 0; i < count && b->status == WELD_OK; i++) {
        entries[i] = (WeldOnnx__StringStringEntryProto)WELD_ONNX__STRING_STRING_ENTRY_PROTO__INIT;
        entries[i].key = (char *)metadata->items[i].key;
        entries[i].value = metadata->items[i].text;
        model->metadata_props[model->n_metadata_props++] = &entries[i];
    }
}

/* --- The file --------------------------------------------------------------------------------- */

/* What packing writes to: small pieces are gathered, large ones go to the file at once. */
typedef struct stream {
    ProtobufCBuffer base;
    weld_replacement *file;
    weld_status status;
    weld_error *err;
    size_t gathered;
    uint8_t bytes[1 << 14];
} stream;

static void write_gathered(stream *s) {
    if (s->status == WELD_OK && s->gathered > 0) {
        s->status = weld_replacement_write(s->file, s->bytes, s->gathered, s->err);
    }
    s->gathered = 0;
}

static void append(ProtobufCBuffer *buffer, size_t length, const uint8_t *data) {
    stream *s = (stream *)buffer;
    if (length > sizeof s->bytes - s->gathered) {
        write_gathered(s);
    }
    if (length > sizeof s->bytes) {
        s->status = s->status == WELD_OK ? weld_replacement_write(s->file, data, length, s->err)
                                         : s->status;
    } else if (length > 0) {
        memcpy(s->bytes + s->gathered, data, length);
        s->gathered += length;
    }
}

static weld_status write_model(const char *path, const WeldOnnx__ModelProto *model,
                               weld_error *err) {
    size_t size = weld_onnx__model_proto__get_packed_size(model);
    if (size > INT32_MAX) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: an ONNX file of %zu bytes, more than the 2 GiB that a protobuf may "
                         "have: export another format",
                         path, size);
    }
    stream s = {.base = {append}, .err = err};
    WELD_TRY(weld_replacement_open(path, &s.file, err));
    weld_onnx__model_proto__pack_to_buffer(model, &s.base);
    write_gathered(&s);
    if (s.status != WELD_OK) {
        weld_replacement_discard(s.file);
        return s.status;
    }
    return weld_replacement_commit(s.file, err);
}

weld_status weld_onnx_write(const char *path, const weld_graph *g, const weld_weights *w,
                            const weld_onnx_options *options, weld_error *err) {
    weld_plan *plan;
    weld_onnx_builder b;
    const weld_value *input = find_input(g, path, err);
    if (!input) {
        return WELD_ERROR_ARGUMENT;
    }
    WELD_TRY(plan_graph(g, input, options->batch, path, &plan, err));
    WeldOnnx__GraphProto graph = WELD_ONNX__GRAPH_PROTO__INIT;
    WeldOnnx__OperatorSetIdProto opset = WELD_ONNX__OPERATOR_SET_ID_PROTO__INIT;
    WeldOnnx__ModelProto model = WELD_ONNX__MODEL_PROTO__INIT;
    weld_status status = weld_onnx_builder_start(&b, g, w, path, err);
    if (!status) {
        build_graph(&b, plan, input, options, &graph);
        add_metadata(&b, options->metadata, &model);
        status = b.status;
    }
    if (!status) {
        opset.domain = (char *)"";
        opset.has_version = 1;
        opset.version = b.opset;
        model.has_ir_version = 1;
        model.ir_version = IR_VERSION;
        model.n_opset_import = 1;
        model.opset_import = (WeldOnnx__OperatorSetIdProto *[]){&opset};
        model.producer_name = (char *)"weld";
        model.producer_version = (char *)weld_version();
        model.graph = &graph;
        status = write_model(path, &model, err);
    }
    weld_onnx_builder_free(&b);
    weld_plan_free(plan);
    return status;
}
