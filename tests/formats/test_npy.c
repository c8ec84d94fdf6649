#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "formats/npy_file.h"
#include "suite.h"

static const char *folder_file(test_folder *folder) {
    *folder = test_folder_create();
    return test_path(folder, "x.npy");
}

/* A file of version 1 with this header text and these elements. */
static void write_npy(const char *path, const char *header, const void *data, size_t size) {
    unsigned char bytes[1024] = "\x93NUMPY\1";
    size_t length = strlen(header);
    ck_assert_uint_le(10 + length + size, sizeof bytes);
    bytes[8] = (unsigned char)length;
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + 10, header, length);
    memcpy(bytes + 10 + length, data, size);
    test_write_file(path, bytes, 10 + length + size);
}

START_TEST(a_tensor_comes_back_bit_for_bit) {
    test_folder folder;
    const char *path = folder_file(&folder);
    weld_error err;
    uint32_t bits[24];
    for (int i = 0; i < 24; i++) {
        bits[i] = 0x9e3779b9u * (uint32_t)(i + 1);
    }
    const weld_shape shapes[] = {
        WELD_SHAPE(2, 3, 4), WELD_SHAPE(24), {.rank = 0}, WELD_SHAPE(1, 2, 3, 1, 4, 1)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        weld_tensor in = {WELD_F32, shapes[i], bits}, out;
        ck_assert_int_eq(npy_file_write(path, &in, &err), WELD_OK);
        ck_assert_int_eq(npy_file_read(path, WELD_F32, &out, &err), WELD_OK);
        ck_assert(weld_shape_equal(&out.shape, &shapes[i]));
        ck_assert_mem_eq(out.data, bits, 4 * (size_t)weld_shape_count(&shapes[i]));
        weld_free(out.data);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_written_file_is_what_numpy_writes) {
    test_folder folder;
    const char *path = folder_file(&folder);
    float data[6] = {0};
    size_t size;
    weld_tensor t = {WELD_F32, WELD_SHAPE(2, 3), data};
    ck_assert_int_eq(npy_file_write(path, &t, NULL), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    ck_assert_uint_eq(size, 128 + sizeof data);
    ck_assert_mem_eq(bytes, "\x93NUMPY\1\0\x76\0", 10);
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    ck_assert_mem_eq(bytes + 10, header, strlen(header));
    ck_assert_int_eq(bytes[127], '\n');
    free(bytes);
    t.shape = WELD_SHAPE(6);
    ck_assert_int_eq(npy_file_write(path, &t, NULL), WELD_OK);
    bytes = test_read_file(path, &size);
    ck_assert_ptr_nonnull(strstr((char *)bytes + 10, "'shape': (6,), }"));
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

static void assert_reads(const char *path, const char *descr, const void *data, size_t size,
                         const double *expected, int count) {
    char header[128];
    weld_tensor out;
    weld_error err;
    snprintf(header, sizeof header, "{\"shape\":(%d,),'fortran_order':False,'descr':'%s'}\n", count,
             descr);
    write_npy(path, header, data, size);
    ck_assert_int_eq(npy_file_read(path, WELD_F64, &out, &err), WELD_OK);
    for (int i = 0; i < count; i++) {
        ck_assert_double_eq(((double *)out.data)[i], expected[i]);
    }
    weld_free(out.data);
    ck_assert_int_eq(npy_file_read(path, WELD_F32, &out, &err), WELD_OK);
    for (int i = 0; i < count; i++) {
        ck_assert_float_eq(((float *)out.data)[i], (float)expected[i]);
    }
    weld_free(out.data);
}

START_TEST(every_element_type_is_converted) {
    test_folder folder;
    const char *path = folder_file(&folder);
    const float f4[] = {1.5f, -3};
    const double f8[] = {0.1, -1e300};
    const uint16_t f2[] = {0x3c00, 0xc100, 0x0001, 0x83ff, 0x7bff, 0x7c00, 0xfc00};
    const unsigned char u1[] = {0, 255};
    const int32_t i4[] = {-5, INT32_MAX};
    const int64_t i8[] = {-5, INT64_C(1) << 40};
    assert_reads(path, "<f4", f4, sizeof f4, (double[]){1.5, -3}, 2);
    assert_reads(path, "<f8", f8, sizeof f8, (double[]){0.1, -1e300}, 2);
    assert_reads(path, "<f2", f2, sizeof f2,
                 (double[]){1, -2.5, 0x1p-24, -1023 * 0x1p-24, 65504, (double)__builtin_inf(),
                            -(double)__builtin_inf()},
                 7);
    assert_reads(path, "|u1", u1, sizeof u1, (double[]){0, 255}, 2);
    assert_reads(path, "<i4", i4, sizeof i4, (double[]){-5, INT32_MAX}, 2);
    assert_reads(path, "<i8", i8, sizeof i8, (double[]){-5, 0x1p40}, 2);
    test_folder_remove(folder);
}
END_TEST

START_TEST(version_two_is_read) {
    test_folder folder;
    const char *path = folder_file(&folder);
    unsigned char bytes[256] = "\x93NUMPY\2";
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
    float value = 7;
    weld_tensor out;
    bytes[8] = (unsigned char)strlen(header);
    memcpy(bytes + 12, header, strlen(header));
    memcpy(bytes + 12 + strlen(header), &value, 4);
    test_write_file(path, bytes, 12 + strlen(header) + 4);
    ck_assert_int_eq(npy_file_read(path, WELD_F32, &out, NULL), WELD_OK);
    ck_assert_float_eq(*(float *)out.data, 7);
    weld_free(out.data);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused_with_the_reason) {
    static const struct {
        const char *header, *reason;
    } bad[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", "big-endian"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "its type"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "descr"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", "C order"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "C order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "expected 12 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "expected 4 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}", "no elements"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "sizes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "sizes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "too many"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}", "too many"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,2)}", "dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 2)}", "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,}", "sizes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", "tuple"},
        {"{'descr': '<f4', 'fortran_order': False}", "lacks"},
        {"{}", "lacks"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "not known"},
        {"{'other': 1, 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "not known"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "does not end"},
        {"{'descr: '<f4', 'fortran_order': False, 'shape': (2,)}", "dictionary"},
        {"{'descr' '<f4'}", "dictionary"},
        {"{'descr': '<f4' 'fortran_order': False}", "dictionary"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "dictionary"},
        {"{'a key that is much too long': 3}", "dictionary"},
        {"[", "dictionary"},
        {"", "dictionary"},
    };
    test_folder folder;
    const char *path = folder_file(&folder);
    const float data[2] = {1, 2};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weld_error err = {0};
        weld_tensor out;
        write_npy(path, bad[i].header, data, sizeof data);
        ck_assert_msg(npy_file_read(path, WELD_F32, &out, &err) == WELD_ERROR_FORMAT, "%s",
                      bad[i].header);
        ck_assert_msg(strstr(err.message, bad[i].reason) && strstr(err.message, path), "%s: %s",
                      bad[i].header, err.message);
    }
    weld_tensor out;
    write_npy(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", data, sizeof data);
    ck_assert_int_eq(npy_file_read(path, WELD_I64, &out, NULL), WELD_ERROR_ARGUMENT);
    test_folder_remove(folder);
}
END_TEST

START_TEST(parts_are_the_elements_that_were_asked_for) {
    test_folder folder;
    const char *path = folder_file(&folder);
    enum { COUNT = 70000 }; /* more than are read at once */
    double *part = malloc(COUNT * sizeof *part);
    int32_t *data = malloc(COUNT * sizeof *data);
    unsigned char *file = malloc(4 * COUNT + 128);
    for (int i = 0; i < COUNT; i++) {
        data[i] = 3 * i - 7;
    }
    memset(file, ' ', 128);
    memcpy(file, "\x93NUMPY\1\0\x76\0", 10);
    const char header[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (7, 10000), }";
    memcpy(file + 10, header, sizeof header - 1);
    memcpy(file + 128, data, 4 * COUNT);
    test_write_file(path, file, 4 * COUNT + 128);
    weld_npy_reader *r;
    ck_assert_int_eq(weld_npy_open(path, &r, NULL), WELD_OK);
    weld_shape shape = weld_npy_shape(r), want = WELD_SHAPE(7, 10000);
    ck_assert(weld_shape_equal(&shape, &want));
    ck_assert_int_eq(weld_npy_element(r), WELD_ELEMENT_I32);
    static const int64_t parts[][2] = {{0, COUNT}, {69999, 1}, {123, 50000}, {5, 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int64_t first = parts[i][0], count = parts[i][1];
        ck_assert_int_eq(weld_npy_read_part(r, first, count, WELD_F64, part, NULL), WELD_OK);
        for (int64_t k = 0; k < count; k++) {
            ck_assert_double_eq(part[k], data[first + k]);
        }
    }
    static const int64_t bad[][2] = {{COUNT, 1}, {-1, 1}, {0, COUNT + 1}, {1, -1}, {1, INT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(weld_npy_read_part(r, bad[i][0], bad[i][1], WELD_F64, part, NULL),
                         WELD_ERROR_ARGUMENT);
    }
    weld_npy_close(r);
    free(part);
    free(data);
    free(file);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_written_in_parts_is_the_file_written_at_once) {
    test_folder folder;
    const char *path = folder_file(&folder), *other = test_path(&folder, "parts.npy");
    float data[6] = {1, 2, 3, 4, 5, 6};
    weld_tensor t = {WELD_F32, WELD_SHAPE(3, 2), data};
    weld_npy_writer *w;
    size_t sizes[2];
    ck_assert_int_eq(npy_file_write(path, &t, NULL), WELD_OK);
    ck_assert_int_eq(weld_npy_create(other, &t.shape, &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_npy_append(w, data, 1, NULL), WELD_OK);
    ck_assert_int_eq(weld_npy_append(w, data + 1, 5, NULL), WELD_OK);
    ck_assert_int_eq(weld_npy_append(w, data, 1, NULL), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_npy_commit(w, NULL), WELD_OK);
    unsigned char *a = test_read_file(path, &sizes[0]), *b = test_read_file(other, &sizes[1]);
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(a, b, sizes[0]);
    free(a);
    free(b);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_that_lacks_elements_is_not_put_in_place) {
    test_folder folder;
    const char *path = folder_file(&folder);
    float data[2] = {1, 2};
    weld_shape shape = WELD_SHAPE(3);
    weld_npy_writer *w;
    ck_assert_int_eq(weld_npy_create(path, &shape, &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_npy_append(w, data, 2, NULL), WELD_OK);
    ck_assert_int_eq(weld_npy_commit(w, NULL), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    ck_assert_int_eq(weld_npy_create(path, &shape, &w, NULL), WELD_OK);
    weld_npy_discard(w);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 0);
    test_folder_remove(folder);
}
END_TEST

START_TEST(cut_and_damaged_files_do_no_harm) {
    test_folder folder;
    const char *path = folder_file(&folder);
    float data[12] = {0};
    weld_tensor t = {WELD_F32, WELD_SHAPE(3, 4), data}, out;
    size_t size;
    ck_assert_int_eq(npy_file_write(path, &t, NULL), WELD_OK);
    unsigned char *bytes = test_read_file(path, &size);
    for (size_t i = 0; i < 20; i++) {
        test_write_file(path, bytes, size * i / 20);
        ck_assert_int_eq(npy_file_read(path, WELD_F32, &out, NULL), WELD_ERROR_FORMAT);
    }
    weld_random r = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    for (int i = 0; i < 400; i++) {
        size_t at = weld_random_below(&r, 80);
        unsigned char old = bytes[at];
        bytes[at] = (unsigned char)weld_random_below(&r, 256);
        test_write_file(path, bytes, size);
        if (npy_file_read(path, WELD_F32, &out, NULL) == WELD_OK) {
            ck_assert_int_le(weld_shape_count(&out.shape), 48);
            weld_free(out.data);
        }
        bytes[at] = old;
    }
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    test_folder folder;
    const char *path = folder_file(&folder);
    float data[2] = {0};
    weld_tensor t = {WELD_F32, WELD_SHAPE(2), data}, out;
    ck_assert_int_eq(npy_file_write(path, &t, NULL), WELD_OK);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        weld_memory_fail_after(n);
        status = npy_file_read(path, WELD_F32, &out, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_free(out.data);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/npy", a_tensor_comes_back_bit_for_bit, a_written_file_is_what_numpy_writes,
          every_element_type_is_converted, version_two_is_read,
          what_cannot_be_read_is_refused_with_the_reason,
          parts_are_the_elements_that_were_asked_for,
          a_file_written_in_parts_is_the_file_written_at_once,
          a_file_that_lacks_elements_is_not_put_in_place, cut_and_damaged_files_do_no_harm,
          failing_allocations_are_errors_and_nothing_more)
