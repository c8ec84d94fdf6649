/* A second family in the registry: other keys, three namings, sizes that are no lists. What others
 * know of it is what its rows and functions say. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/layers.h"
#include "models/repvit.h"
#include "recipe/recipe_keys.h"
#include "repvit_config.h"
#include "serialization/model_text.h"
#include "suite.h"

typedef struct toy {
    int width;
    double ratio;
    int rates_count;
    float rates[3];
    int activation;
    bool wide;
} toy;

static const char *const activations[] = {"gelu", "relu", NULL};

static const weld_key toy_keys[] = {
    {"width", WELD_KEY_INTEGER, WELD_KEY_ONE(toy, width), .min = 1, .max = 99,
     .flags = WELD_KEY_SIZE},
    {"ratio", WELD_KEY_REAL, WELD_KEY_ONE(toy, ratio), .min = 0.5, .max = 8, .standard = "1.5",
     .flags = WELD_KEY_UNTOLD},
    {"rates", WELD_KEY_REAL, WELD_KEY_LIST(toy, rates, rates_count), .max = 1, .standard = "0.1"},
    {"activation", WELD_KEY_CHOICE, WELD_KEY_ONE(toy, activation), .choices = activations,
     .null = "relu"},
    {"wide", WELD_KEY_BOOL, WELD_KEY_ONE(toy, wide), .label = "wide"},
};

static const weld_naming toy_namings[] = {{"own", "its own", "its own"},
                                          {"timm", "timm's", "timm's"},
                                          {"third", "another's", "another's"}};
static const weld_module_names toy_modules[] = {{{"fc", "head.fc", "m{s}.linear"}}, {{NULL}}};
static const weld_place_names toy_place = {{{"top", "net", "layers"}}, toy_modules};

static toy toy_of(const weld_model_config *config) {
    toy t;
    memcpy(&t, config->values, sizeof t);
    return t;
}

static weld_status toy_check(const weld_model_config *config, const char **key, weld_error *err) {
    if (toy_of(config).width % 2) {
        *key = "width";
        return weld_fail(err, WELD_ERROR_ARGUMENT, "is odd");
    }
    return WELD_OK;
}

static weld_model_place toy_where(const weld_model_config *config, const char *name) {
    (void)config;
    return (weld_model_place){.part = 1, .layer = 1, .per_class = strstr(name, "fc") != NULL};
}

static void toy_build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                      weld_value *images) {
    const weld_layers net = {g, config, mode, toy_where, 1e-5, 0.1};
    const weld_init zero = {.kind = WELD_INIT_CONSTANT};
    const weld_path top = {"top"};
    int width = toy_of(config).width;
    weld_conv_shape s = {3, width, .kernel = 3, .stride = 2, .groups = 1};
    weld_value *x = weld_layer_conv(&net, weld_under(top, "conv"), images, s, true);
    x = weld_layer_global_mean(&net, x, width);
    x = weld_layer_linear(&net, weld_under(top, "fc"), x, width, config->num_classes, zero);
    weld_output(g, "logits", x);
}

static int toy_stages(const weld_model_config *config) {
    (void)config;
    return 0;
}

static int64_t toy_blocks(const weld_model_config *config) {
    (void)config;
    return 1;
}

static bool toy_name(const weld_model_config *config, const weld_naming *naming, const char *name,
                     char out[WELD_TENSOR_NAME_SIZE]) {
    const weld_named_place at = {&toy_place, 1, 2, 3};
    (void)config;
    return strncmp(name, "top.", 4) == 0 &&
           weld_place_tensor_name(&at, (size_t)(naming - toy_namings), name + 4, out);
}

static weld_status toy_recognize(const weld_shape_index *index, weld_recognized *out,
                                 weld_error *err) {
    const weld_named_shape *fc = weld_shape_index_find(index, "net.head.fc.weight");
    if (!fc) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "no toy: no net.head.fc.weight");
    }
    toy t = toy_of(&out->config);
    t.width = (int)fc->shape.dim[1];
    memcpy(out->config.values, &t, sizeof t);
    out->naming = &toy_namings[1];
    return WELD_OK;
}

static weld_preprocessing toy_usual(const weld_model_config *config, const weld_naming *naming) {
    (void)config;
    return (weld_preprocessing){.height = 64 + (int)(naming - toy_namings),
                                .width = 64 + (int)(naming - toy_namings),
                                .crop_fraction = 1,
                                .interpolation = WELD_BILINEAR,
                                .std = {1, 1, 1}};
}

static const weld_model_variant toy_variants[] = {
    {"toy_4", &(const toy){4, 2, 2, {0.1f, 0.2f}, 1, true}}};

static const weld_model_family family = {.name = "toy",
                                         .task = "classification",
                                         .values_size = sizeof(toy),
                                         .keys = toy_keys,
                                         .key_count = sizeof toy_keys / sizeof *toy_keys,
                                         .variants = toy_variants,
                                         .variant_count = 1,
                                         .namings = toy_namings,
                                         .naming_count = 3,
                                         .check = toy_check,
                                         .build = toy_build,
                                         .stage_count = toy_stages,
                                         .block_count = toy_blocks,
                                         .place = toy_where,
                                         .tensor_name = toy_name,
                                         .recognize = toy_recognize,
                                         .usual = toy_usual};

/* In the place of those of models/families.c. */
const weld_model_family *const weld_families[] = {&weld_family_repvit, &family};
const size_t weld_family_count = 2;

