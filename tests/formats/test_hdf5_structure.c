/* What the HDF5 library, which the files are for, finds in them. */
#include <hdf5.h>

#include "base/memory.h"
#include "files.h"
#include "formats/hdf5_structure.h"
#include "formats/packed.h"
#include "formats/store.h"
#include "suite.h"

enum { USER_BLOCK = 512, DATA_AT = 640 };

/* A file of these datasets, which share their elements: what they read is not looked at. */
static weld_status write_structure(const char *path, weld_hdf5_dataset *sets, size_t count,
                                   const weld_hdf5_attribute *attributes, size_t attribute_count,
                                   weld_error *err) {
    const uint64_t structure_at = 1024;
    const weld_hdf5_file file = {path,       USER_BLOCK,      sets,        count,
                                 attributes, attribute_count, structure_at};
    unsigned char superblock[WELD_HDF5_SUPERBLOCK_SIZE];
    weld_array structure;
    weld_status status = weld_hdf5_structure(&file, superblock, &structure, err);
    if (!status) {
        const size_t size = structure_at + structure.count;
        char *bytes = calloc(size, 1);
        memcpy(bytes + USER_BLOCK, superblock, sizeof superblock);
        memcpy(bytes + structure_at, structure.data, structure.count);
        test_write_file(path, bytes, size);
        free(bytes);
    }
    weld_array_free(&structure);
    return status;
}

static weld_hdf5_dataset byte_at(const char *path) {
    return (weld_hdf5_dataset){path, WELD_HDF5_U8, {.rank = 0}, DATA_AT, 1};
}

static hid_t open_file(const char *path) {
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    return file;
}

/* Read a dataset, whose type must be `type`. */
static void read_set(hid_t file, const char *path, hid_t type, void *to) {
    const hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    ck_assert_msg(set >= 0, "%s", path);
    const hid_t stored = H5Dget_type(set);
    ck_assert_msg(H5Tequal(stored, type) > 0, "%s", path);
    ck_assert_int_ge(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, to), 0);
    H5Tclose(stored);
    H5Dclose(set);
}

START_TEST(types_and_shapes_are_those_of_hdf5) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "f.h5");
    weld_hdf5_dataset sets[] = {{"a", WELD_HDF5_U8, WELD_SHAPE(8), DATA_AT, 8},
                                {"b", WELD_HDF5_U32, WELD_SHAPE(2), DATA_AT, 8},
                                {"c", WELD_HDF5_U64, WELD_SHAPE(1), DATA_AT, 8},
                                {"d", WELD_HDF5_I32, WELD_SHAPE(2), DATA_AT, 8},
                                {"e", WELD_HDF5_I64, {.rank = 0}, DATA_AT, 8},
                                {"f", WELD_HDF5_F32, WELD_SHAPE(1, 2), DATA_AT, 8},
                                {"g", WELD_HDF5_F64, WELD_SHAPE(1), DATA_AT, 8},
                                {"h", WELD_HDF5_TEXT, {.rank = 0}, DATA_AT, 8},
                                {"i", WELD_HDF5_F32, WELD_SHAPE(1, 2, 1, 1, 1, 1), DATA_AT, 8}};
    const hid_t types[] = {H5T_STD_U8LE,   H5T_STD_U32LE,     H5T_STD_U64LE,
                           H5T_STD_I32LE,  H5T_STD_I64LE,     H5T_IEEE_F32LE,
                           H5T_IEEE_F64LE, H5Tcopy(H5T_C_S1), H5T_IEEE_F32LE};
    H5Tset_size(types[7], 8);
    H5Tset_cset(types[7], H5T_CSET_UTF8);
    ck_assert_int_eq(write_structure(path, sets, 9, NULL, 0, NULL), WELD_OK);
    const hid_t file = open_file(path);
    for (int i = 0; i < 9; i++) {
        char elements[8];
        hsize_t dims[6];
        const hid_t set = H5Dopen2(file, sets[i].path, H5P_DEFAULT), space = H5Dget_space(set);
        ck_assert_int_eq(H5Sget_simple_extent_dims(space, dims, NULL), sets[i].shape.rank);
        for (int k = 0; k < sets[i].shape.rank; k++) {
            ck_assert_int_eq((int64_t)dims[k], sets[i].shape.dim[k]);
        }
        ck_assert_uint_eq(H5Dget_offset(set), DATA_AT);
        H5Sclose(space);
        H5Dclose(set);
        read_set(file, sets[i].path, types[i], elements);
    }
    H5Fclose(file);
    test_folder_remove(folder);
}
END_TEST

