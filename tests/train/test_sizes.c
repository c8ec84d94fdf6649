/* Training on images of several sizes: each update draws one. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/memory.h"
#include "repvit_config.h"
#include "tasks/classification/loss.h"
#include "train/step.h"
#include "train/tiny_run.h"

/* Of batches of 8 images of 8 x 8, out of 42: 14 of 6 x 6 and 5 of 10 x 10. */
#define SIZES "data.sizes=[6, 8, 10]"
enum { MOST = 14 };

static int images_of(int64_t size) {
    return size == 6 ? 14 : size == 8 ? 8 : 5;
}

static json_t *steps_of(const char *out) {
    json_t *rows = rows_of(out), *steps = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "kind")), "step") == 0) {
            json_array_append(steps, row);
        }
    }
    json_decref(rows);
    return steps;
}

static int64_t whole_of(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    ck_assert_msg(json_is_integer(value), "no %s", key);
    return json_integer_value(value);
}

START_TEST(updates_say_their_size_and_an_epoch_ends_where_its_images_do) {
    set_up();
    run_well((run_options){
        .out = "a",
        .set = {SIZES, "train.epochs=6", "schedule.warmup_epochs=0", "optimizer.lr_batch=0"}});
    json_t *steps = steps_of("a");
    const int64_t count = (int64_t)json_array_size(steps);
    int64_t images[6] = {0};
    int drawn[11] = {0};
    ck_assert_int_eq(result.step, count);
    ck_assert_int_eq(seen.start.steps, count);
    ck_assert_int_eq(seen.start.steps_per_epoch, count / 6);
    ck_assert_int_eq(seen.start.batch_size, 8);
    ck_assert_int_eq(seen.start.size_count, 3);
    for (int64_t i = 0; i < count; i++) {
        json_t *row = json_array_get(steps, (size_t)i);
        int64_t size = whole_of(row, "size");
        ck_assert(size == 6 || size == 8 || size == 10);
        drawn[size]++;
        images[whole_of(row, "epoch")] += images_of(size);
        /* One cosine over all updates, 0.01 to 1e-5. */
        double rate = 1e-5 + 0.5 * (0.01 - 1e-5) * (1 + cos(acos(-1) * (double)i / (double)count));
        double is = json_number_value(json_object_get(row, "lr"));
        ck_assert_double_eq_tol(is, rate, 1e-6 * rate);
    }
    ck_assert(drawn[6] && drawn[8] && drawn[10]);
    for (int epoch = 0; epoch < 6; epoch++) {
        ck_assert(images[epoch] <= 42 && images[epoch] > 42 - MOST);
    }
    json_decref(steps);
    tear_down();
}
END_TEST

/* With all that an update may have. */
#define ALL                                                                                        \
    SIZES, "train.accumulate=2", "augment.cutmix=1", "augment.mix_mode=elem",                      \
        "loss.class_weights=balanced", "optimizer.clip=0.02", "train.ema_decay=0.8"

START_TEST(threads_do_not_change_a_bit) {
    set_up();
    run_options o = {.out = "one", .set = {ALL}};
    run_well(o);
    for (o.threads = 3; o.threads <= 24; o.threads += 21) {
        o.out = o.threads == 3 ? "three" : "many";
        run_well(o);
        assert_same_run("one", o.out);
    }
    setenv("WELD_THREADS_RANDOM", "5", 1);
    o.out = "random";
    run_well(o);
    assert_same_run("one", "random");
    tear_down();
}
END_TEST

static void stop_and_resume(run_options o, int64_t every) {
    run_well(o);
    const int64_t steps = result.step;
    o.out = "parts";
    o.resume = true;
    for (o.stop_at = 1; o.stop_at < steps; o.stop_at += every) {
        o.threads = 1 + (int)(o.stop_at % 2);
        run_well(o);
        ck_assert(result.interrupted);
        ck_assert_int_eq(result.step, o.stop_at);
    }
    refuse((run_options){.out = "parts", .set = {"data.sizes=[6, 8]"}, .resume = true},
           "was made with data.sizes 6, 8, 10, but now it is 6, 8:");
    o.stop_at = 0;
    run_well(o);
    ck_assert_int_eq(result.step, steps);
    assert_same_run("whole", "parts");
}

START_TEST(a_run_stopped_at_any_update_continues_bit_for_bit) {
    set_up();
    stop_and_resume((run_options){.out = "whole", .set = {SIZES}}, 1);
    tear_down();
}
END_TEST

