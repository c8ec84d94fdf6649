/* Training for codes: whole runs. */
#define _GNU_SOURCE
#include "passes/fake_quantize.h"
#include "passes/reparameterize.h"
#include "train/rank_runs.h"

/* A trained network, in FIRST/best.h5, and a recipe that goes on with it. */
static void set_up_trained(void) {
    char text[1024];
    set_up();
    run_well((run_options){.out = "first", .set = {"train.epochs=25"}});
    snprintf(text, sizeof text,
             "data: {train: %s/train.h5, val: %s/val.h5}\n"
             "quantize: {weights: 3, activations: 8, images: 16}\n"
             "augment: {kind: small, auto_augment: null, color_jitter: null,\n"
             "          random_erasing: null, cutmix: null, repeats: 1}\n"
             "loss: {label_smoothing: 0, distillation: {kind: soft}}\n"
             "optimizer: {lr: 0.003, lr_batch: 8, weight_decay: 0, clip: null}\n"
             "schedule: {warmup_epochs: 0}\n"
             "train: {epochs: 2, batch_size: 8, seed: 7, ema_decay: null}\n",
             base, base);
    write_text(in_base("codes.yaml"), text);
}

static const run_options usual = {.recipe = "codes.yaml", .init = "first/best.h5"};

static run_options with(const char *out, const char *set) {
    run_options o = usual;
    o.out = out;
    o.set[0] = set;
    return o;
}

/* --- What comes of a run --- */

START_TEST(a_run_leaves_an_ordinary_checkpoint_and_its_codes) {
    set_up_trained();
    weld_graph *g, *merged;
    weld_weights *w;
    weld_quantization q;
    run_well(with("run", NULL));
    ck_assert_msg(strstr(seen.messages, "quantize: ranges by 16 images") != NULL, "%s",
                  seen.messages);
    weld_model_file first = open_checkpoint("first", "best.h5"), file;
    static const char *const names[] = {"best.h5", "last.h5"};
    for (int i = 0; i < 2; i++) {
        file = open_checkpoint("run", names[i]);
        ck_assert_uint_eq(weld_weights_count(file.weights), weld_weights_count(first.weights));
        ck_assert_int_eq(file.trainer.quantize_weights, 3);
        ck_assert_int_eq(file.trainer.quantize_activations, 8);
        ck_assert_int_eq(weld_model_build(&file.config, false, 1, SIDE, SIDE, WELD_F32, &g, &err),
                         WELD_OK);
        ck_assert_msg(!weld_reparameterize(g, file.weights, &merged, &w, &err), "%s", err.message);
        ck_assert_msg(!weld_fake_table_read(file.codes, file.code_rows, (weld_fake_bits){3, 8},
                                            merged, &q, &err),
                      "%s", err.message);
        weld_quantization_free(&q);
        weld_graph_free(g);
        weld_graph_free(merged);
        weld_weights_free(w);
        weld_model_file_free(&file);
    }
    weld_model_file_free(&first);
    tear_down();
}
END_TEST

/* Ranges are found by as many images as are wanted, as where a network is quantised as it is. */
START_TEST(images_that_are_damaged_are_named_and_replaced) {
    set_up_trained();
    for (int i = 0; i < 10; i++) {
        damage(in_base("train.h5"), 4 * i);
    }
    run_options o = with("run", "quantize.images=32");
    o.set[1] = "data.max_bad=0.5";
    run_well(o);
    ck_assert_msg(strstr(seen.messages, "quantize: skipped: ") != NULL, "%s", seen.messages);
    ck_assert_msg(strstr(seen.messages, "quantize: ranges by 32 images") != NULL, "%s",
                  seen.messages);
    tear_down();
}
END_TEST

