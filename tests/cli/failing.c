/* Linked with the program: the call that WELD_FAIL names fails, or the process is killed there as
 * by SIGKILL. "fsync 2 5": the second fsync is EIO (errno 5); "rename 1 kill": killed before the
 * first rename; "lock 0 37": each attempt to lock is ENOLCK. Where WELD_CALLS names a file, the
 * program writes there at its end how many calls of each there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum call {
    CALL_FSYNC,
    CALL_RENAME,
    CALL_FTRUNCATE,
    CALL_PWRITE,
    CALL_WRITE,
    CALL_FALLOCATE,
    CALL_LOCK,
    CALL_OPEN,
    CALL_CLOSE,
    CALL_READ,
    CALL_PREAD,
    CALL_STAT,
    CALL_MKDIR,
    CALL_UNLINK,
    CALL_MALLOC,
    COUNT
};
static const char *const names[COUNT] = {"fsync",     "rename", "ftruncate", "pwrite", "write",
                                         "fallocate", "lock",   "open",      "close",  "read",
                                         "pread",     "stat",   "mkdir",     "unlink", "malloc"};

static atomic_int calls[COUNT];
static int failing = -1, which, number;
static bool kills;
static atomic_int stale = -1; /* a descriptor that stays so until it is closed, as on a server */
static const char *counts;

__attribute__((constructor)) static void begin(void) {
    const char *what = getenv("WELD_FAIL");
    char name[16] = "", how[16];
    counts = getenv("WELD_CALLS");
    if (what && sscanf(what, "%15s %d %15s", name, &which, how) == 3) {
        kills = strcmp(how, "kill") == 0;
        number = (int)strtol(how, NULL, 10);
    }
    for (int i = 0; i < COUNT; i++) {
        failing = what && strcmp(name, names[i]) == 0 ? i : failing;
        atomic_store(&calls[i], 0); /* what came before main began is not counted */
    }
}

__attribute__((destructor)) static void end(void) {
    FILE *file = counts ? fopen(counts, "w") : NULL;
    for (int i = 0; file && i < COUNT; i++) {
        fprintf(file, "%s %d\n", names[i], atomic_load(&calls[i]));
    }
    if (file) {
        fclose(file);
    }
}

static bool fails(int call) {
    const int now = atomic_fetch_add(&calls[call], 1) + 1;
    if (call != failing || (which && now != which)) {
        return false;
    }
    if (kills) {
        raise(SIGKILL);
    }
    errno = number;
    return true;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
    return fails(CALL_FSYNC) ? -1 : REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    return fails(CALL_RENAME) ? -1 : REAL(rename)(from, to);
}

int ftruncate(int fd, off_t length) {
    return fails(CALL_FTRUNCATE) ? -1 : REAL(ftruncate)(fd, length);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    return fails(CALL_PWRITE) ? -1 : REAL(pwrite)(fd, data, bytes, offset);
}

ssize_t write(int fd, const void *data, size_t bytes) {
    return fd > 2 && fails(CALL_WRITE) ? -1 : REAL(write)(fd, data, bytes);
}

int posix_fallocate(int fd, off_t offset, off_t bytes) {
    return fails(CALL_FALLOCATE) ? number : REAL(posix_fallocate)(fd, offset, bytes);
}

int flock(int fd, int how) {
    return fails(CALL_LOCK) ? -1 : REAL(flock)(fd, how);
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(CALL_OPEN) ? -1 : REAL(open)(path, flags, mode);
}

/* As Linux: closed, and an error all the same. */
int close(int fd) {
    int closed = fd;
    atomic_compare_exchange_strong(&stale, &closed, -1);
    const int failed = REAL(close)(fd);
    return fd > 2 && fails(CALL_CLOSE) ? -1 : failed;
}

ssize_t read(int fd, void *data, size_t bytes) {
    return fails(CALL_READ) ? -1 : REAL(read)(fd, data, bytes);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset) {
    if (fails(CALL_PREAD)) {
        atomic_store(&stale, number == ESTALE ? fd : -1);
        return -1;
    }
    if (fd == atomic_load(&stale)) {
        errno = ESTALE;
        return -1;
    }
    return REAL(pread)(fd, data, bytes, offset);
}

int stat(const char *restrict path, struct stat *restrict info) {
    return fails(CALL_STAT) ? -1 : REAL(stat)(path, info);
}

int lstat(const char *restrict path, struct stat *restrict info) {
    return fails(CALL_STAT) ? -1 : REAL(lstat)(path, info);
}

int fstat(int fd, struct stat *info) {
    return fails(CALL_STAT) ? -1 : REAL(fstat)(fd, info);
}

int mkdir(const char *path, mode_t mode) {
    return fails(CALL_MKDIR) ? -1 : REAL(mkdir)(path, mode);
}

int unlink(const char *path) {
    return fails(CALL_UNLINK) ? -1 : REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags) {
    return fails(CALL_UNLINK) ? -1 : REAL(unlinkat)(folder, path, flags);
}

/* glibc's own names; under sanitizers allocation is theirs. */
#ifndef WELD_SANITIZED
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
    return fails(CALL_MALLOC) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    return fails(CALL_MALLOC) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) {
    return bytes && fails(CALL_MALLOC) ? NULL : __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return fails(CALL_MALLOC) ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes) {
    void *made = fails(CALL_MALLOC) ? NULL : __libc_memalign(alignment, bytes);
    *out = made ? made : *out;
    return made ? 0 : ENOMEM;
}
#endif
