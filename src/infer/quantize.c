/* Quantising a model into a file; see weld/quantize.h.
 *
 * The branches are merged. On the images to calibrate on the float network is run, as it is and
 * with its streams equalised, for the ranges of its activations; of the candidates that these give
 * that is taken whose outputs come nearest to the float network's, with biases corrected where that
 * helps. Both are then compared on other images; layers become float where too much is lost. The
 * file is written aside, read again and run, and put in place. */
#include <math.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"
#include "infer/compare.h"
#include "infer/quantizer.h"
#include "passes/reparameterize.h"

enum {
    BATCH = 32,
    LEAST_SHARED = 16, /* images, for the noise of each part, which takes a run of each */
    MOST_SHARED = 64,
    SHARED_FLOATS = 16 * 224 * 224 * 3
};

weld_quantize_options weld_quantize_defaults(void) {
    return (weld_quantize_options){.images = 256, .max_drop = NAN};
}

void weld_quantize_report_free(weld_quantize_report *report) {
    weld_free(report->json);
    report->json = NULL;
}

static weld_status check(const weld_model *m, const weld_quantize_options *o, weld_error *err) {
    if (weld_model_is_int8(m)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "the model is int8 already: quantise the file that it was made of");
    }
    if (o->images < 1) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%d images to calibrate on: at least one is wanted", o->images);
    }
    if ((unsigned)o->method > WELD_QUANTIZE_TRAINED) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "method %d: there is none of this number",
                         (int)o->method);
    }
    return isinf(o->max_drop) || o->max_drop < -100 || o->max_drop > 100
               ? weld_fail(err, WELD_ERROR_ARGUMENT, "a drop of %g points: take -100 to 100",
                           o->max_drop)
               : WELD_OK;
}

/* --- What it goes by -------------------------------------------------------------------------- */

static void hear_bad(void *arg, int64_t index, const char *reason) {
    const weld_quantize_options *o = arg;
    (void)index;
    weld_quantize_say(o, "skipped: %s", reason);
}

static bool hear_compared(void *arg, int64_t done, int64_t total) {
    weld_quantize_show(arg, "comparing", done, total);
    return true;
}

static weld_status open_standard(weld_quantizer *q, weld_error *err) {
    const weld_quantize_options *o = q->options;
    const weld_dataset *ds = q->data->evaluation.ds;
    if (ds) {
        const weld_evaluator_options options = {.batch_size = BATCH,
                                                .threads = o->threads,
                                                .progress = hear_compared,
                                                .bad_image = hear_bad,
                                                .arg = (void *)o};
        return weld_standard_create(q->merged, ds, &options, &q->standard, err);
    }
    return weld_standard_create_unlabelled(q->merged,
                                           q->unlabelled ? q->unlabelled
                                           : q->held     ? q->held
                                                         : q->images,
                                           o->threads, &q->standard, err);
}

static weld_status open(weld_quantizer *q, weld_error *err) {
    const weld_quantize_options *o = q->options;
    const weld_graph *g = q->graph;
    if (!q->data->evaluation.ds && !isnan(o->max_drop)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: without labels nobody knows what is lost: name images that have some "
                         "by --eval, or leave --max-drop out",
                         weld_dataset_path(q->data->ds));
    }
    q->float_nodes = weld_alloc(g->node_count, sizeof *q->float_nodes);
    WELD_TRY(q->float_nodes ? WELD_OK : weld_fail_memory(err, "quantising"));
    WELD_TRY(weld_quantizer_read_trained(q, err));
    WELD_TRY(weld_parts_find(g, &q->parts, err));
    WELD_TRY(weld_parts_choose_float(&q->parts, g, o->float_layers, o->float_count, q->float_nodes,
                                     err));
    weld_parts_note_float(&q->parts, q->float_nodes);
    WELD_TRY(weld_quantizer_open_images(q, err));
    return weld_judge_create(g, q->model->file.weights, q->held ? q->held : q->images, INT64_MAX,
                             o->threads, &q->judge, err);
}

