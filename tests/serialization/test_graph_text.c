#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "serialization/graph_text.h"
#include "graph/graph.h"
#include "suite.h"

static const weld_init uniform = {WELD_INIT_UNIFORM, -0.1, 0.1};
static const weld_init constant = {WELD_INIT_CONSTANT, 1, 0};

static weld_value *batch_norm(weld_graph *g, weld_value *x, const char *name, int64_t c,
                              bool training) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    weld_value *leaves[4];
    char text[64];
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%s.%s", name, parts[i]);
        leaves[i] = i < 2 ? weld_parameter(g, text, WELD_SHAPE(c), constant)
                          : weld_buffer(g, text, WELD_F32, WELD_SHAPE(c), constant);
    }
    snprintf(text, sizeof text, "%s.num_batches_tracked", name);
    weld_value *tracked = weld_buffer(g, text, WELD_I64, (weld_shape){.rank = 0},
                                      (weld_init){WELD_INIT_CONSTANT, 0, 0});
    return weld_batch_norm(
        g, x, (weld_batch_norm_leaves){leaves[0], leaves[1], leaves[2], leaves[3], tracked}, 1e-5,
        0.1, training);
}

static weld_value *convolution(weld_graph *g, weld_value *x, const char *name, int64_t out,
                               int64_t in, int groups, int stride) {
    char text[64];
    snprintf(text, sizeof text, "%s.weight", name);
    weld_value *w = weld_parameter(g, text, WELD_SHAPE(out, in / groups, 3, 3), uniform);
    return weld_conv2d(g, x, w, NULL, (weld_conv2d_options){{stride, stride}, {1, 1}, groups});
}

/* A network that uses every operator that can be built, and its gradient. */
static weld_graph *everything(bool training) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(2, 8, 8, 3));
    x = convolution(g, x, "stem", 8, 3, 1, 2);
    x = batch_norm(g, x, "stem.bn", 8, training);
    x = weld_gelu(g, x);
    x = weld_add(g, x, weld_scale(g, weld_silu(g, convolution(g, x, "mix", 8, 8, 8, 1)), 0.3));
    weld_value *fc1 = weld_parameter(g, "se.fc1.weight", WELD_SHAPE(4, 8, 1, 1), uniform);
    weld_value *fc1_bias = weld_parameter(g, "se.fc1.bias", WELD_SHAPE(4), uniform);
    weld_value *fc2 = weld_parameter(g, "se.fc2.weight", WELD_SHAPE(8, 4, 1, 1), uniform);
    weld_value *fc2_bias = weld_parameter(g, "se.fc2.bias", WELD_SHAPE(8), uniform);
    x = weld_squeeze_excite(g, x, fc1, fc1_bias, fc2, fc2_bias);
    x = weld_max_pool(g, x, (int[]){3, 3}, (int[]){1, 1}, (int[]){1, 1});
    weld_value *gamma = weld_parameter(g, "norm.weight", WELD_SHAPE(8), constant);
    weld_value *far = weld_parameter(g, "far.weight", WELD_SHAPE(8, 1, 3, 3), uniform);
    weld_conv2d_options apart = {.padding = {2, 3}, .groups = 8, .dilation = {2, 3}};
    x = weld_mul(g, x, weld_conv2d(g, x, far, NULL, apart));
    x = weld_affine(g, weld_clamp(g, x, -0.5, 6), gamma, NULL);
    x = weld_resize(g, weld_resize(g, x, 3, 5, WELD_RESIZE_BILINEAR), 4, 4, WELD_RESIZE_NEAREST);
    weld_value *tokens = weld_reshape(g, x, WELD_SHAPE(2, -1, 8));
    weld_value *table = weld_parameter(g, "table", WELD_SHAPE(2, 49), uniform);
    weld_value *bias = weld_relative_position_bias(g, table, 4, 4);
    weld_value *attended = weld_attention(g, tokens, tokens, tokens, bias, 2, 0);
    weld_value *beta = weld_parameter(g, "norm.bias", WELD_SHAPE(8), constant);
    tokens = weld_layer_norm(g, weld_add(g, tokens, attended), gamma, beta, 1e-6);
    if (training) {
        tokens = weld_dropout(g, tokens, 0.1);
        tokens = weld_stochastic_depth(g, tokens, 0.2);
    }
    tokens = weld_permute(g, weld_permute(g, tokens, (int[]){0, 2, 1}), (int[]){0, 2, 1});
    weld_value *halves[2] = {weld_relu(g, weld_slice(g, tokens, 2, 0, 4)),
                             weld_hard_swish(g, weld_slice(g, tokens, 2, 4, 8))};
    tokens = weld_concat(g, halves, 2, 2);
    x = weld_global_avg_pool(g, weld_reshape(g, tokens, WELD_SHAPE(2, 4, 4, 8)));
    x = weld_hard_sigmoid(g, weld_sigmoid(g, weld_reshape(g, x, WELD_SHAPE(2, 8))));
    weld_value *head = weld_parameter(g, "head.weight", WELD_SHAPE(5, 8),
                                      (weld_init){WELD_INIT_TRUNC_NORMAL, 0.02, 2});
    x = weld_linear(g, x, head, weld_parameter(g, "head.bias", WELD_SHAPE(5), constant));
    weld_output(g, "logits", x);
    weld_output(g, "probabilities", weld_softmax(g, x));
    if (training) {
        weld_value *target = weld_input(g, "targets", WELD_SHAPE(2, 5));
        weld_value *loss = weld_mean(g, weld_cross_entropy(g, x, target, 0.1));
        weld_output(g, "loss", loss);
        weld_value *wrt[2] = {weld_graph_find_leaf(g, "stem.weight"), head}, *grads[2];
        weld_error err;
        ck_assert_msg(weld_differentiate(g, loss, wrt, 2, grads, &err) == WELD_OK, "%s",
                      err.message);
        weld_output(g, "grad", grads[0]);
    }
    weld_error err = {0};
    ck_assert_msg(weld_graph_status(g, &err) == WELD_OK, "%s", err.message);
    return g;
}

