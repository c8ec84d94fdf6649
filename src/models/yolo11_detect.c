/* The neck and the head of YOLO11; see yolo11.h.
 *
 * The neck takes the maps up (from stride 32 to 8) and down again; the head has, for each map, a
 * branch for the sides of boxes and one for classes. */
#include <math.h>

#include <string.h>

#include "base/error.h"
#include "models/yolo11.h"
#include "models/yolo11_blocks.h"
#include "ops/ops.h"

typedef weld_layers network;
typedef weld_conv_shape shape;

enum { LEVELS = WELD_YOLO11_LEVELS, SIDES = 4, DISTANCES = SIDES * WELD_YOLO11_BINS };

static const int strides[LEVELS] = {8, 16, 32};

int weld_yolo11_channels(const weld_yolo11_scale *s, int full) {
    const int most = full < s->max_channels ? full : s->max_channels;
    return (int)ceil(most * s->width / 8) * 8;
}

/* Halves to the even number, as Python rounds. */
int weld_yolo11_units(const weld_yolo11_scale *s) {
    const double units = nearbyint(2 * s->depth);
    return units > 1 ? (int)units : 1;
}

int weld_yolo11_class_channels(const weld_yolo11_scale *s, int num_classes) {
    const int map = weld_yolo11_channels(s, 256), few = num_classes < 100 ? num_classes : 100;
    return s->class_channels ? s->class_channels : map > few ? map : few;
}

weld_status weld_yolo11_check_scale(const weld_yolo11_scale *s, const char **key, weld_error *err) {
    const int deepest = weld_yolo11_channels(s, 1024);
    if (weld_yolo11_heads(deepest) == 0) {
        *key = "width";
        return weld_fail(
            err, WELD_ERROR_ARGUMENT,
            "is %g: half of the %d channels of the deepest map cannot be shared out to "
            "heads of 64 or more: take a multiple of %g",
            s->width, deepest, 128.0 / s->max_channels);
    }
    return WELD_OK;
}

static weld_path module(int number) {
    return weld_under((weld_path){"model"}, "%d", number);
}

/* --- Neck ------------------------------------------------------------------------------------ */

static weld_value *beside(const network *net, weld_value *a, weld_value *b) {
    return weld_concat(net->g, (weld_value *[]){a, b}, 2, 3);
}

static weld_value *twice_as_large(const network *net, weld_value *x) {
    const weld_shape s = x ? x->shape : WELD_SHAPE(1, 1, 1, 1);
    return weld_resize(net->g, x, 2 * s.dim[1], 2 * s.dim[2], WELD_RESIZE_NEAREST);
}

static weld_value *down(const network *net, int number, weld_value *x, int c) {
    return weld_yolo11_conv(net, module(number), x,
                            (shape){.in = c, .out = c, .kernel = 3, .stride = 2});
}

static void neck(const network *net, const weld_yolo11_scale *s, const weld_yolo11_maps *from,
                 weld_yolo11_maps *to) {
    const int units = weld_yolo11_units(s), *in = from->channels;
    const int c[LEVELS] = {weld_yolo11_channels(s, 256), weld_yolo11_channels(s, 512),
                           weld_yolo11_channels(s, 1024)};
#define C3K2(in_, out_, nested_)                                                                   \
    (weld_c3k2_shape){                                                                             \
        .in = (in_), .out = (out_), .units = units, .expansion = 0.5, .nested = (nested_)}
    weld_value *deep = weld_yolo11_sppf(net, module(WELD_YOLO11_SPPF), from->map[2], in[2], c[2]);
    deep = weld_yolo11_c2psa(net, module(10), deep, c[2], units);
    weld_value *x = beside(net, twice_as_large(net, deep), from->map[1]);
    weld_value *middle = weld_yolo11_c3k2(net, module(13), x, C3K2(c[2] + in[1], c[1], s->nested));
    x = beside(net, twice_as_large(net, middle), from->map[0]);
    x = weld_yolo11_c3k2(net, module(16), x, C3K2(c[1] + in[0], c[0], s->nested));
    to->map[0] = x;
    x = beside(net, down(net, 17, x, c[0]), middle);
    x = weld_yolo11_c3k2(net, module(19), x, C3K2(c[0] + c[1], c[1], s->nested));
    to->map[1] = x;
    x = beside(net, down(net, 20, x, c[1]), deep);
    to->map[2] = weld_yolo11_c3k2(net, module(22), x, C3K2(c[1] + c[2], c[2], true));
#undef C3K2
    for (int i = 0; i < LEVELS; i++) {
        to->channels[i] = c[i];
    }
}

