#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "fixture.h"
#include "graph/graph.h"
#include "models/models.h"
#include "ops/ops.h"
#include "passes/reparameterize.h"
#include "models/places.h"
#include "suite.h"

static weld_model_config named(const char *name) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
    return config;
}

static weld_graph *built(const weld_model_config *config, weld_build_mode mode, int64_t batch,
                         int64_t height, int64_t width) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build_as(config, mode, batch, height, width, WELD_F32, &g, &err),
                  "%s", err.message);
    return g;
}

/* Of timm's networks by hooks, at 256: convolutions and linear layers, and the two products of
 * attention. */
START_TEST(variants_have_the_published_counts) {
    static const struct {
        const char *name;
        int64_t parameters, macs, attention;
    } expected[] = {{"mobilevit_xxs", 1272024, 195166208 + 134013440, 78184448},
                    {"mobilevit_xs", 2317848, 607440896 + 301194240, 117276672},
                    {"mobilevit_s", 5578632, 1092354048 + 730842112, 177635328}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        weld_model_config config = named(expected[i].name);
        weld_graph *g = built(&config, (weld_build_mode){0}, 3, 256, 256);
        weld_model_counts counts = weld_graph_counts(g);
        ck_assert_int_eq(counts.parameters, expected[i].parameters);
        ck_assert_int_eq(counts.macs, expected[i].macs);
        ck_assert_int_eq(counts.attention_macs, expected[i].attention);
        ck_assert_int_eq(counts.tensors, 311);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(any_size_of_images_is_taken) {
    weld_model_config config = named("mobilevit_xxs");
    static const int sizes[][2] = {{33, 70}, {1, 1}, {224, 100}, {160, 288}};
    for (int i = 0; i < 4; i++) {
        weld_graph *g =
            built(&config, (weld_build_mode){.training = true}, 2, sizes[i][0], sizes[i][1]);
        ck_assert_int_eq(weld_graph_output(g, "logits")->shape.dim[0], 2);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(tensors_have_the_names_of_each_program) {
    static const char *const names[][2] = {
        {"stem.conv.weight", "conv_1.block.conv.weight"},
        {"stem.bias", "conv_1.block.bias"}, /* merged */
        {"stages.0.0.conv1_1x1.bn.running_mean", "layer_1.0.block.exp_1x1.block.norm.running_mean"},
        {"stages.1.2.conv2_kxk.conv.weight", "layer_2.2.block.conv_3x3.block.conv.weight"},
        {"stages.4.0.conv3_1x1.bn.bias", "layer_5.0.block.red_1x1.block.norm.bias"},
        {"stages.2.1.conv_kxk.conv.weight", "layer_3.1.local_rep.conv_3x3.block.conv.weight"},
        {"stages.2.1.conv_1x1.weight", "layer_3.1.local_rep.conv_1x1.block.conv.weight"},
        {"stages.3.1.transformer.3.norm1.weight", "layer_4.1.global_rep.3.pre_norm_mha.0.weight"},
        {"stages.3.1.transformer.0.attn.qkv.bias",
         "layer_4.1.global_rep.0.pre_norm_mha.1.qkv_proj.bias"},
        {"stages.3.1.transformer.0.attn.proj.weight",
         "layer_4.1.global_rep.0.pre_norm_mha.1.out_proj.weight"},
        {"stages.3.1.transformer.1.norm2.bias", "layer_4.1.global_rep.1.pre_norm_ffn.0.bias"},
        {"stages.3.1.transformer.1.mlp.fc1.weight", "layer_4.1.global_rep.1.pre_norm_ffn.1.weight"},
        {"stages.3.1.transformer.1.mlp.fc2.weight", "layer_4.1.global_rep.1.pre_norm_ffn.4.weight"},
        {"stages.2.1.norm.weight", "layer_3.1.global_rep.2.weight"},
        {"stages.3.1.norm.bias", "layer_4.1.global_rep.4.bias"},
        {"stages.4.1.conv_proj.bn.weight", "layer_5.1.conv_proj.block.norm.weight"},
        {"stages.4.1.conv_fusion.conv.weight", "layer_5.1.fusion.block.conv.weight"},
        {"final_conv.bn.weight", "conv_1x1_exp.block.norm.weight"},
        {"head.fc.bias", "classifier.fc.bias"},
    };
    char name[WELD_TENSOR_NAME_SIZE];
    weld_model_config config = named("mobilevit_s");
    const weld_naming *cvnets = weld_model_find_naming(&config, "cvnets", NULL);
    const weld_naming *timm = weld_model_find_naming(&config, "timm", NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(weld_model_tensor_name(&config, cvnets, names[i][0], name, NULL), WELD_OK);
        ck_assert_str_eq(name, names[i][1]);
        ck_assert_int_eq(weld_model_tensor_name(&config, timm, names[i][0], name, NULL), WELD_OK);
        ck_assert_str_eq(name, names[i][0]);
    }
    ck_assert_int_eq(weld_model_tensor_name(&config, cvnets, "stages.0.0.conv9.weight", name, NULL),
                     WELD_ERROR_NOT_FOUND);
}
END_TEST

START_TEST(every_tensor_has_its_place) {
    static const expected_place places[] = {
        {"stem.bn.weight", 0, 0, false},
        {"stages.0.0.conv1_1x1.conv.weight", 1, 1, false},
        {"stages.1.2.conv3_1x1.weight", 2, 4, false},
        {"stages.2.0.conv1_1x1.conv.weight", 3, 5, false},
        {"stages.2.1.transformer.1.norm1.bias", 3, 6, false},
        {"stages.4.1.conv_fusion.weight", 5, 10, false},
        {"final_conv.conv.weight", 6, 11, false},
        {"head.fc.bias", 6, 11, true},
        {"stages.77.1.norm.weight", 6, 11, false}}; /* of another's file */
    weld_model_config config = named("mobilevit_s");
    expect_places(&config, places, sizeof places / sizeof *places);
}
END_TEST

START_TEST(what_transformers_add_is_left_out_by_its_own_rate) {
    static const struct {
        const char *name;
        double rate;
    } variants[] = {{"mobilevit_xxs", 0.05}, {"mobilevit_s", 0.1}};
    for (int i = 0; i < 2; i++) {
        weld_model_config config = named(variants[i].name);
        weld_build_mode mode = {.training = true, .dropout = 0.3, .drop_path = 0.2};
        weld_graph *g = built(&config, mode, 2, 64, 64);
        int hidden = 0, features = 0, paths = 0;
        for (size_t n = 0; n < g->node_count; n++) {
            const weld_node *node = g->nodes[n];
            const double rate = node->attributes.probability;
            hidden += node->op == &weld_op_dropout && rate == variants[i].rate;
            features += node->op == &weld_op_dropout && rate == 0.3;
            paths += node->op == &weld_op_stochastic_depth;
        }
        ck_assert_int_eq(hidden, 2 * (2 + 4 + 3));
        ck_assert_int_eq(features, 1);
        ck_assert_int_eq(paths, 2 + 2 * (2 + 4 + 3)); /* the first block is never passed by */
        weld_graph_free(g);
    }
}
END_TEST

/* The parameters and buffers of a graph by the names of a file. */
static void expect_seen(const weld_graph *g, const weld_model_config *config,
                        const weld_naming *naming, bool merged) {
    weld_named_shape *tensors = weld_alloc(g->value_count, sizeof *tensors);
    char(*names)[WELD_TENSOR_NAME_SIZE] = weld_alloc(g->value_count, sizeof *names);
    weld_shape_index index;
    weld_recognized r;
    weld_error err;
    size_t count = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            ck_assert_int_eq(weld_model_tensor_name(config, naming, v->name, names[count], NULL),
                             0);
            tensors[count] = (weld_named_shape){names[count], v->shape};
            count++;
        }
    }
    ck_assert_int_eq(weld_shape_index_create(tensors, count, &index, &err), WELD_OK);
    ck_assert_msg(!weld_model_recognize(&index, NULL, &r, &err), "%s", err.message);
    ck_assert_str_eq(r.config.name, "mobilevit");
    ck_assert_ptr_null(weld_model_difference(&r.config, config, WELD_KEY_SIZE));
    ck_assert_int_eq(r.config.num_classes, 7);
    ck_assert_ptr_eq(r.naming, naming);
    ck_assert_int_eq(r.merged, merged);
    weld_shape_index_free(&index);
    weld_free(tensors);
    weld_free(names);
}

START_TEST(sizes_of_no_variant_show_in_the_tensors) {
    weld_model_config config = named("mobilevit");
    set_value(&config, "channels", "8, 16, 24, 24, 40, 56");
    set_value(&config, "transformer_channels", "24, 32, 36");
    set_value(&config, "depths", "1, 3, 2");
    set_value(&config, "expansion", "3");
    config.num_classes = 7;
    weld_graph *g = built(&config, (weld_build_mode){0}, 1, 64, 64), *merged;
    ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    for (int i = 0; i < 2; i++) {
        const weld_naming *naming = weld_model_find_naming(&config, i ? "cvnets" : "timm", NULL);
        expect_seen(g, &config, naming, false);
        expect_seen(merged, &config, naming, true);
    }
    weld_graph_free(merged);
    weld_graph_free(g);
}
END_TEST

START_TEST(widths_that_heads_do_not_share_are_refused) {
    weld_model_config config = named("mobilevit_s");
    weld_graph *g;
    weld_error err;
    set_value(&config, "heads", "5");
    ck_assert_int_eq(weld_model_build(&config, false, 1, 64, 64, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.message, "transformer_channels[0] is 144: no multiple of 5 heads"));
}
END_TEST

RUN_SUITE("models/mobilevit", variants_have_the_published_counts, any_size_of_images_is_taken,
          tensors_have_the_names_of_each_program, every_tensor_has_its_place,
          what_transformers_add_is_left_out_by_its_own_rate,
          sizes_of_no_variant_show_in_the_tensors, widths_that_heads_do_not_share_are_refused)
