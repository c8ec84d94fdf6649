#include "data/batching.h"

#include <math.h>
#include <string.h>

#include "suite.h"

/* MobileViT's sizes and its batches of 128 images of 256 x 256. */
static const int sizes[] = {160, 192, 256, 288, 320};
enum { SIZES = 5, COUNT = 100000 };

static weld_batching_options options_of(int64_t count, int64_t accumulate) {
    return (weld_batching_options){.count = count,
                                   .batch_size = 128,
                                   .height = 256,
                                   .width = 256,
                                   .sizes = sizes,
                                   .size_count = SIZES,
                                   .accumulate = accumulate,
                                   .seed = 7};
}

static weld_batching init(weld_batching_options o) {
    weld_batching b;
    weld_error err = {0};
    ck_assert_msg(weld_batching_init(&b, &o, &err) == WELD_OK, "%s", err.message);
    return b;
}

/* As the published sampler has them (ml-cvnets, variable_batch_sampler). */
START_TEST(batches_have_about_as_many_pixels) {
    static const int64_t images[] = {327, 227, 128, 101, 81};
    weld_batching b = init(options_of(COUNT, 1));
    ck_assert_int_eq(b.shape_count, SIZES);
    for (int i = 0; i < SIZES; i++) {
        ck_assert_int_eq(b.shapes[i].height, sizes[i]);
        ck_assert_int_eq(b.shapes[i].count, images[i]);
    }
    ck_assert_int_eq(weld_batching_most(&b), 327);
}
END_TEST

START_TEST(a_batch_has_an_image_at_least_and_no_more_than_there_are) {
    static const int far[] = {8, 1024};
    weld_batching_options o = options_of(300, 1);
    o.batch_size = 2;
    o.sizes = far;
    o.size_count = 2;
    weld_batching b = init(o);
    ck_assert_int_eq(b.shapes[0].count, 300); /* of 2048 */
    ck_assert_int_eq(b.shapes[1].count, 1);   /* of an eighth */
}
END_TEST

/* Batch after batch begins where the one before ends, all of an update have its size, and what is
 * left over is less than the update that would have followed. */
START_TEST(an_epoch_goes_through_its_images_once) {
    for (int64_t accumulate = 1; accumulate <= 3; accumulate += 2) {
        weld_batching b = init(options_of(COUNT, accumulate));
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            const int64_t updates = weld_batching_updates(&b, epoch);
            int64_t end = 0;
            for (int64_t batch = 0; batch < updates * accumulate; batch++) {
                weld_batch_place place = weld_batching_find(&b, epoch, batch);
                int64_t first = batch - batch % accumulate;
                ck_assert_int_eq(place.begin, end);
                ck_assert_int_eq(place.shape, weld_batching_find(&b, epoch, first).shape);
                end += b.shapes[place.shape].count;
            }
            const int next = weld_batching_find(&b, epoch, updates * accumulate).shape;
            ck_assert_int_le(end, COUNT);
            ck_assert_int_gt(end + b.shapes[next].count * accumulate, COUNT);
        }
    }
}
END_TEST

START_TEST(what_an_update_draws_does_not_depend_on_what_was_asked_before) {
    weld_batching a = init(options_of(COUNT, 2)), b = a;
    const int64_t batches = 2 * weld_batching_updates(&a, 4);
    int changes = 0;
    for (int64_t batch = 0; batch < batches; batch++) {
        const int64_t back = batches - 1 - batch;
        weld_batching fresh = init(options_of(COUNT, 2));
        weld_batch_place x = weld_batching_find(&a, 4, back), y = weld_batching_find(&b, 4, batch),
                         z = weld_batching_find(&fresh, 4, back),
                         other = weld_batching_find(&b, 5, batch);
        ck_assert(x.shape == z.shape && x.begin == z.begin);
        x = weld_batching_find(&a, 4, batch);
        ck_assert(x.shape == y.shape && x.begin == y.begin);
        changes += other.shape != y.shape;
    }
    ck_assert_int_gt(changes, 0); /* each epoch draws anew */
    weld_batching_options o = options_of(COUNT, 2);
    o.seed = 8;
    weld_batching seeded = init(o);
    changes = 0;
    for (int64_t batch = 0; batch < batches; batch++) {
        changes +=
            weld_batching_find(&seeded, 4, batch).shape != weld_batching_find(&a, 4, batch).shape;
    }
    ck_assert_int_gt(changes, 0);
}
END_TEST

/* Within four standard deviations of a fifth each, and neighbours are alike as often. */
START_TEST(all_sizes_are_drawn_alike) {
    weld_batching b = init(options_of(COUNT, 1));
    double drawn[SIZES] = {0}, alike = 0, all = 0;
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        const int64_t updates = weld_batching_updates(&b, epoch);
        int last = -1;
        for (int64_t update = 0; update < updates; update++) {
            int shape = weld_batching_find(&b, epoch, update).shape;
            drawn[shape]++;
            alike += shape == last;
            last = shape;
        }
        all += (double)updates;
    }
    const double deviation = sqrt(all * 0.2 * 0.8);
    for (int i = 0; i < SIZES; i++) {
        ck_assert_double_lt(fabs(drawn[i] - all / 5), 4 * deviation);
    }
    ck_assert_double_lt(fabs(alike - all / 5), 4 * deviation);
}
END_TEST

START_TEST(one_size_is_batch_after_batch) {
    weld_batching_options o = options_of(1000, 3);
    o.size_count = 0;
    weld_batching b = init(o);
    ck_assert_int_eq(b.shape_count, 1);
    ck_assert_int_eq(b.shapes[0].height, 256);
    ck_assert_int_eq(weld_batching_updates(&b, 9), 2); /* of 384; 232 are left out */
    ck_assert_int_eq(weld_batching_find(&b, 9, 5).begin, 640);
}
END_TEST

START_TEST(an_update_that_no_epoch_has_room_for_is_seen) {
    weld_batching b = init(options_of(80, 2)); /* two batches of 80 at every size */
    ck_assert_int_eq(weld_batching_updates(&b, 0), 0);
}
END_TEST

START_TEST(batches_of_no_image_or_of_too_many_are_refused) {
    static const int tiny[] = {1, 256};
    weld_batching b;
    weld_error err = {0};
    weld_batching_options o = options_of(COUNT, 1);
    o.batch_size = 0;
    ck_assert_int_eq(weld_batching_init(&b, &o, &err), WELD_ERROR_ARGUMENT);
    o.batch_size = 128;
    o.sizes = tiny;
    o.size_count = 2;
    ck_assert_int_eq(weld_batching_init(&b, &o, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "size 1: its batches would be of 8388608 images"));
}
END_TEST

RUN_SUITE("data/batching", batches_have_about_as_many_pixels,
          a_batch_has_an_image_at_least_and_no_more_than_there_are,
          an_epoch_goes_through_its_images_once,
          what_an_update_draws_does_not_depend_on_what_was_asked_before, all_sizes_are_drawn_alike,
          one_size_is_batch_after_batch, an_update_that_no_epoch_has_room_for_is_seen,
          batches_of_no_image_or_of_too_many_are_refused)
