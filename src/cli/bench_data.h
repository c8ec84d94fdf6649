/* weld bench RECIPE --data: for bench.c. */
#ifndef WELD_CLI_BENCH_DATA_H
#define WELD_CLI_BENCH_DATA_H

#include "cli/cli.h"

/* Time batches and print the result; returns the exit status. */
int cli_bench_data(const char *recipe, const cli_texts *set, int threads, int steps, bool json);

#endif
