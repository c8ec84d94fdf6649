/* Facts of a training run as text; see train_facts.h. */
#include "cli/train_facts.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "train/times.h"

/* More would be one for every layer: layer-wise rates have a line of their own. */
enum { GROUPS_SHOWN = 6 };

static void print_rate(FILE *out, const char *prefix, const weld_train_start *s) {
    if (s->lr_batch > 0) {
        fprintf(out, "%slearning rate %g = %g * %lld / %lld (linear in the batch)\n", prefix, s->lr,
                s->recipe_lr, (long long)(s->batch_size * s->accumulate), (long long)s->lr_batch);
    } else {
        fprintf(out, "%slearning rate %g\n", prefix, s->lr);
    }
    fprintf(out, "%sschedule: %s\n", prefix, s->schedule);
    if (s->rates) {
        fprintf(out, "%slearning rates: %s; %.2f M of the parameters are trained\n", prefix,
                s->rates, (double)s->trained_parameters / 1e6);
    }
}

static void print_group(FILE *out, const char *prefix, const weld_train_group *g) {
    const char *what = !g->trained ? "frozen" : g->weights ? "weights" : "norms and biases";
    fprintf(out, "%s%s: %lld tensors, %lld scalars", prefix, what, (long long)g->tensors,
            (long long)g->parameters);
    if (g->trained && g->weight_decay > 0) {
        fprintf(out, ", weight decay %g", g->weight_decay);
    } else if (g->trained) {
        fputs(", no weight decay", out);
    }
    if (g->trained && g->lr_scale != 1) {
        fprintf(out, ", %.3g of the rate", g->lr_scale);
    }
    fputc('\n', out);
}

/* All rates together: weights, norms and biases, then what is frozen. */
static void print_kinds(FILE *out, const char *prefix, const weld_train_start *s) {
    weld_train_group kinds[3] = {{.trained = true, .weights = true}, {.trained = true}, {0}};
    for (size_t i = 0; i < s->group_count; i++) {
        const weld_train_group *g = &s->groups[i];
        weld_train_group *kind = &kinds[!g->trained ? 2 : g->weights ? 0 : 1];
        kind->weight_decay = g->weight_decay;
        kind->lr_scale = 1;
        kind->tensors += g->tensors;
        kind->parameters += g->parameters;
    }
    for (size_t i = 0; i < 3; i++) {
        if (kinds[i].tensors > 0) {
            print_group(out, prefix, &kinds[i]);
        }
    }
}

static void print_groups(FILE *out, const char *prefix, const weld_train_start *s) {
    if (s->group_count > GROUPS_SHOWN) {
        print_kinds(out, prefix, s);
        return;
    }
    for (size_t i = 0; i < s->group_count; i++) {
        print_group(out, prefix, &s->groups[i]);
    }
}

/* What precision and memory follow on the same line. */
static void print_sizes(FILE *out, const char *prefix, const weld_train_start *s) {
    fprintf(out, "%san update is on ", prefix);
    if (s->accumulate > 1) {
        fprintf(out, "%lld batches of ", (long long)s->accumulate);
    }
    for (int i = 0; i < s->size_count; i++) {
        const char *between = i == 0 ? "" : i + 1 < s->size_count ? ", " : " or ";
        fprintf(out, "%s%lld images of %d x %d", between, (long long)s->sizes[i].batch,
                s->sizes[i].height, s->sizes[i].width);
    }
    fprintf(out, "\n%s%lld %s of about %lld updates, %lld in all; ", prefix, (long long)s->epochs,
            weld_plural(s->epochs, "epoch", "epochs"), (long long)s->steps_per_epoch,
            (long long)s->steps);
}

void cli_print_start(FILE *out, const char *prefix, const weld_train_start *s) {
    char parts[64] = "";
    fprintf(out, "%s%s: %.2f M parameters, %d %s, %lld %s to train on, %lld to evaluate\n", prefix,
            s->model, (double)s->parameters / 1e6, s->classes,
            weld_plural(s->classes, "class", "classes"), (long long)s->train_images,
            weld_plural(s->train_images, "image", "images"), (long long)s->val_images);
    if (s->size_count) {
        print_sizes(out, prefix, s);
    } else {
        if (s->accumulate > 1) {
            snprintf(parts, sizeof parts, " (%lld batches of %lld)", (long long)s->accumulate,
                     (long long)s->batch_size);
        }
        const int64_t images = s->batch_size * s->accumulate;
        fprintf(out, "%s%lld %s of %lld %s of %lld %s%s; ", prefix, (long long)s->epochs,
                weld_plural(s->epochs, "epoch", "epochs"), (long long)s->steps_per_epoch,
                weld_plural(s->steps_per_epoch, "update", "updates"), (long long)images,
                weld_plural(images, "image", "images"), parts);
    }
    if (s->inputs) {
        fprintf(out, "inputs of %s; ", s->inputs);
    }
    fprintf(out, "%s, %d %s, %.0f MB\n", cli_precision_name(s->precision), s->threads,
            weld_plural(s->threads, "thread", "threads"), (double)s->memory_bytes / 1e6);
    print_rate(out, prefix, s);
    print_groups(out, prefix, s);
    for (const char *line = s->advice; *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(out, "%snote: %.*s\n", prefix, (int)length, line);
        line += length + (line[length] != 0);
    }
}

static void print_memory(FILE *out, const char *prefix, const weld_train_plan *p) {
    const weld_train_memory *m = &p->memory;
    fprintf(out,
            "%smemory: %.0f MB of activations and gradients, %.1f MB of weights, %.1f MB of the "
            "optimizer",
            prefix, (double)m->activations / 1e6, (double)m->weights / 1e6,
            (double)m->optimizer / 1e6);
    if (m->average > 0) {
        fprintf(out, ", %.1f MB of the moving average", (double)m->average / 1e6);
    }
    if (m->accumulated > 0) {
        fprintf(out, ", %.1f MB of accumulated gradients", (double)m->accumulated / 1e6);
    }
    fprintf(out, "; the process took %.0f MB\n", (double)p->peak_bytes / 1e6);
}

static void print_parts(FILE *out, const char *prefix, const weld_train_plan *p) {
    weld_times_part parts[WELD_TIMES_MAX];
    int count = weld_times_parts(&p->times, parts);
    fprintf(out, "%sof an update:", prefix);
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s %s %.1f %%", i ? "," : " data", parts[i].name,
                100 * parts[i].seconds / fmax(p->measured_seconds, 1e-9));
    }
    fputc('\n', out);
}

void cli_print_plan(FILE *out, const char *prefix, const weld_train_plan *p) {
    char all[32], evaluation[32];
    print_memory(out, prefix, p);
    fprintf(out, "%san update takes %.3g s (of %lld measured), an evaluation %s\n", prefix,
            p->step_seconds, (long long)p->measured,
            p->evaluations ? cli_duration(p->evaluation_seconds, evaluation, sizeof evaluation)
                           : "is not made");
    print_parts(out, prefix, p);
    fprintf(out, "%s%lld %s and %lld %s: %s\n", prefix, (long long)p->steps,
            weld_plural(p->steps, "update", "updates"), (long long)p->evaluations,
            weld_plural(p->evaluations, "evaluation", "evaluations"),
            cli_duration(p->seconds, all, sizeof all));
}
