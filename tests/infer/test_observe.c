/* Which images a network is quantised by, and what is seen of its values on them. */
#define _GNU_SOURCE
#include "infer/observe.h"

#include "base/memory.h"
#include "infer/colours.h"
#include "passes/lanes.h"
#include "suite.h"

static int64_t *choose(const weld_dataset *ds, int64_t most, int64_t *count) {
    int64_t *order;
    weld_error err;
    ck_assert_msg(!weld_calibration_choose(ds, most, &order, count, &err), "%s", err.message);
    return order;
}

static weld_dataset *open_data(const test_folder *folder) {
    weld_dataset *ds;
    weld_error err;
    ck_assert_msg(!weld_dataset_open(folder->path, &ds, &err), "%s", err.message);
    return ds;
}

START_TEST(images_are_spread_over_the_classes_and_more_begin_as_fewer_do) {
    test_folder folder = colours_folder(); /* blue three, green two, red two */
    weld_dataset *ds = open_data(&folder);
    int64_t few, all;
    int64_t *three = choose(ds, 3, &few), *seven = choose(ds, 100, &all);
    int seen[COLOURS] = {0};
    ck_assert_int_eq(few, 3);
    ck_assert_int_eq(all, 7);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(three[i], seven[i]);
        seen[weld_dataset_label(ds, three[i])]++;
    }
    ck_assert(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    ck_assert_int_eq(weld_dataset_label(ds, seven[6]), 0); /* the third of the largest class */
    weld_free(three);
    weld_free(seven);
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

static char bad[4][200];
static int bad_count;

static void hear(void *arg, int64_t index, const char *reason) {
    (void)arg;
    (void)index;
    snprintf(bad[bad_count++], sizeof *bad, "%s", reason);
}

static weld_status read_all(const weld_dataset *ds, const weld_preprocessing *p, int threads,
                            weld_calibration **out, weld_error *err) {
    int64_t count, *order = choose(ds, 100, &count);
    const weld_calibration_options options = {
        .preprocessing = p, .order = order, .count = count, .threads = threads, .bad_image = hear};
    bad_count = 0;
    const weld_status status = weld_calibration_create(ds, &options, out, err);
    weld_free(order);
    return status;
}

START_TEST(a_bad_image_is_named_and_left_out) {
    test_folder folder = colours_folder(), models = test_folder_create();
    weld_model *m = colours_open(&models, 1);
    test_write_file(test_path(&folder, "red/c.jpg"), "no image", 8);
    weld_dataset *ds = open_data(&folder);
    weld_calibration *c;
    weld_error err;
    ck_assert_msg(!read_all(ds, weld_model_get_preprocessing(m), 2, &c, &err), "%s", err.message);
    ck_assert_int_eq(weld_calibration_count(c), 7);
    ck_assert_int_eq(weld_calibration_skipped(c), 1);
    ck_assert_int_eq(bad_count, 1);
    ck_assert_ptr_nonnull(strstr(bad[0], "red/c.jpg"));
    for (int64_t i = 0; i < 7; i++) {
        ck_assert_str_ne(weld_calibration_name(c, i), "red/c.jpg");
    }
    weld_calibration_free(c);
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

START_TEST(where_none_can_be_read_is_an_error) {
    test_folder folder = test_folder_create(), models = test_folder_create();
    weld_model *m = colours_open(&models, 1);
    colours_put(&folder, "red", "a.jpg", 1, 2, 3);
    test_write_file(test_path(&folder, "red/a.jpg"), "no image", 8);
    weld_dataset *ds = open_data(&folder);
    weld_calibration *c;
    weld_error err;
    ck_assert_int_eq(read_all(ds, weld_model_get_preprocessing(m), 1, &c, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "none of its 1 image can be read"));
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

/* --- Ranges ----------------------------------------------------------------------------------- */

enum { SIDE = 224, NOISY = 3 };

/* Images of noise, whose pixels this test counts itself. */
static void put_noise(const test_folder *folder, int number) {
    char name[PATH_MAX];
    weld_image image = {0};
    weld_bytes bytes = {0};
    weld_random r = weld_random_start(7, 0, (uint64_t)number, WELD_RANDOM_TEST);
    ck_assert_int_eq(weld_image_resize_buffer(&image, SIDE, SIDE, NULL), WELD_OK);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        const double x = 128 + 25 * weld_random_normal(&r);
        image.pixels[i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
    }
    snprintf(name, sizeof name, "%s/red/%d.jpg", folder->path, number);
    ck_assert_int_eq(weld_encode_jpeg(&image, 100, &bytes, NULL), WELD_OK);
    test_write_file(name, bytes.data, bytes.size);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* images -> y = -2 x: all that is seen of either follows from the pixels. */
static weld_graph *make_graph(weld_weights **w) {
    const weld_init none = {.kind = WELD_INIT_CONSTANT};
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, SIDE, SIDE, 3));
    weld_value *y =
        weld_conv2d(g, x, weld_parameter(g, "twice.weight", WELD_SHAPE(3, 3, 1, 1), none), NULL,
                    (weld_conv2d_options){0});
    weld_output(g, "logits", y);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, w, NULL), WELD_OK);
    for (int c = 0; c < 3; c++) {
        ((float *)weld_weights_tensor(*w, 0).data)[4 * c] = -2;
    }
    return g;
}

typedef struct noise {
    test_folder folder;
    weld_dataset *ds;
    weld_calibration *images;
    weld_preprocessing p;
} noise;

