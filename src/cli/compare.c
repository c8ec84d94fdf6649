/* weld compare: two models on the same images. */
#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/data_options.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "formats/json_text.h"
#include "infer/model.h"
#include "infer/paired.h"
#include "models/models.h"

typedef struct request {
    const char *data, *files[2];
    int batch, threads;
    bool json, list, split;
    cli_model_options model;
} request;

typedef struct pair {
    weld_model *models[2];
    weld_model_data data[2];
    weld_paired result;
} pair;

static const char *const letters[2] = {"A", "B"};

/* --- As text --- */

static void print_scores(const request *r, const pair *p, int i) {
    const weld_score_kind *k = &weld_model_task(p->models[i])->scores[0];
    char size[WELD_INPUT_TEXT_SIZE];
    const weld_preprocessing *input = weld_model_get_preprocessing(p->models[i]);
    printf("%s: %s: size %s: %s %.*f%s, loss %.4f\n", letters[i], r->files[i],
           weld_input_text(input, size), k->label, k->decimals, 100 * p->result.score[i], k->unit,
           p->result.loss[i]);
}

static void print_difference(const pair *p) {
    const weld_paired *w = &p->result;
    const weld_paired_difference *d = &w->difference;
    const weld_score_kind *k = &weld_model_task(p->models[0])->scores[0];
    printf("B - A: %s %+.*f%s, 95 %% interval %+.*f to %+.*f (matched pairs, Agresti and Min); "
           "loss %+.4f, %+.4f to %+.4f (normal)\n",
           k->label, k->decimals, 100 * d->value, k->unit, k->decimals, 100 * d->low, k->decimals,
           100 * d->high, w->loss_difference, w->loss_low, w->loss_high);
    printf("right: both on %lld, only A on %lld, only B on %lld, neither on %lld; McNemar's exact "
           "test: p = %.3g: %s\n",
           (long long)w->right[1][1], (long long)w->right[1][0], (long long)w->right[0][1],
           (long long)w->right[0][0], d->p,
           d->p >= 0.05   ? "chance may have done that"
           : d->value > 0 ? "B is better"
                          : "A is better");
}

static const char *class_name(const pair *p, int i, int answer) {
    return weld_dataset_class_name(p->data[i].ds, answer);
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
    printf("%lld images\n", (long long)w->images);
    print_scores(r, p, 0);
    print_scores(r, p, 1);
    print_difference(p);
    printf("different answers on %zu images%s\n", w->differ.count,
           !w->differ.count ? ""
           : r->list        ? ":"
                            : " (--list names them)");
    if (r->list) {
        print_list(p);
    }
}

/* --- As JSON --- */

static json_t *model_json(const request *r, const pair *p, int i) {
    const weld_preprocessing *input = weld_model_get_preprocessing(p->models[i]);
    return json_pack("{s:o, s:o, s:f, s:f}", "file", weld_json_name(r->files[i]), "input_size",
                     cli_size_json(input->height, input->width),
                     weld_model_task(p->models[i])->scores[0].key, 100 * p->result.score[i], "loss",
                     p->result.loss[i]);
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
                            model_json(r, p, 0), "b", model_json(r, p, 1));
    json_object_set_new(all, "difference",
                        json_pack("{s:f, s:f, s:f, s:f, s:s, s:f, s:o, s:o}",
                                  weld_model_task(p->models[0])->scores[0].key, 100 * d->value,
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

static weld_status open_one(const request *r, pair *p, int i, weld_error *err) {
    WELD_TRY(cli_open_model(r->files[i], &r->model, &p->models[i], err));
    cli_tell_preparing(r->files[i], p->models[i]);
    const cli_data_request data = {.path = r->data,
                                   .split = r->split ? p->models[0]
                                                     : NULL, /* the parts are those of A's run */
                                   .threads = r->threads,
                                   .letter = letters[i],
                                   .again = i > 0};
    return cli_open_data(&data, p->models[i], &p->data[i], err);
}

static weld_status compare(const request *r, pair *p, weld_error *err) {
    cli_progress progress = {.what = "compare"};
    const weld_evaluator_options options = {.batch_size = r->batch,
                                            .threads = r->threads,
                                            .bad_image = cli_bad_image,
                                            .progress = cli_evaluation_progress,
                                            .arg = &progress};
    WELD_TRY(open_one(r, p, 0, err));
    WELD_TRY(open_one(r, p, 1, err));
    const weld_dataset *ds[2] = {p->data[0].ds, p->data[1].ds};
    weld_status status =
        weld_paired_run((const weld_model *const *)p->models, ds, &options, &p->result, err);
    cli_progress_end(&progress);
    if (!status && r->json) {
        cli_print_json(make_json(r, p), 9);
    } else if (!status) {
        print_text(r, p);
    }
    return status;
}

weld_status cli_compare(cli_call *call, weld_error *err) {
    request r = {.batch = 64};
    pair p = {.models = {NULL, NULL}};
    const cli_option options[] = {
        CLI_DATA_OPTION(r.data),
        CLI_DATA_SPLIT(r.split),
        {"list", 0, CLI_FLAG, &r.list, NULL, "name the images on which they differ"},
        {"batch", 0, CLI_COUNT, &r.batch, "N", "images a run (64)"},
        {"threads", 0, CLI_COUNT, &r.threads, "N", "threads (all)"},
        {"json", 0, CLI_FLAG, &r.json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(r.model),
        CLI_MODEL_CLASS_ORDER(r.model),
        CLI_MODEL_PRECISION(r.model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    r.files[0] = call->arguments[0];
    r.files[1] = call->arguments[1];
    weld_status status = compare(&r, &p, err);
    weld_paired_free(&p.result);
    for (int i = 0; i < 2; i++) {
        weld_model_data_close(&p.data[i]);
        weld_model_free(p.models[i]);
    }
    return status;
}
