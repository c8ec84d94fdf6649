/* Files of networks of integers: what comes back, and what of a file that lies is refused. */
#include <jansson.h>
#include <math.h>

#include "../passes/minmax.h"
#include "base/memory.h"
#include "changed_file.h"
#include "files.h"
#include "formats/file_kind.h"
#include "passes/reparameterize.h"
#include "repvit_config.h"
#include "suite.h"

#define STEM "features.0.0"
#define LAST "classifier.classifier"

/* A tiny network and its file. */
typedef struct made {
    test_folder folder;
    char path[256], other[256];
    weld_model_file file;
    weld_weights *floats;
} made;

static made make(void) {
    made m = {.folder = test_folder_create()};
    weld_error err = {0};
    weld_graph *g;
    weld_weights *w;
    snprintf(m.path, sizeof m.path, "%s/a.h5", m.folder.path);
    snprintf(m.other, sizeof m.other, "%s/b.h5", m.folder.path);
    weld_model_file *f = &m.file;
    *f = (weld_model_file){.kind = WELD_MODEL_DEPLOY,
                           .config = repvit_config(5, "4, 8", "1, 1", 2, false, false),
                           .preprocessing = {.height = 16,
                                             .width = 16,
                                             .crop_fraction = 0.875,
                                             .mean = {0.5f, 0.5f, 0.5f},
                                             .std = {0.25f, 0.25f, 0.25f}}};
    minmax_ok(weld_model_build(&f->config, false, 1, 16, 16, WELD_F32, &g, &err), &err);
    minmax_ok(weld_graph_init_weights(g, 5, &w, &err), &err);
    minmax_ok(weld_reparameterize(g, w, &f->graph, &m.floats, &err), &err);
    weld_graph_free(g);
    weld_weights_free(w);
    f->quantization = weld_alloc(1, sizeof *f->quantization);
    *f->quantization = minmax_quantization(f->graph, m.floats, 4, NULL);
    f->quantization->details = weld_strdup("{\"method\":\"minmax\",\"images\":4}");
    minmax_ok(weld_quantize_weights(f->graph, m.floats, f->quantization, &f->weights, &err), &err);
    minmax_ok(weld_model_file_write(m.path, f, &err), &err);
    return m;
}

static void unmake(made *m) {
    weld_model_file_free(&m->file);
    weld_weights_free(m->floats);
    test_folder_remove(m->folder);
}

START_TEST(what_was_written_comes_back) {
    made m = make();
    weld_model_file back;
    weld_error err = {0};
    weld_file_kind kind;
    ck_assert_int_eq(weld_file_kind_read(m.path, &kind, &err), WELD_OK);
    ck_assert_int_eq(kind, WELD_FILE_DEPLOY);
    ck_assert_msg(weld_model_file_read(m.path, &back, &err) == WELD_OK, "%s", err.message);
    const weld_quantization *a = m.file.quantization, *b = back.quantization;
    ck_assert_uint_eq(a->value_count, b->value_count);
    ck_assert_mem_eq(a->codes, b->codes, a->value_count * sizeof *a->codes);
    ck_assert_mem_eq(a->float_nodes, b->float_nodes, a->node_count * sizeof *a->float_nodes);
    ck_assert_str_eq(b->details, a->details);
    ck_assert_uint_eq(weld_weights_count(back.weights), weld_weights_count(m.file.weights));
    for (size_t i = 0; i < weld_weights_count(back.weights); i++) {
        weld_tensor want, got = weld_weights_tensor(back.weights, i);
        ck_assert(weld_weights_find(m.file.weights, weld_weights_name(back.weights, i), &want));
        ck_assert(want.dtype == got.dtype && weld_shape_equal(&want.shape, &got.shape));
        ck_assert_mem_eq(got.data, want.data, weld_tensor_bytes(&want));
    }
    weld_model_file_free(&back);
    unmake(&m);
}
END_TEST

START_TEST(weights_take_a_quarter_of_the_memory) {
    made m = make();
    weld_tensor t;
    ck_assert(weld_weights_find(m.file.weights, LAST ".weight", &t));
    ck_assert_int_eq(t.dtype, WELD_I8);
    ck_assert(weld_weights_find(m.file.weights, "scales/" LAST ".weight", &t));
    ck_assert_int_eq(t.dtype, WELD_F32);
    ck_assert(weld_weights_find(m.file.weights, LAST ".bias", &t));
    ck_assert_int_eq(t.dtype, WELD_I32);
    unmake(&m);
}
END_TEST

/* --- Files that lie --------------------------------------------------------------------------- */