static weld_model_config named(const char *name) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
    return config;
}

START_TEST(values_are_set_and_read_by_key) {
    char text[64];
    double numbers[3];
    weld_error err;
    weld_model_config config = named("toy");
    ck_assert_str_eq(weld_model_config_text(&config, "ratio", text, sizeof text), "1.5");
    set_value(&config, "rates", "0.25, 0.5");
    set_value(&config, "activation", "relu");
    ck_assert_int_eq(weld_model_config_numbers(&config, "rates", numbers, 3), 2);
    ck_assert_double_eq(numbers[1], 0.5);
    ck_assert_int_eq(value_of(&config, "activation"), 1);
    ck_assert_int_eq(weld_model_config_set(&config, "depths", "1", &err), WELD_ERROR_NOT_FOUND);
    ck_assert_str_eq(err.message,
                     "depths: no key of toy, which has width, ratio, rates, activation and wide");
    ck_assert_int_eq(weld_model_config_set(&config, "ratio", "9", &err), WELD_ERROR_ARGUMENT);
    ck_assert_str_eq(err.message, "ratio: 9 is out of range: give 0.5 to 8");
    ck_assert_ptr_null(weld_model_config_text(&config, "channels", text, sizeof text));
    ck_assert_int_eq(weld_model_config_numbers(&config, "channels", numbers, 3), -1);
}
END_TEST

