/* weld eval --results: what it is worth that any program wrote down of a data set's images. No
 * network and no image is needed.
 */
#include <stdio.h>

#include "base/error.h"
#include "cli/data_options.h"
#include "cli/eval.h"
#include "cli/ranks.h"
#include "datasets/boxes.h"

typedef struct request {
    weld_results_source from;
    const char *data;
    int first_category; /* 1: that is 0; 2: 1 */
    cli_eval_details details;
    bool json;
} request;

static weld_status evaluate(const request *r, const weld_task *task, const weld_dataset *ds,
                            weld_error *err) {
    weld_evaluator *e;
    weld_text notes = WELD_TEXT;
    weld_status status = weld_results_evaluator_create(task, &r->from, ds, &notes, &e, err);
    if (*weld_text_get(&notes)) {
        fprintf(stderr, "note: %s: %s\n", r->from.path, weld_text_get(&notes));
    }
    weld_text_free(&notes);
    status = status ? status : cli_eval_write(&r->details, e, err);
    if (!status && r->json) {
        json_t *object = json_pack("{s:I}", "images", (json_int_t)weld_evaluator_result(e)->images);
        weld_evaluator_json(e, false, object);
        if (r->details.per_class) {
            weld_evaluator_json(e, true, object);
        }
        cli_print_json(object, 17);
    } else if (!status) {
        cli_eval_print(&r->details, task, e, NULL);
    }
    weld_evaluator_free(e);
    return status;
}

weld_status cli_eval_results(cli_call *call, weld_error *err) {
    request r = {0};
    char kinds[CLI_RESULTS_HELP];
    const cli_option options[] = {
        {"results", 0, CLI_TEXT, &r.from.path, "R.json", cli_results_help(CLI_RESULTS_READ, kinds)},
        {"data", 0, CLI_NEEDED, &r.data, "GT.json", "annotations, or a folder that has them"},
        {"first-category", 0, CLI_CHOICE, &r.first_category, "0|1",
         "category_id of the first class, where the data has no ids or 0, 1, 2 ... (as R.json "
         "tells)"},
        {"json", 0, CLI_FLAG, &r.json, NULL, "print one JSON object"},
        {"per-class", 0, CLI_FLAG, &r.details.per_class, NULL, "print figures of each class"},
        CLI_EVAL_CONFUSION(r.details),
        {"details", 0, CLI_OUTPUT, &r.details.file, "FILE", "write all of it as JSON"},
    };
    cli_ranks_refuse(call, "--results runs");
    cli_parse(call, options, sizeof options / sizeof *options);
    if (call->count > 0) {
        cli_usage(call, "%s: --results stands in place of a model", call->arguments[0]);
    }
    r.from.has_first_category = r.first_category > 0;
    r.from.first_category = r.first_category - 1;
    const weld_dataset_options opening = {.boxes.no_images = true, .part = WELD_NAMED_VAL};
    const weld_task *task;
    weld_dataset *ds;
    WELD_TRY(weld_dataset_open_with(r.data, &opening, &ds, err));
    if (*weld_dataset_passed(ds)) {
        fprintf(stderr, "note: %s: %s\n", r.data, weld_dataset_passed(ds));
    }
    weld_status status = cli_spare_data(call, ds, err);
    status = status ? status : weld_task_of_results(ds, &task, err);
    status = status ? status : evaluate(&r, task, ds, err);
    weld_dataset_free(ds);
    return status;
}
