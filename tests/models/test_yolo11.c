/* Detectors' networks: what they are made of, what their tensors are called and tell. */
#include "base/memory.h"
#include "fixture.h"
#include "graph/graph.h"
#include "models/models.h"
#include "models/places.h"
#include "passes/reparameterize.h"
#include "suite.h"

static weld_model_config named(const char *name, int classes) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
    config.num_classes = classes;
    return config;
}

static weld_graph *build(const weld_model_config *config, int height, int width) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build(config, false, 1, height, width, WELD_F32, &g, &err), "%s",
                  err.message);
    return g;
}

/* The published numbers of parameters, which count the sixteen places of bins, and what others
 * made of the same description have; multiply-adds of convolutions at 640 in 10^9, to the digits
 * that were written down, 0: not published. */
START_TEST(networks_have_the_published_sizes) {
    const struct {
        const char *name;
        int64_t parameters;
        double macs, digit;
    } networks[] = {
        {"yolo11n", 2624080, 3.240, 1e-3},
        {"yolo11s", 9458752, 10.733, 1e-3},
        {"yolo11m", 20114688, 33.990, 1e-3},
        {"yolo11l", 25372160, 86.9 / 2, 0.05},
        {"yolo11x", 56966176, 194.9 / 2, 0.05},
        {"yolo11n_repvit_m0_9", 6503504, 17.18 / 2, 0.005},
        {"yolo11s_repvit_m0_9", 10157024, 23.67 / 2, 0.005},
        {"yolo11m_repvit_m0_9", 15669280, 41.32 / 2, 0.005},
        {"yolo11n_repvit_m1_0", 8253292, 22.00 / 2, 0.005},
        {"yolo11s_repvit_m1_0", 11944700, 28.54 / 2, 0.005},
        {"yolo11m_repvit_m1_0", 17467196, 0, 0},
        {"yolo11n_repvit_m1_1", 9693824, 25.85 / 2, 0.005},
        {"yolo11s_repvit_m1_1", 13423120, 32.44 / 2, 0.005},
        {"yolo11m_repvit_m1_1", 18955856, 0, 0},
        {"yolo11n_repvit_m1_5", 15535344, 41.15 / 2, 0.005},
        {"yolo11s_repvit_m1_5", 19264640, 47.74 / 2, 0.005},
        {"yolo11m_repvit_m1_5", 24797376, 0, 0},
        {"yolo11n_repvit_m2_3", 24472824, 77.95 / 2, 0.005},
        {"yolo11s_repvit_m2_3", 28277896, 84.65 / 2, 0.005},
        {"yolo11m_repvit_m2_3", 33831112, 102.51 / 2, 0.005},
    };
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const weld_model_config config = named(networks[i].name, 80);
        weld_graph *g = build(&config, 640, 640);
        const weld_model_counts counts = weld_graph_counts(g);
        ck_assert_msg(counts.parameters + 16 == networks[i].parameters, "%s has %lld parameters",
                      networks[i].name, (long long)counts.parameters);
        const double macs = (double)counts.macs / 1e9;
        ck_assert_msg(!(networks[i].macs > 0) || fabs(macs - networks[i].macs) <= networks[i].digit,
                      "%s has %g G multiply-adds", networks[i].name, macs);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(attention_is_counted_apart) {
    const char *const names[] = {"yolo11n", "yolo11s", "yolo11m"};
    const double attention[] = {0.031, 0.061, 0.061}; /* 10^9 at 640 */
    for (int i = 0; i < 3; i++) {
        const weld_model_config config = named(names[i], 80);
        weld_graph *g = build(&config, 640, 640);
        const double macs = (double)weld_graph_counts(g).attention_macs / 1e9;
        ck_assert_double_eq_tol(macs, attention[i], 5e-4);
        weld_graph_free(g);
    }
}
END_TEST

/* A detector for small computers: 1,145,322 parameters, 0.102 G multiply-adds at 160. */
START_TEST(a_small_one_is_a_matter_of_keys) {
    weld_model_config config = named("yolo11_repvit", 10);
    set_value(&config, "channels", "24, 48, 96, 192");
    set_value(&config, "depths", "1, 1, 2, 1");
    set_value(&config, "width", "0.125");
    weld_graph *g = build(&config, 160, 160);
    const weld_model_counts counts = weld_graph_counts(g);
    ck_assert_int_eq(counts.parameters, 1145322);
    ck_assert_double_eq_tol((double)counts.macs / 1e9, 0.102, 5e-4);
    ck_assert_int_eq(weld_graph_output(g, "boxes")->shape.dim[1], 525);
    weld_graph_free(g);
}
END_TEST

START_TEST(merging_leaves_no_batch_norm_and_no_branch) {
    const char *const names[] = {"yolo11n", "yolo11m", "yolo11n_repvit_m0_9"};
    /* 87 and 112 as they are; of RepViT's 23 token mixers with branches one of two stays */
    const int64_t convolutions[] = {87, 112, 182 - 23};
    for (int i = 0; i < 3; i++) {
        const weld_model_config config = named(names[i], 80);
        weld_graph *g = build(&config, 64, 64), *merged;
        ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
        const weld_model_counts counts = weld_graph_counts(merged);
        ck_assert_int_eq(counts.batch_norms, 0);
        ck_assert_msg(counts.convolutions == convolutions[i], "%s: %lld", names[i],
                      (long long)counts.convolutions);
        weld_graph_free(g);
        weld_graph_free(merged);
    }
}
END_TEST

START_TEST(other_sizes_of_images_and_backbones_are_refused) {
    weld_graph *g;
    weld_error err;
    weld_model_config config = named("yolo11n", 80);
    ck_assert_int_eq(weld_model_build(&config, false, 1, 640, 650, WELD_F32, &g, &err),
                     WELD_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "model yolo11n: images of 640 x 650: height and width must be "
                                  "multiples of 32");
    ck_assert_int_eq(weld_model_check_input(&config, 650, 640, &err), WELD_ERROR_SHAPE);
    ck_assert_int_eq(weld_model_check_input(&config, 32, 640, &err), WELD_OK);
    config = named("yolo11_repvit", 80);
    set_value(&config, "channels", "24, 48, 96");
    set_value(&config, "depths", "1, 1, 2");
    set_value(&config, "width", "0.125");
    ck_assert_int_ne(weld_model_config_check(&config, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "the last map has stride 16: it must be 32"));
    config = named("yolo11", 80);
    set_value(&config, "width", "0.125");
    ck_assert_int_eq(weld_model_config_check(&config, NULL, &err), WELD_OK);
    set_value(&config, "max_channels", "512");
    ck_assert_int_ne(weld_model_config_check(&config, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "take a multiple of 0.25"));
}
END_TEST

static int64_t tensors_of(const weld_model_config *config, bool training) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build(config, training, 2, 64, 96, WELD_F32, &g, &err), "%s",
                  err.message);
    const int64_t tensors = weld_graph_counts(g).tensors;
    weld_graph_free(g);
    return tensors;
}

