/* PyTorch checkpoints: every way in which torch.save leaves tensors, every kind that is refused,
 * and files made to do harm. */
#include "suite.h"

#include "base/memory.h"
#include "base/random.h"
#include "formats/pth_writer.h"
#include "formats/state_dict.h"

static const char *fixture_path(const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/pth/%s.pth", getenv("WELD_FIXTURES"), name);
    return path;
}

static weld_state_dict *open_file(const char *path, const char *key) {
    weld_state_dict *s;
    weld_error err;
    ck_assert_msg(weld_state_dict_open(path, key, &s, &err) == WELD_OK, "%s", err.message);
    return s;
}

/* A message has the file's name, the reason, and one line. */
static void assert_refused(const char *path, const char *key, const char *reason) {
    weld_state_dict *s;
    weld_error err = {0};
    ck_assert_msg(weld_state_dict_open(path, key, &s, &err) != WELD_OK, "%s: %s", path, reason);
    ck_assert_msg(strstr(err.message, path) && strstr(err.message, reason), "expected %s: %s",
                  reason, err.message);
    ck_assert_msg(!strchr(err.message, '\n'), "%s", err.message);
}

static size_t find(const weld_state_dict *s, const char *name) {
    for (size_t i = 0; i < weld_state_dict_count(s); i++) {
        if (strcmp(weld_state_dict_at(s, i)->name, name) == 0) {
            return i;
        }
    }
    ck_abort_msg("no tensor %s in %s", name, weld_state_dict_file(s));
    return 0;
}

static void assert_floats(const weld_state_dict *s, const char *name, weld_shape shape,
                          const float *expected) {
    float single[64];
    double twice[64];
    weld_error err;
    size_t i = find(s, name), count = (size_t)weld_shape_count(&shape);
    ck_assert_msg(weld_shape_equal(&weld_state_dict_at(s, i)->shape, &shape), "%s", name);
    ck_assert_msg(weld_state_dict_read(s, i, WELD_F32, single, &err) == WELD_OK, "%s", err.message);
    ck_assert_msg(weld_state_dict_read(s, i, WELD_F64, twice, &err) == WELD_OK, "%s", err.message);
    for (size_t k = 0; k < count; k++) {
        ck_assert_msg(single[k] == expected[k] && twice[k] == (double)expected[k],
                      "%s[%zu] is %g, expected %g", name, k, (double)single[k],
                      (double)expected[k]);
    }
}

