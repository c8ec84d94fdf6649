/* safetensors files: the bytes that are written, what is read back, and what is refused. */
#include "suite.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "files.h"
#include "formats/file_kind.h"
#include "formats/safetensors.h"
#include "formats/safetensors_checksum.h"

static float matrix[] = {1, -2, 3.5F, 4, 5, 6};
static float vector[] = {0.25F, -0.0F};
static int64_t counter[] = {1LL << 40};

/* Not in the order of the file. */
static const weld_safetensors_tensor example[] = {
    {"b.weight", {WELD_F32, {2, {2, 3}}, matrix}},
    {"bn.num_batches_tracked", {WELD_I64, {0, {0}}, counter}},
    {"a.bias", {WELD_F32, {1, {2}}, vector}},
    {"nothing", {WELD_F32, {2, {0, 5}}, matrix}},
};
enum { EXAMPLES = sizeof example / sizeof *example };

static weld_metadata metadata(void) {
    static char quoted[] = "say \"hi\"", sharp[] = "gr\xc3\xbcn\n";
    return (weld_metadata){2, {{"weld.form", quoted}, {"weld.version", sharp}}};
}

static weld_status write_file(const char *path, const weld_safetensors_tensor *tensors,
                              size_t count, const weld_metadata *m, weld_error *err) {
    weld_replacement *r;
    weld_status status = weld_replacement_open(path, &r, err);
    if (status != WELD_OK) {
        return status;
    }
    status = weld_safetensors_write(r, tensors, count, m, err);
    if (status != WELD_OK) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}

/* A file of a header's text and `bytes` bytes of elements. */
static void make_file(const char *path, const char *header, size_t bytes) {
    size_t length = strlen(header);
    unsigned char *file = calloc(8 + length + bytes, 1);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)length >> (8 * i));
    }
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < bytes; i++) {
        file[8 + length + i] = (unsigned char)(i + 1);
    }
    test_write_file(path, file, 8 + length + bytes);
    free(file);
}

/* --- Writing. --------------------------------------------------------------------------------- */

START_TEST(bytes_are_those_of_the_reference_implementation) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    ck_assert_int_eq(write_file(path, example, EXAMPLES, NULL, NULL), WELD_OK);
    /* Larger elements first, then by name; compact JSON; spaces up to a multiple of eight. */
    const char *header =
        "{\"__metadata__\":{\"weld.checksum\":\"" WELD_NO_CHECKSUM "\",\"format\":\"pt\"},"
        "\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"a.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
        "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]},"
        "\"nothing\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[40,40]}}";
    size_t size, length = strlen(header), padded = (length + 7) / 8 * 8;
    ck_assert_uint_ne(length, padded);
    unsigned char *bytes = test_read_file(path, &size);
    ck_assert_uint_eq(size, 8 + padded + 40);
    ck_assert_uint_eq(bytes[0] | bytes[1] << 8, padded);
    ck_assert_mem_eq(bytes + 2, "\0\0\0\0\0", 6);
    memset(bytes + 8 + strcspn(header, "0"), '0', WELD_CHECKSUM_DIGITS);
    ck_assert_mem_eq(bytes + 8, header, length);
    for (size_t i = length; i < padded; i++) {
        ck_assert_int_eq(bytes[8 + i], ' ');
    }
    ck_assert_mem_eq(bytes + 8 + padded, counter, 8);
    ck_assert_mem_eq(bytes + 8 + padded + 8, vector, 8);
    ck_assert_mem_eq(bytes + 8 + padded + 16, matrix, 24);
    ck_assert_int_eq(weld_file_kind_of(path), WELD_FILE_SAFETENSORS);
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(names_that_come_twice_or_are_not_utf_8_are_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_safetensors_tensor twice[] = {example[0], example[1], example[2]};
    weld_error err;
    twice[1].name = "b.weight"; /* of another type, so not a neighbour in the file */
    ck_assert_int_eq(write_file(path, twice, 3, NULL, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "b.weight"));
    twice[1].name = "\xff";
    ck_assert_int_eq(write_file(path, twice, 3, NULL, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "UTF-8"));
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    test_folder_remove(folder);
}
END_TEST

/* --- Reading. --------------------------------------------------------------------------------- */

