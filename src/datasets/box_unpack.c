/* Boxes out of packed files; see box_packed.h. */
#include "datasets/box_packed.h"

#include "base/error.h"

static int32_t side(int64_t value) {
    return value >= 1 && value <= INT32_MAX ? (int32_t)value : 0;
}

static weld_status unpack_sample(const weld_packed *packed, int64_t i, const char *path,
                                 weld_box_store *out, weld_error *err) {
    int64_t count;
    const double *row = weld_packed_boxes(packed, i, &count);
    const int64_t *sample = weld_packed_sample(packed, i);
    const weld_box_image entry = {.id = sample[0],
                                  .width = side(sample[1]),
                                  .height = side(sample[2]),
                                  .first = out->boxes.count,
                                  .count = (uint64_t)count};
    bool kept = weld_array_append(&out->images, &entry, 1);
    for (int64_t k = 0; k < count && kept; k++, row += WELD_PACKED_BOX_NUMBERS) {
        weld_box box = {row[0], row[1], row[2], row[3], row[4], (int32_t)row[5], (uint32_t)row[6]};
        if (!weld_box_is_sound(&box)) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: damaged: a box of sample %lld (%s) is beyond 1e9: pack it again",
                             path, (long long)i, weld_packed_name(packed, i));
        }
        out->faults[WELD_BOX_NO_AREA] += !weld_box_is_in_range(&box);
        box.flags |= weld_box_is_seen(&box, &entry) ? 0 : WELD_BOX_UNUSED;
        kept = weld_array_append(&out->boxes, &box, 1);
    }
    return kept ? WELD_OK : weld_fail_memory(err, path);
}

weld_status weld_box_store_unpack(weld_packed *packed, const char *path, weld_box_store *out,
                                  weld_error *err) {
    bool kept = true;
    *out = weld_box_store_make("packed");
    out->shape_areas = weld_packed_has_shape_areas(packed);
    for (int64_t i = 0; i < weld_packed_count(packed); i++) {
        WELD_TRY(unpack_sample(packed, i, path, out, err));
    }
    for (int i = 0; i < weld_packed_class_count(packed) && kept; i++) {
        const int64_t id = weld_packed_category(packed, i);
        kept = weld_array_append(&out->categories, &id, 1);
    }
    weld_packed_drop_boxes(packed);
    return kept ? WELD_OK : weld_fail_memory(err, path);
}