static void assert_integers(const weld_state_dict *s, const char *name, weld_shape shape,
                            const int64_t *expected) {
    int64_t out[64];
    weld_error err;
    size_t i = find(s, name);
    ck_assert_msg(weld_shape_equal(&weld_state_dict_at(s, i)->shape, &shape), "%s", name);
    ck_assert_msg(weld_state_dict_read(s, i, WELD_I64, out, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(memcmp(out, expected, sizeof *out * (size_t)weld_shape_count(&shape)), 0);
}

/* --- What torch.save writes (scripts/make_pth_fixtures). -------------------------------------- */

static const float ramp[24] = {-1, -0.75f, -0.5f, -0.25f, 0, 0.25f, 0.5f, 0.75f,
                               1,  1.25f,  1.5f,  1.75f,  2, 2.25f, 2.5f, 2.75f,
                               3,  3.25f,  3.5f,  3.75f,  4, 4.25f, 4.5f, 4.75f};
static const weld_shape scalar = {0};

static void assert_state(const char *name, const char *key, const char *found) {
    weld_state_dict *s = open_file(fixture_path(name), key);
    ck_assert_str_eq(weld_state_dict_key(s), found);
    ck_assert_str_eq(weld_state_dict_file(s), fixture_path(name));
    ck_assert_uint_eq(weld_state_dict_count(s), 3);
    ck_assert_str_eq(weld_state_dict_at(s, 0)->name, "conv.weight"); /* the file's order */
    ck_assert_str_eq(weld_state_dict_at(s, 1)->name, "bn.running_mean");
    assert_floats(s, "conv.weight", WELD_SHAPE(2, 3, 1, 1), ramp);
    assert_floats(s, "bn.running_mean", WELD_SHAPE(2), ramp);
    assert_integers(s, "bn.num_batches_tracked", scalar, (int64_t[]){7});
    ck_assert_ptr_null(weld_state_dict_metadata(s, "format"));
    weld_state_dict_free(s);
}

START_TEST(state_dicts_are_found_where_trainers_leave_them) {
    assert_state("plain", NULL, "");
    assert_state("trainer", NULL, "model");
    assert_state("trainer", "model", "model");
    assert_state("trainer_protocol_4", NULL, "model");
    assert_state("trainer_protocol_5", NULL, "model");
    assert_state("state_dict", NULL, "state_dict"); /* its names begin with module. */
    assert_state("state_dict_ema", NULL, "state_dict_ema");
    assert_state("elsewhere", "network", "network");
    assert_state("rezipped", NULL, ""); /* by another program */
}
END_TEST

START_TEST(the_averaged_weights_are_taken_when_asked_for) {
    const float plus_one[] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
    weld_state_dict *s = open_file(fixture_path("trainer"), "model_ema");
    ck_assert_str_eq(weld_state_dict_key(s), "model_ema");
    assert_floats(s, "conv.weight", WELD_SHAPE(2, 3, 1, 1), plus_one);
    weld_state_dict_free(s);
    assert_refused(fixture_path("trainer"), "ema",
                   "no tensors under \"ema\": its keys are: model, optimizer, lr_scheduler");
    assert_refused(fixture_path("trainer"), "args", "no tensors under \"args\"");
}
END_TEST

START_TEST(a_modules_state_and_parameters_are_read) {
    weld_state_dict *s = open_file(fixture_path("module_state"), NULL);
    ck_assert_uint_eq(weld_state_dict_count(s), 6);
    assert_floats(s, "1.running_var", WELD_SHAPE(3), (float[]){1, 1, 1});
    weld_state_dict_free(s);
    s = open_file(fixture_path("parameters"), NULL);
    assert_floats(s, "w", WELD_SHAPE(2, 2), ramp);
    assert_floats(s, "b", WELD_SHAPE(2), ramp);
    weld_state_dict_free(s);
}
END_TEST

START_TEST(every_element_type_is_read) {
    static const char *const floats[] = {"float16", "bfloat16", "float32", "float64"};
    static const char *const integers[] = {"int64", "int32", "int16", "int8"};
    weld_state_dict *s = open_file(fixture_path("types"), NULL);
    float none[8];
    for (int i = 0; i < 4; i++) {
        assert_floats(s, floats[i], WELD_SHAPE(6), ramp);
        assert_integers(s, integers[i], WELD_SHAPE(6), (int64_t[]){-2, -1, 0, 1, 2, 3});
        ck_assert_str_eq(weld_element_name(weld_state_dict_at(s, find(s, floats[i]))->element),
                         floats[i]);
        ck_assert_str_eq(weld_element_name(weld_state_dict_at(s, find(s, integers[i]))->element),
                         integers[i]);
        ck_assert_int_eq(weld_state_dict_read(s, find(s, floats[i]), WELD_I64, none, NULL),
                         WELD_ERROR_ARGUMENT);
        ck_assert_int_eq(weld_state_dict_read(s, find(s, integers[i]), WELD_F32, none, NULL),
                         WELD_ERROR_ARGUMENT);
    }
    assert_integers(s, "uint8", WELD_SHAPE(6), (int64_t[]){2, 1, 0, 1, 2, 3});
    assert_integers(s, "bool", WELD_SHAPE(6), (int64_t[]){0, 0, 0, 1, 1, 1});
    weld_state_dict_free(s);
}
END_TEST

START_TEST(offsets_strides_and_shared_storages_are_honoured) {
    float transposed[12], second[12];
    for (int i = 0; i < 12; i++) {
        transposed[i] = ramp[i % 3 * 4 + i / 3];
        second[i] = ramp[2 * i + 1];
    }
    weld_state_dict *s = open_file(fixture_path("views"), NULL);
    assert_floats(s, "all", WELD_SHAPE(24), ramp);
    assert_floats(s, "tied", WELD_SHAPE(24), ramp);
    assert_floats(s, "tail", WELD_SHAPE(4), ramp + 20);
    assert_floats(s, "transposed", WELD_SHAPE(4, 3), transposed);
    assert_floats(s, "column", WELD_SHAPE(3), (float[]){ramp[1], ramp[5], ramp[9]});
    assert_floats(s, "every_second", WELD_SHAPE(12), second);
    assert_floats(s, "channels_last", WELD_SHAPE(2, 3, 2, 2), ramp);
    assert_floats(s, "scalar", scalar, ramp + 6);
    assert_floats(s, "empty", WELD_SHAPE(0, 3), NULL);
    assert_floats(s, "ones", WELD_SHAPE(1, 2, 1), (float[]){ramp[0], ramp[2]});
    weld_state_dict_free(s);
}
END_TEST

START_TEST(files_of_other_kinds_are_refused_by_what_they_are) {
    static const struct {
        const char *name, *reason;
    } refused[] = {
        {"legacy", "before 1.6: load it with torch.load and save it again"},
        {"torchscript", "TorchScript"},
        {"whole_module", "object of class torch.nn.modules.container.Sequential"},
        {"whole_module", "save model.state_dict()"},
        {"whole_module_nested", "model is a whole object of class torch.nn"},
        {"ultralytics",
         "model is a whole object of class ultralytics.nn.tasks.DetectionModel, which "
         "cannot be read without its Python code: save model.state_dict() instead, "
         "as scripts/export_ultralytics does"},
        {"no_tensors", "its keys are: epoch, config, metrics"},
        {"elsewhere", "under \"network\": give that key"},
        {"list", "no dictionary of tensors"},
        {"twice", "two tensors are called a "},
        {"expanded", "tensor a: has more elements than its storage"},
        {"complex", "tensor a: is made by torch.ComplexFloatStorage"},
        {"sparse", "tensor a: is made by torch._utils._rebuild_sparse_tensor"},
        {"seven_dimensions", "more than 6 dimensions"},
        {"compressed", "data.pkl: is compressed"},
        {"big_endian", "big-endian"},
        {"other", "a ZIP archive without data.pkl"},
        {"absent", "cannot open"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_refused(fixture_path(refused[i].name), NULL, refused[i].reason);
    }
}
END_TEST

/* --- Files made by hand. ---------------------------------------------------------------------- */

static const float numbers[4] = {1, 2, 3, 4};

/* {"a": tensor}, with four numbers as its storage unless `entries` has others. */
static void write_tensor(const char *path, const pickled_tensor *t) {
    bytes pickle = {0};
    put_text(&pickle, "\x80\x02}");
    put_pickled_text(&pickle, "a");
    put_pickled_tensor(&pickle, t);
    put_text(&pickle, "s.");
    const zip_entry entries[] = {{.name = "top/data.pkl", .data = pickle.data, .size = pickle.size},
                                 {.name = "top/data/0", .data = numbers, .size = sizeof numbers}};
    write_zip(path, entries, 2);
    free(pickle.data);
}

/* The four numbers as "a" in an archive whose entries are given; data.pkl is filled in. */
static void write_entries(const char *path, zip_entry *entries, size_t count) {
    const pickled_tensor t = {"FloatStorage", "0", 4, 0, 1, {4}, {1}};
    bytes pickle = {0};
    put_text(&pickle, "\x80\x02}");
    put_pickled_text(&pickle, "a");
    put_pickled_tensor(&pickle, &t);
    put_text(&pickle, "s.");
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].data) {
            entries[i].data = pickle.data;
            entries[i].size = pickle.size;
        }
    }
    write_zip(path, entries, count);
    free(pickle.data);
}

