/* What came of an evaluation, printed and in files; see eval.h. */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/eval.h"
#include "cli/input_options.h"
#include "models/models.h"

weld_status cli_eval_write(const cli_eval_details *d, const weld_evaluator *e, weld_error *err) {
    if (d->confusion) {
        WELD_TRY(weld_evaluator_write_confusion(e, d->confusion, err));
    }
    return d->file ? weld_evaluator_write(e, d->file, err) : WELD_OK;
}

const char *cli_results_help(const char *before, char text[CLI_RESULTS_HELP]) {
    const char *between = before;
    *text = 0;
    for (size_t i = 0; i < weld_task_count; i++) {
        if (weld_tasks[i]->results) {
            weld_append(text, CLI_RESULTS_HELP, "%s%s", between, weld_tasks[i]->results->what);
            between = "; ";
        }
    }
    return text;
}

static void print_text(const weld_evaluator *e, bool classes) {
    weld_text text = WELD_TEXT;
    weld_evaluator_tell(e, classes, &text);
    fputs(weld_text_get(&text), stdout);
    weld_text_free(&text);
}

static void print_scores(const weld_task *task, const weld_evaluation *e,
                         const weld_preprocessing *input) {
    if (input) {
        char text[WELD_INPUT_TEXT_SIZE];
        printf("size %s, crop %g, %s: ", weld_input_text(input, text), input->crop_fraction,
               cli_interpolation_name(input->interpolation));
    }
    printf("%lld %s:", (long long)e->images, weld_plural(e->images, "image", "images"));
    for (int i = 0; i < task->run_scores; i++) {
        const weld_score_kind *k = &task->scores[i];
        if (isfinite(e->scores[i])) {
            printf("%s %s %.*f%s", i ? "," : "", k->label, k->decimals, e->scores[i], k->unit);
        } else { /* there is nothing of which it could be one */
            printf("%s %s -", i ? "," : "", k->label);
        }
    }
    if (isfinite(e->loss)) {
        printf(", loss %.4f", e->loss);
    }
    putchar('\n');
    cli_flush_output();
}

void cli_eval_print(const cli_eval_details *d, const weld_task *task, const weld_evaluator *e,
                    const weld_preprocessing *input) {
    print_scores(task, weld_evaluator_result(e), input);
    if (!input) {
        print_text(e, false);
    }
    if (d->per_class) {
        print_text(e, true);
    }
}
