/* What the parts of a report share; see parts.h. */
#include "report/parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/locale.h"
#include "formats/json_text.h"

void weld_report_note(json_t **run, const char *format, ...) {
    char text[WELD_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *notes = json_incref(json_object_get(*run, "notes"));
    weld_json_append(&notes, weld_json_name(text));
    weld_json_set(run, "notes", notes);
}

json_t *weld_report_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_real(json_number_value(value)) : json_null();
}
