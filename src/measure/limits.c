/* Measuring what the machine can do; see limits.h. */
#include "measure/limits.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/int8.h"

enum {
    ROUNDS = 1 << 16, /* of multiply-adds between two looks at the clock */
    INT8_ROUNDS = 1 << 12,
    M = 32,
    N = 64,
    K = 256,          /* a product whose matrices fit the first-level cache */
    STREAM = 1 << 25, /* floats of each of two arrays, 128 MB */
    PIECES = 64,
    REPEATS = 5,
    MAX_THREADS = 1024
};

static const double LONG_ENOUGH = 0.01; /* seconds */

/* What one thread does, several at once. */
typedef struct job {
    const weld_kernels *kernels;
    const weld_int8_kernels *int8;
    float *x, *y;            /* STREAM */
    unsigned char *matrices; /* by thread */
    size_t a_bytes, packed_bytes, thread_bytes;
    double rates[MAX_THREADS]; /* operations a second */
} job;

static void multiply_in_registers(void *arg, int64_t item, int thread) {
    (void)thread;
    job *j = arg;
    float sum;
    double flops = 0, seconds, start = weld_clock();
    do {
        flops += j->kernels->multiply_adds(ROUNDS, &sum);
        seconds = weld_clock() - start;
    } while (seconds < LONG_ENOUGH);
    j->rates[item] = flops / seconds;
}

static void multiply_codes(void *arg, int64_t item, int thread) {
    (void)thread;
    job *j = arg;
    int32_t sum;
    double products = 0, seconds, start = weld_clock();
    do {
        products += j->int8->multiply_adds(INT8_ROUNDS, &sum);
        seconds = weld_clock() - start;
    } while (seconds < LONG_ENOUGH);
    j->rates[item] = 2 * products / seconds;
}

static void multiply_matrices(void *arg, int64_t item, int thread) {
    (void)thread;
    job *j = arg;
    unsigned char *a = j->matrices + (size_t)item * j->thread_bytes, *packed = a + j->a_bytes;
    double flops = 0, seconds, start = weld_clock();
    do {
        j->kernels->gemm_packed(M, N, K, a, K, packed, NULL, false, packed + j->packed_bytes, N);
        flops += 2.0 * M * N * K;
        seconds = weld_clock() - start;
    } while (seconds < LONG_ENOUGH);
    j->rates[item] = flops / seconds;
}

static void stream(void *arg, int64_t item, int thread) {
    (void)thread;
    const job *j = arg;
    const int64_t count = STREAM / PIECES;
    j->kernels->scale(count, 0.5, j->x + item * count, j->y + item * count);
}

/* The best of several runs, all threads together. */
static double best_rate(int threads, weld_parallel_body body, job *j) {
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        weld_parallel(threads, threads, body, j);
        double rate = 0;
        for (int k = 0; k < threads; k++) {
            rate += j->rates[k];
        }
        best = rate > best ? rate : best;
    }
    return best;
}

static double bytes_a_second(int threads, job *j) {
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        const double start = weld_clock();
        weld_parallel(threads, PIECES, stream, j);
        const double rate = 2.0 * STREAM * sizeof *j->x / (weld_clock() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static weld_status measure_products(int threads, job *j, double *flops, weld_error *err) {
    const size_t size = weld_dtype_size(j->kernels->dtype);
    const size_t c_bytes = weld_round_up(M * N * size, WELD_ALIGNMENT);
    j->a_bytes = weld_round_up(M * K * size, WELD_ALIGNMENT);
    j->packed_bytes = weld_round_up(j->kernels->packed_size(K, N) * size, WELD_ALIGNMENT);
    j->thread_bytes = j->a_bytes + j->packed_bytes + c_bytes;
    j->matrices = weld_alloc((size_t)threads, j->thread_bytes);
    if (!j->matrices) {
        return weld_fail_memory(err, "limits");
    }
    *flops = best_rate(threads, multiply_matrices, j);
    weld_free(j->matrices);
    return WELD_OK;
}

static weld_status measure_bandwidth(int threads, job *j, double *bandwidth, weld_error *err) {
    j->x = weld_alloc(STREAM, sizeof *j->x);
    j->y = weld_alloc(STREAM, sizeof *j->y);
    if (j->x && j->y) {
        *bandwidth = bytes_a_second(threads, j);
    }
    const bool done = j->x && j->y;
    weld_free(j->x);
    weld_free(j->y);
    return done ? WELD_OK : weld_fail_memory(err, "limits");
}

weld_status weld_limits_measure(int threads, weld_limits *out, weld_error *err) {
    job j = {0};
    weld_error none;
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    *out = (weld_limits){0};
    weld_status status = WELD_OK;
    if (weld_kernels_select(WELD_BF16, NULL, &j.kernels, &none) == WELD_OK) {
        status = measure_products(threads, &j, &out->bf16_flops, err);
    }
    status = status ? status : weld_int8_kernels_select(NULL, &j.int8, err);
    if (!status && j.int8->multiply_adds) {
        out->int8_ops = best_rate(threads, multiply_codes, &j);
    }
    status = status ? status : weld_kernels_select(WELD_F32, NULL, &j.kernels, err);
    status = status ? status : measure_bandwidth(threads, &j, &out->bandwidth, err);
    if (!status && j.kernels->multiply_adds) {
        out->flops = best_rate(threads, multiply_in_registers, &j);
    } else if (!status) {
        status = measure_products(threads, &j, &out->flops, err);
    }
    return status;
}

size_t weld_peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}
