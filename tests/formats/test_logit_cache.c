/* Caches of a teacher's logits: written and read back, gone on with, made by others, damaged. */
#define _GNU_SOURCE
#include "formats/logit_cache.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "files.h"
#include "suite.h"

enum { VIEWS = 2, IMAGES = 5, TOP = 3, CLASSES = 6 };

static weld_error err;
static test_folder folder;
static const char *path;
static void (*before_locking)(void); /* what another does between our opening and our locking */

int flock(int fd, int how) {
    void (*other)(void) = before_locking;
    before_locking = NULL;
    if (other) {
        other();
    }
    return ((__typeof__(&flock))dlsym(RTLD_NEXT, "flock"))(fd, how);
}

static void set_up(void) {
    folder = test_folder_create();
    path = test_path(&folder, "c.safetensors");
}

static void tear_down(void) {
    test_folder_remove(folder);
}

static const weld_cache_layout layout = {VIEWS, IMAGES, TOP, CLASSES, true};
static const weld_cache_texts texts = {"0123", "augment.hflip: 0.5\n", "a teacher", "fp32"};

/* Rows whose values say which they are. */
static void make_row(int64_t row, float values[TOP], int32_t classes[TOP]) {
    for (int i = 0; i < TOP; i++) {
        values[i] = -1.5f - (float)row / 16 - (float)i;
        classes[i] = (int32_t)((row + 2 * i) % CLASSES);
    }
}

static weld_cache_writer *open_writer(int64_t *rows) {
    weld_cache_writer *w;
    ck_assert_msg(!weld_cache_writer_open(path, &layout, &texts, &w, rows, &err), "%s",
                  err.message);
    return w;
}

static void put(weld_cache_writer *w, int64_t from, int64_t to) {
    float values[VIEWS * IMAGES * TOP];
    int32_t classes[VIEWS * IMAGES * TOP];
    for (int64_t row = from; row < to; row++) {
        make_row(row, values + (row - from) * TOP, classes + (row - from) * TOP);
    }
    ck_assert_int_eq(weld_cache_writer_put(w, from, to - from, values, classes, &err), WELD_OK);
}

static void expect_whole(void) {
    weld_logit_cache *c;
    ck_assert_msg(!weld_logit_cache_open(path, &c, &err), "%s", err.message);
    weld_cache_layout l = weld_logit_cache_layout(c);
    ck_assert_mem_eq(&l.views, &layout.views, sizeof l.views);
    ck_assert_int_eq(l.images, IMAGES);
    ck_assert_int_eq(l.top, TOP);
    ck_assert(weld_logit_cache_is_checked(c));
    ck_assert_int_eq(l.classes, CLASSES);
    ck_assert_str_eq(weld_logit_cache_text(c, WELD_CACHE_AUGMENTATION), "augment.hflip: 0.5\n");
    for (int64_t row = 0; row < VIEWS * IMAGES; row++) {
        float logits[CLASSES], values[TOP];
        int32_t classes[TOP];
        double sum = 0;
        make_row(row, values, classes);
        ck_assert_msg(!weld_logit_cache_read(c, row / IMAGES, row % IMAGES, 1, logits, &err), "%s",
                      err.message);
        for (int i = 0; i < TOP; i++) {
            ck_assert_float_eq(logits[classes[i]], values[i]);
        }
        for (int k = 0; k < CLASSES; k++) {
            sum += exp(logits[k]);
        }
        ck_assert_double_eq_tol(sum, 1, 1e-5); /* what is left is spread over the others */
    }
    weld_logit_cache_free(c);
}

START_TEST(what_is_written_is_read_back_row_by_row) {
    int64_t rows;
    set_up();
    weld_cache_writer *w = open_writer(&rows);
    ck_assert_int_eq(rows, 0);
    put(w, 0, 4);
    put(w, 4, VIEWS * IMAGES);
    ck_assert_int_ne(access(path, F_OK), 0); /* not before it is whole */
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    expect_whole();
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_ge((uint64_t)info.st_size, weld_cache_bytes(&layout));
    ck_assert_uint_lt((uint64_t)info.st_size, weld_cache_bytes(&layout) + 1024);
    tear_down();
}
END_TEST

