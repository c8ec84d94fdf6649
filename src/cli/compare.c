/* weld compare: two models on the same images. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/compare.h"
#include "base/text.h"
#include "cli/data_options.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "formats/json_text.h"
#include "infer/model.h"
#include "infer/paired.h"
#include "models/models.h"

typedef struct request {
    const char *data;
    int batch, threads;
    bool list, split;
    cli_model_options model;
} request;

typedef struct pair {
    cli_compared of;
    weld_paired result;
} pair;

/* --- As text --- */

static void print_scores(const pair *p, int i) {
    const weld_score_kind *k = &weld_model_task(p->of.models[i])->scores[0];
    cli_compared_print_model(&p->of, i);
    printf(": %s %.*f%s, loss %.4f\n", k->label, k->decimals, 100 * p->result.score[i], k->unit,
           p->result.loss[i]);
}

static void print_difference(const pair *p) {
    const weld_paired *w = &p->result;
    const weld_paired_difference *d = &w->difference;
    const weld_score_kind *k = &weld_model_task(p->of.models[0])->scores[0];
    printf("B - A: %s %+.*f%s, 95 %% interval %+.*f to %+.*f (matched pairs, Agresti and Min); "
           "loss %+.4f, %+.4f to %+.4f (normal)\n",
           k->label, k->decimals, 100 * d->value, k->unit, k->decimals, 100 * d->low, k->decimals,
           100 * d->high, w->loss_difference, w->loss_low, w->loss_high);
    printf("right: both on %lld, only A on %lld, only B on %lld, neither on %lld; McNemar's exact "
           "test: p = %.3g: %s\n",
           (long long)w->right[1][1], (long long)w->right[1][0], (long long)w->right[0][1],
           (long long)w->right[0][0], d->p, cli_compared_verdict(d->p, d->value));
}

static const char *class_name(const pair *p, int i, int answer) {
    return weld_dataset_class_name(p->of.data[i].ds, answer);
}

static void print_list(const pair *p) {
    const weld_paired_image *images = p->result.differ.data;
    for (size_t i = 0; i < p->result.differ.count; i++) {
        const weld_paired_image *image = &images[i];
        printf("%s: A %s%s, B %s%s\n", image->name, class_name(p, 0, image->answer[0]),
               image->right[0] ? " (right)" : "", class_name(p, 1, image->answer[1]),
               image->right[1] ? " (right)" : "");
    }
}

static void print_text(const request *r, const pair *p) {
    const weld_paired *w = &p->result;
    printf("%lld %s\n", (long long)w->images, weld_plural(w->images, "image", "images"));
    print_scores(p, 0);
    print_scores(p, 1);
    print_difference(p);
    printf("different answers on %zu %s%s\n", w->differ.count,
           weld_plural((int64_t)w->differ.count, "image", "images"),
           !w->differ.count ? ""
           : r->list        ? ":"
                            : " (--list names them)");
    if (r->list) {
        print_list(p);
    }
}

/* --- As JSON --- */

static json_t *model_json(const pair *p, int i) {
    json_t *object = cli_compared_model_json(&p->of, i);
    json_object_set_new(object, weld_model_task(p->of.models[i])->scores[0].key,
                        json_real(100 * p->result.score[i]));
    json_object_set_new(object, "loss", json_real(p->result.loss[i]));
    return object;
}

static json_t *list_json(const pair *p) {
    json_t *list = json_array();
    const weld_paired_image *images = p->result.differ.data;
    for (size_t i = 0; i < p->result.differ.count; i++) {
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o}", "image", weld_json_name(images[i].name),
                            "label", weld_json_name(class_name(p, 0, images[i].label)), "a",
                            weld_json_name(class_name(p, 0, images[i].answer[0])), "b",
                            weld_json_name(class_name(p, 1, images[i].answer[1]))));
    }
    return list;
}

static json_t *make_json(const request *r, const pair *p) {
    const weld_paired *w = &p->result;
    const weld_paired_difference *d = &w->difference;
    json_t *all = json_pack("{s:I, s:o, s:o}", "images", (json_int_t)w->images, "a",
                            model_json(p, 0), "b", model_json(p, 1));
    json_object_set_new(all, "difference",
                        json_pack("{s:f, s:f, s:f, s:f, s:s, s:f, s:o, s:o}",
                                  weld_model_task(p->of.models[0])->scores[0].key, 100 * d->value,
                                  "low", 100 * d->low, "high", 100 * d->high, "p", d->p, "method",
                                  "95 %: Agresti-Min for matched pairs; p: McNemar, exact", "loss",
                                  w->loss_difference, "loss_low", weld_json_number(w->loss_low),
                                  "loss_high", weld_json_number(w->loss_high)));
    json_object_update_new(
        all, json_pack("{s:I, s:I, s:I, s:I, s:I}", "both_right", (json_int_t)w->right[1][1],
                       "only_a_right", (json_int_t)w->right[1][0], "only_b_right",
                       (json_int_t)w->right[0][1], "none_right", (json_int_t)w->right[0][0],
                       "different_answers", (json_int_t)w->differ.count));
    if (r->list) {
        json_object_set_new(all, "differ", list_json(p));
    }
    return all;
}

