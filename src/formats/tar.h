/* The members of a tar archive and where their bytes lie: POSIX ustar, what was before it, GNU's
 * long names and large numbers, and pax headers (path, size).
 *
 * Headers are read and nothing else, by positioned reads. libarchive reads tar too, but it hands
 * out contents in order and promises nothing of the place of a member's bytes in the file, which is
 * all that is wanted here.
 *
 * Whatever could make the bytes another file than the one meant is refused by name: sparse members,
 * parts of archives of several volumes, unknown kinds. An archive without its closing zero block is
 * cut, and refused.
 */
#ifndef WELD_FORMATS_TAR_H
#define WELD_FORMATS_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

#define WELD_TAR_BLOCK 512

/* Is this the header of a member? Its checksum tells; tar has no mark that all versions write. */
bool weld_tar_is_header(const unsigned char block[WELD_TAR_BLOCK]);
/* The program that a file's first bytes say it is compressed by ("gzip"), and how it is undone
 * ("gunzip"), or NULL. */
const char *weld_compression(const unsigned char *bytes, size_t size, const char **undo);

typedef enum weld_tar_kind {
    WELD_TAR_FILE,
    WELD_TAR_FOLDER,
    WELD_TAR_LINK, /* hard or symbolic */
    WELD_TAR_OTHER /* pipes and devices */
} weld_tar_kind;

typedef struct weld_tar_member {
    weld_tar_kind kind;
    const char *name;      /* as it is stored; until the next member */
    uint64_t offset, size; /* of its bytes in the file; inside the archive */
} weld_tar_member;

typedef struct weld_tar weld_tar;

/* The archive in bytes begin..end-1 of an open file, which must stay open. `name` is for messages,
 * and must stay as well. */
weld_status weld_tar_create(int descriptor, const char *name, uint64_t begin, uint64_t end,
                            weld_tar **out, weld_error *err);
/* The next member, or *more = false after the last one. */
weld_status weld_tar_next(weld_tar *t, weld_tar_member *out, bool *more, weld_error *err);
void weld_tar_free(weld_tar *t); /* accepts NULL */

#endif
