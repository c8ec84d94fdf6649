#include <string.h>

#include "base/memory.h"
#include "graph/graph.h"
#include "models/mobilenetv3.h"
#include "models/models.h"
#include "ops/ops.h"
#include "passes/reparameterize.h"
#include "repvit_config.h"
#include "models/places.h"
#include "suite.h"

static weld_model_config named(const char *name) {
    weld_model_config config;
    weld_error err;
    ck_assert_msg(!weld_model_config_named(name, &config, &err), "%s", err.message);
    return config;
}

static weld_graph *built(const weld_model_config *config, weld_build_mode mode, int64_t size) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build_as(config, mode, 1, size, size, WELD_F32, &g, &err), "%s",
                  err.message);
    return g;
}

static weld_model_config small(void) {
    weld_model_config config = named("mobilenetv3");
    config.num_classes = 5;
    set_value(&config, "channels", "8, 10, 12");
    set_value(&config, "depths", "1, 2, 1");
    set_value(&config, "head_channels", "16, 24");
    return config;
}

/* The rows of the paper's table 1, with the channels that are squeezed to as timm and torchvision
 * have them. */
START_TEST(large_has_the_rows_of_the_papers_table) {
    static const struct {
        const char *block;
        int kernel, stride, expanded, out, squeezed;
        weld_unary activation;
    } rows[] = {
        {"0.0", 3, 1, 0, 16, 0, WELD_RELU},
        {"1.0", 3, 2, 64, 24, 0, WELD_RELU},
        {"1.1", 3, 1, 72, 24, 0, WELD_RELU},
        {"2.0", 5, 2, 72, 40, 24, WELD_RELU},
        {"2.1", 5, 1, 120, 40, 32, WELD_RELU},
        {"2.2", 5, 1, 120, 40, 32, WELD_RELU},
        {"3.0", 3, 2, 240, 80, 0, WELD_HARD_SWISH},
        {"3.1", 3, 1, 200, 80, 0, WELD_HARD_SWISH},
        {"3.2", 3, 1, 184, 80, 0, WELD_HARD_SWISH},
        {"3.3", 3, 1, 184, 80, 0, WELD_HARD_SWISH},
        {"4.0", 3, 1, 480, 112, 120, WELD_HARD_SWISH},
        {"4.1", 3, 1, 672, 112, 168, WELD_HARD_SWISH},
        {"5.0", 5, 2, 672, 160, 168, WELD_HARD_SWISH},
        {"5.1", 5, 1, 960, 160, 240, WELD_HARD_SWISH},
        {"5.2", 5, 1, 960, 160, 240, WELD_HARD_SWISH},
    };
    const weld_model_config config = named("mobilenetv3_large_100");
    weld_graph *g = built(&config, (weld_build_mode){0}, 224);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const weld_path at = weld_under((weld_path){"blocks"}, "%s", rows[i].block);
        const weld_path dw = weld_under(at, "conv_dw.weight"),
                        se = weld_under(at, "se.conv_reduce.weight");
        const weld_path out =
            weld_under(at, rows[i].expanded ? "conv_pwl.weight" : "conv_pw.weight");
        const weld_node *spatial = weld_find_conv(g, dw, dw),
                        *project = weld_find_conv(g, out, out);
        const weld_node *reduce = weld_find_conv(g, se, se);
        ck_assert(spatial && project && !reduce == !rows[i].squeezed);
        ck_assert_int_eq(spatial->inputs[1]->shape.dim[2], rows[i].kernel);
        ck_assert_int_eq(spatial->attributes.stride[0], rows[i].stride);
        ck_assert_int_eq(spatial->attributes.padding[0], rows[i].kernel / 2);
        ck_assert_int_eq(spatial->inputs[1]->shape.dim[0],
                         rows[i].expanded ? rows[i].expanded : 16);
        ck_assert_int_eq(project->inputs[1]->shape.dim[0], rows[i].out);
        ck_assert(!reduce || reduce->inputs[1]->shape.dim[0] == rows[i].squeezed);
        const weld_value *norm = weld_read_by(&weld_op_batch_norm_eval, spatial->outputs[0]);
        const weld_value *active = weld_read_by(&weld_op_activation, norm);
        ck_assert(active && active->producer->attributes.function == (int)rows[i].activation);
        ck_assert(norm->producer->attributes.eps == 1e-5);
    }
    weld_graph_free(g);
}
END_TEST

