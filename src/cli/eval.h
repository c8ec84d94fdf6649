/* What weld eval is made of. */
#ifndef WELD_CLI_EVAL_H
#define WELD_CLI_EVAL_H

#include "cli/cli.h"
#include "infer/evaluate.h"

/* What is told beyond the scores, by the options of these names. */
typedef struct cli_eval_details {
    const char *confusion, *file;
    bool per_class;
} cli_eval_details;

#define CLI_EVAL_CONFUSION(details)                                                                \
    {                                                                                              \
        "confusion", 0, CLI_OUTPUT, &(details).confusion, "FILE",                                  \
            "write the confusion matrix as CSV"                                                    \
    }

weld_status cli_eval_write(const cli_eval_details *d, const weld_evaluator *e, weld_error *err);
/* Lines; `input` where there are several, in front of the one that each has then. */
void cli_eval_print(const cli_eval_details *d, const weld_task *task, const weld_evaluator *e,
                    const weld_preprocessing *input);

/* The help of options for files of results (weld_task.results): what tasks have of them. */
enum { CLI_RESULTS_HELP = 200 };
#define CLI_RESULTS_READ                                                                           \
    "in place of FILE, of any program (ids: recipes/README.md; more options: --results R.json "    \
    "--help): "
#define CLI_RESULTS_WRITE "write what is found: "
const char *cli_results_help(const char *before, char text[CLI_RESULTS_HELP]);

/* weld eval --results: the whole command. */
weld_status cli_eval_results(cli_call *call, weld_error *err);

#endif
