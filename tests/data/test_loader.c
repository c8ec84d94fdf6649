#include "base/clock.h"
#include "base/random.h"
#include "datasets/folders.h"
#include "data/loader.h"
#include "data/mix.h"
#include "datasets/pack.h"
#include "suite.h"
#include "tasks/classification/classification.h"

enum { SIZE = 16, FLOATS = SIZE * SIZE * 3, MAX_BATCH = 16, CLASSES = 2 };

static weld_loader_options options_of(int64_t batch_size, int threads) {
    weld_loader_options o = {.preprocessing = {.height = SIZE,
                                               .width = SIZE,
                                               .crop_fraction = 0.875,
                                               .interpolation = WELD_BICUBIC,
                                               .mean = {0.5f, 0.5f, 0.5f},
                                               .std = {0.25f, 0.25f, 0.25f}},
                             .augmentation = weld_augmentation_defaults(),
                             .batch_size = batch_size,
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
    float images[MAX_BATCH * FLOATS], targets[MAX_BATCH * CLASSES];
    int32_t labels[MAX_BATCH];
    weld_batch batch;
} loaded;

static void take_labels(loaded *out) {
    for (int64_t i = 0; i < out->batch.count; i++) {
        ck_assert_uint_eq(out->batch.annotations[i].count, 1);
        out->labels[i] = weld_class_label(&out->batch, i);
    }
}

static void load_train(weld_loader *l, uint32_t epoch, int64_t batch, loaded *out) {
    weld_error err = {0};
    memset(out, 0, sizeof *out);
    weld_status status =
        weld_loader_train_batch(l, epoch, batch, NULL, out->images, &out->batch, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    weld_class_targets(&out->batch, CLASSES, out->targets);
    take_labels(out);
}

static void load_eval(weld_loader *l, int64_t batch, loaded *out) {
    weld_error err = {0};
    memset(out, 0, sizeof *out);
    weld_status status = weld_loader_eval_batch(l, batch, out->images, &out->batch, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    take_labels(out);
}

/* 23 images in two classes, of which some are bad. */
static test_folder make_folder(const int *bad, int bad_count) {
    static const char *fixtures[] = {"baseline_420.jpg", "cmyk.jpg", "rgba.png",
                                     "grey.jpg",         "tall.jpg", "photo.jpg"};
    test_folder f = test_folder_create();
    for (int i = 0; i < 23; i++) {
        char name[32];
        bool is_bad = false;
        for (int k = 0; k < bad_count; k++) {
            is_bad |= bad[k] == i;
        }
        snprintf(name, sizeof name, "%s/%02d.jpg", i < 9 ? "cat" : "dog", i);
        put_fixture(&f, name, is_bad ? "evaluation.txt" : fixtures[i % 6]);
    }
    return f;
}

START_TEST(batches_do_not_depend_on_threads_or_on_what_came_before) {
    test_folder f = make_folder(NULL, 0), packed_folder = test_folder_create();
    weld_dataset *ds = open_dataset(f.path);
    weld_pack_options pack_options = {0};
    weld_pack_report report;
    ck_assert_int_eq(
        weld_pack(ds, test_path(&packed_folder, "set.h5"), &pack_options, &report, NULL), WELD_OK);
    weld_dataset *packed = open_dataset(test_path(&packed_folder, "set.h5"));
    weld_loader_options one = options_of(5, 1), two = options_of(5, 2);
    weld_loader *a = create(ds, &one), *b = create(ds, &two), *c = create(packed, &two);
    static loaded x, y, z;
    ck_assert_int_eq(weld_loader_train_batches(a, 0), 4);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        for (int64_t batch = 0; batch < 4; batch++) {
            load_train(a, epoch, batch, &x);
            /* Backwards, so that nothing was read ahead for it and the epochs alternate. */
            load_train(b, 1 - epoch, 3 - batch, &y);
            load_train(b, epoch, batch, &y);
            load_train(c, epoch, batch, &z);
            ck_assert_mem_eq(x.images, y.images, sizeof x.images);
            ck_assert_mem_eq(x.targets, y.targets, sizeof x.targets);
            ck_assert_mem_eq(x.images, z.images, sizeof x.images);
            ck_assert_mem_eq(x.targets, z.targets, sizeof x.targets);
            for (int i = 0; i < 5; i++) {
                ck_assert(x.images[i * FLOATS] == x.images[i * FLOATS]); /* finite */
            }
        }
    }
    weld_loader_free(a);
    weld_loader_free(b);
    weld_loader_free(c);
    weld_dataset_free(ds);
    weld_dataset_free(packed);
    test_folder_remove(f);
    test_folder_remove(packed_folder);
}
END_TEST

/* RandAugment, three-augment, colour jitter; each with erasing. */
START_TEST(augmented_pixels_do_not_depend_on_threads) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    for (int method = 0; method < 3; method++) {
        static loaded expected, got;
        for (int threads = 1; threads <= 4; threads++) {
            weld_loader_options o = options_of(11, threads);
            o.augmentation.random_erasing = 0.5;
            o.augmentation.three_augment = method == 1;
            o.augmentation.auto_augment[0] = method == 2 ? 0 : o.augmentation.auto_augment[0];
            weld_loader *l = create(ds, &o);
            load_train(l, 3, 1, threads == 1 ? &expected : &got);
            if (threads > 1) {
                ck_assert_mem_eq(got.images, expected.images, sizeof got.images);
            }
            weld_loader_free(l);
        }
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Parts of the batch's length, though several threads spend it. */
static void check_seconds(const weld_batch *b, double began) {
    double sum = b->wait_seconds + b->decode_seconds + b->augment_seconds;
    ck_assert(b->wait_seconds > 0 && b->decode_seconds > 0 && b->augment_seconds > 0);
    ck_assert(sum <= weld_clock() - began);
}

START_TEST(a_batch_says_where_its_time_went) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(5, 2);
    weld_loader *l = create(ds, &o);
    static loaded x;
    double began = weld_clock();
    load_train(l, 0, 0, &x);
    check_seconds(&x.batch, began);
    began = weld_clock();
    ck_assert_int_eq(weld_loader_eval_batch(l, 0, x.images, &x.batch, NULL), WELD_OK);
    check_seconds(&x.batch, began);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(an_epoch_visits_each_sample_at_most_once_in_an_order_of_its_own) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(5, 2);
    weld_loader *l = create(ds, &o);
    static loaded x;
    int64_t first[3][20];
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        int seen[23] = {0};
        for (int64_t batch = 0; batch < 4; batch++) {
            load_train(l, epoch, batch, &x);
            ck_assert_int_eq(x.batch.count, 5);
            for (int i = 0; i < 5; i++) {
                int64_t index = x.batch.indices[i];
                ck_assert_int_eq(seen[index]++, 0);
                ck_assert_int_eq(x.labels[i], weld_dataset_label(ds, index));
                first[epoch][batch * 5 + i] = index;
            }
        }
    }
    ck_assert_mem_ne(first[0], first[1], sizeof first[0]);
    ck_assert_mem_ne(first[1], first[2], sizeof first[0]);
    weld_error err;
    ck_assert_int_eq(weld_loader_train_batch(l, 0, 4, NULL, x.images, &x.batch, &err),
                     WELD_ERROR_ARGUMENT);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(without_shuffling_and_augmenting_training_sees_what_evaluation_sees) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(6, 2);
    o.shuffle = false;
    o.augmentation.kind = WELD_AUGMENT_NONE;
    o.augmentation.mix_probability = 0;
    weld_loader *l = create(ds, &o), *e = create(ds, &o);
    static loaded x, y;
    for (int64_t batch = 0; batch < 3; batch++) {
        load_train(l, 7, batch, &x);
        load_eval(e, batch, &y);
        ck_assert_mem_eq(x.images, y.images, sizeof x.images);
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(x.batch.indices[i], batch * 6 + i);
            ck_assert_int_eq(y.batch.indices[i], batch * 6 + i);
            ck_assert_float_eq(x.targets[i * CLASSES + x.labels[i]], 1.0f);
            ck_assert_float_eq(x.targets[i * CLASSES + 1 - x.labels[i]], 0.0f);
        }
    }
    weld_loader_free(l);
    weld_loader_free(e);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_batch_is_mixed_as_it_reports) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(7, 2), plain = o;
    plain.augmentation.mix_probability = 0;
    weld_loader *mixed = create(ds, &o), *unmixed = create(ds, &plain);
    static loaded x, y;
    load_train(mixed, 2, 1, &x);
    load_train(unmixed, 2, 1, &y);
    weld_mix mixes[7];
    weld_mix_draw(&o.augmentation, 42, 2, 1, 7, SIZE, SIZE, mixes);
    for (int i = 0; i < 7; i++) {
        ck_assert_float_eq(y.batch.mixes[i].lambda, 1.0f);
        ck_assert_float_eq(x.batch.mixes[i].lambda, mixes[i].lambda);
    }
    ck_assert_float_lt(mixes[0].lambda, 1.0f);
    weld_mix_images(mixes, 7, SIZE, SIZE, y.images, 1);
    weld_mix_rows(mixes, 7, CLASSES, y.targets);
    ck_assert_mem_eq(x.images, y.images, sizeof x.images);
    ck_assert_mem_eq(x.targets, y.targets, sizeof x.targets);
    weld_loader_free(mixed);
    weld_loader_free(unmixed);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(an_epoch_taken_up_in_its_middle_sees_no_image_twice) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(5, 2);
    weld_loader *whole = create(ds, &o);
    static loaded x, y;
    for (int64_t middle = 1; middle < 4; middle++) {
        int seen[23] = {0};
        for (int64_t batch = 0; batch < middle; batch++) {
            load_train(whole, 3, batch, &x);
            for (int i = 0; i < 5; i++) {
                seen[x.batch.indices[i]]++;
            }
        }
        weld_loader *resumed = create(ds, &o);
        for (int64_t batch = middle; batch < 4; batch++) {
            load_train(resumed, 3, batch, &y);
            for (int i = 0; i < 5; i++) {
                ck_assert_int_eq(seen[y.batch.indices[i]]++, 0);
            }
        }
        weld_loader_free(resumed);
    }
    weld_loader_free(whole);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(repeats_of_an_image_are_augmented_each_in_its_own_way) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(7, 2), once = o;
    o.augmentation.mix_probability = once.augmentation.mix_probability = 0;
    o.augmentation.repeats = 3;
    weld_loader *l = create(ds, &o), *plain = create(ds, &once);
    static loaded x, y;
    ck_assert_int_eq(weld_loader_train_batches(l, 0), 3);
    load_train(plain, 1, 0, &y);
    for (int64_t batch = 0; batch < 2; batch++) {
        load_train(l, 1, batch, &x);
        for (int64_t i = 0; i < 7; i++) {
            int64_t position = batch * 7 + i;
            ck_assert_int_eq(x.batch.repeats[i], position % 3);
            ck_assert_int_eq(x.batch.indices[i], y.batch.indices[position / 3]);
            const float *image = x.images + i * FLOATS, *first = y.images + position / 3 * FLOATS;
            bool same = memcmp(image, first, FLOATS * sizeof *image) == 0;
            ck_assert(same == (position % 3 == 0));
        }
    }
    weld_loader_free(l);
    weld_loader_free(plain);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(with_views_augmentation_comes_back_while_the_order_goes_on) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(16, 2);
    o.augmentation.mix_probability = 0;
    o.views = 2;
    weld_loader *l = create(ds, &o);
    static loaded x[4];
    int same = 0, different = 0;
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        load_train(l, epoch, 0, &x[epoch]);
        ck_assert_uint_eq(x[epoch].batch.view, epoch % 2);
        x[epoch].batch.indices = memcpy(malloc(16 * 8), x[epoch].batch.indices, 16 * 8);
    }
    ck_assert_mem_ne(x[1].batch.indices, x[3].batch.indices, 16 * 8);
    for (int k = 0; k < 3 * 256; k++) {
        const loaded *a = &x[k / 256], *b = &x[3];
        int i = k % 256 / 16, j = k % 16;
        if (a->batch.indices[i] == b->batch.indices[j]) {
            bool equal =
                memcmp(a->images + i * FLOATS, b->images + j * FLOATS, FLOATS * sizeof(float)) == 0;
            ck_assert(equal == (a == &x[1]));
            same += equal;
            different += !equal;
        }
    }
    ck_assert_int_gt(same, 8);
    ck_assert_int_gt(different, 16);
    for (int epoch = 0; epoch < 4; epoch++) {
        free((int64_t *)(uintptr_t)x[epoch].batch.indices);
    }
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* What is kept of a view is thereby good for every sample that training makes. */
START_TEST(with_views_each_repeat_is_a_view_of_its_own_that_can_be_had_in_order) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(16, 2), in_order = o;
    o.augmentation.mix_probability = 0;
    o.augmentation.repeats = 3;
    o.views = 4;
    in_order.augmentation.cutmix = 1; /* does nothing there */
    weld_loader *l = create(ds, &o), *views = create(ds, &in_order);
    static loaded x, y;
    weld_error err;
    int found = 0;
    load_train(l, 6, 0, &x);
    for (int i = 0; i < 16; i++) {
        uint32_t view = (uint32_t)((6 + x.batch.repeats[i]) % 4);
        for (int64_t b = 0; b < weld_loader_eval_batches(views); b++) {
            ck_assert_int_eq(weld_loader_view_batch(views, view, b, y.images, &y.batch, &err),
                             WELD_OK);
            for (int64_t j = 0; j < y.batch.count; j++) {
                ck_assert_int_eq(y.batch.indices[j], b * 16 + j);
                if (y.batch.indices[j] == x.batch.indices[i]) {
                    ck_assert_mem_eq(x.images + i * FLOATS, y.images + j * FLOATS,
                                     FLOATS * sizeof(float));
                    found++;
                }
            }
        }
    }
    ck_assert_int_eq(found, 16);
    weld_loader_free(l);
    weld_loader_free(views);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_set_smaller_than_a_batch_is_one_batch) {
    test_folder f = make_two_classes();
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(16, 2);
    weld_loader *l = create(ds, &o);
    static loaded x;
    ck_assert_int_eq(weld_loader_train_batches(l, 0), 1);
    ck_assert_int_eq(weld_loader_train_batch_size(l), 7);
    load_train(l, 0, 0, &x);
    ck_assert_int_eq(x.batch.count, 7);
    int64_t sum = 0;
    for (int i = 0; i < 7; i++) {
        sum += x.batch.indices[i];
    }
    ck_assert_int_eq(sum, 21);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(evaluation_counts_every_image_once_and_the_last_batch_is_short) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(6, 2);
    weld_loader *l = create(ds, &o);
    static loaded x;
    int64_t next = 0;
    ck_assert_int_eq(weld_loader_eval_batches(l), 4);
    for (int64_t batch = 0; batch < 4; batch++) {
        load_eval(l, batch, &x);
        ck_assert_int_eq(x.batch.count, batch < 3 ? 6 : 5);
        for (int64_t i = 0; i < x.batch.count; i++, next++) {
            ck_assert_int_eq(x.batch.indices[i], next);
            ck_assert_int_eq(x.labels[i], next >= 9);
        }
    }
    ck_assert_int_eq(next, 23);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

typedef struct reports {
    int count;
    int64_t indices[64];
    char last[512];
} reports;

static void note_bad(void *arg, int64_t index, const char *reason) {
    reports *r = arg;
    if (r->count < 64) {
        r->indices[r->count] = index;
    }
    r->count++;
    snprintf(r->last, sizeof r->last, "%s", reason);
}

START_TEST(evaluation_leaves_bad_images_out_and_reports_them) {
    const int bad[] = {0, 7, 8, 22};
    test_folder f = make_folder(bad, 4), g = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path), *good = open_dataset(g.path);
    reports r = {0};
    weld_loader_options o = options_of(6, 2);
    o.bad_image = note_bad;
    o.bad_image_arg = &r;
    weld_loader *l = create(ds, &o), *reference = create(good, &o);
    static loaded x, y;
    const int counts[] = {5, 4, 6, 4};
    for (int64_t batch = 0; batch < 4; batch++) {
        load_eval(l, batch, &x);
        load_eval(reference, batch, &y);
        ck_assert_int_eq(x.batch.count, counts[batch]);
        ck_assert_int_eq(x.batch.bad, y.batch.count - counts[batch]);
        for (int64_t i = 0; i < x.batch.count; i++) {
            int64_t there = x.batch.indices[i] - batch * 6;
            ck_assert_int_eq(x.labels[i], x.batch.indices[i] >= 9);
            ck_assert_mem_eq(x.images + i * FLOATS, y.images + there * FLOATS,
                             FLOATS * sizeof(float));
        }
    }
    ck_assert_int_eq(r.count, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(r.indices[i], bad[i]);
    }
    ck_assert_ptr_nonnull(strstr(r.last, "dog/22.jpg: not a JPEG, PNG or WebP image"));
    weld_loader_free(l);
    weld_loader_free(reference);
    weld_dataset_free(ds);
    weld_dataset_free(good);
    test_folder_remove(f);
    test_folder_remove(g);
}
END_TEST

