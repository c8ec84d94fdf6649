/* How long one waits for MPI itself; see patience.h. */
#include "distributed/patience.h"

#include <math.h>
#include <stdio.h>

#include "distributed/launch.h"

double weld_patience_piece(const weld_patience *p) {
    const double least = p->timeout > 0 ? fmin(p->timeout, p->patience) : p->patience;
    return fmin(least / 6, 1);
}

/* All ranks wait, and none knows what another says: two of them speak, for one may be the one that
 * all wait for. Where the first gives up, the launcher ends the others before they do. */
weld_impatience weld_patience_look(weld_patience *p, double seconds, const char *what,
                                   const char *why, char *text, size_t size) {
    const int rank = weld_launch_find().rank;
    p->waited += fmin(seconds, 2 * weld_patience_piece(p));
    const bool gives_up = p->timeout > 0 && p->waited >= p->timeout + 2 * fmin(rank, 2);
    if (!gives_up && (rank > 1 || p->waited - p->noticed < p->patience)) {
        return WELD_WAIT_ON;
    }
    p->noticed = p->waited;
    snprintf(text, size, "waiting for %s since %ld s%s%s", what, (long)p->waited,
             gives_up ? ": given up: --rank-timeout 0 waits for ever" : "", why);
    return gives_up ? WELD_WAIT_NO_MORE : WELD_WAIT_SAY;
}