START_TEST(attributes_are_whole_numbers_of_the_root) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "f.h5");
    const weld_hdf5_attribute attributes[] = {{"negative", -7}, {"sixteen letters.", INT32_MAX}};
    weld_hdf5_dataset set = byte_at("group/set");
    ck_assert_int_eq(write_structure(path, &set, 1, attributes, 2, NULL), WELD_OK);
    const hid_t file = open_file(path);
    for (int i = 0; i < 2; i++) {
        const hid_t a = H5Aopen(file, attributes[i].name, H5P_DEFAULT), type = H5Aget_type(a);
        int32_t value;
        ck_assert_int_gt(H5Tequal(type, H5T_STD_I32LE), 0);
        ck_assert_int_ge(H5Aread(a, H5T_NATIVE_INT32, &value), 0);
        ck_assert_int_eq(value, attributes[i].value);
        H5Tclose(type);
        H5Aclose(a);
    }
    ck_assert_int_eq(H5Aexists_by_name(file, "group", "negative", H5P_DEFAULT), 0);
    H5Fclose(file);
    test_folder_remove(folder);
}
END_TEST

static herr_t count_link(hid_t group, const char *name, const H5L_info_t *info, void *count) {
    (void)group, (void)name, (void)info;
    ++*(size_t *)count;
    return 0;
}

static size_t count_links(hid_t file, const char *group) {
    size_t count = 0;
    ck_assert_int_ge(H5Literate_by_name(file, group, H5_INDEX_NAME, H5_ITER_INC, NULL, count_link,
                                        &count, H5P_DEFAULT),
                     0);
    return count;
}

/* One node of symbols has 8 of them, a node of the tree 32 children: at these numbers a node more
 * is needed, or a level. */
START_TEST(groups_of_any_size_are_found_by_name) {
    static const size_t sizes[] = {1, 8, 9, 256, 257, 300, 8192, 8193};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "f.h5");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t count = sizes[i];
        weld_hdf5_dataset *sets = calloc(count, sizeof *sets);
        char(*names)[32] = calloc(count, sizeof *names);
        for (size_t k = 0; k < count; k++) {
            snprintf(names[k], sizeof names[k], "g/%zu%.*s", k * 7919 % count, (int)(k % 9),
                     "........");
            sets[k] = byte_at(names[k]);
        }
        ck_assert_int_eq(write_structure(path, sets, count, NULL, 0, NULL), WELD_OK);
        const hid_t file = open_file(path);
        ck_assert_uint_eq(count_links(file, "g"), count);
        for (size_t k = 0; k < count; k += 1 + count / 500) {
            ck_assert_msg(H5Lexists(file, names[k], H5P_DEFAULT) > 0, "%s", names[k]);
        }
        ck_assert_int_eq(H5Lexists(file, "g/none", H5P_DEFAULT), 0);
        H5Fclose(file);
        free(names);
        free(sets);
    }
    test_folder_remove(folder);
}
END_TEST

/* Bytewise, "a-b" comes before "a/b" and that before "a0", but "a" before all of them. */
START_TEST(groups_lie_in_groups_with_names_around_the_slash) {
    static const char *const paths[] = {
        "a-b",     "a/b",    "a/b-/c", "a/b./c/d/e/f/g/h", "a/ba", "a./c",
        "a-/b/c.", "a-/b/d", "a0",     "\xc3\xa9/\xc3\xa9"};
    enum { COUNT = sizeof paths / sizeof *paths };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "f.h5");
    weld_hdf5_dataset sets[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sets[i] = byte_at(paths[i]);
    }
    ck_assert_int_eq(write_structure(path, sets, COUNT, NULL, 0, NULL), WELD_OK);
    const hid_t file = open_file(path);
    for (size_t i = 0; i < COUNT; i++) {
        char byte;
        read_set(file, paths[i], H5T_STD_U8LE, &byte);
    }
    ck_assert_uint_eq(count_links(file, "/"), 6);
    ck_assert_uint_eq(count_links(file, "a"), 4);
    H5Fclose(file);
    test_folder_remove(folder);
}
END_TEST