START_TEST(published_counts_are_met) {
    const weld_model_config config = named("mobilenetv3_large_100");
    weld_graph *g = built(&config, (weld_build_mode){0}, 224);
    const weld_model_counts counts = weld_graph_counts(g);
    ck_assert_int_eq(counts.parameters, 5483032);
    ck_assert_int_eq(counts.macs, 216589760);
    ck_assert_int_eq(counts.tensors, 312);
    weld_graph_free(g);
}
END_TEST

START_TEST(merging_leaves_no_batch_norm) {
    const weld_model_config config = named("mobilenetv3_large_100");
    weld_graph *g = built(&config, (weld_build_mode){0}, 224), *merged;
    ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    /* stem, 3 x 15 - 1 in the blocks, 2 x 8 that squeeze and excite, two in the head */
    ck_assert_int_eq(weld_graph_counts(merged).convolutions, 1 + 44 + 16 + 2);
    ck_assert_int_eq(weld_graph_counts(merged).tensors, 2 * (1 + 44 + 16 + 2 + 1));
    weld_graph_free(g);
    weld_graph_free(merged);
}
END_TEST

/* timm/models/mobilenetv3.py and torchvision/models/mobilenetv3.py */
START_TEST(tensors_have_the_names_of_each_program) {
    static const char *const large[][3] = {
        {"conv_stem.weight", "conv_stem.weight", "features.0.0.weight"},
        {"bn1.running_var", "bn1.running_var", "features.0.1.running_var"},
        {"blocks.0.0.conv_dw.weight", "blocks.0.0.conv_dw.weight", "features.1.block.0.0.weight"},
        {"blocks.0.0.conv_pw.weight", "blocks.0.0.conv_pw.weight", "features.1.block.1.0.weight"},
        {"blocks.1.1.conv_pwl.bias", "blocks.1.1.conv_pwl.bias", "features.3.block.2.0.bias"},
        {"blocks.2.0.se.conv_reduce.bias", "blocks.2.0.se.conv_reduce.bias",
         "features.4.block.2.fc1.bias"},
        {"blocks.5.2.bn3.weight", "blocks.5.2.bn3.weight", "features.15.block.3.1.weight"},
        {"blocks.6.0.conv.weight", "blocks.6.0.conv.weight", "features.16.0.weight"},
        {"blocks.6.0.weight", "blocks.6.0.conv.weight", "features.16.0.weight"}, /* merged */
        {"blocks.6.0.bias", "blocks.6.0.conv.bias", "features.16.0.bias"},
        {"blocks.6.0.bn1.bias", "blocks.6.0.bn1.bias", "features.16.1.bias"},
        {"conv_head.bias", "conv_head.bias", "classifier.0.bias"},
        {"classifier.weight", "classifier.weight", "classifier.3.weight"},
    };
    static const char *const unknown[] = {"blocks.0.0.bn3.weight",      "blocks.6.1.conv.weight",
                                          "blocks.7.0.conv.weight",     "blocks.1.2.conv_dw.weight",
                                          "blocks.-1.0.conv_dw.weight", "conv.weight"};
    const weld_model_config config = named("mobilenetv3_large_100");
    const weld_naming *n = weld_mobilenetv3_namings;
    char name[WELD_TENSOR_NAME_SIZE];
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(weld_model_tensor_name(&config, &n[k], large[i][0], name, NULL), 0);
            ck_assert_str_eq(name, large[i][1 + k]);
        }
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        ck_assert_int_ne(weld_model_tensor_name(&config, n, unknown[i], name, NULL), 0);
    }
    const weld_model_config other = named("mobilenetv3_small_100");
    ck_assert_int_eq(weld_model_tensor_name(&other, &n[1], "blocks.0.0.bn2.bias", name, NULL), 0);
    ck_assert_str_eq(name, "features.1.block.2.1.bias");
}
END_TEST

