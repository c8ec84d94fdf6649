/* What `weld predict` prints; see predict_output.h. */
#include "cli/predict_output.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "formats/json_text.h"

/* --- JSON --- */

/* What `key` is of an image: its predictions or its error. */
static void append_json(json_t *all, const char *image, const char *key, json_t *value) {
    json_array_append_new(all, json_pack("{s:o, s:o}", "image", weld_json_name(image), key, value));
}

/* --- CSV: RFC 4180 --- */

static weld_status print(weld_text *t, weld_error *err) {
    const weld_status status = t->failed ? weld_fail_memory(err, "answers") : WELD_OK;
    if (!status) {
        fwrite(t->bytes.data, 1, t->bytes.count, stdout);
    }
    weld_text_free(t);
    return status;
}

static void add_value(weld_text *t, const json_t *value) {
    char number[64];
    if (json_is_string(value)) {
        weld_text_add_field(t, json_string_value(value));
    } else if (value) {
        weld_text_add_bytes(
            t, number,
            json_dumpb(value, number, sizeof number, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7)));
    }
}

static void print_head(const weld_task *task, bool rejects) {
    fputs("image", stdout);
    for (int c = 0; task->answer_columns[c]; c++) {
        printf(",%s", task->answer_columns[c]);
    }
    fputs(rejects ? ",rejected,error\r\n" : ",error\r\n", stdout);
}

/* A row for each thing that is said of an image. */
static weld_status print_rows(const weld_task *task, const char *image, const json_t *list,
                              const char *rejected, weld_error *err) {
    weld_text t = WELD_TEXT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        weld_text_add_field(&t, image);
        for (int c = 0; task->answer_columns[c]; c++) {
            weld_text_add(&t, ",");
            add_value(&t, json_object_get(json_array_get(list, i), task->answer_columns[c]));
        }
        weld_text_format(&t, "%s,\r\n", rejected);
    }
    return print(&t, err);
}

static weld_status print_error(const weld_task *task, const char *image, const char *message,
                               bool rejects, weld_error *err) {
    weld_text t = WELD_TEXT;
    weld_text_add_field(&t, image);
    for (int c = 0; task->answer_columns[c]; c++) {
        weld_text_add(&t, ",");
    }
    weld_text_add(&t, rejects ? ",," : ",");
    weld_text_add_field(&t, message);
    weld_text_add(&t, "\r\n");
    return print(&t, err);
}

/* --- All --- */

weld_status cli_answers_begin(cli_answers *a, weld_error *err) {
    a->all = a->format == CLI_ANSWER_JSON ? json_array() : NULL;
    if (a->format != CLI_ANSWER_CSV) {
        return WELD_OK;
    }
    if (!a->task->answer_columns[0]) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "--csv: what networks for %s say is no table",
                         a->task->name);
    }
    print_head(a->task, a->reject > 0);
    return WELD_OK;
}

/* Of the likeliest answer. */
static weld_status best_probability(const cli_answers *a, const weld_tensor *outputs, double *out,
                                    weld_error *err) {
    json_t *first = NULL;
    weld_question question = a->question;
    question.most = 1;
    WELD_TRY(a->task->answer(outputs, &question, NULL, &first, err));
    const json_t *p = json_object_get(json_array_get(first, 0), "probability");
    const bool known = json_is_number(p);
    *out = json_number_value(p);
    json_decref(first);
    return known ? WELD_OK
                 : weld_fail(err, WELD_ERROR_ARGUMENT,
                             "--reject: networks for %s give no probabilities: leave it out",
                             a->task->name);
}

weld_status cli_answers_add(cli_answers *a, const char *image, const weld_tensor *outputs,
                            weld_error *err) {
    weld_text text = WELD_TEXT;
    json_t *answer = NULL;
    double best = 1;
    const bool as_json = a->format != CLI_ANSWER_TEXT;
    weld_status status =
        a->task->answer(outputs, &a->question, &text, as_json ? &answer : NULL, err);
    if (!status && a->reject > 0) {
        status = best_probability(a, outputs, &best, err);
    }
    if (!status && a->format == CLI_ANSWER_JSON) {
        append_json(a->all, image, "predictions", json_incref(answer));
        if (a->reject > 0) {
            json_object_set_new(json_array_get(a->all, json_array_size(a->all) - 1), "rejected",
                                json_boolean(best < a->reject));
        }
    } else if (!status && a->format == CLI_ANSWER_CSV) {
        status = print_rows(a->task, image, answer,
                            a->reject > 0 ? best < a->reject ? ",true" : ",false" : "", err);
    } else if (!status) {
        printf("%s\n%s%s", image, best < a->reject ? "  none of these:\n" : "",
               weld_text_get(&text));
    }
    cli_flush_output(); /* whole answers, whatever ends the program */
    json_decref(answer);
    weld_text_free(&text);
    return status;
}

weld_status cli_answers_fail(cli_answers *a, const char *image, const char *message,
                             weld_error *err) {
    if (a->format == CLI_ANSWER_JSON) {
        append_json(a->all, image, "error", weld_json_name(message));
    } else if (a->format == CLI_ANSWER_CSV) {
        return print_error(a->task, image, message, a->reject > 0, err);
    }
    return WELD_OK;
}

void cli_answers_end(cli_answers *a, bool complete) {
    if (a->all && complete) {
        cli_print_json_as(a->all, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
    }
    json_decref(a->all);
}
