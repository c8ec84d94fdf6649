/* Files for other programs: what they hold, what they say, and that a bad one is never left. */
#include "repvit_config.h"
#include "suite.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "formats/npy_file.h"
#include "formats/state_dict.h"
#include "models.h"

enum { SIZE = 32, IMAGES = 2, CLASSES = 5 };

static weld_model *open_fixture(const char *name, char **class_names) {
    char path[PATH_MAX];
    weld_model *m;
    weld_error err;
    weld_import_options options = {.height = SIZE,
                                   .width = SIZE,
                                   .num_classes = CLASSES,
                                   .class_names = (const char *const *)class_names};
    snprintf(path, sizeof path, "%s/weights/%s", getenv("WELD_FIXTURES"), name);
    ck_assert_msg(weld_model_import(path, &options, &m, &err) == WELD_OK, "%s", err.message);
    return m;
}

static void export_model(const weld_model *m, const char *path, weld_export_form form,
                         const char *names, weld_export_report *report) {
    weld_error err;
    weld_export_options options = {.form = form, .names = names, .threads = 2};
    ck_assert_msg(weld_model_export(m, path, &options, report, &err) == WELD_OK, "%s", err.message);
}

static float *read_npy(const char *name, int64_t count) {
    char path[PATH_MAX];
    weld_tensor t;
    weld_error err;
    snprintf(path, sizeof path, "%s/weights/%s", getenv("WELD_FIXTURES"), name);
    ck_assert_msg(npy_file_read(path, WELD_F32, &t, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_shape_count(&t.shape), count);
    return t.data;
}

/* The model's logits for the fixtures' images are those of NAME.logits.npy, to 1e-4 of the largest.
 */
static void assert_logits(const weld_model *m, const char *name) {
    char file[64];
    float got[IMAGES * CLASSES];
    snprintf(file, sizeof file, "%s.logits.npy", name);
    float *images = read_npy("images.npy", (int64_t)IMAGES * 3 * SIZE * SIZE);
    float *want = read_npy(file, (int64_t)IMAGES * CLASSES);
    weld_error err;
    ck_assert_msg(weld_model_run(m, images, IMAGES, SIZE, SIZE, 2, got, &err) == WELD_OK, "%s",
                  err.message);
    ck_assert_double_lt(models_difference(got, want, (int64_t)IMAGES * CLASSES), 1e-4);
    weld_free(images);
    weld_free(want);
}

START_TEST(files_in_either_form_and_naming_say_what_pytorch_said) {
    static const char *const names[] = {"current", "legacy", "distillation"};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "out.safetensors");
    for (int i = 0; i < 12; i++) {
        char file[64];
        weld_export_report report;
        weld_export_form form = i & 1 ? WELD_EXPORT_TRAINING : WELD_EXPORT_MERGED;
        snprintf(file, sizeof file, "%s.pth", names[i / 4]);
        weld_model *m = open_fixture(file, NULL);
        export_model(m, path, form, i & 2 ? "timm" : "official", &report);
        weld_model *written = models_open(path);
        ck_assert_int_eq(weld_model_is_merged(written), form == WELD_EXPORT_MERGED);
        assert_logits(written, names[i / 4]);
        ck_assert_int_eq(report.comparison.images, 32);
        ck_assert(!report.comparison.labelled);
        ck_assert_int_eq(report.comparison.same_answer, 32);
        ck_assert_int_eq(report.counts.parameters,
                         weld_graph_counts(weld_model_graph(written)).parameters);
        size_t bytes;
        free(test_read_file(path, &bytes));
        ck_assert_int_eq(report.bytes, (int64_t)bytes);
        weld_model_free(written);
        weld_model_free(m);
    }
    test_folder_remove(folder);
}
END_TEST

static size_t find_entry(const weld_state_dict *s, const char *name) {
    size_t i = 0;
    while (i < weld_state_dict_count(s) && strcmp(weld_state_dict_at(s, i)->name, name) != 0) {
        i++;
    }
    ck_assert_msg(i < weld_state_dict_count(s), "no %s in %s", name, weld_state_dict_file(s));
    return i;
}

