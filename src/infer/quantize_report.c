/* What came of quantising, for programs and for files; see quantizer.h. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "formats/json.h"
#include "formats/json_text.h"
#include "infer/quantizer.h"

static const char *method_name(weld_quantize_method method) {
    return method == WELD_QUANTIZE_TRAINED  ? "trained"
           : method == WELD_QUANTIZE_MINMAX ? "minmax"
                                            : "percentile";
}

/* Bits of what it was trained for, where that is taken; else 0. */
static weld_fake_bits taken_bits(const weld_quantizer *q) {
    const bool taken = q->method == WELD_QUANTIZE_TRAINED || weld_quantizer_is_bound(q);
    return taken ? q->bits : (weld_fake_bits){0};
}

/* The best of a ground's candidates; NAN: none. */
static double best_of(const weld_noises noise[WELD_METHODS]) {
    return fmin(weld_noises_least(&noise[0]), /* the other, where one is none */
                weld_noises_least(&noise[1]));
}

static double gain(const weld_quantizer *q) {
    const double plain = best_of(q->noise[0]), equal = best_of(q->noise[1]);
    return isnan(equal) || isnan(plain) ? NAN
                                        : weld_noise_decibel(equal) - weld_noise_decibel(plain);
}

/* What the images are that both networks were compared on. */
static const char *compared_on(const weld_quantizer *q) {
    return q->data->evaluation.ds && !q->data->parted ? "evaluation"
           : q->data->evaluation.ds || q->unlabelled  ? "others"
           : q->held                                  ? "chosen_by"
                                                      : "calibrated";
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void set_number(json_t **json, const char *key, double value) {
    weld_json_set(json, key, weld_json_number(value));
}

static void set_candidate(json_t **json, int method, bool equalised, bool corrected, double noise) {
    char key[60];
    snprintf(key, sizeof key, "%s%s%s", method_name(weld_quantizer_method(method)),
             equalised ? "_equalised" : "", corrected ? "_corrected" : "");
    if (!isnan(noise)) {
        set_number(json, key, weld_noise_decibel(noise));
    }
}

/* "percentile_equalised_corrected": dB below the outputs, of all that were tried. */
static json_t *candidates_json(const weld_quantizer *q) {
    json_t *json = json_object();
    for (int g = 0; g < WELD_GROUNDS; g++) {
        for (int i = 0; i < WELD_METHODS; i++) {
            set_candidate(&json, i, g > 0, false, q->noise[g][i].plain);
            set_candidate(&json, i, g > 0, true, q->noise[g][i].corrected);
        }
    }
    return json;
}

static json_t *part_json(const weld_quantizer *q, int i) {
    const weld_part *p = &q->parts.parts[i];
    json_t *json = json_object();
    weld_json_set(&json, "name", weld_json_name(p->name));
    weld_json_set(&json, "float", json_boolean(p->is_float));
    set_number(&json, "share", weld_parts_share(&q->parts, i));
    set_number(&json, "sqnr_alone", p->noise > 0 ? weld_noise_decibel(p->noise) : (double)NAN);
    return json;
}

static json_t *parts_json(const weld_quantizer *q) {
    json_t *json = json_array();
    for (int i = 0; i < q->parts.count; i++) {
        weld_json_append(&json, part_json(q, i));
    }
    return json;
}

static json_t *count_json(int64_t count) {
    return count >= 0 ? json_integer(count) : json_null();
}

/* "top1_float32" and "top1_int8": by what the score is called. */
static void set_scores(json_t **json, const weld_standoff *s) {
    char key[96];
    snprintf(key, sizeof key, "%s_float32", s->before.key);
    set_number(json, key, s->before.value);
    snprintf(key, sizeof key, "%s_int8", s->after.key);
    set_number(json, key, s->after.value);
    set_number(json, "drop", s->drop);
    set_number(json, "drop_error", s->error);
    weld_json_set(json, "lost", count_json(s->lost));
    weld_json_set(json, "gained", count_json(s->gained));
}

/* The last component: a file does not depend on where it was made. */
static json_t *name_of_set(const char *path) {
    char name[WELD_ERROR_MESSAGE_SIZE];
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--) {
    }
    snprintf(name, sizeof name, "%.*s", (int)(end - begin), path + begin);
    return weld_json_name(name);
}

