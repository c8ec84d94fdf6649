/* A loader is told which batch it will be asked for next, and reads that one ahead: who reads what
 * is counted, of a device that is slow. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "data/loader.h"
#include "datasets/folders.h"
#include "suite.h"

enum { IMAGES = 24, BATCH = 4, OF_UPDATE = 3, SIDE = 8, FLOATS = SIDE * SIDE * 3 };

static _Thread_local bool is_user; /* the thread that asks for batches, and makes their samples */
static atomic_int by_user, by_others;

/* In the place of the system's. */
ssize_t pread(int descriptor, void *to, size_t bytes, off_t offset) {
    nanosleep(&(struct timespec){0, 200000}, NULL); /* whoever reads waits, as for a disk */
    const ssize_t n = syscall(SYS_pread64, descriptor, to, bytes, offset);
    atomic_fetch_add(is_user ? &by_user : &by_others, 1);
    return n;
}

typedef struct fixture {
    test_folder folder;
    weld_dataset *ds;
    weld_loader *loader;
} fixture;

/* What batches hold, loaded in order. */
enum { EPOCHS = 3, OF_EPOCH = 6 };
static float expected[EPOCHS][OF_EPOCH][BATCH * FLOATS];

static weld_loader *create(const weld_dataset *ds) {
    weld_loader_options o = {.preprocessing = {.height = SIDE,
                                               .width = SIDE,
                                               .crop_fraction = 1,
                                               .interpolation = WELD_BICUBIC,
                                               .mean = {0.5f, 0.5f, 0.5f},
                                               .std = {0.25f, 0.25f, 0.25f}},
                             .augmentation = weld_augmentation_defaults(),
                             .batch_size = BATCH,
                             .accumulate = OF_UPDATE,
                             .seed = 3,
                             .shuffle = true,
                             .threads = 1};
    weld_loader *l = NULL;
    weld_error err = {.message = ""};
    o.augmentation.repeats = 1;
    ck_assert_msg(!weld_loader_create(ds, &o, &l, &err), "%s", err.message);
    return l;
}

static void load_all(const weld_dataset *ds) {
    weld_loader *l = create(ds);
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (int64_t batch = 0; batch < OF_EPOCH; batch++) {
            weld_batch out;
            ck_assert_int_eq(
                weld_loader_train_batch(l, epoch, batch, NULL, expected[epoch][batch], &out, NULL),
                WELD_OK);
        }
    }
    weld_loader_free(l);
}

static fixture make_fixture(void) {
    fixture f = {.folder = test_folder_create()};
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/%02d.jpg", i % 2 ? "cat" : "dog", i);
        put_fixture(&f.folder, name, "baseline_420.jpg");
    }
    f.ds = open_dataset(f.folder.path);
    load_all(f.ds);
    f.loader = create(f.ds);
    is_user = true;
    return f;
}

static void free_fixture(fixture *f) {
    weld_loader_free(f->loader);
    weld_dataset_free(f->ds);
    test_folder_remove(f->folder);
}

static void wait_for_others(int reads) {
    for (int i = 0; i < 100000 && by_others < reads; i++) {
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    ck_assert_int_eq(by_others, reads);
}

/* Ask for a batch: so many of its samples had not been read ahead. Then wait until so many of the
 * coming one have been. */
static void expect_reads(fixture *f, weld_batch_number now, const weld_batch_number *next,
                         int missed, int ahead) {
    static float images[BATCH * FLOATS];
    weld_error err = {.message = ""};
    weld_batch batch;
    by_user = by_others = 0;
    ck_assert_msg(
        !weld_loader_train_batch(f->loader, now.epoch, now.batch, next, images, &batch, &err), "%s",
        err.message);
    ck_assert_int_eq(by_user, missed);
    wait_for_others(ahead);
    ck_assert_mem_eq(images, expected[now.epoch][now.batch], sizeof images);
}

/* Two updates of three batches an epoch, of which this process has the last two. */
START_TEST(a_share_of_each_update_is_read_ahead_across_updates_and_epochs) {
    static const weld_batch_number asked[] = {{0, 1}, {0, 2}, {0, 4}, {0, 5}, {1, 1}, {1, 2},
                                              {1, 4}, {1, 5}, {2, 1}, {2, 2}, {2, 4}};
    enum { ASKED = sizeof asked / sizeof *asked };
    fixture f = make_fixture();
    for (int i = 0; i + 1 < ASKED; i++) {
        expect_reads(&f, asked[i], &asked[i + 1], i ? 0 : BATCH, BATCH);
    }
    free_fixture(&f);
}
END_TEST

START_TEST(what_is_told_is_what_is_read_even_where_another_batch_is_asked_for) {
    fixture f = make_fixture();
    expect_reads(&f, (weld_batch_number){0, 0}, &(weld_batch_number){0, 3}, BATCH, BATCH);
    expect_reads(&f, (weld_batch_number){0, 1}, &(weld_batch_number){0, 4}, BATCH, BATCH);
    expect_reads(&f, (weld_batch_number){0, 4}, &(weld_batch_number){0, 0}, 0, BATCH);
    expect_reads(&f, (weld_batch_number){0, 0}, &(weld_batch_number){0, 6}, 0, 0);
    expect_reads(&f, (weld_batch_number){0, 5}, &(weld_batch_number){1, 6}, BATCH, 0);
    free_fixture(&f);
}
END_TEST

START_TEST(where_nothing_is_told_batches_follow_each_other) {
    fixture f = make_fixture();
    for (int i = 0; i < 8; i++) {
        expect_reads(&f, (weld_batch_number){(uint32_t)i / 6, i % 6}, NULL, i ? 0 : BATCH, BATCH);
    }
    free_fixture(&f);
}
END_TEST

RUN_SUITE("data/next_batch", a_share_of_each_update_is_read_ahead_across_updates_and_epochs,
          what_is_told_is_what_is_read_even_where_another_batch_is_asked_for,
          where_nothing_is_told_batches_follow_each_other)
