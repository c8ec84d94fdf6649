/* An exchange of gradients that are known, for tests: every rank checks that the means are those of
 * the tree's definition, to the bit. */
#ifndef WELD_TESTS_EXCHANGE_JOB_H
#define WELD_TESTS_EXCHANGE_JOB_H

#include <signal.h>

#include "base/memory.h"
#include "distributed/exchange.h"
#include "expect.h"
#include "kernels/kernels.h"

enum { GRADIENTS = 5, UPDATES = 3, PLANS = 2 };

/* Elements; the third is frozen, the last is longer than a bucket where `large`. */
static int64_t count_of(int gradient, bool large) {
    static const int64_t counts[GRADIENTS] = {7, 300, 11, 2000, 16};
    return gradient == 3 && large ? 1500000 : counts[gradient];
}

/* The value of an element in a group of an update: of several sizes, so that order tells. */
static float value(int64_t update, int64_t group, int gradient, int64_t element) {
    uint32_t h = (uint32_t)(update * 7919 + group * 104729 + gradient * 1299709 + element);
    h ^= h >> 15;
    h *= 0x2c1b3c6du;
    h ^= h >> 12;
    h *= 0x297a2d39u;
    h ^= h >> 15;
    return ((float)(h % 20001) - 10000) * (h >> 20 & 1 ? 1e-3f : 1);
}

/* The definition, as it stands in tree.h. */
static float sum_of(int64_t update, int64_t first, int64_t n, int gradient, int64_t element) {
    if (n == 1) {
        return value(update, first, gradient, element);
    }
    int64_t p = 1;
    while (2 * p < n) {
        p *= 2;
    }
    return sum_of(update, first, p, gradient, element) +
           sum_of(update, first + p, n - p, gradient, element);
}

typedef struct job {
    int64_t groups;
    const weld_groups *shares; /* NULL: even */
    bool large;
    int fail_rank; /* has no group in the second update; -1: none */
    int die_rank;  /* amid the second update; -1: none */
    size_t odd;    /* elements more that rank 1 has of one gradient */
} job;

static void fill_group(weld_tensor *t, const job *j, int64_t update, int64_t group) {
    for (int i = 0; i < GRADIENTS; i++) {
        float *data = t[i].data;
        for (int64_t e = 0; data && e < count_of(i, j->large); e++) {
            data[e] = value(update, group, i, e);
        }
    }
}

static void expect_means(const weld_tensor *means, const job *j, int64_t update) {
    for (int i = 0; i < GRADIENTS; i++) {
        const float *data = means[i].data;
        EXPECT((data == NULL) == (i == 2));
        const int64_t step = j->large ? 997 : 1;
        for (int64_t e = 0; data && e < count_of(i, j->large); e += step) {
            const float sum = sum_of(update, 0, j->groups, i, e);
            const float mean = (float)(sum * (1.0 / (double)j->groups));
            EXPECT(!memcmp(&data[e], &mean, sizeof mean));
        }
    }
}

static weld_groups share_of(const job *j, const weld_group *g) {
    const int rank = weld_group_rank(g);
    return j->shares ? j->shares[rank] : weld_share_of(j->groups, weld_group_size(g), rank);
}

/* Steps after which gradients are ready, of two plans. */
static const size_t ready_first[GRADIENTS] = {40, 3, 0, 8, 8},
                    ready_second[GRADIENTS] = {1, 9, 0, 2, 5};

static weld_status create(weld_group *g, const job *j, weld_tensor *gradients, weld_exchange **x,
                          weld_error *err) {
    static const size_t *const ready[PLANS] = {ready_first, ready_second};
    for (int i = 0; i < GRADIENTS; i++) {
        int64_t count = count_of(i, j->large);
        count += i == 1 && weld_group_rank(g) == 1 ? (int64_t)j->odd : 0;
        gradients[i] = (weld_tensor){.dtype = WELD_F32, .shape = WELD_SHAPE(count)};
        gradients[i].data = i == 2 ? NULL : weld_alloc((size_t)count, sizeof(float));
    }
    const weld_exchange_options options = {.groups = j->groups,
                                           .shares = j->shares,
                                           .gradients = gradients,
                                           .count = GRADIENTS,
                                           .plans = PLANS,
                                           .ready = ready,
                                           .kernels = weld_kernels_ref_f32(),
                                           .threads = 2};
    return weld_exchange_create(g, &options, x, err);
}

static void end(weld_exchange *x, weld_tensor *gradients) {
    weld_exchange_free(x);
    for (int i = 0; i < GRADIENTS; i++) {
        weld_free(gradients[i].data);
    }
}

/* A rank's part of an update. */
static void compute(weld_group *g, weld_exchange *x, const job *j, weld_tensor *gradients,
                    int64_t update) {
    const weld_groups share = share_of(j, g);
    weld_exchange_begin(x, update);
    for (int64_t i = share.first; i < share.first + share.count; i++) {
        if (update == 1 && weld_group_rank(g) == j->fail_rank) {
            return;
        }
        weld_exchange_add(x, i, (int)((update + i) % PLANS), gradients);
        fill_group(gradients, j, update, i);
        for (size_t step = 0; (update + i) % 3 != 0 && step <= 40; step++) {
            weld_exchange_ready(x, step);
            if (step == 8 && update == 1 && weld_group_rank(g) == j->die_rank) {
                raise(SIGKILL);
            }
        }
    }
}

static void exchange_all(weld_group *g, void *context) {
    const job *j = context;
    weld_tensor gradients[GRADIENTS];
    const weld_tensor *means;
    weld_exchange *x = NULL;
    weld_error err = {0};
    EXPECT(!create(g, j, gradients, &x, &err));
    for (int64_t update = 0; update < UPDATES; update++) {
        compute(g, x, j, gradients, update);
        EXPECT(!weld_exchange_finish(x, &means, &err));
        if (update != 1 || j->fail_rank < 0) {
            expect_means(means, j, update);
        }
    }
    const weld_exchange_facts facts = weld_exchange_facts_of(x);
    EXPECT(!g || (facts.all > 0 && facts.early <= facts.all));
    EXPECT(!j->large || !g || weld_exchange_load_of(x).buckets == 3);
    end(x, gradients);
}

static const job plain = {.fail_rank = -1, .die_rank = -1};

#endif
