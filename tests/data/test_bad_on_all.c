/* Bad images that ranks have met: bad on all of them, or the run ends. */
#define _GNU_SOURCE
#include "data/bad_on_all.h"
#include "train/rank_runs.h"

/* Rank 1 of three has data of its own. What the ranks say of images that rank 1 has met. */
static weld_status settle_all(weld_group *g, const int64_t *met, int count) {
    const bool other = weld_group_rank(g) == 1;
    weld_doubts doubts = WELD_DOUBTS;
    weld_dataset *ds;
    EXPECT(weld_dataset_open(in_base(other ? "val.h5" : "train.h5"), &ds, &err) == WELD_OK);
    for (int i = 0; i < count && weld_group_rank(g) == 0; i++) {
        char reason[64];
        snprintf(reason, sizeof reason, "image %d: no photo", (int)met[i]);
        weld_doubts_note(&doubts, 1, met[i], reason);
    }
    const weld_status status = weld_doubts_settle(&doubts, g, ds, (weld_reading){0}, &err);
    weld_doubts_free(&doubts);
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

static bool doubts_again(weld_doubts *d, int64_t index) {
    const size_t before = d->images.count;
    weld_doubts_note(d, 1, index, "met again");
    return d->images.count > before;
}

/* The first is no image, the second has gone. */
static void settle_twice(weld_group *g, void *ds) {
    const bool leads = weld_group_rank(g) == 0;
    weld_doubts doubts = WELD_DOUBTS;
    for (int i = 0; i < 2; i++) {
        EXPECT(!leads || doubts_again(&doubts, 0) == (i == 0));
        EXPECT(!leads || doubts_again(&doubts, 1));
        EXPECT(weld_doubts_any(&doubts) == leads);
        EXPECT(weld_doubts_settle(&doubts, g, ds, (weld_reading){0}, &err) == WELD_OK);
        EXPECT(!weld_doubts_any(&doubts));
    }
    weld_doubts_free(&doubts);
}

START_TEST(what_is_no_image_on_any_rank_is_looked_at_once_and_what_cannot_be_read_each_time) {
    test_folder folder = test_folder_create();
    weld_dataset *ds;
    test_put_file(&folder, "a/1.jpg", "no image");
    test_put_file(&folder, "b/2.jpg", "no image");
    ck_assert_msg(!weld_dataset_open(folder.path, &ds, &err), "%s", err.message);
    ck_assert_int_eq(unlink(test_path(&folder, "b/2.jpg")), 0);
    ck_assert(run_group(&(ranks_options){.size = 2}, settle_twice, ds));
    weld_dataset_free(ds);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("data/bad_on_all", images_are_bad_on_all_ranks_or_all_fail,
          what_is_no_image_on_any_rank_is_looked_at_once_and_what_cannot_be_read_each_time)
