/* Whole files: read with their size checked, and written so that a crash, a full disk or a second
 * writer never leaves a half-written file under the name that was asked for. */
#ifndef WELD_FORMATS_FILE_H
#define WELD_FORMATS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "weld/status.h"

struct stat;

/* Are these names of one file or folder? False where one is not there. */
bool weld_is_same_file(const char *a, const char *b);

/* Is something there, behind a link where it is one? An error where that cannot be told: what is
 * missed then might be written over. */
weld_status weld_file_is_there(const char *path, bool *there, weld_error *err);

/* That the system could not do something with a file, for the reason `code` (an errno), and what to
 * do about it. WELD_ERROR_NOT_FOUND where it is not there, WELD_ERROR_MEMORY, WELD_ERROR_IO. */
weld_status weld_file_fail(weld_error *err, const char *path, const char *action, int code);

/* Is what failed with `code` (an errno) to be tried again? A disk or a server may fail for a
 * moment: true after a pause, twice. *tries begins with 0. */
bool weld_file_tries_again(int code, int *tries);

/* What is said of a file, tried again where it may pass and where a signal interrupts: as stat(2)
 * and fstat(2). */
int weld_file_look(const char *path, struct stat *info);
int weld_file_look_link(const char *path, struct stat *info); /* lstat likewise */
int weld_file_look_at(int descriptor, struct stat *info);

/* System calls that are made again where a signal interrupted them (EINTR). Open as open(2); the
 * others: 0, or an errno. */
int weld_file_open_flags(const char *path, int flags, mode_t mode);
int weld_file_sync(int descriptor);                                     /* fsync(2) */
int weld_file_cut(int descriptor, uint64_t length);                     /* ftruncate(2) */
int weld_file_reserve(int descriptor, uint64_t offset, uint64_t bytes); /* posix_fallocate(3) */
int weld_file_lock(
    int descriptor); /* flock(2) as long as it is open; EWOULDBLOCK: another has it */

/* Give an open file that is to replace what is at `path` the mode of that, and its owner and group
 * where we may: 0, also where there is nothing to replace, or an errno. */
int weld_file_keep_mode(int descriptor, const char *path);

/* Open a file that stays what it is while it is written to (a record, a lock), made of `mode` less
 * the umask where it is not there. A link is not followed, and what is no file refused. */
weld_status weld_file_open_kept(const char *path, mode_t mode, int *descriptor, weld_error *err);
/* Refuse a file of several names: what is written to it would be in all of them. */
weld_status weld_file_has_one_name(int descriptor, const char *path, weld_error *err);
/* Refuse a file that others may write to, or own: not only what we write would be in it. */
weld_status weld_file_is_only_ours(int descriptor, const char *path, weld_error *err);

/* Open a regular file for reading and tell its size; this and weld_file_read_at try again what may
 * pass. The descriptor is the caller's to close; folders, pipes and devices are refused. */
weld_status weld_file_open(const char *path, int *descriptor, uint64_t *size, weld_error *err);

/* Read exactly `bytes` at `offset`; a file that ends before is WELD_ERROR_FORMAT. */
weld_status weld_file_read_at(int descriptor, const char *path, void *data, size_t bytes,
                              uint64_t offset, weld_error *err);

/* Write exactly `bytes` at `offset`: 0, or the errno that says why not. */
int weld_file_put(int descriptor, const void *data, size_t bytes, uint64_t offset);

/* *is: this name, in a folder (a descriptor, or AT_FDCWD), leads to this open file; a link is not
 * followed. 0, or the errno that says why that cannot be told. */
int weld_file_is_at(int descriptor, int folder, const char *name, bool *is);

/* Open the folder that a file is in: a descriptor, or -1 and errno. */
int weld_file_open_folder(const char *path);

/* All bytes of a file of at most `limit` bytes, with a zero byte (not counted) after them, in
 * memory to be released with weld_free. */
weld_status weld_file_read(const char *path, uint64_t limit, void **data, size_t *bytes,
                           weld_error *err);

/* The name that what is written to `path` is to have, to be released with weld_free: that of the
 * file itself where `path` is a link to it. WELD_ERROR_ARGUMENT: a folder or the like is there. */
weld_status weld_file_final_name(const char *path, char **out, weld_error *err);

/* A file being written beside its final place (`formats/temporary.h` says by which name). What is
 * at PATH stays as it is until weld_replacement_commit has made the new bytes durable and renamed
 * them into place; they take on the mode of what they replace. Of two that write to one PATH at
 * once the later stays. What killed processes left in its folder is removed. */
typedef struct weld_replacement weld_replacement;

weld_status weld_replacement_open(const char *path, weld_replacement **out, weld_error *err);
/* For a file of weld's own which nobody else is to read or write: a link is replaced, not followed,
 * and the mode is 0600 whatever was there. */
weld_status weld_replacement_open_private(const char *path, weld_replacement **out,
                                          weld_error *err);
/* Append. After an error the replacement can only be discarded. */
weld_status weld_replacement_write(weld_replacement *r, const void *data, size_t bytes,
                                   weld_error *err);
/* Overwrite bytes that were written before (a header whose contents are known at the end). */
weld_status weld_replacement_write_at(weld_replacement *r, const void *data, size_t bytes,
                                      uint64_t offset, weld_error *err);
/* Where the bytes are until then, to be read back before they take their place. */
const char *weld_replacement_temporary(const weld_replacement *r);
int weld_replacement_descriptor(const weld_replacement *r);
/* Make durable and put in place. Frees r in any case; on an error PATH is what it was, except that
 * after a failed sync of the folder the new file may or may not be there. */
weld_status weld_replacement_commit(weld_replacement *r, weld_error *err);
/* Remove what was written and free r (NULL allowed). */
void weld_replacement_discard(weld_replacement *r);

/* Could a file be written there? For what takes long before it writes. */
weld_status weld_replacement_try(const char *path, weld_error *err);
/* Open, write, commit. */
weld_status weld_file_write(const char *path, const void *data, size_t bytes, weld_error *err);

#endif
