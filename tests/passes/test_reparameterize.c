#include "base/memory.h"
#include "passes/merging.h"
#include "suite.h"
#include "repvit_config.h"

typedef struct expectation {
    const char *name;
    int64_t parameters, convolutions, macs;
} expectation;

/* specs, with the multiply-adds counted by hooks on PyTorch's layers. */
static const expectation expected[] = {
    {"repvit_m0_6", 2468072, 70, 385065120},    {"repvit_m0_9", 5067056, 103, 815617344},
    {"repvit_m1_0", 6810312, 103, 1106136864},  {"repvit_m1_1", 8244312, 95, 1337124608},
    {"repvit_m1_5", 14049992, 167, 2273596160}, {"repvit_m2_3", 22926792, 215, 4515958720},
    {"repvit_m1", 5067056, 103, 815617344},     {"repvit_m2", 8244312, 95, 1337124608},
    {"repvit_m3", 10115720, 135, 1859163904},
};

static weld_graph *built(const weld_model_config *config, int64_t batch, int64_t height,
                         int64_t width) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(config, false, batch, height, width, WELD_F32, &g, &err) ==
                      WELD_OK,
                  "%s", err.message);
    return g;
}

static void check_counts(const expectation *e, bool distillation) {
    weld_model_config config;
    weld_graph *merged;
    weld_weights *w, *merged_weights;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named(e->name, &config, &err), WELD_OK);
    set_flag(&config, "distillation_head", distillation);
    weld_graph *g = built(&config, 1, 224, 224);
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, &err), WELD_OK);
    ck_assert_int_eq(weld_reparameterize(g, w, &merged, &merged_weights, &err), WELD_OK);
    weld_model_counts counts = weld_graph_counts(merged);
    ck_assert_int_eq(counts.parameters, e->parameters);
    ck_assert_int_eq(counts.convolutions, e->convolutions);
    ck_assert_int_eq(counts.macs, e->macs);
    ck_assert_int_eq(counts.tensors, 2 * (e->convolutions + 1));
    ck_assert_uint_eq(weld_weights_count(merged_weights), (size_t)counts.tensors);
    ck_assert_int_eq(merging_count(merged, &weld_op_batch_norm_eval), 0);
    ck_assert_int_eq(merging_count(merged, &weld_op_linear), 1);
    weld_graph_free(g);
    weld_graph_free(merged);
    weld_weights_free(w);
    weld_weights_free(merged_weights);
}

START_TEST(variants_have_the_published_counts_after_merging) {
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        check_counts(&expected[i], false);
    }
}
END_TEST

START_TEST(the_distillation_head_leaves_no_trace_in_the_counts) {
    check_counts(&expected[0], true);
    check_counts(&expected[6], true);
}
END_TEST

static weld_model_config small(bool legacy, bool distillation, int stem_stride) {
    return repvit_config(11, "16, 20, 36, 44", "1, 2, 3, 2", stem_stride, legacy, distillation);
}

START_TEST(lively_networks_agree_with_their_merged_form) {
    static const int strides[] = {1, 2, 4};
    for (int i = 0; i < 12; i++) {
        weld_model_config config = small(i & 1, i & 2, strides[i % 3]);
        merging m = merging_check(built(&config, 3, 33, 40), (uint64_t)i);
        ck_assert_int_eq(merging_count(m.merged, &weld_op_batch_norm_eval), 0);
        merging_free(&m);
    }
}
END_TEST

START_TEST(a_deep_variant_agrees_with_its_merged_form) {
    weld_model_config config;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named("repvit_m0_6", &config, &err), WELD_OK);
    set_flag(&config, "distillation_head", true);
    merging m = merging_check(built(&config, 2, 64, 64), 77);
    merging_free(&m);
}
END_TEST

START_TEST(merged_leaves_are_called_after_the_modules_they_replace) {
    static const char *const names[] = {
        "features.0.0.weight",
        "features.0.0.bias",
        "features.0.2.weight",
        "features.0.2.bias",
        "features.1.token_mixer.0.weight",
        "features.1.token_mixer.0.bias",
        "features.1.token_mixer.1.fc1.weight",
        "features.1.token_mixer.1.fc1.bias",
        "features.1.token_mixer.1.fc2.weight",
        "features.1.token_mixer.1.fc2.bias",
        "features.1.channel_mixer.m.0.weight",
        "features.1.channel_mixer.m.0.bias",
        "features.1.channel_mixer.m.2.weight",
        "features.1.channel_mixer.m.2.bias",
    };
    for (int legacy = 0; legacy < 2; legacy++) {
        weld_model_config config = small(legacy, true, 2);
        merging m = merging_check(built(&config, 1, 16, 16), 3);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            ck_assert_str_eq(weld_weights_name(m.merged_weights, i), names[i]);
        }
        size_t last = weld_weights_count(m.merged_weights);
        ck_assert_str_eq(weld_weights_name(m.merged_weights, last - 2), "classifier.weight");
        ck_assert_str_eq(weld_weights_name(m.merged_weights, last - 1), "classifier.bias");
        merging_free(&m);
    }
}
END_TEST

