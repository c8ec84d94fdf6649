/* A detector's loss over given predictions and targets, all of which are parameters, with the
 * gradients of the predictions: outputs "total", "loss_box", "loss_class", "loss_dfl", "matches",
 * "divisor", "positives", "objects", "missed", "dboxes", "ddistances", "dclasses". */
#ifndef WELD_TESTS_OPS_DETECTION_NET_H
#define WELD_TESTS_OPS_DETECTION_NET_H

#include "ops/detection.h"
#include "ops/gradcheck.h"

typedef struct detection_sizes {
    int64_t images, height, width, bins, classes, rows;
} detection_sizes;

typedef struct detection_net {
    weld_graph *graph;
    weld_weights *weights;
    weld_session *session;
} detection_net;

static inline int64_t detection_anchors(const detection_sizes *s) {
    return s->height * s->width / 64 + s->height * s->width / 256 + s->height * s->width / 1024;
}

static inline weld_value *detection_leaf(weld_graph *g, const char *name, weld_shape shape) {
    return weld_parameter(g, name, shape, (weld_init){WELD_INIT_CONSTANT, 0, 0});
}

static inline void detection_outputs(weld_graph *g, weld_value *total,
                                     const weld_detection_parts *parts, weld_value *const *wrt) {
    static const char *const names[] = {"dboxes", "ddistances", "dclasses"};
    const weld_node *assign = parts->positives->producer;
    weld_value *grads[3];
    weld_error err;
    weld_output(g, "total", total);
    weld_output(g, "loss_box", parts->box);
    weld_output(g, "loss_class", parts->classes);
    weld_output(g, "loss_dfl", parts->dfl);
    weld_output(g, "positives", parts->positives);
    weld_output(g, "objects", parts->objects);
    weld_output(g, "missed", parts->missed);
    weld_output(g, "matches", assign->outputs[WELD_ASSIGNED_MATCHES]);
    weld_output(g, "divisor", assign->outputs[WELD_ASSIGNED_DIVISOR]);
    weld_status status = weld_differentiate(g, total, wrt, 3, grads, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    for (int i = 0; i < 3; i++) {
        weld_output(g, names[i], grads[i]);
    }
}

/* options NULL: the defaults. */
static inline detection_net detection_make(weld_dtype dtype, const detection_sizes *s,
                                           const weld_detection_loss_options *options, int threads,
                                           const char *isa) {
    const int64_t anchors = detection_anchors(s);
    const weld_detection_loss_options standard = weld_detection_loss_defaults(s->height, s->width);
    detection_net net;
    weld_detection_parts parts;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(dtype, &net.graph, &err), WELD_OK);
    weld_graph *g = net.graph;
    weld_value *wrt[] = {
        detection_leaf(g, "boxes", WELD_SHAPE(s->images, anchors, 4)),
        detection_leaf(g, "distances", WELD_SHAPE(s->images, anchors, 4 * s->bins)),
        detection_leaf(g, "classes", WELD_SHAPE(s->images, anchors, s->classes))};
    weld_value *targets = detection_leaf(g, "targets", WELD_SHAPE(s->images, s->rows, 6));
    weld_value *total = weld_detection_loss(g, wrt[0], wrt[1], wrt[2], targets,
                                            options ? options : &standard, &parts);
    ck_assert_msg(total != NULL, "%s", g->error.message);
    detection_outputs(g, total, &parts, wrt);
    ck_assert_int_eq(weld_graph_init_weights(g, 1, &net.weights, &err), WELD_OK);
    const weld_session_options o = {.threads = threads, .isa = isa};
    weld_status status = weld_session_create(g, net.weights, &o, &net.session, &err);
    ck_assert_msg(status == WELD_OK, "%s", err.message);
    return net;
}

static inline void detection_free(detection_net *net) {
    weld_session_free(net->session);
    weld_weights_free(net->weights);
    weld_graph_free(net->graph);
}

static inline weld_tensor detection_get(const detection_net *net, const char *leaf) {
    weld_tensor t;
    ck_assert(weld_weights_find(net->weights, leaf, &t));
    return t;
}

static inline double detection_value(const detection_net *net, const char *output, int64_t i) {
    const weld_tensor t = weld_session_output(net->session, output);
    ck_assert_ptr_nonnull(t.data);
    return check_get(&t, i);
}

/* Field `field` of what is said of an anchor of image 0. */
static inline double detection_match(const detection_net *net, int64_t anchor, int field) {
    return detection_value(net, "matches", anchor * WELD_MATCH_SIZE + field);
}

/* The numbers of a row of a leaf [n, rows, size], counted through all images. */
static inline void detection_set(const detection_net *net, const char *leaf, int64_t row,
                                 const double *values) {
    const weld_tensor t = detection_get(net, leaf);
    const int64_t size = t.shape.dim[2];
    for (int64_t i = 0; i < size; i++) {
        check_set(&t, row * size + i, values[i]);
    }
}

/* No row is one: to be called first where not all are set. */
static inline void detection_clear_targets(const detection_net *net) {
    const weld_tensor t = detection_get(net, "targets");
    for (int64_t i = 0; i < t.shape.dim[0] * t.shape.dim[1]; i++) {
        detection_set(net, "targets", i, (double[]){-1, 0, 0, 0, 0, 0});
    }
}

#endif