/* Both have tensors of the same names, types and shapes, and elements as close as `tolerance`. */
static void assert_same_tensors(const char *path, const char *fixture, double tolerance) {
    char other[PATH_MAX];
    weld_state_dict *a, *b;
    snprintf(other, sizeof other, "%s/weights/%s", getenv("WELD_FIXTURES"), fixture);
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &a, NULL), WELD_OK);
    ck_assert_int_eq(weld_state_dict_open(other, NULL, &b, NULL), WELD_OK);
    ck_assert_uint_eq(weld_state_dict_count(a), weld_state_dict_count(b));
    for (size_t i = 0; i < weld_state_dict_count(a); i++) {
        const weld_state_entry *x = weld_state_dict_at(a, i);
        size_t k = find_entry(b, x->name);
        const weld_state_entry *y = weld_state_dict_at(b, k);
        int64_t count = weld_shape_count(&x->shape);
        weld_dtype dtype = x->element == WELD_ELEMENT_I64 ? WELD_I64 : WELD_F32;
        void *u = calloc((size_t)count, 8), *v = calloc((size_t)count, 8);
        ck_assert_int_eq(x->element, y->element);
        ck_assert(weld_shape_equal(&x->shape, &y->shape));
        ck_assert_int_eq(weld_state_dict_read(a, i, dtype, u, NULL), WELD_OK);
        ck_assert_int_eq(weld_state_dict_read(b, k, dtype, v, NULL), WELD_OK);
        if (tolerance == 0 || dtype == WELD_I64) {
            ck_assert_mem_eq(u, v, (size_t)count * weld_dtype_size(dtype));
        } else {
            ck_assert_msg(models_difference(u, v, count) <= tolerance, "%s", x->name);
        }
        free(u);
        free(v);
    }
    weld_state_dict_free(a);
    weld_state_dict_free(b);
}

