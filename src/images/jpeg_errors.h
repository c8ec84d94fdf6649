/* Errors of libjpeg: it reports them through function pointers that must not return, which fill in
 * the weld_error and jump back to where decoding or encoding was started. */
#ifndef WELD_IMAGES_JPEG_ERRORS_H
#define WELD_IMAGES_JPEG_ERRORS_H

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "weld/status.h"

typedef struct weld_jpeg_errors {
    struct jpeg_error_mgr base; /* first: libjpeg holds a pointer to it */
    jmp_buf back;
    weld_error *err;
    weld_status status;
} weld_jpeg_errors;

/* What libjpeg is to have as its `err`. Warnings are not looked at. */
struct jpeg_error_mgr *weld_jpeg_errors_set(weld_jpeg_errors *errors, weld_error *err);
/* libjpeg's own error. */
_Noreturn void weld_jpeg_stop(j_common_ptr jpeg);
/* WELD_ERROR_FORMAT. */
_Noreturn void weld_jpeg_fail(j_common_ptr jpeg, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