static char *printed(const weld_graph *g) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    ck_assert(weld_graph_print(g, stream));
    fclose(stream);
    return text;
}

static void assert_round_trip(const weld_graph *g) {
    char *text, *again;
    weld_error err;
    weld_graph *back;
    ck_assert_int_eq(weld_graph_to_text(g, &text, &err), WELD_OK);
    ck_assert_msg(weld_graph_from_text(text, "graph", &back, &err) == WELD_OK, "%s", err.message);
    ck_assert_int_eq(weld_graph_to_text(back, &again, &err), WELD_OK);
    ck_assert_str_eq(text, again);
    char *before = printed(g), *after = printed(back);
    ck_assert_str_eq(before, after);
    ck_assert_uint_eq(g->value_count, back->value_count);
    ck_assert_uint_eq(g->node_count, back->node_count);
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_attributes *a = &g->nodes[i]->attributes, *b = &back->nodes[i]->attributes;
        ck_assert_double_eq(a->eps, b->eps);
        ck_assert_double_eq(a->momentum, b->momentum);
        ck_assert_double_eq(a->factor, b->factor);
        ck_assert_double_eq(a->probability, b->probability);
        ck_assert_int_eq(a->salt, b->salt);
    }
    for (size_t i = 0; i < g->value_count; i++) {
        ck_assert_int_eq(g->values[i]->init.kind, back->values[i]->init.kind);
        ck_assert_double_eq(g->values[i]->init.a, back->values[i]->init.a);
        ck_assert_double_eq(g->values[i]->init.b, back->values[i]->init.b);
    }
    free(before);
    free(after);
    weld_free(text);
    weld_free(again);
    weld_graph_free(back);
}

START_TEST(a_graph_comes_back_equal) {
    weld_graph *g = everything(false);
    assert_round_trip(g);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_training_graph_with_gradients_comes_back_equal) {
    weld_graph *g = everything(true);
    assert_round_trip(g);
    weld_graph_free(g);
}
END_TEST

