/* Where the anchors of an image are; see detection.h. */
#include "base/error.h"
#include "ops/detection.h"

weld_anchors weld_anchors_of(const weld_attributes *a) {
    weld_anchors anchors = {.levels = a->shape.rank - 2};
    for (int i = 0; i < anchors.levels; i++) {
        const int64_t stride = a->shape.dim[2 + i];
        weld_anchor_level *level = &anchors.level[i];
        *level = (weld_anchor_level){anchors.count, a->shape.dim[0] / stride,
                                     a->shape.dim[1] / stride, (double)stride};
        anchors.count += level->rows * level->columns;
    }
    return anchors;
}

enum { LARGEST_SIDE = 1 << 20 };

weld_status weld_check_anchors(const weld_attributes *a, int64_t count, weld_error *err) {
    char text[128];
    const int64_t *dim = a->shape.dim;
    if (a->shape.rank < 3 || dim[0] < 1 || dim[1] < 1 || dim[0] > LARGEST_SIDE ||
        dim[1] > LARGEST_SIDE) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "there are no anchors in %s",
                         weld_shape_text(&a->shape, text, sizeof text));
    }
    for (int i = 2; i < a->shape.rank; i++) {
        if (dim[i] < 1 || dim[0] % dim[i] || dim[1] % dim[i]) {
            return weld_fail(err, WELD_ERROR_SHAPE,
                             "images of %lld x %lld pixels (height x width) are not whole cells of "
                             "%lld: the sides have to be multiples of every stride",
                             (long long)dim[0], (long long)dim[1], (long long)dim[i]);
        }
    }
    const int64_t anchors = weld_anchors_of(a).count;
    if (anchors != count) {
        return weld_fail(
            err, WELD_ERROR_SHAPE, "images of %lld x %lld pixels have %lld anchors, not %lld",
            (long long)dim[0], (long long)dim[1], (long long)anchors, (long long)count);
    }
    return WELD_OK;
}

weld_anchor weld_anchor_at(const weld_anchors *anchors, int64_t i) {
    int l = 0;
    while (l + 1 < anchors->levels && i >= anchors->level[l + 1].begin) {
        l++;
    }
    const weld_anchor_level *level = &anchors->level[l];
    const int64_t at = i - level->begin;
    return (weld_anchor){((double)(at % level->columns) + 0.5) * level->stride,
                         ((double)(at / level->columns) + 0.5) * level->stride, level->stride};
}