START_TEST(what_was_written_is_read_back) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_metadata m = metadata();
    weld_state_dict *s;
    weld_error err;
    ck_assert_int_eq(write_file(path, example, EXAMPLES, &m, NULL), WELD_OK);
    ck_assert_msg(weld_state_dict_open(path, NULL, &s, &err) == WELD_OK, "%s", err.message);
    ck_assert_uint_eq(weld_state_dict_count(s), EXAMPLES);
    ck_assert_str_eq(weld_state_dict_key(s), "");
    ck_assert_str_eq(weld_state_dict_metadata(s, "format"), "pt");
    ck_assert_str_eq(weld_state_dict_metadata(s, "weld.form"), m.items[0].text);
    ck_assert_str_eq(weld_state_dict_metadata(s, "weld.version"), m.items[1].text);
    ck_assert_ptr_null(weld_state_dict_metadata(s, "other"));
    const weld_safetensors_tensor *order[] = {&example[1], &example[2], &example[0], &example[3]};
    for (size_t i = 0; i < EXAMPLES; i++) {
        const weld_state_entry *e = weld_state_dict_at(s, i);
        const weld_tensor *t = &order[i]->tensor;
        char data[64];
        ck_assert_str_eq(e->name, order[i]->name);
        ck_assert_int_eq(e->element, t->dtype == WELD_I64 ? WELD_ELEMENT_I64 : WELD_ELEMENT_F32);
        ck_assert(weld_shape_equal(&e->shape, &t->shape));
        ck_assert_int_eq(weld_state_dict_read(s, i, t->dtype, data, &err), WELD_OK);
        ck_assert_mem_eq(data, t->data, weld_tensor_bytes(t));
    }
    weld_state_dict_free(s);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_header_may_be_in_any_order_with_space_between_and_without_metadata) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_state_dict *s;
    weld_error err;
    make_file(
        path,
        "{ \"late\" :\n{\"data_offsets\": [4, 6], \"shape\": [1, 1], \"dtype\": \"BF16\"},"
        "\t\"module.early\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]},"
        "\"\\u00fc\\n\": {\"dtype\": \"F32\", \"shape\": [0], \"data_offsets\": [4, 4]}}\r\n ",
        6);
    /* A name with a line end is for the state dict to refuse. */
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &s, &err), WELD_ERROR_FORMAT);
    make_file(path,
              "{ \"late\" :\n{\"data_offsets\": [4, 6], \"shape\": [1, 1], \"dtype\": \"BF16\"},"
              "\t\"module.early\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]},"
              "\"\\u00fc\": {\"dtype\": \"F32\", \"shape\": [0], \"data_offsets\": [4, 4]}}\r\n ",
              6);
    ck_assert_msg(weld_state_dict_open(path, NULL, &s, &err) == WELD_OK, "%s", err.message);
    ck_assert_uint_eq(weld_state_dict_count(s), 3);
    ck_assert_str_eq(weld_state_dict_at(s, 0)->name, "early");
    ck_assert_str_eq(weld_state_dict_at(s, 1)->name, "\xc3\xbc");
    ck_assert_str_eq(weld_state_dict_at(s, 2)->name, "late");
    ck_assert_ptr_null(weld_state_dict_metadata(s, "format"));
    int64_t bytes[4];
    ck_assert_int_eq(weld_state_dict_read(s, 0, WELD_I64, bytes, &err), WELD_OK);
    ck_assert_int_eq(bytes[3], 4);
    ck_assert_int_eq(weld_state_dict_read(s, 1, WELD_F32, bytes, &err), WELD_OK);
    float value;
    ck_assert_int_eq(weld_state_dict_read(s, 2, WELD_F32, &value, &err), WELD_OK);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    ck_assert_uint_eq(bits, 0x06050000);
    weld_state_dict_free(s);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_without_tensors_is_one) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_state_dict *s;
    make_file(path, "{}", 0);
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &s, NULL), WELD_OK);
    ck_assert_uint_eq(weld_state_dict_count(s), 0);
    weld_state_dict_free(s);
    test_folder_remove(folder);
}
END_TEST

/* --- Files that are damaged or mean harm. ----------------------------------------------------- */

