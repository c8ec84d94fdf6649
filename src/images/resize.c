/* Antialiased resampling; see resize.h. */
#include "images/resize.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/loops.h"

enum { BLOCK = 16 }; /* rows that the first pass handles together: they stay in cache */

typedef weld_resize_span span;
typedef weld_resize_axis axis;

void weld_resize_scratch_free(weld_resize_scratch *s) {
    for (int i = 0; i < 2; i++) {
        weld_bytes_free(&s->weights[i]);
        weld_bytes_free(&s->spans[i]);
    }
    weld_bytes_free(&s->between);
    weld_bytes_free(&s->row);
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
        double w = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << WELD_RESIZE_BITS);
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
    size_t taps = ((size_t)ceil(support) * 2 + 1 + 3) / 4 * 4, bytes;
    if (taps > INT32_MAX / 8 || !weld_mul_size((size_t)count * sizeof(int32_t), taps, &bytes) ||
        !weld_add_size(bytes, taps * sizeof(double), &bytes)) {
        return weld_fail_memory(err, "resizing");
    }
    WELD_TRY(weld_bytes_resize(weight_memory, bytes, err));
    WELD_TRY(weld_bytes_resize(span_memory, (size_t)count * sizeof(span), err));
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

/* Rows y0..y1-1 of `in` to rows of scratch->between. */
static weld_status filter_across(const weld_image_loops *loops, const weld_pixels *in, int y0,
                                 int y1, const axis *a, int width, size_t out_stride,
                                 weld_resize_scratch *scratch, weld_error *err) {
    const size_t row = (size_t)in->width * 3;
    WELD_TRY(weld_bytes_resize(&scratch->between,
                               (size_t)(y1 - y0) * out_stride + WELD_RESIZE_ALIGN, err));
    WELD_TRY(weld_bytes_resize(&scratch->row, row + WELD_RESIZE_PADDING, err));
    memset(scratch->row.data + row, 0, WELD_RESIZE_PADDING);
    uint8_t *out = scratch->between.data;
    int y = y0;
    while (y < y1) {
        /* Rows that may be read past their end, for pixels of the image follow. */
        int padded = y;
        while (padded < y1 &&
               (size_t)(in->height - 1 - padded) * in->stride >= WELD_RESIZE_PADDING) {
            padded++;
        }
        int rows = padded - y < BLOCK ? padded - y : BLOCK;
        const uint8_t *from = in->data + (size_t)y * in->stride;
        if (!rows) {
            rows = 1;
            memcpy(scratch->row.data, from, row);
            from = scratch->row.data;
        }
        loops->across(from, in->stride, rows, a, width, out, out_stride);
        y += rows;
        out += (size_t)rows * out_stride;
    }
    return WELD_OK;
}

/* scratch->between: row 0 is source row `y0`. */
static void filter_down(const weld_image_loops *loops, const weld_bytes *between, size_t stride,
                        int y0, const axis *a, int width, int height, uint8_t *out) {
    for (int y = 0; y < height; y++, out += (size_t)width * 3) {
        const uint8_t *from = between->data + (size_t)(a->spans[y].first - y0) * stride;
        loops->down(from, stride, a, y, width * 3, out);
    }
}

static void copy_part(const weld_pixels *in, const weld_resize_request *r, uint8_t *out) {
    weld_pixels part = weld_pixels_crop(in, (int)r->x, (int)r->y, r->width, r->height);
    size_t row = (size_t)r->width * 3;
    for (int y = 0; y < r->height; y++) {
        memcpy(out + (size_t)y * row, part.data + (size_t)y * part.stride, row);
    }
}

/* Of a side of `size` pixels, for `full` of the result. */
static bool is_span(float low, float high, int size, int64_t full) {
    const double beyond =
        0.51 * ((double)high - (double)low) / (double)full; /* a float is rounded */
    return low < high && low >= -beyond && high <= size + beyond;
}

static weld_status check_request(const weld_pixels *in, const weld_resize_request *r,
                                 const float *box, weld_error *err) {
    bool ok = in->width > 0 && in->height > 0 && r->width > 0 && r->height > 0 && r->x >= 0 &&
              r->y >= 0 && r->x <= r->full_width - r->width && r->y <= r->full_height - r->height &&
              is_span(box[0], box[2], in->width, r->full_width) &&
              is_span(box[1], box[3], in->height, r->full_height) && r->width <= WELD_MAX_PIXELS &&
              r->height <= WELD_MAX_PIXELS / r->width;
    return ok ? WELD_OK
              : weld_fail(err, WELD_ERROR_ARGUMENT,
                          "cannot resize %d x %d pixels to part %d x %d of %lld x %lld", in->width,
                          in->height, r->width, r->height, (long long)r->full_width,
                          (long long)r->full_height);
}

weld_status weld_resize_pixels(const weld_pixels *in, const weld_resize_request *request,
                               weld_resize_scratch *scratch, uint8_t *out, weld_error *err) {
    return weld_resize_by(weld_image_loops_best(), in, request, scratch, out, err);
}

weld_status weld_resize_by(const weld_image_loops *loops, const weld_pixels *in,
                           const weld_resize_request *request, weld_resize_scratch *scratch,
                           uint8_t *out, weld_error *err) {
    const weld_resize_request *r = request;
    const float all[4] = {0, 0, (float)in->width, (float)in->height};
    const float *box = r->box ? r->box : all;
    axis across, down;
    weld_status status = check_request(in, r, box, err);
    if (!status && !r->box && r->full_width == in->width && r->full_height == in->height) {
        copy_part(in, r, out);
        return WELD_OK;
    }
    status = status ? status
                    : make_axis(r->filter, in->width, box[0], box[2], r->full_width, r->x, r->width,
                                &scratch->weights[0], &scratch->spans[0], &across, err);
    status = status ? status
                    : make_axis(r->filter, in->height, box[1], box[3], r->full_height, r->y,
                                r->height, &scratch->weights[1], &scratch->spans[1], &down, err);
    if (status) {
        return status;
    }
    /* Spans rise with the output's index: these rows of the source count. */
    const span *last = &down.spans[r->height - 1];
    const int y0 = down.spans[0].first, y1 = last->first + last->count;
    const size_t stride =
        ((size_t)r->width * 3 + WELD_RESIZE_ALIGN) / WELD_RESIZE_ALIGN * WELD_RESIZE_ALIGN;
    status = filter_across(loops, in, y0, y1, &across, r->width, stride, scratch, err);
    if (!status) {
        filter_down(loops, &scratch->between, stride, y0, &down, r->width, r->height, out);
    }
    return status;
}