/* --- All of it --- */

static weld_status open_one(const request *r, pair *p, int i, weld_text *notes, weld_error *err) {
    WELD_TRY(cli_open_model(p->of.files[i], &r->model, &p->of.models[i], err));
    cli_tell_preparing(p->of.files[i], p->of.models[i]);
    const cli_data_request data = {.path = r->data,
                                   .split = r->split ? p->of.models[0]
                                                     : NULL, /* the parts are those of A's run */
                                   .threads = r->threads,
                                   .letter = cli_compared_letters[i],
                                   .again = i > 0,
                                   .notes = notes};
    return cli_open_data(&data, p->of.models[i], &p->of.data[i], err);
}

/* Image by image. */
static weld_status compare_paired(const request *r, pair *p, const weld_evaluator_options *options,
                                  weld_error *err) {
    const weld_dataset *ds[2] = {p->of.data[0].ds, p->of.data[1].ds};
    WELD_TRY(
        weld_paired_run((const weld_model *const *)p->of.models, ds, options, &p->result, err));
    cli_progress_end(options->arg);
    if (p->of.json) {
        cli_print_json(make_json(r, p), 9);
    } else {
        print_text(r, p);
    }
    return WELD_OK;
}

/* What is so of the classes of both is said once. */
static void tell_classes(weld_text notes[2]) {
    if (strcmp(weld_text_get(&notes[0]), weld_text_get(&notes[1])) == 0) {
        cli_print_notes("A and B", &notes[0]);
        return;
    }
    for (int i = 0; i < 2; i++) {
        cli_print_notes(cli_compared_letters[i], &notes[i]);
    }
}

static weld_status check_request(const request *r, const pair *p, weld_error *err) {
    const weld_task *task = weld_model_task(p->of.models[0]);
    if (r->list && !task->outcome) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--list: what networks for %s say of an image is not right or wrong: "
                         "leave it out",
                         task->name);
    }
    if (p->of.per_class && !task->resample) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--per-class: is not for networks for %s: weld eval --per-class has the "
                         "classes of each",
                         task->name);
    }
    return WELD_OK;
}

static weld_status compare(const request *r, pair *p, weld_error *err) {
    cli_progress progress = {.what = "compare"};
    const weld_evaluator_options options = {.batch_size = r->batch,
                                            .threads = r->threads,
                                            .bad_image = cli_bad_image,
                                            .progress = cli_evaluation_progress,
                                            .arg = &progress};
    weld_text notes[2] = {WELD_TEXT, WELD_TEXT};
    weld_status opened = open_one(r, p, 0, &notes[0], err);
    opened = opened ? opened : check_request(r, p, err);
    opened = opened ? opened : open_one(r, p, 1, &notes[1], err);
    tell_classes(notes);
    weld_text_free(&notes[0]);
    weld_text_free(&notes[1]);
    WELD_TRY(opened);
    const weld_task *a = weld_model_task(p->of.models[0]), *b = weld_model_task(p->of.models[1]);
    weld_status status = a == b && a->resample ? cli_compare_resampled(&p->of, &options, err)
                                               : compare_paired(r, p, &options, err);
    cli_progress_end(&progress);
    return status;
}

weld_status cli_compare(cli_call *call, weld_error *err) {
    request r = {.batch = 64};
    pair p = {.of = {.json = false}};
    const cli_option options[] = {
        CLI_DATA_OPTION(r.data),
        CLI_DATA_SPLIT(r.split),
        {"list", 0, CLI_FLAG, &r.list, NULL,
         "of classifiers: name the images on which they differ"},
        {"per-class", 0, CLI_FLAG, &p.of.per_class, NULL, "of detectors: print each class"},
        {"batch", 0, CLI_COUNT, &r.batch, "N", "images a run (64)"},
        {"threads", 0, CLI_THREADS, &r.threads, "N", "threads (all)"},
        {"json", 0, CLI_FLAG, &p.of.json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(r.model),
        CLI_MODEL_CLASS_ORDER(r.model),
        CLI_MODEL_PRECISION(r.model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    p.of.files[0] = call->arguments[0];
    p.of.files[1] = call->arguments[1];
    weld_status status = compare(&r, &p, err);
    weld_paired_free(&p.result);
    for (int i = 0; i < 2; i++) {
        weld_model_data_close(&p.of.data[i]);
        weld_model_free(p.of.models[i]);
    }
    return status;
}
