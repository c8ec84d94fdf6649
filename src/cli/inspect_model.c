/* weld inspect: networks. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/statistics.h"
#include "base/text.h"
#include "cli/inspect.h"
#include "cli/input_options.h"
#include "formats/json_text.h"
#include "serialization/name_list.h"
#include "infer/model.h"
#include "models/models.h"
#include "serialization/model_text.h"
#include "serialization/summary_keys.h"
#include "tasks/task.h"

enum { FEW_CLASSES = 12 };

static void say_kind(inspection *in, const weld_model_file *f) {
    const weld_model_origin *o = &f->origin;
    if (!o->kind) {
        inspect_title(in, f->kind == WELD_MODEL_DEPLOY ? "deploy" : "checkpoint",
                      "%s, written by weld %s", weld_file_kind_text(in->kind), f->program_version);
        inspect_fact(in, "written by", weld_json_name(f->program_version), NULL);
        return;
    }
    const char *element = o->mixed ? "several types" : weld_element_name(o->element);
    inspect_foreign_title(in, o->kind, o->unchecked);
    if (*o->key) {
        inspect_fact(in, "state dict", weld_json_name(o->key), "%s%s%s%s", o->key,
                     *o->others ? " (also there: " : "", o->others,
                     *o->others ? "; --key takes another)" : "");
    }
    inspect_fact(in, "tensor count", json_integer((json_int_t)o->tensors), "%zu, %s names, %s",
                 o->tensors, o->naming->whose, element);
    inspect_fact(in, "names", json_string(o->naming->name), NULL);
    inspect_fact(in, "elements", json_string(o->mixed ? "mixed" : element), NULL);
}

/* --- Numbers that are none. ------------------------------------------------------------------- */

typedef struct damage {
    int64_t values;
    weld_name_list names;
    json_t *tensors;
} damage;

static void look_at(damage *d, const weld_weights *w, const char *prefix) {
    for (size_t i = 0; w && i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        weld_statistics s = {0};
        char name[WELD_TENSOR_NAME_SIZE + 32];
        weld_statistics_add(&s, t.dtype, t.data, weld_shape_count(&t.shape));
        if (s.not_finite) {
            snprintf(name, sizeof name, "%s%s", prefix, weld_weights_name(w, i));
            d->values += s.not_finite;
            weld_name_list_add(&d->names, name);
            json_array_append_new(d->tensors, weld_json_name(name));
        }
    }
}

static void say_damage(inspection *in, const weld_model_file *f) {
    damage d = {.tensors = json_array()};
    look_at(&d, f->weights, "");
    look_at(&d, f->moment1, "optimizer/m/");
    look_at(&d, f->moment2, "optimizer/v/");
    look_at(&d, f->ema, "ema/");
    json_t *value = json_pack("{s:I, s:o}", "values", (json_int_t)d.values, "tensors", d.tensors);
    if (d.values) {
        inspect_fact(in, "not finite", value,
                     "%lld VALUES IN %zu TENSORS ARE NOT FINITE: %s: do not use it",
                     (long long)d.values, d.names.count, d.names.text);
    } else {
        inspect_fact(in, "not finite", value, NULL);
    }
}

/* --- The network. ----------------------------------------------------------------------------- */

static void say_key(inspection *in, const weld_key *key, const weld_model_config *c, bool known) {
    char title[64], text[512];
    weld_key_title(key, title, sizeof title);
    weld_key_text(key, c->values, " ", text, sizeof text);
    json_t *value = known ? weld_key_json(key, c->values) : NULL;
    inspect_fact(in, title, value, key->label ? NULL : "%s", text);
}

static void say_network(inspection *in, const weld_model *m) {
    const weld_model_config *c = &m->file.config;
    const weld_model_family *family = weld_family_of(c);
    weld_model_counts counts = weld_graph_counts(m->graph);
    bool merged = weld_model_is_merged(m);
    const weld_preprocessing *p = &m->file.preprocessing;
    char labels[256];
    inspect_fact(in, "network", weld_json_name(c->name), "%s", c->name);
    /* What a merged network of another program was merged from nobody knows. */
    bool known = !merged || !m->file.origin.kind;
    weld_model_label_text(c, labels, sizeof labels);
    inspect_fact(in, "form", json_string(merged ? "merged" : "training"), "%s%s%s",
                 weld_model_is_int8(m) ? "merged, for deployment, int8"
                 : merged              ? "merged, for deployment"
                                       : "training, not merged",
                 known && merged && *labels ? "; before that" : "", known ? labels : "");
    for (int labelled = 1; labelled >= 0; labelled--) { /* what the line above says comes first */
        for (size_t i = 0; i < family->key_count; i++) {
            const weld_key *key = &family->keys[i];
            if ((key->label != NULL) == labelled) {
                say_key(in, key, c, known || !(key->flags & WELD_KEY_MERGED_AWAY));
            }
        }
    }
    inspect_fact(in, "parameters", json_integer(counts.parameters), "%lld",
                 (long long)counts.parameters);
    inspect_fact(in, "convolutions", json_integer(counts.convolutions), "%lld",
                 (long long)counts.convolutions);
    inspect_fact(in, "MACs", json_integer(counts.macs), "%.1f M at %d x %d",
                 (double)counts.macs / 1e6, p->height, p->width);
}

