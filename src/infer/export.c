/* Models as files for other programs: merge where that is asked for, write, read back, compare, and
 * only then put in place; see export_onnx.c for ONNX. */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "formats/safetensors.h"
#include "serialization/model_metadata.h"
#include "infer/compare.h"
#include "infer/export.h"
#include "models/models.h"
#include "formats/file.h"

typedef enum file_format { SAFETENSORS, ONNX } file_format;

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), end = strlen(ending);
    return length > end && strcmp(path + length - end, ending) == 0;
}

static weld_status check_options(const weld_model *m, const char *path,
                                 const weld_export_options *o, file_format *out,
                                 const weld_naming **naming, weld_error *err) {
    const char *problem = NULL;
    *out = ends_with(path, ".onnx") ? ONNX : SAFETENSORS;
    *naming = weld_model_find_naming(&m->file.config, o->names, err);
    if (!*naming) {
        return weld_fail_context(err, WELD_ERROR_ARGUMENT, "%s", path);
    }
    if (*out == SAFETENSORS && !ends_with(path, ".safetensors")) {
        problem = "the ending tells the format: call it .safetensors or .onnx";
    } else if (*out == ONNX && o->form == WELD_EXPORT_TRAINING) {
        problem = "an ONNX file holds the merged network: take .safetensors for the training form";
    } else if (*out == ONNX && *naming != weld_model_find_naming(&m->file.config, NULL, NULL)) {
        problem = "an ONNX file has the names of the network's own: leave other names out";
    } else if (*out == SAFETENSORS && o->batch != 0) {
        problem = "a safetensors file holds tensors alone, for any batch: leave the batch out";
    } else if (*out == SAFETENSORS && (o->opset || o->features || o->any_size)) {
        problem = "a safetensors file holds tensors alone: opset, features and a dynamic size are "
                  "an ONNX file's";
    } else if (*out == SAFETENSORS && (o->outputs || o->setting_count)) {
        problem = "a safetensors file holds tensors alone: outputs are an ONNX file's";
    } else if (o->tensorrt && (*out == SAFETENSORS || !m->file.quantization)) {
        problem = "the form for TensorRT is of int8 networks as ONNX: it takes others as they are";
    } else if (o->features && (o->outputs || o->setting_count)) {
        problem = "features or other outputs: one of them";
    } else if (o->stride_count && !o->features) {
        problem = "strides choose among features: ask for these too";
    } else if (o->batch < 0) {
        problem = "a batch below 1: take 0 for any or a number from 1";
    } else if (o->form == WELD_EXPORT_TRAINING && weld_model_is_merged(m)) {
        problem = "the branches of the model are merged, which cannot be undone: export the "
                  "training checkpoint";
    }
    return problem ? weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s", path, problem) : WELD_OK;
}

/* --- safetensors ------------------------------------------------------------------------------ */

typedef char tensor_name[WELD_TENSOR_NAME_SIZE];

/* A weight that reads images, for a naming whose images have their channels in the other order. */
static weld_status turn_channels(const weld_model *m, weld_safetensors_tensor *t, size_t i,
                                 void **made, weld_error *err) {
    const weld_value *leaf = weld_graph_find_leaf(m->graph, weld_weights_name(m->file.weights, i));
    if (!leaf || !weld_model_reads_images(m->graph, leaf)) {
        return WELD_OK;
    }
    *made = weld_alloc(1, weld_tensor_bytes(&t->tensor));
    if (!*made) {
        return weld_fail_memory(err, t->name);
    }
    weld_turn_channels(&t->tensor, *made);
    t->tensor.data = *made;
    return WELD_OK;
}

/* `made` gets what was made for the file alone. */
static weld_status collect_tensors(const weld_model *m, const weld_naming *naming,
                                   tensor_name *names, weld_safetensors_tensor *tensors,
                                   void **made, weld_error *err) {
    const weld_weights *w = m->file.weights;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < weld_weights_count(w) && !status; i++) {
        status =
            weld_model_tensor_name(&m->file.config, naming, weld_weights_name(w, i), names[i], err);
        tensors[i] = (weld_safetensors_tensor){names[i], weld_weights_tensor(w, i)};
        tensors[i].tensor.shape =
            weld_naming_shape(naming, weld_weights_name(w, i), tensors[i].tensor.shape);
        if (!status && naming->bgr) {
            status = turn_channels(m, &tensors[i], i, &made[i], err);
        }
    }
    return status;
}

/* Tensors that files have and graphs have not, behind those of the weights; `made` gets their
 * elements. */