/* --- Head ------------------------------------------------------------------------------------ */

/* A 1x1 convolution without a batch norm, whose biases begin with `bias`. */
static weld_value *plain(const network *net, weld_path at, weld_value *x, int in, int out,
                         double bias) {
    const double bound = 1 / sqrt(in);
    weld_value *weight =
        weld_parameter(net->g, weld_under(at, "weight").text, WELD_SHAPE(out, in, 1, 1),
                       (weld_init){WELD_INIT_UNIFORM, -bound, bound});
    weld_value *shift = weld_parameter(net->g, weld_under(at, "bias").text, WELD_SHAPE(out),
                                       (weld_init){WELD_INIT_CONSTANT, bias, 0});
    return weld_conv2d(net->g, x, weight, shift, (weld_conv2d_options){0});
}

static weld_value *side_branch(const network *net, weld_path at, weld_value *x, int in, int c) {
    x = weld_yolo11_conv(net, weld_under(at, "0"), x, (shape){.in = in, .out = c, .kernel = 3});
    x = weld_yolo11_conv(net, weld_under(at, "1"), x, (shape){.in = c, .out = c, .kernel = 3});
    return plain(net, weld_under(at, "2"), x, c, DISTANCES, 1);
}

/* The biases say that of the positions of an image of 640 some five have an object. */
static weld_value *class_branch(const network *net, weld_path at, weld_value *x, int in, int c,
                                int classes, int stride) {
    for (int i = 0; i < 2; i++) {
        const int from = i ? c : in;
        x = weld_yolo11_conv(net, weld_under(at, "%d.0", i), x,
                             (shape){.in = from, .out = from, .kernel = 3, .groups = from});
        x = weld_yolo11_conv(net, weld_under(at, "%d.1", i), x,
                             (shape){.in = from, .out = c, .kernel = 1});
    }
    const double positions = (640.0 / stride) * (640.0 / stride);
    return plain(net, weld_under(at, "2"), x, c, classes, log(5.0 / classes / positions));
}

/* The positions of a map in a row. */
static weld_value *in_a_row(const network *net, weld_value *x, int c) {
    const weld_shape s = x ? x->shape : WELD_SHAPE(1, 1, 1, 1);
    return weld_reshape(net->g, x, WELD_SHAPE(s.dim[0], s.dim[1] * s.dim[2], c));
}

static void head(const network *net, const weld_yolo11_scale *s, const weld_yolo11_maps *maps) {
    const weld_path at = module(WELD_YOLO11_DETECT);
    const int classes = net->config->num_classes, quarter = maps->channels[0] / 4;
    const int side_channels = quarter > DISTANCES ? quarter : DISTANCES;
    const int class_channels = weld_yolo11_class_channels(s, classes);
    weld_value *distances[LEVELS], *boxes[LEVELS], *logits[LEVELS];
    for (int i = 0; i < LEVELS; i++) {
        weld_value *sides = side_branch(net, weld_under(at, "cv2.%d", i), maps->map[i],
                                        maps->channels[i], side_channels);
        weld_value *class_map =
            class_branch(net, weld_under(at, "cv3.%d", i), maps->map[i], maps->channels[i],
                         class_channels, classes, strides[i]);
        distances[i] = in_a_row(net, sides, DISTANCES);
        boxes[i] = weld_box_decode(net->g, sides, WELD_YOLO11_BINS, strides[i]);
        logits[i] = in_a_row(net, class_map, classes);
    }
    weld_value *all = weld_concat(net->g, logits, LEVELS, 1);
    if (net->mode.training) {
        weld_output(net->g, "distances", weld_concat(net->g, distances, LEVELS, 1));
    }
    weld_output(net->g, "boxes", weld_concat(net->g, boxes, LEVELS, 1));
    weld_output(net->g, net->mode.training ? "classes" : "scores",
                net->mode.training ? all : weld_sigmoid(net->g, all));
}

