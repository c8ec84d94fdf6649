#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/graph.h"
#include "suite.h"

static const weld_init zero = {0};

static weld_graph *new_graph(void) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    return g;
}

static void assert_error(const weld_graph *g, weld_status status, const char *text) {
    weld_error err = {0};
    ck_assert_int_eq(weld_graph_status(g, &err), status);
    ck_assert_int_eq(err.status, status);
    ck_assert_msg(strstr(err.message, text) != NULL, "\"%s\" says nothing of \"%s\"", err.message,
                  text);
    ck_assert_ptr_null(strchr(err.message, '\n'));
}

START_TEST(a_shape_error_names_the_node_its_parameter_and_the_reason) {
    weld_graph *g = new_graph();
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 6));
    weld_value *y = weld_softmax(g, x);
    weld_value *weight = weld_parameter(g, "head.norm.weight", WELD_SHAPE(6), zero);
    weld_value *bias = weld_parameter(g, "head.norm.bias", WELD_SHAPE(7), zero);
    ck_assert_ptr_null(weld_layer_norm(g, y, weight, bias, 1e-5));
    assert_error(g, WELD_ERROR_SHAPE,
                 "layer_norm#1 (head.norm.weight): bias must be f32 [6], is f32 [7]");
    weld_graph_free(g);
}
END_TEST

START_TEST(the_first_error_is_kept_and_the_rest_is_silent) {
    weld_graph *g = new_graph();
    weld_value *a = weld_input(g, "a", WELD_SHAPE(2, 6));
    weld_value *b = weld_input(g, "b", WELD_SHAPE(2, 5));
    weld_value *bad = weld_add(g, a, b);
    ck_assert_ptr_null(bad);
    size_t nodes = g->node_count;
    ck_assert_ptr_null(weld_softmax(g, bad));
    ck_assert_ptr_null(weld_softmax(g, a));
    ck_assert_ptr_null(weld_slice(g, a, 9, 0, 1));
    ck_assert_ptr_null(weld_concat(g, (weld_value *[]){a, bad}, 2, 0));
    ck_assert_ptr_null(weld_attention(g, bad, bad, bad, bad, 0, 0));
    ck_assert_ptr_null(weld_reshape(g, bad, WELD_SHAPE(1)));
    ck_assert_ptr_null(weld_permute(g, bad, NULL));
    ck_assert_ptr_null(weld_dropout(g, bad, 2));
    ck_assert_ptr_null(weld_input(g, "a", WELD_SHAPE(1)));
    weld_output(g, "out", bad);
    ck_assert_uint_eq(g->node_count, nodes);
    ck_assert_uint_eq(g->output_count, 0);
    assert_error(g, WELD_ERROR_SHAPE, "add#0 (a): b must be f32 [2, 6], is f32 [2, 5]");
    weld_graph_free(g);
}
END_TEST

START_TEST(a_missing_value_makes_no_error_of_its_own) {
    weld_graph *g = new_graph();
    weld_value *a = weld_input(g, "a", WELD_SHAPE(2, 6));
    ck_assert_ptr_null(weld_add(g, a, NULL));
    ck_assert_ptr_null(weld_softmax(g, NULL));
    weld_output(g, "out", NULL);
    ck_assert_int_eq(weld_graph_status(g, NULL), WELD_OK);
    weld_graph_free(g);
}
END_TEST

START_TEST(a_parameter_asked_for_again_is_the_same_value) {
    weld_graph *g = new_graph();
    weld_value *w = weld_parameter(g, "w", WELD_SHAPE(3), zero);
    ck_assert_ptr_eq(weld_parameter(g, "w", WELD_SHAPE(3), zero), w);
    weld_value *n = weld_buffer(g, "n", WELD_I64, (weld_shape){0}, zero);
    ck_assert_ptr_eq(weld_buffer(g, "n", WELD_I64, (weld_shape){0}, zero), n);
    ck_assert_uint_eq(weld_graph_parameter_count(g), 1);
    ck_assert_ptr_eq(weld_graph_parameter(g, 0), w);
    ck_assert_ptr_null(weld_graph_parameter(g, 1));
    ck_assert_ptr_null(weld_parameter(g, "w", WELD_SHAPE(4), zero));
    assert_error(g, WELD_ERROR_ARGUMENT, "w: the name is used twice, for shapes [3] and [4]");
    weld_graph_free(g);
}
END_TEST

