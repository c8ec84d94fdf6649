#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/reparameterize.h"
#include "suite.h"
#include "repvit_config.h"

/* The parameters and buffers of a network under the names of a file. */
typedef struct listing {
    weld_named_shape *tensors;
    char (*names)[WELD_TENSOR_NAME_SIZE];
    size_t count;
} listing;

static void add(listing *l, const char *name, weld_shape shape) {
    snprintf(l->names[l->count], sizeof *l->names, "%s", name);
    l->tensors[l->count] = (weld_named_shape){l->names[l->count], shape};
    l->count++;
}

static listing empty_listing(size_t room) {
    listing l = {.tensors = weld_alloc(room, sizeof *l.tensors),
                 .names = weld_alloc(room, sizeof *l.names)};
    ck_assert(l.tensors && l.names);
    return l;
}

/* By the naming's name. */
static weld_status tensor_name(const weld_model_config *config, const char *naming,
                               const char *name, char out[WELD_TENSOR_NAME_SIZE], weld_error *err) {
    const weld_naming *found = weld_model_find_naming(config, naming, err);
    ck_assert_ptr_nonnull(found);
    return weld_model_tensor_name(config, found, name, out, err);
}

static listing list(const weld_graph *g, const weld_model_config *config, const char *naming) {
    listing l = empty_listing(g->value_count + 8);
    weld_error err;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        char name[WELD_TENSOR_NAME_SIZE];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            ck_assert_msg(tensor_name(config, naming, v->name, name, &err) == WELD_OK, "%s",
                          err.message);
            add(&l, name, v->shape);
        }
    }
    return l;
}

static void free_listing(listing *l) {
    weld_free(l->tensors);
    weld_free(l->names);
}

static weld_status recognize(const listing *l, weld_recognized *out, weld_error *err) {
    weld_shape_index index;
    ck_assert_int_eq(weld_shape_index_create(l->tensors, l->count, &index, err), WELD_OK);
    for (size_t i = 1; i < index.count; i++) {
        ck_assert_str_ne(index.sorted[i - 1]->name, index.sorted[i]->name);
    }
    weld_status status = weld_model_recognize(&index, NULL, out, err);
    weld_shape_index_free(&index);
    return status;
}

static weld_graph *built(const weld_model_config *config, bool training) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(config, training, 1, 32, 32, WELD_F32, &g, &err) == WELD_OK,
                  "%s", err.message);
    return g;
}

static weld_graph *merged(const weld_model_config *config) {
    weld_graph *g = built(config, false), *out;
    weld_weights *w, *merged_weights;
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
    ck_assert_int_eq(weld_reparameterize(g, w, &out, &merged_weights, NULL), WELD_OK);
    weld_graph_free(g);
    weld_weights_free(w);
    weld_weights_free(merged_weights);
    return out;
}

/* Both namings of the graph's leaves must lead back to the configuration, called `name`. */
static void check_recognized(const weld_graph *g, const weld_model_config *config, const char *name,
                             bool is_merged) {
    static const char *const namings[] = {"official", "timm"};
    for (int i = 0; i < 2; i++) {
        listing l = list(g, config, namings[i]);
        weld_recognized r;
        weld_error err;
        ck_assert_msg(recognize(&l, &r, &err) == WELD_OK, "%s: %s", config->name, err.message);
        ck_assert_str_eq(r.naming->name, namings[i]);
        ck_assert_int_eq(r.merged, is_merged);
        ck_assert_str_eq(r.config.name, name);
        ck_assert_int_eq(r.config.num_classes, config->num_classes);
        ck_assert_ptr_null(weld_model_difference(&r.config, config, WELD_KEY_SIZE));
        ck_assert_int_eq(value_of(&r.config, "legacy"), value_of(config, "legacy") && !is_merged);
        ck_assert_int_eq(value_of(&r.config, "distillation_head"),
                         value_of(config, "distillation_head") && !is_merged);
        ck_assert_int_eq(value_of(&r.config, "stem_stride"), 4);
        free_listing(&l);
    }
}

