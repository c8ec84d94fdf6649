/* Runs that start from another file: what is taken from it, what is made anew, what is said, and
 * what stays as it is. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "formats/safetensors.h"
#include "models/models.h"
#include "train/tiny_run.h"

/* The recipe of a fine-tuning names no network. Nothing is mixed, so that classes are learned. */
static void set_up_tuning(const char *first_run) {
    char text[1024];
    set_up();
    snprintf(text, sizeof text,
             "data: {train: %s/train.h5, val: %s/val.h5}\n"
             "augment: {kind: small, auto_augment: null, color_jitter: null,\n"
             "          random_erasing: null, cutmix: null, repeats: 1}\n"
             "optimizer: {lr: 0.01, lr_batch: 8}\n"
             "schedule: {warmup_epochs: 1}\n"
             "train: {epochs: 2, batch_size: 8, seed: 3, checkpoint_every: 1}\n",
             base, base);
    write_text(in_base("tune.yaml"), text);
    run_well((run_options){.out = "first", .set = {"train.epochs=1", first_run}});
}

static void assert_said(const char *words) {
    ck_assert_msg(strstr(seen.messages, words) != NULL, "said: %s", seen.messages);
}

static bool same_bits(const weld_weights *a, const weld_weights *b, const char *name) {
    weld_tensor x, y;
    ck_assert(weld_weights_find(a, name, &x));
    ck_assert(weld_weights_find(b, name, &y));
    return weld_shape_equal(&x.shape, &y.shape) &&
           memcmp(x.data, y.data, weld_tensor_bytes(&x)) == 0;
}

static bool is_statistic(const char *name) {
    return strstr(name, ".running_") || strstr(name, ".num_batches_tracked");
}

/* No update changes anything: what a run starts with is in its last.h5 afterwards. */
#define STILL "optimizer.lr=0", "schedule.warmup_lr=0", "schedule.min_lr=0", "train.bn_eval=true"

START_TEST(the_network_and_the_preprocessing_come_from_the_file) {
    set_up_tuning("data.mean=[0.25, 0.5, 0.75]");
    run_well((run_options){.out = "tuned", .init = "first/best.h5", .recipe = "tune.yaml"});
    assert_said("first/best.h5: 48 tensors loaded, 0 made anew (head kept: the same 4 classes), 0 "
                "unused");
    weld_model_file a = open_checkpoint("first", "best.h5"),
                    b = open_checkpoint("tuned", "last.h5");
    ck_assert_mem_eq(&a.config, &b.config, sizeof a.config);
    ck_assert_mem_eq(a.preprocessing.mean, b.preprocessing.mean, sizeof a.preprocessing.mean);
    ck_assert_int_eq(b.preprocessing.height, SIDE);
    weld_model_file_free(&a);
    weld_model_file_free(&b);
    run_well((run_options){.out = "large",
                           .init = "first/best.h5",
                           .recipe = "tune.yaml",
                           .set = {"data.input_size=12", "data.mean=[0, 0, 0]"}});
    b = open_checkpoint("large", "last.h5");
    ck_assert_int_eq(b.preprocessing.height, 12);
    ck_assert_float_eq(b.preprocessing.mean[1], 0);
    weld_model_file_free(&b);
    refuse((run_options){.out = "none", .recipe = "tune.yaml"},
           "model.name: missing: give a name that `weld models` lists, or weights to start from");
    tear_down();
}
END_TEST

START_TEST(a_backbone_gets_a_new_head) {
    set_up_tuning(NULL);
    weld_model_file first = open_checkpoint("first", "best.h5");
    const size_t count = weld_weights_count(first.weights);
    weld_safetensors_tensor *tensors = weld_alloc(count, sizeof *tensors);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = weld_weights_name(first.weights, i);
        if (!weld_model_is_head(&first.config, name)) {
            tensors[kept++] =
                (weld_safetensors_tensor){name, weld_weights_tensor(first.weights, i)};
        }
    }
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(in_base("backbone.safetensors"), &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_safetensors_write(r, tensors, kept, NULL, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_commit(r, NULL), WELD_OK);
    run_well((run_options){
        .out = "tuned",
        .init = "backbone.safetensors",
        .recipe = "tune.yaml",
        .set = {STILL, "model.stem_stride=1", "data.input_size=8", "train.ema_decay=null"}});
    char words[80];
    snprintf(words, sizeof words, "%zu tensors loaded, %zu made anew (head: none in the file, 4",
             kept, count - kept);
    assert_said(words);
    weld_model_file tuned = open_checkpoint("tuned", "last.h5");
    for (size_t i = 0; i < count; i++) {
        const char *name = weld_weights_name(first.weights, i);
        ck_assert(weld_model_is_head(&first.config, name) ||
                  same_bits(first.weights, tuned.weights, name));
    }
    weld_tensor head; /* new, and not zero */
    ck_assert(weld_weights_find(tuned.weights, "classifier.classifier.l.weight", &head));
    ck_assert_float_ne(((const float *)head.data)[0], 0);
    weld_model_file_free(&first);
    weld_model_file_free(&tuned);
    weld_free(tensors);
    tear_down();
}
END_TEST

