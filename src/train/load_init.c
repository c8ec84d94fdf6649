/* Starting from the weights of another file; see load_init.h. */
#include "train/load_init.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/backbone.h"
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
    bool backbone; /* the file is of the network that the run's begins with */
    int *rows;     /* by class of the data: which class of the file's head it is, or -1 */
    int kept;      /* classes that are */
    size_t loaded, anew, dist_anew, unused;
    misfits bad;
    int tables_from;    /* size of the images whose tables of positions were resized; 0: none */
    weld_status status; /* of resizing them */
    weld_error *err;
} loading;

static void add_misfit(misfits *m, const char *name, const char *reason) {
    size_t used = strlen(m->text);
    if (m->count++ < NAMED) {
        snprintf(m->text + used, sizeof m->text - used, "%s%.60s %s", used ? ", " : "", name,
                 reason);
    }
}

/* Is the run's network a backbone of the file's family, and more? */
static bool has_backbone(const loading *l) {
    const weld_model_config *own = &l->t->data.recipe.model, *other = &l->file->config;
    const weld_model_family *family = weld_family_of(own);
    weld_model_config backbone;
    if (!family->backbone || weld_family_of(other) == family) {
        return false;
    }
    family->backbone(own, &backbone);
    return weld_family_of(&backbone) == weld_family_of(other);
}

/* What the file calls a tensor of the run's network; NULL: it is of none that the file has. */
static const char *name_in_file(const loading *l, const char *name) {
    static const char prefix[] = WELD_BACKBONE_PREFIX;
    const size_t length = l->backbone ? sizeof prefix - 1 : 0;
    return strncmp(name, prefix, length) == 0 ? name + length : NULL;
}

/* Which classes of the data does the file's head know? Where it names none, all or none of them. */
static weld_status find_rows(loading *l, weld_error *err) {
    const weld_labels labels = {.count = l->file->config.num_classes,
                                .names = (const char *const *)l->file->class_names};
    const int own = l->t->data.recipe.model.num_classes;
    l->rows = weld_alloc((size_t)own, sizeof *l->rows);
    if (!l->rows) {
        return weld_fail_memory(err, "classes");
    }
    bool match = !l->file->origin.headless && !l->backbone &&
                 !weld_task_match_labels(l->t->data.task, l->t->data.train, &labels, l->rows, NULL);
    for (int i = 0; i < own; i++) {
        l->rows[i] = match ? l->rows[i] : -1;
        l->kept += l->rows[i] >= 0;
    }
    return WELD_OK;
}

/* A tensor that has a row for each class. */
static void load_rows(loading *l, const char *name, weld_tensor to, weld_tensor from) {
    char have[96], want[96], reason[240];
    weld_shape fit = from.shape;
    fit.dim[0] = to.shape.dim[0];
    if (to.dtype != from.dtype || !weld_shape_equal(&to.shape, &fit)) {
        snprintf(reason, sizeof reason, "is %s in place of %s",
                 weld_shape_text(&from.shape, have, sizeof have),
                 weld_shape_text(&to.shape, want, sizeof want));
        add_misfit(&l->bad, name, reason);
        return;
    }
    const size_t row = weld_tensor_bytes(&to) / (size_t)to.shape.dim[0];
    for (int64_t i = 0; i < to.shape.dim[0]; i++) {
        if (l->rows[i] >= 0) {
            memcpy((char *)to.data + (size_t)i * row,
                   (const char *)from.data + (size_t)l->rows[i] * row, row);
        }
    }
    l->loaded++;
}

/* A table of positions for images of another size than the run's. */
static bool resize_table(loading *l, const char *name, const weld_tensor *from,
                         const weld_tensor *to) {
    const weld_model_config *own = &l->t->data.recipe.model;
    const weld_model_family *family = weld_family_of(own);
    const int size = weld_position_image_size(family, own, name, &from->shape);
    if (!size || weld_shape_equal(&from->shape, &to->shape) ||
        !weld_position_image_size(family, own, name, &to->shape)) {
        return false;
    }
    l->status =
        l->status ? l->status : weld_position_resize_for(family, own, name, from, to, l->err);
    l->tables_from = size;
    return true;
}

