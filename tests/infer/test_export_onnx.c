/* What ONNX files give: logits or the stages' maps, of images of one size or of any. That other
 * programs compute the same from them is tests/cli/test_onnx_sizes.sh's business. */
#include "suite.h"

#include "base/memory.h"
#include "infer/models.h"
#include "models/models.h"
#include "serialization/weld_onnx.pb-c.h"

enum { SIZE = 32 };

typedef WeldOnnx__ModelProto model_proto;

static weld_model *open_fixture(void) {
    char path[PATH_MAX];
    weld_model *m;
    weld_error err;
    const weld_import_options options = {.height = SIZE, .width = SIZE};
    snprintf(path, sizeof path, "%s/weights/current.pth", getenv("WELD_FIXTURES"));
    ck_assert_msg(weld_model_import(path, &options, &m, &err) == WELD_OK, "%s", err.message);
    return m;
}

static model_proto *read_model(const char *path) {
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    model_proto *file = weld_onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    ck_assert_ptr_nonnull(file);
    return file;
}

/* Export m and read the file. */
static model_proto *exported(const weld_model *m, const weld_export_options *options,
                             weld_export_report *report) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.onnx");
    weld_error err;
    ck_assert_msg(weld_model_export(m, path, options, report, &err) == WELD_OK, "%s", err.message);
    model_proto *file = read_model(path);
    test_folder_remove(folder);
    return file;
}

static void refused(const weld_model *m, const char *name, const weld_export_options *options,
                    weld_status expected, const char *says) {
    test_folder folder = test_folder_create();
    weld_error err = {0};
    ck_assert_int_eq(weld_model_export(m, test_path(&folder, name), options, NULL, &err), expected);
    ck_assert_msg(strstr(err.message, says) && strstr(err.message, name), "%s", err.message);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    test_folder_remove(folder);
}

/* Its dimensions as text, "batch,3,height,width". */
static void check_dims(const WeldOnnx__ValueInfoProto *v, const char *name, const char *expected) {
    const WeldOnnx__TensorShapeProto *shape = v->type->tensor_type->shape;
    char text[128] = "";
    ck_assert_str_eq(v->name, name);
    for (size_t i = 0; i < shape->n_dim; i++) {
        const WeldOnnx__TensorShapeProto__Dimension *d = shape->dim[i];
        const size_t used = strlen(text);
        if (d->value_case == WELD_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) {
            snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", d->dim_param);
        } else {
            snprintf(text + used, sizeof text - used, "%s%d", i ? "," : "", (int)d->dim_value);
        }
    }
    ck_assert_str_eq(text, expected);
}

START_TEST(features_are_outputs_named_by_stride) {
    weld_model *m = open_fixture();
    weld_export_report report;
    const weld_export_options options = {.features = true, .batch = 2, .threads = 1};
    model_proto *file = exported(m, &options, &report);
    weld_runner *r;
    ck_assert_int_eq(weld_runner_create_features(m, SIZE, SIZE, 1, &r, NULL), WELD_OK);
    ck_assert_uint_eq(file->graph->n_output, weld_runner_output_count(r));
    for (size_t i = 0; i < file->graph->n_output; i++) {
        const weld_shape shape = weld_runner_output_shape(r, i);
        char name[32], dims[64];
        snprintf(name, sizeof name, "stride%d", weld_runner_output_stride(r, i));
        snprintf(dims, sizeof dims, "2,%d,%d,%d", (int)shape.dim[0], (int)shape.dim[1],
                 (int)shape.dim[2]);
        check_dims(file->graph->output[i], name, dims);
        ck_assert_ptr_nonnull(strstr(report.outputs, name));
    }
    for (size_t i = 0; i < file->graph->n_initializer; i++) {
        ck_assert_ptr_null(strstr(file->graph->initializer[i]->name, "classifier"));
    }
    ck_assert_int_gt(report.comparison.images, 0);
    ck_assert(report.comparison.largest_output > 0);
    ck_assert_int_eq(report.opset, (int)file->opset_import[0]->version);
    ck_assert_int_eq(report.ir_version, (int)file->ir_version);
    weld_runner_free(r);
    weld_onnx__model_proto__free_unpacked(file, NULL);
    weld_model_free(m);
}
END_TEST