START_TEST(a_key_chooses_the_moving_average_to_start_from) {
    set_up_tuning("train.ema_decay=0.5");
    weld_model_file first = open_checkpoint("first", "best.h5");
    run_well((run_options){.out = "tuned",
                           .init = "first/best.h5",
                           .init_key = "ema",
                           .recipe = "tune.yaml",
                           .set = {STILL, "train.ema_decay=null"}});
    weld_model_file tuned = open_checkpoint("tuned", "last.h5");
    ck_assert_ptr_nonnull(first.ema);
    for (size_t i = 0; i < weld_weights_count(first.ema); i++) {
        const char *name = weld_weights_name(first.ema, i);
        ck_assert(is_statistic(name) || same_bits(first.ema, tuned.weights, name));
    }
    weld_model_file_free(&first);
    weld_model_file_free(&tuned);
    tear_down();
}
END_TEST

START_TEST(a_run_is_resumed_without_the_file_that_it_started_from) {
    static const char *const recipes[] = {"tune.yaml", "tuned/recipe.yaml"};
    for (size_t i = 0; i < 2; i++) {
        set_up_tuning(NULL);
        run_options whole = {.out = "whole", .init = "first/best.h5", .recipe = "tune.yaml"};
        run_well(whole);
        run_options part = whole;
        part.out = "tuned";
        part.stop_at = 7;
        run_well(part);
        ck_assert_int_eq(unlink(in_base("first/best.h5")), 0);
        part.stop_at = 0;
        part.resume = true;
        part.recipe = recipes[i];
        part.init = i ? NULL : part.init;
        run_well(part);
        ck_assert_int_eq(seen.start.resumed_step, 7);
        assert_same_run("whole", "tuned");
        weld_model_file last = open_checkpoint("tuned", "last.h5");
        ck_assert_msg(strstr(last.summary, "first/best.h5"), "%s", last.summary);
        weld_model_file_free(&last);
        tear_down();
    }
}
END_TEST

START_TEST(a_head_for_other_classes_is_made_anew_and_one_for_the_same_is_kept) {
    static const char *const other[] = {"asp", "bug", "cow", "doe"};
    char train[300];
    set_up_tuning(NULL);
    weld_model_file first = open_checkpoint("first", "best.h5"), b;
    run_options o = {.init = "first/best.h5", .set = {STILL}};
    o.out = "kept";
    run_well(o);
    b = open_checkpoint("kept", "last.h5");
    assert_same_tensors(first.weights, b.weights);
    weld_model_file_free(&b);

    write_classes(in_base("other.h5"), other, 4, 8, 1);
    write_classes(in_base("two.h5"), other, 2, 8, 1);
    snprintf(train, sizeof train, "data.train=%s", in_base("other.h5"));
    run_options anew = {.out = "anew",
                        .init = "first/best.h5",
                        .set = {train, "data.val=null", "optimizer.lr=0", "train.bn_eval=true"}};
    run_well(anew);
    assert_said("46 tensors loaded, 2 made anew (head: 4 -> 4 classes of other names), 0 unused");
    b = open_checkpoint("anew", "last.h5");
    ck_assert(!same_bits(first.weights, b.weights, "classifier.classifier.l.weight"));
    ck_assert(same_bits(first.weights, b.weights, "classifier.classifier.bn.running_mean"));
    ck_assert_str_eq(b.class_names[2], "cow");
    weld_model_file_free(&b);
    snprintf(train, sizeof train, "data.train=%s", in_base("two.h5"));
    anew.out = "two";
    run_well(anew);
    assert_said("46 tensors loaded, 2 made anew (head: 4 -> 2 classes), 0 unused");

    /* Rows go to the classes of their names, wherever these are now. */
    static const char *const mixed[] = {"dog", "elk", "bee"};
    write_classes(in_base("mixed.h5"), mixed, 3, 8, 1);
    snprintf(train, sizeof train, "data.train=%s", in_base("mixed.h5"));
    anew.out = "mixed";
    anew.set[4] = "schedule.warmup_lr=0";
    anew.set[5] = "schedule.min_lr=0";
    run_well(anew);
    assert_said("(head: 2 of 3 classes kept, by name; the others are new)");
    b = open_checkpoint("mixed", "last.h5");
    weld_tensor was, is;
    ck_assert(weld_weights_find(first.weights, "classifier.classifier.l.weight", &was));
    ck_assert(weld_weights_find(b.weights, "classifier.classifier.l.weight", &is));
    const size_t row = (size_t)was.shape.dim[1] * sizeof(float);
    ck_assert_mem_eq(is.data, (char *)was.data + 3 * row, row);
    ck_assert_mem_eq((char *)is.data + 2 * row, (char *)was.data + row, row);
    weld_model_file_free(&b);

    char **names = first.class_names;
    first.class_names = NULL;
    ck_assert_int_eq(weld_model_file_write(in_base("nameless.h5"), &first, &err), WELD_OK);
    first.class_names = names;
    run_well((run_options){.out = "nameless", .init = "nameless.h5"});
    assert_said("48 tensors loaded, 0 made anew (head kept: 4 classes, not named in the file), 0 "
                "unused");
    weld_model_file_free(&first);
    tear_down();
}
END_TEST

