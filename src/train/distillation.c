/* What the second head learns; see distillation.h. */
#include "train/distillation.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/teacher.h"

struct weld_distillation {
    weld_distillation_kind kind;
    double temperature;
    int classes;
    weld_teacher *teacher;
    char identity[32], text[256];
};

static weld_status open_teacher(weld_distillation *d, const weld_recipe *r, const weld_dataset *ds,
                                int64_t batch, int threads, weld_error *err) {
    weld_teacher_options options = {.preprocessing = &r->data.preprocessing,
                                    .batch = batch,
                                    .threads = threads,
                                    .precision = (weld_precision)r->train.precision};
    weld_status status =
        weld_teacher_open(r->loss.distillation.teacher, ds, &options, &d->teacher, err);
    if (status) {
        return weld_fail_context(err, status, "loss.distillation.teacher");
    }
    weld_teacher_facts f = weld_teacher_get_facts(d->teacher);
    d->classes = f.classes;
    snprintf(d->identity, sizeof d->identity, "teacher %s", f.identity);
    snprintf(d->text, sizeof d->text, "teacher: %.150s: %.40s, %.2f M parameters, %.0f MB",
             r->loss.distillation.teacher, f.name, (double)f.parameters / 1e6,
             (double)f.memory_bytes / 1e6);
    return WELD_OK;
}

weld_status weld_distillation_open(const weld_recipe *r, const weld_dataset *ds, int64_t batch,
                                   int threads, weld_distillation **out, weld_error *err) {
    *out = NULL;
    weld_distillation *d = weld_alloc(1, sizeof *d);
    if (!d) {
        return weld_fail_memory(err, "distillation");
    }
    d->kind = (weld_distillation_kind)r->loss.distillation.kind;
    d->temperature = r->loss.distillation.temperature;
    weld_status status = open_teacher(d, r, ds, batch, threads, err);
    if (status) {
        weld_distillation_free(d);
        return status;
    }
    *out = d;
    return WELD_OK;
}

void weld_distillation_free(weld_distillation *d) {
    if (d) {
        weld_teacher_free(d->teacher);
        weld_free(d);
    }
}

const char *weld_distillation_identity(const weld_distillation *d) {
    return d->identity;
}

const char *weld_distillation_text(const weld_distillation *d) {
    return d->text;
}

/* The most probable class alone; of equal ones the first. */
static void make_one_hot(float *row, int classes) {
    int best = 0;
    for (int i = 1; i < classes; i++) {
        best = row[i] > row[best] ? i : best;
    }
    memset(row, 0, (size_t)classes * sizeof *row);
    row[best] = 1;
}

static void make_targets(const weld_distillation *d, int64_t count, float *rows) {
    for (int64_t i = 0; i < count; i++) {
        float *row = rows + i * d->classes;
        if (d->kind == WELD_DISTILL_HARD) {
            make_one_hot(row, d->classes);
            continue;
        }
        for (int k = 0; k < d->classes; k++) {
            row[k] = (float)(row[k] / d->temperature);
        }
    }
}

weld_status weld_distillation_fill(weld_distillation *d, const weld_batch *batch,
                                   const float *images, float *teacher, weld_error *err) {
    (void)err;
    weld_teacher_run(d->teacher, images, batch->count, teacher);
    make_targets(d, batch->count, teacher);
    return WELD_OK;
}
