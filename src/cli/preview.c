/* weld preview: draw what training will see. */
#include "measure/preview.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/data_options.h"
#include "cli/progress.h"

weld_status cli_preview(cli_call *call, weld_error *err) {
    weld_preview_options o = {.settings = weld_train_defaults()};
    const char *seed = NULL;
    int samples = 32, epoch = 1;
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT_NEEDED, &o.out, "SHEET.png", "the contact sheet (.png or .jpg)"},
        {"count", 0, CLI_COUNT, &samples, "N", "samples (32)"},
        {"epoch", 0, CLI_COUNT, &epoch, "N", "of which epoch, from 1 (1)"},
        {"seed", 0, CLI_TEXT, &seed, "N", "in place of the recipe's train.seed"},
        {"set", 0, CLI_TEXTS, NULL, "KEY=VALUE", "override a key of the recipe; any number"},
        CLI_DATA_FOR_RECIPE(o.settings.data),
        {"init", 0, CLI_TEXT, &o.settings.init, "FILE",
         "where the recipe leaves network and input size to it"},
        {"key", 0, CLI_TEXT, &o.settings.init_key, "KEY", "of --init: as weld train has it"},
        {"threads", 0, CLI_THREADS, &o.settings.threads, "N", "threads (all)"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    if (o.settings.init_key && !o.settings.init) {
        cli_usage(call, "--key goes with --init");
    }
    const size_t size = (seed ? strlen(seed) : 0) + sizeof "train.seed=";
    char *seed_text = weld_alloc(size, 1);
    if (!seed_text) {
        return weld_fail_memory(err, "preview");
    }
    if (seed) {
        snprintf(seed_text, size, "train.seed=%s", seed);
        cli_add_text(call, seed_text);
    }
    o.settings.recipe = call->arguments[0];
    o.settings.set = call->texts;
    o.settings.set_count = call->text_count;
    o.settings.callbacks.message = cli_message;
    o.count = samples;
    o.epoch = epoch - 1;
    weld_preview_report report;
    weld_status status = weld_preview(&o, &report, err);
    if (!status) {
        printf("%s: the first %lld samples of epoch %d%s, %d x %d pixels\n", o.out,
               (long long)report.samples, epoch, report.several_sizes ? " of all sizes" : "",
               report.width, report.height);
    }
    if (!status && report.passed) {
        printf("%lld of its batches are passed over, for one that is mixed\n",
               (long long)report.passed);
    }
    if (!status && report.caption_help) {
        puts(report.caption_help);
    }
    weld_free(seed_text);
    return status;
}
