/* Listings kept between runs, so that a data set of a million files opens at once.
 *
 * They are kept in $XDG_CACHE_HOME/weld (~/.cache/weld where that is not set), never in the data
 * set: a file NAME-HASH.index for each, of the name and place of the data set. Deleting them is
 * always safe.
 *
 * A kept listing is used only if every folder of the data set (or the archive) has the inode, size,
 * time of modification and time of change that it had when it was listed, to the nanosecond.
 * Adding, removing or renaming an entry changes the time of its folder, and nobody can set back the
 * time of change. What folder times do not tell, new contents of a file under its old name, is not
 * in the listing: bytes are read from the file each time. (Whether a file that is not called an
 * image is one was decided when it was listed.) To be sure that the times do tell,
 *
 *   - nothing is kept of what changed in the last seconds before it was listed: a second change
 *     might have fallen into the same tick of the file system's clock;
 *   - nothing is kept of folders with links to files or to nowhere, which can change elsewhere;
 *   - nothing is kept of file systems that are not known to keep folder times (FUSE, FAT, SMB).
 *
 * The file: 128 bytes of header (index.c), then the tables of weld_listing; XXH3 over all of it. A
 * file that is cut, damaged, of another version, another data set or another user is as good as
 * none.
 */
#ifndef WELD_DATASETS_INDEX_H
#define WELD_DATASETS_INDEX_H

#include "datasets/listing.h"

/* What became of it, as a line for people. */
typedef struct weld_index_note {
    char text[512];
} weld_index_note;

/* Nanoseconds since 1970: to be asked before listing begins. */
int64_t weld_index_now(void);

/* The listing of the data set at `path`, if one is kept that is still true; `descriptor` is that of
 * an open archive, or -1 for a folder. Returns whether there is one: then *out is the caller's to
 * free. The note says where it is kept or why it is not used; it is empty where there is none. */
bool weld_index_read(const char *path, int descriptor, weld_listing *out, weld_index_note *note);

/* Keep a listing that was begun at `started`. The note says where it is kept or why it is not. */
void weld_index_write(const char *path, const weld_listing *l, int64_t started,
                      weld_index_note *note);

#endif
