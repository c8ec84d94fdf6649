/* The file that is written beside a final name before it takes it. It is made new, by a name that
 * nobody can foresee, so that nothing that lies in the folder is ever written to:
 *
 *     NAME.weld-HOST-RANDOM.tmp
 *
 * A lock is held on it as long as its writer lives. What a killed one left is thereby known by its
 * name, its owner and the lock that it does not have, and the next that writes to the folder
 * removes it; what another host left only a day after it was last written to, and only from a file
 * system of this host's own, for locks may not be seen from one host to the other. Where a file
 * system has no locks, files are written as everywhere, by NAME.weld-HOST-RANDOM-nolock.tmp, and
 * left-overs stay. */
#ifndef WELD_FORMATS_TEMPORARY_H
#define WELD_FORMATS_TEMPORARY_H

#include <stdbool.h>
#include <sys/types.h>

#include "weld/status.h"

typedef struct weld_temporary {
    char *path;
    int descriptor; /* -1: none */
    int listed;     /* among the unfinished */
} weld_temporary;

/* Make one for what is to be at `path`, of `mode` less the umask. */
weld_status weld_temporary_make(const char *path, mode_t mode, weld_temporary *out,
                                weld_error *err);
/* Make durable what is in it, and then put it at `path`, in the same folder (open, as `folder`); it
 * takes on the mode of what is there where `keeps_mode`. After an error `path` is what it was, and
 * t still has the file; except that after a failed sync of the folder, when t has it no more, the
 * file may or may not be there. */
weld_status weld_temporary_put_in_place(weld_temporary *t, const char *path, int folder,
                                        bool keeps_mode, weld_error *err);
/* Remove it where it is not in its place, and release what it has. All zero but the descriptor -1:
 * nothing to do. */
void weld_temporary_free(weld_temporary *t);
/* Release what it has, and leave it. */
void weld_temporary_leave(weld_temporary *t);

/* Remove what killed writers left in a folder (a descriptor), once for each folder in a process. */
void weld_temporary_sweep(int folder);

#endif
