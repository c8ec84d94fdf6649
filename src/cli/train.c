/* weld train: run a recipe, with live progress. */
#include "weld/train.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/data_options.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/stop.h"
#include "cli/train_facts.h"
#include "train/times.h"

static void on_start(void *context, const weld_train_start *s) {
    cli_stop_catch();
    cli_progress_end(context);
    cli_print_start(stderr, "", s);
    if (s->resumed_step > 0) {
        fprintf(stderr, "resuming %s after update %lld\n", s->out, (long long)s->resumed_step);
    } else {
        fprintf(stderr, "writing to %s\n", s->out);
    }
}

/* As comments below the recipe, so that all of it is a recipe. */
static void on_dry_start(void *context, const weld_train_start *s) {
    cli_progress_end(context);
    fputs(s->recipe, stdout);
    cli_print_start(stdout, "# ", s);
}

static void on_step(void *context, const weld_train_progress *p) {
    char text[160], size[32] = "", left[32];
    if (p->size) {
        snprintf(size, sizeof size, "size %d  ", p->size);
    }
    snprintf(text, sizeof text,
             "epoch %lld/%lld  %lld/%lld  %sloss %.4f  lr %.3g  %.1f images/s  "
             "data wait %.0f %%  ETA %s",
             (long long)p->epoch + 1, (long long)p->epochs, (long long)p->position,
             (long long)p->steps_per_epoch, size, p->loss, p->lr, p->images_per_second,
             100 * p->data_share, cli_duration(p->seconds_left, left, sizeof left));
    cli_progress_line(context, text);
}

/* "epoch 3: data wait 0.1 %, decode 2.0 %, ..." of the time of its updates and evaluation. */
static void print_times(const weld_train_evaluation *e) {
    weld_times_part parts[WELD_TIMES_MAX + 1];
    int count = weld_times_parts(&e->times, parts);
    double all = 0;
    if (e->evaluation_seconds > 0) {
        parts[count++] = (weld_times_part){"evaluation", e->evaluation_seconds};
    }
    for (int i = 0; i < count; i++) {
        all += parts[i].seconds;
    }
    fprintf(stderr, "epoch %lld:", (long long)e->epoch + 1);
    for (int i = 0; i < count; i++) {
        fprintf(stderr, "%s %s %.1f %%", i ? "," : " data", parts[i].name,
                100 * parts[i].seconds / fmax(all, 1e-9));
    }
    fprintf(stderr, "; threads %.1f of %d\n", e->threads_used, e->threads);
}

static void print_note(const weld_train_evaluation *e) {
    if (e->note[0]) {
        fprintf(stderr, "epoch %lld: %s\n", (long long)e->epoch + 1, e->note);
    }
}

/* "epoch 3: train loss 1.2 (box 0.5, class 0.7)" */
static void print_loss(const weld_train_evaluation *e) {
    fprintf(stderr, "epoch %lld: train loss %.4f", (long long)e->epoch + 1, e->train_loss);
    for (int i = 0; i < e->loss_part_count; i++) {
        fprintf(stderr, "%s%s %.4f%s", i ? ", " : " (", e->loss_parts[i].name,
                e->loss_parts[i].value, i + 1 == e->loss_part_count ? ")" : "");
    }
}

static void on_evaluation(void *context, const weld_train_evaluation *e) {
    char text[160], took[32];
    if (!e->done) {
        snprintf(text, sizeof text, "epoch %lld  evaluating %lld/%lld", (long long)e->epoch + 1,
                 (long long)e->images_done, (long long)e->images);
        cli_progress_line(context, text);
        return;
    }
    cli_progress_end(context);
    if (e->images == 0) {
        print_loss(e);
        fprintf(stderr, ", %s\n", cli_duration(e->seconds, took, sizeof took));
        print_times(e);
        print_note(e);
        return;
    }
    print_loss(e);
    if (isfinite(e->loss)) {
        fprintf(stderr, ", val loss %.4f", e->loss);
    }
    for (int i = 0; i < e->score_count; i++) {
        const weld_score *s = &e->scores[i];
        if (isnan(s->value)) {
            fprintf(stderr, ", %s -", s->label);
        } else {
            fprintf(stderr, ", %s %.*f%s", s->label, s->decimals, s->value, s->unit);
        }
    }
    if (!isnan(e->average)) {
        fprintf(stderr, ", moving average %.*f%s", e->scores[0].decimals, e->average,
                e->scores[0].unit);
    }
    fprintf(stderr, ", %s%s\n", cli_duration(e->seconds, took, sizeof took),
            e->best ? ", best so far" : "");
    print_times(e);
    print_note(e);
}

