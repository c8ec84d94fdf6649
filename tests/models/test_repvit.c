#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "fixture.h"
#include "graph/graph.h"
#include "models/models.h"
#include "ops/ops.h"
#include "suite.h"
#include "models/repvit.h"
#include "repvit_config.h"

/* specs: parameters without and with the distillation head, convolutions, tensors; multiply-adds at
 * 224 counted by hooks on PyTorch's layers. */
typedef struct expectation {
    const char *name;
    int64_t parameters, parameters_dist, macs, convolutions, tensors;
} expectation;

static const expectation expected[] = {
    {"repvit_m0_6", 2487292, 2808932, 385739360, 84, 469},
    {"repvit_m0_9", 5103560, 5489328, 816896832, 126, 706},
    {"repvit_m1_0", 6852900, 7302796, 1107629600, 126, 706},
    {"repvit_m1_1", 8288888, 8802912, 1338730240, 116, 652},
    {"repvit_m1_5", 14130408, 14644432, 2276456192, 206, 1138},
    {"repvit_m2_3", 23046512, 23688792, 4520850880, 266, 1462},
    {"repvit_m1", 5099480, 5485248, 816896832, 126, 683},
    {"repvit_m2", 8283960, 8797984, 1338730240, 116, 631},
    {"repvit_m3", 10168808, 10682832, 1861672704, 166, 891},
};
enum { VARIANTS = sizeof expected / sizeof *expected };

static weld_model_config named(const char *name) {
    weld_model_config config;
    weld_error err;
    ck_assert_msg(weld_model_config_named(name, &config, &err) == WELD_OK, "%s", err.message);
    return config;
}

static weld_graph *built(const weld_model_config *config, bool training, int64_t batch,
                         int64_t size) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(config, training, batch, size, size, WELD_F32, &g, &err) ==
                      WELD_OK,
                  "%s", err.message);
    return g;
}

START_TEST(variants_have_the_published_counts) {
    for (int i = 0; i < VARIANTS; i++) {
        const expectation *e = &expected[i];
        weld_model_config config = named(e->name);
        ck_assert_str_eq(weld_model_name((size_t)i), e->name);
        ck_assert_int_eq(config.num_classes, 1000);
        weld_graph *g = built(&config, false, 3, 224);
        weld_model_counts counts = weld_graph_counts(g);
        ck_assert_int_eq(counts.parameters, e->parameters);
        ck_assert_int_eq(counts.macs, e->macs);
        ck_assert_int_eq(counts.convolutions, e->convolutions);
        ck_assert_int_eq(counts.tensors, e->tensors);
        weld_graph_free(g);
        set_flag(&config, "distillation_head", true);
        g = built(&config, true, 1, 224);
        counts = weld_graph_counts(g);
        ck_assert_int_eq(counts.parameters, e->parameters_dist);
        ck_assert_int_eq(counts.macs, e->macs + 1000 * weld_repvit_of(&config).channels[3]);
        ck_assert_int_eq(counts.tensors, e->tensors + 7);
        weld_graph_free(g);
    }
}
END_TEST

/* A line for each leaf: its name and dimensions. */
static char *leaves_text(const weld_graph *g) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind != WELD_VALUE_PARAMETER && v->kind != WELD_VALUE_BUFFER) {
            continue;
        }
        fprintf(out, "%s", v->name);
        for (int d = 0; d < v->shape.rank; d++) {
            fprintf(out, " %lld", (long long)v->shape.dim[d]);
        }
        fprintf(out, "\n");
    }
    fclose(out);
    return text;
}

START_TEST(leaves_are_the_state_dict_in_its_order) {
    char name[64];
    unsigned long long hash;
    long long tensors, parameters;
    int distillation, lines = 0;
    FILE *in = fixture_open("state_dict_hashes.txt");
    while (fscanf(in, "%63s %d %llx %lld %lld", name, &distillation, &hash, &tensors,
                  &parameters) == 5) {
        weld_model_config config = named(name);
        set_flag(&config, "distillation_head", distillation);
        for (int training = 0; training < 2; training++) {
            weld_graph *g = built(&config, training, 1, 32);
            char *text = leaves_text(g);
            weld_model_counts counts = weld_graph_counts(g);
            ck_assert_msg(weld_hash_name(text) == hash, "%s, distillation %d", name, distillation);
            ck_assert_int_eq(counts.tensors, tensors);
            ck_assert_int_eq(counts.parameters, parameters);
            free(text);
            weld_graph_free(g);
        }
        lines++;
    }
    fclose(in);
    ck_assert_int_eq(lines, 2 * VARIANTS);
}
END_TEST

