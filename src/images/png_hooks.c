/* What libpng calls back; see png_hooks.h. */
#include "images/png_hooks.h"

#include "base/error.h"
#include "base/memory.h"

void weld_png_stop(png_structp png, png_const_charp text) {
    weld_png_hooks *h = png_get_error_ptr(png);
    if (!h->status) {
        h->status = weld_fail(h->err, h->code, "%s: %s", h->failure, text);
    }
    png_longjmp(png, 1);
}

void weld_png_ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

void *weld_png_allocate(png_structp png, png_alloc_size_t size) {
    void *memory = weld_alloc_raw(size, 1);
    if (!memory) {
        weld_png_hooks *h = png_get_mem_ptr(png);
        h->status = weld_fail_memory(h->err, "PNG");
    }
    return memory;
}

void weld_png_release(png_structp png, png_voidp pointer) {
    (void)png;
    weld_free(pointer);
}