/* What a file in `naming` holds of the graph. */
static weld_status recognize(const weld_graph *g, const weld_model_config *config,
                             const weld_naming *naming, weld_recognized *r, weld_error *err) {
    weld_named_shape *tensors = weld_alloc(g->value_count, sizeof *tensors);
    char(*names)[WELD_TENSOR_NAME_SIZE] = weld_alloc(g->value_count, sizeof *names);
    weld_shape_index index;
    size_t count = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            ck_assert_int_eq(weld_model_tensor_name(config, naming, v->name, names[count], err), 0);
            tensors[count] =
                (weld_named_shape){names[count], weld_naming_shape(naming, v->name, v->shape)};
            count++;
        }
    }
    ck_assert_int_eq(weld_shape_index_create(tensors, count, &index, err), WELD_OK);
    weld_status status = weld_model_recognize(&index, NULL, r, err);
    weld_shape_index_free(&index);
    weld_free(tensors);
    weld_free(names);
    return status;
}

static void check_recognized(weld_model_config config, bool is_merged) {
    weld_graph *g = built(&config, (weld_build_mode){0}, 64), *merged;
    ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    for (int i = 0; i < 2; i++) {
        const weld_naming *naming = &weld_mobilenetv3_namings[i];
        weld_recognized r;
        weld_error err;
        ck_assert_msg(!recognize(is_merged ? merged : g, &config, naming, &r, &err), "%s",
                      err.message);
        ck_assert_str_eq(r.config.name, config.name);
        ck_assert_ptr_null(weld_model_difference(&r.config, &config, WELD_KEY_SIZE));
        ck_assert_int_eq(r.config.num_classes, config.num_classes);
        ck_assert_int_eq(r.merged, is_merged);
        ck_assert_ptr_eq(r.naming, naming);
        const weld_mobilenetv3 m = weld_mobilenetv3_of(&r.config);
        ck_assert_double_eq(m.bn_eps, i ? 1e-3 : 1e-5);
        ck_assert_double_eq(m.bn_momentum, i ? 0.01 : 0.1);
    }
    weld_graph_free(g);
    weld_graph_free(merged);
}

START_TEST(sizes_naming_and_epsilon_are_told_from_the_tensors) {
    const char *const names[] = {"mobilenetv3_large_100", "mobilenetv3_large_075",
                                 "mobilenetv3_small_100", "mobilenetv3_small_075",
                                 "mobilenetv3_small_050"};
    for (int merged = 0; merged < 2; merged++) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            check_recognized(named(names[i]), merged);
        }
        check_recognized(small(), merged);
    }
}
END_TEST

START_TEST(another_network_with_such_a_stem_is_none) {
    static const weld_named_shape tensors[] = {
        {"conv_stem.weight", {4, {16, 3, 3, 3}}},
        {"conv_head.weight", {4, {64, 16, 1, 1}}},
        {"blocks.0.0.conv_dw.weight", {4, {16, 1, 3, 3}}},
        {"blocks.0.0.conv_pw.weight", {2, {1 << 28, 16}}},
        {"classifier.weight", {0, {0}}},
    };
    weld_shape_index index;
    weld_recognized r;
    weld_error err;
    for (size_t count = 3; count <= sizeof tensors / sizeof *tensors; count++) {
        ck_assert_int_eq(weld_shape_index_create(tensors, count, &index, &err), WELD_OK);
        ck_assert_int_eq(weld_model_recognize(&index, NULL, &r, &err), WELD_ERROR_SHAPE);
        ck_assert_msg(strstr(err.message, "last 1x1 convolution is missing"), "%s", err.message);
        weld_shape_index_free(&index);
    }
}
END_TEST

