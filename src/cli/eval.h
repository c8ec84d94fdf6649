/* What weld eval is made of. */
#ifndef WELD_CLI_EVAL_H
#define WELD_CLI_EVAL_H

#include "cli/cli.h"
#include "infer/evaluate.h"

/* One line; `input` where there are several, in front. */
void cli_print_scores(const weld_task *task, const weld_evaluation *e,
                      const weld_preprocessing *input);

/* Entry of a command's table. */
#define CLI_RESULTS_OPTION(file)                                                                   \
    {                                                                                              \
        "results", 0, CLI_TEXT, &(file), "R.json",                                                 \
            "in place of FILE: detections of any program, as COCO's results"                       \
    }

/* weld eval --results: the whole command. */
weld_status cli_eval_results(cli_call *call, weld_error *err);

/* A file of COCO's results that an evaluation fills: `seen` is called for each image, and what went
 * wrong in it is told at the end, which also frees f (NULL: nothing to be done). A detector's only.
 */
typedef struct cli_results_file cli_results_file;
weld_status cli_results_create(const char *path, const weld_task *task, const weld_dataset *ds,
                               cli_results_file **out, weld_error *err);
void cli_results_seen(void *arg, const weld_seen *seen);
weld_status cli_results_finish(cli_results_file *f, weld_status status, weld_error *err);

#endif
