/* Comma-separated values as RFC 4180 has them, of any width: records of fields, a field in quotes
 * where it holds commas, quotes (doubled) or ends of lines. Lines end by LF, CR LF or CR; a byte
 * order mark of UTF-8 and empty lines are passed over. What a field is, is bytes but zero.
 */
#ifndef WELD_FORMATS_CSV_H
#define WELD_FORMATS_CSV_H

#include <stdint.h>

#include "base/array.h"
#include "weld/status.h"

typedef struct weld_csv weld_csv;

/* All of the file, up to 1 GiB, is read at once. `path` is for messages and must outlive it. */
weld_status weld_csv_open(const char *path, weld_csv **out, weld_error *err);
void weld_csv_close(weld_csv *c); /* accepts NULL */

/* The next record: its fields, const char *, take the place of what was in `fields`; none: it was
 * the last. They are there until the file is closed. Errors, of quotes, name the line. */
weld_status weld_csv_next(weld_csv *c, weld_array *fields, weld_error *err);
/* Of the record that was read last, the line on which it begins, from 1. */
int64_t weld_csv_line(const weld_csv *c);

#endif
