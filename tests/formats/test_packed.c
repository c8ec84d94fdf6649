#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "formats/file_kind.h"
#include "formats/packed.h"
#include "formats/packed_header.h"
#include "suite.h"

enum { SAMPLES = 37, CLASSES = 3 };

static const char *const class_names[CLASSES] = {"ant", "bee", "f\xc3\xb6hn"};
static const weld_packed_layout encoded = {0, 0, 0}, raw = {5, 7, 3};

/* The bytes of sample i: a function of i, between 0 and 3000 of them unless size is given. */
static size_t make_sample(int i, size_t size, unsigned char *bytes) {
    weld_random r = weld_random_start(11, 0, (uint64_t)i, WELD_RANDOM_TEST);
    size = size ? size : (size_t)weld_random_below(&r, 3000);
    for (size_t k = 0; k < size; k++) {
        bytes[k] = (unsigned char)weld_random_u32(&r);
    }
    return size;
}

static weld_status write_samples(const char *path, weld_packed_layout layout, weld_error *err) {
    unsigned char bytes[3000];
    weld_packed_writer *w = NULL;
    weld_status status = weld_packed_writer_create(path, layout, class_names, CLASSES, &w, err);
    for (int i = 0; !status && i < SAMPLES; i++) {
        char name[32];
        size_t size = make_sample(
            i, (size_t)layout.height * (size_t)layout.width * (size_t)layout.channels, bytes);
        snprintf(name, sizeof name, "ant/%d.png", i);
        status = weld_packed_writer_add(w, bytes, size, i % CLASSES, name, err);
    }
    if (!status) {
        status = weld_packed_writer_finish(w, err);
    }
    weld_packed_writer_free(w);
    return status;
}

/* How many samples read back; those that do must be right. */
static int count_good(const weld_packed *p) {
    unsigned char expected[3000], got[3000];
    int good = 0;
    ck_assert_int_eq(weld_packed_count(p), SAMPLES);
    ck_assert_int_eq(weld_packed_class_count(p), CLASSES);
    for (int i = 0; i < SAMPLES; i++) {
        weld_packed_layout l = weld_packed_get_layout(p);
        char name[32];
        snprintf(name, sizeof name, "ant/%d.png", i);
        ck_assert_str_eq(weld_packed_name(p, i), name);
        ck_assert_int_eq(weld_packed_label(p, i), i % CLASSES);
        size_t size =
            make_sample(i, (size_t)l.height * (size_t)l.width * (size_t)l.channels, expected);
        ck_assert_uint_eq(weld_packed_size(p, i), size);
        weld_error err;
        if (weld_packed_read(p, i, got, &err) == WELD_OK) {
            ck_assert_int_eq(memcmp(got, expected, size), 0);
            good++;
        } else {
            ck_assert_int_eq(err.status, WELD_ERROR_FORMAT);
            ck_assert_ptr_nonnull(strstr(err.message, name));
        }
    }
    return good;
}

static void check_round_trip(weld_packed_layout layout) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    weld_error err = {0};
    weld_packed *p = NULL;
    ck_assert_msg(write_samples(path, layout, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_file_kind_of(path), WELD_FILE_PACKED);
    ck_assert_msg(weld_packed_open(path, &p, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_packed_get_layout(p).channels, layout.channels);
    ck_assert_str_eq(weld_packed_class_name(p, 2), class_names[2]);
    ck_assert_int_eq(count_good(p), SAMPLES);
    weld_packed_close(p);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1); /* no temporary file is left */
    test_folder_remove(folder);
}

START_TEST(samples_labels_and_names_come_back) {
    check_round_trip(encoded);
    check_round_trip(raw);
}
END_TEST

/* Open, and count the good samples; -1 where opening is refused, which must name the file. */
static int open_and_count(const char *path) {
    weld_error err = {0};
    weld_packed *p = NULL;
    if (weld_packed_open(path, &p, &err)) {
        ck_assert_ptr_null(p);
        ck_assert_ptr_nonnull(strstr(err.message, path));
        return -1;
    }
    int good = count_good(p);
    weld_packed_close(p);
    return good;
}

