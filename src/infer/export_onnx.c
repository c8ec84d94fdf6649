/* A model as an ONNX file: which of its values the file gives, for images of one size or of any.
 * See serialization/onnx.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "infer/compare.h"
#include "infer/export.h"
#include "infer/export_symmetric.h"
#include "infer/model.h"
#include "infer/stages.h"
#include "passes/symmetric_codes.h"
#include "serialization/model_metadata.h"
#include "serialization/onnx.h"
#include "serialization/quantization_text.h"

/* Height and width beside the model's own at which the file must be the same: even and odd, smaller
 * and larger, of other proportions. */
enum { OTHERS = 3 };

/* Of a network of integers, where nobody asks for another: GELU is an operator there. */
enum { INTEGERS_OPSET = 20 };

static void other_size(const weld_model *m, int i, int64_t size[2]) {
    const weld_preprocessing *p = &m->file.preprocessing;
    const int64_t h = p->height, w = p->width;
    const int of_family = weld_family_of(&m->file.config)->size_step;
    const int64_t step = of_family ? of_family : 1, half = (h / 2 + step) / step * step;
    const int64_t sizes[OTHERS][2] = {{h + 32, w + 64}, {h + step, w + 3 * step}, {half, 2 * w}};
    size[0] = sizes[i][0];
    size[1] = sizes[i][1];
}

/* --- What the file gives ---------------------------------------------------------------------- */

/* How the file is asked for, from the network's task. layout NULL: as the task has none, or for
 * features. */
typedef struct form {
    weld_file_request request;
    unsigned char values[WELD_TASK_VALUES_SIZE];
    weld_onnx_ending ending;
} form;

/* A part of the network; of integers with its codes. */
typedef struct part {
    weld_graph *graph;
    weld_quantization codes;
} part;

typedef struct cut {
    const weld_model *model;
    const weld_export_options *options;
    const weld_file_layout *layout;
    int64_t height, width;
    weld_quantization codes; /* of what was cut last */
} cut;

/* The codes of `copy`, which is a part of g, which has those of `of`. Frees `of`. */
static weld_status follow(weld_quantization *of, const weld_graph *g, const weld_graph *copy,
                          weld_error *err) {
    weld_quantization made;
    const weld_status status = weld_quantization_follow(of, g, copy, &made, err);
    weld_quantization_free(of);
    if (!status) {
        *of = made;
    }
    return status;
}

/* g has been given more nodes, which are floats. */
static weld_status extend(weld_quantization *q, const weld_graph *g, weld_error *err) {
    weld_quantization longer;
    WELD_TRY(weld_quantization_create(g, &longer, err));
    memcpy(longer.codes, q->codes, q->value_count * sizeof *q->codes);
    memcpy(longer.float_nodes, q->float_nodes, q->node_count * sizeof *q->float_nodes);
    weld_quantization_free(q);
    *q = longer;
    return WELD_OK;
}

/* c->codes become those of g, which is the model's graph or the same built anew. */
static weld_status take_codes(cut *c, const weld_graph *g, weld_error *err) {
    const weld_quantization *q = c->model->file.quantization;
    weld_quantization_free(&c->codes);
    return q ? weld_quantization_follow(q, c->model->graph, g, &c->codes, err) : WELD_OK;
}

static weld_status pass_codes(cut *c, const weld_graph *g, const weld_graph *copy,
                              weld_error *err) {
    return c->model->file.quantization ? follow(&c->codes, g, copy, err) : WELD_OK;
}

static bool is_among(int stride, const int *strides, int count) {
    bool found = false;
    for (int i = 0; i < count; i++) {
        found = found || strides[i] == stride;
    }
    return found;
}

/* All strides that were asked for must be there. */
static weld_status check_strides(const weld_export_options *o, const weld_stage_map *maps,
                                 size_t count, weld_error *err) {
    int strides[WELD_MAX_STAGES];
    char list[WELD_MAX_STAGES * 8] = "";
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(list);
        strides[i] = maps[i].stride;
        snprintf(list + used, sizeof list - used, "%s%d", i ? ", " : "", strides[i]);
    }
    for (int i = 0; i < o->stride_count; i++) {
        if (!is_among(o->strides[i], strides, (int)count)) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "there is no map of stride %d: the network's are %s", o->strides[i],
                             list);
        }
    }
    return WELD_OK;
}