/* timm: the blocks' index by their number, the head's convolution counted. */
START_TEST(residual_branches_are_left_out_more_often_the_deeper_they_are) {
    static const int index[] = {2, 4, 5, 7, 8, 9, 11, 13, 14};
    const weld_model_config config = named("mobilenetv3_large_100");
    weld_graph *g =
        built(&config, (weld_build_mode){.training = true, .drop_path = 0.32, .dropout = 0.2}, 64);
    size_t branch = 0, dropouts = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i]->op == &weld_op_stochastic_depth) {
            ck_assert_double_eq_tol(g->nodes[i]->attributes.probability,
                                    0.32 * index[branch++] / 16, 1e-12);
        }
        dropouts += g->nodes[i]->op == &weld_op_dropout;
    }
    ck_assert_uint_eq(branch, sizeof index / sizeof *index);
    ck_assert_uint_eq(dropouts, 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(every_tensor_has_its_place) {
    static const expected_place places[] = {{"conv_stem.weight", 0, 0, false},
                                            {"bn1.running_mean", 0, 0, false},
                                            {"blocks.0.0.bn1.weight", 1, 1, false},
                                            {"blocks.3.2.conv_pwl", 4, 9, false},
                                            {"blocks.5.2.se.conv_reduce.bias", 6, 15, false},
                                            {"blocks.6.0.conv.weight", 7, 16, false},
                                            {"blocks.6.0.bias", 7, 16, false},
                                            {"conv_head.weight", 7, 16, false},
                                            {"classifier.bias", 7, 16, true}};
    const weld_model_config config = named("mobilenetv3_large_100");
    expect_places(&config, places, sizeof places / sizeof *places);
}
END_TEST

/* Strides of the published stages: the stem's, then those of tables 1 and 2. */
START_TEST(stages_end_at_the_papers_strides_merged_or_not) {
    static const int large[] = {2, 4, 8, 16, 16, 32}, less[] = {4, 8, 16, 16, 32};
    for (int table = 0; table < 2; table++) {
        const weld_model_config config =
            named(table ? "mobilenetv3_small_100" : "mobilenetv3_large_100");
        const weld_mobilenetv3 m = weld_mobilenetv3_of(&config);
        weld_graph *g = built(&config, (weld_build_mode){0}, 224), *merged;
        ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
        for (int stage = 0; stage < m.stages; stage++) {
            for (int k = 0; k < 2; k++) {
                int stride;
                const weld_value *end =
                    weld_model_stage_end(k ? merged : g, &config, stage, &stride);
                ck_assert_ptr_nonnull(end);
                ck_assert_int_eq(stride, table ? less[stage] : large[stage]);
                ck_assert_int_eq(end->shape.dim[3], m.channels[stage]);
            }
        }
        weld_graph_free(g);
        weld_graph_free(merged);
    }
}
END_TEST

START_TEST(keys_change_what_they_say) {
    weld_model_config config = small();
    set_value(&config, "stem_stride", "1");
    set_value(&config, "activation", "gelu");
    set_value(&config, "bn_eps", "0.002");
    set_value(&config, "bn_momentum", "0.03");
    weld_graph *g = built(&config, (weld_build_mode){.training = true}, 32);
    int gelus = 0, others = 0, stride;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        const int function = node->op == &weld_op_activation ? node->attributes.function : -1;
        gelus += function == WELD_GELU;
        others += function == WELD_HARD_SWISH;
        if (node->op == &weld_op_batch_norm) {
            ck_assert_double_eq(node->attributes.eps, 0.002);
            ck_assert_double_eq(node->attributes.momentum, 0.03);
        }
    }
    ck_assert_int_eq(gelus, 1 + 1 + 2 * 3 + 2);
    ck_assert_int_eq(others, 0);
    ck_assert_ptr_nonnull(weld_model_stage_end(g, &config, 0, &stride));
    ck_assert_int_eq(stride, 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(more_stages_than_the_table_has_are_refused) {
    weld_model_config config = small();
    weld_graph *g;
    weld_error err;
    set_value(&config, "table", "small");
    set_value(&config, "channels", "8, 8, 8, 8, 8, 8");
    set_value(&config, "depths", "1, 1, 1, 1, 1, 1");
    ck_assert_int_eq(weld_model_build(&config, false, 1, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "channels has 6 values: the table 'small' has 5 stages"),
                  "%s", err.message);
}
END_TEST

RUN_SUITE("models/mobilenetv3", large_has_the_rows_of_the_papers_table, published_counts_are_met,
          merging_leaves_no_batch_norm, tensors_have_the_names_of_each_program,
          sizes_naming_and_epsilon_are_told_from_the_tensors,
          another_network_with_such_a_stem_is_none,
          residual_branches_are_left_out_more_often_the_deeper_they_are, every_tensor_has_its_place,
          stages_end_at_the_papers_strides_merged_or_not, keys_change_what_they_say,
          more_stages_than_the_table_has_are_refused)