void weld_yolo11_detect(const network *net, const weld_yolo11_scale *s,
                        const weld_yolo11_maps *backbone) {
    weld_yolo11_maps maps;
    neck(net, s, backbone, &maps);
    head(net, s, &maps);
}

/* --- Images and outputs ---------------------------------------------------------------------- */

bool weld_yolo11_check_images(const network *net, const weld_value *images) {
    const int64_t *dim = images->shape.dim;
    if (dim[1] % WELD_YOLO11_SIZE_STEP == 0 && dim[2] % WELD_YOLO11_SIZE_STEP == 0) {
        return true;
    }
    weld_graph_fail(net->g, WELD_ERROR_SHAPE,
                    "images of %lld x %lld: height and width must be multiples of %d",
                    (long long)dim[1], (long long)dim[2], WELD_YOLO11_SIZE_STEP);
    return false;
}

static bool fits(int64_t batch, int64_t height, int64_t width, int64_t columns,
                 const weld_shape *is) {
    int64_t anchors = 0;
    for (int i = 0; i < LEVELS; i++) {
        anchors += (height / strides[i]) * (width / strides[i]);
    }
    const weld_shape wanted = WELD_SHAPE(batch, anchors, columns);
    return weld_shape_equal(is, &wanted);
}

static bool are_boxes(const weld_model_config *config, int64_t batch, int64_t height, int64_t width,
                      const weld_shape *is) {
    (void)config;
    return fits(batch, height, width, SIDES, is);
}

static bool are_scores(const weld_model_config *config, int64_t batch, int64_t height,
                       int64_t width, const weld_shape *is) {
    return fits(batch, height, width, config->num_classes, is);
}

const weld_output_form weld_yolo11_outputs[] = {
    {"boxes", are_boxes}, {"scores", are_scores}, {NULL, NULL}};

/* What a node of that kind makes v; NULL: another does. */
static const weld_node *maker(const weld_value *v, const weld_op *op) {
    return v && v->producer && v->producer->op == op ? v->producer : NULL;
}

weld_status weld_yolo11_loss_outputs(weld_graph *g, weld_error *err) {
    const weld_node *scores = maker(weld_graph_output(g, "scores"), &weld_op_activation);
    const weld_node *boxes = maker(weld_graph_output(g, "boxes"), &weld_op_concat);
    weld_value *distances[LEVELS];
    bool found = scores && boxes && boxes->input_count == LEVELS;
    for (int i = 0; i < LEVELS && found; i++) {
        const weld_node *decode = maker(boxes->inputs[i], &weld_op_box_decode);
        found = decode != NULL;
        if (found) {
            const weld_shape s = decode->inputs[0]->shape;
            distances[i] = weld_reshape(g, decode->inputs[0],
                                        WELD_SHAPE(s.dim[0], s.dim[1] * s.dim[2], s.dim[3]));
        }
    }
    if (!found) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "the graph is of no detector for evaluation");
    }
    weld_output(g, "distances", weld_concat(g, distances, LEVELS, 1));
    weld_output(g, "classes", scores->inputs[0]);
    return weld_graph_status(g, err);
}

weld_preprocessing weld_yolo11_usual(const weld_model_config *config, const weld_naming *naming) {
    (void)config;
    (void)naming;
    weld_preprocessing p = weld_preprocessing_of(640);
    p.crop_fraction = 1;
    p.resize = WELD_FIT_LETTERBOX;
    p.interpolation = WELD_BILINEAR;
    for (int c = 0; c < 3; c++) {
        p.mean[c] = 0;
        p.std[c] = 1;
        p.padding[c] = 114;
    }
    return p;
}

void weld_yolo11_keep_classes(weld_model_config *config, size_t scale_offset) {
    weld_yolo11_scale s;
    memcpy(&s, config->values + scale_offset, sizeof s);
    s.class_channels = weld_yolo11_class_channels(&s, config->num_classes);
    memcpy(config->values + scale_offset, &s, sizeof s);
}
