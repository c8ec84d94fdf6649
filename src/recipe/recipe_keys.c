/* The table of recipe keys; see recipe_keys.h. */
#include "recipe/recipe_keys.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/bad_images.h"

#define MEMBER(member) (((weld_recipe *)0)->member)
#define AT(member) .offset = offsetof(weld_recipe, member), .size = sizeof MEMBER(member)
#define ONE(member) AT(member), .min_count = 1, .max_count = 1
#define LIST(member) AT(member[0]), .max_count = sizeof MEMBER(member) / sizeof MEMBER(member[0])
#define ALL(member) LIST(member), .min_count = sizeof MEMBER(member) / sizeof MEMBER(member[0])

#define TEXT(member) WELD_RECIPE_TEXT, ONE(member)
#define INTEGER(member, low, high) WELD_RECIPE_INTEGER, ONE(member), .min = (low), .max = (high)
#define REAL(member, low, high) WELD_RECIPE_REAL, ONE(member), .min = (low), .max = (high)
#define REALS(member, low, high) WELD_RECIPE_REAL, ALL(member), .min = (low), .max = (high)
#define BOOL(member) WELD_RECIPE_BOOL, ONE(member)
#define CHOICE(member, ...)                                                                        \
    WELD_RECIPE_CHOICE, ONE(member), .choices = (const char *const[]) {                            \
        __VA_ARGS__, NULL                                                                          \
    }

const char *const weld_recipe_sections[] = {"model",     "data",     "augment", "loss",
                                            "optimizer", "schedule", "train",   NULL};

/* train.freeze as a number of stages. */
static const char *const stage_counts[] = {"0", "", "1", "2", "3", "4", "5", "6", "7", "8", ""};

