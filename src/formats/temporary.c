/* Files on the way to their final name; see temporary.h. */
#define _GNU_SOURCE
#include "formats/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/file_system.h"
#include "formats/unfinished.h"

/* ".weld-", 8 digits of the host, "-", 16 at random, ".tmp" */
enum { HOST_AT = 6, HOST_DIGITS = 8, RANDOM_DIGITS = 16, ENDING = 35 };
#define NO_LOCK "-nolock" /* before ".tmp": not of this pattern, and thereby never swept */
enum { NAME_KEPT = 100 }; /* bytes: there are file systems whose names have 143 at most */
enum { ATTEMPTS = 100 };
enum { FOREIGN_SECONDS = 24 * 60 * 60 }; /* not written to for so long: its writer is gone */

static void host_text(char out[HOST_DIGITS + 1]) {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    snprintf(out, HOST_DIGITS + 1, "%08x", (unsigned)XXH3_64bits(name, strlen(name)));
}

/* --- Making ----------------------------------------------------------------------------------- */

/* What is kept of the name, without a part of a character of UTF-8 at the end. */
static size_t kept_of(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), kept = length < NAME_KEPT ? length : NAME_KEPT;
    while (kept && kept < length && ((unsigned char)name[kept] & 0xC0) == 0x80) {
        kept--;
    }
    return (size_t)(name - path) + kept;
}

/* 0, or an errno. */
static int draw_name(const char *path, bool has_lock, char *out, size_t size) {
    uint64_t random;
    char host[HOST_DIGITS + 1];
    while (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        if (errno != EINTR) {
            return errno;
        }
    }
    host_text(host);
    snprintf(out, size, "%.*s.weld-%s-%016llx%s.tmp", (int)kept_of(path), path, host,
             (unsigned long long)random, has_lock ? "" : NO_LOCK);
    return 0;
}

static bool means_no_locks(int code) {
    return code == ENOLCK || code == ENOSYS || code == ENOTSUP || code == EINVAL;
}

/* One that another's sweep found before it was locked is lost, and it is tried again. So is one
 * that cannot be locked: another may be able to, and would take it for a left-over by that name. */
static weld_status make(const char *path, mode_t mode, size_t size, weld_temporary *t,
                        weld_error *err) {
    bool has_lock = true;
    for (int i = 0; i < ATTEMPTS; i++) {
        struct stat info;
        int code = draw_name(path, has_lock, t->path, size);
        if (code) {
            return weld_file_fail(err, path, "draw a temporary name for", code);
        }
        int fd =
            weld_file_open_flags(t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0 && errno == EEXIST) {
            continue;
        }
        if (fd < 0) {
            return weld_file_fail(err, path, "create", errno);
        }
        code = has_lock ? weld_file_lock(fd) : 0;
        const bool is_known = weld_file_look_at(fd, &info) == 0;
        if (code == 0 && is_known && info.st_nlink > 0) {
            t->descriptor = fd;
            return WELD_OK;
        }
        has_lock = has_lock && !means_no_locks(code);
        const bool is_again = code == 0 || code == EWOULDBLOCK || means_no_locks(code);
        weld_status status =
            !is_known  ? weld_file_fail(err, path, "create", errno)
            : is_again ? WELD_OK
                       : weld_file_fail(err, path, "lock what is to take its place", code);
        unlink(t->path);
        close(fd);
        WELD_TRY(status);
    }
    return weld_file_fail(err, path, "create", EEXIST);
}

weld_status weld_temporary_make(const char *path, mode_t mode, weld_temporary *out,
                                weld_error *err) {
    size_t size = strlen(path) + ENDING + sizeof NO_LOCK;
    *out = (weld_temporary){.path = weld_alloc(size, 1), .descriptor = -1, .listed = -1};
    if (!out->path) {
        return weld_fail_memory(err, path);
    }
    sigset_t before;
    weld_unfinished_hold(&before);
    weld_status status = make(path, mode, size, out, err);
    out->listed = status ? -1 : weld_unfinished_add(out->path);
    weld_unfinished_release(&before);
    if (status) {
        weld_temporary_free(out);
    }
    return status;
}

void weld_temporary_leave(weld_temporary *t) {
    if (t->descriptor >= 0) {
        close(t->descriptor); /* also unlocks */
    }
    weld_free(t->path);
    *t = (weld_temporary){.descriptor = -1, .listed = -1};
}

