/* Whole files; see file.h. */
#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/unfinished.h"

struct weld_replacement {
    char *path, *temporary;
    int descriptor, folder;
    int listed; /* among the unfinished */
    uint64_t written;
};

/* What to do about an error of the operating system. */
static const char *advice(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return "free space or choose another place";
    case EFBIG:
        return "raise the limit on the size of files (ulimit -f) or choose another place";
    case EACCES:
    case EPERM:
    case EROFS:
        return "check the permissions or choose another place";
    case ENOENT:
    case ENOTDIR:
        return "check the name";
    default:
        return "check the device";
    }
}

static weld_status fail_system(weld_error *err, const char *path, const char *action) {
    int code = errno;
    char reason[128] = "error of unknown kind";
    strerror_r(code, reason, sizeof reason); /* strerror is not for several threads at once */
    weld_status status = code == ENOENT ? WELD_ERROR_NOT_FOUND : WELD_ERROR_IO;
    return weld_fail(err, status, "%s: cannot %s: %s: %s", path, action, reason, advice(code));
}

bool weld_is_same_file(const char *a, const char *b) {
    struct stat of_a, of_b;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

weld_status weld_file_open(const char *path, int *descriptor, uint64_t *size, weld_error *err) {
    /* Not blocking: opening a pipe must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return fail_system(err, path, "open");
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        weld_status status = fail_system(err, path, "open");
        close(fd);
        return status;
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s: name a file", path,
                         S_ISDIR(info.st_mode) ? "this is a folder" : "this is not a regular file");
    }
    *descriptor = fd;
    *size = (uint64_t)info.st_size;
    return WELD_OK;
}

weld_status weld_file_read_at(int descriptor, const char *path, void *data, size_t bytes,
                              uint64_t offset, weld_error *err) {
    char *to = data;
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(descriptor, to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_system(err, path, "read");
        }
        if (n == 0) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: expected %llu bytes, found %llu: the file is cut: get it again",
                             path, (unsigned long long)(offset + bytes),
                             (unsigned long long)(offset + done));
        }
        done += (size_t)n;
    }
    return WELD_OK;
}

int weld_file_put(int descriptor, const void *data, size_t bytes, uint64_t offset) {
    const char *from = data;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(descriptor, from + done, bytes - done, (off_t)(offset + done));
        if (n <= 0 && errno != EINTR) {
            return errno;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Open the folder that a file is in. */
static int open_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = weld_strdup(slash ? path : ".");
    if (!folder) {
        errno = ENOMEM;
        return -1;
    }
    if (slash) {
        folder[slash - path + 1] = '\0';
    }
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    weld_free(folder);
    return descriptor;
}

static int sync_folder(int descriptor) {
    return fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
}

int weld_file_sync_folder(const char *path) {
    int descriptor = open_folder(path);
    int code = descriptor < 0 ? errno : sync_folder(descriptor);
    if (descriptor >= 0) {
        close(descriptor);
    }
    return code;
}

weld_status weld_file_read(const char *path, uint64_t limit, void **data, size_t *bytes,
                           weld_error *err) {
    int descriptor = -1;
    uint64_t size = 0;
    weld_status status = weld_file_open(path, &descriptor, &size, err);
    if (status) {
        return status;
    }
    char *buffer = NULL;
    if (size > limit || size >= SIZE_MAX) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: %llu bytes, more than the %llu allowed",
                           path, (unsigned long long)size, (unsigned long long)limit);
        goto done;
    }
    buffer = weld_alloc_raw((size_t)size + 1, 1);
    if (!buffer) {
        status = weld_fail_memory(err, path);
        goto done;
    }
    status = weld_file_read_at(descriptor, path, buffer, (size_t)size, 0, err);
    if (status) {
        weld_free(buffer);
        goto done;
    }
    buffer[size] = '\0';
    *data = buffer;
    *bytes = (size_t)size;
done:
    close(descriptor);
    return status;
}

weld_status weld_file_final_name(const char *path, char **out, weld_error *err) {
    struct stat info;
    if (stat(path, &info) != 0) {
        *out = weld_strdup(path);
        return *out ? WELD_OK : weld_fail_memory(err, path);
    }
    if (!S_ISREG(info.st_mode)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: exists and is not a file: choose another name", path);
    }
    char *real = realpath(path, NULL);
    if (!real) {
        return fail_system(err, path, "find");
    }
    *out = weld_strdup(real);
    free(real);
    return *out ? WELD_OK : weld_fail_memory(err, path);
}

