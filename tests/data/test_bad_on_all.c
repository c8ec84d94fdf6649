/* Bad images that ranks have met: bad on all of them, or the run ends. */
#define _GNU_SOURCE
#include "data/bad_on_all.h"
#include "train/rank_runs.h"

/* Rank 1 of three has data of its own. What the ranks say of images that rank 1 has met. */
static weld_status settle_all(weld_group *g, const int64_t *met, int count) {
    const bool other = weld_group_rank(g) == 1;
    weld_array images = {.element = sizeof(weld_doubtful_image)};
    weld_dataset *ds;
    EXPECT(weld_dataset_open(in_base(other ? "val.h5" : "train.h5"), &ds, &err) == WELD_OK);
    for (int i = 0; i < count && weld_group_rank(g) == 0; i++) {
        weld_doubtful_image image = {.index = met[i], .rank = 1};
        snprintf(image.reason, sizeof image.reason, "image %d: no photo", (int)met[i]);
        EXPECT(weld_array_append(&images, &image, 1));
    }
    const weld_status status = weld_bad_on_all(g, ds, (weld_reading){0}, &images, &err);
    weld_array_free(&images);
    weld_dataset_free(ds);
    return status;
}

static void settle(weld_group *g, void *context) {
    (void)context;
    EXPECT(settle_all(g, NULL, 0) == WELD_OK);
    EXPECT(settle_all(g, (const int64_t[]){3}, 1) == WELD_OK);
    EXPECT(settle_all(g, (const int64_t[]){3, 6}, 2) == WELD_OK);
    EXPECT(settle_all(g, (const int64_t[]){3, 4}, 2) == WELD_ERROR_IO);
    EXPECT_TEXT(err.message, "rank 1 (");
    EXPECT_TEXT(err.message, "): image 4: no photo: but rank 0 (");
    EXPECT_TEXT(err.message, ") can use it, and results would depend on whose turn it is: give");
    /* It is good on all: it could not be read when it was its turn. */
    EXPECT(settle_all(g, (const int64_t[]){2}, 1) == WELD_ERROR_IO);
    EXPECT_TEXT(err.message, "): image 2: no photo: but now it can be used: ");
}

START_TEST(images_are_bad_on_all_ranks_or_all_fail) {
    set_up();
    damage(in_base("train.h5"), 3);
    damage(in_base("train.h5"), 6);
    for (int i = 3; i <= 6; i++) {
        damage(in_base("val.h5"), i);
    }
    ck_assert(run_group(&(ranks_options){.size = 3}, settle, NULL));
    tear_down();
}
END_TEST

RUN_SUITE("data/bad_on_all", images_are_bad_on_all_ranks_or_all_fail)