weld_status weld_temporary_put_in_place(weld_temporary *t, const char *path, int folder,
                                        bool keeps_mode, weld_error *err) {
    int code = keeps_mode ? weld_file_keep_mode(t->descriptor, path) : 0;
    if (code) {
        return weld_file_fail(err, path, "set the mode of", code);
    }
    code = weld_file_sync(t->descriptor);
    if (code) {
        return weld_file_fail(err, path, "write", code);
    }
    if (weld_unfinished_rename(t->listed, t->path, path) != 0) {
        return weld_file_fail(err, path, "replace", errno);
    }
    weld_temporary_leave(t);
    /* The name is durable when its folder is. There are file systems that cannot sync one. */
    code = weld_file_sync(folder);
    return code && code != EINVAL ? weld_file_fail(err, path, "bring its name to the disk", code)
                                  : WELD_OK;
}

void weld_temporary_free(weld_temporary *t) {
    if (t->descriptor >= 0) {
        weld_unfinished_discard(t->listed, t->path);
    }
    weld_temporary_leave(t);
}

/* --- What killed writers left ----------------------------------------------------------------- */

static bool are_digits(const char *text, size_t count) {
    return strspn(text, "0123456789abcdef") >= count;
}

/* Of this pattern; *host: its digits. */
static bool is_ours(const char *name, const char **host) {
    const size_t length = strlen(name);
    if (length <= ENDING) {
        return false;
    }
    const char *at = name + length - ENDING;
    *host = at + HOST_AT;
    return memcmp(at, ".weld-", HOST_AT) == 0 && are_digits(*host, HOST_DIGITS) &&
           (*host)[HOST_DIGITS] == '-' && are_digits(*host + HOST_DIGITS + 1, RANDOM_DIGITS) &&
           strcmp(at + ENDING - 4, ".tmp") == 0;
}

/* Of another host's file, whose lock may be unknown here. */
static bool is_old(const struct stat *info) {
    return info->st_mtime < time(NULL) - FOREIGN_SECONDS;
}

static void remove_left_over(int folder, const char *name, bool is_own_host) {
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct stat opened;
    bool is_there;
    int fd = openat(folder, name, O_RDWR | flags);
    if (fd < 0 && errno == EACCES) { /* one that was to be read only, and had its mode already */
        fd = openat(folder, name, O_RDONLY | flags);
    }
    if (fd < 0) {
        return;
    }
    if (weld_file_look_at(fd, &opened) == 0 && S_ISREG(opened.st_mode) && opened.st_nlink == 1 &&
        opened.st_uid == geteuid() && (is_own_host || is_old(&opened)) && weld_file_lock(fd) == 0 &&
        weld_file_is_at(fd, folder, name, &is_there) == 0 && is_there) {
        unlinkat(folder, name, 0);
    }
    close(fd);
}

/* Was it asked for before? A program that writes a thousand files lists their folder once. */
static bool is_swept(const struct stat *folder) {
    enum { FOLDERS = 8 };
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        dev_t device;
        ino_t inode;
    } swept[FOLDERS];
    static int next;
    bool found = false;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < FOLDERS; i++) {
        found = found || (swept[i].device == folder->st_dev && swept[i].inode == folder->st_ino);
    }
    if (!found) {
        swept[next].device = folder->st_dev;
        swept[next].inode = folder->st_ino;
        next = (next + 1) % FOLDERS;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

void weld_temporary_sweep(int folder) {
    struct stat info;
    if (weld_file_look_at(folder, &info) != 0 || is_swept(&info)) {
        return;
    }
    /* Where the files are on none of our disks nothing is known of another host's; where they are,
     * it may write to them by NFS, whose locks are not seen here. */
    struct statfs system;
    const bool any_host =
        fstatfs(folder, &system) == 0 && weld_file_system_of(&system) == WELD_FILE_SYSTEM_LOCAL;
    char own[HOST_DIGITS + 1];
    const char *host;
    host_text(own);
    int listed = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = listed >= 0 ? fdopendir(listed) : NULL;
    for (const struct dirent *e; entries && (e = readdir(entries));) {
        if (is_ours(e->d_name, &host)) {
            const bool is_own_host = memcmp(host, own, HOST_DIGITS) == 0;
            if (any_host || is_own_host) {
                remove_left_over(folder, e->d_name, is_own_host);
            }
        }
    }
    if (entries) {
        closedir(entries);
    } else if (listed >= 0) {
        close(listed);
    }
}