START_TEST(the_stream_of_salts_goes_on_behind_those_in_the_text) {
    weld_graph *g = everything(true), *back;
    char *text;
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_from_text(text, "graph", &back, NULL), WELD_OK);
    ck_assert_int_eq(back->next_salt, g->next_salt);
    weld_free(text);
    weld_graph_free(g);
    weld_graph_free(back);
}
END_TEST

START_TEST(a_number_that_is_not_finite_cannot_be_written) {
    weld_graph *g;
    char *text;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(1, 2));
    weld_output(g, "y", weld_scale(g, x, (double)__builtin_inf()));
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_ERROR_NUMERIC);
    weld_graph_free(g);
}
END_TEST

/* What is not dilated is written as by versions that knew no dilation, and read as from them; so is
 * what is not padded as TensorFlow does. */
START_TEST(dilation_and_same_padding_are_written_where_there_are_any) {
    weld_graph *g, *back;
    char *text;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "x", WELD_SHAPE(1, 9, 9, 2));
    weld_value *w = weld_parameter(g, "w", WELD_SHAPE(2, 2, 3, 3), uniform);
    weld_output(g, "y", weld_conv2d(g, x, w, NULL, (weld_conv2d_options){.dilation = {1, 1}}));
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_OK);
    ck_assert_ptr_null(strstr(text, "dilation"));
    ck_assert_ptr_null(strstr(text, "same"));
    ck_assert_int_eq(weld_graph_from_text(text, "graph", &back, NULL), WELD_OK);
    ck_assert_int_eq(weld_value_shape(weld_graph_output(back, "y")).dim[1], 7);
    weld_free(text);
    weld_graph_free(back);
    weld_output(g, "z", weld_conv2d(g, x, w, NULL, (weld_conv2d_options){.dilation = {1, 3}}));
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"dilation\":[0,3]"));
    ck_assert_int_eq(weld_graph_from_text(text, "graph", &back, NULL), WELD_OK);
    weld_shape shape = weld_value_shape(weld_graph_output(back, "z"));
    ck_assert_int_eq(shape.dim[1], 7);
    ck_assert_int_eq(shape.dim[2], 3);
    weld_free(text);
    weld_graph_free(back);
    weld_output(g, "s", weld_conv2d(g, x, w, NULL, (weld_conv2d_options){.same = true}));
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"same\":true"));
    ck_assert_int_eq(weld_graph_from_text(text, "graph", &back, NULL), WELD_OK);
    ck_assert_int_eq(weld_value_shape(weld_graph_output(back, "s")).dim[1], 9);
    weld_free(text);
    weld_graph_free(back);
    weld_graph_free(g);
}
END_TEST

#define BEGIN "{\"weld_graph\":1,\"dtype\":\"f32\",\"values\":["
#define X "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2,3]}"
#define END "],\"outputs\":[]}"

