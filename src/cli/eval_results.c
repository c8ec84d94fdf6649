/* weld eval --results: what detections that any program wrote down are worth, by annotations. No
 * network and no image is needed.
 */
#include <stdio.h>

#include "base/error.h"
#include "cli/eval.h"
#include "datasets/boxes.h"
#include "infer/evaluate.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/results.h"
#include "tasks/detection/tally.h"

typedef struct request {
    const char *results, *data, *confusion, *details;
    bool json, per_class;
} request;

static weld_status open_data(const request *r, weld_dataset **out, weld_error *err) {
    const weld_dataset_options options = {.boxes.no_images = true, .part = WELD_NAMED_VAL};
    WELD_TRY(weld_dataset_open_with(r->data, &options, out, err));
    if (!weld_dataset_has_boxes(*out)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has no boxes, which --results are held against", r->data);
    }
    return WELD_OK;
}

static weld_status count_all(const weld_results *results, weld_detection_tally *t,
                             weld_error *err) {
    weld_array record = {.element = 1};
    weld_status status = WELD_OK;
    for (int64_t i = 0; i < weld_dataset_count(t->ds) && !status; i++) {
        int64_t count;
        const weld_found_box *found = weld_results_of(results, i, &count);
        record.count = 0;
        status = weld_detection_record(t, i, found, count, &record, err);
        status = status ? status : weld_detection_count(t, i, record.data, record.count, err);
    }
    weld_array_free(&record);
    return status;
}

static void print_text(const weld_detection_tally *t, bool classes) {
    weld_text text = WELD_TEXT;
    if (classes) {
        weld_detection_tell_classes(t, t->ds, &text);
    } else {
        weld_detection_tell(t, t->ds, &text);
    }
    fputs(weld_text_get(&text), stdout);
    weld_text_free(&text);
}

static void print_json(const request *r, const weld_detection_tally *t, const weld_evaluation *e) {
    json_t *object = json_pack("{s:I}", "images", (json_int_t)e->images);
    weld_evaluation_json(&weld_task_detection, e, object);
    if (r->per_class) {
        weld_detection_json_classes(t, t->ds, object);
    }
    cli_print_json(object, 17);
}

static weld_status tell(const request *r, const weld_detection_tally *t, const weld_evaluation *e,
                        weld_error *err) {
    if (r->confusion) {
        WELD_TRY(weld_detection_write_confusion(r->confusion, t, t->ds, err));
    }
    if (r->details) {
        WELD_TRY(weld_evaluation_write(r->details, &weld_task_detection, t, t->ds, e, err));
    }
    if (r->json) {
        print_json(r, t, e);
        return WELD_OK;
    }
    cli_print_scores(&weld_task_detection, e, NULL);
    print_text(t, false);
    if (r->per_class) {
        print_text(t, true);
    }
    return WELD_OK;
}

static weld_status evaluate(const request *r, const weld_dataset *ds, weld_error *err) {
    weld_detection_tally *t;
    weld_evaluation e = {.images = weld_dataset_count(ds)};
    weld_results *results;
    WELD_TRY(weld_results_read(r->results, ds, &results, err));
    if (*weld_results_note(results)) {
        fprintf(stderr, "note: %s: %s\n", r->results, weld_results_note(results));
    }
    weld_status status = weld_detection_tally_of(ds, &t, err);
    status = status ? status : count_all(results, t, err);
    if (!status) {
        weld_detection_finish(t, &e);
        status = tell(r, t, &e, err);
    }
    weld_detection_tally_free(t);
    weld_results_free(results);
    return status;
}

weld_status cli_eval_results(cli_call *call, weld_error *err) {
    request r = {0};
    const cli_option options[] = {
        CLI_RESULTS_OPTION(r.results),
        {"data", 0, CLI_NEEDED, &r.data, "GT.json", "annotations, or a folder that has them"},
        {"json", 0, CLI_FLAG, &r.json, NULL, "print one JSON object"},
        {"per-class", 0, CLI_FLAG, &r.per_class, NULL, "print objects, AP and recall of each"},
        {"confusion", 0, CLI_OUTPUT, &r.confusion, "FILE", "write the confusion matrix as CSV"},
        {"details", 0, CLI_OUTPUT, &r.details, "FILE", "write all of it as JSON"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    if (call->count > 0) {
        cli_usage(call, "%s: --results stands in place of a model", call->arguments[0]);
    }
    weld_dataset *ds = NULL;
    weld_status status = open_data(&r, &ds, err);
    status = status ? status : evaluate(&r, ds, err);
    weld_dataset_free(ds);
    return status;
}