START_TEST(a_distillation_head_is_left_out_or_made_anew_as_the_recipe_says) {
    set_up_tuning("model.distillation_head=true");
    run_well((run_options){.out = "one", .init = "first/last.h5", .recipe = "tune.yaml"});
    assert_said("48 tensors loaded, 0 made anew (head kept: the same 4 classes), 7 unused "
                "(distillation head)");
    run_options two = {.out = "two",
                       .init = "one/last.h5",
                       .recipe = "tune.yaml",
                       .set = {"model.distillation_head=true"}};
    run_well(two);
    assert_said("48 tensors loaded, 7 made anew (head kept: the same 4 classes; distillation head: "
                "none in the file), 0 unused");
    two.out = "both";
    two.init = "first/last.h5";
    run_well(two);
    assert_said("55 tensors loaded, 0 made anew");
    tear_down();
}
END_TEST

START_TEST(a_backbone_that_does_not_fit_is_an_error_that_lists_tensors) {
    set_up_tuning(NULL);
    run_options o = {.out = "x", .init = "first/best.h5", .set = {"model.channels=[16]"}};
    refuse(o, "first/best.h5: holds another network (repvit) than the recipe names (repvit); 39 ");
    refuse(o, "do not fit: features.0.0.c.weight is [4, 3, 3, 3] in place of [8, 3, 3, 3], ");
    refuse(o, " more: remove the keys of model from the recipe, or give other weights");
    o.set[0] = "model.depths=[2]";
    refuse(o, "features.2.token_mixer.0.conv.c.weight is not in the file");
    o.set[0] = "model.legacy=true";
    refuse(o, "features.1.token_mixer.0.conv1.c.weight is not in the file");
    run_well((run_options){.out = "deep", .set = {"model.depths=[2]", "train.epochs=1"}});
    o.init = "deep/last.h5";
    o.set[0] = NULL;
    refuse(o, "features.2.token_mixer.0.conv.c.weight is in the file alone");
    o.init = "first/best.h5";
    o.set[0] = "model.stem_stride=2"; /* fits: no tensor's shape depends on it */
    run_well(o);
    assert_said("was trained with model.stem_stride 1, the recipe says 2");
    o.out = "y";
    o.init = "absent.h5";
    refuse(o, "absent.h5");
    refuse((run_options){.out = "y", .init = "first/best.h5", .set = {"train.freeze=stage2"}},
           "--set train.freeze=stage2: train.freeze: the network has 1 stage: give at most stage1");
    tear_down();
}
END_TEST

static const char *const freezes[] = {"train.freeze=stem", "train.freeze=stage1"};

START_TEST(frozen_tensors_are_bit_identical_after_a_run) {
    set_up_tuning(NULL);
    weld_model_file first = open_checkpoint("first", "best.h5");
    for (int i = 0; i < 2; i++) {
        char out[16];
        snprintf(out, sizeof out, "run%d", i);
        run_well((run_options){
            .out = out, .init = "first/best.h5", .recipe = "tune.yaml", .set = {freezes[i]}});
        ck_assert_ptr_nonnull(seen.start.rates);
        ck_assert_int_lt(seen.start.trained_parameters, seen.start.parameters);
        weld_model_file b = open_checkpoint(out, "last.h5");
        for (size_t k = 0; k < weld_weights_count(b.weights); k++) {
            const char *name = weld_weights_name(b.weights, k);
            bool frozen = weld_model_place_of(&b.config, name).part <= i;
            bool same = same_bits(first.weights, b.weights, name);
            ck_assert_msg(same == frozen, "%s %s", name, same ? "stayed" : "was changed");
            ck_assert_msg(!frozen || !weld_weights_find(b.moment1, name, NULL), "%s", name);
        }
        weld_model_file_free(&b);
    }
    weld_model_file_free(&first);
    tear_down();
}
END_TEST

