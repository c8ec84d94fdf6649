/* Grad-CAM of a small network of each family, merged and not, against what PyTorch makes of the
 * same weights (scripts/make_explain_fixture). */
#include "infer/explain.h"

#include "images/encode_png.h"
#include "infer/models.h"
#include "models/models.h"
#include "suite.h"

/* The picture that the script describes. */
static void put_picture(const char *path, int side) {
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, side, side, NULL), WELD_OK);
    for (int i = 0; i < side * side * 3; i++) {
        const int x = i / 3 % side, y = i / 3 / side;
        image.pixels[i] = (uint8_t)((x > side / 2 && y < side / 3 ? 180 : 20) +
                                    (7 * x + 13 * y + 5 * (i % 3)) % 70);
    }
    ck_assert_int_eq(weld_encode_png(&image, &bytes, NULL), WELD_OK);
    test_write_file(path, bytes.data, bytes.size);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
}

static weld_model *open_case(const family_case *f, const weld_weights *fixture,
                             const test_folder *folder, int size) {
    const char *path = test_path(folder, "family.h5");
    const weld_model_config config = family_case_config(f);
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

/* Returns how many places speak for any class. */
static int compare(const weld_model *m, const char *picture, weld_tensor want, const char *name) {
    const int64_t positions = want.shape.dim[1] * want.shape.dim[2];
    int speaking = 0;
    for (int c = 0; c < (int)want.shape.dim[0]; c++) {
        const float *map = (const float *)want.data + c * positions;
        weld_explanation e;
        weld_error err;
        ck_assert_msg(!weld_explain(m, picture, c, 1, &e, &err), "%s: %s", name, err.message);
        ck_assert_int_eq(e.height, want.shape.dim[1]);
        ck_assert_int_eq(e.width, want.shape.dim[2]);
        for (int64_t p = 0; p < positions; p++) {
            const double off = fabs((double)e.map[p] - (double)map[p]);
            ck_assert_msg(off < 1e-3, "%s, class %d, place %d: %g for %g", name, c, (int)p,
                          (double)e.map[p], (double)map[p]);
            speaking += map[p] > 0;
        }
        weld_explanation_free(&e);
    }
    return speaking;
}

START_TEST(it_is_what_pytorch_makes_of_each_family) {
    weld_weights *cams = fixture_load("explain.fixture");
    for (int i = 0; i < FAMILY_CASES; i++) {
        const family_case *f = &family_cases[i];
        test_folder folder = test_folder_create();
        weld_weights *fixture = family_case_load(f);
        const int size = (int)fixture_tensor(fixture, "images/", "0").shape.dim[1];
        const weld_tensor want = fixture_tensor(cams, "cam/", f->name);
        weld_model *m = open_case(f, fixture, &folder, size), *merged = models_merge(&folder, m);
        const char *picture = test_path(&folder, "picture.png");
        put_picture(picture, size);
        ck_assert_int_gt(compare(m, picture, want, f->name), 0);
        compare(merged, picture, want, f->name);
        weld_model_free(merged);
        weld_model_free(m);
        weld_weights_free(fixture);
        test_folder_remove(folder);
    }
    weld_weights_free(cams);
}
END_TEST

RUN_SUITE("infer/explain_families", it_is_what_pytorch_makes_of_each_family)
