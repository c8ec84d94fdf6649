#include <string.h>

#include "fixture.h"
#include "graph/graph.h"
#include "models/models.h"
#include "models/regnety.h"
#include "ops/ops.h"
#include "passes/reparameterize.h"
#include "suite.h"

static weld_model_config named(const char *name) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
    return config;
}

static weld_graph *built(const weld_model_config *config, weld_build_mode mode) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build_as(config, mode, 2, 64, 64, WELD_F32, &g, &err), "%s",
                  err.message);
    return g;
}

/* The table of the sixteen gigaflop network: blocks, width and groups of each stage. */
START_TEST(widths_and_groups_are_the_published_ones) {
    static const int width[] = {224, 448, 1232, 3024}, blocks[] = {2, 4, 11, 1};
    weld_model_config config = named("regnety_160");
    weld_graph *g = built(&config, (weld_build_mode){0});
    for (int s = 0; s < 4; s++) {
        char name[64];
        snprintf(name, sizeof name, "s%d.b%d.conv2.conv.weight", s + 1, blocks[s]);
        const weld_value *weight = weld_graph_find_leaf(g, name);
        ck_assert_msg(weight != NULL, "%s", name);
        ck_assert_int_eq(weight->shape.dim[0], width[s]);
        ck_assert_int_eq(weight->shape.dim[1], 112);
        snprintf(name, sizeof name, "s%d.b%d.conv2.conv.weight", s + 1, blocks[s] + 1);
        ck_assert_ptr_null(weld_graph_find_leaf(g, name));
    }
    weld_graph_free(g);
}
END_TEST

START_TEST(merging_leaves_its_convolutions_and_no_batch_norm) {
    weld_model_config config = named("regnety_160");
    weld_graph *g = built(&config, (weld_build_mode){0}), *merged;
    ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    /* stem; 18 blocks of three and two in the squeeze; four shortcuts */
    ck_assert_int_eq(weld_graph_counts(merged).convolutions, 1 + 18 * 5 + 4);
    ck_assert_int_eq(weld_graph_counts(merged).tensors, 2 * (1 + 18 * 5 + 4 + 1));
    weld_graph_free(g);
    weld_graph_free(merged);
}
END_TEST

START_TEST(tensors_have_the_names_of_each_program) {
    static const char *const names[][4] = {
        {"stem.conv.weight", "stem.conv.weight", "stem.0.weight", "stem.conv.weight"},
        {"stem.bn.running_var", "stem.bn.running_var", "stem.1.running_var", "stem.bn.running_var"},
        {"s1.b1.conv1.conv.weight", "s1.b1.conv1.conv.weight",
         "trunk_output.block1.block1-0.f.a.0.weight", "s1.b1.f.a.weight"},
        {"s3.b11.conv2.bn.bias", "s3.b11.conv2.bn.bias", "trunk_output.block3.block3-10.f.b.1.bias",
         "s3.b11.f.b_bn.bias"},
        {"s2.b4.se.fc2.bias", "s2.b4.se.fc2.bias", "trunk_output.block2.block2-3.f.se.fc2.bias",
         "s2.b4.f.se.f_ex.2.bias"},
        {"s4.b1.downsample.bn.weight", "s4.b1.downsample.bn.weight",
         "trunk_output.block4.block4-0.proj.1.weight", "s4.b1.bn.weight"},
        {"s4.b1.conv3.bias", "s4.b1.conv3.bias", "trunk_output.block4.block4-0.f.c.bias",
         "s4.b1.f.c.bias"},
        {"head.fc.weight", "head.fc.weight", "fc.weight", "head.fc.weight"},
    };
    static const char *const namings[] = {"timm", "torchvision", "pycls"};
    char name[WELD_TENSOR_NAME_SIZE];
    weld_model_config config = named("regnety_160");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int n = 0; n < 3; n++) {
            const weld_naming *naming = weld_model_find_naming(&config, namings[n], NULL);
            ck_assert_int_eq(weld_model_tensor_name(&config, naming, names[i][0], name, NULL), 0);
            ck_assert_str_eq(name, names[i][1 + n]);
        }
    }
    static const char *const unknown[] = {
        "s1.b1.conv1.conv1.weight", "s1.b01.conv1.weight",           "s1.bx.conv1.weight", "stem",
        "stem.conv.x.weight",       "s1.b1.conv1.conv.weight.weight"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        ck_assert_int_eq(weld_model_tensor_name(&config,
                                                weld_model_find_naming(&config, NULL, NULL),
                                                unknown[i], name, NULL),
                         WELD_ERROR_NOT_FOUND);
    }
}
END_TEST

START_TEST(residual_branches_are_left_out_more_often_the_deeper_they_are) {
    weld_model_config config = named("regnety_002");
    weld_graph *g =
        built(&config, (weld_build_mode){.training = true, .drop_path = 0.3, .dropout = 0.2});
    int branch = 0, dropouts = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op == &weld_op_stochastic_depth) {
            branch++; /* the first block's is never left out */
            ck_assert_double_eq_tol(g->nodes[i]->attributes.probability, 0.3 * branch / 12, 1e-12);
        }
        dropouts += g->nodes[i]->op == &weld_op_dropout;
    }
    ck_assert_int_eq(branch, 12);
    ck_assert_int_eq(dropouts, 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(every_tensor_has_its_place) {
    static const struct {
        const char *name;
        int part, layer;
        bool per_class;
    } places[] = {{"stem.bn.weight", 0, 0, false},      {"s1.b1.conv1.conv.weight", 1, 1, false},
                  {"s2.b1.downsample.bn", 2, 3, false}, {"s3.b11.se.fc1.bias", 3, 17, false},
                  {"s4.b1.conv3.weight", 4, 18, false}, {"head.fc.bias", 5, 19, true}};
    weld_model_config config = named("regnety_160");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        weld_model_place p = weld_model_place_of(&config, places[i].name);
        ck_assert_msg(p.part == places[i].part && p.layer == places[i].layer &&
                          p.per_class == places[i].per_class,
                      "%s: part %d layer %d", places[i].name, p.part, p.layer);
    }
}
END_TEST

static void expect_refusal(const char *const values[][2], const char *reason) {
    weld_model_config config = family_case_config(&family_cases[0]);
    weld_graph *g;
    weld_error err;
    for (int i = 0; i < 2; i++) {
        set_value(&config, values[i][0], values[i][1]);
    }
    ck_assert_int_eq(weld_model_build(&config, false, 1, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, reason) != NULL, "'%s' lacks '%s'", err.message, reason);
}

START_TEST(values_that_make_no_network_are_refused) {
    expect_refusal((const char *const[][2]){{"w0", "12"}, {"depth", "1"}},
                   "w0 is 12: it must be a multiple of 8");
    expect_refusal((const char *const[][2]){{"depth", "200"}, {"wa", "5"}},
                   "wm is 1.6: with this depth and wa that makes more than 8 stages");
    expect_refusal((const char *const[][2]){{"w0", "4096"}, {"wa", "4000"}},
                   "wm is 1.6: with this w0, wa and depth the last block would have more than");
}
END_TEST

RUN_SUITE("models/regnety", widths_and_groups_are_the_published_ones,
          merging_leaves_its_convolutions_and_no_batch_norm, tensors_have_the_names_of_each_program,
          residual_branches_are_left_out_more_often_the_deeper_they_are, every_tensor_has_its_place,
          values_that_make_no_network_are_refused)
