/* Reading what a teacher said; see logit_cache.h. */
#include "formats/logit_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/logit_cache_format.h"
#include "formats/safetensors.h"

enum { MAX_CLASSES = 1000000, PIECES = 1000, PIECE_BYTES = 4096, NO_SHARE = 80 };
/* By how much rounding to half precision may make probabilities add up to more than 1. */
#define MOST_PROBABILITY 1.05
/* What classes that are not listed share at least, where rounding leaves nothing for them. */
#define LEAST_REST 1e-6

struct weld_logit_cache {
    char *path;
    weld_safetensors *file;
    weld_cache_layout layout;
    weld_safetensors_place logits, classes, checks;
    bool has_checks;
    uint64_t bytes; /* of the file, as far as its tensors go */
};

/* --- Opening ---------------------------------------------------------------------------------- */

static weld_status fail(const weld_logit_cache *c, weld_error *err, const char *what) {
    return weld_fail(
        err, WELD_ERROR_FORMAT,
        "%s: %s: it is no cache of a teacher's logits: make one with weld distill-cache", c->path,
        what);
}

static weld_status read_texts(weld_logit_cache *c, weld_error *err) {
    const char *format = weld_safetensors_metadata(c->file, WELD_CACHE_FORMAT);
    const char *values = weld_safetensors_metadata(c->file, WELD_CACHE_VALUES);
    const char *classes = weld_safetensors_metadata(c->file, WELD_CACHE_CLASSES);
    if (!format || strcmp(format, WELD_CACHE_FORMAT_IS) != 0) {
        return fail(c, err, "its metadata lack " WELD_CACHE_FORMAT " \"" WELD_CACHE_FORMAT_IS "\"");
    }
    c->layout.log_probabilities = values && strcmp(values, WELD_CACHE_LOG_PROBABILITIES) == 0;
    if (!c->layout.log_probabilities && (!values || strcmp(values, WELD_CACHE_LOGITS) != 0)) {
        return fail(c, err, "weld.values is neither log_probabilities nor logits");
    }
    char *end = NULL;
    long count = classes ? strtol(classes, &end, 10) : 0;
    if (!classes || end == classes || *end || count < 1 || count > MAX_CLASSES) {
        return fail(c, err, "weld.classes is no number of classes");
    }
    c->layout.classes = (int)count;
    return WELD_OK;
}

/* Where a tensor ends; it fits, for the file has its bytes. */
static uint64_t end_of(const weld_safetensors_place *p) {
    return p->offset + (uint64_t)weld_shape_count(&p->shape) * weld_element_size(p->element);
}

static weld_status find_tensors(weld_logit_cache *c, weld_error *err) {
    weld_cache_layout *l = &c->layout;
    if (!weld_safetensors_find(c->file, WELD_CACHE_LOGIT_ROWS, &c->logits) ||
        !weld_safetensors_find(c->file, WELD_CACHE_CLASS_ROWS, &c->classes)) {
        return fail(c, err, "it has no tensors logits and classes");
    }
    weld_element e = c->classes.element;
    if (!weld_element_is_float(c->logits.element) ||
        (e != WELD_ELEMENT_I16 && e != WELD_ELEMENT_I32 && e != WELD_ELEMENT_I64)) {
        return fail(c, err, "logits must be F16, BF16 or F32, classes I16, I32 or I64");
    }
    const weld_shape *shape = &c->logits.shape;
    if (shape->rank != 3 || !weld_shape_equal(shape, &c->classes.shape) || shape->dim[0] < 1 ||
        shape->dim[1] < 1 || shape->dim[2] < 1 || shape->dim[2] > l->classes) {
        return fail(c, err,
                    "logits and classes must both be [views, images, top], with top at most the "
                    "number of classes");
    }
    const weld_shape rows = WELD_SHAPE(shape->dim[0], shape->dim[1]);
    c->has_checks = weld_safetensors_find(c->file, WELD_CACHE_CHECKS, &c->checks);
    if (c->has_checks &&
        (c->checks.element != WELD_ELEMENT_I32 || !weld_shape_equal(&c->checks.shape, &rows))) {
        return fail(c, err, "checks must be I32 [views, images]");
    }
    l->views = shape->dim[0];
    l->images = shape->dim[1];
    l->top = (int)shape->dim[2];
    const weld_safetensors_place *const places[] = {&c->logits, &c->classes, &c->checks};
    for (int i = 0; i < (c->has_checks ? 3 : 2); i++) {
        const uint64_t end = end_of(places[i]);
        c->bytes = end > c->bytes ? end : c->bytes;
    }
    return WELD_OK;
}

