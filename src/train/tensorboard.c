/* TensorBoard's event files; see tensorboard.h. */
#define _GNU_SOURCE
#include "train/tensorboard.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

#define PATH_SIZE 4096
#define MASK_DELTA 0xa282ead8u
#define VERSION "brain.Event:2"

enum { VARINT_MAX = 10 };                                 /* bytes */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* protobuf's wire types */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5, EVENT_LOG = 7 };
enum { LOG_STATUS = 1, LOG_START = 1 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SCALAR = 2, VALUE_IMAGE = 4, VALUE_HISTOGRAM = 5 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLORSPACE = 3, IMAGE_BYTES = 4, IMAGE_RGB = 3 };
enum { HISTOGRAM_LIMITS = 6, HISTOGRAM_BUCKETS = 7 };

struct weld_tensorboard {
    char *path;
    int file;
    bool no_memory;     /* for a part of what was collected */
    weld_array values;  /* Summary messages' field 1, one after the other */
    weld_array scratch; /* the value that is being made */
    weld_array event;
};

/* --- Checksums --- */

static uint32_t crc_table[256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void make_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1; /* the polynomial, reversed */
        }
        crc_table[i] = c;
    }
}

uint32_t weld_crc32c(const void *data, size_t bytes) {
    const uint8_t *p = data;
    uint32_t c = 0xffffffffu;
    pthread_once(&crc_once, make_crc_table);
    for (size_t i = 0; i < bytes; i++) {
        c = crc_table[(c ^ p[i]) & 255] ^ c >> 8;
    }
    return ~c;
}

/* A checksum of data that holds checksums is weak: so TFRecord changes them. */
static uint32_t masked_crc(const void *data, size_t bytes) {
    uint32_t c = weld_crc32c(data, bytes);
    return (c >> 15 | c << 17) + MASK_DELTA;
}

/* --- Messages --- */

static void put(weld_tensorboard *t, weld_array *to, const void *data, size_t bytes) {
    t->no_memory = !weld_array_append(to, data, bytes) || t->no_memory;
}

static void put_varint(weld_tensorboard *t, weld_array *to, uint64_t value) {
    uint8_t bytes[VARINT_MAX];
    size_t count = 0;
    do {
        bytes[count++] = (uint8_t)(value & 127) | (value > 127 ? 128 : 0);
        value >>= 7;
    } while (value);
    put(t, to, bytes, count);
}