static void assert_numbers(const char *path) {
    weld_state_dict *s = open_file(path, NULL);
    assert_floats(s, "a", WELD_SHAPE(4), numbers);
    weld_state_dict_free(s);
}

START_TEST(archives_may_differ_in_what_does_not_matter) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    write_entries(path, /* without checksums, which PyTorch can be told to leave out */
                  (zip_entry[]){{.name = "top/data.pkl"},
                                {.name = "top/data/0", .data = numbers, .size = 16},
                                {.name = "top/byteorder", .data = "little", .size = 6},
                                {.name = "top/version", .data = "3\n", .size = 2}},
                  4);
    assert_numbers(path);
    write_entries(
        path, /* the long form of sizes, and names that are not ASCII, nor UTF-8 */
        (zip_entry[]){{.name = "\xc3\xa9t\xe9/data.pkl", .zip64 = 1},
                      {.name = "\xc3\xa9t\xe9/data/0", .data = numbers, .size = 16, .zip64 = 1}},
        2);
    assert_numbers(path);
    write_entries(path,
                  (zip_entry[]){{.name = "\xc3\xa9t\xc3\xa9/data/0", .data = numbers, .size = 16},
                                {.name = "\xc3\xa9t\xc3\xa9/data.pkl"}},
                  2);
    assert_numbers(path);
    test_folder_remove(folder);
}
END_TEST

