/* Two models on the same images, resampled; see resampled.h. */
#include "infer/resampled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "infer/model.h"

enum { LEAST_RESAMPLES = 40 }; /* fewer have no fortieth part */

/* One of the models. */
typedef struct side {
    const weld_task *task;
    const weld_dataset *ds;
    weld_evaluator *evaluator;
    void *resample;
    int classes;
    weld_array numbers; /* int64_t, in the data set as stored, of images as they were counted */
    int32_t *places;    /* [images both saw]: when each was counted */
} side;

/* What one thread counts with. */
typedef struct scratch {
    int32_t *times[2];
    double *values[2]; /* [score][class] */
} scratch;

typedef struct comparison {
    side sides[2];
    weld_resampled *out;
    scratch *scratches;
    size_t columns; /* of a resample: the differences of all scores, then of the classes */
    double *rows;   /* [WELD_RESAMPLES, columns] */
} comparison;

/* --- What each says --- */

static weld_status watch(void *arg, const weld_image_record *now, weld_error *err) {
    side *s = arg;
    const int64_t number = weld_dataset_number(s->ds, now->index);
    return weld_array_append(&s->numbers, &number, 1)
               ? WELD_OK
               : weld_fail_memory(err, weld_dataset_path(s->ds));
}

static weld_status look(const weld_model *m, const weld_evaluator_options *options, side *s,
                        weld_error *err) {
    weld_evaluator_options o = *options;
    weld_evaluation whole;
    o.seen = watch;
    o.seen_arg = s;
    WELD_TRY(weld_model_evaluator_create(m, s->ds, &o, &s->evaluator, err));
    WELD_TRY(weld_evaluator_run(s->evaluator, &whole, err));
    return weld_evaluator_resample_create(s->evaluator, &s->resample, err);
}

/* Numbers rise in both. */
static weld_status find_common(comparison *c, weld_error *err) {
    side *a = &c->sides[0], *b = &c->sides[1];
    const int64_t *x = a->numbers.data, *y = b->numbers.data;
    const size_t most = a->numbers.count < b->numbers.count ? a->numbers.count : b->numbers.count;
    int64_t *images = &c->out->images;
    a->places = weld_alloc(most, sizeof *a->places);
    b->places = weld_alloc(most, sizeof *b->places);
    if (!a->places || !b->places) {
        return weld_fail_memory(err, weld_dataset_path(a->ds));
    }
    for (size_t i = 0, k = 0; i < a->numbers.count && k < b->numbers.count;) {
        if (x[i] == y[k]) {
            a->places[*images] = (int32_t)i;
            b->places[(*images)++] = (int32_t)k;
        }
        const bool next_a = x[i] <= y[k], next_b = y[k] <= x[i];
        i += next_a;
        k += next_b;
    }
    return *images ? WELD_OK
                   : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: there is no image that both saw",
                               weld_dataset_path(a->ds));
}

/* --- Scores of images that count so many times --- */

static void score(const comparison *c, scratch *s) {
    for (int i = 0; i < 2; i++) {
        const side *m = &c->sides[i];
        double *values[WELD_SCORES_MAX];
        for (int k = 0; k < c->out->score_count; k++) {
            values[k] = s->values[i] + (size_t)k * (size_t)m->classes;
        }
        m->task->resample(m->resample, s->times[i], values);
    }
}

static double value_of(const comparison *c, const scratch *s, int i, int k,
                       const weld_resampled_class *class) {
    return s->values[i][(size_t)k * (size_t)c->sides[i].classes + (size_t) class->index[i]];
}

/* The mean of score k over the classes that both know. */
static double mean_of(const comparison *c, const scratch *s, int i, int k) {
    const weld_resampled_class *classes = c->out->classes.data;
    double sum = 0;
    int64_t count = 0;
    for (size_t n = 0; n < c->out->classes.count; n++) {
        const double value = value_of(c, s, i, k, &classes[n]);
        sum += isfinite(value) ? value : 0;
        count += isfinite(value) != 0;
    }
    return count ? sum / (double)count : NAN;
}

