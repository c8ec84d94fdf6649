/* Filling in a weld_error; see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/locale.h"

const char *weld_version(void) {
    return WELD_VERSION;
}

/* Messages quote names out of files, which may hold line ends or commands to a terminal: control
 * characters of ASCII, and those of Unicode (U+0080..U+009F) as UTF-8 has them. */
static void make_printable(char *text) {
    for (; *text; text++) {
        unsigned char byte = (unsigned char)text[0], next = (unsigned char)text[1];
        if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
            text[0] = text[1] = '?';
        } else if (byte < ' ' || byte == 127) {
            text[0] = '?';
        }
    }
}

weld_status weld_fail(weld_error *err, weld_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        weld_vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        make_printable(err->message);
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
        weld_vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        memcpy(old, err->message, sizeof old);
        err->status = status;
        /* A message too long for the buffer loses its end, never its beginning. */
        size_t used = (size_t)snprintf(err->message, sizeof err->message, "%s: ", prefix);
        if (used < sizeof err->message) {
            snprintf(err->message + used, sizeof err->message - used, "%s", old);
        }
        make_printable(err->message);
    }
    return status;
}
