/* Antialiased resampling; see resize.h. */
#include "data/resize.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/memory.h"

enum {
    WEIGHT_BITS = 22, /* 8 bits of value and room for sums beyond one: 32 - 8 - 2 */
    STRIP = 16,       /* rows that the horizontal pass handles together */
    LANES = 3 * STRIP /* bytes that are filtered side by side */
};

/* Output i is the sum over k < count[i] of weight[i * taps + k] * input[first[i] + k]. */
typedef struct span {
    int first, count;
} span;
typedef struct axis {
    int taps;
    const int32_t *weights;
    const span *spans;
} axis;

void weld_resize_scratch_free(weld_resize_scratch *s) {
    for (int i = 0; i < 2; i++) {
        weld_bytes_free(&s->weights[i]);
        weld_bytes_free(&s->spans[i]);
    }
    weld_bytes_free(&s->between);
    weld_bytes_free(&s->strip);
}

static double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    }
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

/* The weights of one output pixel: normalised in double, then rounded to fixed point. */
static span make_weights(double center, double reduction, double support, double (*filter)(double),
                         int in_size, double *exact, int32_t *weights, int taps) {
    int first = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
    first = first < 0 ? 0 : first;
    end = end > in_size ? in_size : end;
    double sum = 0.0;
    for (int k = 0; k < end - first; k++) {
        exact[k] = filter((k + first - center + 0.5) * (1.0 / reduction));
        sum += exact[k];
    }
    memset(weights, 0, (size_t)taps * sizeof *weights);
    for (int k = 0; k < end - first; k++) {
        double w = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << WEIGHT_BITS);
        weights[k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    return (span){first, end > first ? end - first : 0};
}

/* Weights of outputs begin..begin+count-1 of `full`, from the source interval low..high. */
static weld_status make_axis(weld_interpolation filter, int in_size, float low, float high,
                             int64_t full, int64_t begin, int count, weld_bytes *weight_memory,
                             weld_bytes *span_memory, axis *out, weld_error *err) {
    double scale = (double)(high - low) / (double)full;
    double reduction = scale < 1.0 ? 1.0 : scale;
    double support = (filter == WELD_BICUBIC ? 2.0 : 1.0) * reduction;
    size_t taps = (size_t)ceil(support) * 2 + 1, bytes;
    if (taps > INT32_MAX / 8 || !weld_mul_size((size_t)count * sizeof(int32_t), taps, &bytes) ||
        !weld_add_size(bytes, taps * sizeof(double), &bytes)) {
        return weld_fail_memory(err, "resizing");
    }
    weld_status status = weld_bytes_resize(weight_memory, bytes, err);
    if (!status) {
        status = weld_bytes_resize(span_memory, (size_t)count * sizeof(span), err);
    }
    if (status) {
        return status;
    }
    double *exact = (double *)(void *)weight_memory->data; /* scratch, before the weights */
    int32_t *weights = (int32_t *)(void *)(exact + taps);
    span *spans = (span *)(void *)span_memory->data;
    for (int i = 0; i < count; i++) {
        double center = low + ((double)(begin + i) + 0.5) * scale;
        spans[i] =
            make_weights(center, reduction, support, filter == WELD_BICUBIC ? cubic : triangle,
                         in_size, exact, weights + (size_t)i * taps, (int)taps);
    }
    *out = (axis){(int)taps, weights, spans};
    return WELD_OK;
}

static inline uint8_t to_byte(int32_t sum) {
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* out[l] = sum over k of weights[k] * in[k * step + l], for l < lanes. */
static inline __attribute__((always_inline)) void
filter_lanes(const uint8_t *restrict in, size_t step, const int32_t *restrict weights, int count,
             int lanes, uint8_t *restrict out) {
    int32_t sum[LANES];
    for (int l = 0; l < lanes; l++) {
        sum[l] = 1 << (WEIGHT_BITS - 1);
    }
    for (int k = 0; k < count; k++) {
        for (int l = 0; l < lanes; l++) {
            sum[l] += weights[k] * in[(size_t)k * step + (size_t)l];
        }
    }
    for (int l = 0; l < lanes; l++) {
        out[l] = to_byte(sum[l]);
    }
}

typedef void filter_function(const uint8_t *restrict in, size_t step,
                             const int32_t *restrict weights, int count, int lanes,
                             uint8_t *restrict out);

static void filter_plain(const uint8_t *restrict in, size_t step, const int32_t *restrict weights,
                         int count, int lanes, uint8_t *restrict out) {
    if (lanes == LANES) {
        filter_lanes(in, step, weights, count, LANES, out);
    } else {
        filter_lanes(in, step, weights, count, lanes, out);
    }
}

#if defined(__x86_64__)
/* The same, compiled for wider vectors; whole numbers, so the result is the same too. */
__attribute__((target("avx2"))) static void filter_avx2(const uint8_t *restrict in, size_t step,
                                                        const int32_t *restrict weights, int count,
                                                        int lanes, uint8_t *restrict out) {
    if (lanes == LANES) {
        filter_lanes(in, step, weights, count, LANES, out);
    } else {
        filter_lanes(in, step, weights, count, lanes, out);
    }
}
#endif

static pthread_once_t chosen = PTHREAD_ONCE_INIT;
static filter_function *filter_bytes = filter_plain;

static void choose_filter(void) {
#if defined(__x86_64__)
    if (weld_cpu_features().avx2_fma) {
        filter_bytes = filter_avx2;
    }
#endif
}

/* Pixels first..end-1 of `rows` rows, turned to columns: pixel x of row r to strip[x - first][r].
 */
static void gather_strip(const weld_pixels *in, int y, int rows, int first, int end,
                         uint8_t *strip) {
    for (int r = 0; r < rows; r++) {
        const uint8_t *from = in->data + (size_t)(y + r) * in->stride + (size_t)first * 3;
        uint8_t *to = strip + r * 3;
        for (int x = first; x < end; x++, from += 3, to += LANES) {
            to[0] = from[0];
            to[1] = from[1];
            to[2] = from[2];
        }
    }
}

/* Rows y0..y1-1 of `in` to [y1 - y0, width, 3]. Neighbouring pixels of a row have nothing in common
 * to be computed side by side, but the rows of a strip do: they share the weights. */
static weld_status horizontal(const weld_pixels *in, int y0, int y1, const axis *a, int width,
                              weld_bytes *memory, uint8_t *out, weld_error *err) {
    int first = in->width, end = 0;
    for (int x = 0; x < width; x++) {
        int last = a->spans[x].first + a->spans[x].count;
        first = a->spans[x].first < first ? a->spans[x].first : first;
        end = last > end ? last : end;
    }
    if (end <= first) {
        end = first;
    }
    weld_status status = weld_bytes_resize(memory, (size_t)(end - first + 1) * LANES, err);
    if (status) {
        return status;
    }
    /* Rows that a last, lower strip lacks are filtered too: whatever they hold must be defined. */
    memset(memory->data, 0, memory->size);
    for (int y = y0; y < y1; y += STRIP) {
        int rows = y1 - y < STRIP ? y1 - y : STRIP;
        gather_strip(in, y, rows, first, end, memory->data);
        uint8_t *to = out + (size_t)(y - y0) * (size_t)width * 3;
        for (int x = 0; x < width; x++, to += 3) {
            uint8_t column[LANES];
            const span *s = &a->spans[x];
            filter_bytes(memory->data + (size_t)(s->first - first) * LANES, LANES,
                         a->weights + (size_t)x * (size_t)a->taps, s->count, LANES, column);
            for (int r = 0; r < rows; r++) {
                memcpy(to + (size_t)r * (size_t)width * 3, column + r * 3, 3);
            }
        }
    }
    return WELD_OK;
}

/* in: row 0 is source row `y0`. */
static void vertical(const uint8_t *in, size_t stride, int y0, const axis *a, int width, int height,
                     uint8_t *out) {
    int bytes = width * 3;
    for (int y = 0; y < height; y++) {
        const span *s = &a->spans[y];
        const uint8_t *from = in + (size_t)(s->first - y0) * stride;
        const int32_t *weights = a->weights + (size_t)y * (size_t)a->taps;
        for (int x = 0; x < bytes; x += LANES, out += LANES) {
            int lanes = bytes - x < LANES ? bytes - x : LANES;
            filter_bytes(from + x, stride, weights, s->count, lanes, out);
            if (lanes < LANES) {
                out += lanes - LANES;
            }
        }
    }
}

static void copy_part(const weld_pixels *in, const weld_resize_request *r, uint8_t *out) {
    weld_pixels part = weld_pixels_crop(in, (int)r->x, (int)r->y, r->width, r->height);
    size_t row = (size_t)r->width * 3;
    for (int y = 0; y < r->height; y++) {
        memcpy(out + (size_t)y * row, part.data + (size_t)y * part.stride, row);
    }
}

static weld_status check_request(const weld_pixels *in, const weld_resize_request *r,
                                 const float *box, weld_error *err) {
    bool ok = in->width > 0 && in->height > 0 && r->width > 0 && r->height > 0 && r->x >= 0 &&
              r->y >= 0 && r->x <= r->full_width - r->width && r->y <= r->full_height - r->height &&
              box[0] >= 0 && box[1] >= 0 && box[2] <= (float)in->width &&
              box[3] <= (float)in->height && box[0] < box[2] && box[1] < box[3] &&
              r->width <= WELD_MAX_PIXELS && r->height <= WELD_MAX_PIXELS / r->width;
    return ok ? WELD_OK
              : weld_fail(err, WELD_ERROR_ARGUMENT,
                          "cannot resize %d x %d pixels to part %d x %d of %lld x %lld", in->width,
                          in->height, r->width, r->height, (long long)r->full_width,
                          (long long)r->full_height);
}

weld_status weld_resize(const weld_pixels *in, const weld_resize_request *request,
                        weld_resize_scratch *scratch, uint8_t *out, weld_error *err) {
    const weld_resize_request *r = request;
    const float all[4] = {0, 0, (float)in->width, (float)in->height};
    const float *box = r->box ? r->box : all;
    axis across, down;
    weld_status status = check_request(in, r, box, err);
    if (!status && !r->box && r->full_width == in->width && r->full_height == in->height) {
        copy_part(in, r, out);
        return WELD_OK;
    }
    if (!status) {
        status = make_axis(r->filter, in->width, box[0], box[2], r->full_width, r->x, r->width,
                           &scratch->weights[0], &scratch->spans[0], &across, err);
    }
    if (!status) {
        status = make_axis(r->filter, in->height, box[1], box[3], r->full_height, r->y, r->height,
                           &scratch->weights[1], &scratch->spans[1], &down, err);
    }
    if (status) {
        return status;
    }
    /* Spans rise with the output's index: these rows of the source count. */
    const span *last = &down.spans[r->height - 1];
    int y0 = down.spans[0].first, y1 = last->first + last->count;
    pthread_once(&chosen, choose_filter);
    status = weld_bytes_resize(&scratch->between, (size_t)(y1 - y0) * (size_t)r->width * 3, err);
    if (!status) {
        status =
            horizontal(in, y0, y1, &across, r->width, &scratch->strip, scratch->between.data, err);
    }
    if (!status) {
        vertical(scratch->between.data, (size_t)r->width * 3, y0, &down, r->width, r->height, out);
    }
    return status;
}