static void clear_times(const comparison *c, scratch *s) {
    for (int i = 0; i < 2; i++) {
        memset(s->times[i], 0, c->sides[i].numbers.count * sizeof(int32_t));
    }
}

static void resample(void *arg, int64_t item, int thread) {
    const comparison *c = arg;
    scratch *s = &c->scratches[thread];
    const weld_resampled_class *classes = c->out->classes.data;
    const uint64_t images = (uint64_t)c->out->images;
    weld_random random = weld_random_start(0, 0, (uint64_t)item, WELD_RANDOM_RESAMPLE);
    double *row = c->rows + (size_t)item * c->columns;
    clear_times(c, s);
    for (uint64_t i = 0; i < images; i++) {
        const uint64_t drawn = weld_random_below(&random, images);
        s->times[0][c->sides[0].places[drawn]]++;
        s->times[1][c->sides[1].places[drawn]]++;
    }
    score(c, s);
    for (int k = 0; k < c->out->score_count; k++) {
        *row++ = mean_of(c, s, 1, k) - mean_of(c, s, 0, k);
    }
    for (size_t n = 0; n < c->out->classes.count; n++) {
        *row++ = value_of(c, s, 1, 0, &classes[n]) - value_of(c, s, 0, 0, &classes[n]);
    }
}

/* --- All images --- */

/* The class of the second data set that has the name of one of the first; -1: none. */
static int find_class(const side *b, const char *name, int near) {
    if (near < b->classes && strcmp(weld_dataset_class_name(b->ds, near), name) == 0) {
        return near;
    }
    return weld_dataset_find_class(b->ds, name);
}

static weld_status find_classes(comparison *c, const scratch *s, weld_error *err) {
    const side *a = &c->sides[0], *b = &c->sides[1];
    weld_resampled *out = c->out;
    int of_b = 0;
    for (int i = 0; i < b->classes; i++) {
        of_b += isfinite(s->values[1][i]) != 0;
    }
    for (int i = 0; i < a->classes; i++) {
        if (!isfinite(s->values[0][i])) {
            continue;
        }
        const char *name = weld_dataset_class_name(a->ds, i);
        const weld_resampled_class class = {{i, find_class(b, name, i)}, name, {.p = NAN}};
        if (class.index[1] < 0) {
            out->only_one[0]++;
        } else if (!weld_array_append(&out->classes, &class, 1)) {
            return weld_fail_memory(err, weld_dataset_path(a->ds));
        }
    }
    out->only_one[1] = of_b - (int)out->classes.count;
    return out->classes.count
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: there is no class with boxes that both models know by one "
                           "name: weld eval says what each is worth by itself",
                           weld_dataset_path(a->ds));
}

static weld_status score_all(comparison *c, scratch *s, weld_error *err) {
    weld_resampled *out = c->out;
    clear_times(c, s);
    for (int64_t i = 0; i < out->images; i++) {
        s->times[0][c->sides[0].places[i]] = s->times[1][c->sides[1].places[i]] = 1;
    }
    score(c, s);
    WELD_TRY(find_classes(c, s, err));
    weld_resampled_class *classes = out->classes.data;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < out->score_count; k++) {
            out->scores[k].value[i] = mean_of(c, s, i, k);
        }
        for (size_t n = 0; n < out->classes.count; n++) {
            classes[n].score.value[i] = value_of(c, s, i, 0, &classes[n]);
        }
    }
    return WELD_OK;
}