/* model.name comes first: it decides what the model's other keys start from. */
const weld_recipe_key weld_recipe_keys[] = {
    {"model", "name", TEXT(model.name)},
    {"model", "num_classes", INTEGER(model.num_classes, 0, 1e6), .null = "0"},
    {"model", "channels", WELD_RECIPE_INTEGER, LIST(model.channels), .min_count = 1, .min = 1,
     .max = 65536, .count_offset = offsetof(weld_recipe, model.stage_count)},
    {"model", "depths", WELD_RECIPE_INTEGER, LIST(model.depths), .min_count = 1, .min = 0,
     .max = 1000, .count_offset = offsetof(weld_recipe, depth_count)},
    {"model", "stem_stride", INTEGER(model.stem_stride, 1, 4)},
    {"model", "legacy", BOOL(model.legacy)},
    {"model", "distillation_head", BOOL(model.distillation_head)},

    {"data", "train", TEXT(data.train)},
    {"data", "val", TEXT(data.val), .null = ""},
    {"data", "input_size", INTEGER(data.preprocessing.input_size, 1, 8192)},
    {"data", "mean", REALS(data.preprocessing.mean, -1e3, 1e3)},
    {"data", "std", REALS(data.preprocessing.std, 1e-6, 1e3)},
    {"data", "crop_fraction", REAL(data.preprocessing.crop_fraction, 0.1, 1)},
    {"data", "interpolation", CHOICE(data.preprocessing.interpolation, "bicubic", "bilinear")},
    {"data", "max_bad", INTEGER(data.max_bad, 0, WELD_MAX_BAD_IMAGES)},
    {"data", "sampling", CHOICE(data.sampling, "all", "balanced", "sqrt"), .null = "all"},

    {"augment", "kind", CHOICE(augment.kind, "imagenet", "small", "none")},
    {"augment", "crop_scale", REALS(augment.crop_scale, 1e-4, 1)},
    {"augment", "crop_ratio", REALS(augment.crop_ratio, 0.01, 100)},
    {"augment", "hflip", REAL(augment.hflip, 0, 1)},
    {"augment", "auto_augment", TEXT(augment.auto_augment), .null = "none"},
    {"augment", "color_jitter", REAL(augment.color_jitter, 0, WELD_MAX_COLOR_JITTER), .null = "0"},
    {"augment", "three_augment", BOOL(augment.three_augment)},
    {"augment", "random_erasing", REAL(augment.random_erasing, 0, 1), .null = "0"},
    {"augment", "erasing_mode", CHOICE(augment.erasing_mode, "pixel", "const", "rand")},
    {"augment", "mixup", REAL(augment.mixup, 0, 100), .null = "0"},
    {"augment", "cutmix", REAL(augment.cutmix, 0, 100), .null = "0"},
    {"augment", "cutmix_probability", REAL(augment.cutmix_probability, 0, 1)},
    {"augment", "mix_probability", REAL(augment.mix_probability, 0, 1)},
    {"augment", "mix_mode", CHOICE(augment.mix_mode, "batch", "pair", "elem")},
    {"augment", "repeats", INTEGER(augment.repeats, 1, WELD_MAX_REPEATS), .null = "1"},

    {"loss", "label_smoothing", REAL(loss.label_smoothing, 0, 0.999), .null = "0"},
    {"loss", "class_weights", CHOICE(loss.class_weights, "none", "balanced", "sqrt"),
     .null = "none"},
    {"loss", "distillation.kind", CHOICE(loss.distillation.kind, "none", "hard", "soft"),
     .null = "none"},
    {"loss", "distillation.teacher", TEXT(loss.distillation.teacher), .null = ""},
    {"loss", "distillation.alpha", REAL(loss.distillation.alpha, 0, 1)},
    {"loss", "distillation.temperature", REAL(loss.distillation.temperature, 0.01, 1000)},
    {"loss", "distillation.cache", TEXT(loss.distillation.cache), .null = ""},

    {"optimizer", "name", CHOICE(optimizer.name, "adamw", "sgd")},
    {"optimizer", "lr", REAL(optimizer.lr, 0, 100)},
    {"optimizer", "lr_batch", INTEGER(optimizer.lr_batch, 0, 1e9), .null = "0"},
    {"optimizer", "betas", REALS(optimizer.betas, 0, 0.999999999)},
    {"optimizer", "eps", REAL(optimizer.eps, 1e-30, 1)},
    {"optimizer", "momentum", REAL(optimizer.momentum, 0, 0.999999999), .null = "0"},
    {"optimizer", "nesterov", BOOL(optimizer.nesterov)},
    {"optimizer", "weight_decay", REAL(optimizer.weight_decay, 0, 100), .null = "0"},
    {"optimizer", "head_lr_scale", REAL(optimizer.head_lr_scale, 1e-6, 1e6), .null = "1"},
    {"optimizer", "layer_decay", REAL(optimizer.layer_decay, 1e-3, 1), .null = "1"},
    {"optimizer", "clip", REAL(optimizer.clip, 0, 1e9), .null = "0"},
    {"optimizer", "clip_mode", CHOICE(optimizer.clip_mode, "norm", "value", "agc")},

    {"schedule", "warmup_epochs", REAL(schedule.warmup_epochs, 0, 1e6), .null = "0"},
    {"schedule", "warmup_lr", REAL(schedule.warmup_lr, 0, 100)},
    {"schedule", "min_lr", REAL(schedule.min_lr, 0, 100)},
    {"schedule", "per", CHOICE(schedule.per, "step", "epoch")},

    {"train", "epochs", INTEGER(train.epochs, 1, 1e6)},
    {"train", "batch_size", INTEGER(train.batch_size, 1, 1e6)},
    {"train", "accumulate", INTEGER(train.accumulate, 1, 1e6), .null = "1"},
    {"train", "precision", CHOICE(train.precision, "fp32", "bf16", "auto")},
    {"train", "seed", INTEGER(train.seed, 0, 9e15)},
    {"train", "shuffle", BOOL(train.shuffle)},
    {"train", "ema_decay", REAL(train.ema_decay, 0, 0.999999999), .null = "0"},
    {"train", "eval_every", INTEGER(train.eval_every, 0, 1e6), .null = "0"},
    {"train", "checkpoint_every", INTEGER(train.checkpoint_every, 0, 1e9), .null = "0"},
    {"train", "keep", INTEGER(train.keep, 0, 1e6), .null = "0"},
    {"train", "freeze",
     CHOICE(train.freeze, "none", "stem", "stage1", "stage2", "stage3", "stage4", "stage5",
            "stage6", "stage7", "stage8", "backbone"),
     .synonyms = stage_counts, .null = "none"},
    {"train", "bn_eval", BOOL(train.bn_eval)},
    {"train", "fuse", BOOL(train.fuse)},
    {"train", "events", BOOL(train.events)},
    {"train", "histograms_every", INTEGER(train.histograms_every, 0, 1e6), .null = "0"},
};

_Static_assert(sizeof stage_counts / sizeof *stage_counts == WELD_FREEZE_BACKBONE + 1,
               "stage_counts and the choices of train.freeze go up to the backbone");
const size_t weld_recipe_key_count = sizeof weld_recipe_keys / sizeof *weld_recipe_keys;
_Static_assert(sizeof weld_recipe_keys / sizeof *weld_recipe_keys <= WELD_RECIPE_KEYS_MAX,
               "WELD_RECIPE_KEYS_MAX has room for the table");

static void *element_place(weld_recipe *r, const weld_recipe_key *key, int element) {
    return (char *)r + key->offset + (size_t)element * key->size;
}

