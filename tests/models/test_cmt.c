#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "fixture.h"
#include "graph/graph.h"
#include "models/cmt.h"
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
                         int64_t size) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build_as(config, mode, batch, size, size, WELD_F32, &g, &err), "%s",
                  err.message);
    return g;
}

/* Of the published code at each variant's own size, by hooks: convolutions, linear layers, and the
 * two products of attention. */
START_TEST(variants_have_the_published_counts) {
    static const struct {
        const char *name;
        int size;
        int64_t parameters, macs, attention, tensors;
    } expected[] = {
        {"cmt_ti", 160, 9492426, 476597000 + 141147600, 21160000, 708},
        {"cmt_xs", 192, 15247208, 1138321152 + 340621184, 67931136, 911},
        {"cmt_s", 224, 26256160, 3027795456 + 829384704, 174562304, 1079},
        {"cmt_b", 256, 45715076, 6902833152 + 1956063232, 458227712, 1366},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        weld_model_config config = named(expected[i].name);
        const weld_naming *naming = weld_model_find_naming(&config, NULL, NULL);
        const int size = weld_model_usual_preprocessing(&config, naming).height;
        ck_assert_int_eq(size, expected[i].size);
        weld_graph *g = built(&config, (weld_build_mode){0}, 2, size);
        weld_model_counts counts = weld_graph_counts(g);
        ck_assert_int_eq(counts.parameters, expected[i].parameters);
        ck_assert_int_eq(counts.macs, expected[i].macs);
        ck_assert_int_eq(counts.attention_macs, expected[i].attention);
        ck_assert_int_eq(counts.tensors, expected[i].tensors);
        weld_graph_free(g);
    }
}
END_TEST

/* What stays are those before a 3x3 convolution that pads: two in the stem, one in each block. */
START_TEST(merging_leaves_the_batch_norms_that_padding_needs) {
    weld_model_config config = named("cmt_ti");
    weld_graph *g = built(&config, (weld_build_mode){0}, 1, 160), *merged;
    ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    int norms = 0;
    for (size_t i = 0; i < merged->node_count; i++) {
        norms += merged->nodes[i]->op == &weld_op_batch_norm_eval;
    }
    ck_assert_int_eq(norms, 2 + 16);
    weld_graph_free(merged);
    weld_graph_free(g);
}
END_TEST

/* From CMT-S: depths by 1.2, widths by 1.3 and sizes by 1.15 to the power of phi. */
START_TEST(compound_scaling_is_of_depth_width_and_size) {
    weld_model_config config = named("cmt_s");
    set_value(&config, "phi", "1");
    const weld_cmt up = weld_cmt_of(&config);
    static const int depths[] = {4, 4, 19, 4}; /* 3.6, 3.6, 19.2, 3.6 */
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(up.channels[i], 84 << i); /* 83.2 a head */
        ck_assert_int_eq(up.depths[i], depths[i]);
    }
    ck_assert_int_eq(up.stem_channels, 42); /* 41.6 */
    const weld_naming *naming = weld_model_find_naming(&config, NULL, NULL);
    ck_assert_int_eq(weld_model_usual_preprocessing(&config, naming).height, 256); /* 257.6 */
    set_value(&config, "phi", "-1");
    ck_assert_int_eq(weld_model_usual_preprocessing(&config, naming).height, 192); /* 194.8 */
    ck_assert_int_eq(weld_cmt_of(&config).depths[2], 13);                          /* 13.3 */
    weld_graph *g = built(&config, (weld_build_mode){0}, 1, 192);
    weld_graph_free(g);
}
END_TEST

/* The multiply-adds of layers whose weights have `part` in their names. */
static int64_t macs_of(const weld_graph *g, const char *part) {
    int64_t macs = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        macs += node->op->macs && strstr(node->inputs[1]->name, part) ? node->op->macs(node) : 0;
    }
    return macs;
}

