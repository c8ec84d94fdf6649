/* Weights as hubs and detectors have them: without a head, and in several files. */
#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "fixture.h"
#include "formats/safetensors.h"
#include "graph/graph.h"
#include "infer/model.h"
#include "models/models.h"
#include "passes/reparameterize.h"
#include "repvit_config.h"
#include "serialization/model_file.h"
#include "serialization/model_metadata.h"
#include "suite.h"

static weld_error err;

/* A network, merged or not. */
typedef struct example {
    weld_model_config config;
    weld_graph *graph;
    weld_weights *weights;
} example;

static example make(weld_model_config config, bool merged) {
    example e = {.config = config};
    const int size =
        weld_model_usual_preprocessing(&config, weld_family_of(&config)->namings).height;
    ck_assert_int_eq(weld_model_build(&config, false, 1, size, size, WELD_F32, &e.graph, &err),
                     WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(e.graph, 0, &e.weights, &err), WELD_OK);
    if (merged) {
        weld_graph *g = e.graph;
        weld_weights *w = e.weights;
        ck_assert_msg(!weld_reparameterize(g, w, &e.graph, &e.weights, &err), "%s", err.message);
        weld_graph_free(g);
        weld_weights_free(w);
    }
    return e;
}

static void unmake(example *e) {
    weld_graph_free(e->graph);
    weld_weights_free(e->weights);
}

/* Tensors first..last-1 that are wanted, under the names of that naming, changed by `rename`, as a
 * safetensors file; returns how many. */
static size_t write_renamed(const example *e, const weld_naming *naming, const char *path,
                            size_t first, size_t last,
                            bool (*wanted)(const example *, const char *),
                            void (*rename)(char *name)) {
    weld_safetensors_tensor *tensors = weld_alloc(last - first, sizeof *tensors);
    char(*names)[WELD_TENSOR_NAME_SIZE] = weld_alloc(last - first, sizeof *names);
    size_t count = 0;
    for (size_t i = first; i < last; i++) {
        const char *name = weld_weights_name(e->weights, i);
        weld_tensor t = weld_weights_tensor(e->weights, i);
        if (wanted && !wanted(e, name)) {
            continue;
        }
        ck_assert_int_eq(weld_model_tensor_name(&e->config, naming, name, names[count], &err),
                         WELD_OK);
        if (rename) {
            rename(names[count]);
        }
        t.shape = weld_naming_shape(naming, name, t.shape);
        tensors[count] = (weld_safetensors_tensor){names[count], t};
        count++;
    }
    /* What the network is, for families whose tensors do not tell it. */
    const weld_model_file as = {.kind = WELD_MODEL_CHECKPOINT,
                                .config = e->config,
                                .preprocessing =
                                    weld_model_usual_preprocessing(&e->config, naming)};
    weld_metadata metadata;
    ck_assert_int_eq(weld_metadata_create(&as, &metadata, &err), WELD_OK);
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_safetensors_write(r, tensors, count, &metadata, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_commit(r, NULL), WELD_OK);
    weld_metadata_free(&metadata);
    weld_free(tensors);
    weld_free(names);
    return count;
}

static size_t write_tensors(const example *e, const weld_naming *naming, const char *path,
                            size_t first, size_t last,
                            bool (*wanted)(const example *, const char *)) {
    return write_renamed(e, naming, path, first, last, wanted, NULL);
}

static void refuse(const char *path, const char *words) {
    weld_model_file mf;
    ck_assert_int_ne(weld_model_file_import(path, NULL, &mf, &err), WELD_OK);
    ck_assert_msg(strstr(err.message, words) != NULL, "said: %s", err.message);
}

/* --- Without a head -------------------------------------------------------------------------- */

/* timm's MobileNetV3 of no classes keeps the convolution behind the pooling. */
static bool is_of_backbone(const example *e, const char *name) {
    return strcmp(weld_family_of(&e->config)->name, "mobilenetv3") == 0
               ? !weld_model_place_of(&e->config, name).per_class
               : !weld_model_is_head(&e->config, name);
}

