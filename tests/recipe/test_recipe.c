/* Recipes as users write them: what is read, what is refused and with which words, what is written.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "repvit_config.h"
#include "suite.h"
#include "recipe/duration.h"
#include "recipe/recipe.h"
#include "recipe/recipe_keys.h"
#include "optimize/schedule.h"

#define MODEL "model: {name: repvit_m0_9}\n"
#define BASE MODEL "data: {train: photos}\n"

static weld_error err;
static char list[64];
static weld_recipe recipe; /* large, hence not on the stack */

static weld_status parse(const char *text, const char *const *set, size_t set_count) {
    memset(&recipe, 0, sizeof recipe);
    memset(&err, 0, sizeof err);
    return weld_recipe_parse("r.yaml", text, strlen(text), set, set_count, &recipe, &err);
}

static void accept(const char *text) {
    ck_assert_msg(parse(text, NULL, 0) == WELD_OK, "%s", err.message);
}

static void refuse(const char *text, const char *message) {
    ck_assert_msg(parse(text, NULL, 0) == WELD_ERROR_ARGUMENT, "accepted:\n%s", text);
    ck_assert_str_eq(err.message, message);
}

static void refuse_option(const char *option, const char *message) {
    ck_assert_msg(parse(BASE, &option, 1) == WELD_ERROR_ARGUMENT, "accepted: %s", option);
    ck_assert_str_eq(err.message, message);
}

START_TEST(a_recipe_with_the_least_has_the_published_defaults) {
    accept(BASE);
    ck_assert_int_eq(weld_model_stage_count(&recipe.model), 4);
    ck_assert_str_eq(weld_model_config_text(&recipe.model, "depths", list, sizeof list),
                     "2, 2, 14, 2");
    ck_assert_int_eq(recipe.model.num_classes, 0);
    ck_assert_int_eq(value_of(&recipe.model, "stem_stride"), 4);
    ck_assert_str_eq(recipe.data.train, "photos");
    ck_assert_str_eq(recipe.data.val, "");
    ck_assert_int_eq(recipe.train.epochs, 300);
    ck_assert_double_eq(recipe.optimizer.weight_decay, 0.025);
    ck_assert_double_eq(recipe.schedule.min_lr, 1e-5);
}
END_TEST

START_TEST(values_of_all_types_are_read) {
    accept("# a comment\n"
           "model:\n"
           "  name: repvit\n"
           "  channels: [16, 32]\n"
           "  depths:\n"
           "    - 1\n"
           "    - 2\n"
           "  legacy: yes\n"
           "data:\n"
           "  train: \"a b: c.h5\"\n"
           "  val: ~\n"
           "  mean: [0.5, 0.25, 1]\n"
           "  interpolation: bilinear\n"
           "augment: {kind: none, mixup: null, cutmix: 0.5, mix_mode: elem, repeats: ~,\n"
           "  auto_augment: null, color_jitter: 0.3, three_augment: true, random_erasing: 0.5,\n"
           "  erasing_mode: const}\n"
           "optimizer: {lr: 2e-3, betas: [0.8, 0.9]}\n"
           "train: {seed: 9000000000, shuffle: false, precision: fp32}\n");
    ck_assert_int_eq(weld_model_stage_count(&recipe.model), 2);
    ck_assert_str_eq(weld_model_config_text(&recipe.model, "channels", list, sizeof list),
                     "16, 32");
    ck_assert_str_eq(weld_model_config_text(&recipe.model, "depths", list, sizeof list), "1, 2");
    ck_assert(value_of(&recipe.model, "legacy"));
    ck_assert_str_eq(recipe.data.train, "a b: c.h5");
    ck_assert_float_eq(recipe.data.preprocessing.mean[1], 0.25f);
    ck_assert_int_eq(recipe.data.preprocessing.interpolation, WELD_BILINEAR);
    ck_assert_int_eq(recipe.augment.kind, WELD_AUGMENT_NONE);
    ck_assert_double_eq(recipe.augment.mixup, 0);
    ck_assert_double_eq(recipe.augment.cutmix, 0.5);
    ck_assert_int_eq(recipe.augment.mix_mode, WELD_MIX_ELEM);
    ck_assert_int_eq(recipe.augment.repeats, 1);
    ck_assert_str_eq(recipe.augment.auto_augment, "none");
    ck_assert_double_eq(recipe.augment.color_jitter, 0.3);
    ck_assert(recipe.augment.three_augment);
    ck_assert_double_eq(recipe.augment.random_erasing, 0.5);
    ck_assert_int_eq(recipe.augment.erasing_mode, WELD_ERASE_CONST);
    ck_assert_double_eq(recipe.optimizer.lr, 2e-3);
    ck_assert_double_eq(recipe.optimizer.betas[0], 0.8);
    ck_assert(recipe.train.seed == 9000000000);
    ck_assert(!recipe.train.shuffle);
}
END_TEST

