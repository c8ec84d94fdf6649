/* weld distill-cache: what a teacher says of every image of a recipe, for training without it. */
#include <stdio.h>

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

static void say(void *context, const char *text) {
    cli_progress_end(context);
    fprintf(stderr, "note: %s\n", text);
}

weld_status cli_distill_cache(cli_call *call, weld_error *err) {
    cli_progress progress = {.what = "distill-cache"};
    weld_cache_settings s = {.context = &progress,
                             .message = say,
                             .planned = say_plan,
                             .progress = cli_progress_show,
                             .bad_image = cli_bad_image,
                             .stop = cli_stop_requested};
    const cli_option options[] = {
        {"teacher", 0, CLI_TEXT, &s.teacher, "FILE",
         "the network to ask (the recipe's loss.distillation.teacher)"},
        {"output", 'o', CLI_OUTPUT_NEEDED, &s.out, "CACHE", "the file to write (.safetensors)"},
        {"views", 0, CLI_COUNT, &s.views, "V",
         "ways to augment each image, taken in turn (as epochs, at most 10)"},
        {"top", 0, CLI_COUNT, &s.top, "K", "classes to keep of each image (10)"},
        {"data", 0, CLI_TEXT, &s.data, "DIR",
         "folder of train and val, or of classes, for the recipe's"},
        {"set", 0, CLI_TEXTS, NULL, "KEY=VALUE", "override a key of the recipe; any number"},
        {"threads", 0, CLI_COUNT, &s.threads, "N", "threads (all)"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    s.recipe = call->arguments[0];
    s.set = call->texts;
    s.set_count = call->text_count;
    cli_stop_catch();
    weld_cache_result result = {.interrupted = false};
    weld_status status = weld_make_cache(&s, &result, err);
    cli_progress_end(&progress);
    if (status) {
        return status;
    }
    if (result.interrupted) {
        printf("stopped: %s.partial holds what is done: the same command goes on there\n", s.out);
        err->message[0] = '\0';
        return WELD_ERROR_INTERRUPTED;
    }
    printf("%s", s.out);
    if (result.bad) {
        printf(": without %lld images that cannot be read", (long long)result.bad);
    }
    putchar('\n');
    return WELD_OK;
}
