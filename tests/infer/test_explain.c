/* Grad-CAM against what it is worked out to be: where the head is a mean over the map and a linear
 * layer, the gradient of a logit by channel k is that layer's weight over the number of positions,
 * at all of them (class activation maps, Zhou et al., 2016). */
#include "infer/explain.h"

#include "images/encode_png.h"
#include "infer/image_input.h"
#include "infer/model.h"
#include "infer/models.h"
#include "suite.h"

enum { SIZE = 32 };

/* A photo with something in it, as a file. */
static void put_photo(const char *path) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, SIZE, SIZE, NULL), WELD_OK);
    for (int i = 0; i < SIZE * SIZE * 3; i++) {
        const int x = i / 3 % SIZE, y = i / 3 / SIZE;
        image.pixels[i] = (uint8_t)((x > 20 && y < 12 ? 200 : 40) + (7 * x + 13 * y + i % 3) % 50);
    }
    ck_assert_int_eq(weld_encode_png(&image, &bytes, NULL), WELD_OK);
    test_write_file(path, bytes.data, bytes.size);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
}

/* The weight of the last linear layer of a merged network, [classes, channels]. */
static weld_tensor head_of(const weld_model *m, int64_t classes, int64_t channels) {
    const weld_weights *w = m->file.weights;
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const weld_tensor t = weld_weights_tensor(w, i);
        if (t.shape.rank == 2 && t.shape.dim[0] == classes && t.shape.dim[1] == channels) {
            return t;
        }
    }
    ck_abort_msg("the merged network has no head of %d x %d", (int)classes, (int)channels);
    return (weld_tensor){.data = NULL};
}

/* [channels, height, width] of the last stage. */
static float *last_map(const weld_model *m, const char *path, weld_shape *shape) {
    weld_transform transform;
    weld_image_input in = {0};
    weld_runner *r;
    float pixels[SIZE * SIZE * 3], planes[SIZE * SIZE * 3], *maps[WELD_MAX_STAGES];
    ck_assert(!weld_transform_init(&transform, weld_model_get_preprocessing(m), NULL, NULL));
    ck_assert(!weld_image_input_read(&in, &transform, path, pixels, NULL, NULL));
    for (int i = 0; i < SIZE * SIZE * 3; i++) {
        planes[i % 3 * SIZE * SIZE + i / 3] = pixels[i];
    }
    ck_assert(!weld_runner_create_features(m, SIZE, SIZE, 1, &r, NULL));
    const size_t count = weld_runner_output_count(r);
    for (size_t i = 0; i < count; i++) {
        *shape = weld_runner_output_shape(r, i);
        maps[i] = calloc((size_t)weld_shape_count(shape), sizeof(float));
    }
    ck_assert(!weld_runner_run(r, planes, 1, maps, NULL));
    for (size_t i = 0; i + 1 < count; i++) {
        free(maps[i]);
    }
    weld_runner_free(r);
    weld_image_input_free(&in);
    return maps[count - 1];
}

START_TEST(it_is_the_class_activation_map_of_a_linear_head) {
    test_folder folder = test_folder_create();
    const char *photo = test_path(&folder, "photo.png");
    weld_weights *fixture = fixture_load("features.fixture");
    weld_model *m = models_of_fixture(&folder, fixture, SIZE), *merged = models_merge(&folder, m);
    const int classes = weld_model_get_config(m)->num_classes;
    put_photo(photo);
    for (int c = 0; c < classes; c++) {
        weld_explanation e, before;
        weld_error err;
        weld_shape shape;
        ck_assert_msg(!weld_explain(merged, photo, c, 1, &e, &err), "%s", err.message);
        ck_assert_msg(!weld_explain(m, photo, c, 2, &before, &err), "%s", err.message);
        float *map = last_map(merged, photo, &shape);
        const int64_t positions = shape.dim[1] * shape.dim[2];
        const float *w =
            (const float *)head_of(merged, classes, shape.dim[0]).data + c * shape.dim[0];
        double want[64], largest = 0;
        ck_assert_int_eq(e.height * e.width, positions);
        ck_assert_int_le(positions, 64);
        for (int64_t p = 0; p < positions; p++) {
            want[p] = 0;
            for (int64_t k = 0; k < shape.dim[0]; k++) {
                want[p] += (double)w[k] * (double)map[k * positions + p];
            }
            want[p] = fmax(want[p], 0);
            largest = fmax(largest, want[p]);
        }
        for (int64_t p = 0; p < positions; p++) {
            const double share = largest > 0 ? want[p] / largest : 0;
            ck_assert_double_eq_tol((double)e.map[p], share, 1e-4);
            ck_assert_double_eq_tol((double)before.map[p], share, 1e-3);
        }
        ck_assert_int_eq(e.class_index, c);
        ck_assert_int_eq(e.picture.width, 2 * e.picture.height);
        free(map);
        weld_explanation_free(&e);
        weld_explanation_free(&before);
    }
    weld_model_free(merged);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_class_that_there_is_not_and_a_photo_that_there_is_not_are_errors) {
    test_folder folder = test_folder_create();
    weld_weights *fixture = fixture_load("features.fixture");
    weld_model *m = models_of_fixture(&folder, fixture, SIZE);
    weld_explanation e;
    weld_error err;
    char photo[300];
    snprintf(photo, sizeof photo, "%s/photo.png", folder.path);
    ck_assert_int_ne(weld_explain(m, photo, -1, 1, &e, &err), WELD_OK);
    put_photo(photo);
    ck_assert_int_eq(weld_explain(m, photo, 1000, 1, &e, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "class 1000: there are") != NULL, "%s", err.message);
    weld_model_free(m);
    weld_weights_free(fixture);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/explain", it_is_the_class_activation_map_of_a_linear_head,
          a_class_that_there_is_not_and_a_photo_that_there_is_not_are_errors)
