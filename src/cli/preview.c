/* weld preview: draw what training will see. */
#include "measure/preview.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"

static void on_message(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "weld: %s\n", text);
}

static int preview(const weld_preview_options *o) {
    weld_preview_report report;
    weld_error err;
    if (weld_preview(o, &report, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    printf("%s: the first %lld samples of epoch %lld, %d x %d pixels\n", o->out,
           (long long)report.samples, (long long)o->epoch + 1, report.width, report.height);
    if (report.caption_help) {
        puts(report.caption_help);
    }
    return CLI_DONE;
}

/* The overrides with one more; in memory to be freed. */
static const char **with_seed(const cli_texts *set, const char *seed, char **text) {
    size_t size = strlen(seed) + sizeof "train.seed=";
    const char **all = weld_alloc(set->count + 1, sizeof *all);
    *text = weld_alloc(size, 1);
    if (!all || !*text) {
        weld_free(all);
        return NULL;
    }
    for (size_t i = 0; i < set->count; i++) {
        all[i] = set->items[i];
    }
    snprintf(*text, size, "train.seed=%s", seed);
    all[set->count] = *text;
    return all;
}

int cli_preview(const cli_command *command, int argc, char **argv) {
    weld_preview_options o = {.settings = weld_train_defaults()};
    cli_texts set = {0};
    const char *seed = NULL;
    int samples = 32, epoch = 1, count, status;
    const cli_option options[] = {
        {"output", 'o', CLI_TEXT, &o.out, "SHEET.png", "the contact sheet"},
        {"count", 0, CLI_COUNT, &samples, "N", "samples (32)"},
        {"epoch", 0, CLI_COUNT, &epoch, "N", "of which epoch, from 1 (1)"},
        {"seed", 0, CLI_TEXT, &seed, "N", "in place of the recipe's train.seed"},
        {"set", 0, CLI_TEXTS, &set, "KEY=VALUE", "override a key of the recipe; any number"},
        {"data", 0, CLI_TEXT, &o.settings.data, "DIR",
         "folder of train and val, or of classes, for the recipe's"},
        {"init", 0, CLI_TEXT, &o.settings.init, "FILE",
         "where the recipe leaves network and input size to it"},
        {"threads", 0, CLI_COUNT, &o.settings.threads, "N", "threads (all)"},
    };
    char *seed_text = NULL;
    const char **all = NULL;
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        weld_free(set.items);
        return status;
    }
    if (!o.out) {
        status = cli_usage(command, "-o SHEET.png is missing");
    } else if (seed && !(all = with_seed(&set, seed, &seed_text))) {
        status = cli_fail_text("preview: out of memory");
    } else {
        o.settings.recipe = argv[1];
        o.settings.set = all ? all : set.items;
        o.settings.set_count = set.count + (all != NULL);
        o.settings.callbacks.message = on_message;
        o.count = samples;
        o.epoch = epoch - 1;
        status = preview(&o);
    }
    weld_free(all);
    weld_free(seed_text);
    weld_free(set.items);
    return status;
}