static json_t *read_quantization(const made *m) {
    weld_store *s;
    const char *text;
    ck_assert_int_eq(weld_store_open(m->path, &s, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_text(s, "quantization", &text, NULL), WELD_OK);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    weld_store_free(s);
    return json;
}

/* Takes the reference. */
static void refuse_json(const made *m, json_t *json, const char *reason) {
    char *text = json_dumps(json, 0);
    assert_refused(m->path, m->other, (change){"quantization", .text = text}, reason);
    free(text);
    json_decref(json);
}

/* The first value with another member. Takes the reference. */
static void refuse_value(const made *m, const char *key, json_t *value, const char *reason) {
    json_t *json = read_quantization(m);
    json_t *first = json_array_get(json_object_get(json, "values"), 0);
    json_object_set_new(first, key, value);
    refuse_json(m, json, reason);
}

START_TEST(codes_without_meaning_are_refused) {
    made m = make();
    refuse_value(&m, "scale", json_real(0), "value 0: scale 0");
    refuse_value(&m, "scale", json_real(-0.5), "value 0: scale -0.5");
    refuse_value(&m, "scale", json_real(1e-40), "value 0: scale 1e-40");
    refuse_value(&m, "scale", json_real(1e300), "value 0: scale 1e+300");
    refuse_value(&m, "scale", json_string("nan"), "scale");
    refuse_value(&m, "zero", json_integer(256), "value 0: zero point 256");
    refuse_value(&m, "zero", json_integer(-1), "value 0: zero point -1");
    refuse_value(&m, "zero", json_real(0.5), "zero");
    refuse_value(&m, "value", json_integer(100000), "value");
    refuse_value(&m, "value", json_integer(1), "value 0: no codes"); /* 1 is a weight */
    refuse_value(&m, "more", json_integer(1), "quantization");
    unmake(&m);
}
END_TEST

START_TEST(what_could_not_be_rounded_is_refused) {
    made m = make();
    const weld_op *const ops[] = {&weld_op_global_avg_pool, &weld_op_channel_scale, &weld_op_add};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        const weld_node *const *node = (const weld_node *const *)m.file.graph->nodes;
        while ((*node)->op != ops[i]) {
            node++;
        }
        json_t *json = read_quantization(&m), *values = json_object_get(json, "values"), *value;
        size_t k;
        json_array_foreach(values, k, value) {
            if (json_integer_value(json_object_get(value, "value")) == (*node)->outputs[0]->id) {
                json_object_set_new(value, "scale", json_real(1e-30));
            }
        }
        refuse_json(&m, json, "is too small");
    }
    unmake(&m);
}
END_TEST

START_TEST(values_that_are_missing_twice_there_or_in_disorder_are_refused) {
    made m = make();
    json_t *json = read_quantization(&m), *values = json_object_get(json, "values");
    json_array_remove(values, 2);
    refuse_json(&m, json, "no codes");

    json = read_quantization(&m), values = json_object_get(json, "values");
    json_array_insert(values, 1, json_array_get(values, 0));
    refuse_json(&m, json, "value 0: twice");

    json = read_quantization(&m), values = json_object_get(json, "values");
    json_array_append(values, json_array_get(values, 0));
    json_array_remove(values, 0);
    refuse_json(&m, json, "value 0: twice, or not in order");
    unmake(&m);
}
END_TEST

START_TEST(layers_that_do_not_exist_and_other_arithmetic_are_refused) {
    made m = make();
    json_t *json = read_quantization(&m);
    json_array_append_new(json_object_get(json, "float"), json_string("features.99.weight"));
    refuse_json(&m, json, "features.99.weight");

    /* Then its neighbours have other codes, and its weights are no floats. */
    json = read_quantization(&m);
    json_array_append_new(json_object_get(json, "float"), json_string(STEM ".weight"));
    refuse_json(&m, json, "codes of a value that stays float");

    json = read_quantization(&m);
    json_object_set_new(json, "arithmetic", json_string("weld-int8-2"));
    refuse_json(&m, json, "weld-int8-2");

    json = read_quantization(&m);
    json_object_del(json, "details");
    refuse_json(&m, json, "details");
    assert_refused(m.path, m.other, (change){.path = "quantization"}, "quantization");
    assert_refused(m.path, m.other, (change){"quantization", .text = "[]"}, "quantization");
    unmake(&m);
}
END_TEST

/* A tensor of the file with one element changed by `set`. */
static void refuse_element(const made *m, const char *path, int64_t at, const void *element,
                           const char *reason) {
    weld_store *s;
    ck_assert_int_eq(weld_store_open(m->path, &s, NULL), WELD_OK);
    const weld_store_entry *e = weld_store_find(s, path);
    ck_assert_msg(e != NULL, "%s", path);
    const size_t size = e->bytes / (size_t)weld_shape_count(&e->shape);
    unsigned char *data = malloc(e->bytes);
    memcpy(data, e->data, e->bytes);
    memcpy(data + (size_t)at * size, element, size);
    assert_refused(m->path, m->other, (change){path, .type = e->type, e->shape, data}, reason);
    free(data);
    weld_store_free(s);
}

