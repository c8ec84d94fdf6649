/* What `weld predict` prints of images, one after the other: lines for people, JSON, or CSV. */
#ifndef WELD_CLI_PREDICT_OUTPUT_H
#define WELD_CLI_PREDICT_OUTPUT_H

#include <jansson.h>

#include "tasks/task.h"

typedef enum cli_answer_format {
    CLI_ANSWER_TEXT,
    CLI_ANSWER_JSON,
    CLI_ANSWER_CSV
} cli_answer_format;

typedef struct cli_answers {
    cli_answer_format format;
    const weld_task *task;
    weld_question question; /* its placement is that of the image */
    double reject;          /* below this probability it is none of these; 0: never */
    json_t *all;            /* of JSON, which is printed at the end */
} cli_answers;

/* Errors: an answer that is no table as CSV. */
weld_status cli_answers_begin(cli_answers *a, weld_error *err);
weld_status cli_answers_add(cli_answers *a, const char *image, const weld_tensor *outputs,
                            weld_error *err);
/* An image of which there is only this to say. */
weld_status cli_answers_fail(cli_answers *a, const char *image, const char *message,
                             weld_error *err);
/* complete: print what there is; in any case free it. */
void cli_answers_end(cli_answers *a, bool complete);

#endif