static void close(weld_quantizer *q) {
    weld_standard_free(q->standard);
    weld_judge_free(q->judge);
    weld_quantizer_close_images(q);
    weld_parts_free(&q->parts);
    weld_free(q->float_nodes);
    for (int i = 0; i < WELD_GROUNDS; i++) {
        weld_observation_free(&q->grounds[i].seen);
    }
    if (q->ground_count > 1) {
        weld_weights_free(q->grounds[1].weights); /* the first are the model's */
    }
    weld_attempt_free(&q->best);
    weld_quantization_free(&q->trained);
    weld_learned_scales_free(&q->learned);
}

/* --- Finding the best ------------------------------------------------------------------------- */

static weld_status measure_parts(weld_quantizer *q, const bool *float_nodes, weld_error *err) {
    const int64_t room = SHARED_FLOATS / (int64_t)weld_calibration_floats(q->images);
    const int64_t images = room < LEAST_SHARED  ? LEAST_SHARED
                           : room > MOST_SHARED ? MOST_SHARED
                                                : room;
    weld_judge *judge;
    WELD_TRY(weld_judge_create(q->graph, q->model->file.weights, q->images, images,
                               q->options->threads, &judge, err));
    weld_status status = weld_parts_measure(&q->parts, &q->grounds[q->ground], q->method,
                                            float_nodes, judge, q->options, err);
    weld_judge_free(judge);
    return status;
}

/* Are there images enough to tell what is allowed? */
static void tell_error(const weld_quantizer *q) {
    const weld_standoff *s = &q->standoff;
    if (s->error > q->options->max_drop / 2) { /* false where either is unknown */
        weld_quantize_say(q->options,
                          "a drop of %g points is less than twice the error of %.2f on %lld %s: "
                          "more to compare on would tell",
                          q->options->max_drop, s->error, (long long)s->images,
                          weld_plural(s->images, "image", "images"));
    }
}

/* What finds nothing cannot lose it. */
static void tell_nothing(const weld_quantizer *q) {
    const weld_standoff *s = &q->standoff;
    if (s->labelled && s->before.value <= 0 && !weld_model_task(q->model)->smaller_is_better) {
        weld_quantize_say(q->options,
                          "the %s of the float network is 0 on these images: that it loses nothing "
                          "says nothing",
                          s->before.label);
    }
}

static weld_status find_best(weld_quantizer *q, weld_error *err) {
    WELD_TRY(weld_quantizer_choose(q, err));
    WELD_TRY(open_standard(q, err));
    WELD_TRY(
        weld_standard_compare(q->standard, q->best.graph, q->best.integers, &q->standoff, err));
    q->evaluations = 1;
    WELD_TRY(measure_parts(q, q->float_nodes, err));
    WELD_TRY(weld_quantizer_meet_budget(q, err));
    if (q->float_count > 0) { /* what is told is of the file as it is */
        WELD_TRY(measure_parts(q, q->best.codes.float_nodes, err));
    }
    weld_parts_note_float(&q->parts, q->best.codes.float_nodes);
    tell_error(q);
    tell_nothing(q);
    return weld_quantizer_say_noise(q, err);
}

/* --- The file --------------------------------------------------------------------------------- */

static int64_t size_of(const weld_replacement *r) {
    struct stat info;
    return weld_file_look_at(weld_replacement_descriptor(r), &info) == 0 ? (int64_t)info.st_size
                                                                         : 0;
}

/* How large the same network of floats is as a file. */
static weld_status measure_float(weld_quantizer *q, const char *path, weld_error *err) {
    weld_replacement *r;
    WELD_TRY(weld_replacement_open(path, &r, err));
    weld_status status = weld_model_file_put(path, &q->merged->file, r, err);
    q->bytes[0] = size_of(r);
    weld_replacement_discard(r);
    return status;
}

