/* Merging a model for deployment: rewrite, compare with the original on the same images, write. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json.h"
#include "formats/json_text.h"
#include "infer/compare.h"
#include "passes/fake_quantize.h"
#include "passes/reparameterize.h"

/* --- In memory. ------------------------------------------------------------------------------- */

static weld_status copy_text(const char *text, char **out, weld_error *err) {
    *out = text ? weld_strdup(text) : NULL;
    return !text || *out ? WELD_OK : weld_fail_memory(err, "merged model");
}

static weld_status copy_class_names(const weld_model_file *from, weld_model_file *to,
                                    weld_error *err) {
    int count = from->config.num_classes;
    if (!from->class_names) {
        return WELD_OK;
    }
    to->class_names = weld_alloc((size_t)count, sizeof *to->class_names);
    weld_status status = to->class_names ? WELD_OK : weld_fail_memory(err, "merged model");
    for (int i = 0; i < count && !status; i++) {
        status = copy_text(from->class_names[i], &to->class_names[i], err);
    }
    return status;
}

/* What it was trained for is of the merged network. */
static weld_status copy_codes(const weld_model_file *from, weld_model_file *to, weld_error *err) {
    if (!from->codes) {
        return WELD_OK;
    }
    to->trainer.quantize_weights = from->trainer.quantize_weights;
    to->trainer.quantize_activations = from->trainer.quantize_activations;
    to->code_rows = from->code_rows;
    to->codes = weld_memdup(from->codes, 2 * from->code_rows * sizeof *from->codes);
    if (to->codes && from->steps) {
        to->step_rows = from->step_rows;
        to->steps =
            weld_memdup(from->steps, WELD_STEP_COLUMNS * from->step_rows * sizeof *from->steps);
    }
    return to->codes && (to->steps || !from->steps) ? WELD_OK
                                                    : weld_fail_memory(err, "merged model");
}

weld_status weld_model_merged(const weld_model *m, weld_model **out, weld_error *err) {
    weld_model *merged = weld_alloc(1, sizeof *merged);
    if (!merged) {
        return weld_fail_memory(err, "merged model");
    }
    merged->file = (weld_model_file){.kind = WELD_MODEL_DEPLOY,
                                     .config = m->file.config,
                                     .preprocessing = m->file.preprocessing,
                                     .temperature = m->file.temperature};
    weld_status status = weld_reparameterize(m->graph, m->file.weights, &merged->file.graph,
                                             &merged->file.weights, err);
    merged->graph = merged->file.graph;
    status = status ? status : copy_class_names(&m->file, &merged->file, err);
    status = status ? status : copy_codes(&m->file, &merged->file, err);
    status = status ? status : copy_text(m->file.recipe, &merged->file.recipe, err);
    status = status ? status : copy_text(m->file.summary, &merged->file.summary, err);
    if (status) {
        weld_model_free(merged);
        return status;
    }
    *out = merged;
    return WELD_OK;
}

/* --- Into a file. ----------------------------------------------------------------------------- */

/* "largest_logit", "top1_before": a member whose name is the task's. */
static void set_named(json_t **json, const char *begin, const char *word, const char *end,
                      json_t *value) {
    char key[96];
    snprintf(key, sizeof key, "%s%s%s", begin, word, end);
    weld_json_set(json, key, value);
}

/* The record that travels in the deploy file. */
static weld_status report_text(const weld_merge_report *r, const char *from, char **out,
                               weld_error *err) {
    const weld_comparison *c = &r->comparison;
    json_t *json =
        json_pack("{s:o, s:I}", "images_from", weld_json_name(from ? from : "normal noise"),
                  "images", (json_int_t)c->images);
    set_named(&json, "largest_", c->output_word, "", weld_json_number(c->largest_output));
    weld_json_set(&json, "largest_difference", weld_json_number(c->largest_difference));
    set_named(&json, "same_", c->answer_word, "", json_integer(c->same_answer));
    weld_json_set(&json, "milliseconds_before", weld_json_number(r->milliseconds_before));
    weld_json_set(&json, "milliseconds_after", weld_json_number(r->milliseconds_after));
    if (c->labelled) {
        set_named(&json, "", c->before.key, "_before", weld_json_number(c->before.value));
        set_named(&json, "", c->after.key, "_after", weld_json_number(c->after.value));
    }
    *out = weld_json_dump(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(json);
    return *out ? WELD_OK : weld_fail_memory(err, "verification record");
}

weld_status weld_model_merge_on(const weld_model *m, const weld_model_data *data, int threads,
                                const char *path, weld_merge_report *report, weld_error *err) {
    const char *from = data->ds ? weld_dataset_path(data->ds) : NULL;
    weld_model *merged;
    *report = (weld_merge_report){.before = weld_graph_counts(m->graph)};
    WELD_TRY(weld_model_expect_floats(m, "merge the file that it was made of", err));
    WELD_TRY(weld_model_merged(m, &merged, err));
    report->after = weld_graph_counts(merged->graph);
    weld_status status = weld_model_compare(m, merged, data, threads, &report->comparison, err);
    status = status ? status : weld_comparison_check(&report->comparison, "merging", err);
    status = status ? status
                    : weld_model_time_both(m, merged, threads, &report->milliseconds_before,
                                           &report->milliseconds_after, err);
    status = status ? status : report_text(report, from, &merged->file.verification, err);
    status = status ? status : weld_model_file_write(path, &merged->file, err);
    weld_model_free(merged);
    return status;
}

weld_status weld_model_merge(const weld_model *m, const char *verify, int threads, const char *path,
                             weld_merge_report *report, weld_error *err) {
    weld_model_data data;
    WELD_TRY(weld_model_data_open(m, verify, &data, err));
    weld_status status = weld_model_merge_on(m, &data, threads, path, report, err);
    weld_model_data_close(&data);
    return status;
}
