/* ZIP archives as PyTorch writes them, by libzip: entries stored without compression, below one top
 * folder whose name does not matter. Entries are read in place; memory is that of the directory. */
#ifndef WELD_FORMATS_ARCHIVE_H
#define WELD_FORMATS_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

typedef struct weld_archive weld_archive;

typedef struct weld_archive_entry {
    uint64_t index, bytes;
    bool has_checksum;
} weld_archive_entry;

/* Open an archive whose top folder holds `main` ("data.pkl"). */
weld_status weld_archive_open(const char *path, const char *main, weld_archive **out,
                              weld_error *err);
void weld_archive_free(weld_archive *a);
const char *weld_archive_path(const weld_archive *a);
uint64_t weld_archive_bytes(const weld_archive *a); /* of the file */

/* Is there an entry TOP/name, or one below it where name ends with '/'? */
bool weld_archive_has(const weld_archive *a, const char *name);
/* The entry TOP/name, which must be there, stored and not encrypted. */
weld_status weld_archive_find(const weld_archive *a, const char *name, weld_archive_entry *out,
                              weld_error *err);

/* Read an entry from `offset` on, piece by piece: begin, then next for each, then end, also after
 * an error (whose status is passed through it). Where a whole entry was read, end compares its
 * checksum. One entry at a time. */
weld_status weld_archive_begin(weld_archive *a, const weld_archive_entry *entry, uint64_t offset,
                               weld_error *err);
weld_status weld_archive_next(weld_archive *a, void *data, size_t bytes, weld_error *err);
weld_status weld_archive_end(weld_archive *a, weld_status status, weld_error *err);

#endif
