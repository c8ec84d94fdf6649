/* The COCO evaluation of images that count several times, or not at all. */
#include "base/memory.h"
#include "base/random.h"
#include "suite.h"
#include "tasks/detection/coco.h"

enum { CLASSES = 3, IMAGES = 12, OBJECTS = 5, FOUND = 14 };

/* Boxes of image i and what is found there, most of it near a box; the last class has no object. */
static void make(int i, weld_box truth[OBJECTS], weld_found_box found[FOUND]) {
    weld_random r = weld_random_start(1, 0, (uint64_t)i, WELD_RANDOM_TEST);
    for (int k = 0; k < OBJECTS; k++) {
        const double x = weld_random_range(&r, 0, 300), y = weld_random_range(&r, 0, 300);
        truth[k] = (weld_box){x,
                              y,
                              40,
                              40,
                              1600,
                              (int32_t)weld_random_below(&r, CLASSES - 1),
                              k == 4 ? WELD_BOX_CROWD : 0};
    }
    for (int k = 0; k < FOUND; k++) {
        const weld_box *near = &truth[k % OBJECTS];
        found[k] = (weld_found_box){near->x + weld_random_range(&r, -8, 8),
                                    near->y + weld_random_range(&r, -20, 8),
                                    40,
                                    40,
                                    weld_random_uniform(&r),
                                    k % 4 ? near->class_index : k % CLASSES};
    }
}

static void count(weld_coco *c, int i, int64_t number) {
    weld_box truth[OBJECTS];
    weld_found_box found[FOUND];
    weld_array record = {.element = 1};
    make(i, truth, found);
    ck_assert(!weld_coco_measure(truth, OBJECTS, found, FOUND, &record, NULL));
    ck_assert(!weld_coco_count(c, number, record.data, record.count, NULL));
    weld_array_free(&record);
}

/* Each image so many times, as images of their own. */
static weld_coco *repeat(const int32_t *times) {
    weld_coco *c;
    ck_assert(!weld_coco_create(CLASSES, &c, NULL));
    for (int i = 0; i < IMAGES; i++) {
        for (int32_t k = 0; k < times[i]; k++) {
            count(c, i, 100 * i + k);
        }
    }
    return c;
}

/* once: every image, counted in some order. */
static void expect_same(const weld_coco *once, const int order[IMAGES], const int32_t *times) {
    weld_coco_resample *r;
    weld_coco *repeated = repeat(times);
    const weld_coco_result *expected = weld_coco_finish(repeated);
    int32_t of_place[IMAGES];
    double ap[CLASSES], ap50[CLASSES];
    for (int i = 0; i < IMAGES; i++) {
        of_place[i] = times[order[i]];
    }
    ck_assert(!weld_coco_resample_create(once, &r, NULL));
    weld_coco_resample_run(r, of_place, ap, ap50);
    for (int k = 0; k < CLASSES; k++) {
        const weld_coco_class *class = &expected->by_class[k];
        ck_assert_int_eq(isnan(ap[k]), isnan(class->ap));
        ck_assert(isnan(ap[k]) || (ap[k] == class->ap && ap50[k] == class->ap50));
    }
    ck_assert(isnan(ap[CLASSES - 1]));
    weld_coco_resample_free(r);
    weld_coco_free(repeated);
}

START_TEST(an_image_that_counts_twice_is_two_images) {
    static const int order[IMAGES] = {3, 0, 7, 1, 2, 11, 4, 10, 5, 9, 6, 8};
    static const int32_t times[][IMAGES] = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                                            {2, 0, 1, 0, 3, 1, 0, 0, 2, 1, 1, 1},
                                            {0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0}};
    weld_coco *c;
    ck_assert(!weld_coco_create(CLASSES, &c, NULL));
    for (int again = 0; again < 2; again++) { /* what was counted before is forgotten */
        weld_coco_clear(c);
        for (int i = 0; i < IMAGES; i++) {
            count(c, order[i], 100 * order[i]);
        }
    }
    weld_coco_finish(c);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        expect_same(c, order, times[i]);
    }
    weld_coco_free(c);
}
END_TEST

START_TEST(a_lack_of_memory_is_told_wherever_it_comes) {
    static const int32_t times[IMAGES] = {1, 1};
    weld_coco *c = repeat(times);
    weld_coco_finish(c);
    for (int i = 0;; i++) {
        weld_coco_resample *r;
        weld_memory_fail_after(i);
        const weld_status status = weld_coco_resample_create(c, &r, NULL);
        weld_memory_fail_after(-1);
        weld_coco_resample_free(r);
        if (status == WELD_OK) {
            ck_assert_int_gt(i, 3);
            break;
        }
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
        ck_assert_ptr_null(r);
    }
    weld_coco_free(c);
}
END_TEST

RUN_SUITE("tasks/detection/coco_resample", an_image_that_counts_twice_is_two_images,
          a_lack_of_memory_is_told_wherever_it_comes)