START_TEST(keys_are_known_by_what_other_programs_call_them) {
    static const char *const cases[][2] = {
        {"data.imgsz", "data.input_size"},        {"train.imgsz", "data.input_size"},
        {"train.batch", "train.batch_size"},      {"optimizer.lr0", "optimizer.lr"},
        {"schedule.lrf", "schedule.min_lr"},      {"augment.fliplr", "augment.hflip"},
        {"augment.flipud", "augment.vflip"},      {"augment.hsv_h", "augment.hsv"},
        {"data.single_cls", "data.single_class"}, {"loss.cls", "loss.class"},
        {"train.amp", "train.precision"},         {"loss.nbs", "loss.scale"},
        {"model.depth_multiple", "model.depth"},  {"augment.reprob", "augment.random_erasing"}};
    char text[200], words[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *dot = strchr(cases[i][0], '.');
        snprintf(text, sizeof text, "model: {name: yolo11n}\n%.*s: {%s: 1}\n",
                 (int)(dot - cases[i][0]), cases[i][0], dot + 1);
        if (strncmp(cases[i][0], "model", 5) == 0) {
            snprintf(text, sizeof text, "model:\n  {name: yolo11n, %s: 1}\n", dot + 1);
        }
        snprintf(words, sizeof words, "r.yaml:2: %s: unknown key: did you mean %s?", cases[i][0],
                 cases[i][1]);
        refuse(text, words);
    }
    refuse(BASE "imgsz: 640\n", "r.yaml:3: imgsz: unknown section: did you mean data.input_size?");
    /* Of another task's keys nothing is said. */
    refuse(BASE "train: {cls: 1}\n",
           "r.yaml:3: train.cls: unknown key: recipes/README.md lists them all");
}
END_TEST

START_TEST(unknown_keys_are_named_with_their_line_and_what_was_meant) {
    refuse(BASE "train:\n  epoch: 3\n", "r.yaml:4: train.epoch: unknown key: did you mean epochs?");
    refuse(BASE "train:\n  batch_size: 3\n  mixup: 0.8\n",
           "r.yaml:5: train.mixup: unknown key: it stands under augment:");
    refuse(BASE "train: {colour: 3}\n",
           "r.yaml:3: train.colour: unknown key: recipes/README.md lists them all");
    refuse(BASE "trian: {epochs: 3}\n",
           "r.yaml:3: trian: unknown section: there are model, data, augment, loss, optimizer, "
           "schedule and train");
    refuse(BASE "epochs: 3\n",
           "r.yaml:3: epochs: unknown section: the key epochs stands under train:");
}
END_TEST

START_TEST(wrong_types_are_named_with_their_line) {
    refuse(BASE "train:\n  epochs: many\n", "r.yaml:4: train.epochs: 'many' is not a whole number");
    refuse(BASE "train:\n  epochs: 2.5\n", "r.yaml:4: train.epochs: '2.5' is not a whole number");
    refuse(BASE "train:\n  epochs: 2 3\n", "r.yaml:4: train.epochs: '2 3' is not a whole number");
    refuse(BASE "train:\n  epochs: [2]\n",
           "r.yaml:4: train.epochs: takes one value, no list or map");
    refuse(BASE "train:\n  epochs:\n", "r.yaml:4: train.epochs: has no value: give one or remove "
                                       "the key");
    refuse(BASE "train:\n  shuffle: maybe\n",
           "r.yaml:4: train.shuffle: 'maybe' is not true or false");
    refuse(BASE "optimizer:\n\n  lr: nan\n", "r.yaml:5: optimizer.lr: 'nan' is not a number");
    refuse(BASE "optimizer:\n  betas: 0.9\n",
           "r.yaml:4: optimizer.betas: takes a list of 2 values, as [1, 2]");
    refuse(BASE "optimizer:\n  betas: [0.9]\n",
           "r.yaml:4: optimizer.betas: takes a list of 2 values, as [1, 2]");
    refuse(BASE "augment:\n  kind: strong\n",
           "r.yaml:4: augment.kind: 'strong' is not known: this version has imagenet, small, "
           "detection, none");
    refuse(BASE "train: 3\n", "r.yaml:3: train: must hold keys, as in 'train: {epochs: ...}'");
    refuse("- 3\n", "r.yaml:1: a recipe is a map of sections, as in 'model: {name: ...}'");
}
END_TEST

START_TEST(values_out_of_range_are_named_with_their_line) {
    refuse(BASE "train:\n  epochs: 0\n",
           "r.yaml:4: train.epochs: 0 is out of range: give 1 to 1000000");
    refuse(BASE "train:\n  epochs: 99999999999999999999\n",
           "r.yaml:4: train.epochs: 99999999999999999999 is out of range: give 1 to 1000000");
    refuse(BASE "optimizer:\n  lr: -1e-3\n",
           "r.yaml:4: optimizer.lr: -1e-3 is out of range: give 0 to 100");
    refuse(BASE "augment:\n  crop_scale: [1, 0.5]\n",
           "r.yaml:4: augment.crop_scale: the lower end must come first");
    refuse(BASE "augment:\n  hflip: 0\n  auto_augment: rand-m9-mstd0.5-q1\n",
           "r.yaml:5: augment.auto_augment: 'q1' is no section of RandAugment: give m, n, p, mstd, "
           "mmax, inc or w with a number, as in rand-m9-mstd0.5-inc1");
    refuse(BASE "augment:\n  auto_augment: augmix-m5\n",
           "r.yaml:4: augment.auto_augment: 'augmix-m5': this version has RandAugment only: give "
           "rand with its sections, as in rand-m9-mstd0.5-inc1, or none");
    refuse(BASE "augment:\n  random_erasing: 1.5\n",
           "r.yaml:4: augment.random_erasing: 1.5 is out of range: give 0 to 1");
    refuse(BASE "augment:\n  mix_mode: half\n",
           "r.yaml:4: augment.mix_mode: 'half' is not known: this version has batch, pair, elem");
    refuse(BASE "augment:\n  repeats: 0\n",
           "r.yaml:4: augment.repeats: 0 is out of range: give 1 to 100");
    refuse(BASE "augment:\n  kind: small\n",
           "r.yaml:4: augment.kind: small is for data.input_size of 32 and less: use imagenet");
}
END_TEST