/* What a reader finds says the same to the bit. */
static weld_status check_written(weld_quantizer *q, const weld_replacement *r, weld_error *err) {
    weld_model *written;
    bool same = false;
    weld_status status = weld_model_open(weld_replacement_temporary(r), &written, err);
    if (status) {
        return weld_fail_context(err, status, "reading again what was written");
    }
    status = weld_judge_same(q->judge, &q->best, weld_model_running_graph(written),
                             written->file.weights, &same, err);
    if (!status && !same) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "what was written does not say what it should: nothing was written");
    }
    status = status ? status
                    : weld_model_time_both(q->merged, written, q->options->threads,
                                           &q->milliseconds[0], &q->milliseconds[1], err);
    weld_model_free(written);
    return status;
}

static weld_status write(weld_quantizer *q, const char *path, weld_error *err) {
    weld_replacement *r;
    weld_model_file file = q->model->file;
    q->best.codes.details = weld_quantizer_json(q, false);
    WELD_TRY(q->best.codes.details ? WELD_OK : weld_fail_memory(err, path));
    file.weights = q->best.integers;
    file.codes = file.steps = NULL;
    file.quantization = &q->best.codes;
    WELD_TRY(measure_float(q, path, err));
    WELD_TRY(weld_replacement_open(path, &r, err));
    weld_status status = weld_model_file_put(path, &file, r, err);
    q->bytes[1] = size_of(r);
    status = status ? status : check_written(q, r, err);
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}

/* --- All of it -------------------------------------------------------------------------------- */

/* m with layers for what batch norms are left; to be released with free_layers. */
static weld_status with_layers(const weld_model *m, weld_model *out, weld_error *err) {
    *out = *m;
    out->lower = NULL;
    out->original = NULL;
    if (weld_has_norms(m->graph)) {
        WELD_TRY(
            weld_norms_as_layers(m->graph, m->file.weights, &out->graph, &out->file.weights, err));
        out->file.graph = out->graph;
    }
    return WELD_OK;
}

static void free_layers(const weld_model *m, weld_model *made) {
    if (made->graph != m->graph) {
        weld_graph_free(made->graph);
        weld_weights_free(made->file.weights);
    }
}

static weld_status quantize_merged(weld_quantizer *q, const char *path,
                                   weld_quantize_report *report, weld_error *err) {
    weld_model model;
    WELD_TRY(with_layers(q->merged, &model, err));
    q->model = &model;
    q->graph = model.graph;
    weld_status status = open(q, err);
    status = status ? status : find_best(q, err);
    status = status ? status : write(q, path, err);
    if (!status && report) {
        weld_quantizer_report(q, report);
        report->json = weld_quantizer_json(q, true);
        status = report->json ? WELD_OK : weld_fail_memory(err, "report");
    }
    close(q);
    free_layers(q->merged, &model);
    return status;
}

weld_status weld_model_quantize_on(const weld_model *m, weld_quantize_data *data,
                                   const weld_quantize_options *options, const char *path,
                                   weld_quantize_report *report, weld_error *err) {
    weld_model *merged = NULL;
    WELD_TRY(check(m, options, err));
    WELD_TRY(weld_replacement_try(path, err));
    WELD_TRY(weld_model_is_merged(m) ? WELD_OK : weld_model_merged(m, &merged, err));
    weld_quantizer q = {.options = options, .merged = merged ? merged : m, .data = data};
    const weld_status status = quantize_merged(&q, path, report, err);
    weld_model_free(merged);
    return status;
}

weld_status weld_model_quantize(const weld_model *m, const char *data,
                                const weld_quantize_options *options, const char *path,
                                weld_quantize_report *report, weld_error *err) {
    weld_quantize_data d = {.ds = NULL};
    WELD_TRY(check(m, options, err));
    WELD_TRY(weld_quantize_data_open(m, data, options, &d, err));
    weld_status status = weld_model_quantize_on(m, &d, options, path, report, err);
    weld_quantize_data_close(&d);
    return status;
}
