/* 16-bit grey: that a data set of it loses pixels is said, and that data.scale16 keeps them. */
#include "datasets/deep_grey.h"
#include "datasets/first_image.h"
#include "datasets/folders.h"
#include "datasets/pack.h"
#include "formats/packed.h"
#include "images/encode_png.h"
#include "suite.h"

enum { SIZE = 23, FLOATS = SIZE * SIZE * 3 };

START_TEST(a_few_images_tell_what_is_lost) {
    test_folder f = test_folder_create();
    char text[256];
    put_fixture(&f, "cat/a.jpg", "grey.jpg");
    put_fixture(&f, "cat/b.png", "rgb16.png");
    put_fixture(&f, "dog/c.jpg", "photo.jpg");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_str_eq(weld_deep_grey_text(ds, 0, text, sizeof text), "");
    weld_dataset_free(ds);
    put_fixture(&f, "dog/d.png", "grey16.png");
    ds = open_dataset(f.path);
    ck_assert_str_eq(weld_deep_grey_text(ds, 0, text, sizeof text),
                     "1 of 4 images looked at are 16-bit grey, from 76 to 442: all above 255 is "
                     "white, as in Pillow, which is 45.0 % of them: data.scale16 (--scale16) says "
                     "which value is, up to 65535");
    ck_assert_str_eq(
        weld_deep_grey_text(ds, 441, text, sizeof text),
        "1 of 4 images looked at are 16-bit grey, from 76 to 442: all above 441 is "
        "white, which is 0.56 % of them: data.scale16 (--scale16) says which value is, "
        "up to 65535");
    ck_assert_str_eq(weld_deep_grey_text(ds, 442, text, sizeof text), "");
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

static weld_loader_options options_of(weld_augmentation_kind kind, int scale16) {
    weld_loader_options o = first_image_options(SIZE, kind);
    o.preprocessing.scale16 = scale16;
    return o;
}

static void prepare(const weld_dataset *ds, weld_augmentation_kind kind, int scale16, float *out) {
    load_first_image(ds, options_of(kind, scale16), out);
}

/* A picture of 8 bits is the same to a network as one of 16 that is scaled to it: in evaluation, in
 * training, where samples share a decoding and where they do not. */
START_TEST(a_network_sees_the_scaled_pixels) {
    const weld_augmentation_kind kinds[] = {WELD_AUGMENT_NONE, WELD_AUGMENT_IMAGENET,
                                            WELD_AUGMENT_SMALL};
    test_folder deep = test_folder_create(), plain = test_folder_create();
    weld_image image = read_ppm("scale16_65535.ppm");
    weld_bytes png = {0};
    put_fixture(&deep, "a/1.png", "grey16_full.png");
    put_fixture(&plain, "a/1.png", "rgb.png"); /* for its folder */
    ck_assert_int_eq(weld_encode_png(&image, &png, NULL), WELD_OK);
    test_write_file(test_path(&plain, "a/1.png"), png.data, png.size);
    weld_dataset *a = open_dataset(deep.path), *b = open_dataset(plain.path);
    for (int k = 0; k < 3; k++) {
        float scaled[FLOATS], clipped[FLOATS], expected[FLOATS];
        prepare(a, kinds[k], 65535, scaled);
        prepare(a, kinds[k], 0, clipped);
        prepare(b, kinds[k], 0, expected);
        ck_assert_mem_eq(scaled, expected, sizeof scaled);
        ck_assert_int_ne(memcmp(clipped, expected, sizeof clipped), 0);
    }
    weld_dataset_free(a);
    weld_dataset_free(b);
    weld_bytes_free(&png);
    weld_image_free(&image);
    test_folder_remove(deep);
    test_folder_remove(plain);
}
END_TEST

static void pack(const char *from, const char *to, int size, int scale16) {
    const weld_pack_options o = {.size = size, .scale16 = scale16, .threads = 1};
    weld_pack_report report;
    weld_error err = {0};
    weld_dataset *ds = open_dataset(from);
    ck_assert_msg(!weld_pack(ds, to, &o, &report, &err), "%s", err.message);
    weld_dataset_free(ds);
}

static void refuse(const char *path, int scale16, const char *words) {
    const weld_loader_options o = options_of(WELD_AUGMENT_NONE, scale16);
    weld_dataset *ds = open_dataset(path);
    weld_loader *l;
    weld_error err = {0};
    ck_assert_int_eq(weld_loader_create(ds, &o, &l, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    weld_dataset_free(ds);
}

/* As pixels, as JPEG, and when it is packed again. */
START_TEST(what_was_packed_with_one_value_is_not_read_with_another) {
    test_folder f = test_folder_create(), out = test_folder_create();
    float pixels[FLOATS];
    const char *raw = test_path(&out, "raw.h5"), *mixed = test_path(&out, "mixed.h5");
    const char *again = test_path(&out, "again.h5"), *kept = test_path(&out, "kept.h5");
    put_fixture(&f, "a/1.png", "grey16_full.png");
    pack(f.path, raw, 16, 65535);
    put_fixture(&f, "a/2.jpg", "photo.jpg");
    pack(f.path, mixed, 16, 65535);
    pack(mixed, again, 8, 0);
    pack(f.path, kept, 0, 0);
    refuse(raw, 0, "raw.h5: was packed with --scale16 65535, but images are to be read with 255");
    refuse(mixed, 4095, "mixed.h5: was packed with --scale16 65535");
    refuse(again, 255, "again.h5: was packed with --scale16 65535");
    const char *const paths[] = {raw, mixed, again, kept};
    for (int i = 0; i < 4; i++) {
        weld_dataset *ds = open_dataset(paths[i]);
        prepare(ds, WELD_AUGMENT_NONE, 65535, pixels);
        weld_dataset_free(ds);
    }
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

/* Of one image that was scaled, and one that was kept: packed smaller, both are alike. */
START_TEST(packing_again_scales_the_rest_as_before) {
    test_folder f = test_folder_create(), out = test_folder_create();
    const char *first = test_path(&out, "first.h5"), *again = test_path(&out, "again.h5");
    float pixels[FLOATS];
    weld_packed_layout layout = {.scale16 = 65535};
    const char *const classes[] = {"a"};
    weld_packed_writer *w;
    size_t size;
    put_fixture(&f, "a/1.png", "grey16_full.png");
    unsigned char *bytes = test_read_file(test_path(&f, "a/1.png"), &size);
    ck_assert(!weld_packed_writer_create(first, layout, classes, 1, &w, NULL));
    ck_assert(!weld_packed_writer_add(w, bytes, size, 0, "a/1.png", NULL));
    ck_assert(!weld_packed_writer_finish(w, NULL));
    weld_packed_writer_free(w);
    free(bytes);
    pack(first, again, 16, 0);
    weld_dataset *ds = open_dataset(again);
    ck_assert_int_eq(weld_dataset_layout(ds).scale16, 65535);
    prepare(ds, WELD_AUGMENT_NONE, 65535, pixels);
    weld_dataset_free(ds);
    ds = open_dataset(first);
    weld_pack_report report;
    weld_error err = {0};
    const weld_pack_options other = {.size = 16, .scale16 = 4095, .threads = 1};
    ck_assert_int_eq(weld_pack(ds, again, &other, &report, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "first.h5 was packed with 65535") != NULL, "%s", err.message);
    weld_dataset_free(ds);
    test_folder_remove(f);
    test_folder_remove(out);
}
END_TEST

RUN_SUITE("data/deep_grey", a_few_images_tell_what_is_lost, a_network_sees_the_scaled_pixels,
          what_was_packed_with_one_value_is_not_read_with_another,
          packing_again_scales_the_rest_as_before)
