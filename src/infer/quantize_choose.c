/* Candidates, and which of them comes nearest; see quantizer.h. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/quantizer.h"
#include "passes/lanes.h"

static const double CLEARLY = 4; /* times the noise: 6 dB, twice as far off */

/* --- Grounds ---------------------------------------------------------------------------------- */

static weld_status observe(const weld_quantizer *q, weld_weights *w, const bool *coded,
                           weld_grounds *out, weld_error *err) {
    weld_quantize_show(q->options, "calibrating", q->ground_count, WELD_GROUNDS);
    *out = (weld_grounds){.graph = q->graph,
                          .weights = w,
                          .trained = q->trained.codes ? &q->trained : NULL,
                          .weight_bits = q->bits.weights,
                          .learned = q->learned.scales ? &q->learned : NULL};
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
    if (!status && lanes.count > 1 && !weld_quantizer_is_bound(q)) {
        status = equalise(q, &lanes, &equalised, err);
        status = status ? status : observe(q, equalised, coded, &q->grounds[1], err);
        q->grounds[1].weights = equalised;
        q->ground_count = 2;
    }
    weld_lanes_free(&lanes);
    weld_free(coded);
    return status;
}

/* --- Biases ----------------------------------------------------------------------------------- */

bool weld_noises_are_corrected(const weld_noises *n) {
    return n->corrected < n->plain; /* false where either is unknown */
}

double weld_noises_least(const weld_noises *n) {
    return weld_noises_are_corrected(n) ? n->corrected : n->plain;
}

/* A second attempt whose biases are corrected takes the place of the first where it is nearer. */
static weld_status correct(const weld_quantizer *q, const weld_grounds *on, weld_attempt *attempt,
                           weld_noises *noise, weld_error *err) {
    weld_attempt other;
    WELD_TRY(weld_attempt_make(on, q->method, attempt->codes.float_nodes, &other, err));
    weld_status status = weld_attempt_correct(&other, on, q->images, q->options->threads, err);
    if (status == WELD_ERROR_NUMERIC) { /* it cannot be: biases stay as they are */
        weld_attempt_free(&other);
        return WELD_OK;
    }
    status = status
                 ? status
                 : weld_judge_noise(q->judge, other.graph, other.integers, &noise->corrected, err);
    if (!status && weld_noises_are_corrected(noise)) {
        const weld_attempt before = *attempt;
        *attempt = other;
        other = before;
    }
    weld_attempt_free(&other);
    return status;
}

weld_status weld_quantizer_attempt(const weld_quantizer *q, const bool *float_nodes,
                                   weld_attempt *out, weld_noises *noise, weld_error *err) {
    const weld_grounds *on = &q->grounds[q->ground];
    *noise = (weld_noises){NAN, NAN};
    WELD_TRY(weld_attempt_make(on, q->method, float_nodes, out, err));
    weld_status status = weld_judge_noise(q->judge, out->graph, out->integers, &noise->plain, err);
    const bool learned = q->method == WELD_QUANTIZE_TRAINED || weld_quantizer_is_bound(q);
    if (!status && q->held && !learned) { /* else nothing tells whether it helps */
        status = correct(q, on, out, noise, err);
    }
    if (status) {
        weld_attempt_free(out);
    }
    return status;
}

/* --- The nearest ------------------------------------------------------------------------------ */

/* In this order. */
static const weld_quantize_method methods[WELD_METHODS] = {
    WELD_QUANTIZE_PERCENTILE, WELD_QUANTIZE_MINMAX, [WELD_TRAINED] = WELD_QUANTIZE_TRAINED};

weld_quantize_method weld_quantizer_method(int i) {
    return methods[i];
}

static bool is_asked(const weld_quantizer *q, int method) {
    const weld_quantize_method asked = q->options->method;
    const bool ranges = q->trained.codes != NULL; /* trained ones are there */
    if (method == WELD_TRAINED) {
        return ranges;
    }
    return weld_quantizer_is_bound(q) ? !ranges
                                      : asked == WELD_QUANTIZE_AUTO || asked == methods[method];
}

