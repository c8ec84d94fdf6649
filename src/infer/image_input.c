/* Image files to inputs; see image_input.h.
 *
 * Images stand in a ring of slots: image i in slot i modulo their number. A thread takes the next
 * image that nobody has, once who asks is done with the one that had its slot before. */
#include "infer/image_input.h"

#include <pthread.h>
#include <signal.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/upright.h"

enum { MOST_JOBS = 256, SLOTS_OF_JOB = 2 };

void weld_image_input_free(weld_image_input *in) {
    weld_transform_scratch_free(&in->scratch);
    weld_image_free(&in->image);
    weld_bytes_free(&in->bytes);
}

weld_status weld_image_input_decode(weld_image_input *in, const weld_transform *t,
                                    const void *bytes, size_t size, weld_error *err) {
    return weld_reading_decode(weld_reading_of(&t->preprocessing), bytes, size, &in->image, err);
}

weld_status weld_image_input_read(weld_image_input *in, const weld_transform *t, const char *path,
                                  float *out, weld_placement *placement, weld_error *err) {
    WELD_TRY(weld_read_file(path, &in->bytes, err));
    weld_status status = weld_image_input_decode(in, t, in->bytes.data, in->bytes.size, err);
    status = status ? status : weld_transform_evaluation(t, &in->image, &in->scratch, out, err);
    if (status) {
        return weld_fail_context(err, status, "%s", path);
    }
    if (placement) {
        *placement = weld_transform_evaluation_placement(t, in->image.width, in->image.height);
    }
    return WELD_OK;
}

typedef struct slot {
    float *input;
    weld_image image; /* where it is asked for */
    weld_placement placement;
    weld_status status;
    weld_error error;
    bool ready;
} slot;

struct weld_image_queue {
    weld_image_queue_options options;
    int64_t given;        /* images that were asked for */
    weld_image_input own; /* of who asks, where there are no threads */
    slot *slots;
    int64_t slot_count;
    pthread_t *threads;
    int thread_count;
    /* The lock guards what is below and `ready`. A slot belongs to the thread that took its image
     * until it is ready, and then to who asks until he asks for the next. */
    pthread_mutex_t lock;
    pthread_cond_t freed, filled;
    int64_t taken, freed_count;
    bool stop;
};

/* What was decoded goes to the slot, and the slot's last image is room for the next. */
static void read_into(weld_image_queue *q, weld_image_input *in, int64_t i, slot *s) {
    const weld_image_queue_options *o = &q->options;
    s->status =
        weld_image_input_read(in, o->transform, o->paths[i], s->input, &s->placement, &s->error);
    if (o->with_images) {
        const weld_image image = in->image;
        in->image = s->image;
        s->image = image;
    }
}

static void *prepare(void *arg) {
    weld_image_queue *q = arg;
    weld_image_input in = {.image = {NULL}};
    pthread_mutex_lock(&q->lock);
    while (!q->stop && q->taken < q->options.count) {
        if (q->taken >= q->freed_count + q->slot_count) {
            pthread_cond_wait(&q->freed, &q->lock);
            continue;
        }
        const int64_t i = q->taken++;
        slot *s = &q->slots[i % q->slot_count];
        pthread_mutex_unlock(&q->lock);
        read_into(q, &in, i, s);
        pthread_mutex_lock(&q->lock);
        s->ready = true;
        pthread_cond_broadcast(&q->filled);
    }
    pthread_mutex_unlock(&q->lock);
    weld_image_input_free(&in);
    return NULL;
}

/* Signals are for the host's threads. Fewer threads than were asked for will do. */
static void start(weld_image_queue *q, int jobs) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (q->thread_count < jobs &&
           pthread_create(&q->threads[q->thread_count], NULL, prepare, q) == 0) {
        q->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static weld_status allocate(weld_image_queue *q, int jobs, weld_error *err) {
    const weld_rectangle whole = weld_transform_whole(q->options.transform);
    const size_t floats = (size_t)whole.width * (size_t)whole.height * 3;
    q->slot_count = jobs > 1 ? SLOTS_OF_JOB * jobs : 1;
    q->slots = weld_alloc((size_t)q->slot_count, sizeof *q->slots);
    q->threads = weld_alloc((size_t)jobs, sizeof *q->threads);
    if (!q->slots || !q->threads) {
        return weld_fail_memory(err, "reading images");
    }
    for (int64_t i = 0; i < q->slot_count; i++) {
        q->slots[i].input = weld_alloc_raw(floats, sizeof(float));
        if (!q->slots[i].input) {
            return weld_fail_memory(err, "reading images");
        }
    }
    return WELD_OK;
}

weld_status weld_image_queue_create(const weld_image_queue_options *options, weld_image_queue **out,
                                    weld_error *err) {
    const int jobs = options->jobs > MOST_JOBS ? MOST_JOBS : options->jobs;
    *out = NULL;
    weld_image_queue *q = weld_alloc(1, sizeof *q);
    if (!q) {
        return weld_fail_memory(err, "reading images");
    }
    q->options = *options;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->freed, NULL);
    pthread_cond_init(&q->filled, NULL);
    weld_status status = allocate(q, jobs, err);
    if (status) {
        weld_image_queue_free(q);
        return status;
    }
    if (jobs > 1) {
        start(q, jobs);
    }
    *out = q;
    return WELD_OK;
}

void weld_image_queue_free(weld_image_queue *q) {
    if (!q) {
        return;
    }
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_broadcast(&q->freed);
    pthread_mutex_unlock(&q->lock);
    for (int i = 0; i < q->thread_count; i++) {
        pthread_join(q->threads[i], NULL);
    }
    for (int64_t i = 0; q->slots && i < q->slot_count; i++) {
        weld_free(q->slots[i].input);
        weld_image_free(&q->slots[i].image);
    }
    pthread_cond_destroy(&q->filled);
    pthread_cond_destroy(&q->freed);
    pthread_mutex_destroy(&q->lock);
    weld_image_input_free(&q->own);
    weld_free(q->threads);
    weld_free(q->slots);
    weld_free(q);
}

static void wait_for(weld_image_queue *q, int64_t i, const slot *s) {
    pthread_mutex_lock(&q->lock);
    if (i > 0) { /* who asks is done with the last one */
        q->slots[(i - 1) % q->slot_count].ready = false;
        q->freed_count = i;
        pthread_cond_broadcast(&q->freed);
    }
    while (!s->ready) {
        pthread_cond_wait(&q->filled, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
}

weld_status weld_image_queue_next(weld_image_queue *q, weld_prepared_image *out, weld_error *err) {
    const int64_t i = q->given++;
    slot *s = &q->slots[i % q->slot_count];
    if (!q->thread_count) {
        read_into(q, &q->own, i, s);
    } else {
        wait_for(q, i, s);
    }
    *out = (weld_prepared_image){s->input, s->placement, q->options.with_images ? &s->image : NULL};
    return s->status ? weld_fail(err, s->status, "%s", s->error.message) : WELD_OK;
}