START_TEST(bn_eval_keeps_running_statistics_in_every_epoch_with_both_heads_too) {
    set_up_tuning("model.distillation_head=true");
    weld_model_file first = open_checkpoint("first", "best.h5");
    run_options o = {.out = "a",
                     .init = "first/best.h5",
                     .set = {"train.bn_eval=true", "model.distillation_head=true"},
                     .resume = true};
    for (int64_t epoch = 1; epoch <= 3; epoch++) {
        o.stop_at = epoch * STEPS_PER_EPOCH;
        run_well(o);
        weld_model_file b = open_checkpoint("a", "last.h5");
        ck_assert_int_eq(b.trainer.step, epoch * STEPS_PER_EPOCH);
        for (size_t i = 0; i < weld_weights_count(b.weights); i++) {
            const char *name = weld_weights_name(b.weights, i);
            ck_assert_msg(same_bits(first.weights, b.weights, name) == is_statistic(name), "%s",
                          name);
        }
        weld_model_file_free(&b);
    }
    weld_model_file_free(&first);
    tear_down();
}
END_TEST

START_TEST(a_run_with_frozen_parts_that_is_stopped_or_killed_ends_as_if_it_had_not_been) {
    int status;
    set_up_tuning(NULL);
    run_options o = {.out = "whole",
                     .init = "first/best.h5",
                     .recipe = "tune.yaml",
                     .set = {"train.freeze=stem", "optimizer.layer_decay=0.5",
                             "optimizer.head_lr_scale=3", "train.epochs=6"}};
    ck_assert_int_gt(waitpid(start_child(o), &status, 0), 0);
    ck_assert_int_eq(status, 0);
    o.out = "parts";
    o.resume = true;
    for (int i = 0; i < 3; i++) {
        pid_t child = start_child(o);
        usleep((useconds_t)(5000 + 9000 * i));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
    }
    ck_assert_int_gt(waitpid(start_child(o), &status, 0), 0);
    ck_assert_int_eq(status, 0);
    assert_same_run("whole", "parts");
    refuse((run_options){.out = "parts", .recipe = "tune.yaml", .resume = true},
           "was made with optimizer.head_lr_scale 3");
    tear_down();
}
END_TEST

START_TEST(a_merged_network_cannot_be_trained_on) {
    set_up_tuning(NULL);
    weld_model_file file = open_checkpoint("first", "best.h5");
    file.kind = WELD_MODEL_DEPLOY;
    ck_assert_int_eq(
        weld_model_build(&file.config, false, 1, SIDE, SIDE, WELD_F32, &file.graph, &err), WELD_OK);
    ck_assert_msg(!weld_model_file_write(in_base("deploy.h5"), &file, &err), "%s", err.message);
    weld_model_file_free(&file);
    refuse((run_options){.out = "a", .init = "deploy.h5"},
           "deploy.h5: is a merged network: give the file that it was made of");
    tear_down();
}
END_TEST

START_TEST(running_out_of_memory_anywhere_is_an_error_like_any_other) {
    set_up_tuning(NULL);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status; n += 1 + n / 8) {
        weld_memory_fail_after(n);
        status = run((run_options){.out = "a",
                                   .init = "first/best.h5",
                                   .recipe = "tune.yaml",
                                   .resume = true,
                                   .set = {"train.epochs=1", "train.freeze=stem"}});
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%d: %s", status,
                      err.message);
    }
    tear_down();
}
END_TEST

RUN_SUITE("train/finetune", a_backbone_gets_a_new_head,
          a_key_chooses_the_moving_average_to_start_from,
          the_network_and_the_preprocessing_come_from_the_file,
          a_run_is_resumed_without_the_file_that_it_started_from,
          a_head_for_other_classes_is_made_anew_and_one_for_the_same_is_kept,
          a_distillation_head_is_left_out_or_made_anew_as_the_recipe_says,
          a_backbone_that_does_not_fit_is_an_error_that_lists_tensors,
          frozen_tensors_are_bit_identical_after_a_run,
          bn_eval_keeps_running_statistics_in_every_epoch_with_both_heads_too,
          a_run_with_frozen_parts_that_is_stopped_or_killed_ends_as_if_it_had_not_been,
          a_merged_network_cannot_be_trained_on,
          running_out_of_memory_anywhere_is_an_error_like_any_other)