/* --- Failure ---------------------------------------------------------------------------------- */

typedef struct victim {
    weld_graph *g;
    weld_weights *w;
} victim;

static victim victim_create(void) {
    weld_model_config config = small(false, true, 4);
    victim v = {.g = built(&config, 1, 32, 32)};
    weld_error err;
    ck_assert_int_eq(weld_graph_init_weights(v.g, 1, &v.w, &err), WELD_OK);
    return v;
}

static void victim_free(victim v) {
    weld_weights_free(v.w);
    weld_graph_free(v.g);
}

static void expect_failure(victim v, weld_status status, const char *part) {
    weld_graph *merged;
    weld_weights *merged_weights;
    weld_error err;
    ck_assert_int_eq(weld_reparameterize(v.g, v.w, &merged, &merged_weights, &err), status);
    ck_assert_msg(strstr(err.message, part) != NULL, "'%s' lacks '%s'", err.message, part);
}

static void set_element(weld_weights *w, const char *name, int64_t i, float value) {
    weld_tensor t;
    ck_assert(weld_weights_find(w, name, &t));
    ((float *)t.data)[i] = value;
}

START_TEST(a_variance_without_a_root_is_an_error_that_names_it) {
    static const char *const name = "features.1.token_mixer.0.conv.bn.running_var";
    victim v = victim_create();
    set_element(v.w, name, 3, -1);
    expect_failure(v, WELD_ERROR_NUMERIC, name);
    set_element(v.w, name, 3, NAN);
    expect_failure(v, WELD_ERROR_NUMERIC, name);
    victim_free(v);
}
END_TEST

START_TEST(a_merged_weight_too_large_for_its_type_is_an_error) {
    victim v = victim_create();
    set_element(v.w, "features.0.0.c.weight", 0, 1e38F);
    set_element(v.w, "features.0.0.bn.weight", 0, 1e3F);
    expect_failure(v, WELD_ERROR_NUMERIC, "features.0.0.weight");
    victim_free(v);
}
END_TEST

START_TEST(weights_of_another_network_are_an_error) {
    victim v = victim_create();
    weld_model_config other = small(true, true, 4);
    weld_error err;
    weld_weights *fitting = v.w;
    weld_graph *g = built(&other, 1, 32, 32);
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &v.w, &err), WELD_OK);
    expect_failure(v, WELD_ERROR_NOT_FOUND, "token_mixer.0.conv1.weight");
    weld_weights_free(v.w);
    weld_graph_free(g);
    other = small(false, true, 4);
    other.num_classes = 12;
    g = built(&other, 1, 32, 32);
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &v.w, &err), WELD_OK);
    expect_failure(v, WELD_ERROR_SHAPE, "classifier.classifier.l.weight");
    weld_weights_free(v.w);
    weld_graph_free(g);
    v.w = fitting;
    victim_free(v);
}
END_TEST

START_TEST(running_out_of_memory_is_an_error_like_any_other) {
    victim v = victim_create();
    weld_graph *merged;
    weld_weights *merged_weights;
    weld_error err;
    weld_status status = WELD_ERROR_MEMORY;
    long successes = 0;
    for (; status != WELD_OK; successes += 13) {
        weld_memory_fail_after(successes);
        status = weld_reparameterize(v.g, v.w, &merged, &merged_weights, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    ck_assert_int_gt(successes, 1000);
    weld_weights_free(merged_weights);
    weld_graph_free(merged);
    victim_free(v);
}
END_TEST

RUN_SUITE("passes/reparameterize", variants_have_the_published_counts_after_merging,
          the_distillation_head_leaves_no_trace_in_the_counts,
          lively_networks_agree_with_their_merged_form, a_deep_variant_agrees_with_its_merged_form,
          merged_leaves_are_called_after_the_modules_they_replace,
          a_variance_without_a_root_is_an_error_that_names_it,
          a_merged_weight_too_large_for_its_type_is_an_error,
          weights_of_another_network_are_an_error, running_out_of_memory_is_an_error_like_any_other)
