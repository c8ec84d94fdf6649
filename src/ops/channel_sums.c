/* Sums over rows; see channel_sums.h. */
#include "ops/channel_sums.h"

enum { CHUNK_ELEMENTS = 256 * 1024, MIN_CHUNKS = 8, GRAIN = 16 };

weld_split weld_channel_chunks(const weld_tensor *x) {
    return weld_split_make(weld_rows(x), CHUNK_ELEMENTS / weld_channels(x), MIN_CHUNKS, GRAIN);
}

size_t weld_channel_sums_bytes(const weld_tensor *dy) {
    return (size_t)(weld_channel_chunks(dy).count * 2 * weld_channels(dy)) * sizeof(double);
}

size_t weld_channel_workspace(const weld_tensor *dy, int vectors) {
    size_t vector = (size_t)weld_channels(dy) * weld_dtype_size(weld_parameter_dtype(dy->dtype));
    return weld_round_up(weld_channel_sums_bytes(dy), WELD_ALIGNMENT) +
           (size_t)vectors * weld_round_up(vector, WELD_ALIGNMENT);
}

void *weld_channel_vector(const weld_run *run, const weld_tensor *dy, int i) {
    return (char *)run->workspace + weld_channel_workspace(dy, i);
}

static void chunk(void *arg, int64_t i, int thread) {
    (void)thread;
    const weld_channel_sums *s = arg;
    weld_split chunks = weld_channel_chunks(s->dy);
    int64_t c = weld_channels(s->dy), begin = weld_split_begin(chunks, i);
    int64_t rows = weld_split_begin(chunks, i + 1) - begin;
    double *sum_dy = s->sums + i * 2 * c;
    if (s->x) {
        s->run->kernels->channel_dot(rows, c, weld_at(s->dy, begin * c), weld_at(s->x, begin * c),
                                     s->center, sum_dy, sum_dy + c);
    } else {
        s->run->kernels->channel_sum(rows, c, weld_at(s->dy, begin * c), sum_dy);
    }
}

void weld_channel_sums_run(weld_channel_sums *s) {
    weld_parallel(s->run->threads, weld_channel_chunks(s->dy).count, chunk, s);
}

static void chunk_moments(void *arg, int64_t i, int thread) {
    (void)thread;
    const weld_channel_sums *s = arg;
    weld_split chunks = weld_channel_chunks(s->dy);
    int64_t c = weld_channels(s->dy), begin = weld_split_begin(chunks, i);
    double *mean = s->sums + i * 2 * c;
    s->run->kernels->moments(weld_split_begin(chunks, i + 1) - begin, c, weld_at(s->dy, begin * c),
                             mean, mean + c);
}

void weld_channel_moments_run(weld_channel_sums *s) {
    weld_parallel(s->run->threads, weld_channel_chunks(s->dy).count, chunk_moments, s);
}

static double add_chunks(const weld_channel_sums *s, int64_t j) {
    int64_t chunks = weld_channel_chunks(s->dy).count;
    double sum = 0;
    for (int64_t i = 0; i < chunks; i++) {
        sum += s->sums[i * 2 * weld_channels(s->dy) + j];
    }
    return sum;
}

double weld_channel_sums_dy(const weld_channel_sums *s, int64_t j) {
    return add_chunks(s, j);
}

double weld_channel_sums_dy_x(const weld_channel_sums *s, int64_t j) {
    return add_chunks(s, weld_channels(s->dy) + j);
}
