/* Two models that are compared, and where images are not right or wrong by themselves how: what of
 * `weld compare` is a file of its own. */
#ifndef WELD_CLI_COMPARE_H
#define WELD_CLI_COMPARE_H

#include <jansson.h>

#include "infer/evaluate.h"
#include "infer/model_data.h"

typedef struct cli_compared {
    const char *files[2];
    weld_model *models[2];
    weld_model_data data[2];
    bool json, per_class;
} cli_compared;

extern const char *const cli_compared_letters[2];

/* "A: file: size 224", to be gone on with. */
void cli_compared_print_model(const cli_compared *c, int i);
/* {"file": ..., "input_size": ...}; NULL: memory. */
json_t *cli_compared_model_json(const cli_compared *c, int i);
/* Which is better, by the probability that chance alone makes such a difference of B from A. */
const char *cli_compared_verdict(double p, double difference);

/* Scores of images that are drawn again and again, printed. */
weld_status cli_compare_resampled(const cli_compared *c, const weld_evaluator_options *options,
                                  weld_error *err);

#endif
