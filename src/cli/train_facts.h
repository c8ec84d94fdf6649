/* What `weld train` says before a run, and of a dry one. */
#ifndef WELD_CLI_TRAIN_FACTS_H
#define WELD_CLI_TRAIN_FACTS_H

#include <stdio.h>

#include "weld/train.h"

/* Every line begins with `prefix`. */
void cli_print_start(FILE *out, const char *prefix, const weld_train_start *s);
void cli_print_plan(FILE *out, const char *prefix, const weld_train_plan *p);

#endif
