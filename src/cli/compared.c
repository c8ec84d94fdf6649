/* What of two models is told whatever their scores are of; see compare.h. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/compare.h"
#include "formats/json_text.h"
#include "infer/model.h"
#include "models/models.h"

const char *const cli_compared_letters[2] = {"A", "B"};

void cli_compared_print_model(const cli_compared *c, int i) {
    char size[WELD_INPUT_TEXT_SIZE];
    printf("%s: %s: size %s", cli_compared_letters[i], c->files[i],
           weld_input_text(weld_model_get_preprocessing(c->models[i]), size));
}

json_t *cli_compared_model_json(const cli_compared *c, int i) {
    const weld_preprocessing *input = weld_model_get_preprocessing(c->models[i]);
    return json_pack("{s:o, s:o}", "file", weld_json_name(c->files[i]), "input_size",
                     cli_size_json(input->height, input->width));
}

const char *cli_compared_verdict(double p, double difference) {
    return !(p < 0.05)      ? "chance may have done that"
           : difference > 0 ? "B is better"
                            : "A is better";
}
