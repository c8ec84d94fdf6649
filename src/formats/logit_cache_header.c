/* The header of a distillation cache; see logit_cache_header.h. */
#include "formats/logit_cache_header.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "formats/json_text.h"
#include "formats/logit_cache_format.h"
#include "formats/safetensors_header.h"

enum { I16_CLASSES = 32767, F16_BYTES = 2 };

static size_t class_bytes_of(const weld_cache_layout *l) {
    return l->classes <= I16_CLASSES ? 2 : 4;
}

uint64_t weld_cache_row_count(const weld_cache_layout *l) {
    return (uint64_t)l->views * (uint64_t)l->images;
}

/* Of a file whose elements begin at `begin`. */
static weld_cache_places places_of(const weld_cache_layout *l, uint64_t begin) {
    const size_t top = (size_t)l->top;
    weld_cache_places at = {
        .checks = begin, .class_row = top * class_bytes_of(l), .logit_row = top * F16_BYTES};
    at.classes = at.checks + weld_cache_row_count(l) * WELD_CACHE_CHECK_BYTES;
    at.logits = at.classes + weld_cache_row_count(l) * at.class_row;
    at.end = at.logits + weld_cache_row_count(l) * at.logit_row;
    return at;
}

uint64_t weld_cache_bytes(const weld_cache_layout *layout) {
    return places_of(layout, 0).end;
}

static void add_member(weld_text *t, const char *key, const char *text) {
    if (text && weld_is_utf8(text, strlen(text))) { /* one that is not is left out */
        weld_text_format(t, ",\"%s\":", key);
        weld_json_add_name(t, text);
    }
}

static void add_metadata(weld_text *t, const weld_cache_layout *l, const weld_cache_texts *texts) {
    char classes[16];
    snprintf(classes, sizeof classes, "%d", l->classes);
    weld_text_add(t, WELD_SAFETENSORS_START(WELD_HEADER_CHECKSUM));
    add_member(t, WELD_CACHE_FORMAT, WELD_CACHE_FORMAT_IS);
    add_member(t, WELD_CACHE_VALUES,
               l->log_probabilities ? WELD_CACHE_LOG_PROBABILITIES : WELD_CACHE_LOGITS);
    add_member(t, WELD_CACHE_CLASSES, classes);
    add_member(t, WELD_CACHE_SAMPLES, texts->samples);
    add_member(t, WELD_CACHE_AUGMENTATION, texts->augmentation);
    add_member(t, WELD_CACHE_TEACHER, texts->teacher);
    weld_text_add(t, "}");
}

/* A tensor of rows of `top` elements; of one each where that is 0. */
static void add_tensor(weld_text *t, const char *name, const char *dtype,
                       const weld_cache_layout *l, int top, uint64_t begin, uint64_t end) {
    const weld_shape shape = {top ? 3 : 2, {l->views, l->images, top}};
    weld_text_format(t, ",\"%s\"", name);
    weld_safetensors_add_place(t, dtype, &shape, begin, end);
}

/* Put the checksum in its place in the header. */
static bool seal(char *header, size_t bytes) {
    bool whole;
    const size_t at = weld_safetensors_checksum_at(header, bytes, &whole);
    weld_checksum *sum = weld_checksum_start();
    if (sum) {
        weld_checksum_add(sum, header, bytes);
        weld_checksum_digits(sum, header + at);
        weld_checksum_free(sum);
    }
    return sum;
}

weld_status weld_cache_header(const weld_cache_layout *l, const weld_cache_texts *texts,
                              weld_text *h, weld_cache_places *places, weld_error *err) {
    const weld_cache_places at = places_of(l, 0);
    add_metadata(h, l, texts);
    add_tensor(h, WELD_CACHE_CHECKS, "I32", l, 0, at.checks, at.classes);
    add_tensor(h, WELD_CACHE_CLASS_ROWS, class_bytes_of(l) == 2 ? "I16" : "I32", l, l->top,
               at.classes, at.logits);
    add_tensor(h, WELD_CACHE_LOGIT_ROWS, "F16", l, l->top, at.logits, at.end);
    weld_safetensors_end_header(h);
    *places = places_of(l, h->bytes.count);
    return !h->failed && seal(h->bytes.data, h->bytes.count)
               ? WELD_OK
               : weld_fail_memory(err, "distillation cache");
}