START_TEST(sizes_are_a_list_that_rises_or_none) {
    accept(MODEL "data: {train: x, sizes: [160, 192, 256]}\n");
    ck_assert_int_eq(recipe.data.size_count, 3);
    ck_assert_int_eq(recipe.data.sizes[0], 160);
    ck_assert_int_eq(recipe.data.sizes[2], 256);
    static weld_recipe again;
    char *text;
    ck_assert_int_eq(weld_recipe_text(&recipe, &text, &err), WELD_OK);
    ck_assert_int_eq(weld_recipe_parse("again", text, strlen(text), NULL, 0, &again, &err),
                     WELD_OK);
    ck_assert_mem_eq(&again.data, &recipe.data, sizeof recipe.data);
    weld_free(text);
    const char *const none[] = {"data.sizes=null", "data.sizes=[]", "data.sizes="};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(!parse(MODEL "data: {train: x, sizes: [160, 192]}\n", &none[i], 1), "%s",
                      err.message);
        ck_assert_int_eq(recipe.data.size_count, 0);
        ck_assert_int_eq(weld_recipe_text(&recipe, &text, &err), WELD_OK);
        ck_assert_int_eq(weld_recipe_parse("again", text, strlen(text), NULL, 0, &again, &err),
                         WELD_OK);
        ck_assert_int_eq(again.data.size_count, 0);
        weld_free(text);
    }
    refuse("model: {name: cmt_ti}\ndata:\n  train: x\n  sizes: [160, 192]\n",
           "r.yaml:4: data.sizes: the network has tables of positions, for images of one "
           "size: set this to null");
    refuse(MODEL "data:\n  train: x\n  sizes: [192, 160]\n",
           "r.yaml:4: data.sizes: must rise, each size once");
    refuse(MODEL "data:\n  train: x\n  sizes: [160, 160]\n",
           "r.yaml:4: data.sizes: must rise, each size once");
    refuse(MODEL "data:\n  train: x\n  sizes: [0, 160]\n",
           "r.yaml:4: data.sizes: 0 is out of range: give 1 to 4096");
    refuse(MODEL "data:\n  train: x\n  sizes: 160\n",
           "r.yaml:4: data.sizes: takes a list of 0 to 16 values, as [1, 2]");
    refuse(
        MODEL "data:\n  train: x\n  sizes: [2, 160]\n",
        "r.yaml:4: data.sizes: size 2: its batches would be of 3211264 images: at most 1048576 can "
        "be");
    refuse(MODEL "data:\n  train: x\n  input_size: 32\n  sizes: [32, 40]\naugment: {kind: small}\n",
           "r.yaml:5: data.sizes: augment.kind small is for sizes of 32 and less: use imagenet");
    refuse(MODEL "data:\n  train: x\n  sizes: [160]\n"
                 "loss: {distillation: {kind: hard, cache: c}}\n",
           "r.yaml:4: data.sizes: loss.distillation.cache knows images of one size: set this to "
           "null, or name a teacher in place of the cache");
}
END_TEST

START_TEST(broken_yaml_is_named_with_its_line) {
    refuse(BASE "train: {epochs: 3\n",
           "r.yaml:4: not valid YAML: did not find expected ',' or '}' while parsing a flow "
           "mapping");
    refuse(BASE "train:\n\tepochs: 3\n",
           "r.yaml:4: not valid YAML: found character that cannot start any token while scanning "
           "for the next token");
    refuse(BASE "train: {epochs: 3, epochs: 4}\n",
           "r.yaml:3: train.epochs: given twice, first on line 3: remove one");
    refuse(BASE "---\ntrain: {epochs: 3}\n", "r.yaml:4: a second document begins: a recipe is one");
}
END_TEST

/* Which libyaml alone would take minutes over. */
START_TEST(a_recipe_of_brackets_is_refused_at_once) {
    static char text[1 << 19];
    memset(text, '[', sizeof text - 1);
    memcpy(text, "a:\n  ", 5);
    refuse(text, "r.yaml:2: not valid YAML: more than 100 open brackets: that is no recipe");
    for (size_t i = 0; i < 120; i++) {
        memcpy(text + 3 * i, "#[\n", 3); /* in comments too: no recipe has as many */
    }
    refuse(text, "r.yaml:101: not valid YAML: more than 100 open brackets: that is no recipe");
}
END_TEST

START_TEST(distillation_is_a_group_of_keys_below_its_section) {
    accept(BASE "loss:\n  distillation:\n    kind: soft\n    teacher: t.h5\n    temperature: 2\n");
    ck_assert_int_eq(recipe.loss.distillation.kind, 2);
    ck_assert_str_eq(recipe.loss.distillation.teacher, "t.h5");
    ck_assert_double_eq(recipe.loss.distillation.temperature, 2);
    ck_assert_double_eq(recipe.loss.distillation.alpha, 0.5);
    ck_assert(weld_model_has_second_head(&recipe.model));
    const char *set[] = {"loss.distillation.kind=hard", "loss.distillation.cache=a b.safetensors",
                         "loss.distillation.alpha=1"};
    ck_assert_msg(!parse(BASE "loss: {distillation: {kind: soft, alpha: 0.2}}\n", set, 3), "%s",
                  err.message);
    ck_assert_int_eq(recipe.loss.distillation.kind, 1);
    ck_assert_str_eq(recipe.loss.distillation.cache, "a b.safetensors");
    ck_assert_double_eq(recipe.loss.distillation.alpha, 1);
    static const char *const off[] = {"{}",   "{kind: none, teacher: t.h5}", "none",
                                      "null", "{kind: null, cache: null}",   ""};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        char text[128];
        snprintf(text, sizeof text, BASE "loss:\n  distillation: %s\n", off[i]);
        accept(text);
        ck_assert_int_eq(recipe.loss.distillation.kind, 0);
        ck_assert(!weld_model_has_second_head(&recipe.model));
    }
}
END_TEST