START_TEST(files_have_all_values_and_no_other) {
    char *text;
    weld_error err;
    weld_model_config config = named("toy_4"), back;
    ck_assert_int_eq(weld_model_config_to_text(&config, &text, NULL), WELD_OK);
    ck_assert_msg(weld_model_config_from_text(text, "x", &back, &err) == WELD_OK, "%s",
                  err.message);
    ck_assert_mem_eq(&back, &config, sizeof config);
    weld_free(text);
    static const char *const bad[][2] = {
        {"{\"name\":\"toy\",\"num_classes\":3,\"ratio\":1}", "no width"},
        {"{\"name\":\"toy\",\"num_classes\":3,\"width\":4}", "no activation"},
        {"{\"name\":\"toy\",\"num_classes\":3,\"width\":\"4\"}", "width: not an integer"},
        {"{\"name\":\"toy\",\"num_classes\":3,\"width\":4,\"ratio\":1,\"rates\":[1],"
         "\"activation\":\"tanh\",\"wide\":true}",
         "activation"},
        {"{\"name\":\"toy\",\"num_classes\":3,\"width\":4,\"ratio\":1,\"rates\":[1],"
         "\"activation\":\"relu\",\"wide\":true,\"legacy\":true}",
         "more members"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_ne(weld_model_config_from_text(bad[i][0], "x", &back, &err), WELD_OK);
        ck_assert_msg(strstr(err.message, bad[i][1]) != NULL, "%s", err.message);
    }
}
END_TEST

static weld_recipe recipe;

static weld_status parse(const char *text, weld_error *err) {
    return weld_recipe_parse("r.yaml", text, strlen(text), NULL, 0, &recipe, err);
}

START_TEST(a_recipe_has_the_keys_of_its_network) {
    char *text;
    weld_error err;
    ck_assert_msg(!parse("data: {train: x}\n"
                         "model: {name: toy, width: 6, rates: [0.1, 0.3], activation: null}\n",
                         &err),
                  "%s", err.message);
    ck_assert_int_eq(value_of(&recipe.model, "width"), 6);
    ck_assert_int_eq(recipe.data.preprocessing.height, 64);
    ck_assert_int_eq(weld_recipe_text(&recipe, &text, NULL), WELD_OK);
    ck_assert_ptr_nonnull(strstr(text, "  width: 6\n  ratio: 1.5\n  rates: [0.1, 0.3]\n"
                                       "  activation: relu\n  wide: false\ndata:"));
    ck_assert_ptr_null(strstr(text, "stem_stride"));
    weld_free(text);
    static const char *const bad[][2] = {
        {"model:\n  name: toy\n  depths: [1]\n",
         "r.yaml:3: model.depths: unknown key: recipes/README.md lists them all"},
        {"model:\n  name: repvit_m0_9\n  width: 4\n",
         "r.yaml:3: model.width: unknown key: recipes/README.md lists them all"},
        {"data: {train: x}\nmodel: {name: toy}\n",
         "r.yaml: model.width: missing: a family name takes width"},
        {"data: {train: x}\nmodel: {name: toy, width: 5}\n", "r.yaml:2: model.width: is odd"},
        {"data: {train: x}\nmodel: {name: toy_4, width: 6}\n",
         "r.yaml:2: model.width: the named variant has others: remove the key, or give the name of "
         "the family (toy)"},
        {"model: {name: toy_5, width: 4, depths: [1]}\n",
         "r.yaml:1: model.name: model 'toy_5': no such name: take one of toy_4, toy"},
        {"model: {name: net, width: 4, depths: [1]}\n",
         "r.yaml:1: model.name: model 'net': no such name: the families are repvit, toy (weld "
         "models lists their networks)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(parse(bad[i][0], &err), WELD_ERROR_ARGUMENT);
        ck_assert_str_eq(err.message, bad[i][1]);
    }
}
END_TEST

START_TEST(tensors_tell_the_family_and_its_naming) {
    weld_recognized r;
    weld_error err;
    weld_shape_index index;
    weld_named_shape tensor = {"net.head.fc.weight", WELD_SHAPE(3, 4)};
    ck_assert_int_eq(weld_shape_index_create(&tensor, 1, &index, NULL), WELD_OK);
    ck_assert_int_eq(weld_model_recognize(&index, NULL, &r, &err), WELD_OK);
    ck_assert_str_eq(r.config.name, "toy_4");
    ck_assert_str_eq(r.naming->name, "timm");
    weld_shape_index_free(&index);

    tensor.name = "fc.weight";
    ck_assert_int_eq(weld_shape_index_create(&tensor, 1, &index, NULL), WELD_OK);
    ck_assert_int_eq(weld_model_recognize(&index, NULL, &r, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_str_eq(err.message,
                     "no RepViT: neither features.0.2.c.weight (the authors' name) nor "
                     "stem.conv2.c.weight (timm's) is among its 1 tensors; no toy: no "
                     "net.head.fc.weight");
    weld_shape_index_free(&index);
}
END_TEST

START_TEST(namings_are_found_by_name) {
    char text[WELD_TENSOR_NAME_SIZE];
    weld_error err;
    const weld_model_config config = named("toy_4");
    const weld_naming *third = weld_model_find_naming(&config, "third", NULL);
    ck_assert_str_eq(weld_model_find_naming(&config, NULL, NULL)->name, "own");
    ck_assert_int_eq(weld_model_tensor_name(&config, third, "top.fc.bias", text, NULL), WELD_OK);
    ck_assert_str_eq(text, "layers.m1.linear.bias");
    ck_assert_ptr_null(weld_model_find_naming(&config, "official", &err));
    ck_assert_str_eq(err.message, "names 'official': toy has own, timm, third");
    ck_assert_str_eq(weld_naming_list(text, sizeof text), "official, timm, own or third");
    ck_assert(weld_naming_is_known("third") && !weld_naming_is_known("keras"));
}
END_TEST

START_TEST(it_is_built_and_counted) {
    weld_graph *g;
    weld_error err;
    const weld_model_config config = named("toy_4");
    ck_assert_msg(!weld_model_build(&config, true, 2, 8, 8, WELD_F32, &g, &err), "%s", err.message);
    ck_assert_int_eq(weld_graph_counts(g).parameters, 4 * 27 + 4 + 1000 * 5);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("models/family", values_are_set_and_read_by_key, files_have_all_values_and_no_other,
          a_recipe_has_the_keys_of_its_network, tensors_tell_the_family_and_its_naming,
          namings_are_found_by_name, it_is_built_and_counted)