START_TEST(integers_without_meaning_are_refused) {
    made m = make();
    static const char scales[] = "scales/" STEM ".weight", weight[] = "parameters/" STEM ".weight";
    const float bad[] = {0, -1, NAN, INFINITY, 1e-40f};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuse_element(&m, scales, 1, &bad[i], scales);
    }
    refuse_element(&m, weight, 5, &(int8_t){-128}, STEM ".weight: a code of -128 in channel 0");
    refuse_element(&m, "parameters/" STEM ".bias", 1, &(int32_t){INT32_MAX},
                   STEM ".bias: the sums of channel 1 could overflow");
    refuse_element(&m, "parameters/" STEM ".bias", 1, &(int32_t){INT32_MIN},
                   STEM ".bias: the sums of channel 1 could overflow");
    unmake(&m);
}
END_TEST

/* The table of the first function. */
static const char *find_table(const made *m, char path[64]) {
    weld_store *s;
    ck_assert_int_eq(weld_store_open(m->path, &s, NULL), WELD_OK);
    for (size_t i = 0; i < weld_store_count(s); i++) {
        const weld_store_entry *e = weld_store_entry_at(s, i);
        if (strncmp(e->path, "tables/", 7) == 0) {
            snprintf(path, 64, "%s", e->path);
            break;
        }
    }
    weld_store_free(s);
    return path;
}

START_TEST(a_table_of_another_function_is_refused) {
    made m = make();
    char path[64];
    unsigned char table[256];
    weld_store *s;
    find_table(&m, path);
    ck_assert_int_eq(weld_store_open(m.path, &s, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_read(s, path, WELD_STORE_U8, &WELD_SHAPE(256), table, NULL),
                     WELD_OK);
    weld_store_free(s);
    table[200] = (unsigned char)(table[200] - 2);
    assert_refused(m.path, m.other, (change){path, NULL, WELD_STORE_U8, WELD_SHAPE(256), table},
                   "code 200 becomes");
    unmake(&m);
}
END_TEST

START_TEST(tensors_of_other_types_and_sizes_are_refused) {
    made m = make();
    static const unsigned char zeros[4096];
    char path[64];
    const char *table = find_table(&m, path);
    const weld_shape stem = WELD_SHAPE(2, 3, 3, 3);
    assert_refused(m.path, m.other, (change){table, NULL, WELD_STORE_U8, WELD_SHAPE(255), zeros},
                   table);
    assert_refused(m.path, m.other, (change){.path = table}, table);
    assert_refused(m.path, m.other,
                   (change){"tables/0", NULL, WELD_STORE_U8, WELD_SHAPE(256), zeros}, "tables/0");
    assert_refused(m.path, m.other,
                   (change){"parameters/" STEM ".weight", NULL, WELD_STORE_F32, stem, zeros},
                   "parameters/" STEM ".weight");
    assert_refused(
        m.path, m.other,
        (change){"parameters/" STEM ".weight", NULL, WELD_STORE_I8, WELD_SHAPE(2), zeros},
        "parameters/" STEM ".weight");
    assert_refused(m.path, m.other,
                   (change){"scales/" STEM ".weight", NULL, WELD_STORE_I8, WELD_SHAPE(2), zeros},
                   "scales/" STEM ".weight");
    assert_refused(m.path, m.other, (change){.path = "scales/" STEM ".weight"},
                   "scales/" STEM ".weight");
    assert_refused(m.path, m.other,
                   (change){"parameters/" STEM ".bias", NULL, WELD_STORE_F32, WELD_SHAPE(2), zeros},
                   "parameters/" STEM ".bias");
    unmake(&m);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    made m = make();
    weld_status status = WELD_ERROR_MEMORY;
    for (long left = 0; status; left++) {
        weld_model_file back;
        weld_error err = {0};
        weld_memory_fail_after(left);
        status = weld_model_file_read(m.path, &back, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(status == WELD_OK || status == WELD_ERROR_MEMORY, "%s", err.message);
        if (!status) {
            weld_model_file_free(&back);
        }
    }
    unmake(&m);
}
END_TEST

RUN_SUITE("serialization/int8_file", what_was_written_comes_back,
          weights_take_a_quarter_of_the_memory, what_could_not_be_rounded_is_refused,
          codes_without_meaning_are_refused,
          values_that_are_missing_twice_there_or_in_disorder_are_refused,
          layers_that_do_not_exist_and_other_arithmetic_are_refused,
          integers_without_meaning_are_refused, a_table_of_another_function_is_refused,
          tensors_of_other_types_and_sizes_are_refused,
          failing_allocations_are_errors_and_nothing_more)
