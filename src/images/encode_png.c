/* PNG out, by libpng; see encode_png.h. */
#include "images/encode_png.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"

typedef struct encoder {
    png_structp png;
    png_infop info;
    weld_array bytes;
    weld_error *err;
    weld_status status;
} encoder;

static void stop(png_structp png, png_const_charp text) {
    encoder *e = png_get_error_ptr(png);
    if (!e->status) {
        e->status = weld_fail(e->err, WELD_ERROR_ARGUMENT, "cannot encode as PNG: %s", text);
    }
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void *allocate(png_structp png, png_alloc_size_t size) {
    void *memory = weld_alloc_raw(size, 1);
    if (!memory) {
        encoder *e = png_get_mem_ptr(png);
        e->status = weld_fail_memory(e->err, "PNG");
    }
    return memory;
}

static void release(png_structp png, png_voidp pointer) {
    (void)png;
    weld_free(pointer);
}

static void write_bytes(png_structp png, png_bytep from, size_t count) {
    encoder *e = png_get_io_ptr(png);
    if (!weld_array_append(&e->bytes, from, count)) {
        e->status = weld_fail_memory(e->err, "PNG");
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
    encoder e = {.bytes = {.element = 1}, .err = err};
    e.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &e, stop, ignore_warning, &e, allocate,
                                      release);
    e.info = e.png ? png_create_info_struct(e.png) : NULL;
    if (!e.info) {
        png_destroy_write_struct(&e.png, NULL);
        return weld_fail_memory(err, "PNG encoder");
    }
    if (setjmp(png_jmpbuf(e.png)) == 0) {
        encode(&e, image);
    }
    png_destroy_write_struct(&e.png, &e.info);
    if (!e.status) {
        e.status = weld_bytes_resize(out, e.bytes.count, err);
    }
    if (!e.status) {
        memcpy(out->data, e.bytes.data, e.bytes.count);
    }
    weld_array_free(&e.bytes);
    return e.status;
}