/* Files hold the same tensors before and after. */
START_TEST(training_and_evaluation_have_the_same_tensors) {
    const char *const names[] = {"yolo11n", "yolo11s_repvit_m0_9"};
    for (int i = 0; i < 2; i++) {
        const weld_model_config config = named(names[i], 80);
        ck_assert_int_eq(tensors_of(&config, true), tensors_of(&config, false));
    }
}
END_TEST

/* All that is trained has a gradient: nothing of the backbone's head is left. */
static void check_trains(const weld_model_config *config) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build(config, true, 2, 64, 96, WELD_F32, &g, &err), "%s",
                  err.message);
    const size_t count = weld_graph_parameter_count(g);
    weld_value **wrt = calloc(count, sizeof *wrt), **grads = calloc(count, sizeof *grads);
    for (size_t i = 0; i < count; i++) {
        wrt[i] = weld_graph_parameter(g, i);
    }
    weld_value *loss = weld_add(g, weld_mean(g, weld_graph_output(g, "distances")),
                                weld_mean(g, weld_graph_output(g, "classes")));
    ck_assert_msg(!weld_differentiate(g, loss, wrt, count, grads, &err), "%s: %s", config->name,
                  err.message);
    free(wrt);
    free(grads);
    weld_graph_free(g);
}

