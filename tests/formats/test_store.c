#include <signal.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "formats/file_kind.h"
#include "formats/bytes.h"
#include "formats/store_layout.h"
#include "suite.h"

static const float weight[2][3] = {{1.5f, -2, 3}, {4, -0.0f, 1e-42f}};
static const double precise[4] = {0.1, -1e300, 5e-324, 3};
static const int64_t counter = INT64_C(-9007199254740993);
static const unsigned char bytes5[5] = {0, 255, 7, 0, 9};

static weld_status write_sample(const char *path, weld_error *err) {
    weld_store_writer *w;
    weld_status status = weld_store_writer_create("sample", &w, err);
    if (status != WELD_OK) {
        return status;
    }
    weld_tensor f32 = {WELD_F32, WELD_SHAPE(2, 3), (void *)weight};
    weld_tensor f64 = {WELD_F64, WELD_SHAPE(4), (void *)precise};
    weld_tensor i64 = {WELD_I64, {.rank = 0}, (void *)&counter};
    weld_shape five = WELD_SHAPE(5);
    if ((status = weld_store_put_tensor(w, "parameters/features.0.0.c.weight", &f32, err)) ==
            WELD_OK &&
        (status = weld_store_put_tensor(w, "precise", &f64, err)) == WELD_OK &&
        (status = weld_store_put_tensor(w, "buffers/a/b.num_batches_tracked", &i64, err)) ==
            WELD_OK &&
        (status = weld_store_put(w, "buffers/bytes", WELD_STORE_U8, &five, bytes5, err)) ==
            WELD_OK &&
        (status = weld_store_put_text(w, "recipe", "train: {epochs: 3}\n# \xc3\xa9\n", err)) ==
            WELD_OK &&
        (status = weld_store_put_text(w, "empty", "", err)) == WELD_OK) {
        status = weld_store_commit(w, path, err);
    }
    weld_store_writer_free(w);
    return status;
}

static weld_status open_and_close(const char *path, weld_error *err) {
    weld_store *s;
    weld_status status = weld_store_open(path, &s, err);
    if (status == WELD_OK) {
        weld_store_free(s);
    }
    return status;
}

START_TEST(all_comes_back_bit_for_bit) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    weld_store *s;
    ck_assert_int_eq(write_sample(path, &err), WELD_OK);
    ck_assert_int_eq(weld_store_open(path, &s, &err), WELD_OK);
    ck_assert_str_eq(weld_store_kind(s), "sample");
    ck_assert_uint_eq(weld_store_count(s), 6);
    ck_assert_str_eq(weld_store_entry_at(s, 0)->path, "buffers/a/b.num_batches_tracked");
    ck_assert_str_eq(weld_store_entry_at(s, 5)->path, "recipe");
    ck_assert_ptr_null(weld_store_entry_at(s, 6));
    ck_assert_ptr_null(weld_store_find(s, "parameters"));
    float f32[6];
    double f64[4];
    int64_t i64;
    unsigned char u8[5];
    const char *text;
    weld_shape matrix = WELD_SHAPE(2, 3), four = WELD_SHAPE(4), five = WELD_SHAPE(5),
               scalar = {.rank = 0};
    ck_assert_int_eq(
        weld_store_read(s, "parameters/features.0.0.c.weight", WELD_STORE_F32, &matrix, f32, &err),
        WELD_OK);
    ck_assert_mem_eq(f32, weight, sizeof weight);
    ck_assert_int_eq(weld_store_read(s, "precise", WELD_STORE_F64, &four, f64, &err), WELD_OK);
    ck_assert_mem_eq(f64, precise, sizeof precise);
    ck_assert_int_eq(
        weld_store_read(s, "buffers/a/b.num_batches_tracked", WELD_STORE_I64, &scalar, &i64, &err),
        WELD_OK);
    ck_assert_int_eq(i64, counter);
    ck_assert_int_eq(weld_store_read(s, "buffers/bytes", WELD_STORE_U8, &five, u8, &err), WELD_OK);
    ck_assert_mem_eq(u8, bytes5, sizeof bytes5);
    ck_assert_int_eq(weld_store_text(s, "recipe", &text, &err), WELD_OK);
    ck_assert_str_eq(text, "train: {epochs: 3}\n# \xc3\xa9\n");
    ck_assert_int_eq(weld_store_text(s, "empty", &text, &err), WELD_OK);
    ck_assert_str_eq(text, "");
    weld_store_free(s);
    test_folder_remove(folder);
}
END_TEST