static void check_backbone(const example *e, const weld_naming *naming, const char *path) {
    weld_model_file mf;
    weld_tensor a, b;
    const size_t count = weld_weights_count(e->weights);
    const size_t written = write_tensors(e, naming, path, 0, count, is_of_backbone);
    ck_assert_uint_lt(written, count);
    refuse(path, "without its head");
    ck_assert_msg(!weld_model_file_import_backbone(path, NULL, &mf, &err), "%s in %s: %s",
                  e->config.name, naming->name, err.message);
    ck_assert(mf.origin.headless);
    ck_assert_uint_eq(weld_weights_count(mf.weights), written);
    for (size_t i = 0; i < count; i++) {
        const char *name = weld_weights_name(e->weights, i);
        const bool there = weld_weights_find(mf.weights, name, &b);
        a = weld_weights_tensor(e->weights, i);
        ck_assert(there == is_of_backbone(e, name));
        if (there && !naming->bgr) {
            ck_assert(weld_shape_equal(&a.shape, &b.shape));
            ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
        }
    }
    weld_model_file_free(&mf);
    write_tensors(e, naming, path, 0, count, NULL); /* with its head it is an ordinary file */
    ck_assert_int_eq(weld_model_file_import_backbone(path, NULL, &mf, &err), WELD_OK);
    ck_assert(!mf.origin.headless);
    weld_model_file_free(&mf);
}

static void check_backbones(weld_model_config config, const char *path) {
    for (int merged = 0; merged < 2; merged++) {
        example e = make(config, merged);
        const weld_model_family *family = weld_family_of(&config);
        for (size_t n = 0; n < family->naming_count; n++) {
            check_backbone(&e, &family->namings[n], path);
        }
        unmake(&e);
    }
}

START_TEST(a_backbone_of_every_family_is_taken_where_no_head_is_needed) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    check_backbones(repvit_config(3, "8, 12", "2, 1", 4, false, false), path);
    for (int i = 0; i < FAMILY_CASES; i++) {
        check_backbones(family_case_config(&family_cases[i]), path);
    }
    test_folder_remove(folder);
}
END_TEST

