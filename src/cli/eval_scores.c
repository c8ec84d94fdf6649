/* The scores of an evaluation in a line; see eval.h. */
#include <math.h>
#include <stdio.h>

#include "cli/eval.h"
#include "cli/input_options.h"
#include "models/models.h"

void cli_print_scores(const weld_task *task, const weld_evaluation *e,
                      const weld_preprocessing *input) {
    if (input) {
        char text[WELD_INPUT_TEXT_SIZE];
        printf("size %s, crop %g, %s: ", weld_input_text(input, text), input->crop_fraction,
               cli_interpolation_name(input->interpolation));
    }
    printf("%lld images:", (long long)e->images);
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