/* Running statistics stay as they were, and all else is learned. */
START_TEST(statistics_stay) {
    set_up_trained();
    run_well(with("run", NULL));
    weld_model_file a = open_checkpoint("first", "best.h5"), b = open_checkpoint("run", "last.h5");
    int same = 0, moved = 0;
    for (size_t i = 0; i < weld_weights_count(a.weights); i++) {
        const char *name = weld_weights_name(a.weights, i);
        const weld_tensor x = weld_weights_tensor(a.weights, i);
        weld_tensor y;
        ck_assert(weld_weights_find(b.weights, name, &y));
        const bool is_same = memcmp(x.data, y.data, weld_tensor_bytes(&x)) == 0;
        const bool statistic = strstr(name, "running_") || strstr(name, "num_batches");
        ck_assert_msg(is_same == statistic, "%s", name);
        same += is_same;
        moved += !is_same;
    }
    ck_assert(same > 0 && moved > 0);
    weld_model_file_free(&a);
    weld_model_file_free(&b);
    tear_down();
}
END_TEST

/* Of the last epoch. */
static double train_loss_of(const char *out) {
    json_t *rows = rows_of(out);
    const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    const double loss = json_number_value(json_object_get(last, "train_loss"));
    json_decref(rows);
    return loss;
}

static double loss_without_learning(const char *out, const char *set) {
    run_options o = with(out, set);
    o.set[1] = "optimizer.lr=1e-12";
    o.set[2] = "train.epochs=1";
    run_well(o);
    return train_loss_of(out);
}

/* Weights of two bits: rounded they say something else than the network did, until they learn. */
START_TEST(what_rounding_costs_is_learned_back) {
    set_up_trained();
    const double fine = loss_without_learning("fine", "quantize.weights=8");
    const double coarse = loss_without_learning("coarse", "quantize.weights=2");
    run_options o = with("run", "quantize.weights=2");
    o.set[1] = "train.epochs=16";
    o.set[2] = "optimizer.lr=0.01";
    run_well(o);
    const double learned = train_loss_of("run");
    ck_assert_msg(coarse > fine + 0.02, "%g, rounded %g", fine, coarse);
    ck_assert_msg(learned < fine + 0.5 * (coarse - fine), "%g, rounded %g, learned %g", fine,
                  coarse, learned);
    tear_down();
}
END_TEST

static double share_of_largest(const weld_model_file *f) {
    double most = 0;
    for (size_t i = 0; i < f->step_rows; i++) {
        const double moved = fabs((double)f->steps[WELD_STEP_COLUMNS * i + 1] - 1);
        most = moved > most ? moved : most;
    }
    return most;
}

/* Steps of two bits that are learned, beside those that follow from weights and ranges. */
START_TEST(steps_are_learned) {
    set_up_trained();
    run_options o = with("found", "quantize.weights=2");
    o.set[1] = "train.epochs=8";
    o.set[2] = "quantize.activations=3";
    o.set[3] = "optimizer.lr=0.01";
    run_well(o);
    o.out = "learned";
    o.set[4] = "quantize.learn_steps=true";
    run_well(o);
    const double found = train_loss_of("found"), learned = train_loss_of("learned");
    ck_assert_msg(learned < found, "%g where steps are found, learned %g", found, learned);
    weld_model_file f = open_checkpoint("learned", "last.h5");
    const double moved = share_of_largest(&f);
    ck_assert_msg(moved > 0.01 && moved < 1, "steps moved by %g", moved);
    weld_model_file_free(&f);
    tear_down();
}
END_TEST

/* --- The same bits --- */

static void assert_same_codes(const char *a, const char *b) {
    weld_model_file x = open_checkpoint(a, "last.h5"), y = open_checkpoint(b, "last.h5");
    ck_assert_uint_eq(x.step_rows, y.step_rows);
    if (x.step_rows) {
        ck_assert_mem_eq(x.steps, y.steps, WELD_STEP_COLUMNS * x.step_rows * sizeof *x.steps);
    }
    ck_assert_uint_eq(x.code_rows, y.code_rows);
    ck_assert_mem_eq(x.codes, y.codes, 2 * x.code_rows * sizeof *x.codes);
    weld_model_file_free(&x);
    weld_model_file_free(&y);
}

