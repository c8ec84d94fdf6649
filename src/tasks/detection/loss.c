/* The loss of detection; see detection.h. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "graph/graph.h"
#include "ops/task_aligned.h"
#include "tasks/detection/detection.h"

typedef struct detection_loss {
    double box, class, dfl, scale;
    int topk;
    bool small_objects;
} detection_loss;

_Static_assert(sizeof(detection_loss) <= WELD_TASK_VALUES_SIZE, "a recipe has room for it");

#define REAL(member, low, high)                                                                    \
    WELD_KEY_REAL, WELD_KEY_ONE(detection_loss, member), .min = (low), .max = (high)

const weld_key weld_detection_loss_keys[WELD_DETECTION_LOSS_KEYS] = {
    {"box", REAL(box, 0, 1e6), .standard = "7.5",
     .help = "factor of the loss of boxes (complete IoU)"},
    {"class", REAL(class, 0, 1e6), .standard = "0.5",
     .help = "factor of the loss of classes (binary cross entropy)"},
    {"dfl", REAL(dfl, 0, 1e6), .standard = "1.5",
     .help = "factor of the loss of the sides' distributions (distribution focal loss)"},
    {"scale", REAL(scale, 1e-6, 1e6), .standard = "1",
     .help = "factor of their sum, which is divided by the objects of a batch: 1 for AdamW. "
             "Ultralytics' programs have the images of an update there (64 as a rule), and rates "
             "for SGD, limits of gradients and weight decay that go with it"},
    {"topk", WELD_KEY_INTEGER, WELD_KEY_ONE(detection_loss, topk), .min = 1, .max = 1000,
     .standard = "10", .help = "cells that an object is looked for in, at most"},
    {"small_objects", WELD_KEY_BOOL, WELD_KEY_ONE(detection_loss, small_objects),
     .standard = "true",
     .help = "each side of a box counts as at least 16 pixels where cells are looked for, so that "
             "boxes between the centres of cells are learned too"},
};
enum { ROWS_ON_TRIAL = 32 };

static weld_value *targets_of(weld_graph *g, weld_value *boxes, size_t size) {
    const int64_t rows = size ? (int64_t)(size / WELD_TARGET_SIZE) : ROWS_ON_TRIAL;
    return weld_input(g, "targets",
                      WELD_SHAPE(weld_value_shape(boxes).dim[0], rows, WELD_TARGET_SIZE));
}

weld_status weld_detection_build_loss(const weld_loss_options *o, weld_graph *g, weld_error *err) {
    detection_loss own;
    weld_detection_parts parts = {.box = NULL};
    memcpy(&own, o->values, sizeof own);
    const weld_shape x = weld_value_shape(weld_graph_find_leaf(g, "images"));
    weld_value *boxes = weld_graph_output(g, "boxes");
    weld_detection_loss_options options = weld_detection_loss_defaults(x.dim[1], x.dim[2]);
    options.box_gain = own.box;
    options.class_gain = own.class;
    options.dfl_gain = own.dfl;
    options.topk = own.topk;
    if (!own.small_objects) {
        options.least_side = 0;
    }
    weld_value *loss = weld_detection_loss(g, boxes, weld_graph_output(g, "distances"),
                                           weld_graph_output(g, "classes"),
                                           targets_of(g, boxes, o->target_size), &options, &parts);
    weld_output(g, "loss", weld_scale(g, loss, own.scale));
    weld_output(g, "loss_box", parts.box);
    weld_output(g, "loss_class", parts.classes);
    weld_output(g, "loss_dfl", parts.dfl);
    weld_output(g, "objects", parts.objects);
    weld_output(g, "positives", parts.positives);
    weld_output(g, "missed", parts.missed);
    return weld_graph_status(g, err);
}

void weld_detection_tell_counts(const double *counts, char *text, size_t size) {
    const double objects = counts[WELD_COUNT_OBJECTS], missed = counts[WELD_COUNT_MISSED];
    text[0] = '\0';
    if (missed > WELD_FEW_OBJECTS * objects) {
        weld_snprintf(
            text, size,
            "%.1f %% of the objects (%.0f of %.0f) got no anchor, so that nothing was learned "
            "of them: too small, or too crowded, in images of this size (data.input_size)",
            100 * missed / objects, missed, objects);
    }
}

/* Boxes on each image. */
enum { NOISE_OBJECTS = 8 }; // an image of noise has so many

void weld_detection_fill_noise(weld_session *s) {
    const weld_tensor images = weld_session_input(s, "images"),
                      t = weld_session_input(s, "targets");
    const float width = (float)images.shape.dim[2], height = (float)images.shape.dim[1];
    float *row = t.data;
    const int64_t rows = t.shape.dim[1];
    for (int64_t i = 0; i < t.shape.dim[0]; i++) {
        for (int64_t k = 0; k < rows; k++, row += WELD_TARGET_SIZE) {
            // Each from a 16th further on, and smaller.
            const float low = (float)k / (2 * NOISE_OBJECTS), high = low + 1 / (float)(k + 2);
            const float none[WELD_TARGET_SIZE] = {-1},
                        one[WELD_TARGET_SIZE] = {0, low * width, low * height, high * width,
                                                 high * height};
            memcpy(row, k < NOISE_OBJECTS ? one : none, sizeof one);
        }
    }
}
