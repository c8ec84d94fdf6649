/* Loaders whose training batches are of several sizes. */
#include <string.h>

#include "datasets/folders.h"
#include "data/loader.h"
#include "suite.h"
#include "tasks/classification/classification.h"

/* Batches of 4 images at 16 x 16: 7 of 12 x 12 and 2 of 20 x 20. */
static const int sizes[] = {12, 16, 20};
enum { SIZES = 3, IMAGES = 23, MOST = 7, FLOATS = 4 * 16 * 16 * 3 };

static weld_loader_options options_of(int threads) {
    weld_loader_options o = {.preprocessing = {.height = 16,
                                               .width = 16,
                                               .crop_fraction = 0.875,
                                               .interpolation = WELD_BICUBIC,
                                               .mean = {0.5f, 0.5f, 0.5f},
                                               .std = {0.25f, 0.25f, 0.25f}},
                             .augmentation = weld_augmentation_defaults(),
                             .batch_size = 4,
                             .sizes = sizes,
                             .size_count = SIZES,
                             .seed = 42,
                             .shuffle = true,
                             .annotation = &weld_class_annotation,
                             .threads = threads};
    o.augmentation.repeats = 1;
    return o;
}

static weld_loader *create(const weld_dataset *ds, const weld_loader_options *options) {
    weld_loader *l = NULL;
    weld_error err = {0};
    ck_assert_msg(weld_loader_create(ds, options, &l, &err) == WELD_OK, "%s", err.message);
    return l;
}

typedef struct loaded {
    float images[FLOATS];
    int64_t indices[MOST];
    weld_mix mixes[MOST];
    weld_batch batch;
} loaded;

static void load(weld_loader *l, uint32_t epoch, int64_t batch, loaded *out) {
    weld_error err = {0};
    memset(out, 0, sizeof *out);
    weld_status status =
        weld_loader_train_batch(l, epoch, batch, NULL, out->images, &out->batch, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    memcpy(out->indices, out->batch.indices, (size_t)out->batch.count * sizeof *out->indices);
    memcpy(out->mixes, out->batch.mixes, (size_t)out->batch.count * sizeof *out->mixes);
}

/* Number `bad` is no image; -1: all are good. */
static test_folder make_folder(int bad) {
    static const char *fixtures[] = {"baseline_420.jpg", "cmyk.jpg", "rgba.png",
                                     "grey.jpg",         "tall.jpg", "photo.jpg"};
    test_folder f = test_folder_create();
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/%02d.jpg", i < 9 ? "cat" : "dog", i);
        put_fixture(&f, name, i == bad ? "evaluation.txt" : fixtures[i % 6]);
    }
    return f;
}

START_TEST(a_batch_has_as_many_images_as_its_size_says) {
    test_folder f = make_folder(-1);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(2);
    weld_loader *l = create(ds, &o);
    int shapes;
    const weld_batch_shape *shape = weld_loader_train_shapes(l, &shapes);
    static loaded x;
    ck_assert_int_eq(shapes, SIZES);
    ck_assert_int_eq(weld_loader_train_most(l), MOST);
    ck_assert_int_eq(weld_loader_train_batch_size(l), 4);
    ck_assert_uint_eq(weld_loader_train_floats(l), FLOATS);
    int seen[SIZES] = {0};
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        int times[IMAGES] = {0};
        for (int64_t batch = 0; batch < weld_loader_train_batches(l, epoch); batch++) {
            const int of = weld_loader_train_shape(l, epoch, batch);
            load(l, epoch, batch, &x);
            ck_assert_int_eq(x.batch.height, shape[of].height);
            ck_assert_int_eq(x.batch.count, shape[of].count);
            seen[of]++;
            for (int64_t i = 0; i < x.batch.count; i++) {
                ck_assert_int_eq(times[x.indices[i]]++, 0);
            }
        }
    }
    ck_assert(seen[0] && seen[1] && seen[2]);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Against loaders of one size each, at the same places of the same order. */
