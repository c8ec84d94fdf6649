/* Mixing a batch; see mix.h. */
#include "data/mix.h"

#include "base/threads.h"

double weld_mix_draw(const weld_augmentation *a, uint64_t seed, uint32_t epoch, int64_t step) {
    weld_random random = weld_random_start(seed, epoch, (uint64_t)step, WELD_RANDOM_MIX);
    if (a->mixup <= 0 || weld_random_uniform(&random) >= a->mix_probability) {
        return 1.0;
    }
    return weld_random_beta(&random, a->mixup, a->mixup);
}

typedef struct mix_job {
    float lambda;
    int64_t n, size;
    float *rows;
} mix_job;

static void mix_pair(void *arg, int64_t i, int thread) {
    const mix_job *job = arg;
    float own = job->lambda, other = 1.0f - job->lambda;
    float *restrict a = job->rows + i * job->size;
    float *restrict b = job->rows + (job->n - 1 - i) * job->size;
    (void)thread;
    for (int64_t k = 0; k < job->size; k++) {
        float x = a[k], y = b[k];
        a[k] = own * x + other * y;
        b[k] = own * y + other * x;
    }
}

void weld_mix_rows(double lambda, int64_t n, int64_t size, float *rows, int threads) {
    mix_job job = {(float)lambda, n, size, rows};
    if (lambda < 1.0) {
        weld_parallel(threads, n / 2, mix_pair, &job);
    }
}
