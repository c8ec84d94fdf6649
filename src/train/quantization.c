/* Training for codes; see quantization.h. */
#include "train/quantization.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/quantize_try.h"
#include "passes/reparameterize.h"
#include "train/say.h"

enum { TIMES = 8 }; /* that ranges are found */

weld_fake_bits weld_trainer_bits(const weld_recipe *r) {
    return (weld_fake_bits){(int)r->quantize.weights, (int)r->quantize.activations,
                            r->quantize.learn_steps};
}

weld_status weld_trainer_check_quantization(const weld_trainer *t, weld_error *err) {
    const weld_train_settings *s = t->data.settings;
    if (!t->data.recipe.quantize.weights) {
        return WELD_OK;
    }
    if (!s->init && !t->data.resumes) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: quantize trains a network further that is good already: give its "
                         "checkpoint with --init",
                         s->recipe);
    }
    return WELD_OK;
}

/* --- Opening --- */

static weld_status build_graphs(weld_trainer *t, weld_error *err) {
    weld_run_quantization *q = &t->quantization;
    WELD_TRY(weld_fake_quantized(t->evaluation.graph, weld_trainer_bits(&t->data.recipe), &q->graph,
                                 &q->merged, err));
    q->float_nodes = weld_alloc(q->merged->node_count, sizeof *q->float_nodes);
    q->first = weld_alloc(q->merged->value_count, sizeof *q->first);
    WELD_TRY(q->float_nodes && q->first ? weld_fake_rows_of(q->merged, &q->rows, err)
                                        : weld_fail_memory(err, "quantisation"));
    q->step_rows =
        weld_fake_steps_find(q->merged, &q->rows, weld_trainer_bits(&t->data.recipe), q->first);
    return WELD_OK;
}

static bool learns(const weld_trainer *t) {
    return t->quantization.graph && t->data.recipe.quantize.learn_steps;
}

static weld_status add_steps(weld_run_quantization *q, weld_error *err) {
    const int64_t rows = (int64_t)q->step_rows;
    const weld_shape shares = WELD_SHAPE(rows), bases = WELD_SHAPE(rows, 2);
    q->kept = weld_alloc(q->step_rows * WELD_STEP_COLUMNS, sizeof *q->kept);
    WELD_TRY(q->kept ? WELD_OK : weld_fail_memory(err, "quantisation"));
    WELD_TRY(weld_weights_add(q->weights, WELD_FAKE_STEPS, WELD_F32, &shares, &q->shares, err));
    WELD_TRY(weld_weights_add(q->weights, WELD_FAKE_BASES, WELD_F32, &bases, &q->bases, err));
    for (size_t i = 0; i < q->step_rows; i++) {
        ((float *)q->shares.data)[i] = 1;
    }
    return WELD_OK;
}

static weld_status join_weights(weld_trainer *t, weld_error *err) {
    weld_run_quantization *q = &t->quantization;
    const weld_shape shape = WELD_SHAPE((int64_t)q->merged->value_count, 2);
    WELD_TRY(weld_weights_create(&q->weights, err));
    for (size_t i = 0; i < weld_weights_count(t->weights); i++) {
        const weld_tensor w = weld_weights_tensor(t->weights, i);
        WELD_TRY(weld_weights_place(q->weights, weld_weights_name(t->weights, i), w.dtype, &w.shape,
                                    w.data, err));
    }
    WELD_TRY(learns(t) ? add_steps(q, err) : WELD_OK);
    return weld_weights_add(q->weights, WELD_FAKE_CODES, WELD_F32, &shape, &q->table, err);
}

/* --- Learned steps --- */