static noise open_noise(void) {
    noise n = {.folder = test_folder_create(), .p = models_preprocessing(SIDE)};
    weld_error err;
    colours_put(&n.folder, "red", "first.jpg", 100, 100, 100);
    for (int i = 0; i < NOISY; i++) {
        put_noise(&n.folder, i);
    }
    n.ds = open_data(&n.folder);
    ck_assert_msg(!read_all(n.ds, &n.p, 2, &n.images, &err), "%s", err.message);
    return n;
}

static void close_noise(noise *n) {
    weld_calibration_free(n->images);
    weld_dataset_free(n->ds);
    test_folder_remove(n->folder);
}

START_TEST(ranges_and_percentiles_are_those_of_all_that_was_seen) {
    noise n = open_noise();
    weld_weights *w;
    weld_graph *g = make_graph(&w);
    const size_t image = weld_calibration_floats(n.images), all = (NOISY + 1) * image;
    const bool wanted[] = {true, false, true};
    float *x = malloc(all * sizeof *x);
    weld_observation seen;
    weld_error err;
    ck_assert_msg(!weld_observe(g, w, n.images, wanted, 2, &seen, &err), "%s", err.message);
    ck_assert_int_eq(weld_calibration_read(n.images, 0, NOISY + 1, x, NULL), WELD_OK);
    qsort(x, all, sizeof *x, by_value);
    const weld_observed *in = &seen.values[0], *out = &seen.values[2];
    ck_assert_int_eq(in->count, (int64_t)all);
    ck_assert_float_eq(in->low, x[0]);
    ck_assert_float_eq(in->high, x[all - 1]);
    ck_assert_float_eq(out->low, -2 * x[all - 1]);
    ck_assert_float_eq(out->high, -2 * x[0]);
    const size_t cut = (size_t)(0.00005 * (double)all); /* of the sorted: so many are beyond */
    ck_assert_uint_gt(cut, 20);
    ck_assert_float_eq_tol(in->tail_low, x[cut], 0.008f * fabsf(x[cut]));
    ck_assert_float_eq_tol(in->tail_high, x[all - 1 - cut], 0.008f * fabsf(x[all - 1 - cut]));
    ck_assert_float_eq_tol(out->tail_low, -2 * in->tail_high, 0.008f * fabsf(out->tail_low));
    ck_assert_float_gt(in->tail_low, in->low);
    free(x);
    weld_observation_free(&seen);
    weld_weights_free(w);
    weld_graph_free(g);
    close_noise(&n);
}
END_TEST

START_TEST(any_number_of_threads_sees_the_same) {
    noise n = open_noise();
    weld_weights *w;
    weld_graph *g = make_graph(&w);
    const bool wanted[] = {true, false, true};
    weld_observation first = {0}, other;
    for (int threads = 1; threads < 8; threads += 2) {
        ck_assert_int_eq(weld_observe(g, w, n.images, wanted, threads, &other, NULL), WELD_OK);
        if (threads > 1) {
            ck_assert_mem_eq(first.values, other.values, 3 * sizeof *first.values);
            ck_assert_mem_eq(first.ranges, other.ranges, 6 * sizeof *first.ranges);
            weld_observation_free(&other);
        } else {
            first = other;
        }
    }
    weld_observation_free(&first);
    weld_weights_free(w);
    weld_graph_free(g);
    close_noise(&n);
}
END_TEST

START_TEST(what_is_not_finite_is_told_by_layer_and_image) {
    noise n = open_noise();
    weld_weights *w;
    weld_graph *g = make_graph(&w);
    const bool wanted[] = {true, false, true};
    weld_observation seen;
    weld_error err;
    ((float *)weld_weights_tensor(w, 0).data)[4] = INFINITY;
    ck_assert_int_eq(weld_observe(g, w, n.images, wanted, 2, &seen, &err), WELD_ERROR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.message, "twice: what it makes of red/"));
    ck_assert_ptr_nonnull(strstr(err.message, weld_calibration_name(n.images, 0)));
    weld_weights_free(w);
    weld_graph_free(g);
    close_noise(&n);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = colours_folder(), models = test_folder_create();
    weld_model *m = colours_open(&models, 1);
    weld_dataset *ds = open_data(&folder);
    const bool wanted[] = {true, false, true, true, true, true};
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n += 3) {
        int64_t count, *order;
        weld_calibration *c;
        weld_observation seen;
        weld_memory_fail_after(n);
        status = weld_calibration_choose(ds, 7, &order, &count, NULL);
        if (!status) {
            const weld_calibration_options o = {.preprocessing = weld_model_get_preprocessing(m),
                                                .order = order,
                                                .count = count,
                                                .threads = 1};
            status = weld_calibration_create(ds, &o, &c, NULL);
            if (!status) {
                status = weld_observe(weld_model_graph(m), weld_model_weights(m), c, wanted, 1,
                                      &seen, NULL);
                if (!status) {
                    weld_observation_free(&seen);
                }
                weld_calibration_free(c);
            }
            weld_free(order);
        }
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_dataset_free(ds);
    weld_model_free(m);
    test_folder_remove(models);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/observe", images_are_spread_over_the_classes_and_more_begin_as_fewer_do,
          a_bad_image_is_named_and_left_out, where_none_can_be_read_is_an_error,
          ranges_and_percentiles_are_those_of_all_that_was_seen,
          any_number_of_threads_sees_the_same, what_is_not_finite_is_told_by_layer_and_image,
          failing_allocations_are_errors_and_nothing_more)
