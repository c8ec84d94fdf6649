#include <signal.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "formats/file_kind.h"
#include "serialization/graph_text.h"
#include "serialization/model_file.h"
#include "serialization/model_text.h"
#include "changed_file.h"
#include "formats/store_layout.h"
#include "suite.h"
#include "repvit_config.h"

static char *names[] = {"cat", "dog", "", "caf\xe9", "a name with spaces"};

static weld_model_config tiny(void) {
    return repvit_config(5, "4, 8", "1, 1", 2, false, true);
}

static const weld_preprocessing preprocessing = {.height = 16,
                                                 .width = 16,
                                                 .crop_fraction = 0.875,
                                                 .interpolation = WELD_BILINEAR,
                                                 .mean = {0.485f, 0.456f, 0.406f},
                                                 .std = {0.229f, 0.224f, 0.225f}};

/* Noise in every tensor, so that no two are alike. */
static weld_weights *noise(const weld_weights *like, uint64_t seed) {
    weld_weights *w;
    ck_assert_int_eq(weld_weights_clone(like, &w, NULL), WELD_OK);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        size_t bytes = weld_tensor_bytes(&t);
        weld_random r = weld_random_start(seed, 0, i, WELD_RANDOM_TEST);
        for (size_t k = 0; k < bytes; k++) {
            ((unsigned char *)t.data)[k] = (unsigned char)weld_random_u32(&r);
        }
    }
    return w;
}

static weld_graph *build(bool training) {
    weld_graph *g;
    const weld_model_config config = tiny();
    ck_assert_int_eq(weld_model_build(&config, training, 1, 16, 16, WELD_F32, &g, NULL), WELD_OK);
    return g;
}

/* The parameters from number `first` on, and no buffers. */
static weld_weights *moments(const weld_graph *g, size_t first, uint64_t seed) {
    weld_weights *w, *out;
    ck_assert_int_eq(weld_weights_create(&w, NULL), WELD_OK);
    for (size_t i = first; i < weld_graph_parameter_count(g); i++) {
        weld_value *v = weld_graph_parameter(g, i);
        weld_shape shape = weld_value_shape(v);
        weld_tensor t;
        ck_assert_int_eq(weld_weights_add(w, weld_value_name(v), WELD_F32, &shape, &t, NULL),
                         WELD_OK);
    }
    out = noise(w, seed);
    weld_weights_free(w);
    return out;
}

static weld_model_file make_checkpoint(void) {
    weld_graph *g = build(true);
    weld_weights *start;
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &start, NULL), WELD_OK);
    weld_model_file mf = {.kind = WELD_MODEL_CHECKPOINT,
                          .config = tiny(),
                          .preprocessing = preprocessing,
                          .class_names = names,
                          .weights = noise(start, 2),
                          .recipe = "model: {name: repvit}\n",
                          .moment1 = moments(g, 0, 3),
                          .moment2 = moments(g, 0, 4),
                          .ema = noise(start, 6),
                          .trainer = {.seed = UINT64_C(0xfedcba9876543210),
                                      .epoch = 7,
                                      .position = 3,
                                      .step = INT64_C(9007199254740993),
                                      .epoch_samples = 96,
                                      .metrics_bytes = 12345,
                                      .best_epoch = -1,
                                      .best_score = -(double)__builtin_inf(),
                                      .epoch_loss = 0.1,
                                      .epoch_seconds = 1e-310,
                                      .elapsed_seconds = 3.25,
                                      .plateau_best = 0.1,
                                      .plateau_since = 5,
                                      .plateau_reductions = 2}};
    weld_weights_free(start);
    weld_graph_free(g);
    return mf;
}

static weld_model_file make_deploy(void) {
    weld_graph *g = build(false);
    weld_weights *start;
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &start, NULL), WELD_OK);
    weld_model_file mf = {.kind = WELD_MODEL_DEPLOY,
                          .config = tiny(),
                          .preprocessing = preprocessing,
                          .weights = noise(start, 5),
                          .graph = g,
                          .summary = "{}",
                          .verification = "{\"largest_difference\": 1e-6}"};
    weld_weights_free(start);
    return mf;
}

/* What was made here; names and texts are constants. */
static void unmake(weld_model_file *mf) {
    weld_weights_free(mf->weights);
    weld_weights_free(mf->moment1);
    weld_weights_free(mf->moment2);
    weld_weights_free(mf->ema);
    weld_graph_free(mf->graph);
}

