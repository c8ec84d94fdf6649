#include "datasets/folders.h"
#include "data/sample.h"
#include "suite.h"

enum { SIZE = 32, FLOATS = SIZE * SIZE * 3, REPEATS = 12 };

static weld_transform make_transform(void) {
    weld_transform t;
    weld_preprocessing p = {.height = SIZE,
                            .width = SIZE,
                            .crop_fraction = 0.875,
                            .interpolation = WELD_BICUBIC,
                            .mean = {0.5f, 0.5f, 0.5f},
                            .std = {0.25f, 0.25f, 0.25f}};
    weld_augmentation a = weld_augmentation_defaults();
    ck_assert_int_eq(weld_transform_init(&t, &p, &a, NULL), WELD_OK);
    return t;
}

/* Sample by sample from scratch, compared with all from one reading. Returns how many were good. */
static int compare_shared(const weld_sample_source *s, int64_t index) {
    weld_sample_worker alone = {0}, shared = {0};
    static float expected[FLOATS], got[FLOATS];
    int good = 0;
    ck_assert_int_eq(weld_dataset_read(s->ds, index, &shared.images[0].bytes, NULL), WELD_OK);
    weld_sample_begin(s, &shared.images[0], REPEATS);
    for (int64_t repeat = 0; repeat < REPEATS; repeat++) {
        ck_assert_int_eq(weld_dataset_read(s->ds, index, &alone.images[0].bytes, NULL), WELD_OK);
        weld_sample_begin(s, &alone.images[0], 1);
        const weld_sample_part part = {index, weld_transform_whole(s->transform)};
        const weld_sample sample = {index, repeat, &part, 1};
        int bad;
        weld_status a = weld_sample_training(s, &sample, &alone, expected, NULL, &bad, NULL);
        weld_status b = weld_sample_training(s, &sample, &shared, got, NULL, &bad, NULL);
        ck_assert_int_eq(a, b);
        if (a == WELD_OK) {
            ck_assert_mem_eq(expected, got, sizeof got);
            good++;
        }
    }
    weld_sample_worker_free(&alone);
    weld_sample_worker_free(&shared);
    return good;
}

static weld_sample_source source_of(const weld_dataset *ds, const weld_transform *t) {
    return (weld_sample_source){.ds = ds, .transform = t, .seed = 5, .view = 1};
}

START_TEST(samples_are_the_same_whether_or_not_they_share_a_decoding) {
    const char *names[] = {"photo.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "lossy.webp"};
    test_folder f = test_folder_create();
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "a/%s", names[i]);
        put_fixture(&f, name, names[i]);
    }
    weld_dataset *ds = open_dataset(f.path);
    weld_transform t = make_transform();
    weld_sample_source s = source_of(ds, &t);
    ck_assert_int_eq(weld_dataset_count(ds), 5);
    for (int64_t i = 0; i < 5; i++) {
        ck_assert_int_eq(compare_shared(&s, i), REPEATS);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Crops that end above the damage do not meet it: with whom they share must make no difference. */
START_TEST(which_samples_of_a_damaged_image_fail_does_not_depend_on_sharing) {
    test_folder f = test_folder_create();
    size_t size;
    unsigned char *bytes = read_image_fixture("photo.jpg", &size);
    memset(bytes + size * 3 / 4, 0xFF, 2);
    bytes[size * 3 / 4 + 2] = 0xD3; /* a restart where none may be */
    test_write_file(test_path(&f, "damaged.jpg"), bytes, size);
    free(bytes);
    char folder[600], from[600];
    snprintf(folder, sizeof folder, "%s/a", f.path);
    snprintf(from, sizeof from, "%s/damaged.jpg", f.path);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%s/a/damaged.jpg", f.path);
    ck_assert_int_eq(rename(from, folder), 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_transform t = make_transform();
    weld_sample_source s = source_of(ds, &t);
    int good = compare_shared(&s, 0);
    ck_assert_int_gt(good, 0);
    ck_assert_int_lt(good, REPEATS);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/sample", samples_are_the_same_whether_or_not_they_share_a_decoding,
          which_samples_of_a_damaged_image_fail_does_not_depend_on_sharing)