static weld_status collect_constants(const weld_model *m, weld_safetensors_tensor *tensors,
                                     void **made, size_t *count, weld_error *err) {
    const weld_constant_tensor *c = weld_family_of(&m->file.config)->constants;
    for (; c && c->name; c++, ++*count) {
        const int64_t elements = weld_shape_count(&c->shape);
        float *values = weld_alloc((size_t)elements, sizeof *values);
        if (!values) {
            return weld_fail_memory(err, c->name);
        }
        for (int64_t i = 0; i < elements; i++) {
            values[i] = (float)c->element(i);
        }
        made[*count] = values;
        tensors[*count] =
            (weld_safetensors_tensor){c->name, (weld_tensor){WELD_F32, c->shape, values}};
    }
    return WELD_OK;
}

static size_t constant_count(const weld_model *m) {
    size_t count = 0;
    const weld_constant_tensor *c = weld_family_of(&m->file.config)->constants;
    while (c && c[count].name) {
        count++;
    }
    return count;
}

static weld_status write_tensors(const weld_model *m, const weld_naming *naming,
                                 weld_replacement *r, weld_error *err) {
    size_t count = weld_weights_count(m->file.weights);
    const size_t all = count + constant_count(m);
    weld_metadata metadata = {0};
    tensor_name *names = weld_alloc(count, sizeof *names);
    weld_safetensors_tensor *tensors = weld_alloc(all, sizeof *tensors);
    void **made = weld_alloc(all, sizeof *made);
    weld_status status = names && tensors && made ? weld_metadata_create(&m->file, &metadata, err)
                                                  : weld_fail_memory(err, "names of tensors");
    status = status ? status : weld_metadata_add_graph(&metadata, &m->file, err);
    status = status ? status : collect_tensors(m, naming, names, tensors, made, err);
    status = status ? status : collect_constants(m, tensors, made, &count, err);
    status = status ? status : weld_safetensors_write(r, tensors, count, &metadata, err);
    weld_metadata_free(&metadata);
    for (size_t i = 0; made && i < count; i++) {
        weld_free(made[i]);
    }
    weld_free(made);
    weld_free(tensors);
    weld_free(names);
    return status;
}

static weld_status compare(weld_verification *v, const weld_model *m, weld_error *err) {
    WELD_TRY(weld_model_compare(v->original, m, v->data, v->threads, &v->found, err));
    return weld_comparison_check(&v->found, "exporting", err);
}

/* Compare the model that a reader finds in what was written. */
static weld_status verify_written(weld_verification *v, const weld_replacement *r,
                                  weld_error *err) {
    weld_model *written;
    weld_status status = weld_model_open(weld_replacement_temporary(r), &written, err);
    if (status) {
        return weld_fail_context(err, status, "reading again what was written");
    }
    status = compare(v, written, err);
    weld_model_free(written);
    return status;
}

static weld_status export_safetensors(const weld_model *m, const char *path,
                                      const weld_naming *naming, weld_verification *v,
                                      weld_error *err) {
    weld_replacement *r;
    WELD_TRY(weld_replacement_open(path, &r, err));
    weld_status status = write_tensors(m, naming, r, err);
    status = status ? status : verify_written(v, r, err);
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}

weld_status weld_model_export_on(const weld_model *m, const weld_model_data *data, const char *path,
                                 const weld_export_options *options, weld_export_report *report,
                                 weld_error *err) {
    file_format format;
    const weld_naming *naming;
    weld_model *merged = NULL;
    weld_verification v = {.original = m, .data = data, .threads = options->threads};
    weld_export_report made = {.bytes = 0};
    weld_status status = check_options(m, path, options, &format, &naming, err);
    if (!status && format == SAFETENSORS &&
        weld_model_expect_floats(
            m, "a safetensors file holds floats: --float writes what its integers stand for",
            err)) {
        status = weld_fail_context(err, WELD_ERROR_ARGUMENT, "%s", path);
    }
    if (!status && options->form == WELD_EXPORT_MERGED && !weld_model_is_merged(m)) {
        status = weld_model_merged(m, &merged, err);
    }
    if (status) {
        return status;
    }
    const weld_model *exported = merged ? merged : m;
    made.counts = weld_graph_counts(exported->graph);
    made.counts.tensors += format == SAFETENSORS ? (int64_t)constant_count(exported) : 0;
    status = format == ONNX ? weld_export_onnx(exported, path, options, &v, &made, err)
                            : export_safetensors(exported, path, naming, &v, err);
    if (!status && report) {
        struct stat info = {0};
        weld_file_look(path, &info);
        made.bytes = (int64_t)info.st_size;
        made.comparison = v.found;
        *report = made;
    }
    weld_model_free(merged);
    return status;
}

weld_status weld_model_export(const weld_model *m, const char *path,
                              const weld_export_options *options, weld_export_report *report,
                              weld_error *err) {
    weld_model_data data;
    WELD_TRY(weld_model_data_open(m, options->verify, &data, err));
    weld_status status = weld_model_export_on(m, &data, path, options, report, err);
    weld_model_data_close(&data);
    return status;
}
