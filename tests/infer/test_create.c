/* Networks that programs build themselves, as models and as files: all that is done with a file of
 * a known network is done with theirs. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "own_network.h"
#include "train/tiny_run.h"

enum { IMAGES = 5, PIXELS = 3 * OWN_SIDE * OWN_SIDE };

static weld_error err;
static weld_graph *graph;
static weld_weights *weights;
static float images[IMAGES * PIXELS];

static const char *const names[] = {"ant", "bee", "cat"};
static const weld_model_options named = {
    .name = "small_net", .class_names = names, .class_count = OWN_CLASSES};

static void expect_error(weld_status status, weld_status wanted, const char *says) {
    ck_assert_int_eq(status, wanted);
    ck_assert_msg(strstr(err.message, says), "'%s' is not in: %s", says, err.message);
}

static void expect_well(weld_status status) {
    ck_assert_msg(status == WELD_OK, "%s", err.message);
}

/* Trained a little, so that no batch norm is as it began. */
static void make_network(void) {
    weld_graph *training = own_graph(true, OWN_BATCH);
    weld_step *s;
    expect_well(weld_step_create(training, NULL, NULL, &s, &err));
    own_train(s, 4, 1);
    expect_well(weld_weights_clone(weld_step_weights(s), &weights, &err));
    weld_step_free(s);
    weld_graph_free(training);
    graph = own_graph(false, 2);
    weld_random r = weld_random_start(9, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < IMAGES * PIXELS; i++) {
        images[i] = (float)weld_random_normal(&r);
    }
    tiny_folder = test_folder_create();
}

static void free_network(void) {
    weld_graph_free(graph);
    weld_weights_free(weights);
    test_folder_remove(tiny_folder);
}

static weld_model *create(void) {
    weld_model *m;
    expect_well(weld_model_create(graph, weights, &named, &m, &err));
    return m;
}

static weld_model *open_model(const char *name) {
    weld_model *m;
    expect_well(weld_model_open(in_base(name), &m, &err));
    return m;
}

/* What the program's own session over the graph says: images one by one, channels last. */
static void run_session(float *logits) {
    weld_session *s;
    const weld_session_options one = {.batch = 1};
    expect_well(weld_session_create(graph, weights, &one, &s, &err));
    for (int i = 0; i < IMAGES; i++) {
        float *to = weld_session_input(s, "images").data;
        for (int p = 0; p < PIXELS; p++) {
            to[p] = images[i * PIXELS + p % 3 * (PIXELS / 3) + p / 3];
        }
        weld_session_run(s, 0);
        memcpy(logits + i * OWN_CLASSES, weld_session_output(s, "logits").data,
               OWN_CLASSES * sizeof *logits);
    }
    weld_session_free(s);
}

static void run_model(const weld_model *m, float *logits) {
    expect_well(weld_model_run(m, images, IMAGES, OWN_SIDE, OWN_SIDE, 0, logits, &err));
}

/* Does m say what the program's session says? */
static void expect_says_the_same(const weld_model *m, float within) {
    float wanted[IMAGES * OWN_CLASSES], is[IMAGES * OWN_CLASSES];
    run_session(wanted);
    run_model(m, is);
    for (int i = 0; i < IMAGES * OWN_CLASSES; i++) {
        ck_assert_float_eq_tol(is[i], wanted[i], within);
    }
    ck_assert_str_eq(weld_model_get_config(m)->name, "own:small_net");
    ck_assert_int_eq(weld_model_get_config(m)->num_classes, OWN_CLASSES);
    ck_assert_str_eq(weld_model_class_name(m, 2), "cat");
    ck_assert_int_eq(weld_model_get_preprocessing(m)->height, OWN_SIDE);
}

START_TEST(a_model_and_its_file_say_what_the_graph_says) {
    make_network();
    weld_model *m = create();
    expect_says_the_same(m, 1e-5f);
    ck_assert(!weld_model_is_merged(m));
    expect_well(weld_model_save(m, in_base("net.h5"), &err));
    weld_model_free(m);
    m = open_model("net.h5");
    expect_says_the_same(m, 1e-5f);
    ck_assert(!weld_model_is_merged(m));
    expect_well(weld_model_set_precision(m, WELD_PRECISION_BF16, &err));
    expect_says_the_same(m, 0.1f);
    weld_model_free(m);
    free_network();
}
END_TEST

