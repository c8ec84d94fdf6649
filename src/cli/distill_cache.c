/* weld distill-cache: what a teacher says of every image of a recipe, for training without it. */
#include <stdio.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "teach/make_cache.h"

static void say_plan(void *context, const weld_cache_plan *p) {
    char left[32];
    (void)context;
    fprintf(stderr, "teacher: %s\n", p->teacher);
    fprintf(stderr, "%lld images, %lld view%s, the %d largest of %d classes: %.1f MB, about %s",
            (long long)p->images, (long long)p->views, p->views == 1 ? "" : "s", p->top, p->classes,
            (double)p->bytes / 1e6, cli_duration(p->seconds, left, sizeof left));
    if (p->done > 0) {
        fprintf(stderr, "; going on after %.1f %%", 100.0 * (double)p->done / (double)p->total);
    }
    fputc('\n', stderr);
}

static void show(void *context, int64_t done, int64_t total) {
    cli_progress_show(context, done, total, NULL);
}

static bool must_stop(void *context) {
    (void)context;
    return cli_stop_requested();
}

static int make(const weld_cache_settings *s) {
    weld_error err;
    weld_cache_result result = {.interrupted = false};
    weld_status status = weld_make_cache(s, &result, &err);
    cli_progress_end(s->context);
    if (status) {
        return cli_fail(&err);
    }
    if (result.interrupted) {
        printf("stopped: %s.partial holds what is done: the same command goes on there\n", s->out);
        return CLI_DONE;
    }
    printf("%s", s->out);
    if (result.bad) {
        printf(": without %lld images that cannot be read", (long long)result.bad);
    }
    putchar('\n');
    return CLI_DONE;
}

int cli_distill_cache(const cli_command *command, int argc, char **argv) {
    cli_progress progress = {.what = "distill-cache"};
    weld_cache_settings s = {.context = &progress,
                             .planned = say_plan,
                             .progress = show,
                             .bad_image = cli_bad_image,
                             .stop = must_stop};
    cli_texts set = {0};
    int count, status;
    const cli_option options[] = {
        {"teacher", 0, CLI_TEXT, &s.teacher, "FILE",
         "the network to ask (the recipe's loss.distillation.teacher)"},
        {"output", 'o', CLI_TEXT, &s.out, "CACHE", "the file to write (.safetensors)"},
        {"views", 0, CLI_COUNT, &s.views, "V",
         "ways to augment each image, taken in turn (as epochs, at most 10)"},
        {"top", 0, CLI_COUNT, &s.top, "K", "classes to keep of each image (10)"},
        {"data", 0, CLI_TEXT, &s.data, "DIR",
         "folder of train and val, or of classes, for the recipe's"},
        {"set", 0, CLI_TEXTS, &set, "KEY=VALUE", "override a key of the recipe; any number"},
        {"threads", 0, CLI_COUNT, &s.threads, "N", "threads (all)"},
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        weld_free(set.items);
        return status;
    }
    if (!s.out) {
        weld_free(set.items);
        return cli_usage(command, "-o CACHE is missing");
    }
    s.recipe = argv[1];
    s.set = set.items;
    s.set_count = set.count;
    cli_stop_catch();
    int done = make(&s);
    weld_free(set.items);
    return done;
}
