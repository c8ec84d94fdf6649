/* Whole files: read with their size checked, and written so that a crash, a full disk or a second
 * writer never leaves a half-written file under the name that was asked for. */
#ifndef WELD_FORMATS_FILE_H
#define WELD_FORMATS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

/* Are these names of one file or folder? False where one is not there. */
bool weld_is_same_file(const char *a, const char *b);

/* Open a regular file for reading and tell its size. The descriptor is the caller's to close;
 * folders, pipes and devices are refused. */
weld_status weld_file_open(const char *path, int *descriptor, uint64_t *size, weld_error *err);

/* Read exactly `bytes` at `offset`; a file that ends before is WELD_ERROR_FORMAT. */
weld_status weld_file_read_at(int descriptor, const char *path, void *data, size_t bytes,
                              uint64_t offset, weld_error *err);

/* Write exactly `bytes` at `offset`: 0, or the errno that says why not. */
int weld_file_put(int descriptor, const void *data, size_t bytes, uint64_t offset);

/* Make the name of a file durable, which it is when its folder is: 0, or an errno. Some file
 * systems cannot sync folders and say EINVAL: nothing more can be done there. */
int weld_file_sync_folder(const char *path);

/* All bytes of a file of at most `limit` bytes, with a zero byte (not counted) after them, in
 * memory to be released with weld_free. */
weld_status weld_file_read(const char *path, uint64_t limit, void **data, size_t *bytes,
                           weld_error *err);

/* The name that what is written to `path` is to have, to be released with weld_free: that of the
 * file itself where `path` is a link to it. WELD_ERROR_ARGUMENT: a folder or the like is there. */
weld_status weld_file_final_name(const char *path, char **out, weld_error *err);

/* A file being written beside its final place, as "PATH.tmp". What is at PATH stays as it is until
 * weld_replacement_commit has made the new bytes durable and renamed them into place. A left-over
 * of a process that was killed is overwritten; a live second writer is an error. */
typedef struct weld_replacement weld_replacement;

weld_status weld_replacement_open(const char *path, weld_replacement **out, weld_error *err);
/* Append. After an error the replacement can only be discarded. */
weld_status weld_replacement_write(weld_replacement *r, const void *data, size_t bytes,
                                   weld_error *err);
/* Overwrite bytes that were written before (a header whose contents are known at the end). */
weld_status weld_replacement_write_at(weld_replacement *r, const void *data, size_t bytes,
                                      uint64_t offset, weld_error *err);
/* Where the bytes are until then, to be read back before they take their place. */
const char *weld_replacement_temporary(const weld_replacement *r);
/* Make durable and put in place. Frees r in any case; on an error PATH is what it was, except that
 * after a failed sync of the folder the new file may or may not be there. */
weld_status weld_replacement_commit(weld_replacement *r, weld_error *err);
/* Remove what was written and free r (NULL allowed). */
void weld_replacement_discard(weld_replacement *r);

/* Open, write, commit. */
weld_status weld_file_write(const char *path, const void *data, size_t bytes, weld_error *err);

#endif