START_TEST(each_sample_is_that_of_training_at_its_size_alone) {
    test_folder f = make_folder(-1);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(2);
    o.augmentation.mix_probability = 0;
    o.augmentation.random_erasing = 0.5;
    weld_loader *l = create(ds, &o), *alone[SIZES];
    for (int i = 0; i < SIZES; i++) {
        weld_loader_options one = o;
        one.size_count = 0;
        one.preprocessing.height = one.preprocessing.width = sizes[i];
        one.batch_size = 1;
        alone[i] = create(ds, &one);
    }
    static loaded x, y;
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        int64_t position = 0;
        for (int64_t batch = 0; batch < weld_loader_train_batches(l, epoch); batch++) {
            const int of = weld_loader_train_shape(l, epoch, batch);
            const size_t floats = (size_t)sizes[of] * (size_t)sizes[of] * 3;
            load(l, epoch, batch, &x);
            for (int64_t i = 0; i < x.batch.count; i++, position++) {
                load(alone[of], epoch, position, &y);
                ck_assert_int_eq(x.indices[i], y.indices[0]);
                ck_assert_mem_eq(x.images + (size_t)i * floats, y.images, floats * sizeof(float));
            }
        }
    }
    for (int i = 0; i < SIZES; i++) {
        weld_loader_free(alone[i]);
    }
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(batches_do_not_depend_on_threads_or_on_what_came_before) {
    test_folder f = make_folder(11);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options one = options_of(1), three = options_of(3);
    one.accumulate = three.accumulate = 2;
    one.augmentation.mixup = three.augmentation.mixup = 0.8;
    one.augmentation.cutmix = three.augmentation.cutmix = 1;
    weld_loader *a = create(ds, &one), *b = create(ds, &three);
    static loaded x, y;
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        const int64_t batches = weld_loader_train_batches(a, epoch);
        int bad = 0;
        for (int64_t batch = 0; batch < batches; batch++) {
            load(b, 1 - epoch % 2, 0, &y); /* elsewhere */
            load(a, epoch, batch, &x);
            load(b, epoch, batches - 1 - batch, &y);
            load(b, epoch, batch, &y);
            ck_assert_mem_eq(x.images, y.images, sizeof x.images);
            ck_assert_mem_eq(x.indices, y.indices, sizeof x.indices);
            ck_assert_mem_eq(x.mixes, y.mixes, sizeof x.mixes);
            ck_assert_int_eq(x.batch.bad, y.batch.bad);
            bad += (int)x.batch.bad;
        }
        ck_assert_int_le(bad, 1);
    }
    weld_loader_free(a);
    weld_loader_free(b);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(evaluation_stays_at_the_input_size) {
    test_folder f = make_folder(-1);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(2), one = o;
    one.size_count = 0;
    weld_loader *l = create(ds, &o), *alone = create(ds, &one);
    static loaded x, y;
    ck_assert_int_eq(weld_loader_eval_batches(l), 6);
    for (int64_t batch = 0; batch < 6; batch++) {
        memset(&x, 0, sizeof x);
        memset(&y, 0, sizeof y);
        ck_assert_int_eq(weld_loader_eval_batch(l, batch, x.images, &x.batch, NULL), WELD_OK);
        ck_assert_int_eq(weld_loader_eval_batch(alone, batch, y.images, &y.batch, NULL), WELD_OK);
        ck_assert_int_eq(x.batch.height, 16);
        ck_assert_int_eq(x.batch.count, batch < 5 ? 4 : 3);
        ck_assert_mem_eq(x.images, y.images, sizeof x.images);
    }
    weld_loader_free(l);
    weld_loader_free(alone);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/sizes", a_batch_has_as_many_images_as_its_size_says,
          each_sample_is_that_of_training_at_its_size_alone,
          batches_do_not_depend_on_threads_or_on_what_came_before,
          evaluation_stays_at_the_input_size)