START_TEST(archives_that_lie_are_refused) {
    static const struct {
        zip_entry entries[3];
        const char *reason;
    } bad[] = {
        {{{.name = "top/data.pkl"}}, "data/0: is not in the archive"},
        {{{.name = "data.pkl"}, {.name = "data/0", .data = numbers, .size = 16}},
         "without data.pkl in a top folder"},
        {{{.name = "a/b/data.pkl"}}, "without data.pkl in a top folder"},
        {{{.name = "a/data.pkl"}, {.name = "b/data.pkl"}}, "there are several"},
        {{{.name = "a/data.pkl"}, {.name = "a/code/x.py", .data = "", .size = 1}}, "TorchScript"},
        {{{.name = "a/data.pkl"}, {.name = "a/data/0", .data = numbers, .size = 16, .method = 8}},
         "data/0: is compressed"},
        {{{.name = "a/data.pkl"}, {.name = "a/data/0", .data = numbers, .size = 16, .flags = 1}},
         "data/0: is compressed or encrypted"},
        {{{.name = "a/data.pkl"},
          {.name = "a/data/0", .data = numbers, .size = 16, .claimed_size = 1 << 20}},
         "claims more bytes than the file has"},
        {{{.name = "a/data.pkl"},
          {.name = "a/data/0",
           .data = numbers,
           .size = 16,
           .claimed_size = UINT64_MAX,
           .zip64 = 1}},
         "a.pth"},
        {{{.name = "a/data.pkl"},
          {.name = "a/data/0", .data = numbers, .size = 16, .claimed_size = 12}},
         "its storage has not the size"},
        {{{.name = "a/data.pkl", .claimed_size = 8}}, "ends in the middle of a value"},
        {{{.name = "a/data.pkl", .checksum = 1}}, "data.pkl: cannot be read (CRC error)"},
        {{{.name = "a/data.pkl"}, {.name = "a/byteorder", .data = "big", .size = 3}}, "big-endian"},
        {{{.name = "a/data.pkl"}, {.name = "a/byteorder", .data = "", .size = 1}}, "big-endian"},
    };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        zip_entry entries[3];
        size_t count = 0;
        memcpy(entries, bad[i].entries, sizeof entries);
        while (count < 3 && entries[count].name) {
            count++;
        }
        write_entries(path, entries, count);
        assert_refused(path, NULL, bad[i].reason);
    }
    test_folder_remove(folder);
}
END_TEST

