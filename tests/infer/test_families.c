/* Small networks of each family as files: at another size than they were opened with, merged, and
 * written and read again under each naming, they say what PyTorch says. */
#include "suite.h"

#include "base/memory.h"
#include "formats/state_dict.h"
#include "graph/plan.h"
#include "infer/model.h"
#include "infer/models.h"
#include "models/models.h"
#include "passes/precision.h"

typedef struct batch {
    int64_t count, size;
    int classes;
    float *images; /* channels first */
    const float *logits;
} batch;

static batch take_batch(const weld_weights *fixture) {
    weld_tensor t = fixture_tensor(fixture, "images/", "0");
    weld_tensor logits = fixture_tensor(fixture, "", "logits");
    const int64_t n = t.shape.dim[0], size = t.shape.dim[1], pixels = size * size;
    batch b = {n, size, (int)logits.shape.dim[1], weld_alloc((size_t)(n * 3 * pixels), 4),
               logits.data};
    for (int64_t i = 0; i < n * 3 * pixels; i++) {
        const int64_t image = i / (3 * pixels), c = i / pixels % 3, p = i % pixels;
        b.images[i] = ((const float *)t.data)[(image * pixels + p) * 3 + c];
    }
    return b;
}

static void expect_logits(const weld_model *m, const batch *b, const char *what) {
    float got[64];
    weld_error err;
    ck_assert_int_le(b->count * b->classes, 64);
    ck_assert_msg(!weld_model_run(m, b->images, b->count, b->size, b->size, 2, got, &err), "%s: %s",
                  what, err.message);
    double difference = models_difference(got, b->logits, b->count * b->classes);
    ck_assert_msg(difference < 1e-4, "%s: %g", what, difference);
}

/* The network of a fixture, in a file for images of `size`. */
static weld_model *open_case(const family_case *f, const weld_weights *fixture,
                             const test_folder *folder, int size) {
    const char *path = test_path(folder, "family.h5");
    weld_model_config config = family_case_config(f);
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build(&config, true, 1, size, size, WELD_F32, &g, &err), "%s",
                  err.message);
    weld_weights *w = fixture_weights(fixture, "before/", g);
    models_write(path, &config, size, w, NULL);
    weld_weights_free(w);
    weld_graph_free(g);
    return models_open(path);
}

static void set_size(weld_model *m, int size) {
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    weld_error err;
    p.height = p.width = size;
    ck_assert_msg(!weld_model_set_preprocessing(m, &p, &err), "%s", err.message);
}

static void check_sizes(const family_case *f, const weld_weights *fixture,
                        const test_folder *folder, const batch *b) {
    /* Tables of positions, of the fixture's size, have no values for another one. */
    const bool tables = weld_family_find(f->name, NULL, NULL)->position_grids;
    weld_model *m = open_case(f, fixture, folder, tables ? (int)b->size : 32);
    weld_model *merged = models_merge(folder, m);
    if (tables) {
        set_size(m, 64);
        set_size(merged, 64);
        set_size(m, (int)b->size);
        set_size(merged, (int)b->size);
    }
    expect_logits(m, b, f->name);
    expect_logits(merged, b, f->name);
    set_size(m, (int)b->size);
    set_size(merged, (int)b->size);
    expect_logits(m, b, f->name);
    expect_logits(merged, b, f->name);
    weld_model_free(merged);
    weld_model_free(m);
}

START_TEST(images_of_another_size_are_taken_merged_or_not) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        test_folder folder = test_folder_create();
        weld_weights *fixture = family_case_load(&family_cases[i]);
        batch b = take_batch(fixture);
        check_sizes(&family_cases[i], fixture, &folder, &b);
        weld_free(b.images);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
}
END_TEST

static void check_export(const weld_model *m, const char *path, const weld_naming *naming,
                         weld_export_form form, const batch *b) {
    const weld_export_options options = {.form = form, .names = naming->name, .threads = 2};
    weld_error err;
    ck_assert_msg(!weld_model_export(m, path, &options, NULL, &err), "%s: %s", naming->name,
                  err.message);
    weld_model *written = models_open(path);
    ck_assert_int_eq(weld_model_is_merged(written), form == WELD_EXPORT_MERGED);
    expect_logits(written, b, naming->name);
    weld_model_free(written);
}

