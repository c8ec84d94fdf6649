/* Names of keys elsewhere; see other_names.h. Only for those who are told that there is no such
 * key: values may be written otherwise there. Those that have the same name under whatever section
 * are found without this, as those that are nearly the same. */
#include "recipe/other_names.h"

#include <string.h>

typedef struct other_name {
    const char *name, *key;
} other_name;

static const other_name names[] = {
    /* Ultralytics */
    {"imgsz", "data.input_size"},
    {"multi_scale", "data.sizes"},
    {"single_cls", "data.single_class"},
    {"nc", "model.num_classes"},
    {"depth_multiple", "model.depth"},
    {"width_multiple", "model.width"},
    {"batch", "train.batch_size"},
    {"amp", "train.precision"},
    {"half", "train.precision"},
    {"save_period", "train.keep"},
    {"lr0", "optimizer.lr"},
    {"lrf", "schedule.min_lr"},
    {"cos_lr", "schedule.name"},
    {"warmup_bias_lr", "schedule.warmup_lr"},
    {"fliplr", "augment.hflip"},
    {"flipud", "augment.vflip"},
    {"hsv_h", "augment.hsv"},
    {"hsv_s", "augment.hsv"},
    {"hsv_v", "augment.hsv"},
    {"erasing", "augment.random_erasing"},
    {"cls", "loss.class"},
    {"nbs", "loss.scale"},
    /* timm, torchvision */
    {"img_size", "data.input_size"},
    {"crop_pct", "data.crop_fraction"},
    {"opt", "optimizer.name"},
    {"learning_rate", "optimizer.lr"},
    {"clip_grad", "optimizer.clip"},
    {"sched", "schedule.name"},
    {"aa", "augment.auto_augment"},
    {"reprob", "augment.random_erasing"},
    {"smoothing", "loss.label_smoothing"},
    {"grad_accum_steps", "train.accumulate"},
    {"model_ema_decay", "train.ema_decay"},
};

static bool is_key(const weld_recipe_key *key, const char *text) {
    const size_t length = strlen(key->section);
    return strncmp(text, key->section, length) == 0 && text[length] == '.' &&
           strcmp(text + length + 1, key->row->name) == 0;
}

const char *weld_recipe_key_of_other_name(const weld_recipe_keys *keys, const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; strcmp(names[i].name, name) == 0 && k < keys->count; k++) {
            if (is_key(&keys->at[k], names[i].key)) {
                return names[i].key;
            }
        }
    }
    return NULL;
}
