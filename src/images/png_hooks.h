/* What libpng calls back, for reading and writing alike: errors become our status and message,
 * memory is ours, warnings are dropped.
 */
#ifndef WELD_IMAGES_PNG_HOOKS_H
#define WELD_IMAGES_PNG_HOOKS_H

#include <png.h>

#include "weld/status.h"

/* The pointer that libpng is given for errors and for memory. */
typedef struct weld_png_hooks {
    const char *failure; /* "bad PNG": put before libpng's reason... */
    weld_status code;    /* ...with this status */
    weld_error *err;
    weld_status status; /* of the first failure */
} weld_png_hooks;

/* Fails with libpng's reason, unless something has failed already, and jumps. */
void weld_png_stop(png_structp png, png_const_charp text);
void weld_png_ignore_warning(png_structp png, png_const_charp text);
void *weld_png_allocate(png_structp png, png_alloc_size_t size);
void weld_png_release(png_structp png, png_voidp pointer);

#endif