START_TEST(not_a_number_keeps_its_bits) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    uint32_t bits[3] = {0x7fc12345u, 0xff812345u, 0x7f800000u}, back[3];
    weld_shape shape = WELD_SHAPE(3);
    weld_store_writer *w;
    weld_store *s;
    ck_assert_int_eq(weld_store_writer_create("k", &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put(w, "x", WELD_STORE_F32, &shape, bits, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_commit(w, path, NULL), WELD_OK);
    weld_store_writer_free(w);
    ck_assert_int_eq(weld_store_open(path, &s, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_read(s, "x", WELD_STORE_F32, &shape, back, NULL), WELD_OK);
    ck_assert_mem_eq(bits, back, sizeof bits);
    weld_store_free(s);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_same_contents_give_the_same_bytes) {
    test_folder folder = test_folder_create();
    size_t a_size, b_size;
    ck_assert_int_eq(write_sample(test_path(&folder, "a"), NULL), WELD_OK);
    ck_assert_int_eq(write_sample(test_path(&folder, "b"), NULL), WELD_OK);
    unsigned char *a = test_read_file(test_path(&folder, "a"), &a_size);
    unsigned char *b = test_read_file(test_path(&folder, "b"), &b_size);
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    free(a);
    free(b);
    test_folder_remove(folder);
}
END_TEST

/* Let the process have so much more address space; nothing where a sanitizer needs that itself. */
static void limit_memory(size_t more) {
#if !defined __SANITIZE_ADDRESS__
    unsigned long pages = 0;
    FILE *usage = fopen("/proc/self/statm", "r");
    ck_assert(usage && fscanf(usage, "%lu", &pages) == 1);
    fclose(usage);
    rlim_t most = pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    struct rlimit limit = {most, most};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
#else
    (void)more;
#endif
}

START_TEST(writing_takes_no_second_copy_in_memory) {
    enum { MEGABYTE = 1 << 20 };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    weld_shape shape = WELD_SHAPE(48 * MEGABYTE);
    unsigned char *data = calloc(48, MEGABYTE);
    ck_assert_ptr_nonnull(data);
    weld_store_writer *w;
    ck_assert_int_eq(weld_store_writer_create("k", &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put(w, "x", WELD_STORE_U8, &shape, data, NULL), WELD_OK);
    limit_memory(16 * MEGABYTE);
    ck_assert_msg(weld_store_commit(w, path, &err) == WELD_OK, "%s", err.message);
    weld_store_writer_free(w);
    free(data);
    test_folder_remove(folder);
}
END_TEST

START_TEST(types_and_shapes_must_be_those_of_the_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    weld_store *s;
    char data[64];
    const char *text;
    weld_shape four = WELD_SHAPE(4), other = WELD_SHAPE(2, 2);
    ck_assert_int_eq(write_sample(path, &err), WELD_OK);
    ck_assert_int_eq(weld_store_open(path, &s, &err), WELD_OK);
    ck_assert_int_eq(weld_store_read(s, "precise", WELD_STORE_I64, &four, data, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_store_read(s, "precise", WELD_STORE_F64, &other, data, &err),
                     WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "precise"));
    ck_assert_ptr_nonnull(strstr(err.message, "[2, 2]"));
    ck_assert_int_eq(weld_store_read(s, "nothing", WELD_STORE_F64, &four, data, &err),
                     WELD_ERROR_NOT_FOUND);
    ck_assert_int_eq(weld_store_text(s, "precise", &text, &err), WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_store_text(s, "nothing", &text, &err), WELD_ERROR_NOT_FOUND);
    weld_store_free(s);
    test_folder_remove(folder);
}
END_TEST

START_TEST(paths_without_meaning_are_refused) {
    static const char *const bad[] = {"", "/", "a//b", "/a", "a/", ".", "a/../b", "a/."};
    weld_store_writer *w;
    ck_assert_int_eq(weld_store_writer_create("k", &w, NULL), WELD_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(weld_store_put_text(w, bad[i], "x", NULL), WELD_ERROR_ARGUMENT);
    }
    weld_tensor none = {WELD_F32, WELD_SHAPE(2, 0), NULL};
    weld_tensor half = {WELD_BF16, WELD_SHAPE(2), NULL};
    ck_assert_int_eq(weld_store_put_tensor(w, "x", &none, NULL), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_store_put_tensor(w, "x", &half, NULL), WELD_ERROR_ARGUMENT);
    weld_store_writer_free(w);
    ck_assert_int_eq(weld_store_writer_create("a kind that is much too long", &w, NULL),
                     WELD_ERROR_ARGUMENT);
}
END_TEST

START_TEST(a_name_used_twice_fails_and_writes_nothing) {
    test_folder folder = test_folder_create();
    weld_store_writer *w;
    weld_error err;
    ck_assert_int_eq(weld_store_writer_create("k", &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put_text(w, "a/b", "1", NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put_text(w, "a/b", "2", NULL), WELD_OK);
    ck_assert_int_ne(weld_store_commit(w, test_path(&folder, "s"), &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "a/b"));
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    weld_store_writer_free(w);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_cut_file_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5"), *cut = test_path(&folder, "cut.h5");
    weld_error err;
    size_t size;
    ck_assert_int_eq(write_sample(path, &err), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    for (int i = 0; i < 20; i++) {
        size_t left = size * (size_t)i / 20;
        test_write_file(cut, bytes, left);
        ck_assert_int_eq(open_and_close(cut, &err), WELD_ERROR_FORMAT);
        if (left >= WELD_STORE_HEADER_SIZE) {
            char expected[64];
            snprintf(expected, sizeof expected, "expected %zu bytes, found %zu", size, left);
            ck_assert_ptr_nonnull(strstr(err.message, expected));
        }
        ck_assert_ptr_nonnull(strstr(err.message, cut));
    }
    for (size_t less = 1; less <= 3; less++) {
        test_write_file(cut, bytes, size - less);
        ck_assert_int_eq(open_and_close(cut, &err), WELD_ERROR_FORMAT);
    }
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5"), *bad = test_path(&folder, "bad.h5");
    weld_error err;
    size_t size;
    ck_assert_int_eq(write_sample(path, &err), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    weld_random r = weld_random_start(1, 0, 0, WELD_RANDOM_TEST);
    for (size_t i = 0; i < 700; i++) {
        /* Every other bit of the first 87 bytes, then random ones. */
        size_t bit = i < 350 ? 2 * i : weld_random_below(&r, 8 * size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        test_write_file(bad, bytes, size);
        ck_assert_msg(open_and_close(bad, &err) == WELD_ERROR_FORMAT, "bit %zu", bit);
        if (bit >= 8 * 40) {
            ck_assert_ptr_nonnull(strstr(err.message, "checksum differs"));
        }
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(other_files_are_named_by_what_they_are) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x");
    weld_error err;
    test_write_file(path, "PK\x03\x04 and so on", 12);
    ck_assert_int_eq(open_and_close(path, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, ".pth"));
    test_write_file(path, "hello", 5);
    ck_assert_int_eq(open_and_close(path, &err), WELD_ERROR_FORMAT);
    test_write_file(path, "\x89HDF\r\n\x1a\n\0\0\0\0\0\10\10", 16);
    ck_assert_int_eq(open_and_close(path, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "HDF5 file of another program"));
    ck_assert_int_eq(open_and_close(test_path(&folder, "none"), &err), WELD_ERROR_NOT_FOUND);
    ck_assert_int_eq(open_and_close(folder.path, &err), WELD_ERROR_ARGUMENT);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_failed_write_keeps_the_old_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    size_t before_size, after_size;
    ck_assert_int_eq(write_sample(path, &err), WELD_OK);
    unsigned char *before = test_read_file(path, &before_size);
    struct rlimit limit = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(write_sample(path, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    unsigned char *after = test_read_file(path, &after_size);
    ck_assert_uint_eq(before_size, after_size);
    ck_assert_mem_eq(before, after, after_size);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    ck_assert_int_eq(open_and_close(path, &err), WELD_OK);
    free(before);
    free(after);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 1000);
        weld_memory_fail_after(n);
        status = write_sample(path, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(test_folder_walk(folder.path, 0), status == WELD_OK);
    }
    status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 1000);
        weld_memory_fail_after(n);
        status = open_and_close(path, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    test_folder_remove(folder);
}
END_TEST

/* --- Files that a checksum does not protect from: made on purpose. --- */

typedef struct sample {
    unsigned char *bytes, *index;
    size_t size;
    weld_store_header header;
} sample;

static sample load_sample(const char *path) {
    sample s;
    ck_assert_int_eq(write_sample(path, NULL), WELD_OK);
    s.bytes = test_read_file(path, &s.size);
    ck_assert(weld_store_header_decode(s.bytes, s.size, &s.header));
    s.index = s.bytes + s.header.index_at;
    return s;
}

static void seal(const sample *s) {
    weld_store_header_encode(s->bytes, &s->header);
    weld_store_checksum(s->bytes, s->size, s->bytes + WELD_STORE_CHECKSUM_AT);
}

static weld_status open_sealed(const sample *s, const char *path, weld_error *err) {
    seal(s);
    test_write_file(path, s->bytes, s->size);
    return open_and_close(path, err);
}

static unsigned char *find_entry(const sample *s, size_t number) {
    unsigned char *at = s->index + 8;
    while (number--) {
        at += (WELD_STORE_ENTRY_SIZE + 8u * at[1] + at[2] + 7u) & ~7u;
    }
    return at;
}

/* Put a value in place of eight bytes, expect the reason, and put the old bytes back. */
static void assert_refused(const sample *s, const char *path, unsigned char *at, uint64_t value,
                           const char *reason) {
    weld_error err = {0};
    uint64_t old = weld_load_u64(at);
    weld_save_u64(at, value);
    ck_assert_int_eq(open_sealed(s, path, &err), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, reason) != NULL, "%s", err.message);
    weld_save_u64(at, old);
}

START_TEST(an_index_that_lies_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    sample s = load_sample(path);
    ck_assert_int_eq(open_sealed(&s, path, &err), WELD_OK);
    /* Entries in order: an i64 scalar, u8 [5], a text (empty), f32 [2, 3], f64 [4], a text. */
    unsigned char *scalar = find_entry(&s, 0), *u8 = find_entry(&s, 1), *text = find_entry(&s, 2),
                  *matrix = find_entry(&s, 3);
    const char *beyond = "beyond the end", *size = "does not fit its size";
    assert_refused(&s, path, s.index, s.size, "more entries");
    assert_refused(&s, path, s.index, UINT64_MAX, "more entries");
    assert_refused(&s, path, s.index, 7, "middle");
    assert_refused(&s, path, scalar + 8, s.size, beyond);
    assert_refused(&s, path, scalar + 8, s.size - 7, beyond);
    assert_refused(&s, path, scalar + 8, UINT64_MAX, beyond);
    assert_refused(&s, path, scalar + 16, s.size, beyond);
    assert_refused(&s, path, scalar + 16, UINT64_MAX - 500, beyond);
    assert_refused(&s, path, scalar + 16, 16, size);
    assert_refused(&s, path, matrix + 24, 3, size);
    assert_refused(&s, path, matrix + 24, 0, size);
    assert_refused(&s, path, matrix + 24, UINT64_MAX, size);
    assert_refused(&s, path, matrix + 24, UINT64_C(1) << 62, size);
    assert_refused(&s, path, u8 + 24, 6, size);
    assert_refused(&s, path, text + 16, 0, "not a text");
    assert_refused(&s, path, text + 16, 2, "not a text");
    assert_refused(&s, path, text, 7 | 5 << 16, "without meaning");          /* type */
    assert_refused(&s, path, text, 4 | 7 << 8 | 5 << 16, "without meaning"); /* rank */
    assert_refused(&s, path, text, 4 | UINT64_C(0xffff) << 16, "without meaning");
    assert_refused(&s, path, text, 4, "a name"); /* empty */
    assert_refused(&s, path, text + 24, 0, "a name");
    assert_refused(&s, path, text + 24, 0x2e2e2f2e2e, "a name"); /* "../.." */
    assert_refused(&s, path, text + 24, 0x6161616161, "not in order");
    free(s.bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(bytes_are_given_away_where_tensors_can_be_used_in_them) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    sample s = load_sample(path);
    weld_store *store;
    ck_assert_int_eq(weld_store_open(path, &store, NULL), WELD_OK);
    const weld_store_entry *matrix = weld_store_entry_at(store, 3);
    const float *data = matrix->data;
    float values[6];
    ck_assert_uint_eq(matrix->bytes, sizeof values);
    memcpy(values, matrix->data, sizeof values);
    void *bytes = weld_store_give_bytes(store);
    ck_assert_ptr_nonnull(bytes);
    weld_store_free(store);
    ck_assert_uint_eq((uintptr_t)data % WELD_ALIGNMENT, 0);
    ck_assert_mem_eq(data, values, sizeof values);
    weld_free(bytes);
    /* The place of the matrix: beside a multiple of the alignment, as in older files; that of the
     * tensor after it. */
    unsigned char *place = find_entry(&s, 3) + 8;
    const uint64_t at = weld_load_u64(place);
    const uint64_t places[] = {at + 4, weld_load_u64(find_entry(&s, 4) + 8)};
    for (size_t i = 0; i < 2; i++) {
        weld_save_u64(place, places[i]);
        seal(&s);
        test_write_file(path, s.bytes, s.size);
        ck_assert_int_eq(weld_store_open(path, &store, NULL), WELD_OK);
        ck_assert_ptr_null(weld_store_give_bytes(store));
        weld_store_free(store);
    }
    free(s.bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(an_index_outside_the_file_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    sample s = load_sample(path);
    const uint64_t places[] = {s.size, s.size - 1, UINT64_MAX, UINT64_MAX - 100};
    weld_store_header good = s.header;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        s.header.index_at = places[i];
        ck_assert_int_eq(open_sealed(&s, path, &err), WELD_ERROR_FORMAT);
        s.header = good;
        s.header.index_bytes = places[i];
        ck_assert_int_eq(open_sealed(&s, path, &err), WELD_ERROR_FORMAT);
        s.header = good;
    }
    s.header.index_bytes = 7;
    ck_assert_int_eq(open_sealed(&s, path, &err), WELD_ERROR_FORMAT);
    s.size = WELD_STORE_HEADER_SIZE; /* nothing but a header */
    s.header = (weld_store_header){.length = s.size};
    ck_assert_int_eq(open_sealed(&s, path, &err), WELD_ERROR_FORMAT);
    free(s.bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(many_names_for_one_tensor_cannot_outgrow_the_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    sample s = load_sample(path);
    /* Two entries of one byte per element that each span most of the file. */
    for (size_t i = 0; i < 2; i++) {
        unsigned char *e = find_entry(&s, 1 + 2 * i);
        e[0] = WELD_STORE_U8;
        weld_save_u64(e + 8, 0);
        weld_save_u64(e + 16, s.size / 3 * 2);
        weld_save_u64(e + 24, s.size / 3 * 2 / (i ? 3 : 1));
        if (i) {
            weld_save_u64(e + 16, s.size / 3 * 2 / 3 * 3);
            weld_save_u64(e + 32, 3);
        }
    }
    ck_assert_int_eq(open_sealed(&s, path, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "more bytes than"));
    free(s.bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(random_damage_under_a_right_checksum_does_no_harm) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_error err;
    sample s = load_sample(path);
    size_t opened = 0;
    weld_random r = weld_random_start(2, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < 700; i++) {
        unsigned char *at = s.index + weld_random_below(&r, s.header.index_bytes), old = *at;
        *at = (unsigned char)weld_random_below(&r, 256);
        seal(&s);
        test_write_file(path, s.bytes, s.size);
        weld_store *store;
        if (weld_store_open(path, &store, &err) == WELD_OK) {
            opened++;
            for (size_t k = 0; k < weld_store_count(store); k++) {
                const weld_store_entry *e = weld_store_entry_at(store, k);
                void *data = weld_memdup(e->data, e->bytes);
                ck_assert_ptr_nonnull(data);
                weld_free(data);
            }
            weld_store_free(store);
        }
        *at = old;
    }
    ck_assert_uint_gt(opened, 0);
    free(s.bytes);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/store", all_comes_back_bit_for_bit, not_a_number_keeps_its_bits,
          the_same_contents_give_the_same_bytes, writing_takes_no_second_copy_in_memory,
          types_and_shapes_must_be_those_of_the_file, paths_without_meaning_are_refused,
          a_name_used_twice_fails_and_writes_nothing, a_cut_file_is_refused,
          every_flipped_bit_is_noticed, other_files_are_named_by_what_they_are,
          a_failed_write_keeps_the_old_file, failing_allocations_are_errors_and_nothing_more,
          an_index_that_lies_is_refused, an_index_outside_the_file_is_refused,
          bytes_are_given_away_where_tensors_can_be_used_in_them,
          many_names_for_one_tensor_cannot_outgrow_the_file,
          random_damage_under_a_right_checksum_does_no_harm)
