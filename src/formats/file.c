/* Whole files; see file.h. */
#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

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
    case ENOLCK:
    case ENOSYS:
    case ENOTSUP:
        return "its file system cannot do this: choose a place on another";
    default:
        return "check the device";
    }
}

weld_status weld_file_fail(weld_error *err, const char *path, const char *action, int code) {
    char reason[128] = "error of unknown kind";
    if (code == ENOMEM) {
        return weld_fail_memory(err, path);
    }
    strerror_r(code, reason, sizeof reason); /* strerror is not for several threads at once */
    weld_status status = code == ENOENT ? WELD_ERROR_NOT_FOUND : WELD_ERROR_IO;
    return weld_fail(err, status, "%s: cannot %s: %s: %s", path, action, reason, advice(code));
}

bool weld_is_same_file(const char *a, const char *b) {
    struct stat of_a, of_b;
    return weld_file_look(a, &of_a) == 0 && weld_file_look(b, &of_b) == 0 &&
           of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

weld_status weld_file_is_there(const char *path, bool *there, weld_error *err) {
    struct stat info;
    *there = weld_file_look(path, &info) == 0;
    return *there || errno == ENOENT || errno == ENOTDIR
               ? WELD_OK
               : weld_file_fail(err, path, "tell whether it is there", errno);
}

bool weld_file_tries_again(int code, int *tries) {
    static const long pauses[] = {20000000, 200000000}; /* ns */
    static const int passing[] = {EIO,      ESTALE,    ETIMEDOUT,  EAGAIN,   EMFILE,   ENFILE,
                                  ENOTCONN, EHOSTDOWN, ECONNRESET, ENETDOWN, EREMOTEIO};
    bool passes = false;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        passes |= code == passing[i];
    }
    if (!passes || *tries == sizeof pauses / sizeof *pauses) {
        return false;
    }
    nanosleep(&(struct timespec){0, pauses[(*tries)++]}, NULL);
    return true;
}