static void assert_equal_weights(const weld_weights *a, const weld_weights *b) {
    ck_assert_uint_eq(weld_weights_count(a), weld_weights_count(b));
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        ck_assert_str_eq(weld_weights_name(a, i), weld_weights_name(b, i));
        ck_assert_int_eq(x.dtype, y.dtype);
        ck_assert(weld_shape_equal(&x.shape, &y.shape));
        ck_assert_mem_eq(x.data, y.data, weld_tensor_bytes(&x));
    }
}

START_TEST(a_checkpoint_comes_back_bit_for_bit) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "last.h5");
    weld_model_file mf = make_checkpoint(), back;
    weld_error err = {0};
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_file_kind_of(path), WELD_FILE_CHECKPOINT);
    ck_assert_msg(weld_model_file_read(path, &back, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(back.kind, WELD_MODEL_CHECKPOINT);
    const weld_model_config config = tiny();
    ck_assert_mem_eq(&back.config, &config, sizeof config);
    ck_assert_mem_eq(&back.trainer, &mf.trainer, sizeof mf.trainer);
    ck_assert_int_eq(back.preprocessing.height, 16);
    ck_assert_double_eq(back.preprocessing.crop_fraction, 0.875);
    ck_assert_int_eq(back.preprocessing.interpolation, WELD_BILINEAR);
    ck_assert_mem_eq(back.preprocessing.mean, preprocessing.mean, sizeof preprocessing.mean);
    ck_assert_mem_eq(back.preprocessing.std, preprocessing.std, sizeof preprocessing.std);
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(back.class_names[i], names[i]);
    }
    ck_assert_str_eq(back.recipe, mf.recipe);
    ck_assert_str_eq(back.program_version, weld_version());
    ck_assert_ptr_null(back.summary);
    ck_assert_ptr_null(back.graph);
    assert_equal_weights(mf.weights, back.weights);
    assert_equal_weights(mf.moment1, back.moment1);
    assert_equal_weights(mf.moment2, back.moment2);
    assert_equal_weights(mf.ema, back.ema);
    weld_model_file_free(&back);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(of_a_checkpoint_the_moving_average_can_be_chosen) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "last.h5");
    weld_model_file mf = make_checkpoint(), back;
    weld_error err = {0};
    weld_import_options options = {.key = "ema"};
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    ck_assert_msg(weld_model_file_import(path, &options, &back, &err) == WELD_OK, "%s",
                  err.message);
    assert_equal_weights(mf.ema, back.weights);
    ck_assert(!back.ema && !back.moment1 && !back.moment2);
    weld_model_file_free(&back);
    weld_weights_free(mf.ema);
    mf.ema = NULL;
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_model_file_import(path, &options, &back, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "ema"));
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(moments_are_kept_for_the_parameters_that_have_some) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "last.h5");
    weld_model_file mf = make_checkpoint(), back;
    weld_error err = {0};
    weld_graph *g = build(true);
    weld_weights *all = mf.moment2;
    weld_weights_free(mf.moment1);
    mf.moment1 = moments(g, 7, 5);
    ck_assert_int_eq(weld_model_file_write(path, &mf, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "moments given") != NULL, "%s", err.message);
    mf.moment2 = moments(g, 7, 6);
    weld_weights_free(all);
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    ck_assert_msg(weld_model_file_read(path, &back, &err) == WELD_OK, "%s", err.message);
    assert_equal_weights(mf.moment1, back.moment1);
    assert_equal_weights(mf.moment2, back.moment2);
    weld_model_file_free(&back);
    weld_weights_free(mf.moment2); /* SGD has but one */
    mf.moment2 = NULL;
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    ck_assert_msg(weld_model_file_read(path, &back, &err) == WELD_OK, "%s", err.message);
    assert_equal_weights(mf.moment1, back.moment1);
    ck_assert_ptr_null(back.moment2);
    weld_model_file_free(&back);
    weld_graph_free(g);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_deploy_file_brings_its_graph) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "deploy.h5");
    weld_model_file mf = make_deploy(), back;
    weld_error err = {0};
    char *before, *after;
    ck_assert_msg(weld_model_file_write(path, &mf, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_file_kind_of(path), WELD_FILE_DEPLOY);
    ck_assert_msg(weld_model_file_read(path, &back, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(back.kind, WELD_MODEL_DEPLOY);
    ck_assert_int_eq(weld_graph_to_text(mf.graph, &before, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_to_text(back.graph, &after, NULL), WELD_OK);
    ck_assert_str_eq(before, after);
    assert_equal_weights(mf.weights, back.weights);
    ck_assert_ptr_null(back.class_names);
    ck_assert_ptr_null(back.moment1);
    ck_assert_str_eq(back.verification, mf.verification);
    ck_assert_str_eq(back.summary, "{}");
    weld_free(before);
    weld_free(after);
    weld_model_file_free(&back);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_a_writer_lacks_is_named) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.h5");
    weld_model_file mf = make_checkpoint();
    weld_weights *good = mf.weights, *other;
    weld_error err;
    ck_assert_int_eq(weld_weights_create(&other, NULL), WELD_OK);
    mf.weights = other;
    ck_assert_int_eq(weld_model_file_write(path, &mf, &err), WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "parameters/features.0.0.c.weight"));
    weld_weights_free(other);
    /* One tensor more than the network has. */
    ck_assert_int_eq(weld_weights_clone(good, &other, NULL), WELD_OK);
    weld_shape one = WELD_SHAPE(1);
    weld_tensor t;
    ck_assert_int_eq(weld_weights_add(other, "extra", WELD_F32, &one, &t, NULL), WELD_OK);
    mf.weights = other;
    ck_assert_int_eq(weld_model_file_write(path, &mf, &err), WELD_ERROR_ARGUMENT);
    weld_weights_free(other);
    mf.weights = good;
    weld_weights *moment1 = mf.moment1;
    mf.moment1 = NULL;
    ck_assert_int_eq(weld_model_file_write(path, &mf, &err), WELD_ERROR_ARGUMENT);
    mf.moment1 = moment1;
    mf.preprocessing.std[1] = 0;
    ck_assert_int_eq(weld_model_file_write(path, &mf, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

#define CONFIG(name, classes, channels, depths, stride)                                            \
    "{\"name\":\"" name "\",\"num_classes\":" classes ",\"channels\":" channels                    \
    ",\"depths\":" depths ",\"stem_stride\":" stride ",\"legacy\":false,"                          \
    "\"distillation_head\":true}"

START_TEST(a_checkpoint_that_lies_is_refused) {
    test_folder folder = test_folder_create();
    const char *a = test_path(&folder, "a.h5"), *b = test_path(&folder, "b.h5");
    const char *weight = "parameters/features.0.0.c.weight";
    static const float zeros[1000];
    static const int64_t negative = -5;
    const weld_shape scalar = {.rank = 0};
    weld_model_file mf = make_checkpoint();
    weld_error err;
    ck_assert_int_eq(weld_model_file_write(a, &mf, NULL), WELD_OK);
    ck_assert_int_eq(read_changed(a, b, (change){"recipe", .text = "x"}, &err), WELD_OK);
    assert_refused(a, b, (change){.path = weight}, weight);
    assert_refused(a, b, (change){weight, NULL, WELD_STORE_F32, WELD_SHAPE(2, 3, 3, 1), zeros},
                   "expected shape [2, 3, 3, 3], found [2, 3, 3, 1]");
    assert_refused(a, b, (change){weight, NULL, WELD_STORE_F64, WELD_SHAPE(2, 3, 3, 3), zeros},
                   "type");
    assert_refused(a, b, (change){"parameters/more", NULL, WELD_STORE_F32, WELD_SHAPE(2), zeros},
                   "parameters/more");
    assert_refused(a, b, (change){"note", .text = "hello"}, "note");
    assert_refused(a, b, (change){.path = "optimizer/m/features.0.0.c.weight"},
                   "optimizer/m/features.0.0.c.weight");
    assert_refused(a, b, (change){.path = "optimizer/v/features.0.0.c.weight"},
                   "optimizer/v/features.0.0.c.weight");
    assert_refused(a, b, (change){.path = "trainer/step"}, "trainer/step");
    /* Those of earlier versions do not have it. */
    ck_assert_int_eq(read_changed(a, b, (change){.path = "trainer/plateau_best"}, &err), WELD_OK);
    assert_refused(a, b, (change){"trainer/step", NULL, WELD_STORE_I64, scalar, &negative},
                   "range");
    assert_refused(a, b, (change){"trainer/step", NULL, WELD_STORE_F64, scalar, &negative}, "type");
    assert_refused(a, b, (change){"class_names", .text = "cat"}, "5 classes");
    assert_refused(a, b, (change){"class_names", NULL, WELD_STORE_U8, WELD_SHAPE(6), "a\0b\0c"},
                   "5 classes");
    assert_refused(a, b,
                   (change){"class_names", NULL, WELD_STORE_U8, WELD_SHAPE(9), "a\0b\0c\0d\0e"},
                   "5 classes");
    assert_refused(a, b, (change){"graph", .text = "{}"}, "graph");
    assert_refused(a, b, (change){.path = "config"}, "config");
    assert_refused(a, b, (change){"config", .text = "{"}, "config");
    assert_refused(a, b, (change){"config", .text = CONFIG("x", "5", "[4,8]", "[1,1]", "2")},
                   "'x'");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "0", "[4,8]", "[1,1]", "2")},
                   "num_classes");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "6", "[4,8]", "[1,1]", "2")},
                   "6 classes");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4]", "[1,1]", "2")},
                   "one length");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4,8]", "[1,900]", "2")},
                   "901 blocks");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4,9]", "[1,1]", "2")},
                   "expected shape");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4,8]", "[1,3]", "2")},
                   "are not in it");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4,8]", "[1,1]", "3")},
                   "stem_stride");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4,8]", "[1,1]", "2.0")},
                   "stem_stride");
    assert_refused(a, b, (change){"preprocessing", .text = "{\"input_size\":0}"}, "input_size");
    assert_refused(a, b,
                   (change){"preprocessing",
                            .text = "{\"input_size\":16,\"crop_fraction\":0,\"interpolation\":"
                                    "\"bicubic\",\"mean\":[0,0,0],\"std\":[1,1,1]}"},
                   "crop_fraction is 0");
    assert_refused(a, b,
                   (change){"preprocessing",
                            .text = "{\"input_size\":16,\"crop_fraction\":1,\"interpolation\":"
                                    "\"bicubic\",\"mean\":[0,0,0],\"std\":[1,1e39,1]}"},
                   "std inf");
    assert_refused(a, b,
                   (change){"preprocessing",
                            .text = "{\"input_size\":16,\"crop_fraction\":1,\"interpolation\":"
                                    "\"nearest\",\"mean\":[0,0,0],\"std\":[1,1,1]}"},
                   "nearest");
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_deploy_file_that_lies_is_refused) {
    test_folder folder = test_folder_create();
    const char *a = test_path(&folder, "a.h5"), *b = test_path(&folder, "b.h5");
    weld_model_file mf = make_deploy();
    ck_assert_int_eq(weld_model_file_write(a, &mf, NULL), WELD_OK);
    assert_refused(a, b, (change){.path = "graph"}, "graph");
    assert_refused(a, b, (change){"graph", .text = "{}"}, "graph");
    assert_refused(
        a, b,
        (change){"graph",
                 .text = "{\"weld_graph\":1,\"dtype\":\"f32\",\"values\":[],\"outputs\":[]}"},
        "images");
    assert_refused(a, b,
                   (change){"preprocessing",
                            .text = "{\"input_size\":17,\"crop_fraction\":1,\"interpolation\":"
                                    "\"bicubic\",\"mean\":[0,0,0],\"std\":[1,1,1]}"},
                   "images");
    assert_refused(a, b, (change){"config", .text = CONFIG("repvit", "6", "[4,8]", "[1,1]", "2")},
                   "logits");
    assert_refused(a, b, (change){.path = "parameters/features.0.0.c.weight"}, "are not in it");
    weld_graph *training = build(true);
    char *text;
    ck_assert_int_eq(weld_graph_to_text(training, &text, NULL), WELD_OK);
    assert_refused(a, b, (change){"graph", .text = text}, "is for training");
    weld_free(text);
    weld_graph_free(training);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(missing_tensors_are_counted_and_listed_as_far_as_they_fit) {
    test_folder folder = test_folder_create();
    const char *a = test_path(&folder, "a.h5"), *b = test_path(&folder, "b.h5");
    weld_model_file mf = make_checkpoint();
    weld_error err;
    ck_assert_int_eq(weld_model_file_write(a, &mf, NULL), WELD_OK);
    ck_assert_int_eq(
        read_changed(a, b, (change){"config", .text = CONFIG("repvit", "5", "[4,8]", "[1,2]", "2")},
                     &err),
        WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, ": parameters/features.5.token_mixer.0.conv.c"));
    ck_assert_ptr_nonnull(strstr(err.message, ", ..."));
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(cut_and_flipped_files_are_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.h5"), *bad = test_path(&folder, "b.h5");
    weld_model_file mf = make_checkpoint(), back;
    weld_error err;
    size_t size;
    ck_assert_int_eq(weld_model_file_write(path, &mf, NULL), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    for (size_t i = 0; i < 20; i++) {
        test_write_file(bad, bytes, size * i / 20);
        ck_assert_int_eq(weld_model_file_read(bad, &back, &err), WELD_ERROR_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.message, bad));
    }
    weld_random r = weld_random_start(9, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < 300; i++) {
        size_t bit = weld_random_below(&r, 8 * size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        test_write_file(bad, bytes, size);
        ck_assert_int_eq(weld_model_file_read(bad, &back, &err), WELD_ERROR_FORMAT);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(bytes);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(files_of_other_kinds_are_refused_by_what_they_are) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x");
    weld_model_file mf;
    weld_error err;
    test_write_file(path, "PK\x03\x04", 4);
    ck_assert_int_eq(weld_model_file_read(path, &mf, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    test_write_file(path, "\x40\0\0\0\0\0\0\0{}", 10);
    ck_assert_int_eq(weld_model_file_read(path, &mf, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "safetensors"));
    test_write_file(path, "\xff\xd8\xff\xe0", 4);
    ck_assert_int_eq(weld_model_file_read(path, &mf, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "JPEG"));
    ck_assert_int_eq(weld_model_file_read(folder.path, &mf, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_model_file_read(test_path(&folder, "none"), &mf, &err),
                     WELD_ERROR_NOT_FOUND);
    weld_store_writer *w;
    ck_assert_int_eq(weld_store_writer_create("other", &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_commit(w, path, NULL), WELD_OK);
    weld_store_writer_free(w);
    ck_assert_int_eq(weld_model_file_read(path, &mf, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "\"other\""));
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_checkpoint_that_does_not_fit_keeps_the_old_one) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "last.h5");
    weld_model_file mf = make_checkpoint(), back;
    weld_error err;
    ck_assert_int_eq(weld_model_file_write(path, &mf, NULL), WELD_OK);
    struct rlimit limit = {4096, 4096};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    mf.trainer.epoch++;
    ck_assert_int_eq(weld_model_file_write(path, &mf, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    ck_assert_int_eq(weld_model_file_read(path, &back, &err), WELD_OK);
    ck_assert_int_eq(back.trainer.epoch, 7);
    weld_model_file_free(&back);
    unmake(&mf);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.h5");
    weld_model_file both[2] = {make_checkpoint(), make_deploy()}, back;
    for (int kind = 0; kind < 2; kind++) {
        ck_assert_int_eq(weld_model_file_write(path, &both[kind], NULL), WELD_OK);
        weld_status status = WELD_ERROR_MEMORY;
        /* Steps grow, since later allocations are most often of tensors, one like the other. */
        for (long n = 0; status != WELD_OK; n += 1 + n / 100) {
            ck_assert_int_lt(n, 100000);
            weld_memory_fail_after(n);
            status = weld_model_file_read(path, &back, NULL);
            weld_memory_fail_after(-1);
            ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        }
        weld_model_file_free(&back);
        status = WELD_ERROR_MEMORY;
        for (long n = 0; status != WELD_OK; n += 1 + n / 100) {
            ck_assert_int_lt(n, 100000);
            weld_memory_fail_after(n);
            status = weld_model_file_write(path, &both[kind], NULL);
            weld_memory_fail_after(-1);
            ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
            ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
        }
        unmake(&both[kind]);
    }
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("serialization/model_file", a_checkpoint_comes_back_bit_for_bit,
          of_a_checkpoint_the_moving_average_can_be_chosen,
          moments_are_kept_for_the_parameters_that_have_some, a_deploy_file_brings_its_graph,
          what_a_writer_lacks_is_named, a_checkpoint_that_lies_is_refused,
          a_deploy_file_that_lies_is_refused,
          missing_tensors_are_counted_and_listed_as_far_as_they_fit,
          cut_and_flipped_files_are_refused, files_of_other_kinds_are_refused_by_what_they_are,
          a_checkpoint_that_does_not_fit_keeps_the_old_one,
          failing_allocations_are_errors_and_nothing_more)
