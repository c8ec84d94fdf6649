/* Starting from the weights of another file; see load_init.h. */
#include "train/load_init.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"
#include "train/say.h"

/* Tensors that do not fit, for the message: the first few by name. */
enum { NAMED = 5 };
typedef struct misfits {
    char text[640];
    size_t count;
} misfits;

typedef struct loading {
    weld_trainer *t;
    const weld_model_file *file;
    bool same_classes;
    size_t loaded, anew, dist_anew, unused;
    misfits bad;
} loading;

static void add_misfit(misfits *m, const char *name, const char *reason) {
    size_t used = strlen(m->text);
    if (m->count++ < NAMED) {
        snprintf(m->text + used, sizeof m->text - used, "%s%.60s %s", used ? ", " : "", name,
                 reason);
    }
}

/* Are the classes of the file's head those of the data? */
static bool has_same_classes(const weld_trainer *t, const weld_model_file *file) {
    const weld_labels labels = {.count = file->config.num_classes,
                                .names = (const char *const *)file->class_names};
    return labels.count == t->data.recipe.model.num_classes &&
           !weld_task_check_labels(t->data.task, t->data.train, &labels, NULL);
}

/* A tensor of the run's network: copied, or left as new where that is right. */
static void load_tensor(loading *l, const char *name, weld_tensor to) {
    const weld_model_config *own = &l->t->data.recipe.model;
    weld_model_place place = weld_model_place_of(own, name);
    weld_tensor from;
    char have[96], want[96], reason[240];
    if (!weld_weights_find(l->file->weights, name, &from)) {
        bool second = weld_model_is_head(own, name) && weld_model_has_second_head(own) &&
                      !weld_model_has_second_head(&l->file->config);
        l->dist_anew += second;
        if (!second) {
            add_misfit(&l->bad, name, "is not in the file");
        }
        return;
    }
    if (place.per_class && !l->same_classes) {
        l->anew++;
        return;
    }
    if (to.dtype != from.dtype || !weld_shape_equal(&to.shape, &from.shape)) {
        snprintf(reason, sizeof reason, "is %s in place of %s",
                 weld_shape_text(&from.shape, have, sizeof have),
                 weld_shape_text(&to.shape, want, sizeof want));
        add_misfit(&l->bad, name, reason);
        return;
    }
    memcpy(to.data, from.data, weld_tensor_bytes(&to));
    l->loaded++;
}

/* A tensor of the file: may the run do without it? */
static void check_used(loading *l, const char *name) {
    const weld_model_config *own = &l->t->data.recipe.model, *other = &l->file->config;
    if (weld_weights_find(l->t->weights, name, NULL)) {
        return;
    }
    bool second = weld_model_is_head(other, name) && weld_model_has_second_head(other) &&
                  !weld_model_has_second_head(own);
    l->unused += second;
    if (!second) {
        add_misfit(&l->bad, name, "is in the file alone");
    }
}

static weld_status fail_misfits(const loading *l, const char *path, weld_error *err) {
    char more[40] = "";
    if (l->bad.count > NAMED) {
        snprintf(more, sizeof more, ", and %zu more", l->bad.count - NAMED);
    }
    return weld_fail(
        err, WELD_ERROR_SHAPE,
        "%s: holds another network (%s) than the recipe names (%s); %zu tensors do not "
        "fit: %s%s: remove the keys of model from the recipe, or give other weights",
        path, l->file->config.name, l->t->data.recipe.model.name, l->bad.count, l->bad.text, more);
}

/* What no tensor's shape depends on, so that all fit, may be another. */
static void say_untold(const loading *l, const char *path) {
    const weld_model_config *own = &l->t->data.recipe.model, *other = &l->file->config;
    const weld_model_family *family = weld_family_of(own);
    char is[128], was[128];
    for (size_t i = 0; weld_family_of(other) == family && i < family->key_count; i++) {
        const weld_key *key = &family->keys[i];
        if ((key->flags & WELD_KEY_UNTOLD) && !weld_key_equal(key, own->values, other->values)) {
            weld_train_say(l->t->data.settings,
                           "%s: was trained with model.%s %s, the recipe says %s", path, key->name,
                           weld_key_text(key, other->values, ", ", was, sizeof was),
                           weld_key_text(key, own->values, ", ", is, sizeof is));
        }
    }
}

/* "FILE: 702 tensors loaded, 2 made anew (head: 1000 -> 10 classes), 7 unused (...)" */
static void say_counts(const loading *l, const char *path) {
    int own = l->t->data.recipe.model.num_classes, other = l->file->config.num_classes;
    char head[96];
    if (!l->same_classes) {
        snprintf(head, sizeof head, "head: %d -> %d classes%s", other, own,
                 own == other ? " of other names" : "");
    } else {
        snprintf(head, sizeof head, "head kept: %s%d classes%s",
                 l->file->class_names ? "the same " : "", own,
                 l->file->class_names ? "" : ", not named in the file");
    }
    weld_train_say(l->t->data.settings,
                   "%s: %zu tensors loaded, %zu made anew (%s%s), %zu unused%s", path, l->loaded,
                   l->anew + l->dist_anew, head,
                   l->dist_anew ? "; distillation head: none in the file" : "", l->unused,
                   l->unused ? " (distillation head)" : "");
    say_untold(l, path);
}

weld_status weld_trainer_load_init(weld_trainer *t, weld_error *err) {
    const char *path = t->data.settings->init;
    loading l = {.t = t,
                 .file = &t->data.start_file,
                 .same_classes = has_same_classes(t, &t->data.start_file)};
    for (size_t i = 0; i < weld_weights_count(t->weights); i++) {
        load_tensor(&l, weld_weights_name(t->weights, i), weld_weights_tensor(t->weights, i));
    }
    for (size_t i = 0; i < weld_weights_count(t->data.start_file.weights); i++) {
        check_used(&l, weld_weights_name(t->data.start_file.weights, i));
    }
    if (l.bad.count) {
        return fail_misfits(&l, path, err);
    }
    t->init = weld_strdup(path);
    if (!t->init) {
        return weld_fail_memory(err, path);
    }
    say_counts(&l, path);
    return WELD_OK;
}
