/* Parts of data sets; see split.h. */
#include "data/split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"

/* What the numbers are drawn for; appended to, never changed. */
enum { FOR_VALIDATION = 1, FOR_FRACTION = 2 };

typedef struct sample {
    uint64_t key; /* its place in the group */
    int64_t index;
    int32_t group;
    size_t bytes;           /* stored; 0: not known */
    XXH128_hash_t contents; /* where others have as many bytes */
    bool hashed;
} sample;

typedef struct splitting {
    const weld_dataset *ds;
    const weld_data_split_options *options;
    weld_data_split *out;
    sample *samples; /* in various orders */
    sample **alike;  /* those that may be the same as another */
    size_t alike_count;
    weld_bytes *bytes; /* by thread */
} splitting;

static uint64_t key_of(const splitting *s, int64_t index, int purpose) {
    const char *name = weld_dataset_name(s->ds, index);
    const uint64_t seed =
        XXH3_64bits_withSeed(&s->options->seed, sizeof s->options->seed, (uint64_t)purpose);
    return XXH3_64bits_withSeed(name, strlen(name), seed);
}

/* --- The same bytes --- */

static int by_bytes(const void *a, const void *b) {
    const sample *x = a, *y = b;
    const int order = (x->bytes > y->bytes) - (x->bytes < y->bytes);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static void hash(void *arg, int64_t item, int thread) {
    splitting *s = arg;
    sample *one = s->alike[item];
    weld_bytes *bytes = &s->bytes[thread];
    one->hashed = weld_dataset_read(s->ds, one->index, bytes, NULL) == WELD_OK;
    if (one->hashed) {
        one->contents = XXH3_128bits(bytes->data, bytes->size);
    }
}

static int by_contents(const void *a, const void *b) {
    const sample *x = *(sample *const *)a, *y = *(sample *const *)b;
    const int order = XXH128_cmp(&x->contents, &y->contents);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The samples are sorted by their lengths: those that are not the only ones of theirs. */
static void find_alike(splitting *s) {
    const size_t count = (size_t)s->out->images;
    for (size_t i = 0; i < count; i++) {
        sample *one = &s->samples[i];
        const bool before = i > 0 && s->samples[i - 1].bytes == one->bytes;
        const bool after = i + 1 < count && s->samples[i + 1].bytes == one->bytes;
        if (one->bytes && (before || after)) {
            s->alike[s->alike_count++] = one;
        }
    }
}

/* Give what has the same bytes the key of the first of them. */
static weld_status join_twins(splitting *s, weld_error *err) {
    const int threads = weld_threads_count(s->options->threads);
    const size_t count = (size_t)s->out->images;
    s->alike = weld_alloc(count, sizeof(sample *));
    s->bytes = weld_alloc((size_t)threads, sizeof *s->bytes);
    if (!s->alike || !s->bytes) {
        return weld_fail_memory(err, weld_dataset_path(s->ds));
    }
    for (size_t i = 0; i < count; i++) {
        s->samples[i].bytes = weld_dataset_stored_bytes(s->ds, s->samples[i].index);
    }
    qsort(s->samples, count, sizeof *s->samples, by_bytes);
    find_alike(s);
    weld_parallel(threads, (int64_t)s->alike_count, hash, s);
    qsort(s->alike, s->alike_count, sizeof *s->alike, by_contents);
    for (size_t i = 1; i < s->alike_count; i++) {
        sample *one = s->alike[i], *before = s->alike[i - 1];
        if (one->hashed && before->hashed && XXH128_isEqual(one->contents, before->contents)) {
            one->key = before->key;
            s->out->twins++;
        }
    }
    return WELD_OK;
}

/* Whose groups did not agree are all trained on. The samples are sorted by key. */
static void settle(splitting *s) {
    unsigned char *part = s->out->part;
    const size_t count = (size_t)s->out->images;
    for (size_t begin = 0, end; begin < count; begin = end) {
        bool differ = false;
        for (end = begin; end < count && s->samples[end].key == s->samples[begin].key; end++) {
            differ |= part[s->samples[end].index] != part[s->samples[begin].index];
        }
        for (size_t i = begin; differ && i < end; i++) {
            part[s->samples[i].index] = WELD_PART_TRAIN;
        }
    }
}

/* --- Groups --- */

static int by_group(const void *a, const void *b) {
    const sample *x = a, *y = b;
    return x->group != y->group ? (x->group > y->group) - (x->group < y->group)
           : x->key != y->key   ? (x->key > y->key) - (x->key < y->key)
                                : (x->index > y->index) - (x->index < y->index);
}

static int by_key(const void *a, const void *b) {
    const sample *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
                            : (x->index > y->index) - (x->index < y->index);
}

/* How many of n, as near to the share as can be. */
static size_t quota(size_t n, double share) {
    const size_t wanted = (size_t)llround((double)n * share);
    return wanted < 1 ? 1 : wanted;
}

/* Set apart the first of a group, samples of one key together; not all of it. */
static void set_apart(splitting *s, const sample *first, size_t n) {
    const size_t most = n > 1 ? quota(n, s->options->validation) : 0;
    size_t taken = 0;
    for (size_t begin = 0, end; begin < n && taken < most; begin = end) {
        for (end = begin; end < n && first[end].key == first[begin].key; end++) {
        }
        if (taken + (end - begin) >= n) { /* nothing would be left */
            return;
        }
        for (size_t i = begin; i < end; i++) {
            s->out->part[first[i].index] = WELD_PART_VALIDATION;
        }
        taken += end - begin;
    }
}

static void keep_fraction(splitting *s, const sample *first, size_t n) {
    for (size_t i = quota(n, s->options->fraction); i < n; i++) {
        s->out->part[first[i].index] = WELD_PART_LEFT_OUT;
    }
}

/* Sort the samples by group and key and do something with each group. */
static void each_group(splitting *s, size_t count,
                       void (*act)(splitting *, const sample *, size_t)) {
    if (count) {
        qsort(s->samples, count, sizeof *s->samples, by_group);
    }
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && s->samples[end].group == s->samples[begin].group; end++) {
        }
        act(s, s->samples + begin, end - begin);
    }
}

