/* What weld eval prints. */
#ifndef WELD_CLI_EVAL_REPORT_H
#define WELD_CLI_EVAL_REPORT_H

#include <jansson.h>

#include "infer/evaluate.h"

/* One line for each evaluation; `input` where there are several, in front; NULL: not said. */
void eval_print(const weld_evaluation *e, const weld_preprocessing *input);
/* The same as a JSON object, with the classes where there are `details`. */
json_t *eval_json(const weld_evaluation *e, const weld_preprocessing *input,
                  const weld_evaluation_details *details, const weld_dataset *ds);

/* Calibration and the classes of the lowest recall. */
void eval_print_summary(const weld_evaluation_details *d, const weld_dataset *ds);
/* A table of all classes. */
void eval_print_classes(const weld_evaluation_details *d, const weld_dataset *ds);

#endif