START_TEST(the_papers_formulas_are_of_what_is_counted) {
    static const char *const names[] = {"cmt_ti", "cmt_xs", "cmt_s", "cmt_b"};
    for (int i = 0; i < 4; i++) {
        weld_model_config config = named(names[i]);
        char text[512], want[96];
        weld_graph *g = built(&config, (weld_build_mode){0}, 1, 192);
        const double blocks = (double)(macs_of(g, "blocks_") - macs_of(g, ".sr.") +
                                       weld_graph_counts(g).attention_macs);
        weld_family_cmt.describe(&config, 192, text, sizeof text);
        snprintf(want, sizeof want, "formulas: %.1f M multiply-adds, and %.1f M", blocks / 1e6,
                 (double)macs_of(g, ".sr.") / 1e6);
        ck_assert_msg(strstr(text, want) != NULL, "%s is not in %s", want, text);
        weld_graph_free(g);
    }
}
END_TEST

static int count(const weld_graph *g, const weld_op *op) {
    int found = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        found += g->nodes[i]->op == op;
    }
    return found;
}

START_TEST(ablations_leave_out_what_they_say) {
    weld_model_config config = named("cmt_ti");
    weld_graph *whole = built(&config, (weld_build_mode){0}, 1, 160);
    set_value(&config, "without_lpu", "true");
    weld_graph *g = built(&config, (weld_build_mode){0}, 1, 160);
    ck_assert_int_eq(count(g, &weld_op_conv2d), count(whole, &weld_op_conv2d) - 16);
    weld_graph_free(g);
    set_value(&config, "plain_mlp", "true");
    set_value(&config, "patch_stem", "true");
    set_value(&config, "batch_norm", "true");
    g = built(&config, (weld_build_mode){0}, 1, 160);
    /* patches, reductions in three stages, and the head's */
    ck_assert_int_eq(count(g, &weld_op_conv2d), 4 + 14 + 1);
    ck_assert_int_eq(count(g, &weld_op_layer_norm), 0);
    ck_assert_int_eq(count(whole, &weld_op_layer_norm), 4 + 2 * 16);
    weld_graph_free(g);
    weld_graph_free(whole);
}
END_TEST

/* What recognition finds in the tensors of a graph. */
static void expect_seen(const weld_graph *g, const weld_model_config *config, int size,
                        bool merged) {
    weld_named_shape *tensors = weld_alloc(g->value_count, sizeof *tensors);
    weld_shape_index index;
    weld_recognized r;
    weld_error err;
    size_t found = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            tensors[found++] = (weld_named_shape){v->name, v->shape};
        }
    }
    ck_assert_int_eq(weld_shape_index_create(tensors, found, &index, &err), WELD_OK);
    ck_assert_msg(!weld_model_recognize(&index, NULL, &r, &err), "%s", err.message);
    ck_assert_str_eq(r.config.name, config->name);
    ck_assert_ptr_null(weld_model_difference(&r.config, config, 0));
    ck_assert_int_eq(r.input_size, size);
    ck_assert_int_eq(r.merged, merged);
    ck_assert(!r.partial);
    weld_shape_index_free(&index);
    weld_free(tensors);
}

START_TEST(sizes_and_ablations_show_in_the_tensors) {
    static const char *const keys[] = {"phi", "without_lpu", "plain_mlp", "patch_stem",
                                       "batch_norm"};
    for (int i = 0; i < 6; i++) {
        weld_model_config config = named(i ? "cmt" : "cmt_xs");
        weld_graph *merged;
        if (i) {
            set_value(&config, "stem_channels", i == 3 ? "1" : "10");
            set_value(&config, "head_channels", "24");
            set_value(&config, "channels", "10, 20, 44, 88");
            set_value(&config, "depths", "1, 2, 1, 1");
            set_value(&config, "mlp_ratio", "3.77");
        }
        if (i > 1) {
            set_value(&config, keys[i - 1], "true");
        }
        if (i == 4) { /* a patch stem has no stem's channels */
            set_value(&config, "stem_channels", "1");
        }
        weld_graph *g = built(&config, (weld_build_mode){0}, 1, 96);
        ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
        expect_seen(g, &config, 96, false);
        expect_seen(merged, &config, 96, true);
        weld_graph_free(merged);
        weld_graph_free(g);
    }
}
END_TEST