START_TEST(names_and_shapes_are_those_listed) {
    static const char *const names[] = {"repvit_m0_6", "repvit_m1"};
    for (int i = 0; i < 2; i++) {
        char file[64], line[256];
        weld_model_config config = named(names[i]);
        set_flag(&config, "distillation_head", true);
        weld_graph *g = built(&config, false, 1, 32);
        char *text = leaves_text(g), *rest = NULL;
        snprintf(file, sizeof file, "state_dict_%s.txt", names[i]);
        FILE *in = fixture_open(file);
        for (char *own = strtok_r(text, "\n", &rest); own; own = strtok_r(NULL, "\n", &rest)) {
            ck_assert_ptr_nonnull(fgets(line, sizeof line, in));
            line[strcspn(line, "\n")] = '\0';
            ck_assert_str_eq(own, line);
        }
        ck_assert_ptr_null(fgets(line, sizeof line, in));
        fclose(in);
        free(text);
        weld_graph_free(g);
    }
}
END_TEST

static weld_model_config small(void) {
    weld_model_config config = named("repvit");
    config.num_classes = 7;
    set_value(&config, "channels", "8, 13, 30");
    set_value(&config, "depths", "2, 1, 3");
    return config;
}

START_TEST(outputs_are_as_documented) {
    weld_model_config config = small();
    set_flag(&config, "distillation_head", true);
    weld_shape logits = WELD_SHAPE(5, 7);
    weld_graph *g = built(&config, true, 5, 23);
    for (int i = 0; i < 2; i++) {
        const weld_value *v = weld_graph_output(g, i ? "logits_dist" : "logits");
        ck_assert_ptr_nonnull(v);
        weld_shape shape = weld_value_shape(v);
        ck_assert(weld_shape_equal(&shape, &logits));
    }
    weld_graph_free(g);
    g = built(&config, false, 5, 23);
    weld_shape shape = weld_value_shape(weld_graph_output(g, "logits"));
    ck_assert(weld_shape_equal(&shape, &logits));
    ck_assert_ptr_null(weld_graph_output(g, "logits_dist"));
    weld_graph_free(g);
}
END_TEST

/* Height of the map that the first block sees, from the cost of its 3x3 branch. */
START_TEST(stem_stride_sets_the_size_of_the_first_map) {
    static const int strides[] = {1, 2, 4};
    for (int i = 0; i < 3; i++) {
        weld_model_config config = small();
        char stride[8];
        snprintf(stride, sizeof stride, "%d", strides[i]);
        set_value(&config, "stem_stride", stride);
        weld_graph *g = built(&config, false, 1, 32);
        const weld_value *leaf = weld_graph_find_leaf(g, "features.1.token_mixer.0.conv.c.weight");
        const weld_node *conv = NULL;
        for (size_t n = 0; n < g->node_count; n++) {
            conv =
                g->nodes[n]->input_count > 1 && g->nodes[n]->inputs[1] == leaf ? g->nodes[n] : conv;
        }
        ck_assert_ptr_nonnull(conv);
        ck_assert_int_eq(conv->outputs[0]->shape.dim[1], 32 / strides[i]);
        weld_graph_free(g);
    }
}
END_TEST

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Smallest, largest element and root mean square. Compared by hand: gcc 12 for arm64, Debian 12's,
   crashes on fmin and fmax of floats widened (PR 108608). */
static void look_at(weld_tensor t, double *low, double *high, double *rms) {
    int64_t count = weld_shape_count(&t.shape);
    double sum = 0;
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        double value = ((const float *)t.data)[i];
        *low = value < *low ? value : *low;
        *high = value > *high ? value : *high;
        sum += value * value;
    }
    *rms = sqrt(sum / (double)count);
}

