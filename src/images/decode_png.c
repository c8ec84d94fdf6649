/* PNG, by libpng; see decode.h. */
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "images/decode_format.h"
#include "images/png_hooks.h"
#include "weld/image.h"

/* Of the file, that may follow of the compressed pixels behind the last row: the end of their
 * checksum does, and what careless encoders leave; but each byte may be a thousand to decompress.
 */
enum { MAX_BEHIND_ROWS = 64 << 10 };

typedef struct decoder {
    weld_png_hooks hooks;
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t size, used;
    size_t behind;          /* bytes read of what follows the last row */
    png_uint_32 rows;       /* of the image, once they are read */
    weld_grey_range *range; /* NULL: nobody asks */
    bool complete;          /* all rows are there */
    bool grey16;            /* rows are two bytes a pixel, to be made one and spread to three */
    int white;              /* the value of those that becomes 255 */
} decoder;

/* Of an interlaced image the last pass is the seventh, counted from 0. */
static bool is_behind_rows(const decoder *d) {
    const bool interlaced = png_get_interlace_type(d->png, d->info) != PNG_INTERLACE_NONE;
    return d->rows && !d->complete &&
           (interlaced ? png_get_current_pass_number(d->png) == PNG_INTERLACE_ADAM7_PASSES
                       : png_get_current_row_number(d->png) >= d->rows);
}

static void read_bytes(png_structp png, png_bytep to, size_t count) {
    decoder *d = png_get_io_ptr(png);
    if (count > d->size - d->used && d->complete) {
        png_longjmp(png, 1); /* what follows the pixels, the mark of the end at least, is missing */
    }
    if (count > d->size - d->used) {
        d->hooks.status = weld_fail(d->hooks.err, WELD_ERROR_FORMAT,
                                    "truncated PNG: the data ends at byte %zu", d->size);
        png_longjmp(png, 1);
    }
    d->behind += is_behind_rows(d) ? count : 0;
    if (d->behind > MAX_BEHIND_ROWS) {
        d->hooks.status = weld_fail(d->hooks.err, WELD_ERROR_FORMAT,
                                    "bad PNG: its pixels go on behind the last row: write it again "
                                    "with another program");
        png_longjmp(png, 1);
    }
    memcpy(to, d->bytes + d->used, count);
    d->used += count;
}

static void set_conversions(decoder *d) {
    int colour = png_get_color_type(d->png, d->info), depth = png_get_bit_depth(d->png, d->info);
    d->grey16 = colour == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (d->grey16) {
        return;
    }
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(d->png);
    } else if (depth < 8) {
        png_set_expand_gray_1_2_4_to_8(d->png);
    }
    if (depth == 16) {
        png_set_strip_16(d->png);
    }
    png_set_strip_alpha(d->png);
    if (!(colour & PNG_COLOR_MASK_COLOR)) {
        png_set_gray_to_rgb(d->png);
    }
}

static int value16(const uint8_t *row, int x) {
    return row[2 * x] << 8 | row[2 * x + 1];
}

/* In place: 2 bytes a pixel, upper byte first, to 3 equal ones; from the right, for they grow. */
static void scale_grey16(uint8_t *row, int width, int white) {
    for (int x = width - 1; x >= 0; x--) {
        const int value = value16(row, x);
        /* 255 value / white, rounded to the nearest, halves up */
        const int grey = value >= white ? 255 : (510 * value + white) / (2 * white);
        row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = (uint8_t)grey;
    }
}

static void measure_grey16(const uint8_t *row, int width, int white, weld_grey_range *range) {
    for (int x = 0; x < width; x++) {
        const int value = value16(row, x);
        range->least = value < range->least ? value : range->least;
        range->most = value > range->most ? value : range->most;
        range->clipped += value > white;
    }
}

static void read_pixels(decoder *d, weld_image *out) {
    size_t stride = (size_t)out->width * 3;
    int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) > stride) {
        png_error(d->png, "unexpected row size");
    }
    d->rows = (png_uint_32)out->height;
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < out->height; y++) {
            png_read_row(d->png, out->pixels + stride * (size_t)y, NULL);
        }
    }
    for (int y = 0; d->grey16 && y < out->height; y++) {
        if (d->range) {
            measure_grey16(out->pixels + stride * (size_t)y, out->width, d->white, d->range);
        }
        scale_grey16(out->pixels + stride * (size_t)y, out->width, d->white);
    }
    d->complete = true;
    png_read_end(d->png, NULL);
}

static weld_status decode(const uint8_t *bytes, size_t size, int scale16, weld_image *out,
                          weld_grey_range *range, int *width, int *height, weld_error *err) {
    decoder d = {.bytes = bytes,
                 .size = size,
                 .range = range,
                 .white = scale16 ? scale16 : WELD_SCALE16_MIN,
                 .hooks = {.failure = "bad PNG", .code = WELD_ERROR_FORMAT, .err = err}};
    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d.hooks, weld_png_stop,
                                     weld_png_ignore_warning, &d.hooks, weld_png_allocate,
                                     weld_png_release);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    if (!d.info) {
        png_destroy_read_struct(&d.png, NULL, NULL);
        return weld_fail_memory(err, "PNG decoder");
    }
    if (setjmp(png_jmpbuf(d.png)) == 0) {
        png_set_read_fn(d.png, &d, read_bytes);
        png_read_info(d.png, d.info);
        *width = (int)png_get_image_width(d.png, d.info);
        *height = (int)png_get_image_height(d.png, d.info);
        if (out) {
            d.hooks.status = weld_image_resize_buffer(out, *width, *height, err);
            if (!d.hooks.status) {
                set_conversions(&d);
                read_pixels(&d, out);
            }
        }
    }
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return d.hooks.status;
}

weld_status weld_decode_png(const uint8_t *bytes, size_t size, int scale16, weld_image *out,
                            int *width, int *height, weld_error *err) {
    return decode(bytes, size, scale16, out, NULL, width, height, err);
}

weld_status weld_decode_grey_range(const void *bytes, size_t size, int scale16, weld_image *memory,
                                   weld_grey_range *out, weld_error *err) {
    weld_grey_range range = {.least = UINT16_MAX};
    int width, height;
    WELD_TRY(decode(bytes, size, scale16, memory, &range, &width, &height, err));
    if (range.most < range.least) {
        return weld_fail(err, WELD_ERROR_FORMAT, "no PNG of 16-bit grey");
    }
    range.clipped /= (double)width * height;
    *out = range;
    return WELD_OK;
}