/* Refused with one line that begins with the file's name. */
static void assert_refused(const char *path, const char *what) {
    weld_state_dict *s = NULL;
    weld_error err = {0};
    ck_assert_msg(weld_state_dict_open(path, NULL, &s, &err) == WELD_ERROR_FORMAT,
                  "not refused: %s", what);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(strncmp(err.message, path, strlen(path)), 0);
    ck_assert_ptr_null(strchr(err.message, '\n'));
}

#define A(dtype, shape, offsets)                                                                   \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

START_TEST(headers_that_break_a_rule_are_refused) {
    static const char *const bad[] = {
        /* all for eight bytes of elements */
        " " A("\"F32\"", "[2]", "[0,8]"),
        "[]",
        "{",
        "{\"a\"}",
        "{\"a\":1}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{1:{}}",
        "{\"a\":null}",
        A("\"F32\"", "[2]", "[0,8]") "x",
        A("\"F32\"", "[2]", "[0,8]") "{}",
        A("\"F32\"", "[2]", "[0,8]") ",",
        A("\"F64\"", "[2]", "[0,8]"),
        A("\"F33\"", "[2]", "[0,8]"),
        A("\"F8_E4M3\"", "[8]", "[0,8]"),
        A("32", "[2]", "[0,8]"),
        A("\"F32\"", "[3]", "[0,8]"),
        A("\"F32\"", "[-2]", "[0,8]"),
        A("\"F32\"", "[2.0]", "[0,8]"),
        A("\"F32\"", "[\"2\"]", "[0,8]"),
        A("\"F32\"", "2", "[0,8]"),
        A("\"F32\"", "[1,1,1,1,1,1,2]", "[0,8]"),
        A("\"F32\"", "[4611686018427387904,2]", "[0,8]"),
        A("\"F32\"", "[4611686018427387906]", "[0,8]"),
        A("\"F32\"", "[18446744073709551618]", "[0,8]"),
        A("\"F32\"", "[2]", "[0]"),
        A("\"F32\"", "[2]", "[0,8,8]"),
        A("\"F32\"", "[2]", "[8,0]"),
        A("\"F32\"", "[2]", "[-8,0]"),
        A("\"F32\"", "[1]", "[4,8]"), /* a gap at the beginning */
        A("\"F32\"", "[1]", "[0,4]"), /* and at the end */
        A("\"F32\"", "[4]", "[0,16]"),
        A("\"F32\"", "[2]", "[9223372036854775800,9223372036854775808]"),
        A("\"U8\"", "[9223372036854775807]", "[0,9223372036854775807]"),
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        /* overlap, gap, the same twice, names that differ by "module." alone */
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        "\"module.a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},}",
        "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"\x1b[2J\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"__metadata__\":[],\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"__metadata__\":{\"x\":1},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
        "}",
        "{\"__metadata__\":{\"x\":\"1\",\"x\":\"1\"},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"__metadata__\":{},\"__metadata__\":{},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
    };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_state_dict *s;
    make_file(path, A("\"F32\"", "[2]", "[0,8]"), 8);
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &s, NULL), WELD_OK);
    weld_state_dict_free(s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        make_file(path, bad[i], 8);
        assert_refused(path, bad[i]);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(nesting_and_values_without_end_are_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    enum { LONG = 1 << 20 };
    static const char *const begins[] = {"{\"a\":[", "{\"a\":{\"shape\":[0", "{\"a"};
    static const char fills[] = {'[', '0', 'a'};
    char *header = malloc(LONG + 1);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        memset(header, fills[i], LONG);
        header[LONG] = '\0';
        memcpy(header, begins[i], strlen(begins[i]));
        make_file(path, header, 0);
        assert_refused(path, begins[i]);
    }
    free(header);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_header_longer_than_the_file_or_than_allowed_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    test_write_file(path, "\x05\0\0\0\0\0\0\0{}  ", 12);
    assert_refused(path, "one byte too long");
    test_write_file(path, "\xff\xff\xff\x07\0\0\0\0{}", 10);
    assert_refused(path, "longer than allowed");
    test_write_file(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_refused(path, "2^64 - 1");
    /* 100,000,001 bytes that are there. */
    test_write_file(path, "\x01\xe1\xf5\x05\0\0\0\0{}", 10);
    ck_assert_int_eq(truncate(path, 100000009), 0);
    assert_refused(path, "a byte more than allowed");
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_cut_anywhere_or_lengthened_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_metadata m = metadata();
    size_t size;
    ck_assert_int_eq(write_file(path, example, EXAMPLES, &m, NULL), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        test_write_file(path, bytes, cut);
        assert_refused(path, "cut");
    }
    bytes[size] = 0;
    test_write_file(path, bytes, size + 1);
    assert_refused(path, "lengthened");
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_changed_header_is_refused_or_read_within_bounds) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_metadata m = metadata();
    size_t size;
    int opened = 0;
    ck_assert_int_eq(write_file(path, example, EXAMPLES, &m, NULL), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    memcpy(strstr((char *)bytes + 8, "weld.checksum"), "other", 5); /* it would find them all */
    for (size_t i = 0; i < size - 40; i++) {
        for (int bit = 0; bit < 8; bit++) {
            weld_state_dict *s;
            bytes[i] ^= (unsigned char)(1 << bit);
            test_write_file(path, bytes, size);
            bytes[i] ^= (unsigned char)(1 << bit);
            if (weld_state_dict_open(path, NULL, &s, NULL) != WELD_OK) {
                continue;
            }
            opened++;
            for (size_t k = 0; k < weld_state_dict_count(s); k++) {
                double data[64]; /* no tensor can have more than the 40 bytes there are */
                weld_state_dict_read(s, k, WELD_F64, data, NULL);
                weld_state_dict_read(s, k, WELD_I64, data, NULL);
            }
            weld_state_dict_free(s);
        }
    }
    ck_assert_int_gt(opened, 500); /* letters of names and metadata */
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

/* --- Machines that fail. ---------------------------------------------------------------------- */

START_TEST(a_full_disk_is_an_error_and_leaves_the_old_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    size_t size;
    ck_assert_int_eq(write_file(path, example, EXAMPLES, NULL, NULL), WELD_OK);
    free(test_read_file(path, &size));
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit < size; limit++) {
        struct rlimit low = {limit, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
        weld_error err = {0};
        setrlimit(RLIMIT_FSIZE, &low); /* Check itself must be able to write again */
        weld_status status = write_file(path, example, EXAMPLES, NULL, &err);
        setrlimit(RLIMIT_FSIZE, &none);
        ck_assert_int_eq(status, WELD_ERROR_IO);
        ck_assert_ptr_nonnull(strstr(err.message, path));
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    }
    weld_state_dict *s;
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &s, NULL), WELD_OK);
    weld_state_dict_free(s);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_metadata m = metadata();
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 1000);
        weld_memory_fail_after(n);
        status = write_file(path, example, EXAMPLES, &m, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(test_folder_walk(folder.path, 0), status == WELD_OK);
    }
    status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        weld_state_dict *s = NULL;
        ck_assert_int_lt(n, 1000);
        weld_memory_fail_after(n);
        status = weld_state_dict_open(path, NULL, &s, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        weld_state_dict_free(s);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_that_shrinks_while_it_is_open_is_an_error) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    weld_state_dict *s;
    weld_error err;
    float data[2];
    make_file(path, A("\"F32\"", "[2]", "[0,8]"), 8);
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &s, NULL), WELD_OK);
    ck_assert_int_eq(truncate(path, 20), 0);
    ck_assert_int_eq(weld_state_dict_read(s, 0, WELD_F32, data, &err), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    weld_state_dict_free(s);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/safetensors", bytes_are_those_of_the_reference_implementation,
          names_that_come_twice_or_are_not_utf_8_are_refused, what_was_written_is_read_back,
          a_header_may_be_in_any_order_with_space_between_and_without_metadata,
          a_file_without_tensors_is_one, headers_that_break_a_rule_are_refused,
          nesting_and_values_without_end_are_refused,
          a_header_longer_than_the_file_or_than_allowed_is_refused,
          a_file_cut_anywhere_or_lengthened_is_refused,
          a_changed_header_is_refused_or_read_within_bounds,
          a_full_disk_is_an_error_and_leaves_the_old_file,
          failing_allocations_are_errors_and_nothing_more,
          a_file_that_shrinks_while_it_is_open_is_an_error)
