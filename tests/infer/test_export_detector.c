/* ONNX files of detectors: their outputs, their names and what is refused. That other programs find
 * the same boxes by them is tests/cli/test_onnx_detector.sh's business. */
#include "suite.h"

#include "base/memory.h"
#include "infer/models.h"
#include "models/models.h"
#include "serialization/weld_onnx.pb-c.h"

enum { SIZE = 64, CLASSES = 3 };

typedef WeldOnnx__ModelProto model_proto;

/* A small detector whose images are normalised, or in 0..1. */
static weld_model *open_detector(const test_folder *folder, bool normalised, char **names) {
    const char *path = test_path(folder, "detector.h5");
    weld_model_config config;
    weld_graph *g;
    weld_weights *w;
    weld_error err;
    ck_assert(!weld_model_config_named("yolo11", &config, &err));
    config.num_classes = CLASSES;
    ck_assert(!weld_model_config_set(&config, "width", "0.125", &err));
    ck_assert(!weld_model_config_set(&config, "depth", "0.25", &err));
    ck_assert(!weld_model_build(&config, true, 1, SIZE, SIZE, WELD_F32, &g, &err));
    ck_assert(!weld_graph_init_weights(g, 1, &w, &err));
    models_write(path, &config, SIZE, w, names);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_model *m = models_open(path);
    weld_preprocessing p = *weld_model_get_preprocessing(m);
    for (int c = 0; c < 3; c++) {
        p.mean[c] = normalised ? 0.5F : 0;
        p.std[c] = normalised ? 0.25F : 1;
    }
    ck_assert_msg(!weld_model_set_preprocessing(m, &p, &err), "%s", err.message);
    ck_assert_int_eq(remove(path), 0);
    return m;
}

static model_proto *exported(const weld_model *m, const test_folder *folder,
                             const weld_export_options *options) {
    const char *path = test_path(folder, "x.onnx");
    size_t size;
    weld_error err;
    ck_assert_msg(!weld_model_export(m, path, options, NULL, &err), "%s", err.message);
    unsigned char *bytes = test_read_file(path, &size);
    model_proto *file = weld_onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    ck_assert_ptr_nonnull(file);
    return file;
}

static void check_dims(const WeldOnnx__ValueInfoProto *v, const char *name, const char *expected) {
    const WeldOnnx__TensorShapeProto *shape = v->type->tensor_type->shape;
    char text[128] = "";
    ck_assert_str_eq(v->name, name);
    for (size_t i = 0; i < shape->n_dim; i++) {
        const size_t used = strlen(text);
        const WeldOnnx__TensorShapeProto__Dimension *d = shape->dim[i];
        if (d->value_case == WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) {
            snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", d->dim_param);
        } else {
            snprintf(text + used, sizeof text - used, "%s%d", i ? "," : "", (int)d->dim_value);
        }
    }
    ck_assert_str_eq(text, expected);
}

static const char *text_of(const model_proto *file, const char *key) {
    const char *found = NULL;
    for (size_t i = 0; i < file->n_metadata_props; i++) {
        if (strcmp(file->metadata_props[i]->key, key) == 0) {
            ck_assert_ptr_null(found);
            found = file->metadata_props[i]->value;
        }
    }
    ck_assert_msg(found != NULL, "no %s", key);
    return found;
}

