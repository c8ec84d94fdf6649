/* Keys of augmentation against kinds and tasks; see augment_check.h. */
#include "recipe/augment_check.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tasks/task.h"

#define KEY(member) WELD_RECIPE_PLACE(augment.member)

/* A key that is of no use, with the value that says so. */
typedef struct rule {
    size_t place;
    const char *off;
    const char *reason; /* against any other value; NULL: none */
} rule;

static const char of_detection[] =
    "is of kind detection: remove the key, or set augment.kind to detection";
static const char not_of_boxes[] =
    "moves or mixes images and not what is said of their parts: remove the key; augment.kind "
    "detection has mosaics and more";

/* Of kind detection alone. */
static const rule detection[] = {
    {KEY(mosaic), "0", of_detection},       {KEY(scale), "0", of_detection},
    {KEY(translate), "0", of_detection},    {KEY(degrees), "0", of_detection},
    {KEY(shear), "0", of_detection},        {KEY(perspective), "0", of_detection},
    {KEY(hsv), "0, 0, 0", of_detection},    {KEY(blend), "0", of_detection},
    {KEY(close_mosaic), "0", of_detection},
};

enum { DETECTION = sizeof detection / sizeof *detection };

/* Not of kind detection. */
static const rule others[] = {
    {KEY(crop_scale), "0.08, 1", "is not of kind detection, which has augment.scale"},
    {KEY(crop_ratio), "0.75, 1.3333333333333333", "is not of kind detection: remove the key"},
    {KEY(auto_augment), "none", "is not of kind detection, which has augment.hsv: set it to none"},
    {KEY(color_jitter), "0", "is not of kind detection, which has augment.hsv: set it to 0"},
    {KEY(three_augment), "false", "is not of kind detection: set it to false"},
    {KEY(random_erasing), "0", "is not of kind detection: set it to 0"},
    {KEY(mixup), "0", "mixes batches: of kind detection there is augment.blend: set it to 0"},
    {KEY(cutmix), "0", "is not of kind detection, which has augment.mosaic: set it to 0"},
    {KEY(repeats), "1", NULL},
};

/* What does not take along what is said of parts of images. */
static const rule unplaced[] = {
    {KEY(auto_augment), "none", not_of_boxes},
    {KEY(mixup), "0", not_of_boxes},
    {KEY(cutmix), "0", not_of_boxes},
};

/* strict: what was given otherwise is an error, and else left alone. */
static weld_status apply(weld_recipe *r, const weld_recipe_origins *o, const rule *rules,
                         size_t count, bool strict, weld_error *err) {
    for (size_t i = 0; i < count; i++) {
        const weld_recipe_key *key = &o->keys.at[weld_recipe_key_index(&o->keys, rules[i].place)];
        char text[256];
        weld_recipe_key_text(r, key, text, sizeof text);
        if (!weld_recipe_was_given(o, rules[i].place)) {
            WELD_TRY(weld_key_set(key->row, (char *)r + key->base, rules[i].off, err));
        } else if (strict && rules[i].reason && strcmp(text, rules[i].off) != 0) {
            return weld_recipe_fail(o, rules[i].place, rules[i].reason, err);
        }
    }
    return WELD_OK;
}

#define APPLY(rules, strict) apply(r, o, rules, sizeof(rules) / sizeof *(rules), strict, err)

static weld_status check_detection(weld_recipe *r, const weld_recipe_origins *o, bool placed,
                                   weld_error *err) {
    if (!placed) {
        const weld_task *task = weld_task_of(&r->model);
        char reason[WELD_ERROR_MESSAGE_SIZE / 2];
        snprintf(reason, sizeof reason,
                 "detection is for networks that find things in images, and this one is for %s: "
                 "use imagenet%s%s",
                 task->name, task->start_recipe ? ", or start from " : "",
                 task->start_recipe ? task->start_recipe : "");
        return weld_recipe_fail(o, KEY(kind), reason, err);
    }
    if (r->data.preprocessing.resize != WELD_FIT_LETTERBOX) {
        return weld_recipe_fail(o, WELD_RECIPE_PLACE(data.preprocessing.resize),
                                "augment.kind detection shows whole images: use letterbox", err);
    }
    if (r->loss.distillation.kind && r->loss.distillation.cache[0]) {
        return weld_recipe_fail(o, WELD_RECIPE_PLACE(loss.distillation.cache),
                                "knows images, and augment.kind detection makes samples of "
                                "several: name a teacher",
                                err);
    }
    return APPLY(others, true);
}

/* Keys that nobody gave say that they do nothing: what is left was asked for. A kind in which no
 * key does anything is set over a recipe's, to see what it does without, and takes all of it. */
void weld_recipe_tell_augment(const weld_recipe *r, weld_text *notes) {
    weld_recipe_keys *keys = weld_alloc_raw(1, sizeof *keys);
    bool first = true;
    if (keys) {
        weld_recipe_keys_of(r->model.name, keys);
    }
    for (size_t i = 0; keys && r->augment.kind == WELD_AUGMENT_NONE && i < DETECTION; i++) {
        const weld_recipe_key *key = &keys->at[weld_recipe_key_index(keys, detection[i].place)];
        char text[256];
        weld_recipe_key_text(r, key, text, sizeof text);
        if (strcmp(text, detection[i].off) != 0) {
            weld_text_format(notes, "%s%s", first ? "augment.kind none: there is no " : ", ",
                             key->row->name);
            first = false;
        }
    }
    weld_text_add(notes, first ? "" : ", which the recipe sets: images are as in evaluation\n");
    weld_free(keys);
}

weld_status weld_recipe_check_augment(weld_recipe *r, const weld_recipe_origins *o,
                                      weld_error *err) {
    const bool placed = weld_task_of(&r->model)->annotation->place != NULL;
    if (placed && !weld_recipe_was_given(o, KEY(kind))) {
        r->augment.kind = WELD_AUGMENT_DETECTION;
    }
    switch (r->augment.kind) {
    case WELD_AUGMENT_DETECTION:
        return check_detection(r, o, placed, err);
    case WELD_AUGMENT_IMAGENET:
    case WELD_AUGMENT_SMALL:
        WELD_TRY(APPLY(detection, true));
        return placed ? APPLY(unplaced, true) : WELD_OK;
    case WELD_AUGMENT_NONE: /* in which no key does anything */
        return APPLY(detection, false);
    }
    return WELD_OK;
}
