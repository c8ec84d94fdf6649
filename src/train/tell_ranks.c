/* What is told of ranks; see tell_ranks.h. */
#include "train/tell_ranks.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/measure.h"
#include "distributed/shares.h"
#include "graph/plan.h"
#include "train/say.h"
#include "train/tell_expected.h"
#include "train/times.h"

static const double MEASURED_SECONDS = 1;
static const double MOST_DATA_WAIT = 0.05; /* part of an epoch's updates; more is told */

/* Of rank 0's host, as others are mostly like it. */
static void advise_more(const weld_trainer *t) {
    const weld_rank_threads *all = &t->ranks.threads;
    int parts = 1;
    while (all->most / parts > WELD_MOST_CHUNKS) {
        parts *= 2;
    }
    if (parts > 1 && !all->crowded) {
        weld_train_say(t->data.settings,
                       "a rank has %d threads, but %d are all that a step can use: start %d ranks "
                       "on a host",
                       all->most, WELD_MOST_CHUNKS, parts * weld_group_ranks_at(t->ranks.group, 0));
    }
}

void weld_trainer_tell_ranks(const weld_trainer *t) {
    const weld_ranks *r = &t->ranks;
    const weld_kernels *fp32, *bf16;
    char ranks[96];
    if (!r->group || weld_kernels_select(WELD_F32, NULL, &fp32, NULL) ||
        weld_kernels_select(WELD_BF16, NULL, &bf16, NULL)) {
        return;
    }
    weld_train_say(t->data.settings, "%s; kernels %s, bf16 %s; exchange %.3g MB an update",
                   weld_rank_threads_text(r->group, &r->threads, ranks, sizeof ranks), fp32->name,
                   bf16->name, (double)weld_sums_moved(t->sums) / 1e6);
    weld_train_say_lines(t->data.settings, r->threads.advice);
    advise_more(t);
}

/* "rank 2 (node7): batches 5 to 6", a line each, as far as a person would read. */
static void tell_shares(const weld_trainer *t) {
    enum { TOLD = 16 };
    const int ranks = weld_group_size(t->ranks.group);
    char where[96];
    for (int i = 0; i < ranks && i < TOLD; i++) {
        const weld_groups share = weld_share_of(t->data.recipe.train.accumulate, ranks, i);
        weld_group_say_where(t->ranks.group, i, where, sizeof where);
        if (share.count == 1) {
            weld_train_say(t->data.settings, "%s: batch %lld of an update", where,
                           (long long)share.first + 1);
        } else {
            weld_train_say(t->data.settings, "%s: batches %lld to %lld of an update", where,
                           (long long)share.first + 1, (long long)(share.first + share.count));
        }
    }
    if (ranks > TOLD) {
        weld_train_say(t->data.settings, "... and so on, to rank %d", ranks - 1);
    }
}

weld_status weld_trainer_tell_speed(weld_trainer *t, weld_error *err) {
    const weld_ranks *r = &t->ranks;
    weld_group_speed speed;
    double busy = 0;
    if (!r->group) {
        return WELD_OK;
    }
    WELD_TRY(weld_group_measure(r->group, MEASURED_SECONDS, &speed, err));
    if (r->times) {
        const int ranks = weld_group_size(r->group);
        for (int i = 0; i < ranks; i++) {
            busy += r->times[i].seconds / ranks;
        }
        tell_shares(t);
        weld_train_say(
            t->data.settings,
            "ranks: messages take %.3g us, %.3g MB/s; %.0f %% of the exchange was over "
            "when backward passes were; ranks computed for %.0f %% of the time of updates",
            1e6 * speed.latency, speed.bandwidth / 1e6, 100 * weld_sums_hidden(t->sums),
            100 * busy / fmax(t->clock.run_seconds, 1e-9));
        weld_trainer_tell_expected(t, &speed);
    }
    return WELD_OK;
}

void weld_trainer_rate_ranks(weld_trainer *t, weld_epoch_metrics *row) {
    weld_rank_time *times = t->ranks.times;
    const int ranks = times ? weld_group_size(t->ranks.group) : 0;
    const double now = weld_clock();
    row->ranks = ranks;
    row->ranks_seconds = now - t->ranks.began;
    t->ranks.began = now;
    for (int i = 0; i < ranks; i++) {
        row->ranks_wait_seconds += (times[i].waited - times[i].before) / ranks;
        row->slowest_rank =
            times[i].seconds > times[row->slowest_rank].seconds ? i : row->slowest_rank;
    }
    for (int i = 0; i < ranks; i++) {
        times[i] = (weld_rank_time){.waited = times[i].waited, .before = times[i].waited};
    }
}

/* Once in a run, of this rank's own batches. */
static void advise_copy(weld_trainer *t, const weld_train_times *times) {
    weld_times_part parts[WELD_TIMES_MAX];
    double all = 0;
    for (int i = weld_times_parts(times, parts) - 1; i >= 0; i--) {
        all += parts[i].seconds;
    }
    if (times->wait > MOST_DATA_WAIT * all && !t->ranks.advised_copy) {
        t->ranks.advised_copy = true;
        weld_train_say(t->data.settings,
                       "ranks: stood still for data for %.1f %% of the time: where the images are "
                       "on a shared file system, copy them (best packed) to a disk of each host, "
                       "at one path",
                       100 * times->wait / all);
    }
}

void weld_trainer_tell_waiting(weld_trainer *t, const weld_epoch_metrics *row) {
    char where[96];
    if (row->ranks) {
        weld_train_say(
            t->data.settings, "ranks: waiting for others %.1f %% (slowest: %s)",
            fmin(100 * row->ranks_wait_seconds / fmax(row->ranks_seconds, 1e-9), 100),
            weld_group_say_where(t->ranks.group, row->slowest_rank, where, sizeof where));
        advise_copy(t, &row->times);
    }
}
