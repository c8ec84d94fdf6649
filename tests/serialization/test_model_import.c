/* Weights under other programs' names become model files, and nothing but what fits does. */
#include "suite.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "serialization/graph_text.h"
#include "serialization/model_file.h"
#include "serialization/model_text.h"
#include "formats/safetensors.h"
#include "serialization/model_metadata.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/reparameterize.h"
#include "repvit_config.h"

/* A network with random weights, in either form, and a file of it to be. */
typedef struct example {
    weld_model_file mf;
    weld_graph *graph;
    weld_safetensors_tensor *tensors;
    size_t count;
} example;

static weld_model_config small(bool legacy, bool distillation) {
    return repvit_config(3, "8, 12", "2, 1", 4, legacy, distillation);
}

static void fill(weld_weights *w) {
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        weld_random r = weld_random_start(7, 0, i, WELD_RANDOM_TEST);
        for (int64_t k = 0; k < weld_shape_count(&t.shape); k++) {
            if (t.dtype == WELD_F32) {
                ((float *)t.data)[k] = (float)weld_random_range(&r, 0.5, 1.5);
            } else {
                ((int64_t *)t.data)[k] = (int64_t)weld_random_below(&r, 1000);
            }
        }
    }
}

static example make(const weld_model_config *config, bool merged) {
    example e = {
        .mf = {.kind = merged ? WELD_MODEL_DEPLOY : WELD_MODEL_CHECKPOINT, .config = *config}};
    weld_graph *g;
    weld_weights *w;
    weld_error err;
    ck_assert_int_eq(weld_model_build(config, !merged, 1, 224, 224, WELD_F32, &g, &err), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, &err), WELD_OK);
    fill(w);
    e.graph = g;
    e.mf.weights = w;
    if (merged) {
        ck_assert_int_eq(weld_reparameterize(g, w, &e.graph, &e.mf.weights, &err), WELD_OK);
        weld_graph_free(g);
        weld_weights_free(w);
    }
    e.tensors = weld_alloc(weld_weights_count(e.mf.weights) + 1, sizeof *e.tensors);
    return e;
}

static void clear_names(example *e) {
    for (size_t i = 0; i < e->count; i++) {
        weld_free((char *)e->tensors[i].name);
    }
    e->count = 0;
}

static void unmake(example *e) {
    clear_names(e);
    weld_free(e->tensors);
    weld_graph_free(e->graph);
    weld_weights_free(e->mf.weights);
}

/* The tensors under a file's names. */
static void name_tensors(example *e, const char *naming) {
    clear_names(e);
    for (size_t i = 0; i < weld_weights_count(e->mf.weights); i++) {
        char name[WELD_TENSOR_NAME_SIZE];
        const weld_naming *as = weld_model_find_naming(&e->mf.config, naming, NULL);
        ck_assert_int_eq(weld_model_tensor_name(&e->mf.config, as,
                                                weld_weights_name(e->mf.weights, i), name, NULL),
                         WELD_OK);
        e->tensors[e->count++] =
            (weld_safetensors_tensor){weld_strdup(name), weld_weights_tensor(e->mf.weights, i)};
    }
}

static weld_safetensors_tensor *find(example *e, const char *name) {
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->tensors[i].name, name) == 0) {
            return &e->tensors[i];
        }
    }
    ck_abort_msg("no %s", name);
    return NULL;
}

static void drop(example *e, const char *name) {
    weld_safetensors_tensor *t = find(e, name);
    weld_free((char *)t->name);
    *t = e->tensors[--e->count];
}

static void rename_tensor(example *e, const char *name, const char *to) {
    weld_safetensors_tensor *t = find(e, name);
    weld_free((char *)t->name);
    t->name = weld_strdup(to);
}

static void write_example(const example *e, const char *path, const weld_metadata *metadata) {
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_safetensors_write(r, e->tensors, e->count, metadata, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_commit(r, NULL), WELD_OK);
}