static weld_status set_number(void *place, const weld_recipe_key *key, const char *text,
                              weld_error *err) {
    char *end;
    bool whole = key->type == WELD_RECIPE_INTEGER;
    errno = 0;
    long long integer = whole ? strtoll(text, &end, 10) : 0;
    double real = whole ? (double)integer : strtod(text, &end);
    if (end == text || *end || !isfinite(real)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.80s' is not a %s", text,
                         whole ? "whole number" : "number");
    }
    if (errno == ERANGE || real < key->min || real > key->max) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%.80s is out of range: give %.10g to %.10g",
                         text, key->min, key->max);
    }
    if (whole && key->size == sizeof(int)) {
        *(int *)place = (int)integer;
    } else if (whole) {
        *(int64_t *)place = integer;
    } else if (key->size == sizeof(float)) {
        *(float *)place = (float)real;
    } else {
        *(double *)place = real;
    }
    return WELD_OK;
}

static weld_status set_bool(bool *place, const char *text, weld_error *err) {
    static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};
    for (size_t i = 0; i < 6; i++) {
        if (strcmp(text, words[i]) == 0) {
            *place = i >= 3;
            return WELD_OK;
        }
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.80s' is not true or false", text);
}

static weld_status set_choice(void *place, const weld_recipe_key *key, const char *text,
                              weld_error *err) {
    char known[256] = "";
    for (int i = 0; key->choices[i]; i++) {
        bool synonym = key->synonyms && *text && strcmp(text, key->synonyms[i]) == 0;
        if (synonym || strcmp(text, key->choices[i]) == 0) {
            memcpy(place, &i, sizeof i);
            return WELD_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", key->choices[i]);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.80s' is not known: this version has %s", text,
                     known);
}

weld_status weld_recipe_set_element(weld_recipe *r, const weld_recipe_key *key, int element,
                                    const char *text, weld_error *err) {
    void *place = element_place(r, key, element);
    switch (key->type) {
    case WELD_RECIPE_INTEGER:
    case WELD_RECIPE_REAL:
        return set_number(place, key, text, err);
    case WELD_RECIPE_BOOL:
        return set_bool(place, text, err);
    case WELD_RECIPE_CHOICE:
        return set_choice(place, key, text, err);
    case WELD_RECIPE_TEXT:
        break;
    }
    size_t length = strlen(text);
    if (length >= key->size) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%zu bytes are too long: at most %zu fit",
                         length, key->size - 1);
    }
    memset(place, 0, key->size); /* so that equal recipes are equal byte for byte */
    memcpy(place, text, length);
    return WELD_OK;
}

int weld_recipe_element_count(const weld_recipe *r, const weld_recipe_key *key) {
    return key->min_count < key->max_count ? *(const int *)((const char *)r + key->count_offset)
                                           : key->max_count;
}

/* The shortest text that reads back to the same number. YAML 1.1 asks for a point before an
 * exponent. */
static const char *real_text(double value, bool single, char text[40]) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, 40, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value) {
            break;
        }
    }
    char *exponent = strchr(text, 'e');
    if (exponent && !strchr(text, '.')) {
        memmove(exponent + 2, exponent, strlen(exponent) + 1);
        memcpy(exponent, ".0", 2);
    }
    return text;
}

void weld_recipe_element_text(const weld_recipe *r, const weld_recipe_key *key, int element,
                              char *text, size_t size) {
    const void *place = (const char *)r + key->offset + (size_t)element * key->size;
    char real[40];
    int choice;
    switch (key->type) {
    case WELD_RECIPE_TEXT:
        snprintf(text, size, "%s", (const char *)place);
        break;
    case WELD_RECIPE_INTEGER:
        snprintf(text, size, "%lld",
                 key->size == sizeof(int) ? (long long)*(const int *)place
                                          : (long long)*(const int64_t *)place);
        break;
    case WELD_RECIPE_REAL:
        snprintf(text, size, "%s",
                 key->size == sizeof(float) ? real_text(*(const float *)place, true, real)
                                            : real_text(*(const double *)place, false, real));
        break;
    case WELD_RECIPE_BOOL:
        snprintf(text, size, "%s", *(const bool *)place ? "true" : "false");
        break;
    case WELD_RECIPE_CHOICE:
        memcpy(&choice, place, sizeof choice);
        snprintf(text, size, "%s", key->choices[choice]);
        break;
    }
}

void weld_recipe_key_text(const weld_recipe *r, const weld_recipe_key *key, char *text,
                          size_t size) {
    int count = weld_recipe_element_count(r, key);
    size_t used = 0;
    text[0] = 0;
    for (int element = 0; element < count && used + 1 < size; element++) {
        weld_recipe_element_text(r, key, element, text + used, size - used);
        used += strlen(text + used);
        if (element + 1 < count && used + 2 < size) {
            used += (size_t)snprintf(text + used, size - used, ", ");
        }
    }
}
