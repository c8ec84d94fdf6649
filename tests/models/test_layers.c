/* Layers that programs build networks of. */
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "weld/layers.h"

static weld_error err;

static weld_graph *new_graph(weld_value **images) {
    weld_graph *g;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, &err), WELD_OK);
    *images = weld_input(g, "images", WELD_SHAPE(2, 8, 8, 3));
    return g;
}

static const weld_path stem = {"stem"};

START_TEST(leaves_have_the_names_and_shapes_of_pytorch) {
    weld_value *x;
    weld_graph *g = new_graph(&x);
    const weld_layers net = weld_layers_of(g, true);
    const weld_conv_shape depthwise = {.in = 4, .out = 4, .kernel = 3, .stride = 2, .groups = 4};
    x = weld_layer_conv(&net, weld_under(stem, "%d", 0), x, (weld_conv_shape){3, 4, .kernel = 1},
                        true);
    x = weld_layer_conv_bn(&net, weld_under(stem, "dw"), weld_under(stem, "bn"), x, depthwise);
    x = weld_layer_norm_affine(&net, (weld_path){""}, x, 4, 1e-6);
    x = weld_layer_scale_channels(&net, weld_under(stem, "gamma"), x, 4, 0.1);
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_OK);
    weld_shape shape = weld_value_shape(x);
    ck_assert(weld_shape_equal(&shape, &WELD_SHAPE(2, 4, 4, 4)));
    const struct {
        const char *name;
        weld_shape shape;
    } wanted[] = {{"stem.0.weight", WELD_SHAPE(4, 3, 1, 1)},
                  {"stem.0.bias", WELD_SHAPE(4)},
                  {"stem.dw.weight", WELD_SHAPE(4, 1, 3, 3)},
                  {"stem.bn.weight", WELD_SHAPE(4)},
                  {"stem.bn.bias", WELD_SHAPE(4)},
                  {"weight", WELD_SHAPE(4)},
                  {"bias", WELD_SHAPE(4)},
                  {"stem.gamma", WELD_SHAPE(4)}};
    ck_assert_uint_eq(weld_graph_parameter_count(g), sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const weld_value *p = weld_graph_parameter(g, i);
        shape = weld_value_shape(p);
        ck_assert_str_eq(weld_value_name(p), wanted[i].name);
        ck_assert_msg(weld_shape_equal(&shape, &wanted[i].shape), "%s", wanted[i].name);
    }
    weld_graph_free(g);
}
END_TEST

/* Cut off, two layers would share their weights and nobody would notice. */
START_TEST(a_name_that_is_too_long_is_an_error) {
    weld_value *x;
    weld_graph *g = new_graph(&x);
    const weld_layers net = weld_layers_of(g, true);
    weld_path at = stem;
    for (int i = 0; i < 30; i++) {
        at = weld_under(at, "block");
    }
    ck_assert_ptr_null(weld_layer_batch_norm(&net, at, x, 3, 1));
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, "stem.block.block"), "%s", err.message);
    weld_graph_free(g);
    g = new_graph(&x); /* the weight's name fits, that of a statistic does not */
    weld_layers other = weld_layers_of(g, true);
    snprintf(at.text, sizeof at.text, "%0*d", WELD_PATH_SIZE - 10, 0);
    ck_assert_ptr_null(weld_layer_batch_norm(&other, at, x, 3, 1));
    ck_assert_int_eq(weld_graph_status(g, &err), WELD_ERROR_ARGUMENT);
    weld_graph_free(g);
}
END_TEST

static size_t node_lines(const weld_graph *g, const char *op) {
    char *text = NULL;
    size_t size, count = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert(weld_graph_print(g, out));
    fclose(out);
    for (const char *at = text; (at = strstr(at, op)); at++) {
        count++;
    }
    free(text);
    return count;
}

START_TEST(chance_is_for_training_alone) {
    for (int training = 0; training <= 1; training++) {
        weld_value *x;
        weld_graph *g = new_graph(&x);
        weld_layers net = weld_layers_of(g, training);
        net.mode.drop_path = 0.2;
        net.mode.dropout = 0.1;
        x = weld_add(g, x, weld_layer_drop_path(&net, weld_relu(g, x), 0.5));
        x = weld_layer_drop_path(&net, x, 0); /* the first branch always stays */
        weld_output(g, "features", weld_layer_dropout(&net, weld_layer_global_mean(&net, x, 3)));
        ck_assert_uint_eq(node_lines(g, "stochastic_depth"), training ? 1 : 0);
        ck_assert_uint_eq(node_lines(g, "dropout"), training ? 1 : 0);
        weld_graph_free(g);
    }
}
END_TEST

RUN_SUITE("models/layers", leaves_have_the_names_and_shapes_of_pytorch,
          a_name_that_is_too_long_is_an_error, chance_is_for_training_alone)
