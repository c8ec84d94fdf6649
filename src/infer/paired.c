/* Two models on the same images; see paired.h. */
#include "infer/paired.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/model.h"

static const double NORMAL_95 = 1.959963984540054; /* 97.5 % of the normal law lie below */

/* Of m fair tosses, how often the rarer side comes up `least` times or less, or the other does. */
static double two_sided(int64_t least, int64_t m) {
    double p = 0;
    for (int64_t k = 0; k <= least; k++) {
        p += exp(lgamma((double)m + 1) - lgamma((double)k + 1) - lgamma((double)(m - k) + 1) -
                 (double)m * log(2));
    }
    return fmin(1, 2 * p);
}

weld_paired_difference weld_paired_difference_of(int64_t n, int64_t n10, int64_t n01) {
    const double all = (double)n + 2, parted = (double)(n10 + n01) + 1;
    const double towards = (double)(n01 - n10), middle = towards / all;
    const double spread = NORMAL_95 * sqrt(fmax(parted - towards * towards / all, 0)) / all;
    return (weld_paired_difference){.value = towards / (double)n,
                                    .low = fmax(middle - spread, -1),
                                    .high = fmin(middle + spread, 1),
                                    .p = two_sided(n10 < n01 ? n10 : n01, n10 + n01)};
}

/* --- What each says --- */

typedef struct seen {
    bool counted;
    weld_outcome outcome;
} seen;

typedef struct watching {
    const weld_dataset *ds;
    const weld_task *task;
    seen *images; /* by number */
} watching;

static weld_status watch(void *arg, const weld_image_record *now, weld_error *err) {
    const watching *w = arg;
    seen *image = &w->images[weld_dataset_number(w->ds, now->index)];
    (void)err;
    image->counted = true;
    w->task->outcome(now->data, &image->outcome);
    return WELD_OK;
}

static weld_status look(const weld_model *m, const weld_dataset *ds,
                        const weld_evaluator_options *options, seen *images, weld_error *err) {
    watching w = {.ds = ds, .task = weld_model_task(m), .images = images};
    weld_evaluator_options o = *options;
    weld_evaluator *evaluator;
    weld_evaluation whole; /* of all that this one saw, which the other may not have seen */
    o.temperature = m->file.temperature;
    o.seen = watch;
    o.seen_arg = &w;
    WELD_TRY(weld_model_evaluator_create(m, ds, &o, &evaluator, err));
    weld_status status = weld_evaluator_run(evaluator, &whole, err);
    weld_evaluator_free(evaluator);
    return status;
}

/* --- Together --- */

/* Do the two mean the same? By name, where both have names. */
static bool same_answer(const weld_dataset *const ds[2], const int answer[2]) {
    return strcmp(weld_dataset_class_name(ds[0], answer[0]),
                  weld_dataset_class_name(ds[1], answer[1])) == 0;
}

static void count_losses(weld_paired *p, double square_sum) {
    const double n = (double)p->images, mean = p->loss_difference / n;
    const double variance = n > 1 ? fmax(square_sum - n * mean * mean, 0) / (n - 1) : NAN;
    const double spread = NORMAL_95 * sqrt(variance / n);
    p->loss[0] /= n;
    p->loss[1] /= n;
    p->loss_difference = mean;
    p->loss_low = mean - spread;
    p->loss_high = mean + spread;
}

static weld_status count(const weld_dataset *const ds[2], seen *const images[2], weld_paired *p,
                         weld_error *err) {
    double square_sum = 0;
    p->differ.element = sizeof(weld_paired_image);
    for (int64_t i = 0; i < weld_dataset_count(ds[0]); i++) {
        const int64_t number = weld_dataset_number(ds[0], i);
        const seen *a = &images[0][number], *b = &images[1][number];
        if (!a->counted || !b->counted) {
            continue;
        }
        const weld_paired_image image = {.number = number,
                                         .name = weld_dataset_name(ds[0], i),
                                         .label = a->outcome.label,
                                         .answer = {a->outcome.answer, b->outcome.answer},
                                         .right = {a->outcome.right, b->outcome.right}};
        const double loss = b->outcome.loss - a->outcome.loss;
        p->images++;
        p->right[image.right[0]][image.right[1]]++;
        p->loss[0] += a->outcome.loss;
        p->loss[1] += b->outcome.loss;
        p->loss_difference += loss;
        square_sum += loss * loss;
        if (!same_answer(ds, image.answer) && !weld_array_append(&p->differ, &image, 1)) {
            return weld_fail_memory(err, weld_dataset_path(ds[0]));
        }
    }
    if (p->images == 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: there is no image whose class both models know",
                         weld_dataset_path(ds[0]));
    }
    const double n = (double)p->images;
    p->score[0] = (double)(p->right[1][0] + p->right[1][1]) / n;
    p->score[1] = (double)(p->right[0][1] + p->right[1][1]) / n;
    p->difference = weld_paired_difference_of(p->images, p->right[1][0], p->right[0][1]);
    count_losses(p, square_sum);
    return WELD_OK;
}

weld_status weld_paired_run(const weld_model *const models[2], const weld_dataset *const ds[2],
                            const weld_evaluator_options *options, weld_paired *out,
                            weld_error *err) {
    const weld_task *task = weld_model_task(models[0]);
    *out = (weld_paired){.images = 0};
    if (task != weld_model_task(models[1]) || !task->outcome) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "the models are for %s and %s: only those for classification can be "
                         "compared image by image",
                         task->name, weld_model_task(models[1])->name);
    }
    const size_t stored = (size_t)weld_dataset_stored_count(ds[0]);
    seen *images[2] = {weld_alloc(stored, sizeof(seen)), weld_alloc(stored, sizeof(seen))};
    weld_status status =
        images[0] && images[1] ? WELD_OK : weld_fail_memory(err, weld_dataset_path(ds[0]));
    if (!status && weld_dataset_stored_count(ds[1]) != (int64_t)stored) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT, "%s: has changed meanwhile",
                           weld_dataset_path(ds[1]));
    }
    for (int i = 0; i < 2 && !status; i++) {
        status = look(models[i], ds[i], options, images[i], err);
    }
    status = status ? status : count(ds, images, out, err);
    weld_free(images[0]);
    weld_free(images[1]);
    if (status) {
        weld_paired_free(out);
    }
    return status;
}

void weld_paired_free(weld_paired *p) {
    weld_array_free(&p->differ);
}