START_TEST(under_each_naming_and_in_each_form_they_are_read_again) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        test_folder folder = test_folder_create();
        const weld_model_family *family = weld_family_find(family_cases[i].name, NULL, NULL);
        weld_weights *fixture = family_case_load(&family_cases[i]);
        batch b = take_batch(fixture);
        weld_model *m = open_case(&family_cases[i], fixture, &folder, (int)b.size);
        const char *path = test_path(&folder, "out.safetensors");
        for (size_t n = 0; n < family->naming_count; n++) {
            check_export(m, path, &family->namings[n], WELD_EXPORT_TRAINING, &b);
            check_export(m, path, &family->namings[n], WELD_EXPORT_MERGED, &b);
        }
        weld_model_free(m);
        weld_free(b.images);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
}
END_TEST

/* The floats of a tensor as they stand in a file that m is written to. */
static void read_written(const weld_model *m, const char *path, const char *naming,
                         const char *tensor, float *to) {
    const weld_export_options options = {
        .form = WELD_EXPORT_TRAINING, .names = naming, .threads = 2};
    weld_state_dict *dict;
    size_t i = 0;
    ck_assert_int_eq(weld_model_export(m, path, &options, NULL, NULL), WELD_OK);
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &dict, NULL), WELD_OK);
    while (i < weld_state_dict_count(dict) &&
           strcmp(weld_state_dict_at(dict, i)->name, tensor) != 0) {
        i++;
    }
    ck_assert_uint_lt(i, weld_state_dict_count(dict));
    ck_assert_int_eq(weld_state_dict_read(dict, i, WELD_F32, to, NULL), WELD_OK);
    weld_state_dict_free(dict);
}

/* cvnets' MobileViTs are for images of blue, green and red. */
START_TEST(a_file_for_bgr_images_has_the_first_convolution_turned) {
    enum { OUT = 4, TAPS = 9 };
    float rgb[OUT][3][TAPS], bgr[OUT][3][TAPS];
    for (int i = 0; i < FAMILY_CASES; i++) {
        if (strcmp(family_cases[i].name, "mobilevit") != 0) {
            continue;
        }
        test_folder folder = test_folder_create();
        weld_weights *fixture = family_case_load(&family_cases[i]);
        weld_model *m = open_case(&family_cases[i], fixture, &folder, 32);
        const char *path = test_path(&folder, "out.safetensors");
        read_written(m, path, "timm", "stem.conv.weight", &rgb[0][0][0]);
        read_written(m, path, "cvnets", "conv_1.block.conv.weight", &bgr[0][0][0]);
        for (int o = 0; o < OUT; o++) {
            for (int c = 0; c < 3; c++) {
                ck_assert_mem_eq(bgr[o][c], rgb[o][2 - c], sizeof rgb[o][c]);
            }
        }
        weld_model_free(m);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
}
END_TEST

START_TEST(each_stride_has_one_map_the_deepest) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        test_folder folder = test_folder_create();
        weld_weights *fixture = family_case_load(&family_cases[i]);
        weld_model *m = open_case(&family_cases[i], fixture, &folder, 32);
        weld_runner *r;
        weld_error err;
        ck_assert_msg(!weld_runner_create_features(m, 32, 32, 1, &r, &err), "%s: %s",
                      family_cases[i].name, err.message);
        const size_t last = weld_runner_output_count(r) - 1;
        for (size_t k = 0; k <= last; k++) {
            const int stride = weld_runner_output_stride(r, k);
            ck_assert_int_eq(stride, weld_runner_output_stride(r, 0) << k);
            ck_assert_int_eq(weld_runner_output_shape(r, k).dim[1] * stride, 32);
        }
        if (strcmp(family_cases[i].name, "mobilenetv3") == 0) {
            ck_assert_int_eq(weld_runner_output_shape(r, last).dim[0], 10); /* not 6, of stage 4 */
        }
        weld_runner_free(r);
        weld_model_free(m);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
}
END_TEST

