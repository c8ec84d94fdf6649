/* Reading TensorBoard's event files in tests: records with their checksums, and protobuf's fields.
 */
#ifndef WELD_TESTS_TENSORBOARD_H
#define WELD_TESTS_TENSORBOARD_H

#include <check.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/tensorboard.h"

typedef struct span {
    const uint8_t *data;
    size_t size;
} span;

typedef struct event {
    double wall_time;
    int64_t step;
    bool is_start; /* a session log START */
    span version, summary;
} event;

typedef struct event_value {
    char tag[300];
    bool is_scalar;
    float scalar;
    span image, histogram;
} event_value;

/* Bit by bit, so that it shares nothing with the table. */
static inline uint32_t slow_masked_crc(const uint8_t *data, size_t size) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < 8 * size; i++) {
        c = c >> 1 ^ (((c ^ (uint32_t)data[i / 8] >> i % 8) & 1) ? 0x82f63b78u : 0);
    }
    c = ~c;
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

static inline uint64_t little(const uint8_t *data, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) {
        v |= (uint64_t)data[i] << 8 * i;
    }
    return v;
}

static inline double real64(span s) {
    uint64_t bits = little(s.data, 8);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline uint64_t varint(span *s) {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        ck_assert_uint_gt(s->size, 0);
        ck_assert_int_lt(shift, 64);
        uint8_t byte = *s->data++;
        s->size--;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return v;
        }
    }
}

/* The next field of a message: its number, and its bytes, or its value where it is a varint. False
 * at the end. */
static inline bool next_field(span *message, int *number, span *bytes, uint64_t *integer) {
    if (message->size == 0) {
        return false;
    }
    const uint64_t key = varint(message);
    *number = (int)(key >> 3);
    *bytes = (span){0};
    *integer = 0;
    if ((key & 7) == 0) {
        *integer = varint(message);
        return true;
    }
    ck_assert((key & 7) == 1 || (key & 7) == 2 || (key & 7) == 5);
    const size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint(message);
    ck_assert_uint_le(size, message->size);
    *bytes = (span){message->data, size};
    message->data += size;
    message->size -= size;
    return true;
}

/* The record at *at, whose checksums must be right; false at the end of the file. */
static inline bool next_record(span file, size_t *at, span *record) {
    if (*at == file.size) {
        return false;
    }
    ck_assert_uint_le(*at + 12, file.size);
    const uint8_t *p = file.data + *at;
    const size_t size = little(p, 8);
    ck_assert_uint_le(*at + 16 + size, file.size);
    ck_assert_uint_eq(little(p + 8, 4), slow_masked_crc(p, 8));
    ck_assert_uint_eq(little(p + 12 + size, 4), slow_masked_crc(p + 12, size));
    *record = (span){p + 12, size};
    *at += 16 + size;
    return true;
}

static inline event read_event(span record) {
    event e = {0};
    int number;
    span bytes;
    uint64_t integer;
    while (next_field(&record, &number, &bytes, &integer)) {
        if (number == 1) {
            e.wall_time = real64(bytes);
        } else if (number == 2) {
            e.step = (int64_t)integer;
        } else if (number == 3) {
            e.version = bytes;
        } else if (number == 5) {
            e.summary = bytes;
        } else {
            ck_assert_int_eq(number, 7);
            e.is_start = bytes.size == 2 && memcmp(bytes.data, "\x08\x01", 2) == 0;
            ck_assert(e.is_start);
        }
    }
    return e;
}

/* The next value of a summary. */
static inline bool next_value(span *summary, event_value *v) {
    int number;
    span bytes, message;
    uint64_t integer;
    if (!next_field(summary, &number, &message, &integer)) {
        return false;
    }
    ck_assert_int_eq(number, 1);
    *v = (event_value){0};
    while (next_field(&message, &number, &bytes, &integer)) {
        if (number == 1) {
            ck_assert_uint_lt(bytes.size, sizeof v->tag);
            memcpy(v->tag, bytes.data, bytes.size);
        } else if (number == 2) {
            uint32_t bits = (uint32_t)little(bytes.data, 4);
            memcpy(&v->scalar, &bits, 4);
            v->is_scalar = true;
        } else if (number == 4) {
            v->image = bytes;
        } else {
            ck_assert_int_eq(number, 5);
            v->histogram = bytes;
        }
    }
    return true;
}

/* Element i of a packed field of doubles; the field's elements are counted in *count. */
static inline double packed_double(span message, int field, size_t i, size_t *count) {
    int number;
    span bytes;
    uint64_t integer;
    *count = 0;
    while (next_field(&message, &number, &bytes, &integer)) {
        if (number == field) {
            *count = bytes.size / 8;
            return i < *count ? real64((span){bytes.data + 8 * i, 8}) : 0;
        }
    }
    return 0;
}

/* Event file number i of a folder, in the order of names; size 0: there is none. The caller frees
 * the data. */
static inline span read_event_file(const char *folder, size_t i) {
    char pattern[512];
    glob_t found;
    span file = {0};
    snprintf(pattern, sizeof pattern, "%s/events.out.tfevents.*", folder);
    if (glob(pattern, 0, NULL, &found) == 0) {
        FILE *in = i < found.gl_pathc ? fopen(found.gl_pathv[i], "rb") : NULL;
        if (in) {
            uint8_t *data = malloc(1 << 24);
            ck_assert_ptr_nonnull(data);
            file = (span){data, fread(data, 1, 1 << 24, in)};
            fclose(in);
        }
        globfree(&found);
    }
    return file;
}

#endif
