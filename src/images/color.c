/* Operations on values; see color.h. */
#include "images/color.h"
#include "base/error.h"

#include <string.h>

enum { BLOCK = 64 /* pixels that are blended at once */ };

typedef struct tables {
    uint8_t of[3][256]; /* of each channel: what a value becomes */
} tables;

static size_t pixel_count(const weld_image *image) {
    return (size_t)image->width * (size_t)image->height;
}

static void apply(weld_image *image, const tables *t) {
    uint8_t *p = image->pixels;
    for (size_t n = pixel_count(image); n; n--, p += 3) {
        p[0] = t->of[0][p[0]];
        p[1] = t->of[1][p[1]];
        p[2] = t->of[2][p[2]];
    }
}

static void apply_to_all(weld_image *image, const uint8_t table[256]) {
    uint8_t *p = image->pixels;
    for (size_t i = 0, n = pixel_count(image) * 3; i < n; i++) {
        p[i] = table[p[i]];
    }
}

/* How often each value is in each channel. Two counts, taken by turns: adding to one that was just
 * added to must wait, which is what happens in even areas. */
static void count_values(const weld_image *image, uint32_t counts[3][256]) {
    uint32_t other[3][256] = {{0}};
    const uint8_t *p = image->pixels;
    size_t n = pixel_count(image);
    memset(counts, 0, sizeof other);
    for (size_t i = 0; i + 1 < n; i += 2, p += 6) {
        for (int c = 0; c < 3; c++) {
            counts[c][p[c]]++;
            other[c][p[3 + c]]++;
        }
    }
    for (int c = 0; c < 3; c++) {
        if (n & 1) { /* the last pixel has no partner */
            counts[c][p[c]]++;
        }
        for (int v = 0; v < 256; v++) {
            counts[c][v] += other[c][v];
        }
    }
}

static uint8_t to_byte(double value) {
    return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value);
}

static void identity(uint8_t table[256]) {
    for (int v = 0; v < 256; v++) {
        table[v] = (uint8_t)v;
    }
}

void weld_image_auto_contrast(weld_image *image) {
    uint32_t counts[3][256];
    tables t;
    count_values(image, counts);
    for (int c = 0; c < 3; c++) {
        int low = 0, high = 255;
        while (low < 255 && !counts[c][low]) {
            low++;
        }
        while (high > 0 && !counts[c][high]) {
            high--;
        }
        identity(t.of[c]);
        if (high > low) {
            double scale = 255.0 / (high - low), offset = -low * scale;
            for (int v = 0; v < 256; v++) {
                t.of[c][v] = to_byte(v * scale + offset);
            }
        }
    }
    apply(image, &t);
}

/* Pillow's: a step is so many pixels that 255 of them are all but those of the highest value. */
static void equalize_table(const uint32_t counts[256], uint8_t table[256]) {
    uint64_t sum = 0, last = 0;
    for (int v = 0; v < 256; v++) {
        sum += counts[v];
        last = counts[v] ? counts[v] : last;
    }
    uint64_t step = (sum - last) / 255, below = step / 2;
    identity(table);
    for (int v = 0; step && v < 256; v++) {
        uint64_t level = below / step;
        table[v] = (uint8_t)(level > 255 ? 255 : level);
        below += counts[v];
    }
}

void weld_image_equalize(weld_image *image) {
    uint32_t counts[3][256];
    tables t;
    count_values(image, counts);
    for (int c = 0; c < 3; c++) {
        equalize_table(counts[c], t.of[c]);
    }
    apply(image, &t);
}

void weld_image_invert(weld_image *image) {
    weld_image_solarize(image, 0);
}

void weld_image_posterize(weld_image *image, int bits) {
    int mask = bits <= 0 ? 0 : bits >= 8 ? 0xFF : 0xFF << (8 - bits) & 0xFF;
    uint8_t *p = image->pixels;
    for (size_t i = 0, n = pixel_count(image) * 3; i < n; i++) {
        p[i] &= (uint8_t)mask;
    }
}