START_TEST(other_networks_have_backbones_too) {
    const char *const backbones[] = {
        "repvit_m0_6", "mobilenetv3_large_100",   "mobilenetv3_small_050",
        "regnety_004", "mobilevit_xxs",           "mobileone_s0",
        "repvgg_a0",   "mobilenetv3_repvit_step0"};
    for (size_t i = 0; i < sizeof backbones / sizeof *backbones; i++) {
        weld_model_config config = named("yolo11_on", 7);
        set_value(&config, "backbone", backbones[i]);
        set_value(&config, "width", "0.25");
        ck_assert_int_eq(tensors_of(&config, true), tensors_of(&config, false));
        check_trains(&config);
    }
    weld_model_config config = named("yolo11_on", 7);
    weld_error err;
    set_value(&config, "backbone", "cmt_ti");
    set_value(&config, "width", "0.25");
    ck_assert_int_ne(weld_model_config_check(&config, NULL, &err), WELD_OK);
    ck_assert_ptr_nonnull(
        strstr(err.message, "backbone is 'cmt_ti': it must be a variant of repvit"));
}
END_TEST

/* Who goes on to other classes keeps the branch that tells them, but for its last convolution. */
START_TEST(the_branch_of_classes_stays_for_others) {
    const char *const names[] = {"yolo11n", "yolo11n_repvit_m0_9", "yolo11_on"};
    for (int i = 0; i < 3; i++) {
        weld_model_config config = named(names[i], 80);
        if (i == 2) {
            set_value(&config, "backbone", "repvit_m0_6");
            set_value(&config, "width", "0.25");
        }
        weld_family_of(&config)->keep_classes(&config);
        config.num_classes = 2;
        weld_graph *g = build(&config, 64, 64);
        const weld_value *last = weld_graph_find_leaf(g, "model.23.cv3.1.2.weight");
        ck_assert_int_eq(last->shape.dim[0], 2);
        ck_assert_int_eq(last->shape.dim[1], 80);
        weld_graph_free(g);
    }
}
END_TEST

START_TEST(a_lack_of_memory_is_an_error) {
    const weld_model_config config = named("yolo11n_repvit_m0_6", 80);
    weld_graph *g = NULL;
    weld_error err;
    int failures = 0;
    for (long successes = 0; !g; successes += 61, failures++) {
        weld_memory_fail_after(successes);
        const weld_status status = weld_model_build(&config, false, 1, 32, 32, WELD_F32, &g, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    ck_assert_int_gt(failures, 50);
    weld_graph_free(g);
}
END_TEST

/* By name it is the same network as by sizes. */
START_TEST(a_repvit_may_be_named) {
    weld_model_config config = named("yolo11_on", 80);
    set_value(&config, "backbone", "repvit_m0_9");
    set_value(&config, "width", "0.25");
    weld_graph *g = build(&config, 64, 64);
    ck_assert_int_eq(weld_graph_counts(g).parameters + 16, 6503504);
    weld_graph_free(g);
}
END_TEST

/* 1 for the sides; for classes the logarithm of 5 objects among the positions of an image of 640.
 */
START_TEST(biases_of_the_head_start_as_published) {
    const weld_model_config config = named("yolo11n", 80);
    const double classes[] = {-11.53664, -10.15035, -8.76405}; /* ln(5 / 80 / (640 / stride)^2) */
    weld_graph *g = build(&config, 64, 64);
    weld_weights *w;
    ck_assert_int_eq(weld_graph_init_weights(g, 3, &w, NULL), WELD_OK);
    for (int i = 0; i < 3; i++) {
        char name[64];
        weld_tensor t;
        snprintf(name, sizeof name, "model.23.cv2.%d.2.bias", i);
        ck_assert(weld_weights_find(w, name, &t));
        ck_assert_float_eq(((const float *)t.data)[63], 1);
        snprintf(name, sizeof name, "model.23.cv3.%d.2.bias", i);
        ck_assert(weld_weights_find(w, name, &t));
        ck_assert_double_eq_tol((double)((const float *)t.data)[79], classes[i], 1e-4);
    }
    weld_weights_free(w);
    weld_graph_free(g);
}
END_TEST

START_TEST(places_are_those_of_backbone_and_head) {
    static const expected_place own[] = {
        {"model.0.conv.weight", 0, 0, false},      {"model.2.m.0.cv1.bn.bias", 1, 2, false},
        {"model.8.cv2.conv.weight", 4, 8, false},  {"model.9.cv1.conv.weight", 5, 9, false},
        {"model.23.cv2.0.2.weight", 5, 23, false}, {"model.23.cv3.0.1.1.conv.weight", 5, 23, false},
        {"model.23.cv3.2.2.bias", 5, 23, true}};
    static const expected_place other[] = {
        {"normalize.shift.red", 0, 0, false},
        {"backbone.features.0.0.c.weight", 0, 0, false},
        {"backbone.features.1.token_mixer.0.conv.c.weight", 1, 1, false},
        {"model.9.cv1.conv.weight", 5, 24, false},
        {"model.23.cv3.0.2.weight", 5, 38, true}};
    weld_model_config config = named("yolo11n", 80);
    expect_places(&config, own, sizeof own / sizeof *own);
    config = named("yolo11n_repvit_m0_9", 80);
    expect_places(&config, other, sizeof other / sizeof *other);
}
END_TEST

/* The names and shapes that a file of g has. */
static size_t shapes_of(const weld_model_config *config, const weld_graph *g,
                        char (*names)[WELD_TENSOR_NAME_SIZE], weld_named_shape *shapes) {
    size_t count = 0;
    const weld_naming *naming = weld_model_find_naming(config, NULL, NULL);
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            ck_assert_int_eq(weld_model_tensor_name(config, naming, v->name, names[count], NULL),
                             WELD_OK);
            shapes[count] = (weld_named_shape){names[count], v->shape};
            count++;
        }
    }
    return count;
}

