/* Status codes and error messages.
 *
 * Every function of the library that can fail returns a weld_status and takes a `weld_error *err`
 * as its last argument. On failure *err holds one line: what (file, line or offset), what is wrong
 * and what to do. `err` may be NULL where the caller wants the code alone. The library never
 * prints, never exits and never aborts.
 */
#ifndef WELD_STATUS_H
#define WELD_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define WELD_API __attribute__((visibility("default")))

typedef enum weld_status {
    WELD_OK = 0,
    WELD_ERROR_MEMORY = -1,   /* allocation failed */
    WELD_ERROR_ARGUMENT = -2, /* the caller asked for something that has no meaning */
    WELD_ERROR_SHAPE = -3,    /* shapes or types do not fit; the message names the node */
    WELD_ERROR_IO = -4,       /* the operating system refused: open, read, write, rename */
    WELD_ERROR_FORMAT = -5,   /* a file is damaged, cut or not what it claims to be */
    WELD_ERROR_NOT_FOUND = -6,
    WELD_ERROR_NUMERIC = -7, /* a value that must be finite is not */
    WELD_ERROR_INTERRUPTED = -8
} weld_status;

#define WELD_ERROR_MESSAGE_SIZE 1024

typedef struct weld_error {
    weld_status status;
    char message[WELD_ERROR_MESSAGE_SIZE];
} weld_error;

/* Version of the library, "MAJOR.MINOR.PATCH". */
WELD_API const char *weld_version(void);

#ifdef __cplusplus
}
#endif
#endif
