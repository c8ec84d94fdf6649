/* Mixing a batch; see mix.h. */
#include "data/mix.h"

#include <math.h>

#include "base/random.h"
#include "base/threads.h"

static const weld_mix unmixed = {.lambda = 1.0f};

/* --- What is drawn --- */

static int clip(int value, int size) {
    return value < 0 ? 0 : value > size ? size : value;
}

weld_mix weld_cutmix(int height, int width, double lambda, int centre_x, int centre_y) {
    const double side = sqrt(1.0 - lambda);
    const int half_x = (int)(width * side) / 2, half_y = (int)(height * side) / 2;
    weld_mix m = {.cutmix = true,
                  .x0 = clip(centre_x - half_x, width),
                  .y0 = clip(centre_y - half_y, height),
                  .x1 = clip(centre_x + half_x, width),
                  .y1 = clip(centre_y + half_y, height)};
    double area = (double)(m.x1 - m.x0) * (m.y1 - m.y0);
    m.lambda = (float)(1.0 - area / ((double)height * width));
    return m;
}

static weld_mix draw_unit(const weld_augmentation *a, int height, int width, weld_random *random) {
    if (weld_random_uniform(random) >= a->mix_probability) {
        return unmixed;
    }
    bool cutmix = a->cutmix > 0;
    if (cutmix && a->mixup > 0) {
        cutmix = weld_random_uniform(random) < a->cutmix_probability;
    }
    if (!cutmix) {
        return (weld_mix){.lambda = (float)weld_random_beta(random, a->mixup, a->mixup)};
    }
    double lambda = weld_random_beta(random, a->cutmix, a->cutmix);
    int centre_x = (int)weld_random_below(random, (uint64_t)width);
    int centre_y = (int)weld_random_below(random, (uint64_t)height);
    return weld_cutmix(height, width, lambda, centre_x, centre_y);
}

void weld_mix_draw(const weld_augmentation *a, uint64_t seed, uint32_t epoch, int64_t batch,
                   int64_t n, int height, int width, weld_mix *mixes) {
    weld_random random = weld_random_start(seed, epoch, (uint64_t)batch, WELD_RANDOM_MIX);
    const bool off = a->mixup_off_epoch > 0 && (int64_t)epoch >= a->mixup_off_epoch;
    const bool may = a->kind != WELD_AUGMENT_NONE && a->kind != WELD_AUGMENT_DETECTION;
    bool mixes_any = may && !off && (a->mixup > 0 || a->cutmix > 0);
    weld_mix drawn = unmixed;
    for (int64_t i = 0; i < n; i++) {
        bool own_partner = 2 * i == n - 1;
        if (!mixes_any || own_partner) {
            mixes[i] = unmixed;
        } else if (a->mix_mode == WELD_MIX_PAIR && 2 * i >= n) {
            mixes[i] = mixes[n - 1 - i];
        } else {
            if (i == 0 || a->mix_mode != WELD_MIX_BATCH) {
                drawn = draw_unit(a, height, width, &random);
            }
            mixes[i] = drawn;
        }
    }
}

/* --- Mixing --- */

/* Two partners' values: each keeps its own share and takes the rest from the other. */
static void blend(float own_a, float own_b, int64_t n, float *restrict a, float *restrict b) {
    float other_a = 1.0f - own_a, other_b = 1.0f - own_b;
    if (own_a == 1.0f && own_b == 1.0f) {
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        float x = a[k], y = b[k];
        a[k] = own_a * x + other_a * y;
        b[k] = own_b * y + other_b * x;
    }
}

static bool in_box(const weld_mix *m, int x, int y) {
    return x >= m->x0 && x < m->x1 && y >= m->y0 && y < m->y1;
}

/* The share of its own that a sample has at (x, y)... */
static float own_share(const weld_mix *m, int x, int y) {
    return !m->cutmix ? m->lambda : in_box(m, x, y) ? 0.0f : 1.0f;
}

/* ...and up to where in the row it stays that, if that is before `end`. */
static int same_until(const weld_mix *m, int x, int end) {
    int edge = m->cutmix && m->x0 > x ? m->x0 : m->cutmix && m->x1 > x ? m->x1 : end;
    return edge < end ? edge : end;
}

typedef struct mix_job {
    const weld_mix *mixes;
    int64_t n;
    int height, width;
    float *images;
} mix_job;

static void mix_pair(void *arg, int64_t i, int thread) {
    const mix_job *job = arg;
    int64_t j = job->n - 1 - i, floats = (int64_t)job->height * job->width * 3;
    const weld_mix *a = &job->mixes[i], *b = &job->mixes[j];
    (void)thread;
    for (int y = 0; y < job->height; y++) {
        int64_t row = (int64_t)y * job->width * 3;
        for (int x = 0, end; x < job->width; x = end) {
            end = same_until(b, x, same_until(a, x, job->width));
            blend(own_share(a, x, y), own_share(b, x, y), (int64_t)(end - x) * 3,
                  job->images + i * floats + row + (int64_t)x * 3,
                  job->images + j * floats + row + (int64_t)x * 3);
        }
    }
}

void weld_mix_images(const weld_mix *mixes, int64_t n, int height, int width, float *images,
                     int threads) {
    mix_job job = {mixes, n, height, width, images};
    weld_parallel(threads, n / 2, mix_pair, &job);
}

void weld_mix_rows(const weld_mix *mixes, int64_t n, int64_t size, float *rows) {
    for (int64_t i = 0; i < n / 2; i++) {
        int64_t j = n - 1 - i;
        blend(mixes[i].lambda, mixes[j].lambda, size, rows + i * size, rows + j * size);
    }
}