/* Two values that are one in half precision: the largest is still the one that was. */
START_TEST(rounding_does_not_change_the_largest) {
    const weld_cache_layout small = {1, 1, TOP, CLASSES, true};
    const float values[TOP] = {-0.95001f, -0.95002f, -1.75f};
    const int32_t classes[TOP] = {4, 1, 2};
    weld_cache_writer *w;
    weld_logit_cache *c;
    int64_t rows;
    float logits[CLASSES];
    set_up();
    ck_assert_int_eq(weld_cache_writer_open(path, &small, &texts, &w, &rows, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_put(w, 0, 1, values, classes, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    ck_assert_int_eq(weld_logit_cache_open(path, &c, &err), WELD_OK);
    ck_assert_int_eq(weld_logit_cache_read(c, 0, 0, 1, logits, &err), WELD_OK);
    for (int k = 0; k < CLASSES; k++) {
        ck_assert(k == 4 || logits[k] < logits[4]);
    }
    ck_assert_float_eq_tol(logits[4], values[0], 1e-3f);
    ck_assert_float_eq_tol(logits[1], values[1], 1e-3f);
    weld_logit_cache_free(c);
    tear_down();
}
END_TEST

START_TEST(an_interrupted_writer_is_gone_on_with_where_it_was_last_sure) {
    int64_t rows;
    set_up();
    weld_cache_writer *w = open_writer(&rows);
    put(w, 0, 4);
    ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
    put(w, 4, 6); /* and then it is killed */
    weld_cache_writer_close(w);
    w = open_writer(&rows);
    ck_assert_int_eq(rows, 4);
    put(w, 4, VIEWS * IMAGES);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    expect_whole();
    tear_down();
}
END_TEST

START_TEST(what_another_teacher_left_is_not_gone_on_with) {
    int64_t rows;
    char note[WELD_ERROR_MESSAGE_SIZE];
    weld_cache_writer *w;
    set_up();
    w = open_writer(&rows);
    put(w, 0, 4);
    ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
    weld_cache_writer_close(w);
    weld_cache_texts others = texts;
    others.teacher = "b teacher";
    ck_assert_int_eq(weld_cache_writer_open(path, &layout, &others, &w, &rows, &err), WELD_OK);
    ck_assert_int_eq(rows, 0);
    ck_assert(weld_cache_writer_note(w, note, sizeof note));
    ck_assert_ptr_nonnull(strstr(note, "c.safetensors.partial: was left by another command"));
    weld_cache_writer_close(w);
    /* Nor is one whose record of rows makes no sense. */
    w = open_writer(&rows);
    put(w, 0, 4);
    ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
    weld_cache_writer_close(w);
    char partial[160];
    struct stat info;
    snprintf(partial, sizeof partial, "%s.partial", path);
    ck_assert_int_eq(stat(partial, &info), 0);
    int file = open(partial, O_RDWR);
    ck_assert_int_eq(pwrite(file, "\7", 1, info.st_size - 24), 1);
    close(file);
    w = open_writer(&rows);
    ck_assert_int_eq(rows, 0);
    ck_assert(weld_cache_writer_note(w, note, sizeof note));
    weld_cache_writer_close(w);
    tear_down();
}
END_TEST

/* The finished file does not say of them. */
START_TEST(what_was_left_under_other_conditions_is_not_gone_on_with) {
    int64_t rows;
    char note[WELD_ERROR_MESSAGE_SIZE];
    set_up();
    weld_cache_writer *w = open_writer(&rows);
    ck_assert(!weld_cache_writer_note(w, note, sizeof note));
    put(w, 0, 4);
    ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
    weld_cache_writer_close(w);
    w = open_writer(&rows);
    ck_assert_int_eq(rows, 4);
    ck_assert(!weld_cache_writer_note(w, note, sizeof note));
    weld_cache_writer_close(w);
    weld_cache_texts others = texts;
    others.conditions = "bf16";
    ck_assert_int_eq(weld_cache_writer_open(path, &layout, &others, &w, &rows, &err), WELD_OK);
    ck_assert_int_eq(rows, 0);
    ck_assert(weld_cache_writer_note(w, note, sizeof note));
    ck_assert_ptr_nonnull(strstr(note, "c.safetensors.partial: was made of files of other sizes"));
    put(w, 0, VIEWS * IMAGES);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    expect_whole();
    tear_down();
}
END_TEST

static void flip_in_partial(off_t from_end) {
    char partial[160], byte;
    struct stat info;
    snprintf(partial, sizeof partial, "%s.partial", path);
    ck_assert_int_eq(stat(partial, &info), 0);
    int file = open(partial, O_RDWR);
    ck_assert_int_eq(pread(file, &byte, 1, info.st_size - from_end), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(file, &byte, 1, info.st_size - from_end), 1);
    close(file);
}

START_TEST(rows_that_were_damaged_since_are_made_again) {
    enum { ALL = VIEWS * IMAGES, TRAILER = 24, LOGITS = ALL * TOP * 2, CLASSES_TOO = 2 * LOGITS };
    const off_t of_row_2[] = {TRAILER + LOGITS - 2 * TOP * 2, TRAILER + CLASSES_TOO - 2 * TOP * 2,
                              TRAILER + CLASSES_TOO + ALL * 4 - 2 * 4};
    for (int i = 0; i < 3; i++) {
        int64_t rows;
        char note[WELD_ERROR_MESSAGE_SIZE];
        set_up();
        weld_cache_writer *w = open_writer(&rows);
        put(w, 0, 4);
        ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
        weld_cache_writer_close(w);
        flip_in_partial(of_row_2[i]);
        w = open_writer(&rows);
        ck_assert_int_eq(rows, 2);
        ck_assert(weld_cache_writer_note(w, note, sizeof note));
        ck_assert_ptr_nonnull(strstr(note, "has a row whose checksum differs"));
        put(w, rows, ALL);
        ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
        expect_whole();
        tear_down();
    }
}
END_TEST

START_TEST(a_second_writer_is_refused) {
    int64_t rows;
    weld_cache_writer *w;
    set_up();
    weld_cache_writer *first = open_writer(&rows);
    ck_assert_int_eq(weld_cache_writer_open(path, &layout, &texts, &w, &rows, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "another process is writing it"));
    weld_cache_writer_close(first);
    tear_down();
}
END_TEST

static weld_cache_writer *other_writer;

static void commit_other(void) {
    ck_assert_int_eq(weld_cache_writer_commit(other_writer, &err), WELD_OK);
}

static void close_other(void) {
    weld_cache_writer_close(other_writer);
}

START_TEST(one_that_is_put_in_its_place_while_it_is_opened_stays_whole) {
    int64_t rows;
    set_up();
    other_writer = open_writer(&rows);
    put(other_writer, 0, VIEWS * IMAGES);
    before_locking = commit_other;
    weld_cache_writer *w = open_writer(&rows);
    ck_assert_int_eq(rows, 0);
    put(w, 0, 4);
    expect_whole();
    weld_cache_writer_close(w);
    expect_whole();
    tear_down();
}
END_TEST

START_TEST(one_that_is_removed_while_it_is_opened_is_made_again) {
    int64_t rows;
    set_up();
    other_writer = open_writer(&rows);
    before_locking = close_other;
    weld_cache_writer *w = open_writer(&rows);
    put(w, 0, VIEWS * IMAGES);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    expect_whole();
    tear_down();
}
END_TEST

static mode_t mode_of(const char *file) {
    struct stat info;
    ck_assert_int_eq(stat(file, &info), 0);
    return info.st_mode & 07777;
}

START_TEST(nobody_else_reads_or_writes_what_is_half_done) {
    int64_t rows;
    char partial[160];
    set_up();
    snprintf(partial, sizeof partial, "%s.partial", path);
    umask(0);
    weld_cache_writer_close(open_writer(&rows));
    weld_cache_writer *w = open_writer(&rows);
    ck_assert_int_eq(mode_of(partial), 0644);
    weld_cache_writer_close(w);
    test_write_file(path, "before", 6);
    ck_assert_int_eq(chmod(path, 0600), 0);
    w = open_writer(&rows);
    ck_assert_int_eq(mode_of(partial), 0600);
    put(w, 0, VIEWS * IMAGES);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    ck_assert_int_eq(mode_of(path), 0600);
    tear_down();
}
END_TEST

START_TEST(what_others_may_write_to_or_own_is_not_gone_on_with) {
    int64_t rows;
    char partial[160];
    weld_cache_writer *w;
    set_up();
    snprintf(partial, sizeof partial, "%s.partial", path);
    w = open_writer(&rows);
    put(w, 0, 4);
    ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
    weld_cache_writer_close(w);
    for (int kind = 0; kind < (geteuid() == 0 ? 3 : 2); kind++) {
        ck_assert_int_eq(chmod(partial, kind == 0 ? 0660 : kind == 1 ? 0602 : 0600), 0);
        ck_assert_int_eq(kind == 2 ? chown(partial, 1234, 4321) : 0, 0);
        ck_assert_int_eq(weld_cache_writer_open(path, &layout, &texts, &w, &rows, &err),
                         WELD_ERROR_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(err.message, "c.safetensors.partial: others may write to it"));
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    }
    ck_assert_int_eq(geteuid() == 0 ? chown(partial, 0, 0) : 0, 0);
    ck_assert_int_eq(chmod(partial, 0644), 0);
    weld_cache_writer_close(open_writer(&rows));
    ck_assert_int_eq(rows, 4);
    tear_down();
}
END_TEST

/* PATH.partial is written over, so that it must be one of ours. */
START_TEST(what_is_no_partial_cache_is_refused_and_stays) {
    int64_t rows;
    weld_cache_writer *w;
    set_up();
    char partial[160];
    const char *diary = test_path(&folder, "diary");
    snprintf(partial, sizeof partial, "%s.partial", path);
    for (int kind = 0; kind < 3; kind++) {
        static const char *const reasons[] = {"is not what an interrupted distill-cache left",
                                              "has a second name (a hard link)", "is a link"};
        test_write_file(diary, "dear diary", 10);
        ck_assert_int_eq(kind == 0   ? rename(diary, partial)
                         : kind == 1 ? link(diary, partial)
                                     : symlink(diary, partial),
                         0);
        ck_assert_int_eq(weld_cache_writer_open(path, &layout, &texts, &w, &rows, &err),
                         WELD_ERROR_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(err.message, reasons[kind]));
        size_t size;
        unsigned char *bytes = test_read_file(partial, &size);
        ck_assert_str_eq((char *)bytes, "dear diary");
        free(bytes);
        unlink(partial);
    }
    tear_down();
}
END_TEST

START_TEST(a_writer_that_ends_without_a_row_leaves_nothing) {
    int64_t rows;
    set_up();
    weld_cache_writer *w = open_writer(&rows);
    put(w, 0, 4);
    weld_cache_writer_close(w);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    w = open_writer(&rows);
    put(w, 0, 4);
    ck_assert_int_eq(weld_cache_writer_sync(w, 4, &err), WELD_OK);
    weld_cache_writer_close(w);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    weld_cache_writer_close(open_writer(&rows));
    ck_assert_int_eq(rows, 4);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    tear_down();
}
END_TEST

/* Before a teacher has been asked anything. */
START_TEST(a_folder_in_its_place_is_refused_at_the_start) {
    int64_t rows;
    weld_cache_writer *w;
    set_up();
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_eq(weld_cache_writer_open(path, &layout, &texts, &w, &rows, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "exists and is not a file"));
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    tear_down();
}
END_TEST

START_TEST(a_disk_without_room_is_an_error_at_the_start_that_leaves_nothing) {
    int64_t rows;
    weld_cache_writer *w;
    struct rlimit old, small;
    weld_cache_layout large = layout;
    set_up();
    large.images = 100000;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = 1 << 20;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    weld_status status = weld_cache_writer_open(path, &large, &texts, &w, &rows, &err);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(status, WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "needs 3.2 MB on its disk"));
    char partial[160];
    snprintf(partial, sizeof partial, "%s.partial", path);
    ck_assert_int_ne(access(partial, F_OK), 0);
    tear_down();
}
END_TEST

/* Nothing that may be short then is taken after hours of work. */
START_TEST(a_cache_is_put_in_its_place_without_another_descriptor) {
    int64_t rows;
    struct rlimit old, none;
    set_up();
    weld_cache_writer *w = open_writer(&rows);
    put(w, 0, VIEWS * IMAGES);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    weld_status status = weld_cache_writer_commit(w, &err);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_msg(!status, "%s", err.message);
    expect_whole();
    tear_down();
}
END_TEST

/* One row of one value, as it comes back. */
static float through_half(float value) {
    int64_t rows;
    weld_cache_layout one = {1, 1, 1, 1, false};
    weld_cache_texts none = {NULL, NULL, NULL, NULL};
    weld_cache_writer *w;
    weld_logit_cache *c;
    int32_t class = 0;
    float back;
    ck_assert_int_eq(weld_cache_writer_open(path, &one, &none, &w, &rows, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_put(w, 0, 1, &value, &class, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    ck_assert_msg(!weld_logit_cache_open(path, &c, &err), "%s", err.message);
    ck_assert_int_eq(weld_logit_cache_read(c, 0, 0, 1, &back, &err), WELD_OK);
    weld_logit_cache_free(c);
    return back;
}

START_TEST(values_are_rounded_to_the_nearest_half) {
    set_up();
    static const float cases[][2] = {{0, 0},
                                     {1, 1},
                                     {-2.5f, -2.5f},
                                     {0x1.002p0f, 1},           /* halfway: to even */
                                     {0x1.006p0f, 0x1.008p0f},  /* halfway: to even */
                                     {0x1.0021p0f, 0x1.004p0f}, /* above halfway */
                                     {65504, 65504},
                                     {1e30f, 65504}, /* the largest there is */
                                     {-1e30f, -65504},
                                     {0x1p-14f, 0x1p-14f},
                                     {0x1.ffcp-15f, 0x1p-14f}, /* subnormal: halfway, to even */
                                     {-0x1p-24f, -0x1p-24f},
                                     {0x1.8p-24f, 0x1p-23f},
                                     {0x1p-25f, 0},
                                     {0x1.ffep-1f, 1}}; /* carries into the exponent */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float is = through_half(cases[i][0]);
        ck_assert_msg(is == cases[i][1], "%a becomes %a, not %a", (double)cases[i][0], (double)is,
                      (double)cases[i][1]);
    }
    tear_down();
}
END_TEST

START_TEST(a_cache_made_with_numpy_is_read) {
    char name[512];
    weld_logit_cache *c;
    float logits[4];
    snprintf(name, sizeof name, "%s/distillation/python_cache.safetensors",
             getenv("WELD_FIXTURES"));
    ck_assert_msg(!weld_logit_cache_open(name, &c, &err), "%s", err.message);
    weld_cache_layout l = weld_logit_cache_layout(c);
    ck_assert_int_eq(l.views, 1);
    ck_assert_int_eq(l.images, 42);
    ck_assert(!weld_logit_cache_is_checked(c));
    ck_assert_int_eq(l.top, 3);
    ck_assert_str_eq(weld_logit_cache_text(c, WELD_CACHE_TEACHER), "a Python program");
    ck_assert_ptr_null(weld_logit_cache_text(c, WELD_CACHE_SAMPLES));
    for (int64_t i = 0; i < 42; i++) {
        int least = 0;
        float want[4];
        ck_assert_msg(!weld_logit_cache_read(c, 0, i, 2, logits, &err), "%s", err.message);
        for (int k = 0; k < 4; k++) {
            want[k] = (float)((i * 4 + k) * 37 % 64) / 16;
            least = want[k] < want[least] ? k : least;
        }
        for (int k = 0; k < 4; k++) {
            ck_assert(k == least ? logits[k] < want[k] - 100 : logits[k] == want[k]);
        }
    }
    weld_logit_cache_free(c);
}
END_TEST

/* --- Files that are not right --- */

/* A file of this header and so many zero bytes, in which `at` is set to a byte. */
static void write_file(const char *header, size_t zeros, size_t at, unsigned char byte) {
    size_t length = strlen(header);
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 8; i++) {
        fputc((int)(length >> (8 * i) & 255), file);
    }
    fputs(header, file);
    for (size_t i = 0; i < zeros; i++) {
        fputc(i == at ? byte : 0, file);
    }
    fclose(file);
}

#define META(values, classes)                                                                      \
    "{\"__metadata__\":{\"weld.format\":\"weld distillation cache 1\",\"weld.values\":\"" values   \
    "\",\"weld.classes\":\"" classes "\"},"
#define TENSORS                                                                                    \
    "\"classes\":{\"dtype\":\"I16\",\"shape\":[1,1,2],\"data_offsets\":[0,4]},"                    \
    "\"logits\":{\"dtype\":\"F16\",\"shape\":[1,1,2],\"data_offsets\":[4,8]}}"

static void refuse_file(const char *header, size_t zeros, const char *words) {
    weld_logit_cache *c = NULL;
    write_file(header, zeros, 0, 0);
    ck_assert_msg(weld_logit_cache_open(path, &c, &err) == WELD_ERROR_FORMAT, "accepted %s",
                  header);
    ck_assert_msg(strstr(err.message, words) != NULL, "said: %s", err.message);
    ck_assert_ptr_null(c);
}

START_TEST(other_files_and_wrong_headers_are_refused_by_what_is_wrong) {
    set_up();
    refuse_file("{" TENSORS, 8, "its metadata lack weld.format");
    refuse_file(META("odds", "4") TENSORS, 8, "weld.values is neither");
    refuse_file(META("logits", "4x") TENSORS, 8, "weld.classes is no number");
    refuse_file(META("logits", "-4") TENSORS, 8, "weld.classes is no number");
    refuse_file(META("logits", "99999999999999999999") TENSORS, 8, "weld.classes is no number");
    refuse_file(META("logits", "1") TENSORS, 8, "top at most the number of classes");
    refuse_file(META("logits", "4") TENSORS, 7, "the file is cut");
    refuse_file(META("logits", "4") "\"logits\":{\"dtype\":\"F16\",\"shape\":[1,1,2],"
                                    "\"data_offsets\":[0,4]}}",
                4, "no tensors logits and classes");
    refuse_file(
        META("logits",
             "4") "\"classes\":{\"dtype\":\"U8\",\"shape\":[1,1,2],\"data_offsets\":[0,2]},"
                  "\"logits\":{\"dtype\":\"F16\",\"shape\":[1,1,2],\"data_offsets\":[2,6]}}",
        6, "must be F16");
    refuse_file(
        META("logits",
             "4") "\"classes\":{\"dtype\":\"I16\",\"shape\":[1,2,1],\"data_offsets\":[0,4]},"
                  "\"logits\":{\"dtype\":\"F16\",\"shape\":[1,1,2],\"data_offsets\":[4,8]}}",
        8, "must both be");
    refuse_file(
        META("logits",
             "4") "\"classes\":{\"dtype\":\"I16\",\"shape\":[1,0,2],\"data_offsets\":[0,0]},"
                  "\"logits\":{\"dtype\":\"F16\",\"shape\":[1,0,2],\"data_offsets\":[0,0]}}",
        0, "must both be");
    refuse_file(META("logits", "4") "\"checks\":{\"dtype\":\"I32\",\"shape\":[2,1],"
                                    "\"data_offsets\":[8,16]}," TENSORS,
                16, "checks must be I32 [views, images]");
    tear_down();
}
END_TEST

static void refuse_row(size_t at, unsigned char byte, const char *values, const char *words) {
    weld_logit_cache *c;
    float logits[4];
    char header[512];
    snprintf(header, sizeof header, META("%s", "4") TENSORS, values);
    write_file(header, 8, at, byte);
    ck_assert_msg(!weld_logit_cache_open(path, &c, &err), "%s", err.message);
    ck_assert_int_eq(weld_logit_cache_read(c, 0, 0, 1, logits, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, words) != NULL, "said: %s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "view 0 of image 0"));
    ck_assert_int_eq(weld_logit_cache_read(c, 1, 0, 1, logits, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_logit_cache_read(c, 0, -1, 1, logits, &err), WELD_ERROR_ARGUMENT);
    weld_logit_cache_free(c);
}

START_TEST(rows_that_make_no_sense_are_refused_by_what_is_wrong) {
    set_up();
    refuse_row(0, 4, "logits", "a class that there is not");
    refuse_row(1, 0x80, "logits", "a class that there is not");
    refuse_row(0, 0, "logits", "a class is listed twice");
    refuse_row(5, 0x7c, "logits", "not finite");
    refuse_row(0, 1, "log_probabilities", "not the logarithms of probabilities");
    tear_down();
}
END_TEST

START_TEST(an_image_of_which_nothing_is_known_is_told) {
    int64_t rows;
    weld_logit_cache *c;
    float values[TOP] = {0}, logits[CLASSES];
    int32_t classes[TOP] = {-1, -1, -1};
    set_up();
    weld_cache_writer *w = open_writer(&rows);
    put(w, 0, VIEWS * IMAGES);
    ck_assert_int_eq(weld_cache_writer_put(w, 7, 1, values, classes, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
    ck_assert_int_eq(weld_logit_cache_open(path, &c, &err), WELD_OK);
    ck_assert_int_eq(weld_logit_cache_read(c, 1, 2, 1, logits, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "view 1 of image 2: nothing is known of it"));
    ck_assert_int_eq(weld_logit_cache_read(c, 1, 3, 1, logits, &err), WELD_OK);
    weld_logit_cache_free(c);
    tear_down();
}
END_TEST

START_TEST(the_identity_is_that_of_the_contents) {
    char a[17], b[17];
    int64_t rows;
    weld_logit_cache *c;
    set_up();
    for (int i = 0; i < 2; i++) {
        weld_cache_writer *w = open_writer(&rows);
        put(w, 0, VIEWS * IMAGES);
        if (i == 1) {
            float values[TOP] = {-1, -2, -3};
            int32_t classes[TOP] = {0, 1, 2};
            ck_assert_int_eq(weld_cache_writer_put(w, 9, 1, values, classes, &err), WELD_OK);
        }
        ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
        ck_assert_int_eq(weld_logit_cache_open(path, &c, &err), WELD_OK);
        ck_assert_int_eq(weld_logit_cache_identity(c, i ? b : a, &err), WELD_OK);
        weld_logit_cache_free(c);
    }
    ck_assert_str_ne(a, b);
    tear_down();
}
END_TEST

/* Another program may write the checks behind all else. */
START_TEST(checks_are_part_of_the_identity_wherever_they_are) {
    char texts_of[2][17];
    weld_logit_cache *c;
    set_up();
    for (int i = 0; i < 2; i++) {
        static const char *const checks =
            ",\"checks\":{\"dtype\":\"I32\",\"shape\":[1,1],\"data_offsets\":[8,12]}}";
        char header[512];
        snprintf(header, sizeof header, "%.*s%s", (int)sizeof META("logits", "4") TENSORS - 2,
                 META("logits", "4") TENSORS, checks);
        write_file(header, 12, 11, (unsigned char)i);
        ck_assert_msg(!weld_logit_cache_open(path, &c, &err), "%s", err.message);
        ck_assert_int_eq(weld_logit_cache_identity(c, texts_of[i], &err), WELD_OK);
        weld_logit_cache_free(c);
    }
    ck_assert_str_ne(texts_of[0], texts_of[1]);
    tear_down();
}
END_TEST

RUN_SUITE("formats/logit_cache", what_is_written_is_read_back_row_by_row,
          rounding_does_not_change_the_largest,
          an_interrupted_writer_is_gone_on_with_where_it_was_last_sure,
          what_another_teacher_left_is_not_gone_on_with,
          what_was_left_under_other_conditions_is_not_gone_on_with,
          rows_that_were_damaged_since_are_made_again, a_second_writer_is_refused,
          one_that_is_put_in_its_place_while_it_is_opened_stays_whole,
          one_that_is_removed_while_it_is_opened_is_made_again,
          nobody_else_reads_or_writes_what_is_half_done,
          what_others_may_write_to_or_own_is_not_gone_on_with,
          what_is_no_partial_cache_is_refused_and_stays,
          a_writer_that_ends_without_a_row_leaves_nothing,
          a_folder_in_its_place_is_refused_at_the_start,
          a_disk_without_room_is_an_error_at_the_start_that_leaves_nothing,
          a_cache_is_put_in_its_place_without_another_descriptor,
          values_are_rounded_to_the_nearest_half, a_cache_made_with_numpy_is_read,
          other_files_and_wrong_headers_are_refused_by_what_is_wrong,
          rows_that_make_no_sense_are_refused_by_what_is_wrong,
          an_image_of_which_nothing_is_known_is_told, the_identity_is_that_of_the_contents,
          checks_are_part_of_the_identity_wherever_they_are)