/* Scales and zero points of all values --graph prints, and --tensors those of weights. */
static void say_integers(inspection *in, const weld_model *m) {
    const weld_quantization *q = m->file.quantization;
    char text[512] = "none";
    json_t *values = json_array(), *floats = json_array();
    size_t used = 0;
    int count = 0;
    for (size_t i = 0; q && i < q->value_count; i++) {
        if (q->codes[i].scale != 0) {
            json_array_append_new(values, json_pack("{s:I, s:f, s:i}", "value", (json_int_t)i,
                                                    "scale", (double)q->codes[i].scale, "zero",
                                                    (int)q->codes[i].zero));
        }
    }
    for (size_t i = 0; q && i < q->node_count; i++) {
        if (q->float_nodes[i]) {
            const char *name = m->graph->nodes[i]->inputs[1]->name;
            json_array_append_new(floats, weld_json_name(name));
            if (used < sizeof text) {
                used += (size_t)snprintf(text + used, sizeof text - used, count++ ? ", %s" : "%s",
                                         name);
            }
        }
    }
    if (q) {
        const size_t coded = json_array_size(values);
        inspect_fact(in, "codes", values, "%zu values of 8 bits (--graph: scale@zero of each)",
                     coded);
        inspect_fact(in, "float layers", floats, "%s", text);
        inspect_text(in, "quantization", q->details);
    } else {
        json_decref(values);
        json_decref(floats);
    }
}

static void say_classes(inspection *in, const weld_model *m) {
    int count = m->file.config.num_classes;
    char text[1024] = "";
    json_t *names = weld_model_class_name(m, 0) ? json_array() : NULL;
    for (int i = 0; names && i < count; i++) {
        const char *name = weld_model_class_name(m, i);
        json_array_append_new(names, weld_json_name(name));
        if (i < FEW_CLASSES) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.60s", i ? ", " : ": ",
                     name);
        }
    }
    inspect_fact(in, "classes", json_integer(count), "%d%s%s", count,
                 names ? text : ", names not known", names && count > FEW_CLASSES ? ", ..." : "");
    inspect_fact(in, "class names", names, NULL);
}

static void say_preprocessing(inspection *in, const weld_preprocessing *p, bool usual) {
    const char *filter = cli_interpolation_name(p->interpolation);
    double mean[3], std[3];
    for (int i = 0; i < 3; i++) {
        /* As it was written down, not as a float has it. */
        mean[i] = round((double)p->mean[i] * 1e7) / 1e7;
        std[i] = round((double)p->std[i] * 1e7) / 1e7;
    }
    char input[WELD_INPUT_TEXT_SIZE];
    json_t *value = json_pack(
        "{s:o, s:s, s:f, s:s, s:[fff], s:[fff]}", "input_size", cli_size_json(p->height, p->width),
        "resize", cli_resize_name(p->resize), "crop_fraction", p->crop_fraction, "interpolation",
        filter, "mean", mean[0], mean[1], mean[2], "std", std[0], std[1], std[2]);
    if (p->scale16 > WELD_SCALE16_MIN) {
        json_object_set_new(value, "scale16", json_integer(p->scale16));
    }
    if (p->orientation == WELD_ORIENTATION_EXIF) {
        json_object_set_new(value, "orientation", json_string("exif"));
    }
    if (p->max_pixels && p->max_pixels != WELD_USUAL_MAX_PIXELS) {
        json_object_set_new(value, "max_pixels", json_integer(p->max_pixels));
    }
    inspect_fact(in, "preprocessing", value,
                 "size %s, crop fraction %g, %s, mean %g %g %g, std %g %g %g%s%s",
                 weld_input_text(p, input), p->crop_fraction, filter, mean[0], mean[1], mean[2],
                 std[0], std[1], std[2],
                 p->orientation == WELD_ORIENTATION_EXIF ? ", upright by EXIF" : "",
                 usual ? " (the usual one: the file says nothing of it)" : "");
    inspect_fact(in, "preprocessing stated", json_boolean(!usual), NULL);
}