/* A tensor of the run's network: copied, or left as new where that is right. */
static void load_tensor(loading *l, const char *name, weld_tensor to) {
    const weld_model_config *own = &l->t->data.recipe.model;
    weld_model_place place = weld_model_place_of(own, name);
    weld_tensor from;
    char have[96], want[96], reason[240];
    const char *in_file = name_in_file(l, name);
    if (!in_file) {
        l->anew++;
        return;
    }
    if (!weld_weights_find(l->file->weights, in_file, &from)) {
        if (l->file->origin.headless && place.part > weld_model_stage_count(own)) {
            l->anew++;
            return;
        }
        bool second = weld_model_is_head(own, name) && weld_model_has_second_head(own) &&
                      !weld_model_has_second_head(&l->file->config);
        l->dist_anew += second;
        if (!second) {
            add_misfit(&l->bad, name, "is not in the file");
        }
        return;
    }
    if (place.per_class && l->kept == 0) {
        l->anew++;
        return;
    }
    if (place.per_class) {
        load_rows(l, name, to, from);
        return;
    }
    if (resize_table(l, name, &from, &to)) {
        l->loaded++;
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
    char called[WELD_TENSOR_NAME_SIZE + sizeof WELD_BACKBONE_PREFIX];
    snprintf(called, sizeof called, "%s%s", l->backbone ? WELD_BACKBONE_PREFIX : "", name);
    if (weld_weights_find(l->t->weights, called, NULL)) {
        return;
    }
    if (l->backbone && weld_model_is_head(other, name)) {
        l->unused++;
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

/* A backbone sees images as it did where it comes from. */
static void say_normalization(const loading *l, const char *path) {
    const weld_preprocessing *p = &l->file->preprocessing;
    bool is_none = true;
    for (int c = 0; c < 3; c++) {
        is_none = is_none && p->mean[c] == 0 && p->std[c] == 1;
    }
    const bool set = weld_set_normalization(l->t->weights, p->mean, p->std);
    if (set || !is_none) {
        weld_train_say(l->t->data.settings,
                       set ? "%s: the network normalises images as that backbone was given them "
                             "(mean %g %g %g, std %g %g %g)"
                           : "%s: was given images of mean %g %g %g, std %g %g %g, and the network "
                             "does not normalise them: set model.normalize to usual",
                       path, (double)p->mean[0], (double)p->mean[1], (double)p->mean[2],
                       (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    }
}

/* "FILE: 702 tensors loaded, 2 made anew (head: 1000 -> 10 classes), 7 unused (...)" */
static void say_counts(const loading *l, const char *path) {
    int own = l->t->data.recipe.model.num_classes, other = l->file->config.num_classes;
    char head[96];
    if (l->backbone) {
        say_normalization(l, path);
        weld_train_say(
            l->t->data.settings,
            "%s: %zu tensors of the backbone loaded, %zu made anew (all that comes after "
            "it), %zu unused (the file's head)",
            path, l->loaded, l->anew, l->unused);
        return;
    }
    if (l->file->origin.headless) {
        snprintf(head, sizeof head, "head: none in the file, %d classes", own);
    } else if (l->kept == 0) {
        snprintf(head, sizeof head, "head: %d -> %d classes%s", other, own,
                 own == other ? " of other names" : "");
    } else if (l->kept < own) {
        snprintf(head, sizeof head, "head: %d of %d classes kept, by name; the others are new",
                 l->kept, own);
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
    if (l->tables_from) {
        weld_train_say(l->t->data.settings,
                       "%s: tables of positions resized from images of %d to %d (bicubic)", path,
                       l->tables_from, l->t->data.recipe.data.preprocessing.height);
    }
    say_untold(l, path);
}

static weld_status load(loading *l, weld_error *err) {
    const char *path = l->t->data.settings->init;
    l->backbone = has_backbone(l);
    WELD_TRY(find_rows(l, err));
    for (size_t i = 0; i < weld_weights_count(l->t->weights); i++) {
        load_tensor(l, weld_weights_name(l->t->weights, i), weld_weights_tensor(l->t->weights, i));
    }
    for (size_t i = 0; i < weld_weights_count(l->file->weights); i++) {
        check_used(l, weld_weights_name(l->file->weights, i));
    }
    if (l->bad.count) {
        return fail_misfits(l, path, err);
    }
    l->t->init = weld_strdup(path);
    if (!l->t->init) {
        return weld_fail_memory(err, path);
    }
    say_counts(l, path);
    return WELD_OK;
}

weld_status weld_trainer_load_init(weld_trainer *t, weld_error *err) {
    loading l = {.t = t, .file = &t->data.start_file};
    weld_status status = load(&l, err);
    weld_free(l.rows);
    return status;
}