START_TEST(texts_that_lie_are_refused_with_the_reason) {
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"", "byte 0: the text ends"},
        {"[]", "not a JSON object"},
        {"{", "byte 1: the text ends"},
        {"{}", "no weld_graph"},
        {"{\"weld_graph\":2,\"dtype\":\"f32\",\"values\":[],\"outputs\":[]}", "later version"},
        {"{\"weld_graph\":1,\"dtype\":\"f32\",\"values\":[],\"outputs\":[],\"x\":1}", "\"x\""},
        {"{\"weld_graph\":1,\"dtype\":\"bf16\",\"values\":[],\"outputs\":[]}", "dtype"},
        {"{\"weld_graph\":1,\"dtype\":\"f32\",\"values\":{},\"outputs\":[]}", "values"},
        {"{\"weld_graph\":1,\"dtype\":\"f32\",\"values\":[]}", "outputs"},
        {BEGIN "3" END, "op"},
        {BEGIN "{}" END, "op"},
        {BEGIN X "," X END, "used twice"},
        {BEGIN "{\"leaf\":\"input\",\"name\":\"\",\"dtype\":\"f32\",\"shape\":[2]}" END, "name"},
        {BEGIN "{\"leaf\":\"inputs\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2]}" END, "leaf"},
        {BEGIN "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"i64\",\"shape\":[2]}" END, "type"},
        {BEGIN "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[0]}" END, "shape"},
        {BEGIN "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[-1]}" END, "shape"},
        {BEGIN "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2.5]}" END,
         "shape"},
        {BEGIN
         "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[1,1,1,1,1,1,1]}" END,
         "shape"},
        {BEGIN "{\"leaf\":\"input\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":"
               "[1099511627776,1099511627776]}" END,
         "shape"},
        {BEGIN "{\"leaf\":\"parameter\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2]}" END,
         "init"},
        {BEGIN "{\"leaf\":\"parameter\",\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2],"
               "\"init\":[\"zero\",0,0]}" END,
         "init"},
        {BEGIN X ",{\"op\":\"system\",\"inputs\":[0]}" END, "system"},
        {BEGIN X ",{\"op\":\"add\",\"inputs\":[0]}" END, "inputs"},
        {BEGIN X ",{\"op\":\"add\",\"inputs\":[0,0,0]}" END, "inputs"},
        {BEGIN X ",{\"op\":\"add\",\"inputs\":[0,1]}" END, "inputs"},
        {BEGIN X ",{\"op\":\"add\",\"inputs\":[0,-1]}" END, "inputs"},
        {BEGIN X ",{\"op\":\"add\",\"inputs\":[0,null]}" END, "missing"},
        {BEGIN "{\"op\":\"add\",\"inputs\":[0,0]}" END, "inputs"},
        {BEGIN X ",{\"op\":\"add\",\"inputs\":[0,0],\"axis\":1}" END, "axis"},
        {BEGIN X ",{\"op\":\"scale\",\"inputs\":[0]}" END, "factor"},
        {BEGIN X ",{\"op\":\"scale\",\"inputs\":[0],\"factor\":\"2\"}" END, "factor"},
        {BEGIN X ",{\"op\":\"permute\",\"inputs\":[0],\"shape\":[1,1]}" END, "permute"},
        {BEGIN X ",{\"op\":\"slice\",\"inputs\":[0],\"axis\":7,\"begin\":0,\"end\":1}" END,
         "slice"},
        {BEGIN X ",{\"op\":\"layer_norm_grad\",\"inputs\":[0,0,0],\"eps\":1}" END, "weight"},
        {BEGIN X ",{\"op\":\"cast\",\"inputs\":[0],\"dtype\":\"f16\"}" END, "f16"},
        {BEGIN X ",{\"op\":\"cast\",\"inputs\":[0],\"dtype\":\"i64\"}" END, "i64"},
        {BEGIN X ",{\"op\":\"cast\",\"inputs\":[0],\"dtype\":\"bf16\"}"
                 ",{\"op\":\"mean\",\"inputs\":[1]}" END,
         "bf16"},
        {BEGIN X "],\"outputs\":[{\"name\":\"y\",\"value\":1}]}", "value"},
        {BEGIN X "],\"outputs\":[{\"name\":\"y\",\"value\":0},{\"name\":\"y\",\"value\":0}]}",
         "used twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weld_error err = {0};
        weld_graph *g;
        ck_assert_msg(weld_graph_from_text(bad[i].text, "a.h5: graph", &g, &err) != WELD_OK, "%s",
                      bad[i].text);
        ck_assert_msg(strstr(err.message, bad[i].reason) && strstr(err.message, "a.h5: graph"),
                      "%s: %s", bad[i].text, err.message);
    }
}
END_TEST

/* Replace the number at `at` by another, and read the result. */
static size_t try_number(const char *text, const char *at, const char *number) {
    size_t before = (size_t)(at - text), digits = strspn(at, "-0123456789.e");
    char *changed = weld_alloc(strlen(text) + 32, 1);
    memcpy(changed, text, before);
    snprintf(changed + before, strlen(text) + 32 - before, "%s%s", number, at + digits);
    weld_graph *g;
    weld_error err;
    weld_status status = weld_graph_from_text(changed, "graph", &g, &err);
    if (status == WELD_OK) {
        weld_graph_free(g);
    }
    weld_free(changed);
    return status == WELD_OK;
}