/* The variant's name, in each layout, by channels and depths. */
static const char *const names[][3] = {
    {"repvit_m0_6", "repvit_m0_6", "repvit_m0_6"}, {"repvit_m0_9", "repvit_m0_9", "repvit_m1"},
    {"repvit_m1_0", "repvit_m1_0", "repvit_m1_0"}, {"repvit_m1_1", "repvit_m1_1", "repvit_m2"},
    {"repvit_m1_5", "repvit_m1_5", "repvit_m1_5"}, {"repvit_m2_3", "repvit_m2_3", "repvit_m2_3"},
    {"repvit_m1", "repvit_m0_9", "repvit_m1"},     {"repvit_m2", "repvit_m1_1", "repvit_m2"},
    {"repvit_m3", "repvit_m3", "repvit_m3"},
};

START_TEST(every_variant_is_recognised_by_names_and_shapes) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int legacy = 0; legacy < 2; legacy++) {
            weld_model_config config;
            ck_assert_int_eq(weld_model_config_named(names[i][0], &config, NULL), WELD_OK);
            set_flag(&config, "legacy", legacy);
            set_flag(&config, "distillation_head", i % 2 == (size_t)legacy);
            weld_graph *g = built(&config, true);
            check_recognized(g, &config, names[i][1 + legacy], false);
            weld_graph_free(g);
        }
    }
}
END_TEST

static weld_model_config small(int stages, bool legacy, bool distillation) {
    static const char *const channels[] = {"8",   ", 24", ", 16", ", 16",
                                           ", 8", ", 8",  ", 10", ", 12"};
    static const char *const depths[] = {"2", ", 1", ", 3", ", 1", ", 1", ", 2", ", 1", ", 12"};
    char lists[2][64] = {"", ""};
    for (int i = 0; i < stages; i++) {
        strcat(lists[0], channels[i]);
        strcat(lists[1], depths[i]);
    }
    return repvit_config(7, lists[0], lists[1], 4, legacy, distillation);
}

START_TEST(networks_of_any_size_are_recognised_in_both_forms) {
    for (int i = 0; i < 4 * WELD_MAX_STAGES; i++) {
        weld_model_config config = small(1 + i / 4, i & 1, i & 2);
        weld_graph *g = built(&config, true);
        check_recognized(g, &config, "repvit", false);
        weld_graph_free(g);
        g = merged(&config);
        check_recognized(g, &config, "repvit", true);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(a_merged_variant_has_the_name_of_the_current_one) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named("repvit_m1", &config, NULL), WELD_OK);
    config.num_classes = 3;
    weld_graph *g = merged(&config);
    check_recognized(g, &config, "repvit_m0_9", true);
    weld_graph_free(g);
}
END_TEST

