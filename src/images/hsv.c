/* Hue, saturation and value; see hsv.h. */
#include "images/hsv.h"

#include <math.h>

enum { HUES = 180, SECTOR = 30, BITS = 12, HALF = 1 << (BITS - 1) };

/* What the loop over pixels looks up. */
typedef struct tables {
    /* 255 / i and 30 / i in fixed point: what saturation and hue are multiplied by */
    int32_t by_value[256], by_span[256];
    uint8_t lacking[HUES][3]; /* w of each channel, of the hue that a hue becomes */
    uint8_t saturation[256], value[256];
} tables;

/* How far a hue is outside of a third of the circle around `centre`. */
static int outside(int hue, int centre) {
    int distance = hue > centre ? hue - centre : centre - hue;
    distance = distance > HUES / 2 ? HUES - distance : distance;
    return distance <= SECTOR ? 0 : distance >= 2 * SECTOR ? SECTOR : distance - SECTOR;
}

static int turned(int hue, double gain) {
    double to = fmod(hue + HUES * gain, HUES);
    to += to < 0 ? HUES : 0;
    return to >= HUES ? 0 : (int)to; /* a sum of a tiny negative one is rounded to all of them */
}

static uint8_t scaled(int v, double gain) {
    return (uint8_t)fmax(0, fmin(255, v * (1 + gain)));
}

static void fill(const double gain[3], tables *t) {
    for (int i = 0; i < 256; i++) {
        t->by_value[i] = i ? (int32_t)nearbyint((255 << BITS) / (double)i) : 0;
        t->by_span[i] = i ? (int32_t)nearbyint((SECTOR << BITS) / (double)i) : 0;
        t->saturation[i] = scaled(i, gain[1]);
        t->value[i] = scaled(i, gain[2]);
    }
    for (int hue = 0; hue < HUES; hue++) {
        const int to = turned(hue, gain[0]);
        for (int c = 0; c < 3; c++) {
            t->lacking[hue][c] = (uint8_t)outside(to, c * HUES / 3);
        }
    }
}

static void shift(const tables *t, uint8_t *p) {
    const int r = p[0], g = p[1], b = p[2];
    const int most = r > g ? (r > b ? r : b) : (g > b ? g : b);
    const int least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    const int span = most - least;
    const int saturation = (span * t->by_value[most] + HALF) >> BITS;
    const int away = most == r   ? g - b
                     : most == g ? b - r + 2 * span
                                 : r - g + 4 * span; /* from red, in sixths of the circle */
    int hue = (away * t->by_span[span] + HALF) >> BITS;
    hue += hue < 0 ? HUES : 0;
    const uint8_t *lacking = t->lacking[hue];
    const uint32_t v = t->value[most], vs = v * t->saturation[saturation];
    for (int c = 0; c < 3; c++) {
        const uint32_t full = 255 * SECTOR;
        p[c] = (uint8_t)((v * full - vs * lacking[c] + full / 2) / full);
    }
}

void weld_image_shift_hsv(weld_image *image, const double gain[3]) {
    tables t;
    fill(gain, &t);
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < pixels; i++) {
        shift(&t, image->pixels + 3 * i);
    }
}
