/* Reading ahead; see read_ahead.h. */
#define _GNU_SOURCE
#include "data/read_ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/memory.h"

enum {
    THREADS = 4,
    AFTER_SLOW = 8,      /* so many reads after one that waited are done ahead */
    MAX_HELD = 256 << 20 /* bytes that were read and not taken: reading pauses beyond these */
};

typedef enum slot_state {
    SLOT_EMPTY, /* not asked for, failed, or taken */
    SLOT_WANTED,
    SLOT_READING,
    SLOT_READY
} slot_state;

/* Whoever takes a sample that is ready, as nearly all are, needs no lock: he would have to wait
 * where the thread that holds it does not run. */
typedef struct slot {
    _Atomic slot_state state;
    int64_t index;
    weld_bytes bytes;
} slot;

/* The slots before `next` have been looked at. */
typedef struct batch {
    uint64_t number;
    slot *slots;
    int64_t next, count;
} batch;

struct weld_read_ahead {
    const weld_dataset *ds;
    int64_t capacity;
    batch batches[2]; /* of even number, of odd number */
    _Atomic size_t held;
    /* The lock guards what is below and what threads read next. Bytes belong to a thread while a
     * slot is being read, to nobody otherwise. */
    bool stop;
    int slow; /* reads to come that are done ahead */
    int threads;
    pthread_t thread[THREADS];
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
};

/* The next slot to read, now being read: of the earlier batch first. */
static slot *find_wanted(weld_read_ahead *r) {
    int first = r->batches[0].number < r->batches[1].number ? 0 : 1;
    for (int i = 0; i < 2 && r->held < MAX_HELD; i++) {
        batch *b = &r->batches[i ^ first];
        while (b->next < b->count) {
            slot *s = &b->slots[b->next++];
            slot_state wanted = SLOT_WANTED;
            if (atomic_compare_exchange_strong(&s->state, &wanted, SLOT_READING)) {
                return s;
            }
        }
    }
    return NULL;
}

/* How often the calling thread gave its cpu up because it had to wait. Other than time this does
 * not count waiting for a cpu that others use. */
static long waits(void) {
    struct rusage use = {0};
    getrusage(RUSAGE_THREAD, &use);
    return use.ru_nvcsw;
}

/* Read a sample, without the lock; *waited: the thread had to wait for the device. */
static weld_status read_sample(const weld_read_ahead *r, int64_t index, weld_bytes *bytes,
                               bool *waited, weld_error *err) {
    const long before = waits();
    const weld_status status = weld_dataset_read(r->ds, index, bytes, err);
    *waited = waits() != before;
    return status;
}