/* The epoch's order is learnt from the same set without bad images: names and seed are equal. */
START_TEST(training_replaces_a_bad_image_by_the_next_good_one_of_the_order) {
    test_folder g = make_folder(NULL, 0);
    weld_dataset *good = open_dataset(g.path);
    weld_loader_options o = options_of(5, 2);
    o.augmentation.mix_probability = 0;
    weld_loader *reference = create(good, &o);
    static loaded x, y, next;
    load_train(reference, 0, 1, &y);
    load_train(reference, 0, 2, &next);
    load_train(reference, 0, 1, &y);
    int64_t order[5], following[5];
    memcpy(order, y.batch.indices, sizeof order);
    float second[FLOATS];
    load_train(reference, 0, 2, &next);
    memcpy(following, next.batch.indices, sizeof following);
    memcpy(second, next.images + FLOATS, sizeof second);
    const int bad[] = {(int)order[0], (int)order[3], (int)following[0]};
    test_folder f = make_folder(bad, 3);
    weld_dataset *ds = open_dataset(f.path);
    reports r = {0};
    o.bad_image = note_bad;
    o.bad_image_arg = &r;
    for (o.threads = 1; o.threads <= 2; o.threads++) {
        weld_loader *l = create(ds, &o);
        r.count = 0;
        load_train(l, 0, 1, &x);
        ck_assert_int_eq(x.batch.count, 5);
        ck_assert_int_eq(x.batch.bad, 3);
        ck_assert_int_eq(r.count, 3);
        ck_assert_int_eq(r.indices[0], order[0]);
        ck_assert_int_eq(r.indices[1], following[0]);
        ck_assert_int_eq(r.indices[2], order[3]);
        const int64_t expected[] = {following[1], order[1], order[2], following[2], order[4]};
        ck_assert_mem_eq(x.batch.indices, expected, sizeof expected);
        ck_assert_mem_eq(x.images, second, sizeof second);
        ck_assert_mem_eq(x.images + FLOATS, y.images + FLOATS, 2 * FLOATS * sizeof(float));
        for (int i = 0; i < 5; i++) {
            ck_assert_float_eq(x.targets[i * CLASSES + (expected[i] >= 9)], 1.0f);
        }
        weld_loader_free(l);
    }
    weld_loader_free(reference);
    weld_dataset_free(ds);
    weld_dataset_free(good);
    test_folder_remove(f);
    test_folder_remove(g);
}
END_TEST

