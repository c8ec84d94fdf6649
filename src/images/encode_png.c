/* PNG out, by libpng; see encode_png.h. */
#include "images/encode_png.h"

#include <setjmp.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "images/png_hooks.h"

typedef struct encoder {
    weld_png_hooks hooks;
    png_structp png;
    png_infop info;
    weld_array bytes;
} encoder;

static void write_bytes(png_structp png, png_bytep from, size_t count) {
    encoder *e = png_get_io_ptr(png);
    if (!weld_array_append(&e->bytes, from, count)) {
        e->hooks.status = weld_fail_memory(e->hooks.err, "PNG");
        png_longjmp(png, 1);
    }
}

static void flush_nothing(png_structp png) {
    (void)png;
}

static void encode(encoder *e, const weld_image *image) {
    png_set_write_fn(e->png, e, write_bytes, flush_nothing);
    png_set_IHDR(e->png, e->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(e->png, e->info);
    for (int y = 0; y < image->height; y++) {
        png_write_row(e->png, image->pixels + (size_t)y * (size_t)image->width * 3);
    }
    png_write_end(e->png, e->info);
}

weld_status weld_encode_png(const weld_image *image, weld_bytes *out, weld_error *err) {
    encoder e = {
        .bytes = {.element = 1},
        .hooks = {.failure = "cannot encode as PNG", .code = WELD_ERROR_ARGUMENT, .err = err}};
    e.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &e.hooks, weld_png_stop,
                                      weld_png_ignore_warning, &e.hooks, weld_png_allocate,
                                      weld_png_release);
    e.info = e.png ? png_create_info_struct(e.png) : NULL;
    if (!e.info) {
        png_destroy_write_struct(&e.png, NULL);
        return weld_fail_memory(err, "PNG encoder");
    }
    if (setjmp(png_jmpbuf(e.png)) == 0) {
        encode(&e, image);
    }
    png_destroy_write_struct(&e.png, &e.info);
    if (!e.hooks.status) {
        e.hooks.status = weld_bytes_resize(out, e.bytes.count, err);
    }
    if (!e.hooks.status) {
        memcpy(out->data, e.bytes.data, e.bytes.count);
    }
    weld_array_free(&e.bytes);
    return e.hooks.status;
}
