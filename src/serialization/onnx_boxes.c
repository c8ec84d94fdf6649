/* How operators of detectors are spelled in ONNX; see onnx_operators.c. */
#include "serialization/onnx_builder.h"

enum { SIDES = 4 };

static char *apply2(weld_onnx_builder *b, const char *form, char *x, char *y) {
    return weld_onnx_node(b, form, 2, (char *[]){x, y}, NULL);
}

/* 0, 1, .. bins - 1 as a column. */
static char *places(weld_onnx_builder *b, int64_t bins) {
    float *values = weld_onnx_alloc(b, (size_t)bins, sizeof *values);
    for (int64_t i = 0; values && i < bins; i++) {
        values[i] = (float)i;
    }
    return weld_onnx_reals_of(b, weld_onnx_text(b, "constant/places_%lld", (long long)bins),
                              WELD_SHAPE(bins, 1), values);
}

/* The centre of each position in pixels, for both corners of a box. */
static char *centres(weld_onnx_builder *b, int64_t h, int64_t w, const int stride[2]) {
    float *values = weld_onnx_alloc(b, (size_t)(h * w * SIDES), sizeof *values);
    for (int64_t p = 0; values && p < h * w; p++) {
        for (int side = 0; side < SIDES; side++) {
            const double at = (double)(side % 2 ? p / w : p % w) + 0.5;
            values[p * SIDES + side] = (float)(stride[side % 2 ? 0 : 1] * at);
        }
    }
    char *name = weld_onnx_text(b, "constant/centres_%lldx%lld_by_%dx%d", (long long)h,
                                (long long)w, stride[0], stride[1]);
    return weld_onnx_reals_of(b, name, WELD_SHAPE(h * w, SIDES), values);
}

/* From distances in strides to pixels from the centre. */
static char *directions(weld_onnx_builder *b, const int stride[2]) {
    const float x = (float)stride[1], y = (float)stride[0];
    char *name = weld_onnx_text(b, "constant/directions_%dx%d", stride[0], stride[1]);
    return weld_onnx_reals_of(b, name, WELD_SHAPE(SIDES), (const float[]){-x, -y, x, y});
}

void weld_onnx_box_decode(weld_onnx_builder *b, const weld_node *node) {
    const int64_t *dim = node->inputs[0]->shape.dim, positions = dim[1] * dim[2];
    const int64_t bins = dim[3] / SIDES, apart[] = {-1, positions, SIDES, bins};
    const int64_t flat[] = {-1, positions, SIDES};
    const int *stride = node->attributes.stride;
    weld_onnx_attribute last[] = {weld_onnx_integer("axis", 3), {0}};
    char *y = weld_onnx_get(b, node->inputs[0], WELD_ONNX_PLAIN);
    y = apply2(b, "Reshape-5", y, weld_onnx_list(b, apart, 4));
    y = weld_onnx_node(b, "Softmax-1", 1, &y, last);
    y = apply2(b, "MatMul-1", y, places(b, bins));
    y = apply2(b, "Reshape-5", y, weld_onnx_list(b, flat, 3));
    y = apply2(b, "Mul-7", y, directions(b, stride));
    y = apply2(b, "Add-7", y, centres(b, dim[1], dim[2], stride));
    weld_onnx_set(b, node->outputs[0], WELD_ONNX_PLAIN, y);
}
