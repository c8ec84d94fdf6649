/* Candidates, and which of them comes nearest; see quantizer.h. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/quantizer.h"
#include "passes/lanes.h"

/* --- Grounds ---------------------------------------------------------------------------------- */

static weld_status observe(const weld_quantizer *q, weld_weights *w, const bool *coded,
                           weld_grounds *out, weld_error *err) {
    *out = (weld_grounds){.graph = q->graph, .weights = w};
    return weld_observe(q->graph, w, q->images, coded, q->options->threads, &out->seen, err);
}

/* Its weights with the channels of streams brought to one range. */
static weld_status equalise(const weld_quantizer *q, const weld_lanes *l, weld_weights **out,
                            weld_error *err) {
    double *factors = weld_alloc(l->count, sizeof *factors);
    weld_status status = factors ? weld_weights_clone(q->grounds[0].weights, out, err)
                                 : weld_fail_memory(err, "quantising");
    if (!status) {
        weld_lanes_equalise(l, q->grounds[0].seen.ranges, factors);
        status = weld_lanes_rescale(l, factors, *out, err);
    }
    weld_free(factors);
    return status;
}

/* Each layer once, of what follows it the first value. */
static void tell_constant(const weld_quantizer *q, const bool *coded) {
    char last[160] = "";
    for (size_t i = 0; i < q->graph->value_count; i++) {
        const weld_observed *o = &q->grounds[0].seen.values[i];
        char layer[160];
        weld_value_layer(q->graph->values[i], layer, sizeof layer);
        if (coded[i] && o->count > 0 && !((double)o->high - (double)o->low >= 1e-30) &&
            strcmp(layer, last) != 0) {
            weld_quantize_say(q->options,
                              "%s: what it makes is always %g on the images that are calibrated on",
                              layer, (double)o->high);
            memcpy(last, layer, sizeof last);
        }
    }
}

static weld_status make_grounds(weld_quantizer *q, weld_error *err) {
    bool *coded = weld_alloc(q->graph->value_count, sizeof *coded);
    weld_lanes lanes = {.graph = NULL};
    weld_weights *equalised = NULL;
    weld_status status = coded ? weld_quantization_mark(q->graph, q->float_nodes, coded, err)
                               : weld_fail_memory(err, "quantising");
    status = status ? status : observe(q, q->model->file.weights, coded, &q->grounds[0], err);
    q->ground_count = 1;
    status = status ? status : weld_lanes_find(q->graph, &lanes, err);
    if (!status) {
        tell_constant(q, coded);
    }
    if (!status && lanes.count > 1) {
        status = equalise(q, &lanes, &equalised, err);
        status = status ? status : observe(q, equalised, coded, &q->grounds[1], err);
        q->grounds[1].weights = equalised;
        q->ground_count = 2;
    }
    weld_lanes_free(&lanes);
    weld_free(coded);
    return status;
}

/* --- Candidates ------------------------------------------------------------------------------- */

static const weld_quantize_method methods[WELD_METHODS] = {WELD_QUANTIZE_PERCENTILE,
                                                           WELD_QUANTIZE_MINMAX};

/* --- Biases ----------------------------------------------------------------------------------- */

/* A second attempt whose biases are corrected takes the place of the first where it is nearer. */
static weld_status correct(const weld_quantizer *q, const weld_grounds *on, weld_attempt *attempt,
                           double *noise, bool *corrected, weld_error *err) {
    weld_attempt other;
    double then = INFINITY;
    WELD_TRY(weld_attempt_make(on, q->method, attempt->codes.float_nodes, &other, err));
    weld_status status = weld_attempt_correct(&other, on, q->images, q->options->threads, err);
    if (status == WELD_ERROR_NUMERIC) { /* it cannot be: biases stay as they are */
        weld_attempt_free(&other);
        *corrected = false;
        return WELD_OK;
    }
    status = status ? status : weld_judge_noise(q->judge, other.graph, other.integers, &then, err);
    *corrected = !status && then < *noise;
    if (*corrected) {
        const weld_attempt before = *attempt;
        *attempt = other;
        *noise = then;
        other = before;
    }
    weld_attempt_free(&other);
    return status;
}

weld_status weld_quantizer_attempt(const weld_quantizer *q, const bool *float_nodes,
                                   weld_attempt *out, double *noise, bool *corrected,
                                   weld_error *err) {
    const weld_grounds *on = &q->grounds[q->ground];
    WELD_TRY(weld_attempt_make(on, q->method, float_nodes, out, err));
    weld_status status = weld_judge_noise(q->judge, out->graph, out->integers, noise, err);
    *corrected = false;
    if (!status && q->held) { /* else nothing tells whether it helps */
        status = correct(q, on, out, noise, corrected, err);
    }
    if (status) {
        weld_attempt_free(out);
    }
    return status;
}

/* --- The nearest ------------------------------------------------------------------------------ */

weld_quantize_method weld_quantizer_method(int i) {
    return methods[i];
}

static bool is_asked(const weld_quantizer *q, int method) {
    return q->options->method == WELD_QUANTIZE_AUTO || q->options->method == methods[method];
}

/* One candidate, biases corrected, which is taken where it is nearer than what was found before. */
static weld_status take_candidate(weld_quantizer *q, int ground, int method, weld_error *err) {
    weld_quantizer now = *q;
    weld_attempt attempt;
    double *noise = &q->noise[ground][method];
    bool corrected;
    now.ground = ground;
    now.method = methods[method];
    WELD_TRY(weld_quantizer_attempt(&now, q->float_nodes, &attempt, noise, &corrected, err));
    if (!isfinite(*noise) || (q->best.graph && *noise >= q->best_noise)) {
        weld_attempt_free(&attempt);
        return WELD_OK;
    }
    weld_attempt_free(&q->best);
    q->ground = ground;
    q->method = now.method;
    q->best = attempt;
    q->best_noise = *noise;
    q->corrected = corrected;
    return WELD_OK;
}

static weld_status fail_zeros(weld_error *err) {
    return weld_fail(err, WELD_ERROR_NUMERIC,
                     "the network gives nothing but zeros on the images that are calibrated on: "
                     "there is nothing to compare with");
}

weld_status weld_quantizer_choose(weld_quantizer *q, weld_error *err) {
    WELD_TRY(make_grounds(q, err));
    for (int i = 0; i < WELD_GROUNDS * WELD_METHODS; i++) {
        q->noise[i / WELD_METHODS][i % WELD_METHODS] = NAN;
    }
    weld_status impossible = WELD_OK; /* a candidate whose sums could leave i32, say */
    for (int i = 0; i < WELD_METHODS * q->ground_count; i++) {
        const int ground = i / WELD_METHODS, method = i % WELD_METHODS;
        const weld_status status =
            is_asked(q, method) ? take_candidate(q, ground, method, err) : WELD_OK;
        if (status && status != WELD_ERROR_NUMERIC) {
            return status;
        }
        impossible = status ? status : impossible;
    }
    return q->best.graph ? WELD_OK : impossible ? impossible : fail_zeros(err);
}
