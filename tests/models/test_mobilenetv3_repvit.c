#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "graph/graph.h"
#include "models/models.h"
#include "ops/ops.h"
#include "passes/reparameterize.h"
#include "repvit_config.h"
#include "models/places.h"
#include "suite.h"

#define STEP "mobilenetv3_repvit_step"
static const char *const steps[] = {"0", "1", "2a", "2", "3", "4", "5", "6", "7", "8"};
enum { STEPS = sizeof steps / sizeof *steps };

static weld_model_config named(const char *name) {
    weld_model_config config;
    weld_error err;
    ck_assert_msg(!weld_model_config_named(name, &config, &err), "%s", err.message);
    return config;
}

static weld_model_config step(const char *name) {
    char full[64];
    snprintf(full, sizeof full, STEP "%s", name);
    return named(full);
}

static weld_graph *built(const weld_model_config *config, weld_build_mode mode, int64_t size) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build_as(config, mode, 1, size, size, WELD_F32, &g, &err), "%s",
                  err.message);
    return g;
}

/* RepViT, section 3, whose steps these are named after. */
START_TEST(each_step_changes_what_the_papers_does_and_nothing_else) {
    static const char *const changes[STEPS] = {
        "",           "block",  "expansion", "channels late_channels", "stem", "downsampling",
        "classifier", "depths", "kernels",   "squeeze_excite"};
    for (int i = 1; i < STEPS; i++) {
        const weld_model_config before = step(steps[i - 1]), after = step(steps[i]);
        const weld_model_family *family = weld_family_of(&after);
        char differs[128] = "";
        for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, 0));) {
            if (!weld_key_equal(key, before.values, after.values)) {
                size_t used = strlen(differs);
                snprintf(differs + used, sizeof differs - used, used ? " %s" : "%s", key->name);
            }
        }
        ck_assert_str_eq(differs, changes[i]);
    }
}
END_TEST

/* Sets all elements as after some training, the same for the same name. */
static weld_weights *lively(const weld_graph *g) {
    weld_weights *w;
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &w, NULL), WELD_OK);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const char *name = weld_weights_name(w, i);
        const bool norm = strstr(name, "bn") != NULL, variance = strstr(name, "running_var");
        weld_tensor t = weld_weights_tensor(w, i);
        weld_random r = weld_random_start(5, 0, weld_hash_name(name), WELD_RANDOM_INIT);
        for (int64_t k = 0; norm && t.dtype == WELD_F32 && k < weld_shape_count(&t.shape); k++) {
            const double x = weld_random_uniform(&r);
            ((float *)t.data)[k] = (float)(variance || strstr(name, ".weight") ? 0.5 + x : x - 0.5);
        }
    }
    return w;
}

/* Logits [1, 1000] of an image of noise. */
static void run(const weld_graph *g, weld_weights *w, float logits[1000]) {
    const weld_session_options options = {.threads = 2};
    weld_session *s;
    weld_error err;
    ck_assert_msg(!weld_session_create(g, w, &options, &s, &err), "%s", err.message);
    weld_tensor images = weld_session_input(s, "images");
    weld_random r = weld_random_start(3, 0, 0, WELD_RANDOM_INIT);
    for (int64_t i = 0; i < weld_shape_count(&images.shape); i++) {
        ((float *)images.data)[i] = (float)weld_random_normal(&r);
    }
    weld_session_run(s, 0);
    memcpy(logits, weld_session_output(s, "logits").data, 1000 * sizeof(float));
    weld_session_free(s);
}

START_TEST(the_last_step_is_repvit) {
    const weld_model_config last = step("8"), repvit = named("repvit_m0_9");
    weld_graph *a = built(&last, (weld_build_mode){0}, 64),
               *b = built(&repvit, (weld_build_mode){0}, 64);
    float of_step[1000], of_repvit[1000];
    weld_weights *w = lively(b);
    run(a, w, of_step);
    run(b, w, of_repvit);
    ck_assert_mem_eq(of_step, of_repvit, sizeof of_step);
    ck_assert(of_step[0] != of_step[1] && isfinite(of_step[0]));
    weld_weights_free(w);
    weld_graph_free(a);
    weld_graph_free(b);
    /* and it is trained as RepViT is: the same nodes, whatever is left out, on the same leaves */
    const weld_build_mode mode = {.training = true, .drop_path = 0.2, .dropout = 0.1};
    a = built(&last, mode, 64);
    b = built(&repvit, mode, 64);
    ck_assert_uint_eq(a->node_count, b->node_count);
    for (size_t i = 0; i < a->node_count; i++) {
        ck_assert_ptr_eq(a->nodes[i]->op, b->nodes[i]->op);
        ck_assert_mem_eq(&a->nodes[i]->attributes, &b->nodes[i]->attributes,
                         sizeof a->nodes[i]->attributes);
    }
    ck_assert_uint_eq(a->value_count, b->value_count);
    for (size_t i = 0; i < a->value_count; i++) {
        const weld_value *u = a->values[i], *v = b->values[i];
        ck_assert_int_eq(u->kind, v->kind);
        ck_assert(!u->name || strcmp(u->name, v->name) == 0);
        ck_assert_mem_eq(&u->init, &v->init, sizeof u->init);
        if (u->kind == WELD_VALUE_PARAMETER) {
            weld_model_place p = weld_model_place_of(&last, u->name),
                             q = weld_model_place_of(&repvit, u->name);
            ck_assert(p.part == q.part && p.layer == q.layer && p.per_class == q.per_class);
        }
    }
    weld_graph_free(a);
    weld_graph_free(b);
}
END_TEST