START_TEST(a_set_of_bad_images_only_is_an_error) {
    int bad[23];
    for (int i = 0; i < 23; i++) {
        bad[i] = i;
    }
    test_folder f = make_folder(bad, 23);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(5, 2);
    weld_loader *l = create(ds, &o);
    static loaded x;
    weld_error err = {0};
    ck_assert_int_eq(weld_loader_train_batch(l, 0, 0, NULL, x.images, &x.batch, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, "bad images in a row") != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, f.path));
    load_eval(l, 0, &x);
    ck_assert_int_eq(x.batch.count, 0);
    ck_assert_int_eq(x.batch.bad, 5);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(files_that_vanish_between_reading_ahead_and_use_are_reported) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    reports r = {0};
    weld_loader_options o = options_of(6, 2);
    o.bad_image = note_bad;
    o.bad_image_arg = &r;
    weld_loader *l = create(ds, &o);
    static loaded x;
    unlink(test_path(&f, "cat/01.jpg"));
    unlink(test_path(&f, "dog/20.jpg"));
    for (int64_t batch = 0; batch < 4; batch++) {
        load_eval(l, batch, &x);
    }
    ck_assert_int_eq(r.count, 2);
    ck_assert_int_eq(r.indices[1], 20);
    ck_assert_ptr_nonnull(strstr(r.last, "dog/20.jpg: cannot open"));
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(5, 2);
    static loaded x;
    weld_status status = WELD_ERROR_MEMORY;
    long i = 0;
    for (; status; i++) {
        weld_loader *l = NULL;
        weld_memory_fail_after(i);
        status = weld_loader_create(ds, &o, &l, NULL);
        if (!status) {
            status = weld_loader_train_batch(l, 0, 0, NULL, x.images, &x.batch, NULL);
        }
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_loader_free(l);
    }
    ck_assert_int_gt(i, 12);
    o.batch_size = 0;
    weld_loader *l = NULL;
    ck_assert_int_eq(weld_loader_create(ds, &o, &l, NULL), WELD_ERROR_ARGUMENT);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Nine cats and fourteen dogs: balanced, some cats come twice. */