weld_status weld_logit_cache_open(const char *path, weld_logit_cache **out, weld_error *err) {
    *out = NULL;
    weld_logit_cache *c = weld_alloc(1, sizeof *c);
    if (!c || !(c->path = weld_strdup(path))) {
        weld_free(c);
        return weld_fail_memory(err, path);
    }
    int64_t rows;
    weld_status status = weld_safetensors_index(path, &c->file, err);
    if (status == WELD_ERROR_FORMAT && weld_logit_cache_is_partial(path, &rows)) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is not finished, %lld rows are in it: the distill-cache command "
                           "that began it goes on with it",
                           path, (long long)rows);
    }
    status = status ? status : read_texts(c, err);
    status = status ? status : find_tensors(c, err);
    if (status) {
        weld_logit_cache_free(c);
        return status;
    }
    *out = c;
    return WELD_OK;
}

void weld_logit_cache_free(weld_logit_cache *c) {
    if (c) {
        weld_safetensors_free(c->file);
        weld_free(c->path);
        weld_free(c);
    }
}

weld_cache_layout weld_logit_cache_layout(const weld_logit_cache *c) {
    return c->layout;
}

bool weld_logit_cache_is_checked(const weld_logit_cache *c) {
    return c->has_checks && weld_safetensors_is_checked(c->file);
}

const char *weld_logit_cache_text(const weld_logit_cache *c, const char *key) {
    return weld_safetensors_metadata(c->file, key);
}