static weld_status cut_maps(const weld_graph *g, cut *c, weld_graph **out, weld_error *err) {
    weld_stage_map maps[WELD_MAX_STAGES];
    weld_named_value values[WELD_MAX_STAGES];
    char names[WELD_MAX_STAGES][16];
    size_t found, count = 0;
    WELD_TRY(weld_stage_maps_find(g, &c->model->file.config, maps, &found, err));
    WELD_TRY(check_strides(c->options, maps, found, err));
    for (size_t i = 0; i < found; i++) {
        if (!c->options->stride_count ||
            is_among(maps[i].stride, c->options->strides, c->options->stride_count)) {
            snprintf(names[count], sizeof names[count], "stride%d", maps[i].stride);
            values[count] = (weld_named_value){names[count], maps[i].value};
            count++;
        }
    }
    return weld_graph_cut(g, WELD_SHAPE(1, c->height, c->width, 3), values, count, out, err);
}

static weld_status cut_layout(const weld_graph *g, cut *c, weld_graph **out, weld_error *err) {
    const weld_shape images = WELD_SHAPE(1, c->height, c->width, 3);
    weld_named_value values[WELD_OUTPUTS_MAX];
    weld_graph *own;
    size_t count;
    WELD_TRY(weld_graph_cut(g, images, g->outputs, g->output_count, &own, err));
    weld_status status = pass_codes(c, g, own, err);
    status = status ? status : c->layout->build(own, values, &count, err);
    status = status ? status : weld_graph_status(own, err);
    status = status ? status : c->model->file.quantization ? extend(&c->codes, own, err) : WELD_OK;
    status = status ? status : weld_graph_cut(own, images, values, count, out, err);
    if (!status) {
        status = pass_codes(c, own, *out, err);
    }
    weld_graph_free(own);
    return status;
}

static weld_status cut_as_asked(const weld_graph *g, cut *c, weld_graph **out, weld_error *err) {
    *out = NULL;
    WELD_TRY(take_codes(c, g, err));
    if (c->layout && !c->options->features) {
        return cut_layout(g, c, out, err);
    }
    WELD_TRY(c->options->features ? cut_maps(g, c, out, err)
                                  : weld_graph_cut(g, WELD_SHAPE(1, c->height, c->width, 3),
                                                   g->outputs, g->output_count, out, err));
    return pass_codes(c, g, *out, err);
}

/* A weld_model_part. Sizes that a reshape says may come to images of another batch. */
static weld_status cut_outputs(const weld_graph *g, void *context, weld_graph **out,
                               weld_error *err) {
    cut *c = context;
    const weld_status made = cut_as_asked(g, c, out, err);
    if (made) {
        weld_graph_free(*out);
        *out = NULL;
        return made;
    }
    for (size_t i = 0; i < (*out)->output_count; i++) {
        const weld_shape *shape = &(*out)->outputs[i].value->shape;
        if (shape->rank < 1 || shape->dim[0] != 1) {
            weld_status status =
                weld_fail(err, WELD_ERROR_SHAPE,
                          "for images of %lld x %lld the network's '%s' is not one for each image",
                          (long long)c->height, (long long)c->width, (*out)->outputs[i].name);
            weld_graph_free(*out);
            *out = NULL;
            return status;
        }
    }
    return WELD_OK;
}

static weld_status cut_part(const weld_model *m, const weld_export_options *o,
                            const weld_file_layout *layout, int64_t height, int64_t width,
                            part *out, weld_error *err) {
    cut c = {.model = m, .options = o, .layout = layout, .height = height, .width = width};
    const weld_status status = weld_model_cut(m, height, width, cut_outputs, &c, &out->graph, err);
    out->codes = c.codes;
    return status;
}

static void free_part(part *p) {
    weld_graph_free(p->graph);
    weld_quantization_free(&p->codes);
}