START_TEST(names_are_those_of_the_reference_and_of_timm) {
    /* features: 0 stem; 1, 2 stage 0; 3 before and 4 down; 5 stage 1; 6, 7; 8, 9, 10 stage 2 */
    static const char *const pairs[][2] = {
        {"features.0.0.c.weight", "stem.conv1.c.weight"},
        {"features.0.2.bn.running_var", "stem.conv2.bn.running_var"},
        {"features.1.token_mixer.0.conv.c.weight", "stages.0.blocks.0.token_mixer.conv.c.weight"},
        {"features.2.token_mixer.0.conv1.bias", "stages.0.blocks.1.token_mixer.conv1.bias"},
        {"features.1.token_mixer.0.bn.weight", "stages.0.blocks.0.token_mixer.bn.weight"},
        {"features.1.token_mixer.0.conv1.bn.bias", "stages.0.blocks.0.token_mixer.conv1.bn.bias"},
        {"features.1.token_mixer.1.fc2.bias", "stages.0.blocks.0.se.fc2.bias"},
        {"features.3.token_mixer.0.conv.bn.bias",
         "stages.1.downsample.pre_block.token_mixer.conv.bn.bias"},
        {"features.3.channel_mixer.m.2.bn.num_batches_tracked",
         "stages.1.downsample.pre_block.channel_mixer.conv2.bn.num_batches_tracked"},
        {"features.4.token_mixer.0.c.weight", "stages.1.downsample.spatial_downsample.c.weight"},
        {"features.4.token_mixer.2.bn.weight", "stages.1.downsample.channel_downsample.bn.weight"},
        {"features.4.channel_mixer.m.0.c.weight", "stages.1.downsample.ffn.conv1.c.weight"},
        {"features.7.channel_mixer.m.2.bn.bias", "stages.2.downsample.ffn.conv2.bn.bias"},
        {"features.10.channel_mixer.m.0.bn.bias", "stages.2.blocks.2.channel_mixer.conv1.bn.bias"},
        {"classifier.classifier.bn.weight", "head.head.bn.weight"},
        {"classifier.classifier_dist.l.bias", "head.head_dist.l.bias"},
        /* merged */
        {"features.0.0.bias", "stem.conv1.bias"},
        {"features.10.token_mixer.0.weight", "stages.2.blocks.2.token_mixer.weight"},
        {"features.4.token_mixer.2.bias", "stages.1.downsample.channel_downsample.bias"},
        {"features.3.channel_mixer.m.0.weight",
         "stages.1.downsample.pre_block.channel_mixer.conv1.weight"},
        {"classifier.weight", "head.weight"},
    };
    weld_model_config config = small(3, false, true);
    char name[WELD_TENSOR_NAME_SIZE];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        for (int naming = 0; naming < 2; naming++) {
            ck_assert_int_eq(
                tensor_name(&config, naming ? "timm" : "official", pairs[i][0], name, NULL),
                WELD_OK);
            ck_assert_str_eq(name, pairs[i][naming]);
        }
    }
    /* What merging calls a single head. */
    ck_assert_int_eq(tensor_name(&config, "official", "classifier.classifier.bias", name, NULL),
                     WELD_OK);
    ck_assert_str_eq(name, "classifier.bias");
}
END_TEST

START_TEST(names_of_no_tensor_are_refused) {
    char long_name[2 * WELD_TENSOR_NAME_SIZE];
    snprintf(long_name, sizeof long_name, "features.1.token_mixer.0.%0200d", 0);
    const char *const bad[] = {
        "",
        "features",
        "features.",
        "features.1",
        "features.-1.token_mixer.0.weight",
        "features.11.token_mixer.0.weight",
        "features.99999999999999999999.token_mixer.0.weight",
        "features.1.token_mixer.00.weight",
        "features.4.token_mixer.1.fc1.weight",
        "classifier.classifier",
        "head.head.l.weight",
        long_name,
    };
    weld_model_config config = small(3, false, true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char name[WELD_TENSOR_NAME_SIZE];
        weld_error err;
        ck_assert_msg(tensor_name(&config, "timm", bad[i], name, &err) == WELD_ERROR_NOT_FOUND,
                      "%s -> %s", bad[i], name);
    }
}
END_TEST

/* Recognition fails with a message that has `pattern`. */
static void check_refused(const listing *l, const char *pattern) {
    weld_recognized r;
    weld_error err = {0};
    ck_assert_int_ne(recognize(l, &r, &err), WELD_OK);
    ck_assert_msg(strstr(err.message, pattern) != NULL, "%s", err.message);
}

START_TEST(tensors_of_other_networks_are_refused) {
    weld_model_config config = small(2, false, false);
    weld_graph *g = built(&config, true);
    listing l = empty_listing(4);
    check_refused(&l, "its 0 tensors () are of no network that is known (repvit, ");
    add(&l, "conv1.weight", WELD_SHAPE(64, 3, 7, 7));
    check_refused(&l, "its 1 tensors (conv1.weight) are of no network");
    free_listing(&l);

    l = list(g, &config, "timm"); /* the head comes last */
    l.count -= 2;
    weld_recognized r; /* a backbone: whether it will do is for the caller to say */
    ck_assert_int_eq(recognize(&l, &r, NULL), WELD_OK);
    ck_assert(r.headless);
    free_listing(&l);
    weld_graph_free(g);
}
END_TEST