START_TEST(files_have_what_runtimes_read) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder, false, (char *[]){"it's", "a\\b\n", "\"\xff\""});
    const weld_export_options usual = {.threads = 1}, raw = {.outputs = "raw", .batch = 2},
                              any = {.any_size = true, .threads = 1};
    model_proto *file = exported(m, &folder, &usual);
    ck_assert_uint_eq(file->graph->n_output, 1);
    check_dims(file->graph->input[0], "images", "batch,3,64,64");
    check_dims(file->graph->output[0], "output0", "batch,7,84"); /* 8 * 8 + 4 * 4 + 2 * 2 */
    ck_assert_str_eq(text_of(file, "task"), "detect");
    ck_assert_str_eq(text_of(file, "stride"), "32");
    ck_assert_str_eq(text_of(file, "batch"), "1");
    ck_assert_str_eq(text_of(file, "imgsz"), "[64, 64]");
    ck_assert_str_eq(text_of(file, "names"), "{0: 'it\\'s', 1: 'a\\\\b\\x0a', 2: '\"?\"'}");
    ck_assert_ptr_nonnull(strstr(text_of(file, "args"), "'dynamic': False,"));
    text_of(file, "weld.config");
    weld_onnx__model_proto__free_unpacked(file, NULL);
    file = exported(m, &folder, &any);
    check_dims(file->graph->input[0], "images", "batch,3,height,width");
    check_dims(file->graph->output[0], "output0", "batch,7,output0_2");
    ck_assert_ptr_nonnull(strstr(text_of(file, "args"), "'dynamic': True,"));
    weld_onnx__model_proto__free_unpacked(file, NULL);
    file = exported(m, &folder, &raw);
    ck_assert_uint_eq(file->graph->n_output, 3);
    check_dims(file->graph->output[0], "stride8", "2,67,8,8");
    check_dims(file->graph->output[2], "stride32", "2,67,2,2");
    weld_onnx__model_proto__free_unpacked(file, NULL);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(suppression_is_set_as_for_answers) {
    static const char *const set[] = {"max_det=7", "conf=0.5"};
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder, false, NULL);
    const weld_export_options nms = {.outputs = "nms", .settings = set, .setting_count = 2};
    model_proto *file = exported(m, &folder, &nms);
    ck_assert_uint_eq(file->graph->n_output, 1);
    check_dims(file->graph->output[0], "output0", "batch,7,6");
    ck_assert_str_eq(text_of(file, "names"), "{0: 'class0', 1: 'class1', 2: 'class2'}");
    ck_assert_str_eq(text_of(file, "args"),
                     "{'batch': 1, 'dynamic': False, 'half': False, 'nms': True, 'conf': 0.5, "
                     "'iou': 0.7, 'max_det': 7, 'agnostic_nms': False}");
    weld_onnx__model_proto__free_unpacked(file, NULL);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_tensor_that_no_graph_has_is_counted) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder, false, NULL);
    const weld_export_options training = {.form = WELD_EXPORT_TRAINING, .threads = 1};
    const char *path = test_path(&folder, "x.safetensors");
    weld_export_report report;
    weld_error err;
    ck_assert_msg(!weld_model_export(m, path, &training, &report, &err), "%s", err.message);
    ck_assert_int_eq(report.counts.tensors,
                     weld_graph_counts(weld_model_graph(m)).tensors + 1); /* of the distances */
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_has_no_meaning_is_refused) {
    static const char *const conf[] = {"conf=0.5"}, *const other[] = {"top=5"},
                             *const bare[] = {"conf"};
    static const struct {
        bool normalised;
        const char *name, *says;
        weld_export_options options;
    } cases[] = {
        {true, "x.onnx", "0 to 1", {.threads = 1}},
        {true, "x.onnx", "0 to 1", {.outputs = "nms"}},
        {false, "x.onnx", "nms, raw", {.outputs = "boxes"}},
        {false, "x.onnx", "conf=0.5", {.settings = conf, .setting_count = 1}},
        {false, "x.onnx", "top", {.outputs = "nms", .settings = other, .setting_count = 1}},
        {false, "x.onnx", "conf", {.outputs = "nms", .settings = bare, .setting_count = 1}},
        {false, "x.onnx", "one of them", {.outputs = "nms", .features = true}},
        {false, "x.safetensors", "ONNX", {.outputs = "raw"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_folder folder = test_folder_create();
        weld_model *m = open_detector(&folder, cases[i].normalised, NULL);
        weld_error err = {0};
        const char *path = test_path(&folder, cases[i].name);
        ck_assert_int_eq(weld_model_export(m, path, &cases[i].options, NULL, &err),
                         WELD_ERROR_ARGUMENT);
        ck_assert_msg(strstr(err.message, cases[i].says) != NULL, "%s", err.message);
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
        weld_model_free(m);
        test_folder_remove(folder);
    }
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    weld_model *m = open_detector(&folder, false, NULL), *merged = models_merge(&folder, m);
    const char *path = test_path(&folder, "x.onnx");
    weld_export_options options = {.outputs = "nms"};
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n += 1 + n / 8) {
        ck_assert_int_lt(n, 1000000);
        weld_memory_fail_after(n);
        status = weld_model_export(merged, path, &options, NULL, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_model_free(merged);
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/export_detector", files_have_what_runtimes_read, suppression_is_set_as_for_answers,
          the_tensor_that_no_graph_has_is_counted, what_has_no_meaning_is_refused,
          failing_allocations_are_errors_and_nothing_more)
