/* TensorBoard's files as its readers take them apart. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "files.h"
#include "suite.h"
#include "tensorboard.h"

static test_folder folder;
static weld_error err;

static weld_tensorboard *create(int64_t first_step) {
    weld_tensorboard *t;
    ck_assert_msg(!weld_tensorboard_create(folder.path, first_step, &t, &err), "%s", err.message);
    return t;
}

/* Examples of RFC 3720, appendix B.4, and the check value of the polynomial. */
START_TEST(crc32c_gives_the_published_values) {
    uint8_t bytes[32] = {0};
    ck_assert_uint_eq(weld_crc32c("123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(weld_crc32c(bytes, 32), 0x8a9136aau);
    memset(bytes, 255, 32);
    ck_assert_uint_eq(weld_crc32c(bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)i;
    }
    ck_assert_uint_eq(weld_crc32c(bytes, 32), 0x46dd794eu);
    ck_assert_uint_eq(weld_crc32c(NULL, 0), 0);
}
END_TEST

START_TEST(a_file_begins_with_its_version_and_holds_what_was_written) {
    folder = test_folder_create();
    weld_tensorboard *t = create(0);
    weld_tensorboard_scalar(t, "loss/train", 2.5);
    weld_tensorboard_scalar(t, "learning_rate", 1e-3);
    ck_assert_int_eq(weld_tensorboard_write(t, 300, &err), WELD_OK);
    ck_assert_int_eq(weld_tensorboard_write(t, 301, &err), WELD_OK); /* nothing to write */
    weld_tensorboard_image(t, "batch", 200, 3, "not really a PNG", 16);
    ck_assert_int_eq(weld_tensorboard_write(t, 302, &err), WELD_OK);
    weld_tensorboard_free(t);

    span file = read_event_file(folder.path, 0), record;
    size_t at = 0;
    event_value v;
    ck_assert(next_record(file, &at, &record));
    event e = read_event(record);
    ck_assert_uint_eq(e.version.size, 13);
    ck_assert_mem_eq(e.version.data, "brain.Event:2", 13);
    ck_assert(fabs(e.wall_time - (double)time(NULL)) < 100);

    ck_assert(next_record(file, &at, &record));
    e = read_event(record);
    ck_assert_int_eq(e.step, 300);
    ck_assert(next_value(&e.summary, &v));
    ck_assert_str_eq(v.tag, "loss/train");
    ck_assert(v.is_scalar && v.scalar == 2.5f);
    ck_assert(next_value(&e.summary, &v));
    ck_assert_str_eq(v.tag, "learning_rate");
    ck_assert(v.scalar == 1e-3f);
    ck_assert(!next_value(&e.summary, &v));

    ck_assert(next_record(file, &at, &record));
    e = read_event(record);
    ck_assert_int_eq(e.step, 302);
    ck_assert(next_value(&e.summary, &v));
    static const uint8_t head[] = {8, 3, 16, 200, 1, 24, 3, 34, 16};
    ck_assert_uint_eq(v.image.size, sizeof head + 16);
    ck_assert_mem_eq(v.image.data, head, sizeof head);
    ck_assert_mem_eq(v.image.data + sizeof head, "not really a PNG", 16);
    ck_assert(!next_record(file, &at, &record));
    free((void *)(uintptr_t)file.data);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_second_file_says_from_which_step_on_the_first_counts_no_more) {
    folder = test_folder_create();
    weld_tensorboard *first = create(0), *second = create(41); /* within a second */
    weld_tensorboard_free(first);
    weld_tensorboard_free(second);
    span file = read_event_file(folder.path, 0), record;
    size_t at = 0;
    ck_assert(next_record(file, &at, &record));
    ck_assert(!next_record(file, &at, &record));
    free((void *)(uintptr_t)file.data);
    file = read_event_file(folder.path, 1);
    at = 0;
    ck_assert(next_record(file, &at, &record));
    ck_assert_uint_eq(read_event(record).version.size, 13);
    ck_assert(next_record(file, &at, &record));
    event e = read_event(record);
    ck_assert(e.is_start);
    ck_assert_int_eq(e.step, 41);
    ck_assert(!next_record(file, &at, &record));
    free((void *)(uintptr_t)file.data);
    test_folder_remove(folder);
}
END_TEST

/* The buckets as a reader sees them hold the values that lie between their limits. */
static void check_histogram(span message, const float *values, size_t count) {
    size_t limits, buckets;
    packed_double(message, 6, 0, &limits);
    packed_double(message, 7, 0, &buckets);
    ck_assert_uint_eq(limits, buckets);
    double low = -INFINITY, total = 0;
    for (size_t i = 0; i < limits; i++) {
        const double high = packed_double(message, 6, i, &limits);
        const double in = packed_double(message, 7, i, &buckets);
        double expected = 0;
        for (size_t k = 0; k < count; k++) {
            expected += values[k] >= low && values[k] < high;
        }
        ck_assert_double_eq(in, expected);
        ck_assert(high > low);
        low = high;
        total += in;
    }
    ck_assert_double_eq(total, (double)count);
}

START_TEST(histograms_count_every_finite_value_in_its_bucket) {
    static const float values[] = {0,      1e-13f, -1e-13f, 1,     1.0000001f, -0.25f, 3e38f,
                                   -3e38f, 0.5f,   0.5f,    1e-5f, 1e-12f,     -1e-12f};
    const size_t count = sizeof values / sizeof *values;
    weld_histogram h;
    folder = test_folder_create();
    weld_tensorboard *t = create(0);
    weld_histogram_of(values, (int64_t)count, &h);
    ck_assert_double_eq(h.count, (double)count);
    weld_tensorboard_histogram(t, "weights/a", &h);
    ck_assert_int_eq(weld_tensorboard_write(t, 1, &err), WELD_OK);
    weld_tensorboard_free(t);

    span file = read_event_file(folder.path, 0), record;
    size_t at = 0;
    event_value v;
    next_record(file, &at, &record);
    ck_assert(next_record(file, &at, &record));
    event e = read_event(record);
    ck_assert(next_value(&e.summary, &v));
    check_histogram(v.histogram, values, count);
    span message = v.histogram, bytes;
    double numbers[6] = {0};
    int number;
    uint64_t integer;
    while (next_field(&message, &number, &bytes, &integer) && number <= 5) {
        numbers[number] = real64(bytes);
    }
    ck_assert_double_eq(numbers[1], -3e38f);
    ck_assert_double_eq(numbers[2], 3e38f);
    ck_assert_double_eq(numbers[3], (double)count);
    ck_assert_double_eq(numbers[4], h.sum);
    ck_assert_double_eq(numbers[5], h.sum_squares);
    free((void *)(uintptr_t)file.data);
    test_folder_remove(folder);
}
END_TEST

START_TEST(histogram_limits_grow_by_a_tenth) {
    static const float one = 1;
    weld_histogram h;
    weld_histogram_of(&one, 1, &h);
    int at = 0;
    while (h.buckets[at] == 0) {
        at++;
    }
    /* The first limit above 1 is 1e-12 * 1.1^290, the 290th above 1e-12. */
    ck_assert_int_eq(at, WELD_HISTOGRAM_SIDE + 2 + 290);
}
END_TEST

START_TEST(values_that_are_not_finite_are_left_out_of_histograms) {
    static const float values[] = {NAN, INFINITY, -INFINITY, 2};
    weld_histogram h;
    weld_histogram_of(values, 4, &h);
    ck_assert_double_eq(h.count, 1);
    ck_assert_double_eq(h.min, 2);
    ck_assert_double_eq(h.max, 2);
    weld_histogram_of(values, 2, &h);
    ck_assert_double_eq(h.count, 0);
}
END_TEST

START_TEST(a_full_disk_is_told_by_the_files_name) {
    folder = test_folder_create();
    weld_tensorboard *t = create(0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){64, 64}), 0);
    weld_tensorboard_scalar(t, "a long name of a scalar that does not fit", 1);
    ck_assert_int_eq(weld_tensorboard_write(t, 1, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "events.out.tfevents."));
    weld_tensorboard_free(t);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named) {
    weld_tensorboard *t;
    ck_assert_int_eq(weld_tensorboard_create("/nonexistent", 0, &t, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/events.out.tfevents."));
}
END_TEST

START_TEST(a_lack_of_memory_loses_an_event_and_no_more) {
    folder = test_folder_create();
    weld_tensorboard *t = create(0);
    char *large = calloc(1, 1 << 16);
    for (long successes = 0; successes < 4; successes++) {
        weld_memory_fail_after(successes);
        weld_tensorboard_image(t, "batch", 1, 1, large, (size_t)1 << (12 + successes));
        weld_status status = weld_tensorboard_write(t, 1, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_ERROR_MEMORY);
    }
    weld_tensorboard_scalar(t, "after", 1);
    ck_assert_int_eq(weld_tensorboard_write(t, 2, &err), WELD_OK);
    weld_tensorboard_free(t);
    free(large);
    span file = read_event_file(folder.path, 0), record;
    size_t at = 0;
    event_value v;
    next_record(file, &at, &record);
    ck_assert(next_record(file, &at, &record));
    event e = read_event(record);
    ck_assert_int_eq(e.step, 2);
    ck_assert(next_value(&e.summary, &v));
    ck_assert_str_eq(v.tag, "after");
    ck_assert(!next_value(&e.summary, &v));
    free((void *)(uintptr_t)file.data);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("train/tensorboard", crc32c_gives_the_published_values,
          a_file_begins_with_its_version_and_holds_what_was_written,
          a_second_file_says_from_which_step_on_the_first_counts_no_more,
          histograms_count_every_finite_value_in_its_bucket, histogram_limits_grow_by_a_tenth,
          values_that_are_not_finite_are_left_out_of_histograms,
          a_full_disk_is_told_by_the_files_name, a_folder_that_is_not_there_is_named,
          a_lack_of_memory_loses_an_event_and_no_more)