START_TEST(weights_start_as_in_the_reference) {
    weld_model_config config = named("repvit_m0_6");
    weld_graph *g = built(&config, true, 1, 32);
    weld_weights *w;
    weld_error err;
    double low, high, rms;
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, &err), WELD_OK);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const char *name = weld_weights_name(w, i);
        weld_tensor t = weld_weights_tensor(w, i);
        if (t.dtype == WELD_I64) {
            ck_assert_int_eq(*(const int64_t *)t.data, 0);
            continue;
        }
        look_at(t, &low, &high, &rms);
        if (ends_with(name, ".bn.weight") || ends_with(name, "running_var")) {
            double want = ends_with(name, "channel_mixer.m.2.bn.weight") ? 0 : 1;
            ck_assert_msg(low == want && high == want, "%s", name);
        } else if (strcmp(name, "classifier.classifier.l.weight") == 0) {
            ck_assert_double_eq_tol(rms, 0.02, 0.0005);
            ck_assert(high > 0.06 && high < 0.2 && low < -0.06);
        } else if (ends_with(name, ".bn.bias") || ends_with(name, "running_mean") ||
                   ends_with(name, ".l.bias")) {
            ck_assert_msg(low == 0 && high == 0, "%s", name);
        } else if (t.shape.rank == 4) {
            double bound = 1 / sqrt((double)(weld_shape_count(&t.shape) / t.shape.dim[0]));
            ck_assert_msg(low >= -bound && high <= bound, "%s", name);
            ck_assert_msg(high > 0.8 * bound && low < -0.8 * bound, "%s", name);
        }
    }
    /* Biases take the bound of their own layer's inputs: 40 to the first fc1, 1 to a 1x1 branch. */
    weld_tensor t;
    ck_assert(weld_weights_find(w, "features.1.token_mixer.1.fc1.bias", &t));
    look_at(t, &low, &high, &rms);
    ck_assert(high <= 1 / sqrt(40) && low >= -1 / sqrt(40) && rms > 0.02);
    ck_assert(weld_weights_find(w, "features.1.token_mixer.0.conv1.bias", &t));
    look_at(t, &low, &high, &rms);
    ck_assert(high <= 1 && low >= -1 && high > 0.8 && low < -0.8);
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

/* The config with other values. */
static void expect_refusal(const weld_model_config *from, const weld_repvit *values,
                           const char *part) {
    weld_model_config changed = *from, *config = &changed;
    memcpy(changed.values, values, sizeof *values);
    weld_graph *g = NULL;
    weld_error err;
    ck_assert_int_eq(weld_model_build(config, false, 1, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, part) != NULL, "'%s' lacks '%s'", err.message, part);
    ck_assert_ptr_null(g);
}

START_TEST(bad_configs_are_refused_by_name) {
    const weld_model_config good = small();
    const weld_repvit sizes = weld_repvit_of(&good);
    weld_model_config many = good;
    weld_repvit bad = sizes;
    bad.channels[0] = 9;
    expect_refusal(&good, &bad, "channels[0] is 9");
    bad = sizes;
    bad.channels[2] = 0;
    expect_refusal(&good, &bad, "channels[2] is 0");
    bad.channels[2] = -8;
    expect_refusal(&good, &bad, "channels[2] is -8");
    bad.channels[2] = 1 << 30;
    expect_refusal(&good, &bad, "channels[2]");
    bad = sizes;
    bad.depths[1] = 0;
    expect_refusal(&good, &bad, "depths[1] is 0");
    bad = sizes;
    bad.stem_stride = 3;
    expect_refusal(&good, &bad, "stem_stride is 3");
    bad.stem_stride = 8;
    expect_refusal(&good, &bad, "stem_stride is 8");
    bad = sizes;
    bad.stages = 0;
    expect_refusal(&good, &bad, "channels has 0 values");
    bad.stages = WELD_MAX_STAGES + 1;
    expect_refusal(&good, &bad, "channels has 9 values");
    bad.stages = 2;
    expect_refusal(&good, &bad, "channels and depths must be lists of the same length");
    many.num_classes = 0;
    expect_refusal(&many, &sizes, "num_classes is 0");
}
END_TEST

START_TEST(unknown_names_are_answered_with_the_known_ones) {
    weld_model_config config;
    weld_error err;
    ck_assert_int_eq(weld_model_config_named("repvit_m9", &config, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "repvit_m9"));
    ck_assert_ptr_nonnull(strstr(err.message, "repvit_m2_3"));
    config = small();
    memset(config.name, 'x', sizeof config.name);
    weld_graph *g;
    ck_assert_int_eq(weld_model_build(&config, false, 1, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
}
END_TEST

START_TEST(input_without_pixels_is_refused) {
    weld_model_config config = small();
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_model_build(&config, false, 1, 0, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_model_build(&config, false, 0, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
}
END_TEST

START_TEST(every_tensor_has_its_place_from_the_stem_to_the_head) {
    weld_model_config config = repvit_config(3, "8, 8, 8", "2, 1, 3", 1, false, false);
    static const struct {
        const char *name;
        int part, layer;
    } places[] = {{"features.0.0.c.weight", 0, 0},
                  {"features.0.2.bn.num_batches_tracked", 0, 0},
                  {"features.1.token_mixer.0.conv.c.weight", 1, 1},
                  {"features.2.channel_mixer.m.0.c.weight", 1, 2},
                  {"features.3.token_mixer.0.conv1.bias", 2, 3}, /* leads into ... */
                  {"features.4.token_mixer.2.bn.weight", 2, 3},  /* ... the second stage */
                  {"features.5.token_mixer.0.bn", 2, 4},
                  {"features.6.channel_mixer.m.2.bn.weight", 3, 5},
                  {"features.7.token_mixer.0.c.weight", 3, 5},
                  {"features.8.token_mixer.1.fc1.weight", 3, 6},
                  {"features.10.token_mixer.1.fc2.bias", 3, 8},
                  {"classifier.classifier.bn.weight", 4, 9},
                  {"classifier.classifier_dist.l.bias", 4, 9}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        weld_model_place p = weld_model_place_of(&config, places[i].name);
        ck_assert_msg(p.part == places[i].part && p.layer == places[i].layer,
                      "%s: part %d layer %d", places[i].name, p.part, p.layer);
    }
    config = named("repvit_m0_9");
    ck_assert_int_eq(weld_model_place_of(&config, "classifier.classifier.l.weight").layer, 24);
}
END_TEST

/* How many batch norms of each part update their running statistics. */
static void updated_statistics(const weld_model_config *config, weld_build_mode mode, int *parts) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build_as(config, mode, 2, 16, 16, WELD_F32, &g, &err), "%s",
                  err.message);
    memset(parts, 0, (WELD_MAX_STAGES + 2) * sizeof *parts);
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->op->cpu.running.count) {
            parts[weld_model_place_of(config, node->inputs[3]->name).part]++;
        }
    }
    ck_assert_int_eq(weld_graph_output(g, "logits_dist") != NULL,
                     mode.training && value_of(config, "distillation_head"));
    weld_graph_free(g);
}

