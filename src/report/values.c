/* Values of a report's data; see values.h. */
#include "report/values.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "weld/status.h"

json_t *weld_report_text(const char *text) {
    json_t *value = json_string(text);
    if (value) {
        return value;
    }
    char *copy = weld_strdup(text); /* its bytes are no UTF-8 */
    for (char *p = copy; p && *p; p++) {
        *p = *p & 0x80 ? '?' : *p;
    }
    value = copy ? json_string(copy) : NULL;
    weld_free(copy);
    return value;
}

json_t *weld_report_number(double value) {
    json_t *number = json_real(value); /* NULL for what is not finite */
    return number ? number : json_null();
}

void weld_report_note(json_t *run, const char *format, ...) {
    char text[WELD_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *notes = json_object_get(run, "notes");
    json_array_append_new(notes, weld_report_text(text));
}
