/* Values of a report's data. */
#ifndef WELD_REPORT_VALUES_H
#define WELD_REPORT_VALUES_H

#include <jansson.h>

/* JSON of a text, where bytes that are not UTF-8 are question marks; of a number, null where it is
 * not finite. */
json_t *weld_report_text(const char *text);
json_t *weld_report_number(double value);
/* Add a line to the run's "notes". */
void weld_report_note(json_t *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
