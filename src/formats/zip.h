/* ZIP archives as PyTorch writes them, by libzip: entries stored without compression, below one top
 * folder whose name does not matter. Entries are read in place; memory is that of the directory. */
#ifndef WELD_FORMATS_ZIP_H
#define WELD_FORMATS_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

typedef struct weld_zip weld_zip;

typedef struct weld_zip_entry {
    uint64_t index, bytes;
    bool has_checksum;
} weld_zip_entry;

/* Open an archive whose top folder holds `main` ("data.pkl"). */
weld_status weld_zip_open(const char *path, const char *main, weld_zip **out, weld_error *err);
void weld_zip_free(weld_zip *a);
const char *weld_zip_path(const weld_zip *a);
uint64_t weld_zip_bytes(const weld_zip *a); /* of the file */

/* Is there an entry TOP/name, or one below it where name ends with '/'? */
bool weld_zip_has(const weld_zip *a, const char *name);
/* The entry TOP/name, which must be there, stored and not encrypted. */
weld_status weld_zip_find(const weld_zip *a, const char *name, weld_zip_entry *out,
                          weld_error *err);

/* Read an entry from `offset` on, piece by piece: begin, then next for each, then end, also after
 * an error (whose status is passed through it). Where a whole entry was read, end compares its
 * checksum. One entry at a time. */
weld_status weld_zip_begin(weld_zip *a, const weld_zip_entry *entry, uint64_t offset,
                           weld_error *err);
weld_status weld_zip_next(weld_zip *a, void *data, size_t bytes, weld_error *err);
weld_status weld_zip_end(weld_zip *a, weld_status status, weld_error *err);

#endif