START_TEST(a_student_has_a_second_head_if_it_may_and_nothing_else_is_said) {
    static const struct {
        const char *model;
        bool second;
    } students[] = {{"{name: repvit_m0_9}", true},
                    {"{name: repvit_m0_9, distillation_head: true}", true},
                    {"{name: repvit_m0_9, distillation_head: false}", false},
                    {"{name: regnety_002}", false}};
    for (size_t i = 0; i < sizeof students / sizeof *students; i++) {
        char text[160];
        snprintf(text, sizeof text,
                 "data: {train: x}\nmodel: %s\nloss: {distillation: {kind: hard, teacher: t.h5}}\n",
                 students[i].model);
        accept(text);
        ck_assert_int_eq(weld_model_has_second_head(&recipe.model), students[i].second);
    }
}
END_TEST

START_TEST(errors_in_a_group_of_keys_name_it_and_the_line) {
    refuse(BASE "loss:\n  distillation:\n    kind: medium\n",
           "r.yaml:5: loss.distillation.kind: 'medium' is not known: this version has none, hard, "
           "soft");
    refuse(BASE "loss:\n  distillation: hard\n",
           "r.yaml:4: loss.distillation: must hold keys, as in 'distillation: {kind: ...}'");
    refuse(BASE "loss:\n  distillation:\n    knid: hard\n",
           "r.yaml:5: loss.distillation.knid: unknown key: did you mean distillation.kind?");
    refuse(BASE "loss:\n  distillation:\n    alpha: 2\n",
           "r.yaml:5: loss.distillation.alpha: 2 is out of range: give 0 to 1");
    refuse(BASE "loss:\n  distillation:\n    alpha: [2]\n",
           "r.yaml:5: loss.distillation.alpha: takes one value, no list or map");
    refuse(BASE "loss:\n  distillation:\n    alpha: 1\n    alpha: 1\n",
           "r.yaml:6: loss.distillation.alpha: given twice, first on line 5: remove one");
    refuse(BASE "loss:\n  distillation:\n    alpha:\n",
           "r.yaml:5: loss.distillation.alpha: has no value: give one or remove the key");
    refuse(BASE "loss:\n  distillation:\n    kind: hard\n",
           "r.yaml: loss.distillation.teacher: missing: give the file of a network to learn from "
           "(or loss.distillation.cache)");
    refuse(BASE "loss:\n  distillation:\n    teacher: t.h5\n",
           "r.yaml:5: loss.distillation.teacher: teaches nothing without loss.distillation.kind: "
           "set that to soft or hard (or to none)");
    refuse_option("loss.distillation.cache=c.safetensors",
                  "--set loss.distillation.cache=c.safetensors: loss.distillation.cache: teaches "
                  "nothing without loss.distillation.kind: set that to soft or hard (or to none)");
    refuse(BASE "loss:\n  distillation: {kind: hard, teacher: t.h5}\n"
                "optimizer: {temperature: 1}\n",
           "r.yaml:5: optimizer.temperature: unknown key: recipes/README.md lists them all");
    refuse_option("loss.distillation.alpha=x",
                  "--set loss.distillation.alpha=x: loss.distillation.alpha: 'x' is not a number");
    refuse_option("loss.distillation=hard", "--set loss.distillation=hard: loss.distillation: must "
                                            "hold keys, as in 'distillation: {kind: ...}'");
    refuse_option("train.epochs.x=3", "--set train.epochs.x=3: train.epochs: takes one value, no "
                                      "list or map");
}
END_TEST

START_TEST(freezing_is_given_by_name_or_by_number_of_stages) {
    static const struct {
        const char *text;
        int parts;
    } cases[] = {{"none", 0}, {"0", 0}, {"null", 0},   {"stem", 1},    {"stage2", 3},
                 {"2", 3},    {"4", 5}, {"stage4", 5}, {"backbone", 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128], *written;
        snprintf(text, sizeof text, BASE "train: {freeze: %s}\n", cases[i].text);
        accept(text);
        ck_assert_int_eq(weld_recipe_frozen_parts(&recipe), cases[i].parts);
        ck_assert_int_eq(weld_recipe_text(&recipe, &written, &err), WELD_OK);
        accept(written);
        ck_assert_int_eq(weld_recipe_frozen_parts(&recipe), cases[i].parts);
        weld_free(written);
    }
    refuse(BASE "train:\n  freeze: stage5\n",
           "r.yaml:4: train.freeze: the network has 4 stages: give at most stage4");
    refuse(BASE "train:\n  freeze: all\n",
           "r.yaml:4: train.freeze: 'all' is not known: this version has none, stem, stage1, "
           "stage2, stage3, stage4, stage5, stage6, stage7, stage8, backbone");
    refuse(BASE "optimizer:\n  layer_decay: 0\n",
           "r.yaml:4: optimizer.layer_decay: 0 is out of range: give 0.001 to 1");
    accept(BASE "optimizer: {layer_decay: null, head_lr_scale: ~}\n");
    ck_assert_double_eq(recipe.optimizer.layer_decay, 1);
    ck_assert_double_eq(recipe.optimizer.head_lr_scale, 1);
    accept(BASE "train: {bn_eval: true}\nloss: {label_smoothing: 0}\n"); /* with either head */
    accept("model: {name: repvit_m0_9, distillation_head: true}\ndata: {train: x}\n"
           "train: {bn_eval: true}\n");
    ck_assert(recipe.train.fuse);
    accept(BASE "train: {fuse: false}\n");
    ck_assert(!recipe.train.fuse);
}
END_TEST