static void count_alone(splitting *s, const sample *first, size_t n) {
    (void)first;
    s->out->alone += n == 1;
}

static weld_status take_validation(splitting *s, weld_error *err) {
    const size_t count = (size_t)s->out->images;
    WELD_TRY(join_twins(s, err));
    each_group(s, count, count_alone);
    each_group(s, count, set_apart);
    qsort(s->samples, count, sizeof *s->samples, by_key);
    settle(s);
    return WELD_OK;
}

/* Of those that are trained on so far. */
static void take_fraction(splitting *s) {
    size_t left = 0;
    for (size_t i = 0; i < (size_t)s->out->images; i++) {
        if (s->out->part[s->samples[i].index] == WELD_PART_TRAIN) {
            s->samples[left] = s->samples[i];
            s->samples[left].key = key_of(s, s->samples[left].index, FOR_FRACTION);
            left++;
        }
    }
    each_group(s, left, keep_fraction);
}

/* --- All of it --- */

static weld_status split(splitting *s, weld_error *err) {
    const weld_annotation *a = s->options->annotation;
    const int64_t count = s->out->images;
    s->samples = weld_alloc((size_t)count, sizeof *s->samples);
    s->out->part = weld_alloc((size_t)count, 1);
    if (!s->samples || !s->out->part) {
        return weld_fail_memory(err, weld_dataset_path(s->ds));
    }
    for (int64_t i = 0; i < count; i++) {
        s->samples[i] = (sample){.key = key_of(s, i, FOR_VALIDATION),
                                 .index = i,
                                 .group = a->group ? a->group(s->ds, i) : 0};
        s->out->part[i] = WELD_PART_TRAIN;
    }
    if (s->options->validation > 0) {
        WELD_TRY(take_validation(s, err));
    }
    if (s->options->fraction < 1) {
        take_fraction(s);
    }
    for (int64_t i = 0; i < count; i++) {
        s->out->count[s->out->part[i]]++;
    }
    return s->options->validation > 0 && s->out->count[WELD_PART_VALIDATION] == 0
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: data.split: no class has images to spare: each needs two that "
                           "are not the same",
                           weld_dataset_path(s->ds))
               : WELD_OK;
}

weld_status weld_data_split_create(const weld_dataset *ds, const weld_data_split_options *options,
                                   weld_data_split *out, weld_error *err) {
    splitting s = {.ds = ds, .options = options, .out = out};
    *out = (weld_data_split){.images = weld_dataset_count(ds)};
    const weld_status status = split(&s, err);
    for (int t = 0; s.bytes && t < weld_threads_count(options->threads); t++) {
        weld_bytes_free(&s.bytes[t]);
    }
    weld_free(s.bytes);
    weld_free(s.alike);
    weld_free(s.samples);
    if (status) {
        weld_data_split_free(out);
    }
    return status;
}

void weld_data_split_free(weld_data_split *s) {
    weld_free(s->part);
    *s = (weld_data_split){.images = 0};
}

weld_status weld_data_split_take(const weld_data_split *s, weld_part part, weld_dataset *ds,
                                 weld_error *err) {
    if (weld_dataset_count(ds) != s->images) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: has another number of images than a moment ago: start again when "
                         "nothing is copied there any more",
                         weld_dataset_path(ds));
    }
    return weld_dataset_keep(ds, s->part, (unsigned char)part, err);
}

const char *weld_data_split_text(const weld_data_split *s, char *text, size_t size) {
    const int64_t trained = s->count[WELD_PART_TRAIN];
    snprintf(text, size, "%lld %s trained on", (long long)trained,
             weld_plural(trained, "image is", "images are"));
    if (s->count[WELD_PART_VALIDATION]) {
        weld_append(text, size, ", %lld evaluated on", (long long)s->count[WELD_PART_VALIDATION]);
    }
    if (s->count[WELD_PART_LEFT_OUT]) {
        weld_append(text, size, ", %lld left out", (long long)s->count[WELD_PART_LEFT_OUT]);
    }
    if (s->twins) {
        weld_append(text, size, "; %lld have the same bytes as others, and stay on their side",
                    (long long)s->twins);
    }
    if (s->alone) {
        weld_append(text, size, "; %lld class%s of one image ha%s none to evaluate on",
                    (long long)s->alone, s->alone == 1 ? "" : "es", s->alone == 1 ? "s" : "ve");
    }
    return text;
}