/* Open and lock the temporary file. Between opening and locking, another writer may have renamed
 * it into place; then it is no longer ours to truncate, so look again. */
static weld_status claim_temporary(weld_replacement *r, weld_error *err) {
    for (int attempt = 0; attempt < 100; attempt++) {
        int fd = open(r->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (fd < 0) {
            return fail_system(err, r->path, "create");
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            close(fd);
            return weld_fail(err, WELD_ERROR_IO, "%s: another process is writing it: wait for it",
                             r->path);
        }
        struct stat opened, named;
        bool same = fstat(fd, &opened) == 0 && lstat(r->temporary, &named) == 0 &&
                    opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
        if (same && !S_ISREG(opened.st_mode)) {
            close(fd);
            return weld_fail(err, WELD_ERROR_IO, "%s: exists and is not a file: remove it",
                             r->temporary);
        }
        if (same && ftruncate(fd, 0) != 0) {
            weld_status status = fail_system(err, r->path, "write");
            close(fd);
            return status;
        }
        if (same) {
            r->descriptor = fd;
            return WELD_OK;
        }
        close(fd);
    }
    return weld_fail(err, WELD_ERROR_IO, "%s: other processes keep writing it: wait for them",
                     r->path);
}

static weld_status open_temporary(weld_replacement *r, weld_error *err) {
    sigset_t before;
    weld_unfinished_hold(&before);
    weld_status status = claim_temporary(r, err);
    r->listed = status ? -1 : weld_unfinished_add(r->temporary);
    weld_unfinished_release(&before);
    return status;
}

weld_status weld_replacement_open(const char *path, weld_replacement **out, weld_error *err) {
    weld_replacement *r = weld_alloc(1, sizeof *r);
    if (!r) {
        return weld_fail_memory(err, path);
    }
    r->descriptor = r->folder = r->listed = -1;
    weld_status status = weld_file_final_name(path, &r->path, err);
    if (!status) {
        /* A rename is durable only when the folder that holds the name is; what that takes is taken
         * before anything is written. */
        r->folder = open_folder(r->path);
        status = r->folder >= 0    ? WELD_OK
                 : errno == ENOMEM ? weld_fail_memory(err, r->path)
                                   : fail_system(err, r->path, "create");
    }
    if (!status) {
        size_t size = strlen(r->path) + sizeof ".tmp";
        r->temporary = weld_alloc(size, 1);
        if (r->temporary) {
            snprintf(r->temporary, size, "%s.tmp", r->path);
            status = open_temporary(r, err);
        } else {
            status = weld_fail_memory(err, path);
        }
    }
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    *out = r;
    return WELD_OK;
}

weld_status weld_replacement_write_at(weld_replacement *r, const void *data, size_t bytes,
                                      uint64_t offset, weld_error *err) {
    errno = weld_file_put(r->descriptor, data, bytes, offset);
    return errno ? fail_system(err, r->path, "write") : WELD_OK;
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
    return r->temporary;
}

static void release(weld_replacement *r) {
    if (r->descriptor >= 0) {
        close(r->descriptor); /* also unlocks */
    }
    if (r->folder >= 0) {
        close(r->folder);
    }
    weld_free(r->temporary);
    weld_free(r->path);
    weld_free(r);
}

weld_status weld_replacement_commit(weld_replacement *r, weld_error *err) {
    if (fsync(r->descriptor) != 0) {
        weld_status status = fail_system(err, r->path, "write");
        weld_replacement_discard(r);
        return status;
    }
    if (weld_unfinished_rename(r->listed, r->temporary, r->path) != 0) {
        weld_status status = fail_system(err, r->path, "replace");
        weld_replacement_discard(r);
        return status;
    }
    weld_status status = WELD_OK;
    if ((errno = sync_folder(r->folder)) != 0) {
        status = fail_system(err, r->path, "sync the folder of");
    }
    release(r);
    return status;
}

void weld_replacement_discard(weld_replacement *r) {
    if (!r) {
        return;
    }
    if (r->descriptor >= 0) {
        /* While locked: no other writer can have taken it over. */
        weld_unfinished_discard(r->listed, r->temporary);
    }
    release(r);
}

weld_status weld_file_write(const char *path, const void *data, size_t bytes, weld_error *err) {
    weld_replacement *r;
    WELD_TRY(weld_replacement_open(path, &r, err));
    weld_status status = weld_replacement_write(r, data, bytes, err);
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}