/* Both forms of everything. */
START_TEST(merging_leaves_plain_convolutions_with_the_same_logits) {
    static const char *const some[] = {"0", "1", "4"};
    for (int i = 0; i < 3; i++) {
        const weld_model_config config = step(some[i]);
        weld_graph *g = built(&config, (weld_build_mode){0}, 32), *merged;
        weld_weights *w = lively(g), *less;
        float before[1000], after[1000], largest = 0, difference = 0;
        ck_assert_int_eq(weld_reparameterize(g, w, &merged, &less, NULL), WELD_OK);
        for (size_t k = 0; k < merged->node_count; k++) {
            ck_assert(merged->nodes[k]->op != &weld_op_batch_norm_eval);
        }
        run(g, w, before);
        run(merged, less, after);
        for (int k = 0; k < 1000; k++) {
            largest = fmaxf(largest, fabsf(before[k]));
            difference = fmaxf(difference, fabsf(before[k] - after[k]));
        }
        ck_assert_msg(largest > 0.01f && difference <= 1e-4f * largest, "step %s: %g of %g",
                      some[i], (double)difference, (double)largest);
        weld_weights_free(w);
        weld_weights_free(less);
        weld_graph_free(g);
        weld_graph_free(merged);
    }
}
END_TEST

START_TEST(stages_end_where_the_image_is_4_to_32_times_smaller) {
    for (int i = 0; i < STEPS; i++) {
        weld_model_config config = step(steps[i]);
        for (int stem_stride = 4; stem_stride > 0; stem_stride /= 2) {
            char text[8];
            snprintf(text, sizeof text, "%d", stem_stride);
            set_value(&config, "stem_stride", text);
            weld_graph *g = built(&config, (weld_build_mode){0}, 64);
            for (int stage = 0; stage < 4; stage++) {
                int stride;
                const weld_value *end = weld_model_stage_end(g, &config, stage, &stride);
                ck_assert_ptr_nonnull(end);
                ck_assert_int_eq(stride, stem_stride << stage);
            }
            weld_graph_free(g);
        }
    }
}
END_TEST

START_TEST(every_tensor_has_its_place) {
    static const struct {
        const char *step;
        expected_place place;
    } places[] = {{"0", {"features.0.2.conv_dw.weight", 0, 0, false}},
                  {"0", {"features.1.conv_pw.weight", 1, 1, false}}, /* leads into the stage */
                  {"0", {"features.2.conv_pwl.weight", 1, 2, false}},
                  {"0", {"features.3.se.conv_reduce.bias", 2, 3, false}},
                  {"2", {"features.14.channel_mixer.m.2.bn.weight", 4, 14, false}},
                  {"4", {"features.1.token_mixer.0.bn.bias", 1, 1, false}},
                  {"4", {"features.2.channel_mixer.m.0.c.weight", 2, 2, false}},
                  {"4", {"features.3.token_mixer.2.c.weight", 2, 2, false}},
                  {"4", {"features.4.token_mixer.0.conv1.bias", 2, 3, false}},
                  {"4", {"classifier.widen.bn.weight", 5, 14, false}},
                  {"4", {"classifier.l.weight", 5, 14, true}}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const weld_model_config config = step(places[i].step);
        weld_graph *g = built(&config, (weld_build_mode){0}, 64);
        ck_assert_msg(weld_graph_find_leaf(g, places[i].place.name), "%s", places[i].place.name);
        weld_graph_free(g);
        expect_places(&config, &places[i].place, 1);
    }
}
END_TEST

/* What tensors of these names and shapes are taken for. */
static void check_taken(const weld_graph *g, const weld_model_config *stated, const char *name) {
    weld_named_shape *tensors = weld_alloc(g->value_count, sizeof *tensors);
    weld_shape_index index;
    weld_recognized r;
    weld_error err;
    size_t count = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            tensors[count++] = (weld_named_shape){v->name, v->shape};
        }
    }
    ck_assert_int_eq(weld_shape_index_create(tensors, count, &index, &err), WELD_OK);
    ck_assert_msg(!weld_model_recognize(&index, stated, &r, &err), "%s", err.message);
    ck_assert_str_eq(r.config.name, name);
    weld_shape_index_free(&index);
    weld_free(tensors);
}

START_TEST(tensors_of_the_last_step_are_repvits_unless_it_is_stated) {
    const weld_model_config last = step("8"), repvit = named("repvit_m0_9");
    weld_graph *g = built(&last, (weld_build_mode){0}, 32);
    check_taken(g, NULL, "repvit_m0_9");
    check_taken(g, &repvit, "repvit_m0_9");
    check_taken(g, &last, STEP "8");
    weld_graph_free(g);
}
END_TEST

static void expect_refusal(const char *key, const char *value, const char *reason) {
    weld_model_config config = step("8");
    weld_graph *g;
    weld_error err;
    set_value(&config, key, value);
    ck_assert_int_eq(weld_model_build(&config, false, 1, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, reason) != NULL, "'%s' lacks '%s'", err.message, reason);
}

START_TEST(values_that_make_no_network_are_refused) {
    expect_refusal("channels", "47, 96, 192, 384", "channels[0] is 47: the stem needs an even");
    expect_refusal("kernels", "3, 4, 3, 3", "kernels[1] is 4: it must be an odd number");
    expect_refusal("expansion", "0.5", "expansion is 0.5: it must be 1 or more");
    expect_refusal("stem_stride", "3", "stem_stride is 3: it must be 1, 2 or 4");
}
END_TEST

RUN_SUITE("models/mobilenetv3_repvit", each_step_changes_what_the_papers_does_and_nothing_else,
          the_last_step_is_repvit, merging_leaves_plain_convolutions_with_the_same_logits,
          stages_end_where_the_image_is_4_to_32_times_smaller, every_tensor_has_its_place,
          tensors_of_the_last_step_are_repvits_unless_it_is_stated,
          values_that_make_no_network_are_refused)
