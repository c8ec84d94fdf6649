/* Files that are not in place yet; see unfinished.h. A handler may run at any time and beside other
 * threads: what it has taken it keeps, so that no name is overwritten while it is read. */
#include "formats/unfinished.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 32 };
enum { FREE, FILLING, LISTED, TAKEN };

static struct {
    atomic_int state;
    char path[PATH_MAX]; /* longer ones cannot be opened */
} files[PLACES];

void weld_unfinished_hold(sigset_t *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void weld_unfinished_release(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int weld_unfinished_add(const char *path) {
    const size_t size = strlen(path) + 1;
    for (int i = 0; i < PLACES && size <= sizeof files[i].path; i++) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&files[i].state, &expected, FILLING)) {
            memcpy(files[i].path, path, size);
            atomic_store(&files[i].state, LISTED);
            return i;
        }
    }
    return -1;
}

static void take_off(int place) {
    int expected = LISTED;
    if (place >= 0) {
        atomic_compare_exchange_strong(&files[place].state, &expected, FREE);
    }
}

int weld_unfinished_rename(int place, const char *path, const char *to) {
    sigset_t before;
    weld_unfinished_hold(&before);
    int failed;
    do {
        failed = rename(path, to);
    } while (failed && errno == EINTR);
    const int code = errno;
    if (!failed) {
        take_off(place);
    }
    weld_unfinished_release(&before);
    errno = code;
    return failed;
}

void weld_unfinished_discard(int place, const char *path) {
    sigset_t before;
    weld_unfinished_hold(&before);
    while (unlink(path) != 0 && errno == EINTR) {
    }
    take_off(place);
    weld_unfinished_release(&before);
}

void weld_unfinished_unlink(void) {
    for (int i = 0; i < PLACES; i++) {
        int expected = LISTED;
        if (atomic_compare_exchange_strong(&files[i].state, &expected, TAKEN)) {
            unlink(files[i].path);
        }
    }
}