/* Of ten updates ranges are found before the first five. */
START_TEST(a_resumed_run_ends_as_one_that_never_stopped) {
    set_up_trained();
    run_well(with("whole", NULL));
    for (int64_t stop = 1; stop <= 7; stop += 2) {
        char out[16];
        snprintf(out, sizeof out, "cut%d", (int)stop);
        run_options o = with(out, NULL);
        o.stop_at = stop;
        run_well(o);
        o.stop_at = 0;
        o.resume = true;
        o.threads = 3;
        run_well(o);
        assert_same_run("whole", out);
        assert_same_codes("whole", out);
    }
    tear_down();
}
END_TEST

START_TEST(learned_steps_are_resumed_to_the_bit) {
    set_up_trained();
    run_options o = with("whole", "quantize.learn_steps=true");
    o.set[1] = "quantize.start=0.4";
    run_well(o);
    for (int64_t stop = 1; stop <= 5; stop += 4) {
        char out[16];
        snprintf(out, sizeof out, "cut%d", (int)stop);
        o.out = out;
        o.stop_at = stop;
        run_well(o);
        o.stop_at = 0;
        o.resume = true;
        o.threads = 3;
        run_well(o);
        assert_same_run("whole", out);
        assert_same_codes("whole", out);
        o.resume = false;
    }
    tear_down();
}
END_TEST

START_TEST(learned_steps_are_the_same_on_all_ranks) {
    set_up_trained();
    run_options o = with("one", "train.batch_size=3");
    o.set[1] = "train.accumulate=4";
    o.set[2] = "quantize.learn_steps=true";
    run_well(o);
    o.out = "three";
    o.stop_at = 2;
    run_over(3, o);
    o.stop_at = 0;
    o.resume = true;
    run_over(2, o);
    assert_same_run("one", "three");
    assert_same_codes("one", "three");
    tear_down();
}
END_TEST

/* The checkpoint says what it learns from. */
START_TEST(a_run_is_resumed_without_the_file_that_it_began_with) {
    set_up_trained();
    run_well(with("whole", NULL));
    run_options o = with("cut", NULL);
    o.stop_at = 3;
    run_well(o);
    o.stop_at = 0;
    o.resume = true;
    o.init = NULL;
    run_well(o);
    assert_same_run("whole", "cut");
    o = with("moved", NULL);
    o.stop_at = 3;
    run_well(o);
    ck_assert_int_eq(rename(in_base("first"), in_base("elsewhere")), 0);
    o.stop_at = 0;
    o.resume = true;
    o.init = NULL;
    refuse(o, "say where it is now with --set loss.distillation.teacher=FILE");
    o.init = "elsewhere/best.h5";
    run_well(o);
    tear_down();
}
END_TEST

START_TEST(threads_change_no_bit) {
    set_up_trained();
    run_options o = with("three", NULL);
    o.threads = 3;
    run_well(with("one", NULL));
    run_well(o);
    assert_same_run("one", "three");
    assert_same_codes("one", "three");
    tear_down();
}
END_TEST

START_TEST(ranks_change_no_bit) {
    set_up_trained();
    run_options o = with("one", "train.batch_size=3");
    o.set[1] = "train.accumulate=4";
    run_well(o);
    o.out = "three";
    o.stop_at = 2;
    run_over(3, o);
    o.stop_at = 0;
    o.resume = true;
    run_over(2, o);
    assert_same_run("one", "three");
    assert_same_codes("one", "three");
    tear_down();
}
END_TEST

/* Before quantize.start nothing is rounded: the first epoch is that of a run whose codes are so
 * late that they never come. */