/* --- Where differences lie --- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between two of the sorted, as NumPy has it. */
static double quantile(const double *sorted, size_t count, double share) {
    const double at = share * (double)(count - 1);
    const size_t below = (size_t)at, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

static void judge(const comparison *c, size_t column, weld_resampled_score *s) {
    double values[WELD_RESAMPLES];
    size_t count = 0, up = 0, down = 0;
    for (size_t i = 0; i < WELD_RESAMPLES; i++) {
        const double value = c->rows[i * c->columns + column];
        if (isfinite(value)) {
            values[count++] = value;
            up += value >= 0;
            down += value <= 0;
        }
    }
    s->difference = s->value[1] - s->value[0];
    s->low = s->high = s->p = NAN;
    if (count >= LEAST_RESAMPLES && c->out->images >= WELD_RESAMPLED_LEAST) {
        qsort(values, count, sizeof *values, ascending);
        s->low = quantile(values, count, 0.025);
        s->high = quantile(values, count, 0.975);
        s->p = fmin(1, 2 * (double)((up < down ? up : down) + 1) / (double)(count + 1));
    }
}

/* --- All of it --- */

static weld_status allocate(comparison *c, int threads, weld_error *err) {
    c->scratches = weld_alloc((size_t)threads, sizeof *c->scratches);
    bool ok = c->scratches != NULL;
    for (int t = 0; t < threads && ok; t++) {
        for (int i = 0; i < 2; i++) {
            const side *s = &c->sides[i];
            c->scratches[t].times[i] = weld_alloc(s->numbers.count, sizeof(int32_t));
            c->scratches[t].values[i] =
                weld_alloc((size_t)s->classes, (size_t)c->out->score_count * sizeof(double));
            ok = ok && c->scratches[t].times[i] && c->scratches[t].values[i];
        }
    }
    return ok ? WELD_OK : weld_fail_memory(err, "resampling");
}

static weld_status resample_all(comparison *c, int threads, weld_error *err) {
    weld_resampled *out = c->out;
    WELD_TRY(score_all(c, &c->scratches[0], err));
    c->columns = (size_t)out->score_count + out->classes.count;
    c->rows = weld_alloc(c->columns, WELD_RESAMPLES * sizeof(double));
    if (!c->rows) {
        return weld_fail_memory(err, "resampling");
    }
    weld_parallel(threads, WELD_RESAMPLES, resample, c);
    for (int k = 0; k < out->score_count; k++) {
        judge(c, (size_t)k, &out->scores[k]);
    }
    for (size_t n = 0; n < out->classes.count; n++) {
        judge(c, (size_t)out->score_count + n,
              &((weld_resampled_class *)out->classes.data)[n].score);
    }
    return WELD_OK;
}

static void release(comparison *c, int threads) {
    for (int t = 0; c->scratches && t < threads; t++) {
        for (int i = 0; i < 2; i++) {
            weld_free(c->scratches[t].times[i]);
            weld_free(c->scratches[t].values[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        side *s = &c->sides[i];
        if (s->resample) {
            s->task->resample_free(s->resample);
        }
        weld_evaluator_free(s->evaluator);
        weld_array_free(&s->numbers);
        weld_free(s->places);
    }
    weld_free(c->scratches);
    weld_free(c->rows);
}

weld_status weld_resampled_run(const weld_model *const models[2], const weld_dataset *const ds[2],
                               const weld_evaluator_options *options, weld_resampled *out,
                               weld_error *err) {
    const weld_task *task = weld_model_task(models[0]);
    const int threads = weld_threads_count(options->threads);
    comparison c = {.out = out};
    *out = (weld_resampled){.score_count = task->run_scores,
                            .classes = {.element = sizeof(weld_resampled_class)}};
    weld_status status = WELD_OK;
    for (int i = 0; i < 2 && !status; i++) {
        c.sides[i] = (side){.task = task,
                            .ds = ds[i],
                            .classes = weld_dataset_class_count(ds[i]),
                            .numbers = {.element = sizeof(int64_t)}};
        status = look(models[i], options, &c.sides[i], err);
    }
    status = status ? status : find_common(&c, err);
    status = status ? status : allocate(&c, threads, err);
    status = status ? status : resample_all(&c, threads, err);
    release(&c, threads);
    if (status) {
        weld_resampled_free(out);
    }
    return status;
}

void weld_resampled_free(weld_resampled *r) {
    weld_array_free(&r->classes);
}
