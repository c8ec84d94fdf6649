/* Filling in a weld_error; see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *weld_version(void) {
    return WELD_VERSION;
}

weld_status weld_fail(weld_error *err, weld_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

weld_status weld_fail_memory(weld_error *err, const char *what) {
    return weld_fail(err, WELD_ERROR_MEMORY, "%s: out of memory", what);
}

weld_status weld_fail_context(weld_error *err, weld_status status, const char *format, ...) {
    if (err) {
        char prefix[WELD_ERROR_MESSAGE_SIZE], old[WELD_ERROR_MESSAGE_SIZE];
        va_list args;
        va_start(args, format);
        vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        memcpy(old, err->message, sizeof old);
        err->status = status;
        /* A message too long for the buffer loses its end, never its beginning. */
        size_t used = (size_t)snprintf(err->message, sizeof err->message, "%s: ", prefix);
        if (used < sizeof err->message) {
            snprintf(err->message + used, sizeof err->message - used, "%s", old);
        }
    }
    return status;
}