/* As they begin: of activations as the table has them. */
static weld_status begin_steps(weld_trainer *t, const weld_weights *merged, weld_error *err) {
    const weld_run_quantization *q = &t->quantization;
    const weld_fake_bits bits = weld_trainer_bits(&t->data.recipe);
    const float *table = q->table.data;
    float *bases = q->bases.data;
    for (size_t i = 0; i < q->merged->value_count; i++) {
        float *row = bases + 2 * q->first[i];
        const weld_value *v = q->merged->values[i];
        weld_tensor w;
        if (q->rows.weight[i] && !weld_weights_find(merged, v->name, &w)) {
            return weld_fail(err, WELD_ERROR_SHAPE, "%s: is not among the merged weights", v->name);
        }
        const int64_t out = q->rows.weight[i] ? w.shape.dim[0] : 0;
        const int64_t count = out ? weld_shape_count(&w.shape) / out : 0;
        for (int64_t o = 0; o < out; o++) {
            const float s =
                weld_fake_first_step((const float *)w.data + o * count, count, bits.weights);
            row[2 * o] = isnormal(s) ? s : 1;
            row[2 * o + 1] = (float)weld_fake_largest(bits.weights);
        }
        if (q->rows.activation[i] && bits.activations) {
            row[0] = table[2 * i];
            row[1] = table[2 * i + 1];
        }
    }
    return WELD_OK;
}

/* The table by the steps as they are. */
static void follow_steps(const weld_run_quantization *q, weld_fake_bits bits) {
    const float *bases = q->bases.data, *shares = q->shares.data;
    for (size_t i = 0; i < q->merged->value_count && bits.activations; i++) {
        const size_t row = q->first[i];
        if (q->rows.activation[i] && bases[2 * row] > 0) {
            ((float *)q->table.data)[2 * i] = weld_fake_step(bases[2 * row], shares[row]);
        }
    }
}

/* The optimizer's moments of the shares; column 0 or 1. */
static float *moments_of(const weld_trainer *t, int column) {
    weld_optimizer *o = t->step->optimizer;
    weld_weights *w = column ? weld_optimizer_second_moments(o) : weld_optimizer_first_moments(o);
    weld_tensor moments;
    return w && weld_weights_find(w, WELD_FAKE_STEPS, &moments) ? moments.data : NULL;
}

static void note_steps(weld_trainer *t, weld_model_file *file) {
    const weld_run_quantization *q = &t->quantization;
    const float *bases = q->bases.data, *shares = q->shares.data;
    const float *m = moments_of(t, 0), *v = moments_of(t, 1);
    for (size_t i = 0; i < q->step_rows; i++) {
        float *row = q->kept + WELD_STEP_COLUMNS * i;
        row[0] = bases[2 * i];
        row[1] = shares[i];
        row[2] = m ? m[i] : 0;
        row[3] = v ? v[i] : 0;
    }
    file->steps = q->kept;
    file->step_rows = q->step_rows;
}

static weld_status load_steps(weld_trainer *t, weld_error *err) {
    const weld_model_file *file = &t->data.start_file;
    weld_run_quantization *q = &t->quantization;
    float *bases = q->bases.data, *shares = q->shares.data;
    if (!file->steps || file->step_rows != q->step_rows) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "last.h5 has no steps of this network: it cannot be resumed");
    }
    memcpy(q->kept, file->steps, q->step_rows * WELD_STEP_COLUMNS * sizeof *q->kept);
    for (size_t i = 0; i < q->step_rows; i++) {
        bases[2 * i] = q->kept[WELD_STEP_COLUMNS * i];
        shares[i] = q->kept[WELD_STEP_COLUMNS * i + 1];
    }
    for (size_t i = 0; i < q->merged->value_count; i++) {
        const float *table = q->table.data;
        const int64_t rows = q->rows.weight[i]       ? q->merged->values[i]->shape.dim[0]
                             : q->rows.activation[i] ? 1
                                                     : 0;
        for (int64_t o = 0; o < rows; o++) { /* largest codes and zeros, which do not change */
            bases[2 * (q->first[i] + (size_t)o) + 1] = table[2 * i + (q->rows.weight[i] ? 0 : 1)];
        }
    }
    return WELD_OK;
}

