/* Reading ahead of a device whose speed the test decides. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "datasets/folders.h"
#include "data/read_ahead.h"
#include "suite.h"

enum { COUNT = 40, READERS = 4, FOR_EVER = 1 << 30 };

/* A quick device keeps the cpu busy for a moment. A slow one lets whoever reads sleep; from read
 * number `in_company` on it answers only when READERS have been there at once. */
static struct device {
    atomic_bool slow;
    atomic_int in_company;
    atomic_int reads, inside; /* so far, now */
    atomic_int most;          /* at once */
    atomic_int by_taker;      /* and not by a reader */
} device = {.in_company = FOR_EVER};

static _Thread_local bool is_taker;

static void sleep_a_moment(void) {
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void answer(int number) {
    if (device.slow) {
        do {
            sleep_a_moment();
        } while (number >= device.in_company && device.most < READERS);
    } else {
        for (const double end = weld_clock() + 200e-6; weld_clock() < end;) {
        }
    }
}

/* In the place of the system's. */
ssize_t pread(int descriptor, void *to, size_t bytes, off_t offset) {
    const int others = atomic_fetch_add(&device.inside, 1);
    int most = device.most;
    while (most <= others && !atomic_compare_exchange_weak(&device.most, &most, others + 1)) {
    }
    device.by_taker += is_taker;
    answer(atomic_fetch_add(&device.reads, 1));
    const ssize_t n = syscall(SYS_pread64, descriptor, to, bytes, offset);
    device.inside--;
    return n;
}

/* Files of which each holds its name, and what reads them ahead. */
typedef struct fixture {
    test_folder folder;
    weld_dataset *ds;
    weld_read_ahead *ahead;
    int64_t indices[COUNT];
} fixture;

static fixture make_fixture(void) {
    fixture f = {.folder = test_folder_create()};
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "class/%02d.jpg", i);
        test_put_file(&f.folder, name, name);
        f.indices[i] = COUNT - 1 - i;
    }
    f.ds = open_dataset(f.folder.path);
    ck_assert_int_eq(weld_read_ahead_create(f.ds, COUNT, &f.ahead, NULL), WELD_OK);
    return f;
}

static void free_fixture(fixture *f) {
    weld_read_ahead_free(f->ahead);
    weld_dataset_free(f->ds);
    test_folder_remove(f->folder);
}

/* All samples of a batch; how many of them had been read ahead. */
static int take_all(fixture *f, uint64_t number) {
    weld_bytes bytes = {0};
    const int before = device.by_taker;
    is_taker = true;
    for (int64_t i = 0; i < COUNT; i++) {
        const int64_t index = f->indices[i];
        ck_assert_int_eq(weld_read_ahead_read(f->ahead, number, i, index, &bytes, NULL), WELD_OK);
        const char *name = weld_dataset_name(f->ds, index);
        ck_assert_uint_eq(bytes.size, strlen(name));
        ck_assert_int_eq(memcmp(bytes.data, name, bytes.size), 0);
    }
    is_taker = false;
    weld_bytes_free(&bytes);
    return COUNT - (device.by_taker - before);
}

START_TEST(a_slow_device_is_asked_for_several_at_once) {
    fixture f = make_fixture();
    device.slow = true;
    device.in_company = 3;
    weld_read_ahead_request(f.ahead, 0, f.indices, COUNT);
    while (device.most < READERS) { /* nobody takes: the readers must come by themselves */
        sleep_a_moment();
    }
    take_all(&f, 0);
    free_fixture(&f);
}
END_TEST

START_TEST(a_quick_device_is_left_to_who_wants_the_bytes) {
    fixture f = make_fixture();
    int ahead = 0;
    for (uint64_t batch = 0; batch < 10; batch++) {
        weld_read_ahead_request(f.ahead, batch, f.indices, COUNT);
        ahead += take_all(&f, batch);
    }
    ck_assert_int_lt(ahead, 10 * COUNT / 2); /* the system may let a thread wait now and then */
    free_fixture(&f);
}
END_TEST

START_TEST(a_device_that_becomes_slow_is_read_ahead) {
    fixture f = make_fixture();
    weld_read_ahead_request(f.ahead, 0, f.indices, COUNT);
    take_all(&f, 0);
    device.slow = true;
    weld_read_ahead_request(f.ahead, 1, f.indices, COUNT);
    weld_read_ahead_request(f.ahead, 2, f.indices, COUNT);
    take_all(&f, 1);
    ck_assert_int_gt(take_all(&f, 2), COUNT / 2);
    free_fixture(&f);
}
END_TEST

START_TEST(every_sample_comes_however_often_the_device_changes) {
    fixture f = make_fixture();
    int ahead = 0;
    for (uint64_t batch = 0; batch < 20; batch++) {
        weld_read_ahead_request(f.ahead, batch, f.indices, COUNT);
        device.slow = batch % 3 == 0;
        ahead += take_all(&f, batch);
    }
    ck_assert_int_gt(ahead, 0);
    free_fixture(&f);
}
END_TEST

START_TEST(it_ends_after_the_reads_in_progress) {
    fixture f = make_fixture();
    device.slow = true;
    weld_read_ahead_request(f.ahead, 0, f.indices, COUNT);
    while (device.reads == 0) {
        sleep_a_moment();
    }
    free_fixture(&f);
    ck_assert_int_eq(device.inside, 0);
}
END_TEST

RUN_SUITE("data/read_ahead", a_slow_device_is_asked_for_several_at_once,
          a_quick_device_is_left_to_who_wants_the_bytes, a_device_that_becomes_slow_is_read_ahead,
          every_sample_comes_however_often_the_device_changes, it_ends_after_the_reads_in_progress)
