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

/* Versions of the format, each with the first operator set that came with it. */
static const weld_onnx_versions ir_versions[] = {{WELD_ONNX_OLDEST, 4},
                                                 {10, 5},
                                                 {11, 6},
                                                 {12, 7},
                                                 {15, 8},
                                                 {19, 9},
                                                 {21, 10},
                                                 {23, 11},
                                                 {24, 12},
                                                 {25, 13},
                                                 {28, 14}};

static int ir_version_of(int opset) {
    int ir = 0;
    for (size_t i = 0; i < sizeof ir_versions / sizeof *ir_versions; i++) {
        ir = ir_versions[i].opset <= opset ? ir_versions[i].ir : ir;
    }
    return ir;
}

/* --- The graph -------------------------------------------------------------------------------- */

/* The one input of a graph that can be written; NULL, with the error set, where there is none. */
static const weld_value *find_input(const weld_graph *g, const weld_onnx_options *options,
                                    const char *path, weld_error *err) {
    const char *name = options->input ? options->input : WELD_ONNX_INPUT;
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
    if (weld_graph_output(g, name)) {
        weld_fail(err, WELD_ERROR_ARGUMENT,
                  "%s: the graph has an output '%s', which is what the input is called in ONNX: "
                  "call it otherwise",
                  path, name);
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

/* name NULL: of this size. */
static WeldOnnx__TensorShapeProto__Dimension *new_dimension(weld_onnx_builder *b, int64_t size,
                                                            char *name) {
    WeldOnnx__TensorShapeProto__Dimension *d = weld_onnx_alloc(b, 1, sizeof *d);
    if (d) {
        *d = (WeldOnnx__TensorShapeProto__Dimension)WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
        d->value_case = name ? WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                             : WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (name) {
            d->dim_param = name;
        } else {
            d->dim_value = size;
        }
    }
    return d;
}

/* Channels first, as images are in the file. */
static weld_shape outer_shape(weld_shape s) {
    return s.rank == 4 ? WELD_SHAPE(s.dim[0], s.dim[3], s.dim[1], s.dim[2]) : s;
}

/* An input or output of the file. `open`: what dimensions are called that have no size. */
static WeldOnnx__ValueInfoProto *new_value_info(weld_onnx_builder *b, const char *name,
                                                weld_shape shape, char *open[WELD_MAX_DIMS]) {
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
    for (int i = 0; i < shape.rank; i++) {
        all->dims[i] = new_dimension(b, shape.dim[i], open[i]);
    }
    return &all->info;
}

/* The name of an output's dimension that is another one for images of other sizes. */
static char *dimension_name(weld_onnx_builder *b, const char *output, int rank, int i) {
    return rank == 4 && i >= 2 ? weld_onnx_text(b, "%s_%s", output, i == 2 ? "height" : "width")
                               : weld_onnx_text(b, "%s_%d", output, i);
}

static WeldOnnx__ValueInfoProto *new_output(weld_onnx_builder *b, const weld_plan *plan, size_t i,
                                            char *batch, const weld_onnx_options *options) {
    const weld_named_value *output = &b->graph->outputs[i];
    const weld_shape shape = outer_shape(output->value->shape);
    char *open[WELD_MAX_DIMS] = {batch};
    for (size_t k = 0; k < options->other_count; k++) {
        const weld_shape other = outer_shape(options->others[k]->outputs[i].value->shape);
        for (int d = 1; d < shape.rank; d++) {
            if (other.dim[d] != shape.dim[d] && !open[d]) {
                open[d] = dimension_name(b, output->name, shape.rank, d);
            }
        }
    }
    return new_value_info(b, output->name, outer_shape(plan->specs[output->value->id].shape), open);
}

static WeldOnnx__ValueInfoProto *new_ending(weld_onnx_builder *b, int64_t batch, char *open_batch) {
    weld_shape shape = b->ending->shape;
    char *open[WELD_MAX_DIMS] = {open_batch};
    shape.dim[0] = batch;
    return new_value_info(b, b->ending->name, shape, open);
}

static void build_graph(weld_onnx_builder *b, const weld_plan *plan, const weld_value *input,
                        const weld_onnx_options *options, WeldOnnx__GraphProto *graph) {
    static char batch[] = "batch", height[] = "height", width[] = "width";
    const bool any = options->other_count > 0;
    char *open[WELD_MAX_DIMS] = {options->batch ? NULL : batch, NULL, any ? height : NULL,
                                 any ? width : NULL};
    const size_t outputs = b->ending ? 1 : b->graph->output_count;
    weld_onnx_spell_graph(b);
    for (size_t i = 0; i < options->other_count && b->status == WELD_OK; i++) {
        b->status = weld_onnx_check_size(b, i, options);
    }
    graph->name = (char *)(options->name ? options->name : "network");
    graph->input = weld_onnx_alloc(b, 1, sizeof *graph->input);
    graph->output = weld_onnx_alloc(b, outputs, sizeof *graph->output);
    if (b->status != WELD_OK) {
        return;
    }
    graph->input[graph->n_input++] =
        new_value_info(b, b->input, outer_shape(plan->specs[input->id].shape), open);
    for (size_t i = 0; i < outputs; i++) {
        graph->output[graph->n_output++] = b->ending ? new_ending(b, options->batch, open[0])
                                                     : new_output(b, plan, i, open[0], options);
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

/* The set that the file is of: what was asked for, where it has all that is in it. */
static void choose_opset(weld_onnx_builder *b) {
    char form[32], node[160];
    if (b->wanted >= b->opset) {
        b->opset = b->wanted;
    } else if (b->wanted && b->status == WELD_OK) {
        snprintf(form, sizeof form, "%.*s", (int)strcspn(b->latest, "-"), b->latest);
        weld_onnx_fail(b, WELD_ERROR_ARGUMENT,
                       "opset %d does not have %s in the form that %s needs: opset %d suffices",
                       b->wanted, form, weld_node_text(b->latest_node, node, sizeof node),
                       b->opset);
    }
}

static weld_status check_opset(int opset, const char *path, weld_error *err) {
    return !opset || (opset >= WELD_ONNX_OLDEST && opset <= WELD_ONNX_NEWEST)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: opset %d is not known: files can be of %d to %d", path, opset,
                           WELD_ONNX_OLDEST, WELD_ONNX_NEWEST);
}

static weld_status write_versions(const char *path, WeldOnnx__ModelProto *model,
                                  const weld_onnx_versions *versions, weld_error *err) {
    WeldOnnx__OperatorSetIdProto opset = WELD_ONNX__OPERATOR_SET_ID_PROTO__INIT;
    opset.domain = (char *)"";
    opset.has_version = 1;
    opset.version = versions->opset;
    model->has_ir_version = 1;
    model->ir_version = versions->ir;
    model->n_opset_import = 1;
    model->opset_import = (WeldOnnx__OperatorSetIdProto *[]){&opset};
    model->producer_name = (char *)"weld";
    model->producer_version = (char *)weld_version();
    return write_model(path, model, err);
}

weld_status weld_onnx_write(const char *path, const weld_graph *g, const weld_weights *w,
                            const weld_onnx_options *options, weld_onnx_versions *versions,
                            weld_error *err) {
    weld_plan *plan;
    weld_onnx_builder b;
    const weld_value *input = find_input(g, options, path, err);
    if (!input) {
        return WELD_ERROR_ARGUMENT;
    }
    WELD_TRY(check_opset(options->opset, path, err));
    WELD_TRY(plan_graph(g, input, options->batch, path, &plan, err));
    WeldOnnx__GraphProto graph = WELD_ONNX__GRAPH_PROTO__INIT;
    WeldOnnx__ModelProto model = WELD_ONNX__MODEL_PROTO__INIT;
    weld_status status = weld_onnx_builder_start(&b, g, w, options, path, err);
    if (!status) {
        build_graph(&b, plan, input, options, &graph);
        add_metadata(&b, options->metadata, &model);
        choose_opset(&b);
        status = b.status;
    }
    if (!status) {
        const weld_onnx_versions chosen = {b.opset, ir_version_of(b.opset)};
        model.graph = &graph;
        status = write_versions(path, &model, &chosen, err);
        if (versions) {
            *versions = chosen;
        }
    }
    weld_onnx_builder_free(&b);
    weld_plan_free(plan);
    return status;
}