START_TEST(tensors_are_those_that_pytorch_users_have) {
    static const struct {
        const char *from, *to;
        weld_export_form form;
        const char *names;
        double tolerance; /* of merged ones: rounding */
    } cases[] = {
        {"current.pth", "official.safetensors", WELD_EXPORT_TRAINING, "official", 0},
        {"current.pth", "timm.safetensors", WELD_EXPORT_TRAINING, "timm", 0},
        {"legacy.pth", "timm_legacy.safetensors", WELD_EXPORT_TRAINING, "timm", 0},
        {"distillation.pth", "timm_distillation.safetensors", WELD_EXPORT_TRAINING, "timm", 0},
        {"current.pth", "merged_official.safetensors", WELD_EXPORT_MERGED, "official", 1e-5},
        {"current.pth", "merged_timm.safetensors", WELD_EXPORT_MERGED, "timm", 1e-5},
        {"distillation.pth", "merged_timm_distillation.safetensors", WELD_EXPORT_MERGED, "timm",
         1e-5},
        {"distillation.pth", "merged.pth", WELD_EXPORT_MERGED, "official", 1e-5},
        /* what is merged already is written as it is, under other names */
        {"merged_timm.safetensors", "merged_official.safetensors", WELD_EXPORT_MERGED, "official",
         0},
        {"merged_official.safetensors", "merged_timm.safetensors", WELD_EXPORT_MERGED, "timm", 0},
    };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "out.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_model *m = open_fixture(cases[i].from, NULL);
        export_model(m, path, cases[i].form, cases[i].names, NULL);
        assert_same_tensors(path, cases[i].to, cases[i].tolerance);
        weld_model_free(m);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_tensors_do_not_tell_travels_with_them) {
    char *names[CLASSES] = {"ant", "b\xc3\xa4r", "\xff", "dog", "elk"};
    test_folder folder = test_folder_create();
    const char *checkpoint = test_path(&folder, "x.h5"), *out = test_path(&folder, "x.safetensors");
    weld_model_config config;
    weld_graph *g;
    weld_weights *w;
    ck_assert_int_eq(weld_model_config_named("repvit", &config, NULL), WELD_OK);
    config.num_classes = CLASSES;
    set_value(&config, "channels", "8, 8");
    set_value(&config, "depths", "1, 1");
    set_value(&config, "stem_stride", "1");
    set_flag(&config, "legacy", true);
    set_flag(&config, "distillation_head", true);
    ck_assert_int_eq(weld_model_build(&config, true, 1, 20, 20, WELD_F32, &g, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, NULL), WELD_OK);
    models_write(checkpoint, &config, 20, w, names);
    weld_model *m = models_open(checkpoint);
    for (int i = 0; i < 4; i++) {
        export_model(m, out, i & 1 ? WELD_EXPORT_TRAINING : WELD_EXPORT_MERGED,
                     i & 2 ? "timm" : "official", NULL);
        weld_model *written = models_open(out);
        const weld_model_config *c = weld_model_get_config(written);
        const weld_preprocessing *p = weld_model_get_preprocessing(written),
                                 *q = weld_model_get_preprocessing(m);
        ck_assert_str_eq(c->name, "repvit");
        ck_assert_int_eq(value_of(c, "stem_stride"), 1);
        ck_assert(value_of(c, "legacy") && value_of(c, "distillation_head"));
        ck_assert_int_eq(p->height, 20);
        ck_assert_double_eq(p->crop_fraction, q->crop_fraction);
        ck_assert_int_eq(p->interpolation, q->interpolation);
        ck_assert_mem_eq(p->mean, q->mean, sizeof p->mean);
        ck_assert_mem_eq(p->std, q->std, sizeof p->std);
        for (int k = 0; k < CLASSES; k++) {
            ck_assert_str_eq(weld_model_class_name(written, k), names[k]);
        }
        weld_model_free(written);
    }
    weld_model_free(m);
    weld_weights_free(w);
    weld_graph_free(g);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_same_model_gives_the_same_bytes) {
    static const char *const endings[] = {"safetensors", "onnx"};
    test_folder folder = test_folder_create();
    weld_model *m = open_fixture("distillation.pth", NULL);
    for (int i = 0; i < 2; i++) {
        size_t sizes[2];
        unsigned char *bytes[2];
        for (int k = 0; k < 2; k++) {
            char name[32];
            snprintf(name, sizeof name, "%d.%s", k, endings[i]);
            weld_export_options options = {.threads = 1 + k};
            ck_assert_int_eq(weld_model_export(m, test_path(&folder, name), &options, NULL, NULL),
                             WELD_OK);
            bytes[k] = test_read_file(test_path(&folder, name), &sizes[k]);
        }
        ck_assert_uint_eq(sizes[0], sizes[1]);
        ck_assert_mem_eq(bytes[0], bytes[1], sizes[0]);
        free(bytes[0]);
        free(bytes[1]);
    }
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(an_onnx_file_tells_what_went_into_it) {
    test_folder folder = test_folder_create();
    weld_export_report report;
    weld_export_options options = {.batch = 3, .threads = 1};
    weld_model *m = open_fixture("distillation.pth", NULL);
    weld_model *merged = models_merge(&folder, m);
    const char *path = test_path(&folder, "x.onnx");
    ck_assert_int_eq(weld_model_export(m, path, &options, &report, NULL), WELD_OK);
    ck_assert_int_eq(report.comparison.images, 32);
    ck_assert_int_eq(report.counts.convolutions,
                     weld_graph_counts(weld_model_graph(merged)).convolutions);
    ck_assert_int_gt(report.bytes, 4 * report.counts.parameters);
    /* Nothing stands between a merged model and the file that could be compared. */
    ck_assert_int_eq(weld_model_export(merged, path, &options, &report, NULL), WELD_OK);
    ck_assert_int_eq(report.comparison.images, 0);
    weld_model_free(merged);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_has_no_meaning_is_refused) {
    static const struct {
        const char *model, *name, *says;
        weld_export_options options;
    } cases[] = {
        {"current.pth", "x.h5", ".safetensors or .onnx", {0}},
        {"current.pth", "safetensors", ".safetensors or .onnx", {0}},
        {"current.pth", "x.onnx", "training form", {.form = WELD_EXPORT_TRAINING}},
        {"current.pth", "x.onnx", "names of the network's own", {.names = "timm"}},
        {"current.pth", "x.onnx", "batch", {.batch = -1}},
        {"current.pth", "x.safetensors", "batch", {.batch = 1}},
        {"merged.pth", "x.safetensors", "training checkpoint", {.form = WELD_EXPORT_TRAINING}},
    };
    test_folder folder = test_folder_create();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weld_error err = {0};
        weld_model *m = open_fixture(cases[i].model, NULL);
        ck_assert_int_eq(
            weld_model_export(m, test_path(&folder, cases[i].name), &cases[i].options, NULL, &err),
            WELD_ERROR_ARGUMENT);
        ck_assert_msg(strstr(err.message, cases[i].says) != NULL, "%s", err.message);
        weld_model_free(m);
    }
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_network_that_says_nothing_finite_is_not_exported) {
    test_folder folder = test_folder_create();
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"x.safetensors", "x.safetensors", "x.onnx"};
        weld_export_options options = {.form = i ? WELD_EXPORT_MERGED : WELD_EXPORT_TRAINING};
        weld_error err = {0};
        weld_tensor t;
        weld_model *m = open_fixture("current.pth", NULL);
        ck_assert(weld_weights_find(weld_model_weights(m), "features.0.0.c.weight", &t));
        ((float *)t.data)[0] = NAN;
        ck_assert_int_eq(weld_model_export(m, test_path(&folder, names[i]), &options, NULL, &err),
                         WELD_ERROR_NUMERIC);
        ck_assert_msg(strstr(err.message, "damaged") != NULL, "%s", err.message);
        weld_model_free(m);
    }
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_data_set_that_does_not_fit_leaves_the_old_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_export_options options = {.verify = test_path(&folder, "nowhere")};
    weld_error err;
    weld_model *m = open_fixture("current.pth", NULL);
    test_write_file(path, "old", 3);
    ck_assert_int_ne(weld_model_export(m, path, &options, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "nowhere"));
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    size_t size;
    free(test_read_file(path, &size));
    ck_assert_uint_eq(size, 3);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_full_disk_is_an_error_and_leaves_nothing) {
    test_folder folder = test_folder_create();
    weld_model *m = open_fixture("merged.pth", NULL);
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 16; i++) {
        const char *path = test_path(&folder, i & 1 ? "x.safetensors" : "x.onnx");
        struct rlimit low = {(rlim_t)i * 1024, RLIM_INFINITY},
                      none = {RLIM_INFINITY, RLIM_INFINITY};
        weld_export_options options = {.threads = 1};
        weld_error err = {0};
        setrlimit(RLIMIT_FSIZE, &low); /* Check itself must be able to write again */
        weld_status status = weld_model_export(m, path, &options, NULL, &err);
        setrlimit(RLIMIT_FSIZE, &none);
        ck_assert_int_eq(status, WELD_ERROR_IO);
        ck_assert_ptr_nonnull(strstr(err.message, path));
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    }
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    char *names[CLASSES] = {"a", "b", "c", "d", "e"};
    weld_model *m = open_fixture("distillation.pth", names);
    for (int i = 0; i < 2; i++) {
        const char *path = test_path(&folder, i ? "x.safetensors" : "x.onnx");
        weld_export_options options = {.threads = 1};
        weld_status status = WELD_ERROR_MEMORY;
        for (long n = 0; status != WELD_OK; n += 1 + n / 40) {
            ck_assert_int_lt(n, 1000000);
            weld_memory_fail_after(n);
            status = weld_model_export(m, path, &options, NULL, NULL);
            weld_memory_fail_after(-1);
            ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
            ck_assert_int_eq(test_folder_walk(folder.path, 0), i + (status == WELD_OK));
        }
    }
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/export", files_in_either_form_and_naming_say_what_pytorch_said,
          tensors_are_those_that_pytorch_users_have, what_tensors_do_not_tell_travels_with_them,
          the_same_model_gives_the_same_bytes, an_onnx_file_tells_what_went_into_it,
          what_has_no_meaning_is_refused, a_network_that_says_nothing_finite_is_not_exported,
          a_data_set_that_does_not_fit_leaves_the_old_file,
          a_full_disk_is_an_error_and_leaves_nothing,
          failing_allocations_are_errors_and_nothing_more)
