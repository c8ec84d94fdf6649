/* Files that are written beside their final place; see file.h. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/temporary.h"

struct weld_replacement {
    char *path;
    weld_temporary temporary;
    int folder;
    bool private;
    uint64_t written;
};

static weld_status open_at(weld_replacement *r, const char *path, bool private, weld_error *err) {
    *r = (weld_replacement){.private = private, .folder = -1, .temporary.descriptor = -1};
    if (!private) {
        WELD_TRY(weld_file_final_name(path, &r->path, err));
    } else if (!(r->path = weld_strdup(path))) {
        return weld_fail_memory(err, path);
    }
    /* A rename is durable only when the folder that holds the name is; what that takes is taken
     * before anything is written. */
    r->folder = weld_file_open_folder(r->path);
    if (r->folder < 0) {
        return weld_file_fail(err, r->path, "create", errno);
    }
    weld_temporary_sweep(r->folder);
    /* Until it has the mode of what it replaces nobody else sees what is in it. */
    const bool is_new = !private && access(r->path, F_OK) != 0;
    return weld_temporary_make(r->path, is_new ? 0666 : 0600, &r->temporary, err);
}

static weld_status open_replacement(const char *path, bool private, weld_replacement **out,
                                    weld_error *err) {
    weld_replacement *r = weld_alloc(1, sizeof *r);
    if (!r) {
        return weld_fail_memory(err, path);
    }
    weld_status status = open_at(r, path, private, err);
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    *out = r;
    return WELD_OK;
}

weld_status weld_replacement_open(const char *path, weld_replacement **out, weld_error *err) {
    return open_replacement(path, false, out, err);
}

weld_status weld_replacement_open_private(const char *path, weld_replacement **out,
                                          weld_error *err) {
    return open_replacement(path, true, out, err);
}

weld_status weld_replacement_write_at(weld_replacement *r, const void *data, size_t bytes,
                                      uint64_t offset, weld_error *err) {
    int code = weld_file_put(r->temporary.descriptor, data, bytes, offset);
    return code ? weld_file_fail(err, r->path, "write", code) : WELD_OK;
}

weld_status weld_replacement_write(weld_replacement *r, const void *data, size_t bytes,
                                   weld_error *err) {
    weld_status status = weld_replacement_write_at(r, data, bytes, r->written, err);
    if (!status) {
        r->written += bytes;
    }
    return status;
}

const char *weld_replacement_temporary(const weld_replacement *r) {
    return r->temporary.path;
}

int weld_replacement_descriptor(const weld_replacement *r) {
    return r->temporary.descriptor;
}

weld_status weld_replacement_commit(weld_replacement *r, weld_error *err) {
    weld_status status =
        weld_temporary_put_in_place(&r->temporary, r->path, r->folder, !r->private, err);
    weld_replacement_discard(r);
    return status;
}

void weld_replacement_discard(weld_replacement *r) {
    if (!r) {
        return;
    }
    weld_temporary_free(&r->temporary);
    if (r->folder >= 0) {
        close(r->folder);
    }
    weld_free(r->path);
    weld_free(r);
}

/* A file that we make beside it tells what ours are like: there are file systems of which all files
 * have one owner, or one mode. */
weld_status weld_file_is_only_ours(int descriptor, const char *path, weld_error *err) {
    enum { OF_OTHERS = 022 };
    struct stat info, ours;
    weld_temporary made;
    if (weld_file_look_at(descriptor, &info) != 0) {
        return weld_file_fail(err, path, "open", errno);
    }
    if (info.st_uid == geteuid() && !(info.st_mode & OF_OTHERS)) {
        return WELD_OK;
    }
    WELD_TRY(weld_temporary_make(path, 0600, &made, err));
    const int code = weld_file_look_at(made.descriptor, &ours) == 0 ? 0 : errno;
    weld_temporary_free(&made);
    if (code) {
        return weld_file_fail(err, path, "open", code);
    }
    return info.st_uid == ours.st_uid && !(info.st_mode & ~ours.st_mode & OF_OTHERS)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: others may write to it too: remove it, or take it for your own "
                           "alone (chown, chmod go-w)",
                           path);
}

weld_status weld_replacement_try(const char *path, weld_error *err) {
    weld_replacement *r = NULL;
    WELD_TRY(weld_replacement_open(path, &r, err));
    weld_replacement_discard(r);
    return WELD_OK;
}

weld_status weld_file_write(const char *path, const void *data, size_t bytes, weld_error *err) {
    weld_replacement *r = NULL;
    WELD_TRY(weld_replacement_open(path, &r, err));
    weld_status status = weld_replacement_write(r, data, bytes, err);
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}