static weld_session *ran(const weld_graph *g, weld_weights *w, int threads, bool node_by_node) {
    const weld_session_options o = {
        .threads = threads, .constant_weights = true, .node_by_node = node_by_node};
    weld_session *s;
    weld_error err;
    ck_assert_msg(!weld_session_create(g, w, &o, &s, &err), "%s", err.message);
    const weld_tensor images = weld_session_input(s, "images");
    models_fill_noise(images.data, weld_shape_count(&images.shape), 3);
    weld_session_run(s, 0);
    return s;
}

/* At least so many nodes fewer are run: in bf16 there may be none. */
static void check_passing(const char *name, const weld_graph *g, weld_weights *w, size_t fewer) {
    weld_session *plain = ran(g, w, 1, true);
    for (int threads = 1; threads <= 3; threads += 2) {
        weld_session *s = ran(g, w, threads, false);
        ck_assert_uint_le(weld_session_plan(s)->order_count + fewer,
                          weld_session_plan(plain)->order_count);
        for (size_t i = 0; i < g->output_count; i++) {
            const weld_tensor a = weld_session_output(plain, g->outputs[i].name);
            const weld_tensor b = weld_session_output(s, g->outputs[i].name);
            ck_assert_msg(!memcmp(a.data, b.data, weld_tensor_bytes(&a)), "%s: %s, %d threads",
                          name, g->outputs[i].name, threads);
        }
        weld_session_free(s);
    }
    weld_session_free(plain);
}

static void check_passing_in_both(const char *name, weld_model *m) {
    for (int bf16 = 0; bf16 < 2; bf16++) {
        weld_error err;
        const weld_precision precision = bf16 ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
        ck_assert_msg(!weld_model_set_precision(m, precision, &err), "%s", err.message);
        check_passing(name, weld_model_running_graph(m), m->file.weights, bf16 ? 0 : 4);
    }
}

/* Functions are taken by the layers before them (graph/finish.c), merged or not. */
START_TEST(what_is_done_in_passing_changes_no_bit) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        test_folder folder = test_folder_create();
        weld_weights *fixture = family_case_load(&family_cases[i]);
        weld_model *m = open_case(&family_cases[i], fixture, &folder, 32);
        weld_model *merged = models_merge(&folder, m);
        check_passing_in_both(family_cases[i].name, m);
        check_passing_in_both(family_cases[i].name, merged);
        weld_model_free(merged);
        weld_model_free(m);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
}
END_TEST

START_TEST(nor_in_a_detector_nor_in_a_repvit) {
    static const char *const names[] = {"yolo11n", "repvit_m0_9"};
    for (int i = 0; i < 2; i++) {
        weld_model_config config;
        weld_graph *g, *lower;
        weld_weights *w;
        ck_assert_int_eq(weld_model_config_named(names[i], &config, NULL), WELD_OK);
        ck_assert_int_eq(weld_model_build(&config, false, 1, 64, 64, WELD_F32, &g, NULL), WELD_OK);
        ck_assert_int_eq(weld_graph_init_weights(g, 7, &w, NULL), WELD_OK);
        ck_assert_int_eq(weld_precision_bf16(g, &lower, NULL), WELD_OK);
        check_passing(names[i], g, w, 20);
        check_passing(names[i], lower, w, 0);
        weld_weights_free(w);
        weld_graph_free(lower);
        weld_graph_free(g);
    }
}
END_TEST

RUN_SUITE("infer/families", images_of_another_size_are_taken_merged_or_not,
          under_each_naming_and_in_each_form_they_are_read_again,
          a_file_for_bgr_images_has_the_first_convolution_turned,
          each_stride_has_one_map_the_deepest, what_is_done_in_passing_changes_no_bit,
          nor_in_a_detector_nor_in_a_repvit)