START_TEST(merging_joins_its_branches) {
    weld_merge_report report;
    make_network();
    weld_model *m = create();
    expect_well(weld_model_merge(m, NULL, 0, in_base("deploy.h5"), &report, &err));
    ck_assert_int_eq(report.before.convolutions, 3); /* the stem, and two branches */
    ck_assert_int_eq(report.after.convolutions, 2);
    weld_model_free(m);
    m = open_model("deploy.h5");
    ck_assert(weld_model_is_merged(m));
    expect_says_the_same(m, 1e-4f);
    weld_model_free(m);
    free_network();
}
END_TEST

START_TEST(it_is_exported_and_read_again) {
    static const struct {
        const char *file;
        weld_export_form form;
    } files[] = {{"training.safetensors", WELD_EXPORT_TRAINING},
                 {"merged.safetensors", WELD_EXPORT_MERGED}};
    weld_export_options o = {0};
    struct stat info;
    make_network();
    weld_model *m = create();
    for (int i = 0; i < 2; i++) {
        o.form = files[i].form;
        expect_well(weld_model_export(m, in_base(files[i].file), &o, NULL, &err));
        weld_model *again = open_model(files[i].file);
        ck_assert(weld_model_is_merged(again) == (files[i].form == WELD_EXPORT_MERGED));
        expect_says_the_same(again, 1e-4f);
        weld_model_free(again);
    }
    expect_well(weld_model_export(m, in_base("net.onnx"), &o, NULL, &err));
    ck_assert_int_eq(stat(in_base("net.onnx"), &info), 0);
    weld_model_free(m);
    free_network();
}
END_TEST

/* Tensors alone do not tell which network they are of. */
START_TEST(a_file_that_lost_its_graph_is_refused) {
    weld_export_options o = {.form = WELD_EXPORT_TRAINING};
    weld_model *m;
    size_t size;
    make_network();
    m = create();
    expect_well(weld_model_export(m, in_base("net.safetensors"), &o, NULL, &err));
    weld_model_free(m);
    unsigned char *bytes = test_read_file(in_base("net.safetensors"), &size);
    unsigned char *key = memmem(bytes, size, "weld.graph", 10);
    ck_assert_ptr_nonnull(key);
    memcpy(key, "nobody.has", 10);
    memcpy(memmem(bytes, size, "weld.checksum", 13), "other", 5); /* of another program */
    test_write_file(in_base("net.safetensors"), bytes, size);
    free(bytes);
    expect_error(weld_model_open(in_base("net.safetensors"), &m, &err), WELD_ERROR_FORMAT,
                 "only its graph tells");
    free_network();
}
END_TEST

START_TEST(its_size_can_be_changed_and_stays_so) {
    weld_preprocessing larger = weld_preprocessing_of(2 * OWN_SIDE);
    make_network();
    weld_model *m = create();
    expect_well(weld_model_set_preprocessing(m, &larger, &err));
    expect_well(weld_model_save(m, in_base("large.h5"), &err));
    weld_model_free(m);
    m = open_model("large.h5");
    ck_assert_int_eq(weld_model_get_preprocessing(m)->height, 2 * OWN_SIDE);
    larger.height = larger.width = OWN_SIDE;
    expect_well(weld_model_set_preprocessing(m, &larger, &err));
    expect_says_the_same(m, 1e-5f);
    weld_runner *r;
    expect_error(weld_runner_create_features(m, OWN_SIDE, OWN_SIDE, 0, &r, &err),
                 WELD_ERROR_NOT_FOUND, "only its logits");
    weld_model_free(m);
    free_network();
}
END_TEST

START_TEST(it_is_evaluated_on_a_data_set) {
    const char *more = "yak";
    weld_model_evaluation e;
    make_network();
    write_classes(in_base("val.h5"), names, OWN_CLASSES, 13, 2);
    write_data(in_base("more.h5"), 8, 1); /* ant, bee, cat, dog */
    write_classes(in_base("other.h5"), &more, 1, 4, 1);
    weld_model *m = create();
    expect_well(weld_model_evaluate(m, in_base("val.h5"), 0, &e, &err));
    ck_assert_int_eq(e.images, 13);
    ck_assert_int_eq(e.skipped, 0);
    ck_assert_str_eq(e.scores[0].key, "top1");
    ck_assert(e.scores[0].value >= 0 && e.scores[0].value <= 100);
    ck_assert(e.loss > 0);
    expect_well(weld_model_evaluate(m, in_base("more.h5"), 0, &e, &err));
    ck_assert_int_eq(e.images, 6);
    ck_assert_int_eq(e.left_out, 2);
    expect_error(weld_model_evaluate(m, in_base("other.h5"), 0, &e, &err), WELD_ERROR_ARGUMENT,
                 "other.h5");
    weld_model_free(m);
    free_network();
}
END_TEST

