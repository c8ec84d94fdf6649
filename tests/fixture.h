/* Reading the .fixture files of tests/fixtures: named tensors in order (see README.md there). */
#ifndef WELD_TESTS_FIXTURE_H
#define WELD_TESTS_FIXTURE_H

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "weld/model.h"
#include "repvit_config.h"

static inline FILE *fixture_open(const char *file) {
    const char *folder = getenv("WELD_FIXTURES");
    char path[PATH_MAX];
    ck_assert_ptr_nonnull(folder);
    ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s", folder, file), PATH_MAX);
    FILE *in = fopen(path, "rb");
    ck_assert_msg(in != NULL, "cannot open %s", path);
    return in;
}

/* All tensors of a file; free with weld_weights_free. */
static inline weld_weights *fixture_load(const char *file) {
    weld_weights *w;
    weld_error err;
    char line[512];
    FILE *in = fixture_open(file);
    ck_assert_int_eq(weld_weights_create(&w, &err), WELD_OK);
    while (fgets(line, sizeof line, in) && line[0] != '\n') {
        char *rest = NULL;
        const char *name = strtok_r(line, " \n", &rest), *type = strtok_r(NULL, " \n", &rest);
        weld_shape shape = {0};
        for (const char *dim; (dim = strtok_r(NULL, " \n", &rest));) {
            ck_assert_int_lt(shape.rank, WELD_MAX_DIMS);
            shape.dim[shape.rank++] = atoll(dim);
        }
        ck_assert(name && type);
        weld_dtype dtype = strcmp(type, "i64") == 0 ? WELD_I64 : WELD_F32;
        ck_assert_msg(weld_weights_add(w, name, dtype, &shape, NULL, &err) == WELD_OK, "%s",
                      err.message);
    }
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        size_t count = (size_t)weld_shape_count(&t.shape);
        ck_assert_uint_eq(fread(t.data, weld_dtype_size(t.dtype), count, in), count);
    }
    ck_assert_int_eq(fgetc(in), EOF);
    fclose(in);
    return w;
}

/* The tensor called prefix + name, which must be there. */
static inline weld_tensor fixture_tensor(const weld_weights *fixture, const char *prefix,
                                         const char *name) {
    char full[256];
    weld_tensor t;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    ck_assert_msg(weld_weights_find(fixture, full, &t), "the fixture has no %s", full);
    return t;
}

static inline weld_model_config fixture_config(const weld_weights *fixture) {
    const int64_t *value = fixture_tensor(fixture, "", "config").data;
    char lists[2][64] = {"", ""}; /* channels, depths */
    for (int64_t i = 0; i < 2 * value[4]; i++) {
        char *list = lists[i / value[4]];
        size_t used = strlen(list);
        snprintf(list + used, sizeof lists[0] - used, used ? ", %d" : "%d", (int)value[5 + i]);
    }
    return repvit_config((int)value[0], lists[0], lists[1], (int)value[1], value[2] != 0,
                         value[3] != 0);
}

/* A small network of a family, as scripts/make_family_fixtures has it in PyTorch. The fixture is
 * "family_NAME.fixture", and "variants_NAME.txt" says what the family's variants are made of. */
typedef struct family_case {
    const char *name;
    const char *values[12][2]; /* by key */
    bool stated; /* its files must say what they are of: other networks have such tensors */
    bool attends;
} family_case;

static const family_case family_cases[] = {
    {"regnety",
     {{"depth", "5"},
      {"w0", "8"},
      {"wa", "5"},
      {"wm", "1.6"},
      {"group_width", "6"},
      {"group_min_ratio", "0"},
      {"se_ratio", "0.25"},
      {"stem_width", "10"},
      {"stem_stride", "1"}}},
    {"mobilenetv3",
     {{"channels", "8, 6, 8, 6, 10"},
      {"depths", "1, 2, 1, 1, 1"},
      {"stem_channels", "8"},
      {"head_channels", "20, 16"},
      {"stem_stride", "1"}}},
    {"mobilenetv3_repvit",
     {{"channels", "6, 8, 10, 12"},
      {"late_channels", "14"},
      {"depths", "1, 1, 3, 1"},
      {"kernels", "3, 5, 3, 5"},
      {"block", "repvit"},
      {"expansion", "2"},
      {"downsampling", "deep"},
      {"head_channels", "24, 20"},
      {"stem_stride", "1"}},
     .stated = true},
    {"repvgg",
     {{"channels", "8, 16"},
      {"depths", "2, 3"},
      {"stem_channels", "8"},
      {"groups", "2"},
      {"stem_stride", "1"}}},
    {"mobileone",
     {{"channels", "8, 16, 24"},
      {"depths", "1, 2, 2"},
      {"se_layers", "0, 0, 1"},
      {"stem_channels", "8"},
      {"branches", "3"},
      {"stem_stride", "1"}}},
    {"mobilevit",
     {{"channels", "4, 8, 8, 8, 8, 8"},
      {"transformer_channels", "8, 12, 8"},
      {"depths", "1, 2, 1"},
      {"expansion", "2"},
      {"stem_stride", "1"},
      {"hidden_dropout", "0"}},
     .attends = true},
    {"cmt",
     {{"stem_channels", "4"},
      {"head_channels", "16"},
      {"channels", "4, 4, 8, 8"},
      {"depths", "1, 1, 2, 1"},
      {"mlp_ratio", "2.3"},
      {"stem_stride", "1"}},
     .attends = true},
};
enum { FAMILY_CASES = sizeof family_cases / sizeof *family_cases };

static inline weld_model_config family_case_config(const family_case *f) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named(f->name, &config, NULL), WELD_OK);
    config.num_classes = 5;
    for (size_t i = 0; i < 12 && f->values[i][0]; i++) {
        set_value(&config, f->values[i][0], f->values[i][1]);
    }
    return config;
}

static inline weld_weights *family_case_load(const family_case *f) {
    char file[64];
    snprintf(file, sizeof file, "family_%s.fixture", f->name);
    return fixture_load(file);
}

static inline void fixture_copy(weld_tensor to, weld_tensor from) {
    ck_assert_ptr_nonnull(to.data);
    ck_assert_int_eq(to.dtype, from.dtype);
    ck_assert(weld_shape_equal(&to.shape, &from.shape));
    memcpy(to.data, from.data, weld_tensor_bytes(&to));
}

/* Weights for g: each leaf has the values of the tensor called prefix + its name. */
static inline weld_weights *fixture_weights(const weld_weights *fixture, const char *prefix,
                                            const weld_graph *g) {
    weld_weights *w;
    weld_error err;
    ck_assert_msg(weld_graph_init_weights(g, 0, &w, &err) == WELD_OK, "%s", err.message);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        fixture_copy(weld_weights_tensor(w, i),
                     fixture_tensor(fixture, prefix, weld_weights_name(w, i)));
    }
    return w;
}

#endif