/* PyTorch's interpolate, bicubic with align_corners=False, over the grid of queries (2 x 3 to 3 x
 * 2), then over that of keys (2 x 1 to 1 x 2). */
START_TEST(tables_of_positions_are_resized_as_pytorch_does) {
    const weld_position_grids from = {1, {2, 3}, {2, 1}}, to = {1, {3, 2}, {1, 2}};
    static const float table[] = {-0.5f,  -0.25f, 0.5f,   0,    0, 0.5f,
                                  -0.25f, -0.5f,  -0.25f, 0.5f, 0, 0};
    static const double want[] = {-0.231321547, 0.291597154,  -0.245361328,
                                  0.158935547,  -0.259401109, 0.026273939};
    float got[12];
    ck_assert_int_eq(weld_position_resize(&from, table, &to, got, NULL), WELD_OK);
    for (int i = 0; i < 12; i++) {
        ck_assert_double_eq_tol((double)got[i], want[i / 2], 1e-6);
    }
    for (long i = 0; i < 2; i++) {
        weld_memory_fail_after(i);
        ck_assert_int_eq(weld_position_resize(&from, table, &to, got, NULL), WELD_ERROR_MEMORY);
    }
    weld_memory_fail_after(-1);
}
END_TEST

START_TEST(every_tensor_has_its_place) {
    static const expected_place places[] = {
        {"stem_conv1.weight", 0, 0, false},
        {"relative_pos_a", 1, 1, false},
        {"patch_embed_b.norm.bias", 2, 3, false},
        {"blocks_b.1.attn.sr.0.weight", 2, 4, false},
        {"blocks_d.1.mlp.conv2.weight", 4, 16, false},
        {"_bn.running_var", 5, 17, false},
        {"head.weight", 5, 17, true},
        {"blocks_z.1.proj.weight", 5, 17, false}}; /* of another's file */
    weld_model_config config = named("cmt_ti");
    expect_places(&config, places, sizeof places / sizeof *places);
}
END_TEST

START_TEST(images_that_do_not_part_are_refused) {
    weld_model_config config = named("cmt_ti");
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_model_build(&config, false, 1, 160, 100, WELD_F32, &g, &err),
                     WELD_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "160 x 100: CMT needs multiples of 32"));
    g = NULL;
    ck_assert_int_eq(weld_model_build(&config, false, 1, 160, 96, WELD_F32, &g, &err), WELD_OK);
    weld_graph_free(g);
}
END_TEST

START_TEST(channels_that_do_not_part_are_refused) {
    weld_model_config config = named("cmt");
    weld_error err;
    set_value(&config, "stem_channels", "8");
    set_value(&config, "head_channels", "16");
    set_value(&config, "channels", "1, 2, 4, 8");
    set_value(&config, "depths", "1, 1, 1, 1");
    set_value(&config, "mlp_ratio", "1");
    ck_assert_msg(!weld_model_config_check(&config, NULL, &err), "%s", err.message);
    set_value(&config, "mlp_ratio", "0.25");
    ck_assert_int_ne(weld_model_config_check(&config, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "mlp_ratio is 0.25: the feed-forward of 1 channel"));
    set_value(&config, "channels", "4, 7, 12, 24");
    ck_assert_int_ne(weld_model_config_check(&config, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "[1] is 7: no multiple of its 2 heads"));
}
END_TEST

RUN_SUITE("models/cmt", variants_have_the_published_counts,
          merging_leaves_the_batch_norms_that_padding_needs,
          compound_scaling_is_of_depth_width_and_size, the_papers_formulas_are_of_what_is_counted,
          ablations_leave_out_what_they_say, sizes_and_ablations_show_in_the_tensors,
          tables_of_positions_are_resized_as_pytorch_does, every_tensor_has_its_place,
          images_that_do_not_part_are_refused, channels_that_do_not_part_are_refused)
