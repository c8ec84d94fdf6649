/* The keys of recipes, with those of the network and of what it learns from; see recipe_keys.h. */
#include "recipe/recipe_keys.h"

#include "recipe/key_rows.h"
#include "tasks/task.h"

const char *const weld_recipe_sections[] = {"model",    "data",  "augment",  "loss", "optimizer",
                                            "schedule", "train", "quantize", NULL};

static const weld_key model_keys[] = {
    {"name", TEXT(model.name), .manual_standard = "must be given",
     .help = "a variant that `weld models` lists, or the name of a family for sizes of your own"},
    {"num_classes", INTEGER(model.num_classes, 0, WELD_MAX_CLASSES), .null = "0",
     .help = "outputs of the head; 0: as many as there are class folders"},
    {"drop_path", REAL(chance.drop_path, 0, 0.9), .null = "0",
     .help = "stochastic depth: probability with which an image passes by the last residual branch "
             "in training; the first ones are passed by more rarely, in proportion to their depth"},
    {"dropout", REAL(chance.dropout, 0, 0.9), .null = "0",
     .help = "probability with which a feature of an image does not reach the head's last layer in "
             "training"},
};

static const weld_recipe_rows model_part = ROWS("model", model_keys);

static const weld_key loss_keys[] = {
    {"distillation.kind", CHOICE(loss.distillation.kind, "none", "hard", "soft"), .null = "none",
     .help = "learn from another network beside the labels (\"Distillation\" above): `hard`, its "
             "class; `soft`, its probabilities"},
    {"distillation.teacher", TEXT(loss.distillation.teacher), .null = "",
     .help =
         "the network to learn from: a checkpoint, a merged file, a `.pth` or a safetensors file"},
    {"distillation.alpha", REAL(loss.distillation.alpha, 0, 1), .standard = "0.5",
     .help = "share of the teacher in the loss"},
    {"distillation.temperature", REAL(loss.distillation.temperature, 0.01, 1000), .standard = "1",
     .help = "by which logits are divided before `soft` compares them"},
    {"distillation.cache", TEXT(loss.distillation.cache), .null = "",
     .help = "a file with what the teacher says of the images, which is then not run (`weld "
             "distill-cache`)"},
};

static const weld_recipe_rows loss_part = ROWS("loss", loss_keys);

static const weld_recipe_rows *const parts[] = {
    &model_part,
    &weld_recipe_data_keys,
    &weld_recipe_augment_keys,
    &loss_part,
    &weld_recipe_optimizer_keys,
    &weld_recipe_schedule_keys,
    &weld_recipe_train_keys,
    &weld_recipe_quantize_keys,
};

static void add(weld_recipe_keys *out, const char *section, const weld_key *rows, size_t count,
                size_t base) {
    for (size_t i = 0; i < count && out->count < WELD_RECIPE_KEYS_MAX; i++) {
        out->at[out->count++] = (weld_recipe_key){section, &rows[i], base};
    }
}

static void add_families(weld_recipe_keys *out, const weld_model_family *only) {
    for (size_t f = 0; f < weld_family_count; f++) {
        const weld_model_family *family = weld_families[f];
        if (!only || family == only) {
            add(out, "model", family->keys, family->key_count, WELD_RECIPE_PLACE(model.values));
        }
    }
}

static void add_tasks(weld_recipe_keys *out, const weld_task *only) {
    for (size_t t = 0; t < weld_task_count; t++) {
        const weld_task *task = weld_tasks[t];
        if (!only || task == only) {
            add(out, "loss", task->keys, task->key_count, WELD_RECIPE_PLACE(loss.values));
        }
    }
}

/* The family's keys come behind those that all networks have, the task's before what all may do. */
void weld_recipe_keys_of(const char *model, weld_recipe_keys *out) {
    weld_model_config config;
    const bool known = model && !weld_model_config_named(model, &config, NULL);
    out->count = 0;
    out->task = known ? weld_task_of(&config) : NULL;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        if (parts[p] == &loss_part) {
            add_tasks(out, out->task);
        }
        add(out, parts[p]->section, parts[p]->rows, parts[p]->count, 0);
        if (parts[p] == &model_part) {
            add_families(out, known ? weld_family_of(&config) : NULL);
        }
    }
}

void weld_recipe_set_standard(weld_recipe *r) {
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        weld_keys_set_standard(parts[p]->rows, parts[p]->count, r);
    }
}

size_t weld_recipe_key_index(const weld_recipe_keys *keys, size_t place) {
    size_t i = 0;
    while (i + 1 < keys->count && keys->at[i].base + keys->at[i].row->offset != place) {
        i++;
    }
    return i;
}