/* A program that trains its own network counts updates alone. */
static void say_trained(inspection *in, const weld_model_file *f) {
    const weld_trainer_state *t = &f->trainer;
    char best[80] = "";
    if (weld_model_is_in_files_alone(&f->config)) {
        inspect_fact(in, "trained", json_pack("{s:I}", "updates", (json_int_t)t->step), "%lld %s",
                     (long long)t->step, weld_plural(t->step, "update", "updates"));
        return;
    }
    json_t *value = json_pack("{s:I, s:I, s:f}", "epochs", (json_int_t)t->epoch, "updates",
                              (json_int_t)t->step, "seconds", t->elapsed_seconds);
    if (t->best_epoch >= 0) { /* people count from 1, metrics.jsonl from 0 */
        const weld_score_kind *score = &weld_task_of(&f->config)->scores[0];
        char key[64];
        snprintf(best, sizeof best, ", best %s %.*f%s in epoch %lld", score->label, score->decimals,
                 t->best_score, score->unit, (long long)t->best_epoch + 1);
        snprintf(key, sizeof key, "best_%s", score->key);
        json_object_set_new(value, key, weld_json_number(t->best_score));
        json_object_set_new(value, "best_epoch", json_integer(t->best_epoch));
    }
    inspect_fact(in, "trained", value, "%lld %s, %lld %s%s", (long long)t->epoch,
                 weld_plural(t->epoch, "epoch", "epochs"), (long long)t->step,
                 weld_plural(t->step, "update", "updates"), best);
}

/* As train.best ema leaves best.h5. */
static bool is_average(const weld_model_file *f) {
    json_t *summary = f->summary ? inspect_read_json(f->summary) : NULL;
    const bool is = json_object_get(summary, WELD_SUMMARY_WEIGHTS) != NULL;
    json_decref(summary);
    return is;
}

static void say_temperature(inspection *in, const weld_model_file *f) {
    if (f->temperature > 0) {
        inspect_fact(in, "temperature", json_real(f->temperature),
                     "%.4f: logits are divided by it for probabilities", f->temperature);
    }
}

/* The weights are not rounded, the scores that stand beside them are of a network that was. */
static void say_codes(inspection *in, const weld_model_file *f) {
    const weld_trainer_state *t = &f->trainer;
    char activations[64] = "activations as they are";
    if (!t->quantize_weights) {
        return;
    }
    if (t->quantize_activations) {
        snprintf(activations, sizeof activations, "activations of %lld",
                 (long long)t->quantize_activations);
    }
    inspect_fact(in, "trained for",
                 json_pack("{s:I, s:I}", "weights", (json_int_t)t->quantize_weights, "activations",
                           (json_int_t)t->quantize_activations),
                 "weights of %lld bits and %s: the scores are those of the rounded network",
                 (long long)t->quantize_weights, activations);
}

static void say_training(inspection *in, const weld_model_file *f) {
    const weld_trainer_state *t = &f->trainer;
    if (f->kind == WELD_MODEL_CHECKPOINT && t->step > 0) {
        say_trained(in, f);
        say_codes(in, f);
        inspect_fact(in, "optimizer", json_boolean(f->moment1 != NULL), "%s",
                     !f->moment1 ? "its state is not kept"
                     : weld_model_is_in_files_alone(&f->config)
                         ? "its state is kept: its program can go on from here"
                         : "its state is kept: --resume can go on from here");
        inspect_fact(in, "average", json_boolean(f->ema != NULL), "%s",
                     f->ema ? "the weights' moving average is kept: --key ema takes it"
                     : is_average(f) && in->model.known.key
                         ? "the weights told of are the moving average that is kept (--key ema)"
                     : is_average(f) ? "the weights are the run's moving average (train.best ema)"
                                     : "no moving average of the weights is kept");
    } else if (f->codes) {
        say_codes(in, f);
    }
    in->of_float = f->quantization != NULL;
    inspect_text(in, "summary", f->summary);
    inspect_text(in, "verification", f->verification);
    in->of_float = false;
    inspect_text(in, "recipe", f->recipe);
}

void inspect_model(inspection *in, const weld_model *m) {
    say_kind(in, &m->file);
    say_damage(in, &m->file);
    say_network(in, m);
    say_integers(in, m);
    say_classes(in, m);
    say_preprocessing(in, &m->file.preprocessing, m->file.origin.usual);
    say_temperature(in, &m->file);
    say_training(in, &m->file);
}