/* others: as many as are needed, the rest is zero; to be freed after errors too. */
static weld_status cut_others(const weld_model *m, const weld_export_options *o,
                              const weld_file_layout *layout, part others[OTHERS],
                              weld_error *err) {
    const weld_preprocessing *p = &m->file.preprocessing;
    if (o->any_size && weld_family_of(&m->file.config)->position_grids) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "height and width cannot be left open: the network's tables of positions "
                         "are for images of %d: give a fixed size",
                         p->height);
    }
    for (int i = 0; i < OTHERS && o->any_size; i++) {
        int64_t size[2];
        other_size(m, i, size);
        weld_status status = cut_part(m, o, layout, size[0], size[1], &others[i], err);
        if (status) {
            return weld_fail_context(err, status, "height and width cannot be left open");
        }
    }
    return WELD_OK;
}

/* --- The file --------------------------------------------------------------------------------- */

/* Compare what goes into the file; there is nothing to compare where m is that itself, unless to
 * run it on somebody's images. */
static weld_status verify_merged(weld_verification *v, const weld_model *m, bool features,
                                 weld_error *err) {
    if (v->original == m && !v->data->ds) {
        return WELD_OK;
    }
    WELD_TRY(features ? weld_model_compare_maps(v->original, m, v->threads, &v->found, err)
                      : weld_model_compare(v->original, m, v->data, v->threads, &v->found, err));
    return weld_comparison_check(&v->found, "merging", err);
}

/* "NAME [batch, 84, 8400]", as the file has it: channels first. other: the shape for images of
 * another size, where any will do; else NULL. */
static void report_output(const char *name, const weld_shape *shape, const weld_shape *other,
                          int64_t batch, weld_export_report *report) {
    static const int channels_first[] = {0, 3, 1, 2};
    char *text = report->output_shapes;
    const size_t size = sizeof report->output_shapes;
    weld_append(report->outputs, sizeof report->outputs, "%s%s", *text ? ", " : "", name);
    weld_append(text, size, "%s%s [", *text ? ", " : "", name);
    for (int i = 0; i < shape->rank; i++) {
        const int d = shape->rank == 4 ? channels_first[i] : i;
        const int64_t length = i == 0 ? batch : shape->dim[d];
        const bool open = i == 0 ? batch == 0 : other && other->dim[d] != length;
        weld_append(text, size, i ? ", " : "");
        if (open) {
            weld_append(text, size, i == 0 ? "batch" : "any");
        } else {
            weld_append(text, size, "%lld", (long long)length);
        }
    }
    weld_append(text, size, "]");
}

static void report_graph(const weld_graph *g, const part others[OTHERS],
                         const weld_export_options *o, const form *f, weld_export_report *report) {
    report->counts = weld_graph_counts(g);
    if (f->ending.name) {
        report_output(f->ending.name, &f->ending.shape, NULL, o->batch, report);
        return;
    }
    for (size_t i = 0; i < g->output_count; i++) {
        report_output(g->outputs[i].name, &g->outputs[i].value->shape,
                      others[0].graph ? &others[0].graph->outputs[i].value->shape : NULL, o->batch,
                      report);
    }
}

/* Metadata of any file, and of this one. */
static weld_status make_metadata(const weld_model *m, const form *f, weld_metadata *out,
                                 weld_error *err) {
    char *text = NULL;
    weld_status status = f->request.layout
                             ? weld_model_task(m)->file_metadata(&m->file, &f->request, out, err)
                             : WELD_OK;
    if (!status && m->file.quantization) {
        status = weld_quantization_to_text(m->graph, m->file.quantization, &text, err);
        status = status ? status : weld_metadata_add(out, WELD_METADATA_QUANTIZATION, text, err);
    }
    return status;
}

