/* Merging a model into a deploy file: what is compared, what travels along, what is refused. */
#include <jansson.h>

#include "infer/colours.h"
#include "infer/model.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "suite.h"
#include "repvit_config.h"

static char *names[] = {"blue", "green", "red"};

/* A lively network of three classes with names; `damage` puts a NaN into it. */
static weld_model *make(const test_folder *folder, bool damage) {
    weld_model_config config = repvit_config(3, "4, 8", "1, 1", 2, false, true);
    weld_graph *g;
    weld_weights *w;
    ck_assert_int_eq(weld_model_build(&config, true, 1, 16, 16, WELD_F32, &g, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 3, &w, NULL), WELD_OK);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        bool norm = strstr(weld_weights_name(w, i), "bn.weight") != NULL;
        for (int64_t k = 0; norm && k < weld_shape_count(&t.shape); k++) {
            ((float *)t.data)[k] = 0.5f + 0.125f * (float)(k % 7); /* some begin as 0 */
        }
    }
    if (damage) {
        *(float *)weld_weights_tensor(w, 0).data = NAN;
    }
    models_write(test_path(folder, "model.h5"), &config, 16, w, names);
    weld_weights_free(w);
    weld_graph_free(g);
    return models_open(test_path(folder, "model.h5"));
}

static double number(const weld_model *m, const char *key) {
    json_t *json = json_loads(m->file.verification, 0, NULL);
    json_t *value = json_object_get(json, key);
    ck_assert_msg(json_is_number(value), "%s in %s", key, m->file.verification);
    double x = json_number_value(value);
    json_decref(json);
    return x;
}

START_TEST(all_that_a_network_needs_travels_into_the_deploy_file) {
    test_folder folder = test_folder_create();
    weld_model *m = make(&folder, false), *merged = models_merge(&folder, m);
    weld_preprocessing want = models_preprocessing(16);
    const weld_preprocessing *p = weld_model_get_preprocessing(merged);
    ck_assert(weld_model_is_merged(merged) && !weld_model_is_merged(m));
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(weld_model_class_name(merged, i), names[i]);
    }
    ck_assert_ptr_null(weld_model_class_name(merged, 3));
    ck_assert_int_eq(p->height, want.height);
    ck_assert_double_eq(p->crop_fraction, want.crop_fraction);
    ck_assert_int_eq(p->interpolation, want.interpolation);
    ck_assert_mem_eq(p->mean, want.mean, sizeof want.mean);
    ck_assert_mem_eq(p->std, want.std, sizeof want.std);
    ck_assert_mem_eq(weld_model_get_config(merged), weld_model_get_config(m),
                     sizeof(weld_model_config));
    ck_assert_str_eq(merged->file.recipe, m->file.recipe);
    ck_assert_str_eq(merged->file.summary, m->file.summary);
    weld_model_free(m);
    weld_model_free(merged);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_report_is_what_the_file_records) {
    test_folder folder = test_folder_create();
    weld_model *m = make(&folder, false);
    weld_merge_report r;
    const char *path = test_path(&folder, "merged.h5");
    ck_assert_int_eq(weld_model_merge(m, NULL, 2, path, &r, NULL), WELD_OK);
    ck_assert_int_eq(r.comparison.images, 32);
    ck_assert(!r.comparison.labelled);
    ck_assert_double_gt(r.comparison.largest_output, 0);
    ck_assert_double_le(r.comparison.largest_difference, 1e-4 * r.comparison.largest_output);
    ck_assert_int_lt(r.after.convolutions, r.before.convolutions);
    ck_assert_int_lt(r.after.parameters, r.before.parameters);
    weld_model *merged = models_open(path);
    ck_assert_double_eq(number(merged, "images"), 32);
    ck_assert_double_eq_tol(number(merged, "largest_logit"), r.comparison.largest_output,
                            1e-7 * r.comparison.largest_output);
    for (size_t i = 0; i < merged->graph->node_count; i++) {
        ck_assert_ptr_ne(merged->graph->nodes[i]->op, &weld_op_batch_norm_eval);
    }
    weld_model_free(m);
    weld_model_free(merged);
    test_folder_remove(folder);
}
END_TEST

START_TEST(on_a_data_set_both_networks_are_scored) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_model *m = make(&folder, false);
    weld_merge_report r;
    weld_error err;
    weld_status status =
        weld_model_merge(m, data.path, 2, test_path(&folder, "merged.h5"), &r, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    ck_assert(r.comparison.labelled);
    ck_assert_int_eq(r.comparison.images, 7);
    ck_assert_int_eq(r.comparison.same_answer, 7);
    ck_assert_double_eq(r.comparison.before.value, r.comparison.after.value);
    weld_model_free(m);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(other_classes_and_damaged_weights_are_refused_and_nothing_is_written) {
    test_folder data = colours_folder(), folder = test_folder_create();
    weld_merge_report r;
    weld_error err;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", test_path(&folder, "merged.h5"));
    weld_model *m = make(&folder, true);
    ck_assert_int_eq(weld_model_merge(m, NULL, 2, path, &r, &err), WELD_ERROR_NUMERIC);
    weld_model_free(m);
    m = make(&folder, false);
    test_folder other = test_folder_create();
    colours_put(&other, "yellow", "a.jpg", 255, 255, 0);
    ck_assert_int_eq(weld_model_merge(m, other.path, 2, path, &r, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "1 unknown to the model: 'yellow'"));
    ck_assert_int_ne(access(path, F_OK), 0);
    colours_put(&data, "yellow", "a.jpg", 255, 255, 0);
    ck_assert_int_eq(weld_model_merge(m, data.path, 2, path, &r, &err), WELD_OK);
    ck_assert_int_eq(r.comparison.images, 7);
    ck_assert_int_eq(r.comparison.left_out, 1);
    weld_model_free(m);
    test_folder_remove(other);
    test_folder_remove(folder);
    test_folder_remove(data);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    weld_model *m = make(&folder, false);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n += 97) {
        weld_merge_report r;
        weld_memory_fail_after(n);
        status = weld_model_merge(m, NULL, 1, test_path(&folder, "merged.h5"), &r, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/merge", all_that_a_network_needs_travels_into_the_deploy_file,
          the_report_is_what_the_file_records, on_a_data_set_both_networks_are_scored,
          other_classes_and_damaged_weights_are_refused_and_nothing_is_written,
          failing_allocations_are_errors_and_nothing_more)