START_TEST(names_of_another_kind_inputs_and_outputs_may_not_repeat) {
    weld_graph *g = new_graph();
    weld_input(g, "x", WELD_SHAPE(3));
    ck_assert_ptr_null(weld_input(g, "x", WELD_SHAPE(3)));
    assert_error(g, WELD_ERROR_ARGUMENT, "x: the name is used twice");
    weld_graph_free(g);
    g = new_graph();
    weld_input(g, "x", WELD_SHAPE(3));
    ck_assert_ptr_null(weld_parameter(g, "x", WELD_SHAPE(3), zero));
    assert_error(g, WELD_ERROR_ARGUMENT, "x: the name is used twice");
    weld_graph_free(g);
    g = new_graph();
    weld_value *x = weld_input(g, "x", WELD_SHAPE(3));
    weld_output(g, "y", x);
    weld_output(g, "y", x);
    assert_error(g, WELD_ERROR_ARGUMENT, "output y: the name is used twice");
    weld_graph_free(g);
}
END_TEST

START_TEST(leaves_without_elements_or_name_are_refused) {
    weld_shape wrong[] = {WELD_SHAPE(2, 0),
                          WELD_SHAPE(2, -1),
                          WELD_SHAPE(INT64_MAX, INT64_MAX, 3),
                          {.rank = -1},
                          {.rank = 7}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        weld_graph *g = new_graph();
        ck_assert_ptr_null(weld_input(g, "x", wrong[i]));
        assert_error(g, WELD_ERROR_SHAPE, "x: ");
        weld_graph_free(g);
    }
    weld_graph *g = new_graph();
    ck_assert_ptr_null(weld_input(g, "", WELD_SHAPE(1)));
    assert_error(g, WELD_ERROR_ARGUMENT, "needs a name");
    weld_graph_free(g);
}
END_TEST

START_TEST(values_of_another_graph_are_refused) {
    weld_graph *g = new_graph(), *other = new_graph();
    weld_value *x = weld_input(g, "x", WELD_SHAPE(3));
    weld_value *y = weld_input(other, "y", WELD_SHAPE(3));
    ck_assert_ptr_null(weld_add(g, x, y));
    assert_error(g, WELD_ERROR_ARGUMENT, "input 1 is of another graph");
    weld_graph_free(g);
    weld_graph_free(other);
}
END_TEST

START_TEST(only_floating_point_types_make_a_graph) {
    weld_graph *g;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_I64, &g, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_null(g);
    weld_graph_free(g);
}
END_TEST

/* x -> softmax -> +x -> "y", with a bias [in the middle] that is a parameter. */
static weld_graph *small_graph(void) {
    weld_graph *g = new_graph();
    weld_value *x = weld_input(g, "x", WELD_SHAPE(2, 6));
    weld_value *w = weld_parameter(g, "norm.weight", WELD_SHAPE(6), zero);
    weld_value *b = weld_parameter(g, "norm.bias", WELD_SHAPE(6), zero);
    weld_value *y = weld_softmax(g, weld_layer_norm(g, x, w, b, 1e-3));
    y = weld_add(g, weld_dropout(g, y, 0.25), x);
    weld_buffer(g, "count", WELD_I64, (weld_shape){0}, zero);
    weld_output(g, "y", weld_slice(g, y, 1, 2, 4));
    return g;
}

static void print(const weld_graph *g, bool (*printer)(const weld_graph *, FILE *), char *text,
                  size_t size) {
    FILE *file = fmemopen(text, size, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert(printer(g, file));
    fclose(file);
}

static void assert_lines(const char *text, const char *const *lines, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(strstr(text, lines[i]) != NULL, "no \"%s\" in:\n%s", lines[i], text);
    }
}

START_TEST(the_text_of_a_graph_shows_leaves_operators_attributes_and_shapes) {
    char text[4096];
    weld_graph *g = small_graph();
    print(g, weld_graph_print, text, sizeof text);
    static const char *const lines[] = {"input x f32 [2, 6]\n",
                                        "parameter norm.weight f32 [6]\n",
                                        "buffer count i64 []\n",
                                        "= layer_norm(x, norm.weight, norm.bias) eps=0.001 :",
                                        "= softmax(%3) : [2, 6]\n",
                                        "= dropout(%4) probability=0.25 salt=0 : [2, 6]\n",
                                        "= slice(%6) axis=1 begin=2 end=4 : [2, 2]\n",
                                        "output y = %8\n"};
    assert_lines(text, lines, sizeof lines / sizeof *lines);
    weld_graph_free(g);
}
END_TEST

START_TEST(the_drawing_of_a_graph_has_boxes_edges_and_escaped_names) {
    char text[8192];
    weld_graph *g = small_graph();
    weld_output(g, "a \"b\" \\", weld_graph_output(g, "y"));
    print(g, weld_graph_print_dot, text, sizeof text);
    static const char *const lines[] = {
        "digraph weld {\n",
        "  v0 [shape=ellipse, label=\"x\\n[2, 6]\"];\n",
        "n0 [label=\"layer_norm eps=0.001\\nnorm.weight\\nnorm.bias\\n[2, 6]\"];",
        "  v0 -> n0;\n",
        "  n0 -> n1;\n",
        "  v0 -> n3;\n",
        "label=\"a \\\"b\\\" \\\\\"",
        "n4 -> o0;\n",
        "n4 -> o1;\n}\n"};
    assert_lines(text, lines, sizeof lines / sizeof *lines);
    weld_graph_free(g);
}
END_TEST

