/* Timing of training steps and of inference, and where the time goes. */
#ifndef WELD_MEASURE_BENCH_H
#define WELD_MEASURE_BENCH_H

#include "measure/profile.h"
#include "measure/quiet.h"
#include "measure/simulate.h"
#include "models/models.h"
#include "weld/model.h"

typedef struct weld_bench_options {
    int batch;
    int threads;        /* 0: all that the process may use */
    int steps;          /* timed runs, after two that are not */
    bool profile;       /* where the time goes; adds a little to the whole */
    bool by_node;       /* of the profile: one row a node, not an operator */
    const char *trace;  /* path of a trace of the last run (see profile.h); NULL: none */
    const char *freeze; /* of training: a value of the recipes' train.freeze; NULL: nothing */
    weld_precision precision;
    bool simulate; /* nothing is timed on so many threads: what it would take there (simulate.h) */
    bool unfused;  /* node by node, of training without the passes of passes/fuse_training.h */
    weld_segments recompute; /* of training */
} weld_bench_options;

typedef struct weld_bench_result {
    double seconds;                 /* median of one run; simulated: by the schedule */
    weld_quiet quiet;               /* of the timed runs */
    double flops;                   /* of one run: twice its multiply-adds */
    size_t arena_bytes, peak_bytes; /* peak: resident memory of the process */
    int threads;
    weld_limits limits;     /* with profile */
    weld_profile_row *rows; /* with profile; the caller's to weld_free */
    size_t row_count;
    weld_simulated simulated; /* where that was asked for; its rows are the caller's to weld_free */
} weld_bench_result;

/* An evaluation graph of f32, on normal noise. */
weld_status weld_bench_inference(const weld_graph *g, weld_weights *w,
                                 const weld_bench_options *options, weld_bench_result *out,
                                 weld_error *err);

/* The evaluation graph of a network by its config, with weights as at a training's start: times do
 * not depend on them. `merge`: as it is deployed. */
weld_status weld_bench_network(const weld_model_config *config, int height, int width, bool merge,
                               const weld_bench_options *options, weld_bench_result *out,
                               weld_error *err);

/* Steps as training makes them: forward, backward and the update of AdamW, on noise. */
weld_status weld_bench_training(const weld_model_config *config, int height, int width,
                                const weld_bench_options *options, weld_bench_result *out,
                                weld_error *err);

#endif