START_TEST(strides_choose_among_features) {
    static const int other[] = {4, 7};
    weld_model *m = open_fixture();
    weld_runner *r;
    int strides[WELD_MAX_STAGES];
    ck_assert_int_eq(weld_runner_create_features(m, SIZE, SIZE, 1, &r, NULL), WELD_OK);
    const size_t count = weld_runner_output_count(r);
    for (size_t i = 0; i < count; i++) {
        strides[i] = weld_runner_output_stride(r, i);
    }
    weld_runner_free(r);
    ck_assert_uint_ge(count, 2);
    const int chosen[] = {strides[count - 1], strides[0]};
    weld_export_options options = {.features = true, .strides = chosen, .stride_count = 2};
    model_proto *file = exported(m, &options, NULL);
    ck_assert_uint_eq(file->graph->n_output, 2);
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "stride%d", chosen[1 - i]);
        ck_assert_str_eq(file->graph->output[i]->name, name);
    }
    weld_onnx__model_proto__free_unpacked(file, NULL);
    options.strides = other;
    refused(m, "x.onnx", &options, WELD_ERROR_ARGUMENT, "stride 7");
    weld_model_free(m);
}
END_TEST

/* The network of a family's fixture, for images of its size. */
static weld_model *open_family(const family_case *f, const test_folder *folder) {
    const char *path = test_path(folder, "family.h5");
    weld_weights *fixture = family_case_load(f);
    const int size = (int)fixture_tensor(fixture, "images/", "0").shape.dim[1];
    weld_model_config config = family_case_config(f);
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build(&config, true, 1, size, size, WELD_F32, &g, &err), "%s",
                  err.message);
    weld_weights *w = fixture_weights(fixture, "before/", g);
    models_write(path, &config, size, w, NULL);
    weld_weights_free(w);
    weld_graph_free(g);
    weld_weights_free(fixture);
    return models_open(path);
}

START_TEST(height_and_width_are_open_where_the_network_allows_it) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        test_folder folder = test_folder_create();
        weld_model *m = open_family(&family_cases[i], &folder);
        const weld_export_options any = {.any_size = true, .threads = 1},
                                  maps = {.any_size = true, .features = true, .threads = 1};
        if (family_cases[i].attends) {
            refused(m, "x.onnx", &any, WELD_ERROR_SHAPE, "height and width cannot be left open");
            refused(m, "x.onnx", &maps, WELD_ERROR_SHAPE, "height and width cannot be left open");
        } else {
            model_proto *file = exported(m, &any, NULL);
            check_dims(file->graph->input[0], "input", "batch,3,height,width");
            check_dims(file->graph->output[0], "logits", "batch,5");
            weld_onnx__model_proto__free_unpacked(file, NULL);
            file = exported(m, &maps, NULL);
            for (size_t k = 0; k < file->graph->n_output; k++) {
                const WeldOnnx__ValueInfoProto *v = file->graph->output[k];
                char dims[128];
                snprintf(dims, sizeof dims, "batch,%d,%s_height,%s_width",
                         (int)v->type->tensor_type->shape->dim[1]->dim_value, v->name, v->name);
                check_dims(v, v->name, dims);
            }
            weld_onnx__model_proto__free_unpacked(file, NULL);
        }
        weld_model_free(m);
        test_folder_remove(folder);
    }
}
END_TEST

START_TEST(what_has_no_meaning_is_refused) {
    static const int strides[] = {4};
    static const struct {
        const char *name, *says;
        weld_export_options options;
    } cases[] = {
        {"x.safetensors", "opset", {.opset = 12}},
        {"x.safetensors", "features", {.features = true}},
        {"x.safetensors", "dynamic size", {.any_size = true}},
        {"x.onnx", "features", {.strides = strides, .stride_count = 1}},
        {"x.onnx", "opset 8 ", {.opset = 8}},
        {"x.onnx", "opset 99 ", {.opset = 99}},
    };
    weld_model *m = open_fixture();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refused(m, cases[i].name, &cases[i].options, WELD_ERROR_ARGUMENT, cases[i].says);
    }
    weld_model_free(m);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    weld_model *m = open_fixture();
    const char *path = test_path(&folder, "x.onnx");
    weld_export_options options = {.any_size = true, .features = true, .threads = 1};
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n += 1 + n / 20) {
        ck_assert_int_lt(n, 1000000);
        weld_memory_fail_after(n);
        status = weld_model_export(m, path, &options, NULL, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(test_folder_walk(folder.path, 0), status == WELD_OK);
    }
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/export_onnx", features_are_outputs_named_by_stride, strides_choose_among_features,
          height_and_width_are_open_where_the_network_allows_it, what_has_no_meaning_is_refused,
          failing_allocations_are_errors_and_nothing_more)
