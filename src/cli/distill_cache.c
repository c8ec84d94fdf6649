/* weld distill-cache: what a teacher says of every image of a recipe, for training without it. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/stop.h"
#include "formats/file.h"
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

/* It lies beside the file itself where its name is a link. */
static void print_stopped(const char *out) {
    char *name = NULL;
    (void)weld_file_final_name(out, &name, NULL);
    printf("stopped: %s.partial holds what is done: the same command goes on there\n",
           name ? name : out);
    weld_free(name);
}

static void print_result(const weld_cache_settings *s, const weld_cache_result *r) {
    if (r->interrupted) {
        print_stopped(s->out);
        return;
    }
    printf("%s", s->out);
    if (r->bad) {
        printf(": without %lld %s that cannot be read", (long long)r->bad,
               weld_plural(r->bad, "image", "images"));
    }
    putchar('\n');
}

/* The file is a safetensors file; another ending is of another file more likely than not. */
static weld_status check_name(const char *out, weld_error *err) {
    static const char ending[] = ".safetensors";
    const size_t length = strlen(out);
    return length >= sizeof ending && strcmp(out + length + 1 - sizeof ending, ending) == 0
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: the ending tells the format: call it .safetensors", out);
}

static weld_status make(const weld_cache_settings *s, weld_error *err) {
    weld_cache_result result = {.interrupted = false};
    weld_status status = check_name(s->out, err);
    status = status ? status : weld_make_cache(s, &result, err);
    cli_progress_end(s->context);
    if (!status && weld_group_rank(s->group) == 0) {
        print_result(s, &result);
    }
    if (!status && result.interrupted) {
        err->message[0] = '\0';
        return WELD_ERROR_INTERRUPTED;
    }
    return status;
}

weld_status cli_distill_cache(cli_call *call, weld_error *err) {
    cli_progress progress = {.what = "distill-cache"};
    weld_cache_settings s = {.context = &progress,
                             .message = say,
                             .planned = say_plan,
                             .progress = cli_progress_show,
                             .bad_image = cli_bad_image,
                             .stop = cli_stop_requested};
    double timeout = weld_group_defaults().timeout;
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
        CLI_RANK_THREADS(s.threads),
        CLI_RANK_TIMEOUT(timeout),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    s.recipe = call->arguments[0];
    s.set = call->texts;
    s.set_count = call->text_count;
    cli_stop_catch();
    WELD_TRY(cli_ranks_begin(call, timeout, &progress, &s.threads, &s.group, err));
    return cli_ranks_close(s.group, make(&s, err), err);
}
