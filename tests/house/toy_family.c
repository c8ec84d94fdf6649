/* A family of three layers; see toy.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "house/toy.h"
#include "models/layers.h"

typedef struct toy {
    int width;
    int activation; /* 0: ReLU, 1: GELU */
} toy;

static const char *const activations[] = {"relu", "gelu", NULL};

static const weld_key keys[] = {
    {"width", WELD_KEY_INTEGER, WELD_KEY_ONE(toy, width), .min = 1, .max = 1 << 10,
     .flags = WELD_KEY_SIZE, .help = "channels of both convolutions"},
    {"activation", WELD_KEY_CHOICE, WELD_KEY_ONE(toy, activation), .choices = activations,
     .flags = WELD_KEY_UNTOLD, .standard = "relu", .help = "behind each convolution"},
};

static const weld_model_variant variants[] = {{"toy_small", &(const toy){4, 0}}};
static const weld_naming namings[] = {{"toys", "the toy's", "the toy's"}};

static toy toy_of(const weld_model_config *config) {
    toy t;
    memcpy(&t, config->values, sizeof t);
    return t;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    bool first = strncmp(name, "first.", 6) == 0, second = strncmp(name, "second.", 7) == 0;
    (void)config;
    return (weld_model_place){first ? 0 : second ? 1 : 2, first ? 0 : second ? 1 : 2, false};
}

static weld_value *layer(const weld_layers *net, const toy *t, const char *name, weld_value *x,
                         int in, int stride) {
    weld_path at;
    snprintf(at.text, sizeof at.text, "%s", name);
    x = weld_layer_conv(net, weld_under(at, "c"), x, (weld_conv_shape){in, t->width, 3, stride, 1},
                        false);
    x = weld_layer_batch_norm(net, weld_under(at, "bn"), x, t->width, 1);
    return t->activation ? weld_gelu(net->g, x) : weld_relu(net->g, x);
}

static void build(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images) {
    const toy t = toy_of(config);
    const weld_layers net = {g, config, mode, place, .bn_eps = 1e-5, .bn_momentum = 0.1};
    const weld_init narrow = {.kind = WELD_INIT_TRUNC_NORMAL, .a = 0.1, .b = 2};
    weld_value *x = layer(&net, &t, "first", images, 3, 2);
    x = layer(&net, &t, "second", x, t.width, 1);
    x = weld_layer_global_mean(&net, x, t.width);
    weld_output(g, "value", weld_layer_linear(&net, (weld_path){"last"}, x, t.width, 1, narrow));
}

static bool is_value(const weld_model_config *config, int64_t batch, int64_t height, int64_t width,
                     const weld_shape *shape) {
    const weld_shape wanted = WELD_SHAPE(batch, 1);
    (void)config;
    (void)height, (void)width;
    return weld_shape_equal(shape, &wanted);
}

static const weld_output_form outputs[] = {{"value", is_value}, {NULL, NULL}};

static int stage_count(const weld_model_config *config) {
    (void)config;
    return 1;
}

static int64_t block_count(const weld_model_config *config) {
    (void)config;
    return 2;
}

static bool tensor_name(const weld_model_config *config, const weld_naming *naming,
                        const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    (void)config, (void)naming;
    snprintf(out, WELD_TENSOR_NAME_SIZE, "%s", name);
    return true;
}

static weld_status recognize(const weld_shape_index *index, weld_recognized *out, weld_error *err) {
    const weld_named_shape *whole = weld_shape_index_find(index, "first.c.weight");
    const weld_named_shape *merged = weld_shape_index_find(index, "first.weight");
    const weld_named_shape *first = whole ? whole : merged;
    if (!first || !weld_shape_index_find(index, "last.weight")) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "no toy: it has no first and last layer");
    }
    toy t = toy_of(&out->config);
    t.width = (int)first->shape.dim[0];
    memcpy(out->config.values, &t, sizeof t);
    out->config.num_classes = 1;
    out->naming = namings;
    out->merged = !weld_shape_index_find(index, "first.bn.weight");
    return WELD_OK;
}

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    (void)config, (void)naming;
    return (weld_preprocessing){.height = 8,
                                .width = 8,
                                .crop_fraction = 1,
                                .interpolation = WELD_BILINEAR,
                                .mean = {0.5f, 0.5f, 0.5f},
                                .std = {0.5f, 0.5f, 0.5f}};
}

const weld_model_family toy_family = {
    .name = "toy",
    .task = "brightness",
    .outputs = outputs,
    .values_size = sizeof(toy),
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .variants = variants,
    .variant_count = 1,
    .namings = namings,
    .naming_count = 1,
    .build = build,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .tensor_name = tensor_name,
    .recognize = recognize,
    .usual = usual,
};