static void *read_wanted(void *arg) {
    weld_read_ahead *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        slot *s = r->slow > 0 ? find_wanted(r) : NULL;
        if (!s) {
            pthread_cond_wait(&r->wanted, &r->lock);
            continue;
        }
        r->slow--;
        pthread_cond_signal(&r->wanted);
        pthread_mutex_unlock(&r->lock);
        bool waited;
        const weld_status status = read_sample(r, s->index, &s->bytes, &waited, NULL);
        pthread_mutex_lock(&r->lock);
        r->slow = waited ? AFTER_SLOW : r->slow;
        r->held += s->bytes.capacity;
        /* What failed is read again by its user, who reports why. */
        s->state = status ? SLOT_EMPTY : SLOT_READY;
        pthread_cond_broadcast(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* As many as can be had: without any, whoever wants a sample reads it. Signals are the business of
 * the program's own threads. */
static void start_threads(weld_read_ahead *r) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (r->threads < THREADS && !pthread_create(&r->thread[r->threads], NULL, read_wanted, r)) {
        r->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

weld_status weld_read_ahead_create(const weld_dataset *ds, int64_t capacity, weld_read_ahead **out,
                                   weld_error *err) {
    weld_read_ahead *r = weld_alloc(1, sizeof *r);
    if (!r) {
        return weld_fail_memory(err, "reading ahead");
    }
    r->ds = ds;
    r->capacity = capacity;
    r->slow = AFTER_SLOW;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wanted, NULL);
    pthread_cond_init(&r->done, NULL);
    weld_status status = WELD_OK;
    for (int i = 0; i < 2; i++) {
        r->batches[i].slots = weld_alloc((size_t)capacity, sizeof(slot));
        if (!r->batches[i].slots) {
            status = weld_fail_memory(err, "reading ahead");
        }
    }
    if (status) {
        weld_read_ahead_free(r);
        return status;
    }
    start_threads(r);
    *out = r;
    return WELD_OK;
}

void weld_read_ahead_free(weld_read_ahead *r) {
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->wanted);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->threads; i++) {
        pthread_join(r->thread[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        for (int64_t k = 0; r->batches[i].slots && k < r->capacity; k++) {
            weld_bytes_free(&r->batches[i].slots[k].bytes);
        }
        weld_free(r->batches[i].slots);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wanted);
    pthread_cond_destroy(&r->done);
    weld_free(r);
}

/* With the lock: the slot waits for nothing and holds nothing any more. */
static void empty_slot(weld_read_ahead *r, slot *s) {
    while (s->state == SLOT_READING) {
        pthread_cond_wait(&r->done, &r->lock);
    }
    r->held -= s->bytes.capacity;
    weld_bytes_free(&s->bytes);
    s->state = SLOT_EMPTY;
}

void weld_read_ahead_request(weld_read_ahead *r, uint64_t number, const int64_t *indices,
                             int64_t count) {
    batch *b = &r->batches[number % 2];
    pthread_mutex_lock(&r->lock);
    b->count = 0; /* while slots are waited for, no others are begun */
    for (int64_t i = 0; i < r->capacity; i++) {
        empty_slot(r, &b->slots[i]);
        b->slots[i].state = i < count && indices[i] >= 0 ? SLOT_WANTED : SLOT_EMPTY;
        b->slots[i].index = i < count ? indices[i] : -1;
    }
    b->number = number;
    b->next = 0;
    b->count = count < r->capacity ? count : r->capacity;
    pthread_cond_signal(&r->wanted);
    pthread_mutex_unlock(&r->lock);
}

static void wait_until_read(weld_read_ahead *r, slot *s) {
    pthread_mutex_lock(&r->lock);
    while (s->state == SLOT_READING) {
        pthread_cond_wait(&r->done, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Take the bytes of a slot that is ready or being read; false where there are none. */
static bool take(weld_read_ahead *r, uint64_t number, int64_t slot_number, int64_t index,
                 weld_bytes *bytes) {
    batch *b = &r->batches[number % 2];
    slot *s = &b->slots[slot_number];
    slot_state wanted = SLOT_WANTED;
    if (b->number != number || slot_number >= b->count || s->index != index ||
        atomic_compare_exchange_strong(&s->state, &wanted, SLOT_EMPTY)) {
        return false;
    }
    if (s->state == SLOT_READING) {
        wait_until_read(r, s);
    }
    if (s->state != SLOT_READY) {
        return false;
    }
    weld_bytes_free(bytes);
    *bytes = s->bytes;
    s->bytes = (weld_bytes){0};
    s->state = SLOT_EMPTY;
    if (atomic_fetch_sub(&r->held, bytes->capacity) >= MAX_HELD) { /* reading may have paused */
        pthread_mutex_lock(&r->lock);
        pthread_cond_signal(&r->wanted);
        pthread_mutex_unlock(&r->lock);
    }
    return true;
}

weld_status weld_read_ahead_read(weld_read_ahead *r, uint64_t number, int64_t slot_number,
                                 int64_t index, weld_bytes *bytes, weld_error *err) {
    if (take(r, number, slot_number, index, bytes)) {
        return WELD_OK;
    }
    bool waited;
    const weld_status status = read_sample(r, index, bytes, &waited, err);
    if (waited) {
        pthread_mutex_lock(&r->lock);
        r->slow = AFTER_SLOW;
        pthread_cond_signal(&r->wanted);
        pthread_mutex_unlock(&r->lock);
    }
    return status;
}
