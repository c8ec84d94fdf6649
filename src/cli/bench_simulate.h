/* `weld bench --simulate-threads`: what it says. */
#ifndef WELD_CLI_BENCH_SIMULATE_H
#define WELD_CLI_BENCH_SIMULATE_H

#include <jansson.h>
#include <stdbool.h>

#include "measure/bench.h"

enum { CLI_SIMULATED_MAX = 32 };

/* Numbers of threads out of "1,2,64", at most CLI_SIMULATED_MAX; how many, 0 where it is no such
 * list. One thread, which the others are compared with, comes first whether it is named or not. */
int cli_read_thread_counts(const char *text, int threads[CLI_SIMULATED_MAX]);

/* A table of the results [count], of so many images a run, and what keeps the last of them back. */
void cli_print_simulated(const weld_bench_result *results, int count, int batch);
/* An array with an object for each. */
json_t *cli_simulated_json(const weld_bench_result *results, int count, int batch);

#endif