/* The listing with another shape for one tensor. */
static void check_shape(const weld_graph *g, const weld_model_config *config, const char *name,
                        weld_shape shape, const char *pattern) {
    listing l = list(g, config, "official");
    for (size_t i = 0; i < l.count; i++) {
        if (strcmp(l.tensors[i].name, name) == 0) {
            l.tensors[i].shape = shape;
        }
    }
    check_refused(&l, pattern);
    free_listing(&l);
}

START_TEST(shapes_without_sense_are_refused) {
    weld_model_config config = small(2, false, false);
    weld_graph *g = built(&config, true);
    const char *stem = "features.0.2.c.weight", *head = "classifier.classifier.l.weight";
    const char *down = "features.4.token_mixer.2.c.weight";
    check_shape(g, &config, stem, (weld_shape){.rank = 0}, stem);
    check_shape(g, &config, stem, WELD_SHAPE(0, 4, 3, 3), stem);
    check_shape(g, &config, stem, WELD_SHAPE(7, 4, 3, 3), "even");
    check_shape(g, &config, stem, WELD_SHAPE((int64_t)1 << 40, 4, 3, 3), stem);
    check_shape(g, &config, down, WELD_SHAPE(1 << 19, 8, 1, 1), "channels[1]");
    check_shape(g, &config, down, WELD_SHAPE(-3, 8, 1, 1), down);
    check_shape(g, &config, head, WELD_SHAPE(5, 24, 1, 1), head);
    check_shape(g, &config, head, WELD_SHAPE((int64_t)1 << 62, 24), head);
    weld_graph_free(g);
}
END_TEST

START_TEST(endless_networks_are_refused) {
    enum { BLOCKS = 5000, STAGES = 20 };
    char name[WELD_TENSOR_NAME_SIZE];
    listing l = empty_listing(BLOCKS + 2);
    add(&l, "features.0.2.weight", WELD_SHAPE(8, 4, 3, 3));
    add(&l, "classifier.weight", WELD_SHAPE(5, 8));
    for (int i = 1; i <= BLOCKS; i++) {
        snprintf(name, sizeof name, "features.%d.channel_mixer.m.0.weight", i);
        add(&l, name, WELD_SHAPE(16, 8, 1, 1));
    }
    check_refused(&l, "blocks or more");
    l.count = 200;
    check_refused(&l, "too few");
    free_listing(&l);

    l = empty_listing(2 * STAGES + 2);
    add(&l, "stem.conv2.weight", WELD_SHAPE(8, 4, 3, 3));
    for (int i = 0; i < STAGES; i++) {
        snprintf(name, sizeof name, "stages.%d.blocks.0.channel_mixer.conv1.weight", i);
        add(&l, name, WELD_SHAPE(16, 8, 1, 1));
        snprintf(name, sizeof name, "stages.%d.downsample.channel_downsample.weight", i);
        add(&l, name, WELD_SHAPE(8, 8, 1, 1));
    }
    check_refused(&l, "stages");
    free_listing(&l);
}
END_TEST

START_TEST(a_variant_fits_by_channels_and_depths) {
    weld_model_config config;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named("repvit_m1_0", &config, NULL), WELD_OK);
    set_flag(&config, "legacy", true);
    ck_assert_int_eq(weld_model_check_variant(&config, "repvit_m1_0", &err), WELD_OK);
    ck_assert_int_eq(weld_model_check_variant(&config, "repvit", &err), WELD_OK);
    ck_assert_int_eq(weld_model_check_variant(&config, "repvit_m0_9", &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "repvit_m1_0 (56 112 224 448; 2 2 14 2)") != NULL, "%s",
                  err.message);
    ck_assert_int_eq(weld_model_check_variant(&config, "resnet50", &err), WELD_ERROR_NOT_FOUND);
}
END_TEST

RUN_SUITE("models/names", every_variant_is_recognised_by_names_and_shapes,
          networks_of_any_size_are_recognised_in_both_forms,
          a_merged_variant_has_the_name_of_the_current_one,
          names_are_those_of_the_reference_and_of_timm, names_of_no_tensor_are_refused,
          tensors_of_other_networks_are_refused, shapes_without_sense_are_refused,
          endless_networks_are_refused, a_variant_fits_by_channels_and_depths)