static void write_described(const example *e, const char *path, const weld_model_file *as) {
    weld_metadata metadata;
    ck_assert_int_eq(weld_metadata_create(as, &metadata, NULL), WELD_OK);
    write_example(e, path, &metadata);
    weld_metadata_free(&metadata);
}

static weld_model_file import(const char *path, const weld_import_options *o) {
    weld_model_file mf;
    weld_error err;
    ck_assert_msg(weld_model_file_import(path, o, &mf, &err) == WELD_OK, "%s", err.message);
    return mf;
}

static weld_error refuse(const char *path, const weld_import_options *o, const char *pattern) {
    weld_model_file mf;
    weld_error err = {0};
    ck_assert_int_ne(weld_model_file_import(path, o, &mf, &err), WELD_OK);
    ck_assert_msg(strncmp(err.message, path, strlen(path)) == 0, "%s", err.message);
    ck_assert_msg(strstr(err.message, pattern) != NULL, "%s", err.message);
    return err;
}

static void check_same_weights(const weld_weights *a, const weld_weights *b) {
    ck_assert_uint_eq(weld_weights_count(a), weld_weights_count(b));
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor s = weld_weights_tensor(a, i), t = weld_weights_tensor(b, i);
        ck_assert_str_eq(weld_weights_name(a, i), weld_weights_name(b, i));
        ck_assert(s.dtype == t.dtype && weld_shape_equal(&s.shape, &t.shape));
        ck_assert_mem_eq(s.data, t.data, weld_tensor_bytes(&s));
    }
}

START_TEST(the_training_form_becomes_a_checkpoint) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a"), *saved = test_path(&folder, "b");
    for (int i = 0; i < 8; i++) {
        weld_model_config config = small(i & 1, i & 2);
        const char *naming = i & 4 ? "timm" : "official";
        example e = make(&config, false);
        name_tensors(&e, naming);
        write_example(&e, path, NULL);
        weld_model_file mf = import(path, NULL), back;
        ck_assert_int_eq(mf.kind, WELD_MODEL_CHECKPOINT);
        ck_assert_int_eq(value_of(&mf.config, "legacy"), value_of(&config, "legacy"));
        ck_assert_int_eq(value_of(&mf.config, "distillation_head"),
                         value_of(&config, "distillation_head"));
        ck_assert_int_eq(value_of(&mf.config, "stem_stride"), 4);
        ck_assert(!mf.class_names && !mf.moment1 && !mf.graph && !mf.recipe);
        ck_assert_int_eq(mf.trainer.step, 0);
        ck_assert_int_eq(mf.trainer.best_epoch, -1);
        ck_assert_int_eq(mf.origin.kind, WELD_FILE_SAFETENSORS);
        ck_assert_str_eq(mf.origin.naming->name, naming);
        ck_assert_int_eq(mf.origin.element, WELD_ELEMENT_F32);
        ck_assert(!mf.origin.mixed);
        ck_assert_uint_eq(mf.origin.tensors, e.count);
        check_same_weights(mf.weights, e.mf.weights);

        ck_assert_int_eq(weld_model_file_write(saved, &mf, NULL), WELD_OK);
        ck_assert_int_eq(weld_model_file_read(saved, &back, NULL), WELD_OK);
        check_same_weights(back.weights, mf.weights);
        ck_assert_str_eq(back.summary, mf.summary);
        ck_assert_int_eq(back.origin.kind, WELD_FILE_UNKNOWN);
        weld_model_file_free(&back);
        weld_model_file_free(&mf);
        unmake(&e);
    }
    test_folder_remove(folder);
}
END_TEST