START_TEST(an_image_that_is_sampled_twice_is_augmented_in_two_ways) {
    test_folder f = make_folder(NULL, 0);
    weld_dataset *ds = open_dataset(f.path);
    weld_loader_options o = options_of(16, 2);
    o.augmentation.mix_probability = 0;
    o.sampling = WELD_BALANCE_FULL;
    weld_loader *l = create(ds, &o);
    static loaded x, again;
    int pairs = 0;
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        load_train(l, epoch, 0, &x);
        for (int64_t i = 0; i < x.batch.count; i++) {
            for (int64_t k = 0; k < i; k++) {
                if (x.batch.indices[k] == x.batch.indices[i]) {
                    ck_assert_int_eq(x.labels[i], 0);
                    ck_assert_int_ne(x.batch.repeats[i], x.batch.repeats[k]);
                    ck_assert_mem_ne(x.images + i * FLOATS, x.images + k * FLOATS,
                                     FLOATS * sizeof *x.images);
                    pairs++;
                }
            }
        }
        weld_loader *fresh = create(ds, &o); /* as a run that is resumed there */
        load_train(fresh, epoch, 0, &again);
        ck_assert_mem_eq(x.images, again.images, sizeof x.images);
        weld_loader_free(fresh);
    }
    ck_assert_int_gt(pairs, 5);
    weld_loader_free(l);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Quarters: the sample's own image and three that are drawn. */