static void flip(const char *path, off_t at, unsigned char mask) {
    unsigned char byte;
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= mask;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

START_TEST(a_flipped_bit_is_refused_or_spoils_nothing_but_its_sample) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    struct stat info;
    ck_assert_int_eq(write_samples(path, encoded, NULL), WELD_OK);
    ck_assert_int_eq(stat(path, &info), 0);
    weld_random r = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    int refused = 0, one_bad = 0, unused = 0;
    for (int i = 0; i < 1500; i++) {
        /* The first part is the structure of the file: every few bytes; then anywhere. */
        off_t at = i < 500 ? i * 5 : (off_t)weld_random_below(&r, (uint64_t)info.st_size);
        unsigned char mask = (unsigned char)(1u << weld_random_below(&r, 8));
        flip(path, at, mask);
        int good = open_and_count(path);
        refused += good < 0;
        one_bad += good == SAMPLES - 1;
        unused += good == SAMPLES;
        ck_assert(good < 0 || good >= SAMPLES - 1);
        flip(path, at, mask);
    }
    ck_assert_int_gt(refused, 500);
    ck_assert_int_gt(one_bad, 200);
    ck_assert_int_lt(unused, 400); /* the tail of /images, which is at least 64 KiB */
    ck_assert_int_eq(open_and_count(path), SAMPLES);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_cut_or_lengthened_file_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    struct stat info;
    ck_assert_int_eq(write_samples(path, raw, NULL), WELD_OK);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(truncate(path, info.st_size + 1), 0);
    ck_assert_int_eq(open_and_count(path), -1);
    for (off_t size = info.st_size - 1; size > 0; size = size * 9 / 10) {
        ck_assert_int_eq(truncate(path, size), 0);
        ck_assert_int_eq(open_and_count(path), -1);
    }
    test_folder_remove(folder);
}
END_TEST

/* A header with right checksums and wrong lengths, as only malice makes it. */
START_TEST(impossible_lengths_are_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    unsigned char block[WELD_PACKED_HEADER_SIZE];
    weld_packed_header good, bad;
    ck_assert_int_eq(write_samples(path, encoded, NULL), WELD_OK);
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    ck_assert_int_eq(weld_packed_header_decode(bytes, path, &good, NULL), WELD_OK);
    for (int i = 0; i < 7; i++) {
        bad = good;
        uint64_t *field[] = {&bad.file_length, &bad.images_offset, &bad.images_offset,
                             &bad.images_size, &bad.images_size,   &bad.count,
                             &bad.count};
        const uint64_t value[] = {size - 1, UINT64_MAX, 3, UINT64_MAX, size, UINT64_MAX, 5};
        *field[i] = value[i];
        int fd = open(path, O_RDWR);
        if (bad.images_offset >= WELD_PACKED_HEADER_SIZE && bad.images_size < size / 2) {
            weld_packed_checksum(fd, &bad, path, &bad.checksum, NULL);
        }
        weld_packed_header_encode(&bad, block);
        ck_assert_int_eq(pwrite(fd, block, sizeof block, 0), sizeof block);
        close(fd);
        ck_assert_int_eq(open_and_count(path), -1);
    }
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

/* Write a header in front of a file, with the checksums that it should have. */
static void put_header(const char *path, weld_packed_header h) {
    unsigned char block[WELD_PACKED_HEADER_SIZE];
    int fd = open(path, O_RDWR);
    weld_packed_checksum(fd, &h, path, &h.checksum, NULL);
    weld_packed_header_encode(&h, block);
    ck_assert_int_eq(pwrite(fd, block, sizeof block, 0), sizeof block);
    close(fd);
}

START_TEST(tables_that_are_not_where_they_can_be_are_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    ck_assert_int_eq(write_samples(path, raw, NULL), WELD_OK);
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    weld_packed_header good, bad;
    ck_assert_int_eq(weld_packed_header_decode(bytes, path, &good, NULL), WELD_OK);
    put_header(path, good);
    ck_assert_int_eq(open_and_count(path), SAMPLES);
    for (int table = 0; table < WELD_PACKED_TABLE_COUNT; table++) {
        const weld_packed_extent e = good.tables[table];
        const weld_packed_extent wrong[] = {{size, e.bytes},
                                            {UINT64_MAX - 7, e.bytes},
                                            {0, e.bytes},
                                            {e.offset, 0},
                                            {e.offset, UINT64_MAX},
                                            {e.offset, e.bytes - 1},
                                            {e.offset, e.bytes + 8},
                                            {WELD_PACKED_HEADER_SIZE, size - 512}};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            bad = good;
            bad.tables[table] = wrong[i];
            put_header(path, bad);
            ck_assert_int_eq(open_and_count(path), -1);
        }
    }
    uint64_t *fields[] = {&bad.class_count, &bad.class_count, &bad.class_count, &bad.height,
                          &bad.width,       &bad.channels,    &bad.channels};
    const uint64_t values[] = {0, CLASSES + 1, UINT64_MAX, 0, UINT64_MAX, 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        bad = good;
        *fields[i] = values[i];
        put_header(path, bad);
        ck_assert_int_eq(open_and_count(path), -1);
    }
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(another_version_is_refused_by_its_number) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    weld_packed *p;
    weld_error err;
    ck_assert_int_eq(write_samples(path, raw, NULL), WELD_OK);
    flip(path, 9, '1' ^ '2');
    ck_assert_int_eq(weld_packed_open(path, &p, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "another version"));
    test_folder_remove(folder);
}
END_TEST