START_TEST(so_does_one_in_bf16_with_all_that_an_update_may_have) {
    set_up();
    stop_and_resume((run_options){.out = "whole", .set = {ALL, "train.precision=bf16"}}, 2);
    tear_down();
}
END_TEST

/* The network that the sampler is from. At 24 and 40 some of its maps have 3 and 5 rows, which its
 * blocks resize to even ones. */
START_TEST(so_does_a_mobilevit_whose_blocks_resize_what_is_odd) {
    char text[1024];
    set_up();
    snprintf(text, sizeof text,
             "model: {name: mobilevit, channels: [4, 4, 4, 8, 8, 8], depths: [1, 1, 1],\n"
             "        transformer_channels: [8, 8, 8], expansion: 2, heads: 2, stem_stride: 1}\n"
             "data: {train: %s/train.h5, val: %s/val.h5, input_size: 32, sizes: [16, 24, 40]}\n"
             "augment: {auto_augment: null, random_erasing: null, repeats: 1}\n"
             "optimizer: {lr: 0.01, lr_batch: 0}\n"
             "train: {epochs: 2, batch_size: 4, seed: 7, ema_decay: 0.8}\n",
             base, base);
    write_text(in_base("tiny.yaml"), text);
    run_well((run_options){.out = "whole"});
    const int64_t steps = result.step;
    run_well((run_options){.out = "parts", .threads = 2, .stop_at = steps / 2 + 1});
    ck_assert(result.interrupted);
    run_well((run_options){.out = "parts", .threads = 3, .resume = true});
    assert_same_run("whole", "parts");
    tear_down();
}
END_TEST

