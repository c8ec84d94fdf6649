/* What weld eval is made of. */
#ifndef WELD_CLI_EVAL_H
#define WELD_CLI_EVAL_H

#include "cli/cli.h"
#include "tasks/task.h"

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

#endif