/* Each value would take eighty times its text in memory. */
START_TEST(a_text_that_would_fill_the_memory_is_refused) {
    static const char begin[] = "{\"weld_graph\":1,\"dtype\":\"f32\",\"outputs\":[],\"values\":[";
    size_t size = (size_t)40 << 20;
    char *text = malloc(size);
    weld_graph *g;
    weld_error err;
    ck_assert_ptr_nonnull(text);
    memcpy(text, begin, sizeof begin - 1);
    for (size_t i = sizeof begin - 1; i + 3 < size; i += 3) {
        memcpy(text + i, "{},", 4);
    }
    ck_assert_int_eq(weld_graph_from_text(text, "x", &g, &err), WELD_ERROR_FORMAT);
    ck_assert_str_eq(err.message,
                     "x: more than 4194304 bytes of JSON: the file was not made by weld");
    free(text);
}
END_TEST

START_TEST(changed_numbers_give_a_sound_graph_or_an_error) {
    static const char *const numbers[] = {"0",        "1",    "2",   "-1",           "5",
                                          "16777216", "1e99", "0.5", "1099511627776"};
    weld_graph *g = everything(true);
    char *text;
    size_t good = 0, tried = 0;
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_OK);
    /* Each place gets one of the replacements: all of them everywhere would take too long. */
    for (const char *at = text; (at = strpbrk(at, ":[,")) != NULL;) {
        at++;
        if (strspn(at, "-0123456789") == 0) {
            continue;
        }
        good += try_number(text, at, numbers[tried++ % (sizeof numbers / sizeof *numbers)]);
    }
    ck_assert_uint_gt(tried, 100);
    ck_assert_uint_gt(good, 0);
    ck_assert_uint_lt(good, tried);
    weld_free(text);
    weld_graph_free(g);
}
END_TEST

START_TEST(changed_bytes_give_a_sound_graph_or_an_error) {
    weld_graph *g = everything(false);
    char *text;
    ck_assert_int_eq(weld_graph_to_text(g, &text, NULL), WELD_OK);
    weld_random r = weld_random_start(4, 0, 0, WELD_RANDOM_TEST);
    size_t length = strlen(text);
    for (int i = 0; i < 500; i++) {
        size_t at = weld_random_below(&r, length);
        char old = text[at];
        static const char alphabet[] = "0123456789-.,:[]{}\"ntf";
        text[at] = alphabet[weld_random_below(&r, sizeof alphabet - 1)];
        weld_graph *back;
        if (weld_graph_from_text(text, "graph", &back, NULL) == WELD_OK) {
            weld_graph_free(back);
        }
        text[at] = old;
    }
    weld_free(text);
    weld_graph_free(g);
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    weld_graph *g, *back;
    char *text;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    weld_value *x = weld_input(g, "images", WELD_SHAPE(1, 4, 4, 2));
    x = batch_norm(g, convolution(g, x, "a", 2, 2, 1, 1), "bn", 2, true);
    weld_output(g, "y", x);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        weld_memory_fail_after(n);
        status = weld_graph_to_text(g, &text, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 1000);
        weld_memory_fail_after(n);
        status = weld_graph_from_text(text, "graph", &back, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_graph_free(back);
    weld_free(text);
    weld_graph_free(g);
}
END_TEST

RUN_SUITE("serialization/graph_text", a_graph_comes_back_equal,
          a_training_graph_with_gradients_comes_back_equal,
          the_stream_of_salts_goes_on_behind_those_in_the_text,
          a_number_that_is_not_finite_cannot_be_written,
          dilation_and_same_padding_are_written_where_there_are_any,
          texts_that_lie_are_refused_with_the_reason, a_text_that_would_fill_the_memory_is_refused,
          changed_numbers_give_a_sound_graph_or_an_error,
          changed_bytes_give_a_sound_graph_or_an_error,
          failing_allocations_are_errors_and_nothing_more)