static void put_tag(weld_tensorboard *t, weld_array *to, int field, int wire) {
    put_varint(t, to, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_integer(weld_tensorboard *t, weld_array *to, int field, int64_t value) {
    put_tag(t, to, field, VARINT);
    put_varint(t, to, (uint64_t)value);
}

/* Little-endian, whatever the machine. */
static void put_fixed(weld_tensorboard *t, weld_array *to, uint64_t value, size_t bytes) {
    uint8_t data[8];
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(value >> 8 * i);
    }
    put(t, to, data, bytes);
}

static void put_double_bits(weld_tensorboard *t, weld_array *to, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_fixed(t, to, bits, 8);
}

static void put_double(weld_tensorboard *t, weld_array *to, int field, double value) {
    put_tag(t, to, field, FIXED64);
    put_double_bits(t, to, value);
}

static void put_bytes(weld_tensorboard *t, weld_array *to, int field, const void *data,
                      size_t bytes) {
    put_tag(t, to, field, BYTES);
    put_varint(t, to, bytes);
    put(t, to, data, bytes);
}

/* The value in scratch, which is a message of its own behind its tag, joins those collected. */
static void add_value(weld_tensorboard *t, const char *tag, int field) {
    weld_array value = {.element = 1};
    put_bytes(t, &value, VALUE_TAG, tag, strlen(tag));
    put_bytes(t, &value, field, t->scratch.data, t->scratch.count);
    put_bytes(t, &t->values, SUMMARY_VALUE, value.data, value.count);
    weld_array_free(&value);
    t->scratch.count = 0;
}

void weld_tensorboard_scalar(weld_tensorboard *t, const char *tag, double value) {
    const float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    put_bytes(t, &t->scratch, VALUE_TAG, tag, strlen(tag));
    put_tag(t, &t->scratch, VALUE_SCALAR, FIXED32);
    put_fixed(t, &t->scratch, bits, 4);
    put_bytes(t, &t->values, SUMMARY_VALUE, t->scratch.data, t->scratch.count);
    t->scratch.count = 0;
}

void weld_tensorboard_image(weld_tensorboard *t, const char *tag, int width, int height,
                            const void *png, size_t bytes) {
    put_integer(t, &t->scratch, IMAGE_HEIGHT, height);
    put_integer(t, &t->scratch, IMAGE_WIDTH, width);
    put_integer(t, &t->scratch, IMAGE_COLORSPACE, IMAGE_RGB);
    put_bytes(t, &t->scratch, IMAGE_BYTES, png, bytes);
    add_value(t, tag, VALUE_IMAGE);
}

/* --- Histograms --- */

static double limits[WELD_HISTOGRAM_BUCKETS];
static pthread_once_t limits_once = PTHREAD_ONCE_INIT;

static void make_limits(void) {
    const int zero = WELD_HISTOGRAM_SIDE + 1;
    double limit = 1e-12;
    for (int i = 1; i <= WELD_HISTOGRAM_SIDE; i++) {
        limits[zero + i] = limit;
        limits[zero - i] = -limit;
        limit *= 1.1;
    }
    limits[0] = -DBL_MAX;
    limits[WELD_HISTOGRAM_BUCKETS - 1] = DBL_MAX;
}

/* The first bucket whose limit is above the value. */
static int bucket_of(double value) {
    int low = 0, high = WELD_HISTOGRAM_BUCKETS - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (value < limits[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void weld_histogram_of(const float *values, int64_t count, weld_histogram *out) {
    pthread_once(&limits_once, make_limits);
    *out = (weld_histogram){.min = DBL_MAX, .max = -DBL_MAX};
    for (int64_t i = 0; i < count; i++) {
        const double v = values[i];
        if (isfinite(v)) {
            out->min = v < out->min ? v : out->min;
            out->max = v > out->max ? v : out->max;
            out->count++;
            out->sum += v;
            out->sum_squares += v * v;
            out->buckets[bucket_of(v)]++;
        }
    }
}

/* Of a run of empty buckets only the last is written: it ends where the next one begins. */
void weld_tensorboard_histogram(weld_tensorboard *t, const char *tag, const weld_histogram *h) {
    const double numbers[] = {h->min, h->max, h->count, h->sum, h->sum_squares};
    int kept[WELD_HISTOGRAM_BUCKETS], count = 0;
    pthread_once(&limits_once, make_limits);
    for (int i = 0; i < WELD_HISTOGRAM_BUCKETS; i++) {
        const bool last = i + 1 == WELD_HISTOGRAM_BUCKETS;
        if (h->buckets[i] > 0 || (!last && h->buckets[i + 1] > 0)) {
            kept[count++] = i;
        }
    }
    if (count == 0) { /* readers want one */
        kept[count++] = WELD_HISTOGRAM_BUCKETS - 1;
    }
    for (int i = 0; i < 5; i++) {
        put_double(t, &t->scratch, i + 1, numbers[i]);
    }
    put_tag(t, &t->scratch, HISTOGRAM_LIMITS, BYTES);
    put_varint(t, &t->scratch, 8 * (uint64_t)count);
    for (int i = 0; i < count; i++) {
        put_double_bits(t, &t->scratch, limits[kept[i]]);
    }
    put_tag(t, &t->scratch, HISTOGRAM_BUCKETS, BYTES);
    put_varint(t, &t->scratch, 8 * (uint64_t)count);
    for (int i = 0; i < count; i++) {
        put_double_bits(t, &t->scratch, h->buckets[kept[i]]);
    }
    add_value(t, tag, VALUE_HISTOGRAM);
}

/* --- Records --- */

static void begin_event(weld_tensorboard *t, int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->event.count = 0;
    /* The record's length and its checksum go here. */
    put(t, &t->event, (uint8_t[12]){0}, 12);
    put_double(t, &t->event, EVENT_WALL_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    put_integer(t, &t->event, EVENT_STEP, step);
}

static weld_status write_all(weld_tensorboard *t, const uint8_t *data, size_t bytes,
                             weld_error *err) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(t->file, data + done, bytes - done);
        if (n < 0 && errno != EINTR) {
            return weld_fail(err, WELD_ERROR_IO, "%s: cannot be written: %s", t->path,
                             strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return WELD_OK;
}

static weld_status end_event(weld_tensorboard *t, weld_error *err) {
    const size_t bytes = t->event.count - 12;
    weld_array head = {.element = 1};
    put_fixed(t, &head, bytes, 8);
    put_fixed(t, &head, head.data ? masked_crc(head.data, 8) : 0, 4);
    const bool whole = !t->no_memory;
    if (whole) {
        uint8_t *event = t->event.data;
        memcpy(event, head.data, 12);
        put_fixed(t, &t->event, masked_crc(event + 12, bytes), 4);
    }
    weld_array_free(&head);
    t->values.count = 0;
    if (!whole || t->no_memory) {
        t->no_memory = false;
        return weld_fail_memory(err, t->path);
    }
    return write_all(t, t->event.data, t->event.count, err);
}

weld_status weld_tensorboard_write(weld_tensorboard *t, int64_t step, weld_error *err) {
    if (t->values.count == 0 && !t->no_memory) {
        return WELD_OK;
    }
    begin_event(t, step);
    put_bytes(t, &t->event, EVENT_SUMMARY, t->values.data, t->values.count);
    return end_event(t, err);
}

/* --- Files --- */

/* A run that is resumed within the second takes the next one's name. */
static weld_status open_file(weld_tensorboard *t, const char *folder, weld_error *err) {
    char path[PATH_SIZE], host[256] = "";
    gethostname(host, sizeof host - 1);
    for (int64_t now = (int64_t)time(NULL);; now++) {
        int length = snprintf(path, sizeof path, "%s/events.out.tfevents.%lld.%s", folder,
                              (long long)now, *host ? host : "localhost");
        if (length < 0 || (size_t)length >= sizeof path) {
            return weld_fail(err, WELD_ERROR_ARGUMENT, "%.80s...: is too long a path", folder);
        }
        t->file = weld_file_open_flags(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (t->file >= 0 || errno != EEXIST) {
            break;
        }
    }
    if (t->file < 0) {
        return weld_fail(err, WELD_ERROR_IO, "%s: cannot be made: %s", path, strerror(errno));
    }
    t->path = weld_strdup(path);
    return t->path ? WELD_OK : weld_fail_memory(err, path);
}

static weld_status write_start(weld_tensorboard *t, int64_t first_step, weld_error *err) {
    begin_event(t, first_step);
    put_bytes(t, &t->event, EVENT_VERSION, VERSION, strlen(VERSION));
    weld_status status = end_event(t, err);
    if (status || first_step <= 0) {
        return status;
    }
    begin_event(t, first_step);
    put_tag(t, &t->event, EVENT_LOG, BYTES);
    put_varint(t, &t->event, 2);
    put_integer(t, &t->event, LOG_STATUS, LOG_START);
    return end_event(t, err);
}

weld_status weld_tensorboard_create(const char *folder, int64_t first_step, weld_tensorboard **out,
                                    weld_error *err) {
    weld_tensorboard *t = weld_alloc(1, sizeof *t);
    if (!t) {
        return weld_fail_memory(err, folder);
    }
    *t = (weld_tensorboard){
        .file = -1, .values.element = 1, .scratch.element = 1, .event.element = 1};
    weld_status status = open_file(t, folder, err);
    status = status ? status : write_start(t, first_step, err);
    if (status) {
        if (t->path) {
            unlink(t->path);
        }
        weld_tensorboard_free(t);
        return status;
    }
    *out = t;
    return WELD_OK;
}

void weld_tensorboard_free(weld_tensorboard *t) {
    if (t) {
        if (t->file >= 0) {
            close(t->file);
        }
        weld_array_free(&t->values);
        weld_array_free(&t->scratch);
        weld_array_free(&t->event);
        weld_free(t->path);
        weld_free(t);
    }
}