START_TEST(one_name_for_two_things_is_refused) {
    static const char *const pairs[][2] = {{"x/a", "x/a"}, {"x/a", "x/a/b"}, {"x/a/b", "x/a"}};
    weld_error err;
    for (size_t i = 0; i < 3; i++) {
        weld_hdf5_dataset sets[] = {byte_at(pairs[i][0]), byte_at("x/a-"), byte_at(pairs[i][1])};
        ck_assert_int_eq(write_structure("file.h5", sets, 3, NULL, 0, &err), WELD_ERROR_ARGUMENT);
        ck_assert_str_eq(err.message, "file.h5: two things in it are called x/a");
    }
}
END_TEST

START_TEST(failing_allocations_are_errors_that_say_memory) {
    char names[100][16];
    weld_hdf5_dataset sets[100];
    long failures = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "%d/%d", i % 9, i);
        sets[i] = byte_at(names[i]);
    }
    for (weld_status status = WELD_ERROR_MEMORY; status; failures++) {
        weld_error err = {0};
        const weld_hdf5_file file = {"file.h5", USER_BLOCK, sets, 100, NULL, 0, 1024};
        unsigned char superblock[WELD_HDF5_SUPERBLOCK_SIZE];
        weld_array structure;
        weld_memory_fail_after(failures);
        status = weld_hdf5_structure(&file, superblock, &structure, &err);
        weld_memory_fail_after(-1);
        weld_array_free(&structure);
        ck_assert(!status || (status == WELD_ERROR_MEMORY && strstr(err.message, "memory")));
    }
    ck_assert_int_gt(failures, 5);
}
END_TEST

/* --- The files that are made with it. --------------------------------------------------------- */

