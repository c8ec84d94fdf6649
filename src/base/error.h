/* Filling in a weld_error. */
#ifndef WELD_BASE_ERROR_H
#define WELD_BASE_ERROR_H

#include "weld/status.h"

/* How a status is passed on. A function that has nothing to release returns at once:
 *
 *     WELD_TRY(read_header(r, err));
 *     WELD_TRY(read_body(r, err));
 *     return WELD_OK;
 *
 * One that has, or that must end what it began, goes on to its end with the first that failed:
 *
 *     status = status ? status : write_body(w, err);
 */
#define WELD_TRY(call)                                                                             \
    do {                                                                                           \
        const weld_status weld_try_status = (call);                                                \
        if (weld_try_status) {                                                                     \
            return weld_try_status;                                                                \
        }                                                                                          \
    } while (0)

/* Store status and the formatted one-line message in *err (if err is not NULL); returns status, so
 * that callers write `return weld_fail(err, WELD_ERROR_IO, "%s: ...", path)`. Control characters,
 * which may come from a file, become '?'. */
weld_status weld_fail(weld_error *err, weld_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* weld_fail for a failed allocation of `bytes` bytes meant for `what`. */
weld_status weld_fail_memory(weld_error *err, const char *what);

/* Put "prefix: " in front of the message already in *err (for context added on the way up). */
weld_status weld_fail_context(weld_error *err, weld_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