START_TEST(schedules_and_optimizers_are_told_what_does_not_go_together) {
    refuse(BASE "schedule:\n  name: plateau\n",
           "r.yaml:4: schedule.name: plateau waits for scores on data.val, and there is none: give "
           "it (or data.split), or take cosine or step");
    refuse(
        "model: {name: repvit_m0_9}\ndata: {train: a, val: b}\nschedule: {name: plateau}\n"
        "train:\n  eval_every: null\n",
        "r.yaml:5: train.eval_every: schedule.name plateau waits for evaluations during the run: "
        "set this to 1");
    refuse(BASE "schedule:\n  name: step\n  cooldown_epochs: 10\n",
           "r.yaml:5: schedule.cooldown_epochs: belongs to the cosine: set it to 0, or "
           "schedule.name to cosine");
    refuse(BASE "schedule:\n  name: poly\n",
           "r.yaml:4: schedule.name: 'poly' is not known: this version has cosine, step, plateau, "
           "constant");
    refuse(BASE "schedule:\n  decay_rate: 1.5\n",
           "r.yaml:4: schedule.decay_rate: 1.5 is out of range: give 1e-06 to 1");
    refuse(BASE "schedule: {decay_epochs: 0}\n",
           "r.yaml:3: schedule.decay_epochs: 0 is out of range: give 1e-06 to 1000000");
    refuse(BASE "optimizer:\n  name: rmsproptf\n  nesterov: true\n",
           "r.yaml:5: optimizer.nesterov: is for sgd: set it to false, or optimizer.name to sgd");
    refuse(BASE "train:\n  ema_decay: null\n  ema_warmup: true\n",
           "r.yaml:5: train.ema_warmup: there is no average: give train.ema_decay, or set this to "
           "false");
    refuse(
        BASE "train:\n  best: ema\n  ema_decay: 0\n",
        "r.yaml:4: train.best: there is no average: give train.ema_decay, or set this to weights");
    accept("model: {name: repvit_m0_9}\ndata: {train: a, val: b}\n"
           "optimizer: {name: rmsproptf, alpha: 0.99, decay_on: all}\n"
           "schedule: {name: plateau, decay_rate: 0.5, patience_epochs: 0, per: epoch_start}\n"
           "train: {eval_every: 2, ema_warmup: true}\n");
    accept(BASE "schedule: {cooldown_epochs: 10}\n");
    ck_assert_int_eq(weld_recipe_epochs(&recipe), 310);
}
END_TEST

START_TEST(a_run_that_is_fitted_takes_its_schedule_along) {
    accept(BASE "train: {epochs: 90}\naugment: {mixup_off_epoch: 80}\n"
                "schedule: {warmup_epochs: 5, decay_epochs: 30, cooldown_epochs: 10}\n");
    weld_recipe_fit(&recipe, 20);
    ck_assert_int_eq(weld_recipe_epochs(&recipe), 20);
    ck_assert_int_eq(recipe.schedule.cooldown_epochs, 2);
    ck_assert_int_eq(recipe.augment.mixup_off_epoch, 16);
    ck_assert_double_eq_tol(recipe.schedule.warmup_epochs, 1, 1e-12);
    ck_assert_double_eq_tol(recipe.schedule.decay_epochs, 6, 1e-12);
    weld_recipe other = recipe;
    weld_recipe_fit(&other, 45);
    weld_recipe_fit_as(&other, &recipe); /* as a resumed run takes what its first one measured */
    ck_assert_mem_eq(&other, &recipe, sizeof recipe);
    weld_recipe_fit(&recipe, 1);
    ck_assert_int_eq(recipe.train.epochs, 1);
    ck_assert_int_eq(recipe.schedule.cooldown_epochs, 0);
    accept(BASE "train: {epochs: 1}\nschedule: {cooldown_epochs: 10}\n");
    weld_recipe_fit(&recipe, 3); /* nearly all of it cool-down */
    ck_assert_int_eq(recipe.train.epochs, 1);
    ck_assert_int_eq(recipe.schedule.cooldown_epochs, 2);
}
END_TEST

START_TEST(durations_have_units) {
    static const struct {
        const char *text;
        double seconds;
    } good[] = {{"2h", 7200}, {"90m", 5400}, {"1h30m", 5400}, {"1.5d", 129600}, {"45s", 45}};
    static const char *const bad[] = {"2", "h", "2x", "2h3", "-2h", "0s", "1e3s", "2 h", "inf"};
    double seconds;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert(weld_duration_read(good[i].text, &seconds));
        ck_assert_double_eq_tol(seconds, good[i].seconds, 1e-6);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!weld_duration_read(bad[i], &seconds), "%s", bad[i]);
    }
}
END_TEST