void weld_trainer_load_step_moments(weld_trainer *t) {
    const weld_run_quantization *q = &t->quantization;
    for (int column = 0; column < 2 && learns(t); column++) {
        float *moments = moments_of(t, column);
        for (size_t i = 0; i < q->step_rows && moments; i++) {
            moments[i] = q->kept[WELD_STEP_COLUMNS * i + 2 + (size_t)column];
        }
    }
}

static weld_status load_codes(weld_trainer *t, weld_error *err) {
    const weld_model_file *file = &t->data.start_file;
    weld_run_quantization *q = &t->quantization;
    if (!t->data.resumes) {
        return WELD_OK;
    }
    if (!file->codes || file->code_rows != q->merged->value_count) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "last.h5 has no codes of this network: it cannot be resumed");
    }
    memcpy(q->table.data, file->codes, weld_tensor_bytes(&q->table));
    return learns(t) ? load_steps(t, err) : WELD_OK;
}

static void say_bad(void *arg, int64_t index, const char *reason) {
    (void)index;
    weld_train_say(arg, "quantize: skipped: %s", reason);
}

/* Rank 0 alone finds ranges. */
static weld_status open_images(weld_trainer *t, weld_error *err) {
    const weld_recipe *r = &t->data.recipe;
    int64_t *order, count;
    if (weld_group_rank(t->ranks.group) != 0) {
        return WELD_OK;
    }
    WELD_TRY(weld_calibration_choose(t->data.train, INT64_MAX, &order, &count, err));
    const weld_calibration_options options = {.preprocessing = &r->data.preprocessing,
                                              .order = order,
                                              .count = count,
                                              .wanted = r->quantize.images,
                                              .threads = t->data.settings->threads,
                                              .bad_image = say_bad,
                                              .arg = (void *)(uintptr_t)t->data.settings};
    const weld_status status =
        weld_calibration_create(t->data.train, &options, &t->quantization.images, err);
    weld_free(order);
    return status;
}

weld_status weld_trainer_open_quantization(weld_trainer *t, weld_error *err) {
    if (!t->data.recipe.quantize.weights) {
        return WELD_OK;
    }
    WELD_TRY(build_graphs(t, err));
    WELD_TRY(join_weights(t, err));
    WELD_TRY(load_codes(t, err));
    return open_images(t, err);
}

void weld_trainer_close_quantization(weld_trainer *t) {
    weld_run_quantization *q = &t->quantization;
    weld_calibration_free(q->images);
    weld_weights_free(q->weights);
    weld_free(q->rows.activation);
    weld_free(q->float_nodes);
    weld_free(q->first);
    weld_free(q->kept);
    weld_graph_free(q->graph);
    weld_graph_free(q->merged);
    *q = (weld_run_quantization){0};
}

weld_weights *weld_trainer_run_weights(const weld_trainer *t) {
    return t->quantization.graph ? t->quantization.weights : t->weights;
}

/* --- Ranges --- */

/* The update before which rounding begins. */
static int64_t first_update(const weld_trainer *t) {
    return llround(t->data.recipe.quantize.start * t->schedule.steps_per_epoch);
}

/* The codes that quantising the weights w of the merged network makes, for as many bits. */
static weld_status fill_table(weld_trainer *t, const weld_grounds *on, weld_quantize_method method,
                              weld_error *err) {
    const weld_run_quantization *q = &t->quantization;
    const weld_fake_bits bits = weld_trainer_bits(&t->data.recipe);
    weld_attempt attempt;
    WELD_TRY(weld_attempt_make(on, method, q->float_nodes, &attempt, err));
    weld_codes *codes = attempt.codes.codes;
    for (size_t i = 0; i < q->merged->value_count && bits.activations % 8; i++) {
        const double scale = codes[i].scale, zero = codes[i].zero;
        codes[i] = weld_fake_codes_of(-scale * zero, scale * (255 - zero), bits.activations);
    }
    weld_fake_table_fill(&q->rows, q->merged->value_count, bits, codes, q->table.data);
    weld_attempt_free(&attempt);
    return learns(t) ? begin_steps(t, on->weights, err) : WELD_OK;
}

