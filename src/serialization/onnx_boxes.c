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

static char *whole_number(weld_onnx_builder *b, int64_t value) {
    char *name = weld_onnx_text(b, "constant/whole_%lld", (long long)value);
    return weld_onnx_integers_of(b, name, (weld_shape){.rank = 0}, &value);
}

/* The centres of rows (axis 0) or columns (1) of an image whose size is in the file, as a column or
 * a row of numbers. */
static char *open_places(weld_onnx_builder *b, char *size, int axis, int stride) {
    weld_onnx_attribute first[] = {weld_onnx_integer("axis", 0), {0}};
    weld_onnx_attribute real[] = {
        weld_onnx_integer("to", WELD_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT), {0}};
    const int64_t shapes[][2] = {{-1, 1}, {1, -1}};
    char *count[] = {size, whole_number(b, axis)};
    char *range[] = {whole_number(b, 0), weld_onnx_node(b, "Gather-1", 2, count, first),
                     whole_number(b, 1)};
    char *places = weld_onnx_node(b, "Range-11", 3, range, NULL);
    places = weld_onnx_node(b, "Cast-6", 1, &places, real);
    places = apply2(b, "Mul-7", apply2(b, "Add-7", places, weld_onnx_scalar(b, 0.5)),
                    weld_onnx_scalar(b, stride));
    return apply2(b, "Reshape-5", places, weld_onnx_list(b, shapes[axis], 2));
}

/* The same as `centres` for images of any size. */
static char *open_centres(weld_onnx_builder *b, char *size, const int stride[2]) {
    weld_onnx_attribute side_by_side[] = {weld_onnx_integer("axis", 1), {0}};
    char *rows = open_places(b, size, 0, stride[0]), *columns = open_places(b, size, 1, stride[1]);
    char *none = weld_onnx_scalar(b, 0), *all[SIDES];
    const int64_t column[] = {-1, 1};
    all[0] = apply2(b, "Add-7", apply2(b, "Mul-7", rows, none), columns);
    all[1] = apply2(b, "Add-7", rows, apply2(b, "Mul-7", columns, none));
    for (int i = 0; i < 2; i++) {
        all[i] = all[i + 2] = apply2(b, "Reshape-5", all[i], weld_onnx_list(b, column, 2));
    }
    return weld_onnx_node(b, "Concat-4", SIDES, all, side_by_side);
}

/* From distances in strides to pixels from the centre. */
static char *directions(weld_onnx_builder *b, const int stride[2]) {
    const float x = (float)stride[1], y = (float)stride[0];
    char *name = weld_onnx_text(b, "constant/directions_%dx%d", stride[0], stride[1]);
    return weld_onnx_reals_of(b, name, WELD_SHAPE(SIDES), (const float[]){-x, -y, x, y});
}

void weld_onnx_box_decode(weld_onnx_builder *b, const weld_node *node) {
    const weld_value *x = node->inputs[0];
    const int64_t *dim = x->shape.dim, bins = dim[3] / SIDES;
    const int64_t apart[] = {0, -1, SIDES, bins}, flat[] = {0, -1, SIDES};
    const int *stride = node->attributes.stride;
    weld_onnx_attribute last[] = {weld_onnx_integer("axis", 3), {0}};
    char *y = weld_onnx_get(b, x, WELD_ONNX_PLAIN);
    char *size = b->any_size ? weld_onnx_size_like(b, x) : NULL;
    y = apply2(b, "Reshape-5", y, weld_onnx_list(b, apart, 4));
    y = weld_onnx_node(b, "Softmax-1", 1, &y, last);
    y = apply2(b, "MatMul-1", y, places(b, bins));
    y = apply2(b, "Reshape-5", y, weld_onnx_list(b, flat, 3));
    y = apply2(b, "Mul-7", y, directions(b, stride));
    y = apply2(b, "Add-7", y,
               size ? open_centres(b, size, stride) : centres(b, dim[1], dim[2], stride));
    weld_onnx_set(b, node->outputs[0], WELD_ONNX_PLAIN, y);
}