static int compose_four(const void *settings, int64_t images, int height, int width,
                        weld_random *random, weld_sample_part *parts) {
    const int half = width / 2;
    (void)settings, (void)height;
    for (int i = 0; i < 4; i++) {
        parts[i].index = i ? (int64_t)weld_random_below(random, (uint64_t)images) : parts[0].index;
        parts[i].cell = (weld_rectangle){i % 2 * half, i / 2 * half, half, half};
    }
    return 4;
}

START_TEST(samples_of_several_images_depend_on_nothing_else_and_replace_bad_parts) {
    const weld_composition four = {.most = 4, .compose = compose_four};
    const int bad = 3;
    test_folder f = make_folder(&bad, 1);
    weld_dataset *ds = open_dataset(f.path);
    reports r = {0};
    weld_loader_options o = options_of(6, 1), other = options_of(6, 3);
    o.composition = other.composition = &four;
    o.bad_image = note_bad;
    o.bad_image_arg = &r;
    weld_loader *a = create(ds, &o), *b = create(ds, &other);
    static loaded x, y;
    int64_t replaced = 0;
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        for (int64_t batch = 0; batch < 3; batch++) {
            weld_loader_train_batch(b, epoch, 2 - batch, NULL, y.images, &y.batch, NULL);
            ck_assert_int_eq(
                weld_loader_train_batch(a, epoch, batch, NULL, x.images, &x.batch, NULL), WELD_OK);
            ck_assert_int_eq(
                weld_loader_train_batch(b, epoch, batch, NULL, y.images, &y.batch, NULL), WELD_OK);
            ck_assert_mem_eq(x.images, y.images, 6 * FLOATS * sizeof *x.images);
            ck_assert_mem_eq(x.batch.indices, y.batch.indices, 6 * sizeof *x.batch.indices);
            for (int i = 0; i < 6; i++) {
                ck_assert_uint_eq(x.batch.annotations[i].count, 4);
                ck_assert_int_eq(weld_class_label(&x.batch, i), x.batch.indices[i] >= 9);
                ck_assert_int_ne(x.batch.indices[i], bad);
            }
            replaced += x.batch.bad;
        }
    }
    ck_assert_int_gt(replaced, 2); /* more than the two times that it is a sample's own */
    ck_assert_int_eq(r.count, replaced);
    for (int i = 0; i < r.count && i < 64; i++) {
        ck_assert_int_eq(r.indices[i], bad);
    }
    weld_loader_free(a);
    weld_loader_free(b);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/loader", batches_do_not_depend_on_threads_or_on_what_came_before,
          augmented_pixels_do_not_depend_on_threads, a_batch_says_where_its_time_went,
          an_epoch_visits_each_sample_at_most_once_in_an_order_of_its_own,
          without_shuffling_and_augmenting_training_sees_what_evaluation_sees,
          a_batch_is_mixed_as_it_reports, an_epoch_taken_up_in_its_middle_sees_no_image_twice,
          repeats_of_an_image_are_augmented_each_in_its_own_way,
          an_image_that_is_sampled_twice_is_augmented_in_two_ways,
          with_views_augmentation_comes_back_while_the_order_goes_on,
          with_views_each_repeat_is_a_view_of_its_own_that_can_be_had_in_order,
          a_set_smaller_than_a_batch_is_one_batch,
          evaluation_counts_every_image_once_and_the_last_batch_is_short,
          evaluation_leaves_bad_images_out_and_reports_them,
          training_replaces_a_bad_image_by_the_next_good_one_of_the_order,
          a_set_of_bad_images_only_is_an_error,
          samples_of_several_images_depend_on_nothing_else_and_replace_bad_parts,
          files_that_vanish_between_reading_ahead_and_use_are_reported,
          failed_allocations_are_reported)