char *weld_quantizer_json(const weld_quantizer *q, bool measured) {
    const weld_standoff *s = &q->standoff;
    json_t *json = json_object();
    weld_json_set(&json, "method", json_string(method_name(q->method)));
    if (taken_bits(q).weights) {
        weld_json_set(&json, "trained_weights", json_integer(taken_bits(q).weights));
        weld_json_set(&json, "trained_activations", json_integer(taken_bits(q).activations));
    }
    weld_json_set(&json, "images", json_integer(weld_calibration_count(q->images)));
    weld_json_set(&json, "skipped", json_integer(weld_calibration_skipped(q->taken)));
    weld_json_set(&json, "chosen_by", json_integer(q->held ? weld_calibration_count(q->held) : 0));
    weld_json_set(&json, "images_from", name_of_set(weld_dataset_path(q->data->ds)));
    weld_json_set(&json, "equalised", json_boolean(q->ground == 1));
    set_number(&json, "equalised_gain", gain(q));
    weld_json_set(&json, "biases_corrected", json_boolean(q->corrected));
    set_number(&json, "sqnr", weld_noise_decibel(q->said_noise));
    weld_json_set(&json, "sqnr_images", json_integer(q->said_images));
    weld_json_set(&json, "compared_on", json_string(compared_on(q)));
    weld_json_set(&json, "candidates", candidates_json(q));
    weld_json_set(&json, "evaluated", json_integer(s->images));
    weld_json_set(&json, "same_answer", count_json(s->same));
    if (s->labelled) {
        set_scores(&json, s);
    }
    if (measured) {
        weld_json_set(&json, "bytes_float32", json_integer(q->bytes[0]));
        weld_json_set(&json, "bytes_int8", json_integer(q->bytes[1]));
        set_number(&json, "milliseconds_float32", q->milliseconds[0]);
        set_number(&json, "milliseconds_int8", q->milliseconds[1]);
    }
    weld_json_set(&json, "parts", parts_json(q));
    char *text = weld_json_dump(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(json);
    return text;
}

/* --- For programs ----------------------------------------------------------------------------- */

static void report_parts(const weld_quantizer *q, weld_quantize_report *out) {
    const weld_parts *p = &q->parts;
    out->parts_in_all = p->count;
    for (int i = 0; i < p->count; i++) {
        const weld_part *part = &p->parts[i];
        const double share = weld_parts_share(p, i);
        int at =
            out->part_count < WELD_QUANTIZE_PARTS_MAX ? out->part_count++ : WELD_QUANTIZE_PARTS_MAX;
        for (; at > 0 && out->parts[at - 1].share < share; at--) {
            if (at < WELD_QUANTIZE_PARTS_MAX) {
                out->parts[at] = out->parts[at - 1];
            }
        }
        if (at < WELD_QUANTIZE_PARTS_MAX) {
            out->parts[at] =
                (weld_quantize_part){.place = i, .share = share, .is_float = part->is_float};
            snprintf(out->parts[at].name, sizeof out->parts[at].name, "%s", part->name);
        }
        if (part->is_float) {
            weld_append(out->float_names, sizeof out->float_names, "%s%s",
                        out->float_parts++ ? ", " : "", part->name);
        }
    }
}

void weld_quantizer_report(const weld_quantizer *q, weld_quantize_report *out) {
    const weld_standoff *s = &q->standoff;
    *out = (weld_quantize_report){.images = weld_calibration_count(q->images),
                                  .skipped = weld_calibration_skipped(q->taken),
                                  .chosen_by = q->held ? weld_calibration_count(q->held) : 0,
                                  .compared_on = compared_on(q),
                                  .method = q->method,
                                  .trained_weights = taken_bits(q).weights,
                                  .trained_activations = taken_bits(q).activations,
                                  .equalised = q->ground == 1,
                                  .equalised_gain = gain(q),
                                  .corrected = q->corrected,
                                  .sqnr = weld_noise_decibel(q->said_noise),
                                  .output_word = weld_model_task(q->model)->output_word,
                                  .answer_word = weld_model_task(q->model)->answer_word,
                                  .evaluated = s->images,
                                  .labelled = s->labelled,
                                  .before = s->before,
                                  .after = s->after,
                                  .drop = s->drop,
                                  .drop_error = s->error,
                                  .lost = s->lost,
                                  .gained = s->gained,
                                  .same_answer = s->same,
                                  .bytes_before = q->bytes[0],
                                  .bytes_after = q->bytes[1],
                                  .milliseconds_before = q->milliseconds[0],
                                  .milliseconds_after = q->milliseconds[1]};
    report_parts(q, out);
}