START_TEST(printing_says_when_writing_failed) {
    weld_graph *g = small_graph();
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        setvbuf(full, NULL, _IONBF, 0);
        ck_assert(!weld_graph_print(g, full));
        ck_assert(!weld_graph_print_dot(g, full));
        fclose(full);
    }
    weld_graph_free(g);
}
END_TEST

START_TEST(a_copy_of_all_nodes_prints_as_the_original) {
    char first[4096], second[4096];
    weld_graph *g = small_graph(), *copy = new_graph();
    weld_value *map[64] = {0};
    for (size_t i = 0, next = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind != WELD_VALUE_RESULT) {
            map[i] = weld_graph_copy_leaf(copy, v);
        } else if (v->output_index == 0) {
            const weld_node *node = g->nodes[next++];
            weld_value *in[8];
            for (int j = 0; j < node->input_count; j++) {
                in[j] = map[node->inputs[j]->id];
            }
            map[i] = weld_graph_copy_node(copy, node, in);
        }
    }
    weld_output(copy, "y", map[weld_graph_output(g, "y")->id]);
    print(g, weld_graph_print, first, sizeof first);
    print(copy, weld_graph_print, second, sizeof second);
    ck_assert_str_eq(first, second);
    /* A dropout added to the copy draws other numbers than the one copied. */
    weld_value *more = weld_dropout(copy, weld_graph_output(copy, "y"), 0.5);
    ck_assert_int_eq(more->producer->attributes.salt, 1);
    weld_graph_free(g);
    weld_graph_free(copy);
}
END_TEST

/* Everything from an empty graph to a finished session; WELD_OK or what failed. */
static weld_status build_all(void) {
    weld_graph *g = NULL;
    weld_weights *w = NULL;
    weld_session *s = NULL;
    weld_value *wrt[1], *grads[1];
    weld_status status = weld_graph_create(WELD_F32, &g, NULL);
    if (status == WELD_OK) {
        weld_value *x = weld_input(g, "x", WELD_SHAPE(1, 1));
        weld_value *a = weld_parameter(g, "a", WELD_SHAPE(1, 1), zero);
        weld_value *y = weld_layer_norm(g, weld_concat(g, (weld_value *[]){x, a}, 2, 1),
                                        weld_parameter(g, "w", WELD_SHAPE(2), zero),
                                        weld_parameter(g, "b", WELD_SHAPE(2), zero), 1);
        weld_value *loss = weld_slice(g, y, 1, 1, 2);
        weld_output(g, "loss", loss);
        wrt[0] = a;
        status = weld_graph_status(g, NULL);
        if (status == WELD_OK) {
            status = weld_differentiate(g, loss, wrt, 1, grads, NULL);
        }
    }
    if (status == WELD_OK) {
        weld_output(g, "grad", grads[0]);
        status = weld_graph_init_weights(g, 1, &w, NULL);
    }
    if (status == WELD_OK) {
        status = weld_session_create(g, w, NULL, &s, NULL);
    }
    if (g) { /* what there is of it can be printed and freed */
        char text[8192];
        print(g, weld_graph_print, text, sizeof text);
        print(g, weld_graph_print_dot, text, sizeof text);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
    return status;
}

START_TEST(running_out_of_memory_anywhere_is_an_error_and_no_more) {
    long failures = 0;
    for (;; failures++) {
        weld_memory_fail_after(failures);
        weld_status status = build_all();
        weld_memory_fail_after(-1);
        if (status == WELD_OK) {
            break;
        }
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
    }
    ck_assert_int_gt(failures, 30);
}
END_TEST

RUN_SUITE("graph/graph", a_shape_error_names_the_node_its_parameter_and_the_reason,
          the_first_error_is_kept_and_the_rest_is_silent, a_missing_value_makes_no_error_of_its_own,
          a_parameter_asked_for_again_is_the_same_value,
          names_of_another_kind_inputs_and_outputs_may_not_repeat,
          leaves_without_elements_or_name_are_refused, values_of_another_graph_are_refused,
          only_floating_point_types_make_a_graph,
          the_text_of_a_graph_shows_leaves_operators_attributes_and_shapes,
          the_drawing_of_a_graph_has_boxes_edges_and_escaped_names,
          printing_says_when_writing_failed, a_copy_of_all_nodes_prints_as_the_original,
          running_out_of_memory_anywhere_is_an_error_and_no_more)