/* The maps before the head are those of the whole network. */
START_TEST(a_backbone_gives_the_maps_of_the_stages) {
    test_folder folder = test_folder_create();
    example e = make(repvit_config(3, "8, 12", "2, 1", 4, false, false), false);
    const char *paths[] = {test_path(&folder, "whole.safetensors"),
                           test_path(&folder, "part.safetensors")};
    const weld_naming *naming = weld_family_of(&e.config)->namings;
    static float images[3 * 32 * 32], maps[2][2][12 * 8 * 8];
    for (int i = 0; i < 3 * 32 * 32; i++) {
        images[i] = (float)(i % 17) / 17;
    }
    for (int i = 0; i < 2; i++) {
        weld_model *m;
        weld_runner *runner;
        float *out[] = {maps[i][0], maps[i][1]};
        write_tensors(&e, naming, paths[i], 0, weld_weights_count(e.weights),
                      i ? is_of_backbone : NULL);
        ck_assert_msg(!weld_model_import_backbone(paths[i], NULL, &m, &err), "%s", err.message);
        ck_assert_int_eq(weld_runner_create_features(m, 32, 32, 1, &runner, &err), WELD_OK);
        ck_assert_uint_eq(weld_runner_output_count(runner), 2);
        ck_assert_int_eq(weld_runner_run(runner, images, 1, out, &err), WELD_OK);
        weld_runner_free(runner);
        weld_model_free(m);
    }
    ck_assert_mem_eq(maps[0], maps[1], sizeof maps[0]);
    ck_assert_float_ne(maps[0][1][0], 0);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* timm's features_only makes one list of all modules: "stages.0.x" becomes "stages_0.x". */
static void join(char *name) {
    char *dot = strchr(name, '.');
    if (dot && dot[1] >= '0' && dot[1] <= '9') {
        *dot = '_';
    }
}

/* Nothing of what comes behind the pooling, before which MobileNetV3 has a part of its head. */
static bool is_before_pooling(const example *e, const char *name) {
    return !weld_model_is_head(&e->config, name) || strncmp(name, "blocks.", 7) == 0;
}

static void check_listed(weld_model_config config, const char *path) {
    const weld_naming *timm = weld_model_find_naming(&config, "timm", NULL);
    if (!timm) {
        return;
    }
    example e = make(config, false);
    const size_t count = weld_weights_count(e.weights);
    const size_t written = write_renamed(&e, timm, path, 0, count, is_before_pooling, join);
    weld_model_file mf;
    ck_assert_msg(!weld_model_file_import_backbone(path, NULL, &mf, &err), "%s: %s", config.name,
                  err.message);
    ck_assert(mf.origin.headless);
    ck_assert_uint_eq(weld_weights_count(mf.weights), written);
    for (size_t i = 0; i < written; i++) {
        weld_tensor a, b = weld_weights_tensor(mf.weights, i);
        ck_assert(weld_weights_find(e.weights, weld_weights_name(mf.weights, i), &a));
        ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
    }
    weld_model_file_free(&mf);
    unmake(&e);
}

START_TEST(so_is_one_that_was_made_a_list_of_modules) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "x.safetensors");
    const weld_model_config config = repvit_config(3, "8, 12", "2, 1", 4, false, false);
    check_listed(config, path);
    for (int i = 0; i < FAMILY_CASES; i++) {
        check_listed(family_case_config(&family_cases[i]), path);
    }
    weld_status status = WELD_ERROR_MEMORY;
    example e = make(config, false);
    write_renamed(&e, weld_model_find_naming(&config, "timm", NULL), path, 0,
                  weld_weights_count(e.weights), is_before_pooling, join);
    for (long n = 0; status == WELD_ERROR_MEMORY; n += 1 + n / 20) {
        weld_model_file mf;
        weld_memory_fail_after(n);
        status = weld_model_file_import_backbone(path, NULL, &mf, &err);
        weld_memory_fail_after(-1);
        if (!status) {
            weld_model_file_free(&mf);
        }
    }
    ck_assert_msg(!status, "%s", err.message);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_maps_of_a_backbone_are_exported) {
    test_folder folder = test_folder_create();
    example e = make(repvit_config(3, "8, 12", "2, 1", 4, false, false), false);
    const char *path = test_path(&folder, "x.safetensors");
    const weld_export_options options = {.features = true, .threads = 1};
    weld_export_report report;
    weld_model *m;
    write_tensors(&e, weld_family_of(&e.config)->namings, path, 0, weld_weights_count(e.weights),
                  is_of_backbone);
    ck_assert_msg(!weld_model_import_backbone(path, NULL, &m, &err), "%s", err.message);
    ck_assert_msg(!weld_model_export(m, test_path(&folder, "x.onnx"), &options, &report, &err),
                  "%s", err.message);
    ck_assert_str_eq(report.outputs, "stride4, stride8");
    ck_assert(report.comparison.largest_output > 0);
    weld_model_free(m);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* --- In several files ------------------------------------------------------------------------ */

static const char shards[2][40] = {"m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"};

static void write_index(const char *path, size_t tensors, const char *second) {
    FILE *out = fopen(path, "w");
    fputs("{\"metadata\": {\"total_size\": 1}, \"weight_map\": {", out);
    for (size_t i = 0; i < tensors; i++) {
        fprintf(out, "%s\"tensor.%zu\": \"%s\"", i ? ", " : "", i, i % 2 ? second : shards[0]);
    }
    fputs("}}", out);
    fclose(out);
}

START_TEST(a_network_in_two_files_is_read_by_their_index) {
    test_folder folder = test_folder_create();
    example e = make(repvit_config(3, "8, 12", "2, 1", 4, false, false), false);
    const char *index = test_path(&folder, "m.safetensors.index.json");
    const size_t count = weld_weights_count(e.weights);
    const weld_naming *naming = &weld_family_of(&e.config)->namings[0];
    write_tensors(&e, naming, test_path(&folder, shards[0]), 0, count / 3, NULL);
    write_tensors(&e, naming, test_path(&folder, shards[1]), count / 3, count, NULL);
    write_index(index, count, shards[1]);
    ck_assert_int_eq(weld_file_kind_of(index), WELD_FILE_SHARDS);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status == WELD_ERROR_MEMORY; n += 1 + n / 20) {
        weld_model_file mf;
        weld_memory_fail_after(n);
        status = weld_model_file_import(index, NULL, &mf, &err);
        weld_memory_fail_after(-1);
        if (status == WELD_OK) {
            ck_assert(!mf.origin.unchecked);
            ck_assert_uint_eq(weld_weights_count(mf.weights), count);
            for (size_t i = 0; i < count; i++) {
                weld_tensor a = weld_weights_tensor(e.weights, i),
                            b = weld_weights_tensor(mf.weights, i);
                ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
            }
            weld_model_file_free(&mf);
        }
    }
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    refuse(test_path(&folder, shards[0]), "one of 2 files");
    refuse(test_path(&folder, shards[0]), "m.safetensors.index.json");
    write_index(index, count - 1, shards[1]);
    refuse(index, "belongs to other weights");
    write_index(index, count, "m-00003-of-00002.safetensors");
    refuse(index, "m-00003-of-00002.safetensors");
    write_index(index, count, "../m-00002-of-00002.safetensors");
    refuse(index, "not in its folder");
    test_write_file(test_path(&folder, "m.bin"), "PK\3\4", 4);
    write_index(index, count, "m.bin");
    refuse(index, "m.bin: ");
    write_index(index, count, "m.safetensors.index.json");
    refuse(index, "is an index of files of tensors: name a PyTorch .pth or a safetensors file");
    test_write_file(index, "{\"weight_map\": {}}", 18);
    refuse(index, "no weight_map that names files");
    test_write_file(index, "{\"weight_map\": {\"a\": 1}}", 24);
    refuse(index, "expected the name of a file");
    test_write_file(index, "{\"weight_map\": {\"a\"", 19);
    refuse(index, "byte 19: the text ends where a colon is expected");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(one_file_of_two_without_a_checksum_is_enough_to_be_told) {
    test_folder folder = test_folder_create();
    example e = make(repvit_config(3, "8, 12", "2, 1", 4, false, false), false);
    const char *index = test_path(&folder, "m.safetensors.index.json");
    const size_t count = weld_weights_count(e.weights);
    const weld_naming *naming = &weld_family_of(&e.config)->namings[0];
    weld_model_file mf;
    size_t size;
    write_tensors(&e, naming, test_path(&folder, shards[0]), 0, count / 3, NULL);
    write_tensors(&e, naming, test_path(&folder, shards[1]), count / 3, count, NULL);
    write_index(index, count, shards[1]);
    unsigned char *bytes = test_read_file(test_path(&folder, shards[1]), &size);
    memcpy(strstr((char *)bytes + 8, "weld.checksum"), "else", 4);
    test_write_file(test_path(&folder, shards[1]), bytes, size);
    ck_assert_msg(!weld_model_file_import(index, NULL, &mf, &err), "%s", err.message);
    ck_assert(mf.origin.unchecked);
    weld_model_file_free(&mf);
    free(bytes);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(so_is_one_in_two_files_of_pytorch) {
    char index[512], whole[512];
    weld_model_file a, b;
    snprintf(index, sizeof index, "%s/weights/shards.bin.index.json", getenv("WELD_FIXTURES"));
    snprintf(whole, sizeof whole, "%s/weights/bfloat16.pth", getenv("WELD_FIXTURES"));
    ck_assert_int_eq(weld_model_file_import(whole, NULL, &a, &err), WELD_OK);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status == WELD_ERROR_MEMORY; n += 1 + n / 20) {
        weld_memory_fail_after(n);
        status = weld_model_file_import(index, NULL, &b, &err);
        weld_memory_fail_after(-1);
    }
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    ck_assert_uint_eq(weld_weights_count(a.weights), weld_weights_count(b.weights));
    for (size_t i = 0; i < weld_weights_count(a.weights); i++) {
        weld_tensor x = weld_weights_tensor(a.weights, i), y = weld_weights_tensor(b.weights, i);
        ck_assert_mem_eq(x.data, y.data, weld_tensor_bytes(&x));
    }
    weld_model_file_free(&a);
    weld_model_file_free(&b);
}
END_TEST

RUN_SUITE("serialization/backbone", a_backbone_of_every_family_is_taken_where_no_head_is_needed,
          so_is_one_that_was_made_a_list_of_modules, a_backbone_gives_the_maps_of_the_stages,
          the_maps_of_a_backbone_are_exported, a_network_in_two_files_is_read_by_their_index,
          one_file_of_two_without_a_checksum_is_enough_to_be_told,
          so_is_one_in_two_files_of_pytorch)