static void check_same_graph(const weld_graph *a, const weld_graph *b) {
    char *one, *two;
    ck_assert_int_eq(weld_graph_to_text(a, &one, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_to_text(b, &two, NULL), WELD_OK);
    ck_assert_str_eq(one, two);
    weld_free(one);
    weld_free(two);
}

START_TEST(the_merged_form_becomes_a_deploy_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a"), *saved = test_path(&folder, "b");
    for (int i = 0; i < 4; i++) {
        weld_model_config config = small(i & 1, false);
        example e = make(&config, true);
        name_tensors(&e, i & 2 ? "timm" : "official");
        write_example(&e, path, NULL);
        weld_model_file mf = import(path, NULL), back;
        ck_assert_int_eq(mf.kind, WELD_MODEL_DEPLOY);
        check_same_graph(mf.graph, e.graph);
        check_same_weights(mf.weights, e.mf.weights);
        ck_assert_int_eq(weld_model_file_write(saved, &mf, NULL), WELD_OK);
        ck_assert_int_eq(weld_model_file_read(saved, &back, NULL), WELD_OK);
        check_same_graph(back.graph, e.graph);
        weld_model_file_free(&back);
        weld_model_file_free(&mf);
        unmake(&e);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(two_heads_that_were_merged_are_one) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, true);
    example e = make(&config, true);
    name_tensors(&e, "official");
    write_example(&e, path, NULL);
    weld_model_file mf = import(path, NULL);
    weld_tensor a, b;
    ck_assert(!value_of(&mf.config, "distillation_head"));
    ck_assert(weld_weights_find(mf.weights, "classifier.classifier.weight", &a));
    ck_assert(weld_weights_find(e.mf.weights, "classifier.weight", &b));
    ck_assert_mem_eq(a.data, b.data, sizeof(float) * 3 * 12);
    weld_model_file_free(&mf);

    write_described(&e, path,
                    &(weld_model_file){.kind = WELD_MODEL_DEPLOY,
                                       .config = config,
                                       .preprocessing = {.height = 32,
                                                         .width = 32,
                                                         .crop_fraction = 1,
                                                         .interpolation = WELD_BICUBIC,
                                                         .mean = {0},
                                                         .std = {1, 1, 1}}});
    mf = import(path, NULL);
    ck_assert(value_of(&mf.config, "distillation_head"));
    check_same_weights(mf.weights, e.mf.weights);
    weld_model_file_free(&mf);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(images_are_prepared_as_the_naming_suggests) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    for (int timm = 0; timm < 2; timm++) {
        name_tensors(&e, timm ? "timm" : "official");
        write_example(&e, path, NULL);
        weld_model_file mf =
            import(path, &(weld_import_options){.height = timm ? 64 : 0, .width = timm ? 64 : 0});
        ck_assert_int_eq(mf.preprocessing.height, timm ? 64 : 224);
        ck_assert_double_eq(mf.preprocessing.crop_fraction, timm ? 0.95 : 0.875);
        ck_assert_int_eq(mf.preprocessing.interpolation, WELD_BICUBIC);
        ck_assert_float_eq(mf.preprocessing.mean[0], 0.485F);
        ck_assert_float_eq(mf.preprocessing.std[2], 0.225F);
        weld_model_file_free(&mf);
    }
    refuse(path, &(weld_import_options){.height = 1 << 20, .width = 1 << 20}, "input_size is");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* --- What weld wrote beside the tensors ------------------------------------------------------- */

static char *names[] = {"ant", "bee", "caf\xe9"};

static weld_model_file described(const weld_model_config *config) {
    weld_model_file mf = {.kind = WELD_MODEL_CHECKPOINT,
                          .config = *config,
                          .preprocessing = {.height = 48,
                                            .width = 48,
                                            .crop_fraction = 1,
                                            .interpolation = WELD_BILINEAR,
                                            .mean = {0.5F, 0.25F, 0},
                                            .std = {1, 2, 3},
                                            .padding = {128, 64, 0}, /* the mean */
                                            .scale16 = WELD_SCALE16_MIN},
                          .class_names = names,
                          .summary = "{\"epochs\": 9}"};
    set_value(&mf.config, "stem_stride", "2");
    return mf;
}

START_TEST(what_weld_wrote_beside_the_tensors_is_taken) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(true, true);
    example e = make(&config, false);
    weld_model_file as = described(&config);
    name_tensors(&e, "timm");
    write_described(&e, path, &as);
    static const char *const same[] = {"ant", "bee", "caf\xe9"}, *const other[] = {"a", "b", "c"};
    const weld_import_options agreeing = {.model = "repvit",
                                          .num_classes = 3,
                                          .set = (const char *const[]){"stem_stride=2"},
                                          .set_count = 1,
                                          .height = 48,
                                          .width = 48,
                                          .class_names = same};
    weld_model_file mf = import(path, &agreeing);
    ck_assert_int_eq(value_of(&mf.config, "stem_stride"), 2);
    ck_assert_mem_eq(&mf.preprocessing, &as.preprocessing, sizeof mf.preprocessing);
    ck_assert_str_eq(mf.class_names[2], names[2]);
    ck_assert_str_eq(mf.summary, as.summary);
    weld_model_file_free(&mf);

    weld_import_options o = agreeing;
    o.set = (const char *const[]){"stem_stride=4"};
    refuse(path, &o, "stem stride 4");
    o = agreeing;
    o.height = o.width = 224;
    refuse(path, &o, "input size 224");
    o = agreeing;
    o.class_names = other;
    refuse(path, &o, "class 0");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* The file of e with a configuration that says something else. */
static void check_stated(const example *e, const char *path, weld_model_config config,
                         const char *pattern) {
    weld_model_file as = described(&config);
    as.class_names = NULL;
    write_described(e, path, &as);
    refuse(path, NULL, pattern);
}

START_TEST(a_text_of_another_network_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false), changed = config;
    example e = make(&config, false);
    name_tensors(&e, "official");
    set_value(&changed, "depths", "2, 1000");
    check_stated(&e, path, changed, "weld.config");
    changed = config;
    changed.num_classes = 1 << 20;
    check_stated(&e, path, changed, "weld.config");
    changed = config;
    set_flag(&changed, "legacy", true);
    check_stated(&e, path, changed, "weld.config");
    changed = config;
    snprintf(changed.name, sizeof changed.name, "repvit_m0_9");
    check_stated(&e, path, changed, "not repvit_m0_9");

    static char resnet[] = "{\"name\": \"resnet\", \"num_classes\": 3}";
    weld_metadata metadata = {1, {{WELD_METADATA_CONFIG, resnet}}};
    write_example(&e, path, &metadata);
    refuse(path, NULL, "weld.config: model 'resnet'");
    static char broken[] = "{\"input_size\": -1}";
    metadata.items[0] = (weld_metadata_item){WELD_METADATA_PREPROCESSING, broken};
    write_example(&e, path, &metadata);
    refuse(path, NULL, "weld.preprocessing");
    static char few[] = "[\"one\"]";
    metadata.items[0] = (weld_metadata_item){WELD_METADATA_CLASS_NAMES, few};
    write_example(&e, path, &metadata);
    refuse(path, NULL, "weld.class_names");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* --- Strictness ------------------------------------------------------------------------------- */

START_TEST(tensors_that_do_not_fit_are_listed) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    int64_t numbers[12] = {0};
    name_tensors(&e, "timm");
    drop(&e, "stages.0.blocks.1.token_mixer.conv1.bias");
    rename_tensor(&e, "stages.0.blocks.0.se.fc2.weight", "stages.0.blocks.0.se.fc3.weight");
    rename_tensor(&e, "head.head.bn.num_batches_tracked", "head.num_batches_tracked");
    find(&e, "stages.0.blocks.0.se.fc1.weight")->tensor.shape = WELD_SHAPE(8, 8);
    find(&e, "head.head.bn.weight")->tensor = (weld_tensor){WELD_I64, WELD_SHAPE(12), numbers};
    write_example(&e, path, NULL);
    refuse(path, NULL,
           "2 missing: stages.0.blocks.0.se.fc2.weight, "
           "stages.0.blocks.1.token_mixer.conv1.bias; ");
    refuse(path, NULL, "; 2 unexpected: ");
    refuse(path, NULL, "head.num_batches_tracked");
    refuse(path, NULL, "stages.0.blocks.0.se.fc3.weight");
    refuse(path, NULL,
           "; 2 wrong: stages.0.blocks.0.se.fc1.weight is float32 [8, 8], not "
           "[8, 8, 1, 1], head.head.bn.weight is int64 [12], not [12]");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(long_lists_are_cut_but_counted) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    name_tensors(&e, "official");
    size_t changed = 0;
    for (size_t i = 0; i < e.count; i++) {
        const char *old = e.tensors[i].name;
        if (strstr(old, "token_mixer.0") && !strstr(old, "tracked")) {
            char name[2 * WELD_TENSOR_NAME_SIZE];
            snprintf(name, sizeof name, "other.%s", old);
            weld_free((char *)old);
            e.tensors[i].name = weld_strdup(name);
            changed++;
        }
    }
    write_example(&e, path, NULL);
    char pattern[64];
    snprintf(pattern, sizeof pattern, ": %zu missing: ", changed);
    weld_error err = refuse(path, NULL, pattern);
    snprintf(pattern, sizeof pattern, ", ...; %zu unexpected: ", changed);
    refuse(path, NULL, pattern);
    ck_assert_ptr_null(strchr(err.message, '\n'));
    ck_assert_uint_lt(strlen(err.message), sizeof err.message - 100);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(counters_may_be_missing_or_of_another_type) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    const char *first = "features.0.0.bn.num_batches_tracked";
    const char *second = "features.0.2.bn.num_batches_tracked";
    const char *third = "features.1.token_mixer.0.bn.num_batches_tracked";
    float number = 1234;
    int64_t was, got;
    name_tensors(&e, "official");
    memcpy(&was, find(&e, third)->tensor.data, sizeof was);
    drop(&e, first);
    find(&e, second)->tensor = (weld_tensor){WELD_F32, {.rank = 0}, &number};
    find(&e, third)->tensor.shape = WELD_SHAPE(1);
    write_example(&e, path, NULL);
    weld_model_file mf = import(path, NULL);
    weld_tensor t;
    ck_assert(weld_weights_find(mf.weights, first, &t) && t.dtype == WELD_I64);
    ck_assert_int_eq(*(const int64_t *)t.data, 0);
    ck_assert(weld_weights_find(mf.weights, second, &t));
    ck_assert_int_eq(*(const int64_t *)t.data, 1234);
    ck_assert(weld_weights_find(mf.weights, third, &t) && t.shape.rank == 0);
    memcpy(&got, t.data, sizeof got);
    ck_assert_int_eq(got, was);
    weld_model_file_free(&mf);

    /* Averages of weights averaged it too, and nothing depends on it. */
    static const struct {
        float is;
        int64_t taken;
    } odd[] = {{0.5F, 1}, {-1, 0}, {1e30F, 0}, {NAN, 0}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        number = odd[i].is;
        write_example(&e, path, NULL);
        mf = import(path, NULL);
        ck_assert(weld_weights_find(mf.weights, second, &t));
        ck_assert_int_eq(*(const int64_t *)t.data, odd[i].taken);
        weld_model_file_free(&mf);
    }
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_network_of_other_images_is_explained) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    static float weight[4 * 4 * 9];
    name_tensors(&e, "official");
    for (int channels = 1; channels <= 4; channels += 3) {
        char words[64];
        find(&e, "features.0.0.c.weight")->tensor =
            (weld_tensor){WELD_F32, WELD_SHAPE(4, channels, 3, 3), weight};
        write_example(&e, path, NULL);
        snprintf(words, sizeof words, "its images have %d channels", channels);
        refuse(path, NULL, words);
    }
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(float64_is_rounded_to_float32) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    double bias[] = {0.1, 1e-300, -3};
    name_tensors(&e, "timm");
    find(&e, "head.head.l.bias")->tensor = (weld_tensor){WELD_F64, WELD_SHAPE(3), bias};
    write_example(&e, path, NULL);
    weld_model_file mf = import(path, NULL);
    weld_tensor t;
    ck_assert(weld_weights_find(mf.weights, "classifier.classifier.l.bias", &t));
    ck_assert_float_eq(((const float *)t.data)[0], 0.1F);
    ck_assert_float_eq(((const float *)t.data)[1], 0);
    ck_assert_float_eq(((const float *)t.data)[2], -3);
    ck_assert(mf.origin.mixed);
    weld_model_file_free(&mf);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* --- Options ---------------------------------------------------------------------------------- */

START_TEST(options_say_what_the_tensors_leave_open) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    static const char *const given[] = {"x", "y", "z"};
    name_tensors(&e, "official");
    write_example(&e, path, NULL);
    weld_import_options o = {.num_classes = 3,
                             .set = (const char *const[]){"stem_stride=1"},
                             .set_count = 1,
                             .height = 32,
                             .width = 32,
                             .class_names = given};
    weld_model_file mf = import(path, &o);
    ck_assert_int_eq(value_of(&mf.config, "stem_stride"), 1);
    ck_assert_int_eq(mf.preprocessing.height, 32);
    ck_assert_str_eq(mf.class_names[1], "y");
    weld_model_file_free(&mf);
    o.num_classes = 4;
    refuse(path, &o, "number of classes 4");
    refuse(path, &(weld_import_options){.class_names = given}, "3 classes");
    refuse(path,
           &(weld_import_options){.set = (const char *const[]){"stem_stride=3"}, .set_count = 1},
           "stem_stride");
    refuse(path, &(weld_import_options){.model = "repvit_m1_1"}, "not repvit_m1_1");
    refuse(path, &(weld_import_options){.key = "model"}, "model");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_variant_may_be_asked_for_by_either_name) {
    static const char *const variants[] = {"repvit_m0_9", "repvit_m1"};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named("repvit_m1", &config, NULL), WELD_OK);
    config.num_classes = 2;
    for (int merged = 0; merged < 2; merged++) {
        example e = make(&config, merged);
        name_tensors(&e, "timm");
        write_example(&e, path, NULL);
        for (int i = 0; i < 2; i++) {
            weld_model_file mf = import(path, &(weld_import_options){.model = variants[i]});
            ck_assert_str_eq(mf.config.name, variants[i]);
            ck_assert_int_eq(value_of(&mf.config, "legacy"),
                             merged ? i : 1); /* what the tensors say */
            check_same_weights(mf.weights, e.mf.weights);
            weld_model_file_free(&mf);
        }
        unmake(&e);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(options_must_agree_with_a_file_of_welds_own) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    static const char *const same[] = {"ant", "bee", "caf\xe9"}, *const other[] = {"a", "b", "c"};
    example e = make(&config, false);
    weld_model_file as = described(&config);
    set_value(&as.config, "stem_stride", "4");
    as.weights = e.mf.weights;
    ck_assert_int_eq(weld_model_file_write(path, &as, NULL), WELD_OK);
    const weld_import_options agreeing = {.model = "repvit",
                                          .num_classes = 3,
                                          .set = (const char *const[]){"stem_stride=4"},
                                          .set_count = 1,
                                          .height = 48,
                                          .width = 48,
                                          .class_names = same};
    weld_model_file mf = import(path, &agreeing);
    check_same_weights(mf.weights, e.mf.weights);
    weld_model_file_free(&mf);
    refuse(path, &(weld_import_options){.model = "repvit_m0_6"}, "not repvit_m0_6");
    refuse(path, &(weld_import_options){.num_classes = 4}, "classes");
    refuse(path,
           &(weld_import_options){.set = (const char *const[]){"stem_stride=2"}, .set_count = 1},
           "stem stride");
    refuse(path, &(weld_import_options){.height = 224, .width = 224}, "input size");
    refuse(path, &(weld_import_options){.num_classes = 3, .class_names = other}, "class 0");
    refuse(path, &(weld_import_options){.key = "model"}, "model");

    as.class_names = NULL;
    ck_assert_int_eq(weld_model_file_write(path, &as, NULL), WELD_OK);
    mf = import(path, &agreeing);
    ck_assert_str_eq(mf.class_names[0], "ant");
    weld_model_file_free(&mf);
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

/* Put `prefix` in front of all names but the last `but`. */
static void wrap(example *e, const char *prefix, size_t but) {
    for (size_t i = 0; i + but < e->count; i++) {
        char name[WELD_TENSOR_NAME_SIZE + 64];
        snprintf(name, sizeof name, "%s%s", prefix, e->tensors[i].name);
        weld_free((char *)e->tensors[i].name);
        e->tensors[i].name = weld_strdup(name);
    }
}

START_TEST(what_wrappers_put_in_front_of_names_is_taken_off) {
    static const char *const prefixes[] = {"model.", "_orig_mod.", "net._orig_mod.", "a.module.b."};
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    for (int i = 0; i < 8; i++) {
        weld_model_config config = small(false, i % 2);
        example e = make(&config, false);
        name_tensors(&e, i % 2 ? "timm" : "official");
        wrap(&e, prefixes[i / 2], 0);
        write_example(&e, path, NULL);
        weld_model_file mf = import(path, NULL);
        check_same_weights(e.mf.weights, mf.weights);
        ck_assert_uint_eq(mf.origin.passed_over.count, 0);
        weld_model_file_free(&mf);
        unmake(&e);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_not_of_the_network_is_passed_over_and_named) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_model_config config = small(false, false);
    example e = make(&config, false);
    name_tensors(&e, "official");
    float ones[2] = {1, 1};
    const weld_tensor extra = {WELD_F32, WELD_SHAPE(2), ones};
    e.tensors[e.count++] =
        (weld_safetensors_tensor){weld_strdup("features.0.total_ops"), extra}; /* inside */
    wrap(&e, "model.", 0);
    write_example(&e, path, NULL);
    weld_model_file mf = import(path, NULL);
    ck_assert_str_eq(mf.origin.passed_over.text, "model.features.0.total_ops");
    weld_model_file_free(&mf);
    rename_tensor(&e, "model.features.0.total_ops", "criterion.weight"); /* outside */
    write_example(&e, path, NULL);
    mf = import(path, NULL);
    check_same_weights(e.mf.weights, mf.weights);
    ck_assert_str_eq(mf.origin.passed_over.text, "criterion.weight");
    weld_model_file_free(&mf);
    rename_tensor(&e, "criterion.weight", "model.features.0.weight"); /* inside, and unknown */
    write_example(&e, path, NULL);
    refuse(path, NULL, "1 unexpected: model.features.0.weight");
    unmake(&e);
    test_folder_remove(folder);
}
END_TEST

START_TEST(running_out_of_memory_is_an_error) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    for (int merged = 0; merged < 2; merged++) {
        weld_model_config config = small(false, false);
        example e = make(&config, merged);
        weld_model_file as = described(&config);
        name_tensors(&e, "timm");
        write_described(&e, path, &as);
        weld_status status = WELD_ERROR_MEMORY;
        for (long n = 0; status != WELD_OK; n += 1 + n / 40) {
            weld_model_file mf;
            weld_error err;
            weld_memory_fail_after(n);
            status = weld_model_file_import(path, NULL, &mf, &err);
            weld_memory_fail_after(-1);
            if (status == WELD_OK) {
                check_same_weights(mf.weights, e.mf.weights);
                weld_model_file_free(&mf);
            } else {
                ck_assert_msg(status == WELD_ERROR_MEMORY, "%ld: %s", n, err.message);
            }
        }
        unmake(&e);
    }
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("serialization/model_import", the_training_form_becomes_a_checkpoint,
          the_merged_form_becomes_a_deploy_file, two_heads_that_were_merged_are_one,
          images_are_prepared_as_the_naming_suggests, what_weld_wrote_beside_the_tensors_is_taken,
          a_text_of_another_network_is_refused, tensors_that_do_not_fit_are_listed,
          long_lists_are_cut_but_counted, counters_may_be_missing_or_of_another_type,
          a_network_of_other_images_is_explained, float64_is_rounded_to_float32,
          options_say_what_the_tensors_leave_open, a_variant_may_be_asked_for_by_either_name,
          options_must_agree_with_a_file_of_welds_own,
          what_wrappers_put_in_front_of_names_is_taken_off,
          what_is_not_of_the_network_is_passed_over_and_named, running_out_of_memory_is_an_error)