weld_status weld_logit_cache_identity(const weld_logit_cache *c, char text[17], weld_error *err) {
    unsigned char piece[PIECE_BYTES];
    XXH64_hash_t hash = XXH3_64bits(&c->bytes, sizeof c->bytes);
    uint64_t stride = c->bytes / PIECES;
    stride = stride < PIECE_BYTES ? PIECE_BYTES : stride;
    for (uint64_t at = 0; at < c->bytes;
         at += stride) { /* the first has the header, or most of it */
        size_t bytes = c->bytes - at < sizeof piece ? (size_t)(c->bytes - at) : sizeof piece;
        WELD_TRY(weld_file_read_at(weld_safetensors_descriptor(c->file), c->path, piece, bytes, at,
                                   err));
        hash = XXH3_64bits_withSeed(piece, bytes, hash);
    }
    snprintf(text, 17, "%016llx", (unsigned long long)hash);
    return WELD_OK;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static weld_status fail_row(const weld_logit_cache *c, weld_status status, int64_t view,
                            int64_t image, const char *what, weld_error *err) {
    return weld_fail(err, status, "%s: view %lld of image %lld: %s", c->path, (long long)view,
                     (long long)image, what);
}

/* A row as it lies in the file. */
typedef struct raw_row {
    unsigned char *classes, *logits; /* bytes of `top` elements each */
    size_t class_bytes, logit_bytes;
} raw_row;

static weld_status read_at(const weld_logit_cache *c, const weld_safetensors_place *p, int64_t row,
                           void *to, size_t bytes, weld_error *err) {
    return weld_file_read_at(weld_safetensors_descriptor(c->file), c->path, to, bytes,
                             p->offset + (uint64_t)row * bytes, err);
}

static weld_status read_raw(const weld_logit_cache *c, int64_t view, int64_t image,
                            const raw_row *raw, weld_error *err) {
    const int64_t row = view * c->layout.images + image;
    uint32_t check;
    WELD_TRY(read_at(c, &c->logits, row, raw->logits, raw->logit_bytes, err));
    WELD_TRY(read_at(c, &c->classes, row, raw->classes, raw->class_bytes, err));
    if (!c->has_checks) {
        return WELD_OK;
    }
    WELD_TRY(read_at(c, &c->checks, row, &check, sizeof check, err));
    return check == weld_cache_check((uint64_t)row, raw->classes, raw->class_bytes, raw->logits,
                                     raw->logit_bytes)
               ? WELD_OK
               : fail_row(c, WELD_ERROR_FORMAT, view, image,
                          "its checksum differs: the file is damaged: restore it from a copy, or "
                          "make it again (weld distill-cache)",
                          err);
}

/* Put the listed values in their places; the others stay NAN. NULL, or what is wrong. The first
 * stays the largest where rounding made it equal to others: it is what the teacher says. */
static const char *place_values(const weld_logit_cache *c, const float *values,
                                const int64_t *classes, float *logits) {
    bool tied = false;
    for (int i = 0; i < c->layout.classes; i++) {
        logits[i] = NAN;
    }
    for (int i = 0; i < c->layout.top; i++) {
        if (classes[i] < 0 || classes[i] >= c->layout.classes) {
            return "a class that there is not";
        }
        if (!isfinite(values[i])) {
            return "a value that is not finite";
        }
        if (!isnan(logits[classes[i]])) {
            return "a class is listed twice";
        }
        logits[classes[i]] = values[i];
        tied = tied || (i > 0 && values[i] == values[0]);
    }
    if (tied) {
        logits[classes[0]] = nextafterf(values[0], INFINITY);
    }
    return NULL;
}

/* The value of every class that is not listed. */
static const char *rest_value(const weld_logit_cache *c, const float *values, double temperature,
                              float *rest) {
    const weld_cache_layout *l = &c->layout;
    double sum = 0, largest = values[0];
    for (int i = 0; i < l->top; i++) {
        sum += exp(values[i]);
        largest = fmax(largest, values[i]);
    }
    if (!l->log_probabilities) {
        *rest = (float)(largest - NO_SHARE * temperature);
        return NULL;
    }
    if (!(sum <= MOST_PROBABILITY)) {
        return "its values are not the logarithms of probabilities";
    }
    double left = fmax(1 - sum, LEAST_REST) / (l->classes > l->top ? l->classes - l->top : 1);
    *rest = (float)log(left);
    return NULL;
}

weld_status weld_logit_cache_read(const weld_logit_cache *c, int64_t view, int64_t image,
                                  double temperature, float *logits, weld_error *err) {
    const weld_cache_layout *l = &c->layout;
    if (view < 0 || view >= l->views || image < 0 || image >= l->images) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: has no view %lld of image %lld", c->path,
                         (long long)view, (long long)image);
    }
    const size_t top = (size_t)l->top, class_bytes = top * weld_element_size(c->classes.element),
                 logit_bytes = top * weld_element_size(c->logits.element);
    int64_t *classes =
        weld_alloc_raw(top * (sizeof *classes + sizeof(float)) + class_bytes + logit_bytes, 1);
    if (!classes) {
        return weld_fail_memory(err, c->path);
    }
    float *values = (float *)(classes + top), rest = 0;
    unsigned char *bytes = (unsigned char *)(values + top);
    const raw_row raw = {bytes, bytes + class_bytes, class_bytes, logit_bytes};
    weld_status status = read_raw(c, view, image, &raw, err);
    if (!status) {
        weld_element_convert(c->logits.element, raw.logits, top, WELD_F32, values);
        weld_element_convert(c->classes.element, raw.classes, top, WELD_I64, classes);
    }
    if (!status && classes[0] == -1) {
        status =
            fail_row(c, WELD_ERROR_NOT_FOUND, view, image,
                     "nothing is known of it: it could not be read when the cache was made", err);
    }
    if (!status) {
        const char *wrong = place_values(c, values, classes, logits);
        wrong = wrong ? wrong : rest_value(c, values, temperature, &rest);
        status = wrong ? fail_row(c, WELD_ERROR_FORMAT, view, image, wrong, err) : WELD_OK;
    }
    for (int i = 0; !status && i < l->classes; i++) {
        logits[i] = isnan(logits[i]) ? rest : logits[i];
    }
    weld_free(classes);
    return status;
}
