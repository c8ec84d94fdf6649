/* Timing of the data path; see bench_data.h. */
#include "measure/bench_data.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/run_data.h"
#include "train/say.h"

enum { WARM_UP = 2 };

/* Where batches go. */
typedef struct buffers {
    float *images, *inputs[WELD_OUTPUTS_MAX];
    double *seconds; /* of each timed batch */
} buffers;

static weld_status make_batches(weld_run_data *d, int steps, const buffers *b,
                                weld_bench_data_result *r, weld_error *err) {
    const int64_t batches = weld_loader_train_batches(d->loader, 0);
    weld_quiet_moment begin = {0};
    for (int64_t i = 0; i < WARM_UP + steps; i++) {
        weld_batch made;
        if (i == WARM_UP) {
            begin = weld_quiet_now("");
        }
        const double began = weld_clock();
        WELD_TRY(weld_loader_train_batch(d->loader, (uint32_t)(i / batches), i % batches, NULL,
                                         b->images, &made, err));
        d->task->targets_fill(d->targets, &made, b->inputs);
        if (i >= WARM_UP) {
            b->seconds[i - WARM_UP] = weld_clock() - began;
            r->wait += made.wait_seconds;
            r->decode += made.decode_seconds;
            r->augment += made.augment_seconds;
            r->bad += made.bad;
        }
    }
    const weld_quiet_moment end = weld_quiet_now("");
    r->seconds = weld_median(b->seconds, (size_t)steps);
    r->quiet = weld_quiet_between(&begin, &end, b->seconds, (size_t)steps);
    r->quiet.crowded = true; /* some read ahead, beside those that decode */
    r->processor_seconds = r->quiet.processor_seconds / steps;
    const double sum = r->wait + r->decode + r->augment;
    r->wait /= sum;
    r->decode /= sum;
    r->augment /= sum;
    return WELD_OK;
}

static weld_status measure(weld_run_data *d, int steps, weld_bench_data_result *r,
                           weld_error *err) {
    const size_t pixels = (size_t)r->height * (size_t)r->width;
    buffers b = {.images = weld_alloc_raw((size_t)r->batch * pixels * 3, sizeof *b.images),
                 .seconds = weld_alloc((size_t)steps, sizeof *b.seconds)};
    weld_status status = b.images && b.seconds ? weld_run_data_inputs(d, b.inputs, err)
                                               : weld_fail_memory(err, "bench");
    status = status ? status : make_batches(d, steps, &b, r, err);
    weld_free(b.images);
    weld_run_data_free_inputs(b.inputs);
    weld_free(b.seconds);
    return status;
}

static weld_status run(weld_run_data *d, const weld_bench_data_options *o,
                       weld_bench_data_result *out, weld_error *err) {
    const int threads = o->settings.threads;
    WELD_TRY(weld_run_data_open(d, &o->settings, true, err));
    if (d->recipe.data.size_count) {
        weld_train_say(&o->settings,
                       "data.sizes is left aside: batches of data.input_size are timed");
        d->recipe.data.size_count = 0;
    }
    WELD_TRY(weld_run_data_open_loader(d, err));
    out->batch = weld_loader_train_batch_size(d->loader);
    out->height = d->recipe.data.preprocessing.height;
    out->width = d->recipe.data.preprocessing.width;
    out->threads = weld_threads_count(threads);
    return measure(d, o->steps, out, err);
}

weld_status weld_bench_data(const weld_bench_data_options *options, weld_bench_data_result *out,
                            weld_error *err) {
    weld_run_data *d = weld_alloc(1, sizeof *d);
    if (!d) {
        return weld_fail_memory(err, "bench");
    }
    *out = (weld_bench_data_result){0};
    weld_status status = run(d, options, out, err);
    weld_run_data_close(d);
    weld_free(d);
    return status;
}