START_TEST(hdf5_reads_what_is_in_a_store) {
    static const float weight[2][3] = {{1.5f, -2, 3}, {4, -0.0f, 1e-42f}};
    static const int64_t updates = INT64_C(-9007199254740993);
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    const weld_tensor f32 = {WELD_F32, WELD_SHAPE(2, 3), (void *)weight},
                      i64 = {WELD_I64, {.rank = 0}, (void *)&updates};
    weld_store_writer *w;
    ck_assert_int_eq(weld_store_writer_create("sample", &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put_tensor(w, "parameters/f.0.c.weight", &f32, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put_tensor(w, "trainer/updates", &i64, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_put_text(w, "recipe", "\xc3\xa9\n", NULL), WELD_OK);
    ck_assert_int_eq(weld_store_commit(w, path, NULL), WELD_OK);
    weld_store_writer_free(w);
    float back[6];
    int64_t number;
    char text[4];
    const hid_t file = open_file(path), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, sizeof text);
    H5Tset_cset(type, H5T_CSET_UTF8);
    read_set(file, "/parameters/f.0.c.weight", H5T_IEEE_F32LE, back);
    ck_assert_mem_eq(back, weight, sizeof weight);
    read_set(file, "trainer/updates", H5T_STD_I64LE, &number);
    ck_assert_int_eq(number, updates);
    read_set(file, "recipe", type, text);
    ck_assert_str_eq(text, "\xc3\xa9\n");
    H5Fclose(file);
    test_folder_remove(folder);
}
END_TEST

/* Sizes around those of buffers; the file is made by one pass over all of them. */
START_TEST(tensors_of_all_sizes_lie_where_hdf5_looks) {
    enum { COUNT = 9, MOST = (1 << 18) + 5 };
    static const int64_t sizes[COUNT] = {MOST, 1, 4096, 300, 4095, 65536, 4097, 1 << 18, 513};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "s.h5");
    weld_store_writer *w;
    unsigned char *data = malloc(MOST + COUNT), *back = malloc(MOST);
    for (size_t i = 0; i < MOST + COUNT; i++) {
        data[i] = (unsigned char)(i * 2654435761U >> 13);
    }
    ck_assert_int_eq(weld_store_writer_create("k", &w, NULL), WELD_OK);
    char name[COUNT][16];
    for (size_t i = 0; i < COUNT; i++) {
        weld_shape shape = WELD_SHAPE(sizes[i]);
        snprintf(name[i], sizeof name[i], "%s/%zu", i % 2 ? "odd" : "even", i);
        ck_assert_int_eq(weld_store_put(w, name[i], WELD_STORE_U8, &shape, data + i, NULL),
                         WELD_OK);
    }
    ck_assert_int_eq(weld_store_commit(w, path, NULL), WELD_OK);
    weld_store_writer_free(w);
    const hid_t file = open_file(path);
    for (size_t i = 0; i < COUNT; i++) {
        read_set(file, name[i], H5T_STD_U8LE, back);
        ck_assert_mem_eq(back, data + i, (size_t)sizes[i]);
    }
    H5Fclose(file);
    free(data);
    free(back);
    test_folder_remove(folder);
}
END_TEST

START_TEST(hdf5_reads_what_is_in_a_packed_data_set) {
    static const char *const classes[] = {"ant", "bee"};
    static const double box[WELD_PACKED_BOX_NUMBERS] = {10, 10, 20.5, 20, 401.25, 1, 0};
    static const int64_t categories[] = {5, 9}, sample[WELD_PACKED_SAMPLE_NUMBERS] = {7, 60, 40};
    const weld_packed_layout layout = {.height = 1, .width = 2, .channels = 3, .scale16 = 4095};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "set.h5");
    weld_packed_writer *w;
    ck_assert(!weld_packed_writer_create(path, layout, classes, 2, &w, NULL));
    ck_assert(!weld_packed_writer_have_boxes(w, categories, false, NULL));
    ck_assert(!weld_packed_writer_add(w, "pixels", 6, 1, "b.png", NULL));
    ck_assert(!weld_packed_writer_add_boxes(w, box, 1, sample, NULL));
    ck_assert(!weld_packed_writer_finish(w, NULL));
    weld_packed_writer_free(w);
    char text[8];
    double numbers[WELD_PACKED_BOX_NUMBERS];
    uint64_t offsets[2];
    int64_t ids[3];
    int32_t label, scale;
    const hid_t file = open_file(path), scale16 = H5Aopen(file, "scale16", H5P_DEFAULT);
    read_set(file, "images", H5T_STD_U8LE, text);
    ck_assert_mem_eq(text, "pixels", 6);
    read_set(file, "offsets", H5T_STD_U64LE, offsets);
    ck_assert_uint_eq(offsets[1], 6);
    read_set(file, "labels", H5T_STD_I32LE, &label);
    ck_assert_int_eq(label, 1);
    read_set(file, "class_names", H5T_STD_U8LE, text);
    ck_assert_mem_eq(text, "ant\0bee", 8);
    read_set(file, "boxes", H5T_IEEE_F64LE, numbers);
    ck_assert_mem_eq(numbers, box, sizeof box);
    read_set(file, "samples", H5T_STD_I64LE, ids);
    ck_assert_mem_eq(ids, sample, sizeof sample);
    ck_assert_int_ge(H5Aread(scale16, H5T_NATIVE_INT32, &scale), 0);
    ck_assert_int_eq(scale, 4095);
    H5Aclose(scale16);
    H5Fclose(file);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/hdf5_structure", types_and_shapes_are_those_of_hdf5,
          attributes_are_whole_numbers_of_the_root, groups_of_any_size_are_found_by_name,
          groups_lie_in_groups_with_names_around_the_slash, one_name_for_two_things_is_refused,
          failing_allocations_are_errors_that_say_memory, hdf5_reads_what_is_in_a_store,
          tensors_of_all_sizes_lie_where_hdf5_looks, hdf5_reads_what_is_in_a_packed_data_set)
