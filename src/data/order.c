/* The order of an epoch; see order.h. */
#include "data/order.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

struct weld_order {
    weld_order_options options;
    int64_t *samples; /* of `epoch`, once `made` is set: entries as in sampling.h */
    uint32_t epoch;
    bool made;
};

weld_status weld_order_create(const weld_order_options *options, weld_order **out,
                              weld_error *err) {
    weld_order *o = weld_alloc(1, sizeof *o);
    int64_t *samples = weld_alloc_raw((size_t)options->count, sizeof *samples);
    if (!o || !samples) {
        weld_free(o);
        weld_free(samples);
        return weld_fail_memory(err, "order of an epoch");
    }
    *o = (weld_order){.options = *options, .samples = samples};
    *out = o;
    return WELD_OK;
}

void weld_order_free(weld_order *o) {
    if (o) {
        weld_free(o->samples);
        weld_free(o);
    }
}

void weld_order_set_epoch(weld_order *o, uint32_t epoch) {
    int64_t count = o->options.count;
    if (o->made && (o->epoch == epoch || !o->options.shuffle)) {
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        o->samples[i] = i;
    }
    if (o->options.sampling) {
        weld_sampling_draw(o->options.sampling, o->options.seed, epoch, o->samples);
    } else if (o->options.shuffle) {
        weld_random random = weld_random_start(o->options.seed, epoch, 0, WELD_RANDOM_SHUFFLE);
        weld_random_shuffle(&random, o->samples, count);
    }
    o->epoch = epoch;
    o->made = true;
}

int64_t weld_order_sample(const weld_order *o, int64_t position, int64_t *repeat) {
    int64_t entry = o->samples[position / o->options.repeats % o->options.count];
    int64_t repeat_of_time = position % o->options.repeats;
    *repeat = (WELD_SAMPLE_TIME(entry) * o->options.repeats + repeat_of_time) & 0xffff;
    return WELD_SAMPLE_INDEX(entry);
}