int weld_file_open_flags(const char *path, int flags, mode_t mode) {
    int descriptor;
    do {
        descriptor = open(path, flags, mode);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

int weld_file_look(const char *path, struct stat *info) {
    int tries = 0, failed;
    do {
        failed = stat(path, info);
    } while (failed && (errno == EINTR || weld_file_tries_again(errno, &tries)));
    return failed;
}

int weld_file_look_link(const char *path, struct stat *info) {
    int tries = 0, failed;
    do {
        failed = lstat(path, info);
    } while (failed && (errno == EINTR || weld_file_tries_again(errno, &tries)));
    return failed;
}

int weld_file_look_at(int descriptor, struct stat *info) {
    int tries = 0, failed;
    do {
        failed = fstat(descriptor, info);
    } while (failed && (errno == EINTR || weld_file_tries_again(errno, &tries)));
    return failed;
}

int weld_file_sync(int descriptor) {
    int failed;
    do {
        failed = fsync(descriptor);
    } while (failed && errno == EINTR);
    return failed ? errno : 0;
}

int weld_file_cut(int descriptor, uint64_t length) {
    int failed;
    do {
        failed = ftruncate(descriptor, (off_t)length);
    } while (failed && errno == EINTR);
    return failed ? errno : 0;
}

int weld_file_reserve(int descriptor, uint64_t offset, uint64_t bytes) {
    int code;
    do {
        code = posix_fallocate(descriptor, (off_t)offset, (off_t)bytes);
    } while (code == EINTR);
    return code;
}

int weld_file_lock(int descriptor) {
    int failed;
    do {
        failed = flock(descriptor, LOCK_EX | LOCK_NB);
    } while (failed && errno == EINTR);
    return failed ? errno : 0;
}

/* Where owner and group cannot be kept, our group gets no more than everybody has. */
int weld_file_keep_mode(int descriptor, const char *path) {
    struct stat before, now;
    if (weld_file_look(path, &before) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    if (weld_file_look_at(descriptor, &now) != 0) {
        return errno;
    }
    mode_t mode = before.st_mode & 0777;
    if ((now.st_uid != before.st_uid || now.st_gid != before.st_gid) &&
        fchown(descriptor, before.st_uid, before.st_gid) != 0 &&
        fchown(descriptor, (uid_t)-1, before.st_gid) != 0 && now.st_gid != before.st_gid) {
        mode &= ~(mode_t)070 | (mode & 07) << 3;
    }
    /* File systems without modes of files say EPERM, or that they cannot. */
    const bool is_kept = (now.st_mode & 0777) == mode || fchmod(descriptor, mode) == 0;
    return is_kept || errno == EPERM || errno == ENOTSUP ? 0 : errno;
}

weld_status weld_file_open_kept(const char *path, mode_t mode, int *descriptor, weld_error *err) {
    struct stat info;
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = weld_file_open_flags(path, flags, mode);
    if (fd < 0 && errno == ELOOP) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is a link, which is not followed: put the file itself there", path);
    }
    if ((fd < 0 && errno != EISDIR) || (fd >= 0 && weld_file_look_at(fd, &info) != 0)) {
        weld_status status = weld_file_fail(err, path, "open", errno);
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    if (fd < 0 || !S_ISREG(info.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: exists and is not a file: remove it", path);
    }
    *descriptor = fd;
    return WELD_OK;
}

weld_status weld_file_has_one_name(int descriptor, const char *path, weld_error *err) {
    struct stat info;
    if (weld_file_look_at(descriptor, &info) != 0) {
        return weld_file_fail(err, path, "open", errno);
    }
    return info.st_nlink <= 1
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: has a second name (a hard link), under which it would change too: "
                           "put a copy in its place",
                           path);
}

weld_status weld_file_open(const char *path, int *descriptor, uint64_t *size, weld_error *err) {
    /* Not blocking: opening a pipe must not wait for a writer. */
    int fd, tries = 0;
    do {
        fd = weld_file_open_flags(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    } while (fd < 0 && weld_file_tries_again(errno, &tries));
    if (fd < 0) {
        return weld_file_fail(err, path, "open", errno);
    }
    struct stat info;
    if (weld_file_look_at(fd, &info) != 0) {
        weld_status status = weld_file_fail(err, path, "open", errno);
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
    int tries = 0;
    while (done < bytes) {
        ssize_t n = pread(descriptor, to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && (errno == EINTR || weld_file_tries_again(errno, &tries))) {
            continue;
        }
        if (n < 0) {
            return weld_file_fail(err, path, "read", errno);
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
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        done += (size_t)n;
    }
    return 0;
}

int weld_file_open_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = weld_strdup(slash ? path : ".");
    if (!folder) {
        errno = ENOMEM;
        return -1;
    }
    if (slash) {
        folder[slash - path + 1] = '\0';
    }
    int descriptor = weld_file_open_flags(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    weld_free(folder);
    return descriptor;
}

int weld_file_is_at(int descriptor, int folder, const char *name, bool *is) {
    struct stat opened, named;
    int tries = 0;
    bool is_there;
    do {
        is_there = fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0;
    } while (!is_there && (errno == EINTR || weld_file_tries_again(errno, &tries)));
    *is = false;
    if ((!is_there && errno != ENOENT) || weld_file_look_at(descriptor, &opened) != 0) {
        return errno;
    }
    *is = is_there && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
    return 0;
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
    if (weld_file_look(path, &info) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            return weld_file_fail(err, path, "find", errno);
        }
        *out = weld_strdup(path);
        return *out ? WELD_OK : weld_fail_memory(err, path);
    }
    if (!S_ISREG(info.st_mode)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: exists and is not a file: choose another name", path);
    }
    char *real = realpath(path, NULL);
    if (!real) {
        return weld_file_fail(err, path, "find", errno);
    }
    *out = weld_strdup(real);
    free(real);
    return *out ? WELD_OK : weld_fail_memory(err, path);
}