/* --- What is no model --- */

static void expect_refused(const weld_graph *g, const weld_weights *w, weld_model_options o,
                           weld_status status, const char *says) {
    weld_model *m = NULL;
    expect_error(weld_model_create(g, w, &o, &m, &err), status, says);
    ck_assert_ptr_null(m);
}

static weld_graph *other_graph(weld_shape input, bool second, const char *output) {
    weld_graph *g;
    expect_well(weld_graph_create(WELD_F32, &g, &err));
    const weld_layers net = weld_layers_of(g, false);
    weld_value *x = weld_input(g, "images", input);
    if (second) {
        x = weld_add(g, x, weld_input(g, "more", input));
    }
    x = weld_layer_global_mean(&net, x, 3);
    weld_output(g, output, weld_layer_linear(&net, (weld_path){"fc"}, x, 3, 2, (weld_init){0}));
    expect_well(weld_graph_status(g, &err));
    return g;
}

START_TEST(what_is_no_model_is_refused_by_what_it_is) {
    make_network();
    weld_graph *training = own_graph(true, OWN_BATCH);
    expect_refused(training, weights, named, WELD_ERROR_ARGUMENT, "is for training");
    weld_graph_free(training);
    expect_refused(graph, weights, (weld_model_options){.class_names = names, .class_count = 2},
                   WELD_ERROR_ARGUMENT, "2 names for the 3 classes");
    expect_refused(graph, weights, (weld_model_options){.class_names = names}, WELD_ERROR_ARGUMENT,
                   "class_count");
    expect_refused(graph, weights, (weld_model_options){.name = "my net"}, WELD_ERROR_ARGUMENT,
                   "my net");
    expect_refused(graph, weights, (weld_model_options){.preprocessing = weld_preprocessing_of(32)},
                   WELD_ERROR_ARGUMENT, "[2, 8, 8, 3]");
    weld_graph *g = other_graph(WELD_SHAPE(1, 8, 8, 3), false, "scores");
    expect_refused(g, weights, named, WELD_ERROR_ARGUMENT, "no output \"logits\"");
    weld_graph_free(g);
    weld_preprocessing narrow = weld_preprocessing_of(8);
    narrow.width = 4;
    expect_refused(graph, weights, (weld_model_options){.preprocessing = narrow},
                   WELD_ERROR_ARGUMENT, "[2, 8, 8, 3]");
    g = other_graph(WELD_SHAPE(1, 8, 8, 3), true, "logits");
    expect_refused(g, weights, (weld_model_options){0}, WELD_ERROR_ARGUMENT, "input more");
    weld_graph_free(g);
    g = other_graph(WELD_SHAPE(1, 8, 8, 3), false, "logits");
    expect_refused(g, weights, (weld_model_options){0}, WELD_ERROR_SHAPE, "fc.weight");
    weld_graph_free(g);
    weld_tensor t;
    ck_assert(weld_weights_find(weights, "block.norm.bias", &t));
    ((float *)t.data)[3] = NAN;
    expect_refused(graph, weights, named, WELD_ERROR_NUMERIC, "block.norm.bias is not finite");
    free_network();
}
END_TEST

START_TEST(a_lack_of_memory_is_told_wherever_it_comes) {
    make_network();
    weld_model *m = NULL;
    weld_status status = WELD_ERROR_MEMORY;
    for (long i = 0; status; i++) {
        weld_memory_fail_after(i);
        status = weld_model_create(graph, weights, &named, &m, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_model_free(m);
    free_network();
}
END_TEST

RUN_SUITE("infer/create", a_model_and_its_file_say_what_the_graph_says, merging_joins_its_branches,
          it_is_exported_and_read_again, a_file_that_lost_its_graph_is_refused,
          its_size_can_be_changed_and_stays_so, it_is_evaluated_on_a_data_set,
          what_is_no_model_is_refused_by_what_it_is, a_lack_of_memory_is_told_wherever_it_comes)
