/* Reading ahead; see read_ahead.h. */
#include "data/read_ahead.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

typedef enum slot_state {
    SLOT_EMPTY, /* not asked for, failed, or taken */
    SLOT_WANTED,
    SLOT_READING,
    SLOT_READY
} slot_state;

typedef struct slot {
    slot_state state;
    int64_t index;
    weld_bytes bytes;
} slot;

struct weld_read_ahead {
    const weld_dataset *ds;
    int64_t capacity;
    slot *slots;
    /* All below, and the slots' states, are guarded by the lock; bytes belong to the thread while a
     * slot is being read, to nobody otherwise. */
    int64_t next, count;
    bool stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
};

static void *read_wanted(void *arg) {
    weld_read_ahead *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (r->next >= r->count) {
            pthread_cond_wait(&r->wanted, &r->lock);
            continue;
        }
        slot *s = &r->slots[r->next++];
        if (s->state != SLOT_WANTED) {
            continue;
        }
        s->state = SLOT_READING;
        pthread_mutex_unlock(&r->lock);
        weld_status status = weld_dataset_read(r->ds, s->index, &s->bytes, NULL);
        pthread_mutex_lock(&r->lock);
        /* What failed is read again by its user, who reports why. */
        s->state = status ? SLOT_EMPTY : SLOT_READY;
        pthread_cond_broadcast(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Signals are the business of the program's own threads. */
static int start_thread(weld_read_ahead *r) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&r->thread, NULL, read_wanted, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return code;
}

static void release(weld_read_ahead *r) {
    for (int64_t i = 0; r->slots && i < r->capacity; i++) {
        weld_bytes_free(&r->slots[i].bytes);
    }
    weld_free(r->slots);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wanted);
    pthread_cond_destroy(&r->done);
    weld_free(r);
}

weld_status weld_read_ahead_create(const weld_dataset *ds, int64_t capacity, weld_read_ahead **out,
                                   weld_error *err) {
    weld_read_ahead *r = weld_alloc(1, sizeof *r);
    if (!r) {
        return weld_fail_memory(err, "reading ahead");
    }
    r->ds = ds;
    r->capacity = capacity;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wanted, NULL);
    pthread_cond_init(&r->done, NULL);
    r->slots = weld_alloc((size_t)capacity, sizeof *r->slots);
    weld_status status = r->slots ? WELD_OK : weld_fail_memory(err, "reading ahead");
    if (!status) {
        int code = start_thread(r);
        if (code) {
            status = weld_fail(err, WELD_ERROR_IO, "cannot start a thread for reading: %s",
                               strerror(code));
        }
    }
    if (status) {
        release(r);
        return status;
    }
    *out = r;
    return WELD_OK;
}

void weld_read_ahead_free(weld_read_ahead *r) {
    if (r) {
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_signal(&r->wanted);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        release(r);
    }
}

void weld_read_ahead_request(weld_read_ahead *r, const int64_t *indices, int64_t count) {
    pthread_mutex_lock(&r->lock);
    for (int64_t i = 0; i < r->capacity; i++) {
        while (r->slots[i].state == SLOT_READING) {
            pthread_cond_wait(&r->done, &r->lock);
        }
        r->slots[i].state = i < count ? SLOT_WANTED : SLOT_EMPTY;
        r->slots[i].index = i < count ? indices[i] : -1;
    }
    r->next = 0;
    r->count = count < r->capacity ? count : r->capacity;
    pthread_cond_signal(&r->wanted);
    pthread_mutex_unlock(&r->lock);
}

bool weld_read_ahead_take(weld_read_ahead *r, int64_t slot_number, int64_t index,
                          weld_bytes *bytes) {
    bool taken = false;
    pthread_mutex_lock(&r->lock);
    slot *s = &r->slots[slot_number];
    if (s->index == index) {
        while (s->state == SLOT_READING) {
            pthread_cond_wait(&r->done, &r->lock);
        }
        taken = s->state == SLOT_READY;
        if (taken) {
            weld_bytes held = *bytes;
            *bytes = s->bytes;
            s->bytes = held;
        }
        s->state = SLOT_EMPTY;
    }
    pthread_mutex_unlock(&r->lock);
    return taken;
}