START_TEST(other_files_are_refused_by_name) {
    test_folder folder = test_folder_create();
    char text[2000];
    memset(text, 'a', sizeof text);
    test_write_file(test_path(&folder, "text.h5"), text, sizeof text);
    test_write_file(test_path(&folder, "short.h5"), text, 3);
    test_write_file(test_path(&folder, "empty.h5"), text, 0);
    const char *names[] = {"text.h5", "short.h5", "empty.h5", "missing.h5", "."};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(open_and_count(test_path(&folder, names[i])), -1);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_full_disk_is_an_error_and_leaves_nothing) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(write_samples(path, encoded, NULL), WELD_OK);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(unlink(path), 0);
    int failures = 0;
    for (rlim_t limit = 1000; limit < (rlim_t)info.st_size; limit = limit * 5 / 4) {
        struct rlimit rlimit = {limit, RLIM_INFINITY};
        weld_error err = {0};
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rlimit), 0);
        ck_assert_int_eq(write_samples(path, encoded, &err), WELD_ERROR_IO);
        ck_assert_ptr_nonnull(strstr(err.message, path));
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
        failures++;
    }
    ck_assert_int_gt(failures, 10);
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &none);
    ck_assert_int_eq(write_samples(path, encoded, NULL), WELD_OK);
    ck_assert_int_eq(open_and_count(path), SAMPLES);
    test_folder_remove(folder);
}
END_TEST

START_TEST(an_abandoned_or_failed_writer_leaves_the_old_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    weld_packed_writer *w;
    weld_error err = {0};
    ck_assert_int_eq(write_samples(path, encoded, NULL), WELD_OK);
    ck_assert_int_eq(weld_packed_writer_create(path, encoded, class_names, 3, &w, &err), WELD_OK);
    ck_assert_int_eq(weld_packed_writer_add(w, "x", 1, 0, "x", &err), WELD_OK);
    ck_assert_int_eq(weld_packed_writer_add(w, "x", 1, 3, "x", &err), WELD_ERROR_ARGUMENT);
    weld_packed_writer_free(w);
    ck_assert_int_eq(weld_packed_writer_create(path, raw, class_names, 3, &w, &err), WELD_OK);
    ck_assert_int_eq(weld_packed_writer_add(w, "x", 1, 0, "x", &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_packed_writer_finish(w, &err), WELD_ERROR_ARGUMENT);
    weld_packed_writer_free(w);
    ck_assert_int_eq(open_and_count(path), SAMPLES);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    ck_assert_int_eq(write_samples(test_path(&folder, "missing/set.h5"), raw, &err),
                     WELD_ERROR_NOT_FOUND);
    test_folder_remove(folder);
}
END_TEST

START_TEST(of_two_writers_each_makes_a_whole_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    weld_packed_writer *first;
    weld_error err = {0};
    ck_assert_int_eq(weld_packed_writer_create(path, encoded, class_names, 3, &first, &err),
                     WELD_OK);
    ck_assert_int_eq(weld_packed_writer_add(first, "x", 1, 0, "x", &err), WELD_OK);
    ck_assert_int_eq(write_samples(path, encoded, &err), WELD_OK);
    ck_assert_int_eq(open_and_count(path), SAMPLES);
    ck_assert_int_eq(weld_packed_writer_finish(first, &err), WELD_OK);
    weld_packed_writer_free(first);
    weld_packed *p;
    ck_assert_int_eq(weld_packed_open(path, &p, &err), WELD_OK);
    ck_assert_int_eq(weld_packed_count(p), 1);
    weld_packed_close(p);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failed_allocations_are_reported) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    weld_status status = WELD_ERROR_MEMORY;
    long i = 0;
    for (; status; i++) {
        weld_memory_fail_after(i);
        status = write_samples(path, encoded, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(test_folder_walk(folder.path, 0), status == WELD_OK);
    }
    ck_assert_int_gt(i, 10);
    status = WELD_ERROR_MEMORY;
    for (i = 0; status; i++) {
        weld_packed *p = NULL;
        weld_memory_fail_after(i);
        status = weld_packed_open(path, &p, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_packed_close(p);
    }
    ck_assert_int_gt(i, 8);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/packed", samples_labels_and_names_come_back,
          a_flipped_bit_is_refused_or_spoils_nothing_but_its_sample,
          a_cut_or_lengthened_file_is_refused, impossible_lengths_are_refused,
          tables_that_are_not_where_they_can_be_are_refused,
          another_version_is_refused_by_its_number, other_files_are_refused_by_name,
          a_full_disk_is_an_error_and_leaves_nothing,
          an_abandoned_or_failed_writer_leaves_the_old_file, of_two_writers_each_makes_a_whole_file,
          failed_allocations_are_reported)
