/* How long one waits for MPI itself, to start and to end: the group's thread is within it by then,
 * and no other rank can be asked (watch.h is for the time in between). */
#ifndef WELD_DISTRIBUTED_PATIENCE_H
#define WELD_DISTRIBUTED_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct weld_patience {
    double patience, timeout; /* seconds, as in weld_watch_options */
    double waited, noticed;   /* so far, but for the time when this process did not run; and when
                                 something was last said of it */
} weld_patience;

typedef enum weld_impatience { WELD_WAIT_ON, WELD_WAIT_SAY, WELD_WAIT_NO_MORE } weld_impatience;

/* How long to wait until the next call of weld_patience_look. */
double weld_patience_piece(const weld_patience *p);
/* After so many more seconds. Other than WELD_WAIT_ON: there is `text` to say: "waiting for MPI to
 * start since 60 s: " with this `what` and `why`. */
weld_impatience weld_patience_look(weld_patience *p, double seconds, const char *what,
                                   const char *why, char *text, size_t size);

#endif