static void check_told(const weld_model_config *config, bool merge) {
    static char names[1200][WELD_TENSOR_NAME_SIZE];
    static weld_named_shape shapes[1200];
    weld_graph *g = build(config, 64, 64), *merged = NULL;
    if (merge) {
        ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    }
    const size_t count = shapes_of(config, merge ? merged : g, names, shapes);
    weld_shape_index index;
    weld_recognized found;
    weld_error err;
    ck_assert_int_eq(weld_shape_index_create(shapes, count, &index, &err), WELD_OK);
    ck_assert_msg(!weld_model_recognize(&index, NULL, &found, &err), "%s", err.message);
    ck_assert_str_eq(found.config.name, config->name);
    ck_assert_int_eq(found.config.num_classes, config->num_classes);
    ck_assert_ptr_null(weld_model_difference(&found.config, config, WELD_KEY_SIZE));
    ck_assert_int_eq(found.merged, merge);
    weld_shape_index_free(&index);
    weld_graph_free(merged);
    weld_graph_free(g);
}

START_TEST(tensors_tell_scale_and_classes) {
    const char *const names[] = {"yolo11n",
                                 "yolo11s",
                                 "yolo11m",
                                 "yolo11l",
                                 "yolo11x",
                                 "yolo11n_repvit_m0_9",
                                 "yolo11m_repvit_m1_1",
                                 "yolo11s_repvit_m0_6"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int merge = 0; merge < 2; merge++) {
            const weld_model_config config = named(names[i], i % 2 ? 80 : 7);
            check_told(&config, merge);
        }
    }
}
END_TEST

/* A fused convolution of theirs keeps the module that it was. */
START_TEST(merged_tensors_have_published_names) {
    const char *const pairs[][2] = {{"model.0.weight", "model.0.conv.weight"},
                                    {"model.10.m.0.attn.pe.bias", "model.10.m.0.attn.pe.conv.bias"},
                                    {"model.23.cv3.0.1.1.weight", "model.23.cv3.0.1.1.conv.weight"},
                                    {"model.23.cv3.0.2.weight", "model.23.cv3.0.2.weight"},
                                    {"model.23.cv2.2.2.bias", "model.23.cv2.2.2.bias"},
                                    {"model.2.cv1.bn.running_mean", "model.2.cv1.bn.running_mean"}};
    const weld_model_config config = named("yolo11n", 80);
    const weld_naming *naming = weld_model_find_naming(&config, "official", NULL);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char name[WELD_TENSOR_NAME_SIZE];
        ck_assert_int_eq(weld_model_tensor_name(&config, naming, pairs[i][0], name, NULL), WELD_OK);
        ck_assert_str_eq(name, pairs[i][1]);
    }
}
END_TEST

RUN_SUITE("models/yolo11", networks_have_the_published_sizes, attention_is_counted_apart,
          a_small_one_is_a_matter_of_keys, merging_leaves_no_batch_norm_and_no_branch,
          other_sizes_of_images_and_backbones_are_refused,
          training_and_evaluation_have_the_same_tensors, other_networks_have_backbones_too,
          the_branch_of_classes_stays_for_others, a_lack_of_memory_is_an_error,
          a_repvit_may_be_named, biases_of_the_head_start_as_published,
          places_are_those_of_backbone_and_head, tensors_tell_scale_and_classes,
          merged_tensors_have_published_names)
