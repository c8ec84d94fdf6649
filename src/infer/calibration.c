/* Images for calibration; see calibration.h. */
#include "infer/calibration.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"
#include "datasets/boxes.h"

enum { SEED = 8, PIECE = 64 /* images that are read at once */ };
static const size_t MOST_KEPT = (size_t)512 << 20; /* bytes: more are read again and again */

/* --- Choosing --------------------------------------------------------------------------------- */

typedef struct ticket {
    int64_t sample, rank; /* rank: among those of its class */
    uint32_t number[2];   /* drawn by its name */
    int label;
} ticket;

static int by_number(const ticket *a, const ticket *b) {
    for (int i = 0; i < 2; i++) {
        if (a->number[i] != b->number[i]) {
            return a->number[i] < b->number[i] ? -1 : 1;
        }
    }
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

static int by_class(const void *x, const void *y) {
    const ticket *a = x, *b = y;
    return a->label != b->label ? (a->label < b->label ? -1 : 1) : by_number(a, b);
}

static int by_rank(const void *x, const void *y) {
    const ticket *a = x, *b = y;
    return a->rank != b->rank ? (a->rank < b->rank ? -1 : 1) : by_number(a, b);
}

static ticket draw(const weld_dataset *ds, int64_t i) {
    const uint64_t name = weld_hash_name(weld_dataset_name(ds, i));
    const uint32_t counter[4] = {(uint32_t)name, (uint32_t)(name >> 32)}, key[2] = {SEED};
    uint32_t drawn[4];
    weld_philox(counter, key, drawn);
    return (ticket){.sample = i,
                    .number = {drawn[0], drawn[1]},
                    .label = weld_dataset_has_boxes(ds) ? 0 : weld_dataset_label(ds, i)};
}

static void rank(ticket *tickets, int64_t count) {
    qsort(tickets, (size_t)count, sizeof *tickets, by_class);
    for (int64_t i = 1; i < count; i++) {
        const bool same = tickets[i].label == tickets[i - 1].label;
        tickets[i].rank = same ? tickets[i - 1].rank + 1 : 0;
    }
    qsort(tickets, (size_t)count, sizeof *tickets, by_rank);
}

weld_status weld_calibration_choose(const weld_dataset *ds, int64_t most, int64_t **order,
                                    int64_t *count, weld_error *err) {
    const int64_t all = weld_dataset_count(ds), taken = all < most ? all : most;
    ticket *tickets = weld_alloc((size_t)all, sizeof *tickets);
    *order = weld_alloc((size_t)taken, sizeof **order);
    *count = taken;
    if ((!tickets && all) || (!*order && taken)) {
        weld_free(tickets);
        weld_free(*order);
        *order = NULL;
        return weld_fail_memory(err, weld_dataset_path(ds));
    }
    for (int64_t i = 0; i < all; i++) {
        tickets[i] = draw(ds, i);
    }
    if (all > 0) {
        rank(tickets, all);
    }
    for (int64_t i = 0; i < taken; i++) {
        (*order)[i] = tickets[i].sample;
    }
    weld_free(tickets);
    return WELD_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct weld_calibration {
    const weld_dataset *ds;
    weld_transform transform;
    int threads;
    int64_t *samples;             /* of ds, of the images */
    int64_t count, skipped, seen; /* seen: of the order */
    float *kept;                  /* all of them, or NULL */
    bool is_part;                 /* of another, whose samples and images these are */
};

/* Several images that are read at once. */
typedef struct reading {
    const weld_calibration *c;
    const int64_t *samples;
    float *images;
    weld_status *status;                      /* by image */
    char (*reasons)[WELD_ERROR_MESSAGE_SIZE]; /* likewise */
} reading;

size_t weld_calibration_floats(const weld_calibration *c) {
    const weld_preprocessing *p = &c->transform.preprocessing;
    return (size_t)p->height * (size_t)p->width * 3;
}

static void read_image(void *arg, int64_t i, int thread) {
    const reading *r = arg;
    const weld_calibration *c = r->c;
    weld_transform_scratch scratch = {0};
    weld_bytes bytes = {0};
    weld_image image = {0};
    weld_error err = {0};
    (void)thread;
    weld_status status = weld_dataset_read(c->ds, r->samples[i], &bytes, &err);
    status = status
                 ? status
                 : weld_dataset_decode(c->ds, r->samples[i], &bytes,
                                       weld_reading_of(&c->transform.preprocessing), &image, &err);
    status = status ? status
                    : weld_transform_evaluation(&c->transform, &image, &scratch,
                                                r->images + (size_t)i * weld_calibration_floats(c),
                                                &err);
    r->status[i] = status;
    memcpy(r->reasons[i], err.message, sizeof err.message);
    weld_transform_scratch_free(&scratch);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
}

/* Read `count` samples, at most PIECE; what became of each is in `r`. */
static weld_status read_piece(reading *r, const int64_t *samples, int64_t count, float *images,
                              weld_error *err) {
    r->samples = samples;
    r->images = images;
    weld_parallel(r->c->threads, count, read_image, r);
    for (int64_t i = 0; i < count; i++) {
        if (r->status[i] == WELD_ERROR_MEMORY) {
            return weld_fail_memory(err, weld_dataset_path(r->c->ds));
        }
    }
    return WELD_OK;
}

static weld_status start_reading(const weld_calibration *c, reading *r, weld_error *err) {
    *r = (reading){.c = c,
                   .status = weld_alloc(PIECE, sizeof *r->status),
                   .reasons = weld_alloc(PIECE, sizeof *r->reasons)};
    return r->status && r->reasons ? WELD_OK : weld_fail_memory(err, weld_dataset_path(c->ds));
}

static void end_reading(reading *r) {
    weld_free(r->status);
    weld_free(r->reasons);
}

/* Take the good ones of a piece. */
static void take_good(weld_calibration *c, const weld_calibration_options *o, const reading *r,
                      int64_t count) {
    const size_t floats = weld_calibration_floats(c);
    for (int64_t i = 0; i < count; i++) {
        if (r->status[i]) {
            c->skipped++;
            if (o->bad_image) {
                o->bad_image(o->arg, r->samples[i], r->reasons[i]);
            }
            continue;
        }
        if (c->kept) {
            memcpy(c->kept + (size_t)c->count * floats, r->images + (size_t)i * floats,
                   floats * sizeof(float));
        }
        c->samples[c->count++] = r->samples[i];
    }
}

static int64_t wanted(const weld_calibration_options *o) {
    return o->wanted > 0 && o->wanted < o->count ? o->wanted : o->count;
}

/* How many are read next: no more than are wanted if they all are good. */
static int64_t next_piece(const weld_calibration *c, const weld_calibration_options *o) {
    const int64_t good = o->count - c->skipped, half = good > 1 ? good / 2 : good;
    const int64_t most = o->half && half < wanted(o) ? half : wanted(o);
    const int64_t lacking = most - c->count, left = o->count - c->seen;
    const int64_t count = lacking < left ? lacking : left;
    return count < PIECE ? count : PIECE;
}

static weld_status read_all(weld_calibration *c, const weld_calibration_options *o,
                            weld_error *err) {
    const size_t floats = weld_calibration_floats(c);
    reading r = {0};
    float *images = weld_alloc(PIECE * floats, sizeof *images);
    weld_status status =
        images ? start_reading(c, &r, err) : weld_fail_memory(err, weld_dataset_path(c->ds));
    for (int64_t count; !status && (count = next_piece(c, o)) > 0;) {
        status = read_piece(&r, o->order + c->seen, count, images, err);
        if (!status) {
            c->seen += count;
            take_good(c, o, &r, count);
        }
    }
    end_reading(&r);
    weld_free(images);
    if (!status && c->count == 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: none of its %lld %s can be read",
                           weld_dataset_path(c->ds), (long long)o->count,
                           weld_plural(o->count, "image", "images"));
    }
    return status;
}

static weld_status fill(weld_calibration *c, const weld_calibration_options *o, weld_error *err) {
    WELD_TRY(weld_transform_init(&c->transform, o->preprocessing, NULL, err));
    const size_t bytes = weld_calibration_floats(c) * sizeof(float);
    const int64_t most = wanted(o);
    const bool keep = bytes == 0 || (size_t)most <= MOST_KEPT / bytes;
    c->samples = weld_alloc((size_t)most, sizeof *c->samples);
    c->kept = keep ? weld_alloc((size_t)most, bytes) : NULL;
    if ((!c->samples && most) || (keep && !c->kept && most)) {
        return weld_fail_memory(err, weld_dataset_path(c->ds));
    }
    return read_all(c, o, err);
}

weld_status weld_calibration_create(const weld_dataset *ds, const weld_calibration_options *options,
                                    weld_calibration **out, weld_error *err) {
    weld_calibration *c = *out = weld_alloc(1, sizeof *c);
    if (!c) {
        return weld_fail_memory(err, weld_dataset_path(ds));
    }
    c->ds = ds;
    c->threads = options->threads;
    weld_status status = fill(c, options, err);
    if (status) {
        weld_calibration_free(c);
        *out = NULL;
    }
    return status;
}

void weld_calibration_free(weld_calibration *c) {
    if (c && !c->is_part) {
        weld_free(c->samples);
        weld_free(c->kept);
    }
    weld_free(c);
}

weld_status weld_calibration_part(const weld_calibration *c, int64_t first, int64_t count,
                                  weld_calibration **out, weld_error *err) {
    weld_calibration *part = *out = weld_alloc(1, sizeof *part);
    if (!part) {
        return weld_fail_memory(err, weld_dataset_path(c->ds));
    }
    *part = *c;
    part->is_part = true;
    part->samples = c->samples + first;
    part->count = count;
    part->kept = c->kept ? c->kept + (size_t)first * weld_calibration_floats(c) : NULL;
    return WELD_OK;
}

int64_t weld_calibration_count(const weld_calibration *c) {
    return c->count;
}

int64_t weld_calibration_skipped(const weld_calibration *c) {
    return c->skipped;
}

int64_t weld_calibration_seen(const weld_calibration *c) {
    return c->seen;
}

int64_t weld_calibration_sample(const weld_calibration *c, int64_t i) {
    return c->samples[i];
}

const char *weld_calibration_name(const weld_calibration *c, int64_t i) {
    return weld_dataset_name(c->ds, c->samples[i]);
}

/* Images that are not kept. */
static weld_status read_again(const weld_calibration *c, int64_t first, int64_t count,
                              float *images, weld_error *err) {
    reading r;
    weld_status status = start_reading(c, &r, err);
    for (int64_t done = 0; done < count && !status; done += PIECE) {
        const int64_t now = count - done < PIECE ? count - done : PIECE;
        status = read_piece(&r, c->samples + first + done, now,
                            images + (size_t)done * weld_calibration_floats(c), err);
        for (int64_t i = 0; i < now && !status; i++) {
            status = r.status[i] ? weld_fail(err, r.status[i], "%s", r.reasons[i]) : WELD_OK;
        }
    }
    end_reading(&r);
    return status;
}

weld_status weld_calibration_read(const weld_calibration *c, int64_t first, int64_t count,
                                  float *images, weld_error *err) {
    const size_t floats = weld_calibration_floats(c);
    if (!c->kept) {
        return read_again(c, first, count, images, err);
    }
    memcpy(images, c->kept + (size_t)first * floats, (size_t)count * floats * sizeof(float));
    return WELD_OK;
}
