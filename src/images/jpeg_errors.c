/* Errors of libjpeg; see jpeg_errors.h. */
#include "images/jpeg_errors.h"

#include <stdarg.h>

#include <jerror.h>

#include "base/error.h"
#include "base/locale.h"

_Noreturn void weld_jpeg_stop(j_common_ptr jpeg) {
    weld_jpeg_errors *errors = (weld_jpeg_errors *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) {
        errors->status = weld_fail_memory(errors->err, "JPEG");
        longjmp(errors->back, 1);
    }
    errors->base.format_message(jpeg, text);
    weld_jpeg_fail(jpeg, "bad JPEG: %s", text);
}

_Noreturn void weld_jpeg_fail(j_common_ptr jpeg, const char *format, ...) {
    weld_jpeg_errors *errors = (weld_jpeg_errors *)jpeg->err;
    char text[WELD_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    errors->status = weld_fail(errors->err, WELD_ERROR_FORMAT, "%s", text);
    longjmp(errors->back, 1);
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

static void pass_over(j_common_ptr jpeg, int level) {
    (void)jpeg;
    (void)level;
}

struct jpeg_error_mgr *weld_jpeg_errors_set(weld_jpeg_errors *errors, weld_error *err) {
    jpeg_std_error(&errors->base);
    errors->base.error_exit = weld_jpeg_stop;
    errors->base.emit_message = pass_over;
    errors->base.output_message = say_nothing;
    errors->err = err;
    return &errors->base;
}