START_TEST(what_must_be_given_is_asked_for) {
    refuse("", "r.yaml: model.name: missing: give a name that `weld models` lists, or weights "
               "to start from (--init)");
    refuse("model: {name: repvit_m0_9}\n", "r.yaml: data.train: missing: give a folder of class "
                                           "folders, a .tar, a packed .h5 or a .csv");
    refuse("data: {train: x}\nmodel:\n  name: repvit\n",
           "r.yaml: model.channels: missing: a family name takes channels and depths");
    refuse("data: {train: x}\nmodel: {name: repvit, depths: [1, 1]}\n",
           "r.yaml: model.channels: missing: a family name takes channels and depths");
    refuse("data: {train: x}\nmodel:\n  name: repvit\n  channels: [8, 8]\n  depths: [1]\n",
           "r.yaml:5: model.depths: channels and depths must be lists of the same length");
    refuse("data: {train: x}\nmodel:\n  name: repvit_m0_9\n  depths: [1, 1, 1, 1]\n",
           "r.yaml:4: model.depths: the named variant has others: remove the key, or give the name "
           "of the family (repvit)");
    ck_assert_int_eq(parse("model:\n  name: resnet50\n", NULL, 0), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_eq(strstr(err.message, "r.yaml:2: model.name: "), err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "the families are repvit, "));
}
END_TEST

START_TEST(options_override_the_file_and_the_last_one_wins) {
    const char *set[] = {"train.epochs=3",     "train.epochs=4",  "optimizer.betas=[.5, 0.75]",
                         "data.train=/a/b, c", "data.val=",       "model.name=repvit",
                         "model.channels=[8]", "model.depths=[1]"};
    ck_assert_msg(!parse(BASE "train: {epochs: 9}\n", set, sizeof set / sizeof *set), "%s",
                  err.message);
    ck_assert_int_eq(recipe.train.epochs, 4);
    ck_assert_double_eq(recipe.optimizer.betas[1], 0.75);
    ck_assert_str_eq(recipe.data.train, "/a/b, c");
    ck_assert_str_eq(recipe.data.val, "");
    ck_assert_int_eq(weld_model_stage_count(&recipe.model), 1);
}
END_TEST

START_TEST(errors_in_options_name_the_option) {
    refuse_option("train.epoch=3",
                  "--set train.epoch=3: train.epoch: unknown key: did you mean epochs?");
    refuse_option("train.epochs=x",
                  "--set train.epochs=x: train.epochs: 'x' is not a whole number");
    refuse_option("train.epochs=0",
                  "--set train.epochs=0: train.epochs: 0 is out of range: give 1 to 1000000");
    refuse_option("train.epochs",
                  "--set train.epochs: is not section.key=VALUE, as in train.epochs=3");
    refuse_option("epochs=3", "--set epochs=3: is not section.key=VALUE, as in train.epochs=3");
    refuse_option("optimizer.betas=[1",
                  "--set optimizer.betas=[1: not valid YAML: did not find expected ',' or ']' "
                  "while parsing a flow sequence");
    refuse_option("train.epochs={a: 1}",
                  "--set train.epochs={a: 1}: train.epochs: takes one value, no list or map");
    refuse_option("train.epochs=3\n  seed: 1", "--set train.epochs=3?  seed: 1: is not "
                                               "section.key=VALUE, as in train.epochs=3");
}
END_TEST

START_TEST(a_written_recipe_reads_back_identical) {
    static const char *const texts[] = {
        BASE,
        "model: {name: repvit, channels: [16, 24, 40], depths: [1, 1, 2], stem_stride: 1, "
        "num_classes: 10, legacy: true}\n"
        "data: {train: 'odd # name: [x]', val: \"quote ' \\\" back\\\\slash\", mean: [0.1, 0.2, "
        "0.3], crop_fraction: 0.3333333333333333}\n"
        "optimizer: {lr: 1e-17, eps: 3.0000000000000004e-8}\n"
        "schedule: {per: epoch, warmup_epochs: 0.1}\n"
        "loss: {distillation: {kind: soft, teacher: 'a: b.h5', alpha: 0.7}}\n"
        "augment: {mixup: null, cutmix_probability: 0.25, mix_mode: pair, repeats: 2, "
        "auto_augment: '', erasing_mode: rand}\n"
        "train: {seed: 8999999999999999}\n"};
    for (size_t i = 0; i < 2; i++) {
        char *text, *again;
        accept(texts[i]);
        weld_recipe first = recipe;
        ck_assert_int_eq(weld_recipe_text(&first, &text, &err), WELD_OK);
        accept(text);
        char key[64], a[512], b[512];
        ck_assert_ptr_null(
            weld_recipe_difference(&first, &recipe, key, sizeof key, a, b, sizeof a));
        ck_assert_str_eq(first.data.train, recipe.data.train);
        ck_assert_str_eq(first.data.val, recipe.data.val);
        ck_assert_int_eq(weld_recipe_text(&recipe, &again, &err), WELD_OK);
        ck_assert_str_eq(text, again);
        weld_recipe_keys keys;
        weld_recipe_keys_of(recipe.model.name, &keys);
        for (size_t k = 0; k < keys.count; k++) {
            const char *name = keys.at[k].row->name, *dot = strchr(name, '.');
            char value[512];
            weld_recipe_key_text(&recipe, &keys.at[k], value, sizeof value);
            ck_assert(!*value || strstr(text, dot ? dot + 1 : name));
        }
        weld_free(text);
        weld_free(again);
    }
}
END_TEST

