/* Photos that are turned by their metadata: what a network sees of them, packed or not; and images
 * that are too large. tests/images/test_upright.c has what "upright" is. */
#include "datasets/first_image.h"
#include "datasets/folders.h"
#include "datasets/pack.h"
#include "images/encode_png.h"
#include "images/upright.h"
#include "suite.h"

enum { SIZE = 23, FLOATS = SIZE * SIZE * 3 };

static weld_loader_options options_of(weld_augmentation_kind kind, weld_orientation orientation) {
    weld_loader_options o = first_image_options(SIZE, kind);
    o.preprocessing.orientation = orientation;
    return o;
}

static void prepare(const weld_dataset *ds, weld_augmentation_kind kind,
                    weld_orientation orientation, float *out) {
    load_first_image(ds, options_of(kind, orientation), out);
}

/* Of a photo to be turned by 90 degrees: itself, as it is stored, and as people see it. */
typedef struct photos {
    test_folder folders[3];
    weld_dataset *photo, *stored, *upright;
} photos;

static void put_png(test_folder *f, const weld_image *image) {
    weld_bytes png = {0};
    put_fixture(f, "a/1.png", "rgb.png"); /* for its folder */
    ck_assert_int_eq(weld_encode_png(image, &png, NULL), WELD_OK);
    test_write_file(test_path(f, "a/1.png"), png.data, png.size);
    weld_bytes_free(&png);
}

static photos open_photos(const char *name) {
    enum { TURNED = 6 };
    photos p = {.folders = {test_folder_create(), test_folder_create(), test_folder_create()}};
    weld_bytes bytes = {0};
    weld_image image = {0};
    char path[32];
    snprintf(path, sizeof path, "a/1.%s", strrchr(name, '.') + 1);
    put_fixture(&p.folders[0], path, name);
    p.photo = open_dataset(p.folders[0].path);
    ck_assert_int_eq(weld_dataset_read(p.photo, 0, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_orientation_of(bytes.data, bytes.size), TURNED);
    for (int i = 1; i < 3; i++) {
        ck_assert_int_eq(weld_decode_upright((weld_reading){0}, bytes.data, bytes.size,
                                             i == 1 ? 1 : TURNED, &image, NULL),
                         WELD_OK);
        put_png(&p.folders[i], &image);
    }
    p.stored = open_dataset(p.folders[1].path);
    p.upright = open_dataset(p.folders[2].path);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
    return p;
}

static void close_photos(photos *p) {
    weld_dataset_free(p->photo);
    weld_dataset_free(p->stored);
    weld_dataset_free(p->upright);
    for (int i = 0; i < 3; i++) {
        test_folder_remove(p->folders[i]);
    }
}

/* In evaluation, and in training where samples share a decoding and where they do not. */
START_TEST(a_network_sees_photos_upright_or_as_they_are_stored) {
    const weld_augmentation_kind kinds[] = {WELD_AUGMENT_NONE, WELD_AUGMENT_IMAGENET,
                                            WELD_AUGMENT_SMALL};
    photos p = open_photos("rotated.webp");
    for (int k = 0; k < 3; k++) {
        float got[FLOATS], upright[FLOATS], stored[FLOATS];
        prepare(p.upright, kinds[k], WELD_ORIENTATION_EXIF, upright);
        prepare(p.stored, kinds[k], WELD_ORIENTATION_EXIF, stored);
        ck_assert_int_ne(memcmp(upright, stored, sizeof stored), 0);
        prepare(p.photo, kinds[k], WELD_ORIENTATION_EXIF, got);
        ck_assert_mem_eq(got, upright, sizeof got);
        prepare(p.photo, kinds[k], WELD_ORIENTATION_IGNORE, got);
        ck_assert_mem_eq(got, stored, sizeof got);
    }
    close_photos(&p);
}
END_TEST

static weld_dataset *pack(const weld_dataset *ds, const char *to, int size,
                          weld_pack_report *report) {
    const weld_pack_options o = {.size = size, .threads = 1};
    weld_error err = {0};
    ck_assert_msg(!weld_pack(ds, to, &o, report, &err), "%s", err.message);
    return open_dataset(to);
}

static float widest_gap(const float *a, const float *b) {
    float largest = 0;
    for (int i = 0; i < FLOATS; i++) {
        const float d = fabsf(a[i] - b[i]);
        largest = d > largest ? d : largest;
    }
    return largest;
}

/* Whoever packs need not know how the images will be read: what a photo says of itself stays with
 * it when it is made smaller, and so it is packed again too. */
START_TEST(packed_photos_can_be_read_in_both_ways) {
    photos p = open_photos("rotated.jpg");
    test_folder out = test_folder_create();
    const int sizes[] = {0, 24, 16};
    weld_dataset *before = NULL;
    for (int s = 0; s < 3; s++) {
        char name[16];
        snprintf(name, sizeof name, "%d.h5", s);
        weld_pack_report report;
        weld_dataset *ds =
            pack(s == 2 ? before : p.photo, test_path(&out, name), sizes[s], &report);
        ck_assert_int_eq(report.layout.height, 0); /* raw pixels say nothing of themselves */
        for (int ways = 0; ways < 2; ways++) {
            float got[FLOATS], expected[FLOATS], other[FLOATS];
            prepare(ds, WELD_AUGMENT_NONE, ways ? WELD_ORIENTATION_EXIF : WELD_ORIENTATION_IGNORE,
                    got);
            prepare(ways ? p.upright : p.stored, WELD_AUGMENT_NONE, WELD_ORIENTATION_IGNORE,
                    expected);
            prepare(ways ? p.stored : p.upright, WELD_AUGMENT_NONE, WELD_ORIENTATION_IGNORE, other);
            const float off = widest_gap(got, expected);
            ck_assert_float_lt(2 * off, widest_gap(got, other));
            ck_assert(s || off == 0);
        }
        weld_dataset_free(before);
        before = ds;
    }
    weld_dataset_free(before);
    test_folder_remove(out);
    close_photos(&p);
}
END_TEST

/* photo.jpg has a size of its own; whatever it is, one pixel less than it is too few. */
START_TEST(images_of_more_pixels_than_are_taken_are_bad) {
    test_folder f = test_folder_create();
    put_fixture(&f, "a/1.jpg", "photo.jpg");
    weld_dataset *ds = open_dataset(f.path);
    weld_bytes bytes = {0};
    weld_image image = {0};
    int width, height;
    weld_error err = {0};
    char wanted[100];
    ck_assert_int_eq(weld_dataset_read(ds, 0, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_size(ds, 0, &bytes, (weld_reading){0}, &width, &height, NULL),
                     WELD_OK);
    weld_reading how = {.max_pixels = width * height};
    ck_assert_int_eq(weld_dataset_size(ds, 0, &bytes, how, &width, &height, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_decode(ds, 0, &bytes, how, &image, NULL), WELD_OK);
    how.max_pixels--;
    snprintf(wanted, sizeof wanted, "a/1.jpg: image of %d x %d pixels: the limit is %d pixels",
             width, height, how.max_pixels);
    ck_assert_int_eq(weld_dataset_size(ds, 0, &bytes, how, &width, &height, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, wanted) != NULL, "%s", err.message);
    ck_assert_int_eq(weld_dataset_decode(ds, 0, &bytes, how, &image, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, wanted) != NULL, "%s", err.message);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("datasets/orientation", a_network_sees_photos_upright_or_as_they_are_stored,
          packed_photos_can_be_read_in_both_ways, images_of_more_pixels_than_are_taken_are_bad)