/* What a storage lacks is seen when it is read, at the latest. */
START_TEST(damage_in_a_storage_is_found_when_it_is_read) {
    static const zip_entry storages[] = {
        {.name = "a/data/0", .data = numbers, .size = 16, .checksum = 5},
        {.name = "a/data/0", .data = numbers, .size = 1, .claimed_size = 16},
    };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    for (size_t i = 0; i < 2; i++) {
        weld_error err = {0};
        weld_state_dict *s;
        float out[4];
        write_entries(path, (zip_entry[]){{.name = "a/data.pkl"}, storages[i]}, 2);
        weld_status status = weld_state_dict_open(path, NULL, &s, &err);
        if (status == WELD_OK) {
            status = weld_state_dict_read(s, 0, WELD_F32, out, &err);
            weld_state_dict_free(s);
        }
        /* The second has other bytes behind its own: without a checksum nobody can tell. */
        ck_assert_int_eq(status, i == 0 ? WELD_ERROR_FORMAT : WELD_OK);
        ck_assert(i == 1 || strstr(err.message, "a/data/0: cannot be read (CRC error)"));
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(tensors_that_lie_are_refused) {
    static const struct {
        pickled_tensor t;
        const char *reason;
    } bad[] = {
        {{"FloatStorage", "0", 5, 0, 1, {4}, {1}}, "its storage has not the size"},
        {{"FloatStorage", "0", -1, 0, 1, {4}, {1}}, "its storage has not the size"},
        {{"DoubleStorage", "0", 4, 0, 1, {4}, {1}}, "its storage has not the size"},
        {{"FloatStorage", "1", 4, 0, 1, {4}, {1}}, "data/1: is not in the archive"},
        {{"FloatStorage", "../data.pkl", 4, 0, 1, {4}, {1}}, "is not in the archive"},
        {{"FloatStorage", "", 4, 0, 1, {4}, {1}}, "is not in the archive"},
        {{"os.system", "0", 4, 0, 1, {4}, {1}}, "is made by torch.os.system"},
        {{"FloatStorage", "0", 4, 0, 1, {5}, {1}}, "reaches beyond its storage"},
        {{"FloatStorage", "0", 4, 1, 1, {4}, {1}}, "reaches beyond its storage"},
        {{"FloatStorage", "0", 4, 5, 1, {0}, {1}}, "reaches beyond its storage"},
        {{"FloatStorage", "0", 4, INT64_MAX, 1, {4}, {1}}, "reaches beyond its storage"},
        {{"FloatStorage", "0", 4, 0, 1, {3}, {2}}, "reaches beyond its storage"},
        {{"FloatStorage", "0", 4, 0, 1, {2}, {INT64_MAX}}, "reaches beyond its storage"},
        {{"FloatStorage", "0", 4, 0, 2, {3, 3}, {INT64_MAX, INT64_MAX}}, "reaches beyond"},
        {{"FloatStorage", "0", 4, 0, 2, {1LL << 32, 1LL << 32}, {0, 0}}, "reaches beyond"},
        {{"FloatStorage", "0", 4, 0, 2, {1LL << 40, 1}, {0, 0}}, "more elements than its storage"},
        {{"FloatStorage", "0", 4, 0, 1, {5}, {0}}, "more elements than its storage"},
        {{"FloatStorage", "0", 4, -1, 1, {4}, {1}}, "its shape, strides or offset"},
        {{"FloatStorage", "0", 4, 0, 1, {-4}, {1}}, "its shape, strides or offset"},
        {{"FloatStorage", "0", 4, 3, 1, {4}, {-1}}, "its shape, strides or offset"},
        {{"FloatStorage", "0", 4, 0, 7, {1, 1, 1, 1, 1, 1, 4}, {1, 1, 1, 1, 1, 1, 1}},
         "dimensions"},
    };
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_tensor(path, &bad[i].t);
        assert_refused(path, NULL, bad[i].reason);
    }
    write_tensor(path, &(pickled_tensor){"FloatStorage", "0", 4, 0, 1, {4}, {1}});
    assert_numbers(path); /* so all of the above is refused for its lie */
    test_folder_remove(folder);
}
END_TEST

/* {"a": text}, where the text stands for a tensor. */
static void assert_pickle_refused(const char *path, const char *value, size_t size,
                                  const char *reason) {
    bytes pickle = {0};
    put_text(&pickle, "\x80\x02}U\1a");
    put(&pickle, value, size);
    put_text(&pickle, "s.");
    zip_entry entry = {.name = "top/data.pkl", .data = pickle.data, .size = pickle.size};
    write_zip(path, &entry, 1);
    assert_refused(path, NULL, reason);
    free(pickle.data);
}

START_TEST(calls_that_are_not_as_pytorch_writes_them_are_refused) {
#define VALUE(text) text, sizeof(text) - 1
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    assert_pickle_refused(path, VALUE("ctorch._utils\n_rebuild_tensor_v2\n)R"), "has no storage");
    assert_pickle_refused(path, VALUE("ctorch._utils\n_rebuild_tensor_v2\nNR"), "has no storage");
    assert_pickle_refused(path, VALUE("ctorch._utils\n_rebuild_tensor_v2\nK\1\x85R"),
                          "has no storage");
    assert_pickle_refused(path, VALUE("ctorch._utils\n_rebuild_tensor_v2\nNQ\x85R"),
                          "has no storage");
    assert_pickle_refused(path, VALUE("ctorch._utils\n_rebuild_parameter\n)R"), "is made by ?");
    assert_pickle_refused(
        path, VALUE("ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_parameter\n)RtR"),
        "is made by torch._utils._rebuild_parameter");
    assert_pickle_refused(path, VALUE("ctorch._utils\n_rebuild_qtensor\n)R"),
                          "is made by torch._utils._rebuild_qtensor");
    assert_pickle_refused(path, VALUE("ctorch._x\n_rebuild_x\033[2J\n)R"),
                          "torch._x._rebuild_x?[2J");
    assert_pickle_refused(path, VALUE("ceval\n_rebuild_tensor\n)R"), "its keys are: a");
    assert_pickle_refused(path, VALUE("U\4long"), "its keys are: a");
    test_folder_remove(folder);
}
END_TEST

/* A hundred names for one storage: no more memory than a few times the file is ever asked for. */
START_TEST(a_storage_shared_without_end_is_refused) {
    static float large[4096];
    const pickled_tensor t = {"FloatStorage", "0", 4096, 0, 1, {4096}, {1}};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    for (int names = 4; names <= 100; names += 96) {
        bytes pickle = {0};
        put_text(&pickle, "\x80\x02}");
        put_pickled_tensor(&pickle, &t);
        put_text(&pickle, "q\0010(");
        for (int i = 0; i < names; i++) {
            put(&pickle, "U\1", 2);
            put_number(&pickle, (uint64_t)' ' + (uint64_t)i % 90, 1);
            put_text(&pickle, "h\1");
        }
        put_text(&pickle, "u.");
        const zip_entry entries[] = {
            {.name = "top/data.pkl", .data = pickle.data, .size = pickle.size},
            {.name = "top/data/0", .data = large, .size = sizeof large}};
        write_zip(path, entries, 2);
        if (names == 4) {
            weld_state_dict_free(open_file(path, NULL));
        } else {
            assert_refused(path, NULL, "share storages so often");
        }
        free(pickle.data);
    }
    test_folder_remove(folder);
}
END_TEST

/* Two entries may point to the same bytes: what is read is what is there. */
START_TEST(entries_that_overlap_do_no_harm) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    const char *const names[] = {"a/data/0", "a/data/1"};
    for (int i = 0; i < 2; i++) {
        weld_state_dict *s;
        zip_entry entries[] = {{.name = "a/data/9", .data = numbers, .size = 16},
                               {.name = "a/data.pkl"},
                               {.name = names[i], .data = numbers, .size = 16, .same_place_as = 1}};
        write_entries(path, entries, 3);
        weld_status status = weld_state_dict_open(path, NULL, &s, NULL);
        ck_assert_int_eq(status == WELD_OK, i == 0);
        if (status == WELD_OK) {
            float out[4] = {0};
            weld_state_dict_read(s, 0, WELD_F32, out, NULL);
            weld_state_dict_free(s);
        }
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(names_that_cannot_be_shown_are_refused) {
    static const char *const names[] = {"", "a\nb", "module.\x7f", "\x1b[2J"};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a.pth");
    char *endless = malloc(1000);
    memset(endless, 'x', 999);
    endless[999] = '\0';
    for (int i = 0; i < 5; i++) {
        const pickled_tensor t = {"FloatStorage", "0", 4, 0, 1, {4}, {1}};
        bytes pickle = {0};
        put_text(&pickle, "\x80\x02}");
        put_pickled_text(&pickle, i < 4 ? names[i] : endless);
        put_pickled_tensor(&pickle, &t);
        put_text(&pickle, "s.");
        const zip_entry entries[] = {
            {.name = "top/data.pkl", .data = pickle.data, .size = pickle.size},
            {.name = "top/data/0", .data = numbers, .size = sizeof numbers}};
        write_zip(path, entries, 2);
        assert_refused(path, NULL, "the name of tensor 0");
        free(pickle.data);
    }
    free(endless);
    test_folder_remove(folder);
}
END_TEST

/* --- Damage of every kind. -------------------------------------------------------------------- */

/* Open and read all; true where that gave the tensors of `plain`, false after an error. */
static bool reads_plain(const char *path, bool *wrong) {
    static const int64_t seven = 7;
    weld_state_dict *s;
    weld_error err = {0};
    float out[6];
    int64_t count = 0;
    if (weld_state_dict_open(path, NULL, &s, &err) != WELD_OK) {
        ck_assert_msg(err.message[0] != '\0' && !strchr(err.message, '\n'), "%s", err.message);
        return false;
    }
    *wrong = weld_state_dict_count(s) != 3;
    bool read = true;
    for (size_t i = 0; i < weld_state_dict_count(s) && read && !*wrong; i++) {
        const weld_state_entry *e = weld_state_dict_at(s, i);
        *wrong = weld_shape_count(&e->shape) > 6;
        weld_dtype dtype = weld_element_is_float(e->element) ? WELD_F32 : WELD_I64;
        void *to = dtype == WELD_F32 ? (void *)out : (void *)&count;
        read = !*wrong && weld_state_dict_read(s, i, dtype, to, &err) == WELD_OK;
        *wrong = *wrong || (read && memcmp(to, i == 2 ? (const void *)&seven : (const void *)ramp,
                                           i == 0   ? 24
                                           : i == 1 ? 8
                                                    : 8) != 0);
    }
    weld_state_dict_free(s);
    return read && !*wrong;
}

START_TEST(a_file_cut_anywhere_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "cut.pth");
    size_t size;
    bool wrong = false;
    unsigned char *all = test_read_fixture("pth/plain.pth", &size);
    for (size_t length = 0; length < size; length++) {
        test_write_file(path, all, length);
        ck_assert_msg(!reads_plain(path, &wrong) && !wrong, "cut to %zu of %zu", length, size);
    }
    test_write_file(path, all, size);
    ck_assert(reads_plain(path, &wrong));
    free(all);
    test_folder_remove(folder);
}
END_TEST

/* Checksums cover all that matters: a bit that is turned over is noticed or changes nothing. */
START_TEST(a_bit_turned_over_is_noticed_or_changes_nothing) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "flipped.pth");
    size_t size;
    unsigned char *all = test_read_fixture("pth/plain.pth", &size);
    for (size_t i = 0; i < size * 8; i++) {
        bool wrong = false;
        all[i / 8] ^= (unsigned char)(1 << i % 8);
        test_write_file(path, all, size);
        reads_plain(path, &wrong);
        ck_assert_msg(!wrong, "byte %zu, bit %zu", i / 8, i % 8);
        all[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    free(all);
    test_folder_remove(folder);
}
END_TEST

/* A trainer's pickle with random bytes in it, in an archive without checksums. */
START_TEST(damaged_pickles_do_no_harm) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "damaged.pth");
    size_t size;
    unsigned char *all = test_read_fixture("pth/trainer.pth", &size);
    unsigned char *pickle = all + 64; /* where torch.save puts it */
    ck_assert_int_eq(memcmp(pickle, "\x80\x02}q", 4), 0);
    size_t length = 0;
    while (memcmp(pickle + length, "PK\7\10", 4) != 0) {
        length++;
    }
    weld_random r = weld_random_start(4, 0, 0, WELD_RANDOM_TEST);
    for (int round = 0; round < 1500; round++) {
        weld_state_dict *s;
        unsigned char *changed = malloc(length);
        memcpy(changed, pickle, length);
        for (int i = 0; i <= round % 3; i++) {
            changed[weld_random_below(&r, length)] = (unsigned char)weld_random_below(&r, 256);
        }
        zip_entry entries[] = {{.name = "a/data.pkl", .data = changed, .size = length},
                               {.name = "a/data/0", .data = ramp, .size = 24},
                               {.name = "a/data/1", .data = ramp, .size = 8},
                               {.name = "a/data/2", .data = ramp, .size = 8}};
        write_zip(path, entries, 4);
        if (weld_state_dict_open(path, NULL, &s, NULL) == WELD_OK) {
            for (size_t i = 0; i < weld_state_dict_count(s); i++) {
                const weld_state_entry *e = weld_state_dict_at(s, i);
                weld_dtype dtype = weld_element_is_float(e->element) ? WELD_F64 : WELD_I64;
                double out[24];
                ck_assert_int_le(weld_shape_count(&e->shape), 24);
                weld_state_dict_read(s, i, dtype, out, NULL);
            }
            weld_state_dict_free(s);
        }
        free(changed);
    }
    free(all);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    static const char *const names[] = {"trainer", "views"};
    for (int i = 0; i < 2; i++) {
        weld_status status = WELD_ERROR_MEMORY;
        for (long n = 0; status != WELD_OK; n++) {
            weld_state_dict *s = NULL;
            float out[24];
            weld_memory_fail_after(n);
            status = weld_state_dict_open(fixture_path(names[i]), NULL, &s, NULL);
            for (size_t k = 0; status == WELD_OK && k < weld_state_dict_count(s); k++) {
                if (weld_element_is_float(weld_state_dict_at(s, k)->element)) {
                    status = weld_state_dict_read(s, k, WELD_F32, out, NULL);
                }
            }
            weld_memory_fail_after(-1);
            weld_state_dict_free(s);
            ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        }
    }
}
END_TEST

RUN_SUITE("formats/pth", state_dicts_are_found_where_trainers_leave_them,
          the_averaged_weights_are_taken_when_asked_for, a_modules_state_and_parameters_are_read,
          every_element_type_is_read, offsets_strides_and_shared_storages_are_honoured,
          files_of_other_kinds_are_refused_by_what_they_are,
          archives_may_differ_in_what_does_not_matter, archives_that_lie_are_refused,
          damage_in_a_storage_is_found_when_it_is_read, tensors_that_lie_are_refused,
          calls_that_are_not_as_pytorch_writes_them_are_refused,
          a_storage_shared_without_end_is_refused, entries_that_overlap_do_no_harm,
          names_that_cannot_be_shown_are_refused, a_file_cut_anywhere_is_refused,
          a_bit_turned_over_is_noticed_or_changes_nothing, damaged_pickles_do_no_harm,
          failing_allocations_are_errors_and_nothing_more)