START_TEST(a_run_killed_in_its_epochs_ends_as_if_never_killed) {
    set_up();
    run_options o = {.out = "whole", .set = {SIZES, "train.checkpoint_every=1"}};
    run_well(o);
    o.out = "killed";
    o.resume = true;
    weld_random r = weld_random_start((uint64_t)time(NULL), 0, 0, WELD_RANDOM_TEST);
    int status;
    for (int i = 0; i < 4; i++) {
        const pid_t child = start_child(o);
        const long wait = (long)weld_random_below(&r, 60000000);
        nanosleep(&(struct timespec){.tv_nsec = wait}, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
    }
    run_well(o);
    assert_same_run("whole", "killed");
    tear_down();
}
END_TEST

START_TEST(the_input_size_as_the_only_one_changes_nothing) {
    set_up();
    run_well((run_options){.out = "none", .set = {"train.accumulate=2"}});
    run_well((run_options){.out = "one", .set = {"train.accumulate=2", "data.sizes=[8]"}});
    weld_model_file none = open_checkpoint("none", "last.h5"),
                    one = open_checkpoint("one", "last.h5");
    assert_same_tensors(none.weights, one.weights);
    assert_same_tensors(none.moment1, one.moment1);
    weld_model_file_free(&none);
    weld_model_file_free(&one);
    tear_down();
}
END_TEST

/* A batch of random images in the inputs of a step. */
static void fill(weld_train_step *s) {
    weld_tensor target = weld_train_step_input(s, "target");
    weld_train_step_noise(s->images);
    memset(target.data, 0, weld_tensor_bytes(&target));
    weld_classification_loss_fill(s->session);
}

START_TEST(each_step_is_that_of_a_network_for_its_size) {
    weld_model_config config = repvit_config(CLASSES, "8,16", "1,1", 1, false, false);
    static const weld_batch_shape shapes[] = {{6, 6, 5}, {12, 12, 2}, {9, 9, 3}};
    const weld_classification_loss own = {.label_smoothing = 0.1};
    const weld_loss_options loss = {.values = &own};
    weld_train_step_options options = {.build_loss = weld_classification_loss_build,
                                       .loss = &loss,
                                       .dtype = WELD_F32,
                                       .threads = 2,
                                       .seed = 3};
    weld_train_step *steps[3], *alone;
    ck_assert_msg(!weld_train_steps_create(&config, &options, shapes, 3, NULL, steps, &err), "%s",
                  err.message);
    for (int turn = 0; turn < 6; turn++) {
        weld_train_step *s = steps[turn % 3];
        weld_weights *copy;
        options.batch = shapes[turn % 3].count;
        options.height = options.width = shapes[turn % 3].height;
        ck_assert(s->weights == steps[0]->weights);
        ck_assert_int_eq(weld_weights_clone(s->weights, &copy, &err), WELD_OK);
        ck_assert_msg(!weld_train_step_create(&config, &options, copy, &alone, &err), "%s",
                      err.message);
        fill(s);
        fill(alone);
        const double loss_here = weld_train_step_run(s, 1),
                     loss_alone = weld_train_step_run(alone, 1);
        ck_assert_double_eq(loss_here, loss_alone);
        weld_train_step_move_statistics(s);
        weld_train_step_move_statistics(alone);
        for (size_t i = 0; i < s->parameter_count; i++) {
            ck_assert_mem_eq(s->gradients[i].data, alone->gradients[i].data,
                             weld_tensor_bytes(&s->gradients[i]));
        }
        assert_same_tensors(s->weights, copy); /* running statistics */
        weld_train_step_free(alone);
        weld_weights_free(copy);
    }
    for (int i = 2; i >= 0; i--) {
        weld_train_step_free(steps[i]);
    }
}
END_TEST

START_TEST(a_size_that_the_network_does_not_take_is_named) {
    weld_model_config config = repvit_config(CLASSES, "8", "1", 1, false, false);
    static const weld_batch_shape shapes[] = {{8, 8, 2}, {0, 0, 2}};
    const weld_classification_loss own = {0};
    const weld_loss_options loss = {.values = &own};
    weld_train_step_options options = {
        .build_loss = weld_classification_loss_build, .loss = &loss, .dtype = WELD_F32};
    weld_train_step *steps[2];
    ck_assert_int_ne(weld_train_steps_create(&config, &options, shapes, 2, NULL, steps, &err),
                     WELD_OK);
    ck_assert_msg(strstr(err.message, "images of 0 x 0: ") == err.message, "%s", err.message);
    ck_assert(!steps[0] && !steps[1]);
}
END_TEST

START_TEST(a_lack_of_memory_is_reported) {
    weld_model_config config = repvit_config(CLASSES, "8", "1", 1, false, false);
    static const weld_batch_shape shapes[] = {{8, 8, 2}, {6, 6, 3}};
    const weld_classification_loss own = {0};
    const weld_loss_options loss = {.values = &own};
    const weld_optimizer_options optimizer = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    weld_train_step_options options = {.build_loss = weld_classification_loss_build,
                                       .loss = &loss,
                                       .dtype = WELD_F32,
                                       .optimizer = &optimizer};
    weld_train_step *steps[2];
    weld_status status = WELD_ERROR_MEMORY;
    for (long successes = 0; status; successes += 1 + successes / 16) {
        weld_memory_fail_after(successes);
        status = weld_train_steps_create(&config, &options, shapes, 2, NULL, steps, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%ld: %s", successes,
                      err.message);
    }
    weld_train_step_free(steps[1]);
    weld_train_step_free(steps[0]);
}
END_TEST

/* Of 24 x 24 there would be less than one image; its batch norms see one value. */
START_TEST(so_is_one_of_batches_that_are_too_small_before_the_first_update) {
    set_up();
    refuse((run_options){.out = "a", .set = {"data.sizes=[8, 24]", "augment.kind=imagenet"}},
           "data.sizes: images of 24 x 24: ");
    ck_assert_int_ne(access(in_base("a"), F_OK), 0);
    tear_down();
}
END_TEST

START_TEST(an_epoch_that_has_not_the_images_of_an_update_is_refused) {
    set_up();
    refuse((run_options){.out = "a", .set = {SIZES, "train.accumulate=4"}},
           "has only 3 batches of 14 images of 6 x 6: lower it");
    tear_down();
}
END_TEST

RUN_SUITE("train/sizes", updates_say_their_size_and_an_epoch_ends_where_its_images_do,
          threads_do_not_change_a_bit, a_run_stopped_at_any_update_continues_bit_for_bit,
          so_does_one_in_bf16_with_all_that_an_update_may_have,
          so_does_a_mobilevit_whose_blocks_resize_what_is_odd,
          a_run_killed_in_its_epochs_ends_as_if_never_killed,
          the_input_size_as_the_only_one_changes_nothing,
          each_step_is_that_of_a_network_for_its_size,
          a_size_that_the_network_does_not_take_is_named,
          so_is_one_of_batches_that_are_too_small_before_the_first_update,
          a_lack_of_memory_is_reported, an_epoch_that_has_not_the_images_of_an_update_is_refused)
