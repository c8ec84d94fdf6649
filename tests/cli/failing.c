/* Linked with the program: the system call that WELD_FAIL names fails, or the process is killed
 * there as by SIGKILL. "fsync 2 5": the second fsync is EIO (errno 5); "rename 1 kill": killed
 * before the first rename; "lock 0 37": each attempt to lock is ENOLCK; "malloc 7 12": the seventh
 * allocation of the process finds no memory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool fails(const char *call) {
    static atomic_int calls;
    const char *what = getenv("WELD_FAIL");
    char name[16], how[16];
    int which;
    if (!what || sscanf(what, "%15s %d %15s", name, &which, how) != 3 || strcmp(name, call) != 0) {
        return false;
    }
    const int number = ++calls;
    if (which && number != which) {
        return false;
    }
    if (strcmp(how, "kill") == 0) {
        raise(SIGKILL);
    }
    errno = (int)strtol(how, NULL, 10);
    return true;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
    return fails("fsync") ? -1 : REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    return fails("rename") ? -1 : REAL(rename)(from, to);
}

int ftruncate(int fd, off_t length) {
    return fails("ftruncate") ? -1 : REAL(ftruncate)(fd, length);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    return fails("pwrite") ? -1 : REAL(pwrite)(fd, data, bytes, offset);
}

int posix_fallocate(int fd, off_t offset, off_t bytes) {
    return fails("fallocate") ? errno : REAL(posix_fallocate)(fd, offset, bytes);
}

int flock(int fd, int how) {
    return fails("lock") ? -1 : REAL(flock)(fd, how);
}

/* glibc's own names; under sanitizers allocation is theirs. */
#ifndef WELD_SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    return fails("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails("malloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return fails("malloc") ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails("malloc") ? NULL : __libc_memalign(alignment, size);
}
#endif