START_TEST(frozen_parts_and_bn_eval_leave_running_statistics_alone) {
    weld_model_config config = repvit_config(3, "8, 8", "1, 1", 1, false, true);
    int all[WELD_MAX_STAGES + 2], some[WELD_MAX_STAGES + 2];
    updated_statistics(&config, (weld_build_mode){.training = true}, all);
    ck_assert_int_eq(all[0], 2);
    ck_assert_int_eq(all[1], 4);
    ck_assert_int_eq(all[2], 4 + 4 + 4); /* the leading block, the downsampling one, its own */
    ck_assert_int_eq(all[3], 2);
    for (int frozen = 1; frozen <= 3; frozen++) {
        updated_statistics(&config, (weld_build_mode){.training = true, .frozen = frozen}, some);
        for (int part = 0; part < 4; part++) {
            ck_assert_int_eq(some[part], part < frozen ? 0 : all[part]);
        }
    }
    updated_statistics(&config, (weld_build_mode){.training = true, .bn_eval = true}, some);
    ck_assert_int_eq(some[0] + some[1] + some[2] + some[3], 0);
}
END_TEST

START_TEST(residual_branches_are_left_out_more_often_the_deeper_they_are) {
    /* features 1 to 8 of a network with depths 1, 1, 2 */
    weld_model_config c = repvit_config(5, "8, 8, 8", "1, 1, 2", 2, false, false);
    weld_build_mode mode = {.training = true, .drop_path = 0.4, .dropout = 0.3};
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_model_build_as(&c, mode, 2, 32, 32, WELD_F32, &g, &err), WELD_OK);
    int branch = 0, dropouts = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        if (node->op == &weld_op_stochastic_depth) {
            branch++;
            ck_assert_double_eq_tol(node->attributes.probability, 0.4 * branch / 8, 1e-12);
        }
        if (node->op == &weld_op_dropout) {
            dropouts++;
            ck_assert_double_eq_tol(node->attributes.probability, 0.3, 1e-12);
        }
    }
    ck_assert_int_eq(branch, 8);
    ck_assert_int_eq(dropouts, 1);
    weld_graph_free(g);
}
END_TEST

START_TEST(running_out_of_memory_is_an_error_like_any_other) {
    weld_model_config config = small();
    weld_graph *g = NULL;
    weld_error err;
    weld_status status = WELD_ERROR_MEMORY;
    long successes = 0;
    for (; status != WELD_OK; successes += 17) {
        weld_memory_fail_after(successes);
        status = weld_model_build(&config, true, 2, 32, 32, WELD_F32, &g, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    ck_assert_int_gt(successes, 100);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("models/repvit", variants_have_the_published_counts,
          leaves_are_the_state_dict_in_its_order, names_and_shapes_are_those_listed,
          outputs_are_as_documented, stem_stride_sets_the_size_of_the_first_map,
          weights_start_as_in_the_reference, bad_configs_are_refused_by_name,
          unknown_names_are_answered_with_the_known_ones, input_without_pixels_is_refused,
          every_tensor_has_its_place_from_the_stem_to_the_head,
          frozen_parts_and_bn_eval_leave_running_statistics_alone,
          residual_branches_are_left_out_more_often_the_deeper_they_are,
          running_out_of_memory_is_an_error_like_any_other)