static void say_ranges(const weld_trainer *t, weld_quantize_method method, double noise) {
    weld_train_say(t->data.settings,
                   "quantize: ranges by %lld images%s; rounding is %.1f dB below the outputs",
                   (long long)weld_calibration_count(t->quantization.images),
                   method == WELD_QUANTIZE_PERCENTILE ? " (99.99 percentile)" : "",
                   weld_noise_decibel(noise));
}

/* The table by which the outputs are nearest to the network's as it is. */
static weld_status choose_table(weld_trainer *t, const weld_grounds *on, const weld_judge *judge,
                                weld_error *err) {
    static const weld_quantize_method methods[] = {WELD_QUANTIZE_PERCENTILE, WELD_QUANTIZE_MINMAX};
    const weld_run_quantization *q = &t->quantization;
    double noise[2];
    for (int i = 0; i < 2; i++) {
        WELD_TRY(fill_table(t, on, methods[i], err));
        WELD_TRY(weld_judge_noise(judge, q->graph, q->weights, &noise[i], err));
    }
    const int best = noise[1] < noise[0];
    if (t->state.step == first_update(t)) {
        say_ranges(t, methods[best], noise[best]);
    }
    return best ? WELD_OK : fill_table(t, on, methods[0], err);
}

/* By the weights as they are now. */
static weld_status find_codes(weld_trainer *t, weld_error *err) {
    const weld_run_quantization *q = &t->quantization;
    const int threads = t->data.settings->threads;
    weld_grounds on = {.graph = q->merged};
    weld_judge *judge = NULL;
    weld_graph *merged;
    WELD_TRY(weld_reparameterize(t->evaluation.graph, t->weights, &merged, &on.weights, err));
    weld_status status =
        weld_observe(q->merged, on.weights, q->images, q->rows.activation, threads, &on.seen, err);
    status = status ? status
                    : weld_judge_create(q->merged, on.weights, q->images,
                                        weld_calibration_count(q->images), threads, &judge, err);
    status = status ? status : choose_table(t, &on, judge, err);
    weld_judge_free(judge);
    weld_observation_free(&on.seen);
    weld_weights_free(on.weights);
    weld_graph_free(merged);
    return status;
}

static bool is_time(const weld_trainer *t) {
    const int64_t step = t->state.step, first = first_update(t);
    const int64_t end = llround(t->data.recipe.quantize.freeze_ranges * (double)t->updates);
    const int64_t every = end - first < TIMES ? 1 : (end - first) / TIMES;
    const bool again = step > first && step < end && (step - first) % every == 0;
    return step == first || (again && !learns(t));
}

weld_status weld_trainer_send_codes(weld_trainer *t, weld_error *err) {
    const weld_run_quantization *q = &t->quantization;
    const weld_tensor *tensors[] = {&q->table, &q->bases, &q->shares};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors && t->ranks.group; i++) {
        if (tensors[i]->data) {
            WELD_TRY(weld_group_broadcast(t->ranks.group, tensors[i]->data,
                                          weld_tensor_bytes(tensors[i]), err));
        }
    }
    return WELD_OK;
}

weld_status weld_trainer_find_ranges(weld_trainer *t, weld_error *err) {
    if (!t->quantization.graph || !is_time(t)) {
        return WELD_OK;
    }
    const bool leads = weld_group_rank(t->ranks.group) == 0;
    WELD_TRY(weld_ranks_settle(t, leads ? find_codes(t, err) : WELD_OK, err));
    return weld_trainer_send_codes(t, err);
}

void weld_trainer_note_codes(weld_trainer *t, weld_model_file *file) {
    if (learns(t)) {
        follow_steps(&t->quantization, weld_trainer_bits(&t->data.recipe));
        note_steps(t, file);
    }
    if (t->quantization.graph) {
        file->codes = t->quantization.table.data;
        file->code_rows = t->quantization.merged->value_count;
        file->trainer.quantize_weights = t->data.recipe.quantize.weights;
        file->trainer.quantize_activations = t->data.recipe.quantize.activations;
    }
}
