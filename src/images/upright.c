/* Upright images; see upright.h. */
#include "images/upright.h"

#include <string.h>

#include "base/error.h"
#include "images/image_facts.h"

/* Where pixel (x, y) of the upright image is stored: columns and rows are exchanged first, then
 * counted from the other end. */
typedef struct turn {
    bool exchange, from_right, from_bottom;
} turn;

static turn turn_of(int orientation) {
    static const turn turns[] = {{0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1},
                                 {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};
    return turns[orientation - 1];
}

int weld_orientation_of(const void *bytes, size_t size) {
    const int orientation = weld_image_orientation_of(bytes, size);
    return orientation ? orientation : 1;
}

void weld_upright_size(int orientation, int *width, int *height) {
    if (turn_of(orientation).exchange) {
        const int held = *width;
        *width = *height;
        *height = held;
    }
}

static weld_status turn_pixels(const weld_pixels *in, int orientation, weld_image *out,
                               weld_error *err) {
    const turn t = turn_of(orientation);
    int width = in->width, height = in->height;
    weld_upright_size(orientation, &width, &height);
    const weld_status status = weld_image_resize_buffer(out, width, height, err);
    if (status) {
        return status;
    }
    /* Steps in the stored image as x and y of the upright one go on. */
    const ptrdiff_t across = t.from_right ? -3 : 3;
    const ptrdiff_t down = t.from_bottom ? -(ptrdiff_t)in->stride : (ptrdiff_t)in->stride;
    const ptrdiff_t step_x = t.exchange ? down : across, step_y = t.exchange ? across : down;
    const uint8_t *row = in->data + (t.from_right ? (ptrdiff_t)(in->width - 1) * 3 : 0) +
                         (t.from_bottom ? (ptrdiff_t)(in->height - 1) * (ptrdiff_t)in->stride : 0);
    uint8_t *to = out->pixels;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, to += 3) {
            memcpy(to, row + y * step_y + x * step_x, 3);
        }
    }
    return WELD_OK;
}

weld_status weld_decode_upright(weld_reading how, const void *bytes, size_t size, int orientation,
                                weld_image *out, weld_error *err) {
    int width, height;
    WELD_TRY(weld_decode_size(bytes, size, &width, &height, err));
    WELD_TRY(weld_reading_check(how, width, height, err));
    if (orientation == 1) {
        return weld_decode_image(bytes, size, how.scale16, out, err);
    }
    weld_image stored = {0};
    weld_status status = weld_decode_image(bytes, size, how.scale16, &stored, err);
    if (!status) {
        const weld_pixels pixels = weld_image_pixels(&stored);
        status = turn_pixels(&pixels, orientation, out, err);
    }
    weld_image_free(&stored);
    return status;
}

weld_status weld_reading_decode(weld_reading how, const void *bytes, size_t size, weld_image *out,
                                weld_error *err) {
    const int orientation = how.upright ? weld_orientation_of(bytes, size) : 1;
    return weld_decode_upright(how, bytes, size, orientation, out, err);
}

/* From one end or the other of `length`. */
static void mirror(float *begin, float *end, float length) {
    const float held = *begin;
    *begin = length - *end;
    *end = length - held;
}

/* The box in pixels as stored to one in the upright pixels. */
static void turn_box(const float in[4], const weld_pixels *stored, int orientation, float out[4]) {
    const turn t = turn_of(orientation);
    float box[4];
    memcpy(box, in, sizeof box);
    if (t.from_right) {
        mirror(&box[0], &box[2], (float)stored->width);
    }
    if (t.from_bottom) {
        mirror(&box[1], &box[3], (float)stored->height);
    }
    for (int i = 0; i < 4; i++) {
        out[i] = box[t.exchange ? i ^ 1 : i];
    }
}

/* A part of the upright image to that of the stored one, of this size. */
static weld_rectangle stored_part(const weld_rectangle *part, int orientation, int width,
                                  int height) {
    const turn t = turn_of(orientation);
    weld_rectangle out =
        t.exchange ? (weld_rectangle){part->y, part->x, part->height, part->width} : *part;
    out.x = t.from_right ? width - out.x - out.width : out.x;
    out.y = t.from_bottom ? height - out.y - out.height : out.y;
    return out;
}

weld_status weld_decode_part_upright(const void *bytes, size_t size, int orientation,
                                     const weld_rectangle *part, int reduction, int scale16,
                                     weld_image *memory, weld_decoded_part *out, weld_error *err) {
    if (orientation == 1) {
        return weld_decode_part(bytes, size, part, reduction, scale16, memory, out, err);
    }
    weld_image stored = {0};
    weld_decoded_part got;
    int width, height;
    weld_status status = weld_decode_size(bytes, size, &width, &height, err);
    if (!status) {
        int upright_width = width, upright_height = height;
        weld_upright_size(orientation, &upright_width, &upright_height);
        status = weld_rectangle_check(part, upright_width, upright_height, err);
    }
    if (!status) {
        const weld_rectangle there = stored_part(part, orientation, width, height);
        status = weld_decode_part(bytes, size, &there, reduction, scale16, &stored, &got, err);
    }
    status = status ? status : turn_pixels(&got.pixels, orientation, memory, err);
    if (!status) {
        out->pixels = weld_image_pixels(memory);
        turn_box(got.box, &got.pixels, orientation, out->box);
    }
    weld_image_free(&stored);
    return status;
}