static weld_status write_parts(const weld_model *m, const weld_weights *w, const char *path,
                               const part *p, const part others[OTHERS],
                               const weld_export_options *o, const form *f,
                               weld_export_report *report, weld_error *err) {
    const weld_file_layout *layout = f->request.layout;
    const bool integers = m->file.quantization != NULL;
    weld_graph *graphs[OTHERS];
    weld_quantization codes[OTHERS];
    weld_metadata metadata;
    weld_onnx_versions versions = {0};
    for (int i = 0; i < OTHERS; i++) {
        graphs[i] = others[i].graph;
        codes[i] = others[i].codes;
    }
    WELD_TRY(weld_metadata_create(&m->file, &metadata, err));
    const weld_onnx_options options = {.batch = o->batch,
                                       .opset = o->opset || !integers ? o->opset : INTEGERS_OPSET,
                                       .others = graphs,
                                       .other_count = o->any_size ? OTHERS : 0,
                                       .input = layout ? layout->input : NULL,
                                       .ending = f->ending.spell ? &f->ending : NULL,
                                       .codes = integers ? &p->codes : NULL,
                                       .other_codes = codes,
                                       .signed_codes = o->tensorrt,
                                       .name = m->file.config.name,
                                       .metadata = &metadata};
    weld_status status = make_metadata(m, f, &metadata, err);
    status = status ? weld_fail_context(err, status, "%s", path)
                    : weld_onnx_write(path, p->graph, w, &options, &versions, err);
    weld_metadata_free(&metadata);
    if (!status) {
        report->opset = versions.opset;
        report->ir_version = versions.ir;
        report_graph(p->graph, others, o, f, report);
    }
    return status;
}

/* In the codes of runtimes whose zero points are 0. */
static weld_status make_symmetric(part *p, weld_error *err) {
    weld_quantization made;
    if (!p->graph) {
        return WELD_OK;
    }
    WELD_TRY(weld_symmetric_codes(p->graph, &p->codes, &made, err));
    weld_quantization_free(&p->codes);
    p->codes = made;
    return WELD_OK;
}

static weld_status write_symmetric(const weld_model *m, const char *path, part *p,
                                   part others[OTHERS], const weld_export_options *o, const form *f,
                                   weld_export_report *report, weld_error *err) {
    weld_weights *w;
    WELD_TRY(weld_symmetric_weights(m->graph, m->file.quantization, m->file.weights, &w, err));
    weld_status status = make_symmetric(p, err);
    for (int i = 0; i < OTHERS && !status; i++) {
        status = make_symmetric(&others[i], err);
    }
    status = status ? status : write_parts(m, w, path, p, others, o, f, report, err);
    weld_weights_free(w);
    return status;
}

static weld_status check_features(const weld_model *m, const weld_model_data *data,
                                  weld_error *err) {
    return data->ds ? weld_fail(err, WELD_ERROR_ARGUMENT,
                                "maps have no labels to be scored by: leave out the images to "
                                "verify on")
                    : weld_stage_maps_exist(&m->file.config, err);
}

static weld_status read_form(const weld_model *m, const weld_export_options *o, form *f,
                             weld_error *err) {
    const weld_task *task = weld_model_task(m);
    *f = (form){.request = {.values = f->values, .batch = o->batch, .any_size = o->any_size}};
    if (o->features) {
        return WELD_OK;
    }
    WELD_TRY(weld_task_find_layout(task, o->outputs, &f->request.layout, err));
    WELD_TRY(
        weld_task_answer_values(task, true, o->settings, (size_t)o->setting_count, f->values, err));
    if (f->request.layout && f->request.layout->ending) {
        f->ending = f->request.layout->ending(f->values);
    } else if (o->setting_count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is for outputs that are chosen from in the file (nms)",
                         o->settings[0]);
    }
    return WELD_OK;
}

weld_status weld_export_onnx(const weld_model *m, const char *path,
                             const weld_export_options *options, weld_verification *v,
                             weld_export_report *report, weld_error *err) {
    const weld_preprocessing *p = &m->file.preprocessing;
    part whole = {0}, others[OTHERS] = {{0}};
    form f;
    weld_status status = options->features ? check_features(m, v->data, err) : WELD_OK;
    status = status ? status : read_form(m, options, &f, err);
    const weld_file_layout *layout = status ? NULL : f.request.layout;
    status = status ? status : cut_part(m, options, layout, p->height, p->width, &whole, err);
    status = status ? status : cut_others(m, options, layout, others, err);
    if (status) {
        weld_fail_context(err, status, "%s", path);
    } else if (options->tensorrt) {
        status = weld_export_symmetric_verify(m, v, report, err);
        status =
            status ? status : write_symmetric(m, path, &whole, others, options, &f, report, err);
    } else {
        status = verify_merged(v, m, options->features, err);
        status = status ? status
                        : write_parts(m, m->file.weights, path, &whole, others, options, &f, report,
                                      err);
    }
    free_part(&whole);
    for (int i = 0; i < OTHERS; i++) {
        free_part(&others[i]);
    }
    return status;
}