START_TEST(rounding_waits_for_its_start) {
    set_up_trained();
    run_well(with("late", "quantize.start=1"));
    run_well(with("later", "quantize.start=1.9"));
    json_t *a = rows_of("late"), *b = rows_of("later");
    for (size_t i = 0; i < STEPS_PER_EPOCH; i++) {
        ck_assert(json_equal(json_array_get(a, i), json_array_get(b, i)));
    }
    ck_assert(!json_equal(json_array_get(a, STEPS_PER_EPOCH + 2),
                          json_array_get(b, STEPS_PER_EPOCH + 2)));
    json_decref(a);
    json_decref(b);
    tear_down();
}
END_TEST

/* --- What is refused --- */

START_TEST(what_does_not_go_with_it_is_refused_by_name) {
    set_up_trained();
    static const struct {
        const char *set, *words;
    } cases[] = {{"train.precision=bf16", "train.precision: quantize needs fp32"},
                 {"train.precision=auto", "train.precision: quantize needs fp32"},
                 {"train.ema_decay=0.99", "train.ema_decay: "},
                 {"train.recompute=block", "train.recompute: "},
                 {"data.sizes=[8, 16]", "data.sizes: "},
                 {"model.drop_path=0.1", "model.drop_path: "},
                 {"model.dropout=0.1", "model.dropout: "},
                 {"quantize.weights=1", "quantize.weights: one bit"},
                 {"quantize.activations=1", "quantize.activations: one bit"},
                 {"quantize.start=2", "quantize.start: the run is over by then"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refuse(with("refused", cases[i].set), cases[i].words);
    }
    refuse((run_options){.out = "refused", .set = {"quantize.weights=8"}}, "give its checkpoint");
    run_options fine = with("refused", "quantize.weights=8");
    fine.set[1] = "quantize.learn_steps=true";
    refuse(fine, "quantize.learn_steps: is for fewer than 8 bits");
    tear_down();
}
END_TEST

START_TEST(codes_of_another_network_are_refused) {
    set_up_trained();
    char path[512];
    run_options o = with("run", NULL);
    o.stop_at = 3;
    run_well(o);
    snprintf(path, sizeof path, "%s/run/last.h5", base);
    weld_model_file file = open_checkpoint("run", "last.h5");
    file.code_rows--;
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    o.stop_at = 0;
    o.resume = true;
    refuse(o, "no codes of this network");
    file.codes[0] = NAN;
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_model_file_free(&file);
    refuse(o, "quantize/codes: are no scales and zeros");
    tear_down();
}
END_TEST

START_TEST(steps_of_another_network_are_refused) {
    set_up_trained();
    char path[512];
    run_options o = with("run", "quantize.learn_steps=true");
    o.stop_at = 3;
    run_well(o);
    snprintf(path, sizeof path, "%s/run/last.h5", base);
    weld_model_file file = open_checkpoint("run", "last.h5");
    ck_assert_uint_gt(file.step_rows, 10);
    file.step_rows--;
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    o.stop_at = 0;
    o.resume = true;
    refuse(o, "no steps of this network");
    file.steps[0] = NAN;
    ck_assert_msg(!weld_model_file_write(path, &file, &err), "%s", err.message);
    weld_model_file_free(&file);
    refuse(o, "quantize/steps: are no steps and their moments");
    tear_down();
}
END_TEST

RUN_SUITE("train/quantization", a_run_leaves_an_ordinary_checkpoint_and_its_codes,
          images_that_are_damaged_are_named_and_replaced, statistics_stay,
          what_rounding_costs_is_learned_back, steps_are_learned,
          learned_steps_are_resumed_to_the_bit, learned_steps_are_the_same_on_all_ranks,
          a_resumed_run_ends_as_one_that_never_stopped,
          a_run_is_resumed_without_the_file_that_it_began_with, threads_change_no_bit,
          ranks_change_no_bit, rounding_waits_for_its_start,
          what_does_not_go_with_it_is_refused_by_name, codes_of_another_network_are_refused,
          steps_of_another_network_are_refused)
