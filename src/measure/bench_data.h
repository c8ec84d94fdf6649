/* Timing of the data path: how fast training batches are made, and what that time goes into. */
#ifndef WELD_MEASURE_BENCH_DATA_H
#define WELD_MEASURE_BENCH_DATA_H

#include "measure/quiet.h"
#include "weld/train.h"

typedef struct weld_bench_data_options {
    weld_train_settings settings; /* recipe, set, threads and callbacks.message count */
    int steps;                    /* timed batches, after two that are not */
} weld_bench_data_options;

typedef struct weld_bench_data_result {
    int64_t batch;            /* images in each */
    double seconds;           /* median of a batch */
    double processor_seconds; /* of a batch, over all threads: their mean */
    weld_quiet quiet;         /* of the timed batches, which are not alike: images differ */
    /* Parts of the timed batches' sum: waiting for bytes, decoding, all that is done to pixels. */
    double wait, decode, augment;
    int64_t bad; /* images that were replaced by others */
    int height, width, threads;
} weld_bench_data_result;

/* Batches as the recipe's training takes them, one after the other, epoch after epoch; of several
 * sizes those of data.input_size alone, which is said. No network is built, and nothing is written.
 */
weld_status weld_bench_data(const weld_bench_data_options *options, weld_bench_data_result *out,
                            weld_error *err);

#endif