void weld_image_solarize(weld_image *image, int threshold) {
    uint8_t *p = image->pixels;
    for (size_t i = 0, n = pixel_count(image) * 3; i < n; i++) {
        p[i] = (uint8_t)(p[i] < threshold ? p[i] : 255 - p[i]);
    }
}

void weld_image_solarize_add(weld_image *image, int amount) {
    uint8_t table[256];
    for (int v = 0; v < 256; v++) {
        table[v] = v < 128 ? to_byte(v + amount) : (uint8_t)v;
    }
    apply_to_all(image, table);
}

static inline uint8_t luma(const uint8_t *p) {
    return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 0x8000u) >> 16);
}

void weld_image_grey(weld_image *image) {
    uint8_t *p = image->pixels;
    for (size_t n = pixel_count(image); n; n--, p += 3) {
        p[0] = p[1] = p[2] = luma(p);
    }
}

/* values = background + factor * (values - background), cut off. */
static void blend(const uint8_t *restrict background, float factor, size_t n,
                  uint8_t *restrict values) {
    for (size_t i = 0; i < n; i++) {
        float mixed = (float)background[i] + factor * (float)(values[i] - background[i]);
        mixed = mixed < 0.0f ? 0.0f : mixed;
        values[i] = (uint8_t)(int)(mixed > 255.0f ? 255.0f : mixed);
    }
}

void weld_image_color(weld_image *image, double factor) {
    size_t left = pixel_count(image);
    uint8_t *p = image->pixels, grey[3 * BLOCK];
    while (left) {
        size_t n = left < BLOCK ? left : BLOCK;
        for (size_t i = 0; i < 3 * n; i += 3) {
            grey[i] = grey[i + 1] = grey[i + 2] = luma(p + i);
        }
        blend(grey, (float)factor, 3 * n, p);
        p += 3 * n;
        left -= n;
    }
}

static void blend_with_value(weld_image *image, int background, double factor) {
    uint8_t table[256], backgrounds[256];
    identity(table);
    memset(backgrounds, background, sizeof backgrounds);
    blend(backgrounds, (float)factor, 256, table);
    apply_to_all(image, table);
}

void weld_image_contrast(weld_image *image, double factor) {
    const uint8_t *p = image->pixels;
    size_t n = pixel_count(image), sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += luma(p + 3 * i);
    }
    blend_with_value(image, (int)((2 * sum + n) / (2 * n)), factor);
}

void weld_image_brightness(weld_image *image, double factor) {
    blend_with_value(image, 0, factor);
}

/* Row b of rows a, b, c smoothed, without its first and last pixel. n: values between those. */
static void smooth(const uint8_t *a, const uint8_t *b, const uint8_t *c, size_t n,
                   uint8_t *restrict out) {
    for (size_t i = 0; i < n; i++) {
        unsigned sum = a[i] + a[i + 3] + a[i + 6] + b[i] + 5u * b[i + 3] + b[i + 6] + c[i] +
                       c[i + 3] + c[i + 6];
        /* round(sum / 13); a 13th part is never half way. */
        out[i] = (uint8_t)((2 * sum + 13) * 20165 >> 19);
    }
}

weld_status weld_image_sharpness(weld_image *image, double factor, weld_bytes *scratch,
                                 weld_error *err) {
    size_t row = (size_t)image->width * 3, bytes = row * (size_t)image->height;
    if (image->width < 3 || image->height < 3) {
        return WELD_OK; /* all border */
    }
    WELD_TRY(weld_bytes_resize(scratch, bytes + row, err));
    uint8_t *smoothed = scratch->data + bytes;
    memcpy(scratch->data, image->pixels, bytes);
    for (size_t y = 1; y + 1 < (size_t)image->height; y++) {
        const uint8_t *from = scratch->data + y * row;
        smooth(from - row, from, from + row, row - 6, smoothed);
        blend(smoothed, (float)factor, row - 6, image->pixels + y * row + 3);
    }
    return WELD_OK;
}
