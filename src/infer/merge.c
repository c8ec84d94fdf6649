/* Merging a model for deployment: rewrite, compare with the original on the same images, write. */
#include <jansson.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/compare.h"
#include "infer/model.h"
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
    for (int i = 0; i < count && status == WELD_OK; i++) {
        status = copy_text(from->class_names[i], &to->class_names[i], err);
    }
    return status;
}

weld_status weld_model_merged(const weld_model *m, weld_model **out, weld_error *err) {
    weld_model *merged = weld_alloc(1, sizeof *merged);
    if (!merged) {
        return weld_fail_memory(err, "merged model");
    }
    merged->file = (weld_model_file){.kind = WELD_MODEL_DEPLOY,
                                     .config = m->file.config,
                                     .preprocessing = m->file.preprocessing};
    weld_status status = weld_reparameterize(m->graph, m->file.weights, &merged->file.graph,
                                             &merged->file.weights, err);
    merged->graph = merged->file.graph;
    if (status == WELD_OK) {
        status = copy_class_names(&m->file, &merged->file, err);
    }
    if (status == WELD_OK) {
        status = copy_text(m->file.recipe, &merged->file.recipe, err);
    }
    if (status == WELD_OK) {
        status = copy_text(m->file.summary, &merged->file.summary, err);
    }
    if (status != WELD_OK) {
        weld_model_free(merged);
        return status;
    }
    *out = merged;
    return WELD_OK;
}

/* --- Into a file. ----------------------------------------------------------------------------- */

/* The record that travels in the deploy file. */
static weld_status report_text(const weld_merge_report *r, const char *verify, char **out,
                               weld_error *err) {
    const weld_comparison *c = &r->comparison;
    json_t *from = json_string(verify ? verify : "normal noise");
    from = from ? from : json_string("(name is not UTF-8)");
    json_t *json = json_pack("{s:o, s:I, s:f, s:f, s:I, s:f, s:f}", "images_from", from, "images",
                             (json_int_t)c->images, "largest_logit", c->largest_logit,
                             "largest_difference", c->largest_difference, "same_class",
                             (json_int_t)c->same_class, "milliseconds_before",
                             r->milliseconds_before, "milliseconds_after", r->milliseconds_after);
    if (json && c->labelled) {
        json_object_set_new(json, "top1_before", json_real(c->top1_before));
        json_object_set_new(json, "top1_after", json_real(c->top1_after));
    }
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    *out = text ? weld_strdup(text) : NULL;
    free(text);
    return *out ? WELD_OK : weld_fail_memory(err, "verification record");
}

weld_status weld_model_merge(const weld_model *m, const char *verify, int threads, const char *path,
                             weld_merge_report *report, weld_error *err) {
    weld_model *merged;
    *report = (weld_merge_report){.before = weld_graph_counts(m->graph)};
    weld_status status = weld_model_merged(m, &merged, err);
    if (status != WELD_OK) {
        return status;
    }
    report->after = weld_graph_counts(merged->graph);
    status = weld_model_compare(m, merged, verify, threads, &report->comparison, err);
    if (status == WELD_OK) {
        status = weld_comparison_check(&report->comparison, "merging", err);
    }
    if (status == WELD_OK) {
        status = weld_model_time_both(m, merged, threads, &report->milliseconds_before,
                                      &report->milliseconds_after, err);
    }
    if (status == WELD_OK) {
        status = report_text(report, verify, &merged->file.verification, err);
    }
    if (status == WELD_OK) {
        status = weld_model_file_write(path, &merged->file, err);
    }
    weld_model_free(merged);
    return status;
}