/* A candidate of `method`, of biases as they are where q->held is NULL. */
static weld_status make_candidate(const weld_quantizer *q, int ground, int method,
                                  weld_quantizer *now, weld_noises *noise, weld_error *err) {
    *now = *q;
    now->ground = ground;
    now->method = methods[method];
    WELD_TRY(weld_quantizer_attempt(now, q->float_nodes, &now->best, noise, err));
    now->best_noise = weld_noises_least(noise);
    now->corrected = weld_noises_are_corrected(noise);
    return WELD_OK;
}

/* In the place of what was found before; or not. */
static void settle(weld_quantizer *q, weld_quantizer *now, bool taken) {
    if (taken) {
        weld_attempt_free(&q->best);
        q->ground = now->ground;
        q->method = now->method;
        q->best = now->best;
        q->best_noise = now->best_noise;
        q->corrected = now->corrected;
    } else {
        weld_attempt_free(&now->best);
    }
}

/* One candidate, biases corrected, which is taken where it is nearer than what was found before. */
static weld_status take_candidate(weld_quantizer *q, int ground, int method, weld_error *err) {
    weld_quantizer now;
    WELD_TRY(make_candidate(q, ground, method, &now, &q->noise[ground][method], err));
    settle(q, &now, isfinite(now.best_noise) && (!q->best.graph || now.best_noise < q->best_noise));
    return WELD_OK;
}

/* What ranges of these images come to by themselves, with the network and its biases as they are:
 * trained ones have nothing else, for all else was trained. */
static weld_status find_least(const weld_quantizer *q, double *least, weld_error *err) {
    weld_quantizer bare = *q, now;
    bare.held = NULL;
    *least = INFINITY;
    for (int method = 0; method < WELD_TRAINED; method++) {
        weld_noises noise;
        const weld_status status = make_candidate(&bare, 0, method, &now, &noise, err);
        if (!status) {
            weld_attempt_free(&now.best);
            *least = fmin(*least, now.best_noise);
        } else if (status != WELD_ERROR_NUMERIC) {
            return status;
        }
    }
    return WELD_OK;
}

/* Trained ranges are taken even where others come somewhat nearer to the float network: what was
 * trained is the rounded one. */
static weld_status take_trained(weld_quantizer *q, weld_error *err) {
    weld_quantizer now;
    double least = INFINITY;
    WELD_TRY(q->best.graph ? find_least(q, &least, err) : WELD_OK);
    WELD_TRY(make_candidate(q, 0, WELD_TRAINED, &now, &q->noise[0][WELD_TRAINED], err));
    const double noise = now.best_noise;
    const bool taken = isfinite(noise) && noise < CLEARLY * least;
    settle(q, &now, taken);
    if (!taken) {
        weld_quantize_say(q->options,
                          "the ranges that it was trained for are %.1f dB noisier than those found "
                          "on these images, which are taken: --method trained takes the others",
                          weld_noise_decibel(least) - weld_noise_decibel(noise));
    }
    return WELD_OK;
}

static weld_status fail_zeros(weld_error *err) {
    return weld_fail(err, WELD_ERROR_NUMERIC,
                     "the network gives nothing but zeros on the images that are calibrated on: "
                     "there is nothing to compare with");
}

weld_status weld_quantizer_choose(weld_quantizer *q, weld_error *err) {
    enum { FOUND = WELD_METHODS - 1 }; /* on images; what was trained comes last, and once */
    WELD_TRY(make_grounds(q, err));
    for (int i = 0; i < WELD_GROUNDS * WELD_METHODS; i++) {
        q->noise[i / WELD_METHODS][i % WELD_METHODS] = (weld_noises){NAN, NAN};
    }
    weld_status impossible = WELD_OK; /* a candidate whose sums could leave i32, say */
    const int found = FOUND * q->ground_count;
    for (int i = 0; i <= found; i++) {
        const int method = i < found ? i % FOUND : WELD_TRAINED;
        if (is_asked(q, method)) {
            weld_quantize_show(q->options, "trying ways", i, found + is_asked(q, WELD_TRAINED));
        }
        const weld_status status = !is_asked(q, method) ? WELD_OK
                                   : i < found          ? take_candidate(q, i / FOUND, method, err)
                                                        : take_trained(q, err);
        if (status && status != WELD_ERROR_NUMERIC) {
            return status;
        }
        impossible = status ? status : impossible;
    }
    return q->best.graph ? WELD_OK : impossible ? impossible : fail_zeros(err);
}