START_TEST(the_first_difference_of_two_recipes_is_told) {
    char key[64], a[512], b[512];
    accept(BASE);
    weld_recipe first = recipe;
    accept(BASE "train: {checkpoint_every: 7}\n");
    ck_assert_ptr_null(weld_recipe_difference(&first, &recipe, key, sizeof key, a, b, sizeof a));
    accept(BASE "optimizer: {betas: [0.9, 0.95]}\ntrain: {epochs: 3}\n");
    ck_assert_str_eq(weld_recipe_difference(&first, &recipe, key, sizeof key, a, b, sizeof a),
                     "optimizer.betas");
    ck_assert_str_eq(a, "0.9, 0.999");
    ck_assert_str_eq(b, "0.9, 0.95");
}
END_TEST

START_TEST(a_missing_recipe_file_is_named) {
    ck_assert_int_eq(weld_recipe_read("/nonexistent/r.yaml", NULL, 0, NULL, &recipe, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_str_eq(err.message,
                     "/nonexistent/r.yaml: cannot be opened: No such file or directory");
}
END_TEST

START_TEST(the_manual_names_every_key) {
    static char manual[1 << 17];
    char path[1024], name[128];
    snprintf(path, sizeof path, "%s/recipes/README.md", getenv("WELD_SOURCE"));
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    manual[fread(manual, 1, sizeof manual - 1, file)] = 0;
    fclose(file);
    weld_recipe_keys keys;
    weld_recipe_keys_of(NULL, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        snprintf(name, sizeof name, "| `%s.%s` |", keys.at[i].section, keys.at[i].row->name);
        ck_assert_msg(strstr(manual, name) != NULL, "recipes/README.md lacks %s", name);
    }
}
END_TEST

START_TEST(the_recipes_that_come_with_weld_are_valid) {
    char pattern[1024];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/recipes/*.yaml", getenv("WELD_SOURCE"));
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    ck_assert_uint_ge(found.gl_pathc, 16);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];
        weld_status status = weld_recipe_read(path, NULL, 0, NULL, &recipe, &err);
        if (strstr(path, "/finetune") ||
            strstr(path, "/quantize")) { /* the file to start from names the network */
            ck_assert_ptr_nonnull(strstr(err.message, "model.name: missing"));
        } else {
            ck_assert_msg(!status, "%s", err.message);
        }
    }
    globfree(&found);
    char path[1024];
    const char *set[] = {"data.train=photos", "data.val=others"};
    weld_model_config config;
    weld_preprocessing preprocessing = {.height = 160, .width = 160, .crop_fraction = 0.95};
    weld_recipe_start start = {&config, &preprocessing};
    snprintf(path, sizeof path, "%s/recipes/finetune.yaml", getenv("WELD_SOURCE"));
    ck_assert_int_eq(weld_model_config_named("repvit_m1", &config, &err), WELD_OK);
    ck_assert_msg(!weld_recipe_read(path, set, 2, &start, &recipe, &err), "%s", err.message);
    ck_assert_str_eq(recipe.model.name, "repvit_m1");
    ck_assert(value_of(&recipe.model, "legacy"));
    ck_assert_int_eq(recipe.data.preprocessing.height, 160);
    ck_assert_double_eq(recipe.data.preprocessing.crop_fraction, 0.95);
    snprintf(path, sizeof path, "%s/recipes/finetune_detector.yaml", getenv("WELD_SOURCE"));
    ck_assert_int_eq(weld_model_config_named("yolo11n", &config, &err), WELD_OK);
    preprocessing = weld_model_usual_preprocessing(&config, NULL);
    ck_assert_msg(!weld_recipe_read(path, set, 2, &start, &recipe, &err), "%s", err.message);
    ck_assert_int_eq(recipe.data.preprocessing.height, 640);
    ck_assert_int_eq(recipe.augment.kind, WELD_AUGMENT_DETECTION);
    ck_assert_int_eq(recipe.train.ema_decay * 1000, 998);
}
END_TEST

START_TEST(a_network_that_is_trained_for_integers_is_its_own_teacher) {
    char path[1024];
    const char *set[] = {"data.train=photos", "data.val=others",
                         "loss.distillation.teacher=larger.h5"};
    weld_model_config config;
    weld_preprocessing preprocessing = {.height = 160, .width = 160, .crop_fraction = 0.95};
    weld_recipe_start start = {&config, &preprocessing, .path = "run/best.h5"};
    snprintf(path, sizeof path, "%s/recipes/quantize.yaml", getenv("WELD_SOURCE"));
    ck_assert_int_eq(weld_model_config_named("repvit_m0_9", &config, &err), WELD_OK);
    ck_assert_msg(!weld_recipe_read(path, set, 2, &start, &recipe, &err), "%s", err.message);
    ck_assert_str_eq(recipe.loss.distillation.teacher, "run/best.h5");
    ck_assert(!weld_model_has_second_head(&recipe.model)); /* the merged network has one */
    ck_assert_int_eq(recipe.quantize.weights, 8);
    ck_assert_int_eq(recipe.quantize.activations, 8);
    ck_assert_msg(!weld_recipe_read(path, set, 3, &start, &recipe, &err), "%s", err.message);
    ck_assert_str_eq(recipe.loss.distillation.teacher, "larger.h5");
    start.path = NULL;
    ck_assert_int_ne(weld_recipe_read(path, set, 2, &start, &recipe, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "loss.distillation.teacher: missing"));
}
END_TEST

