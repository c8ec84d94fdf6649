/* weld bench RECIPE --data: speed of the data path. */
#include "cli/bench_data.h"

#include <jansson.h>
#include <stdio.h>

#include "measure/bench_data.h"

static void on_message(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "weld: %s\n", text);
}

static void print_json(const char *recipe, const weld_bench_data_result *r) {
    json_t *json = json_pack(
        "{s:s, s:s, s:I, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "recipe", recipe, "work",
        "data", "batch", (json_int_t)r->batch, "size", r->size, "threads", r->threads,
        "images_per_second", (double)r->batch / r->seconds, "milliseconds", 1e3 * r->seconds,
        "processor_milliseconds", 1e3 * r->processor_seconds, "wait_share", r->wait, "decode_share",
        r->decode, "augment_share", r->augment, "bad_images", (json_int_t)r->bad);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

int cli_bench_data(const char *recipe, const cli_texts *set, int threads, int steps, bool json) {
    weld_bench_data_options o = {.settings = weld_train_defaults(), .steps = steps};
    o.settings.recipe = recipe;
    o.settings.set = set->items;
    o.settings.set_count = set->count;
    o.settings.threads = threads;
    o.settings.callbacks.message = on_message;
    weld_bench_data_result r;
    weld_error err;
    if (weld_bench_data(&o, &r, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    if (json) {
        print_json(recipe, &r);
        return CLI_DONE;
    }
    printf("%s, making training batches, batch %lld, %d x %d, %d threads: %.1f images/s, %.2f ms "
           "(median); waiting %.1f %%, decoding %.1f %%, augmenting %.1f %%\n",
           recipe, (long long)r.batch, r.size, r.size, r.threads, (double)r.batch / r.seconds,
           1e3 * r.seconds, 100 * r.wait, 100 * r.decode, 100 * r.augment);
    return CLI_DONE;
}