/* recipe.yaml holds what --set and --data said, so that the advice is complete. */
static void print_result(const weld_train_result *r, bool on_ranks) {
    char took[32];
    if (r->interrupted) {
        char recipe[sizeof r->out + 16], words[2][4 * sizeof recipe];
        snprintf(recipe, sizeof recipe, "%s/recipe.yaml", r->out);
        printf("stopped after update %lld: continue with %sweld train %s --out %s --resume\n",
               (long long)r->step, on_ranks ? "mpirun ... " : "",
               weld_shell_word(recipe, words[0], sizeof words[0]),
               weld_shell_word(r->out, words[1], sizeof words[1]));
        return;
    }
    printf("%s: %lld %s, %lld %s, %s", r->out, (long long)r->epochs,
           weld_plural(r->epochs, "epoch", "epochs"), (long long)r->step,
           weld_plural(r->step, "update", "updates"), cli_duration(r->seconds, took, sizeof took));
    if (!isnan(r->last.value)) {
        printf(", %s %.*f%s", r->last.label, r->last.decimals, r->last.value, r->last.unit);
    }
    if (r->evaluated && !isnan(r->best.value)) {
        printf(", best %s %.*f%s", r->best.label, r->best.decimals, r->best.value, r->best.unit);
    }
    if (r->bad_images) {
        printf(", %lld bad %s skipped", (long long)r->bad_images,
               weld_plural(r->bad_images, "image", "images"));
    }
    putchar('\n');
}

/* Those that contradict others, in words; NULL: none. */
static const char *contradiction(const weld_train_settings *s, bool dry) {
    return dry && s->resume          ? "--dry-run and --resume do not go together"
           : s->resume && !s->out    ? "--resume needs --out DIR: which run?"
           : s->extend && !s->resume ? "--extend goes with --resume: which run?"
           : s->init_key && !s->init ? "--key goes with --init: of which file?"
                                     : NULL;
}

static weld_status dry_run(const weld_train_settings *settings, weld_error *err) {
    weld_train_settings s = *settings;
    weld_train_plan plan;
    s.callbacks.started = on_dry_start;
    weld_status status = weld_train_dry_run(&s, &plan, err);
    cli_progress_end(s.callbacks.context);
    if (!status && weld_group_rank(s.group) == 0) {
        cli_print_plan(stdout, "# ", &plan);
    }
    return status;
}

static weld_status run(const weld_train_settings *s, weld_error *err) {
    weld_train_result result;
    weld_status status = weld_train_run(s, &result, err);
    cli_progress_end(s->callbacks.context);
    if (!status && weld_group_rank(s->group) == 0) {
        print_result(&result, s->group != NULL);
    }
    if (!status && result.interrupted) {
        err->message[0] = '\0';
        status = WELD_ERROR_INTERRUPTED;
    }
    return status;
}

weld_status cli_train(cli_call *call, weld_error *err) {
    weld_train_settings s = weld_train_defaults();
    cli_progress progress = {0};
    double timeout = weld_group_defaults().timeout;
    bool dry = false;
    const cli_option options[] = {
        {"set", 0, CLI_TEXTS, NULL, "KEY=VALUE", "override a key of the recipe; any number"},
        CLI_DATA_FOR_RECIPE(s.data),
        {"out", 0, CLI_TEXT, &s.out, "DIR", "the run's folder (runs/<recipe>-<time>)"},
        {"resume", 0, CLI_FLAG, &s.resume, NULL, "continue the run in --out, or start it"},
        {"extend", 0, CLI_COUNT, &s.extend, "N",
         "of --resume: go on to N epochs in all, more than the run was begun for"},
        {"init", 0, CLI_TEXT, &s.init, "FILE",
         "start from its weights: checkpoint, .pth, .safetensors"},
        {"key", 0, CLI_TEXT, &s.init_key, "KEY",
         "of --init: of a .pth model, ...; of a checkpoint ema"},
        {"dry-run", 0, CLI_FLAG, &dry, NULL,
         "print the whole recipe, memory and time needed; write nothing"},
        {"mixed", 0, CLI_FLAG, &s.mixed, NULL,
         "under mpirun: cpus of several kinds, each as fast as it can; not the bits of one "
         "process"},
        CLI_RANK_THREADS(s.threads),
        CLI_RANK_TIMEOUT(timeout),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    if (contradiction(&s, dry)) {
        cli_usage(call, "%s", contradiction(&s, dry));
    }
    s.recipe = call->arguments[0];
    s.set = call->texts;
    s.set_count = call->text_count;
    s.callbacks = (weld_train_callbacks){.context = &progress,
                                         .started = on_start,
                                         .stepped = on_step,
                                         .evaluated = on_evaluation,
                                         .message = cli_message,
                                         .stop = cli_stop_requested};
    cli_stop_catch_launched();
    WELD_TRY(cli_ranks_open(timeout, &progress, &s.group, err));
    return cli_ranks_close(s.group, dry ? dry_run(&s, err) : run(&s, err), err);
}