/* The highest rates that the published logs show, but for repvit_m0_6, of which there is none. */
START_TEST(recipes_of_the_variants_reach_the_published_rates_and_batch) {
    static const struct {
        const char *name;
        double peak;
        int64_t epochs;
    } published[] = {
        {"repvit_m0_9", 0.003, 300}, {"repvit_m0_9_450", 0.004, 450},
        {"repvit_m1_0", 0.004, 300}, {"repvit_m1_0_450", 0.004, 450},
        {"repvit_m1_1", 0.004, 300}, {"repvit_m1_1_450", 0.004, 450},
        {"repvit_m1_5", 0.004, 300}, {"repvit_m1_5_450", 0.004, 450},
        {"repvit_m2_3", 0.002, 300}, {"repvit_m2_3_450", 0.002, 450},
        {"repvit_m0_6", 0.004, 300},
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/recipes/%s.yaml", getenv("WELD_SOURCE"), published[i].name);
        ck_assert_msg(!weld_recipe_read(path, NULL, 0, NULL, &recipe, &err), "%s", err.message);
        int64_t batch = recipe.train.batch_size * recipe.train.accumulate;
        ck_assert_int_eq(strncmp(recipe.model.name, published[i].name, 11), 0);
        ck_assert_int_eq(batch, 2048);
        ck_assert_double_eq_tol(
            weld_schedule_scale(recipe.optimizer.lr, batch, recipe.optimizer.lr_batch),
            published[i].peak, 1e-15);
        ck_assert_int_eq(recipe.train.epochs, published[i].epochs);
        ck_assert_int_eq(recipe.augment.repeats, 3);
    }
}
END_TEST

/* Peaks, images of an update, epochs with cool-down and sizes, as the authors' commands and
 * configurations have them. */
START_TEST(recipes_of_other_families_reach_the_published_rates_and_batch) {
    static const struct {
        const char *name;
        double peak, decay;
        int64_t batch, epochs;
        int size;
    } published[] = {
        {"regnety_160", 0.4, 5e-5, 512, 100, 224},
        {"mobilenetv3_large_100", 0.064, 1e-5, 1024, 600, 224},
        {"mobilevit_xxs", 2e-3, 0.01, 1024, 300, 256},
        {"mobilevit_xs", 2e-3, 0.01, 1024, 300, 256},
        {"mobilevit_s", 2e-3, 0.01, 1024, 300, 256},
        {"cmt_ti", 3.2e-3, 0.05, 2048, 810, 160},
        {"cmt_xs", 2.8e-3, 0.04, 2048, 410, 192},
        {"cmt_s", 1e-3, 0.05, 1024, 310, 224},
        {"cmt_b", 5e-4, 0.05, 512, 310, 256},
        {"repvgg_a0", 0.1, 1e-4, 256, 120, 224},
        {"mobileone_s0", 0.1, 4e-5, 256, 300, 224}, /* decay: between those of the paper */
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/recipes/%s.yaml", getenv("WELD_SOURCE"), published[i].name);
        ck_assert_msg(!weld_recipe_read(path, NULL, 0, NULL, &recipe, &err), "%s", err.message);
        int64_t batch = recipe.train.batch_size * recipe.train.accumulate;
        ck_assert_str_eq(recipe.model.name, published[i].name);
        ck_assert_int_eq(batch, published[i].batch);
        ck_assert_double_eq_tol(
            weld_schedule_scale(recipe.optimizer.lr, batch, recipe.optimizer.lr_batch),
            published[i].peak, 1e-15);
        ck_assert_double_eq(recipe.optimizer.weight_decay, published[i].decay);
        ck_assert_int_eq(weld_recipe_epochs(&recipe), published[i].epochs);
        ck_assert_int_eq(recipe.data.preprocessing.height, published[i].size);
    }
}
END_TEST

START_TEST(running_out_of_memory_is_an_error_like_any_other) {
    bool done = false;
    for (long n = 0; !done; n++) {
        const char *set[] = {"train.epochs=3"};
        weld_memory_fail_after(n);
        weld_status status = parse(BASE, set, 1);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        done = status == WELD_OK;
        ck_assert_int_lt(n, 100);
    }
}
END_TEST

RUN_SUITE("recipe/recipe", a_recipe_with_the_least_has_the_published_defaults,
          values_of_all_types_are_read, keys_are_known_by_what_other_programs_call_them,
          unknown_keys_are_named_with_their_line_and_what_was_meant,
          wrong_types_are_named_with_their_line, values_out_of_range_are_named_with_their_line,
          sizes_are_a_list_that_rises_or_none, broken_yaml_is_named_with_its_line,
          a_recipe_of_brackets_is_refused_at_once,
          distillation_is_a_group_of_keys_below_its_section,
          a_student_has_a_second_head_if_it_may_and_nothing_else_is_said,
          errors_in_a_group_of_keys_name_it_and_the_line,
          freezing_is_given_by_name_or_by_number_of_stages,
          schedules_and_optimizers_are_told_what_does_not_go_together,
          a_run_that_is_fitted_takes_its_schedule_along, durations_have_units,
          what_must_be_given_is_asked_for, options_override_the_file_and_the_last_one_wins,
          errors_in_options_name_the_option, a_written_recipe_reads_back_identical,
          the_first_difference_of_two_recipes_is_told, a_missing_recipe_file_is_named,
          the_manual_names_every_key, the_recipes_that_come_with_weld_are_valid,
          a_network_that_is_trained_for_integers_is_its_own_teacher,
          recipes_of_the_variants_reach_the_published_rates_and_batch,
          recipes_of_other_families_reach_the_published_rates_and_batch,
          running_out_of_memory_is_an_error_like_any_other)
