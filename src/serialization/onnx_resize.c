/* How a resize is spelled in ONNX: as Resize where that is sure to take the same pixels, else they
 * are named one by one. See onnx_operators.c. */
#include <math.h>

#include "ops/ops.h"
#include "serialization/onnx_builder.h"

/* How many times larger the output of a resize is, as Resize is told: the size that it makes is the
 * whole part of the scale times the input's, so the scale must not be rounded down. */
static float scale_of(int64_t inputs, int64_t outputs) {
    const float scale = (float)((double)outputs / (double)inputs);
    return (double)scale * (double)inputs < (double)outputs ? nextafterf(scale, INFINITY) : scale;
}

static char *resize_by(weld_onnx_builder *b, char *x, const int64_t *from, const int64_t *to,
                       const weld_onnx_attribute *attributes) {
    const float scales[] = {1, 1, scale_of(from[0], to[0]), scale_of(from[1], to[1])};
    return weld_onnx_node(b, "Resize-11", 3,
                          (char *[]){x, weld_onnx_nothing(b), weld_onnx_scales(b, scales)},
                          attributes);
}

/* Is each input taken the same whole number of times? */
static bool repeats(int64_t inputs, int64_t outputs) {
    bool same = outputs % inputs == 0;
    for (int64_t p = 0; p < outputs && same; p++) {
        same = weld_resize_nearest(p, inputs, outputs) == p / (outputs / inputs);
    }
    return same;
}

/* Those of the inputs along an axis that are taken. */
static char *gather(weld_onnx_builder *b, char *x, int64_t inputs, int64_t outputs, int axis) {
    if (inputs == outputs) {
        return x;
    }
    int64_t *at = weld_onnx_alloc(b, (size_t)outputs, sizeof *at);
    for (int64_t p = 0; at && p < outputs; p++) {
        at[p] = weld_resize_nearest(p, inputs, outputs);
    }
    char *name =
        weld_onnx_text(b, "constant/nearest_%lld_of_%lld", (long long)outputs, (long long)inputs);
    char *in[] = {x, at ? weld_onnx_integers_of(b, name, WELD_SHAPE(outputs), at) : NULL};
    weld_onnx_attribute along[] = {weld_onnx_integer("axis", axis), {0}};
    return weld_onnx_node(b, "Gather-1", 2, in, along);
}

/* Where Resize would not be sure to take the same pixels, these are named one by one. */
void weld_onnx_resize(weld_onnx_builder *b, const weld_node *node) {
    const int64_t *from = node->inputs[0]->shape.dim + 1, *to = node->outputs[0]->shape.dim + 1;
    char *y = weld_onnx_get(b, node->inputs[0], WELD_ONNX_CHANNELS_FIRST);
    if (node->attributes.function == WELD_RESIZE_BILINEAR) {
        weld_onnx_attribute linear[] = {
            weld_onnx_word("mode", "linear"),
            weld_onnx_word("coordinate_transformation_mode", "half_pixel"),
            {0}};
        y = resize_by(b, y, from, to, linear);
    } else if (repeats(from[0], to[0]) && repeats(from[1], to[1])) {
        weld_onnx_attribute nearest[] = {
            weld_onnx_word("mode", "nearest"),
            weld_onnx_word("coordinate_transformation_mode", "asymmetric"),
            weld_onnx_word("nearest_mode", "floor"),
            {0}};
        y = resize_by(b, y, from, to, nearest);
    } else {
        y = gather(b, gather(b, y, from[0], to[0], 2), from[1], to[1], 3);
    }
    weld_onnx_set(b, node->outputs[0], WELD_ONNX_CHANNELS_FIRST, y);
}
