/* Sampling groups of uneven size; see sampling.h. */
#include "data/sampling.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

struct weld_sampling {
    int groups;
    int64_t count;
    int64_t *begin;   /* [groups + 1] in `members` */
    int64_t *members; /* samples by group, in the data set's order */
    int64_t *drawn;   /* room for the members of one group */
    double *until;    /* [groups]: shares of this group and all before it */
};

void weld_group_shares(weld_balance balance, const int64_t *counts, int groups, double *shares) {
    double sum = 0;
    for (int c = 0; c < groups; c++) {
        double n = (double)counts[c];
        shares[c] = n <= 0                         ? 0
                    : balance == WELD_BALANCE_NONE ? n
                    : balance == WELD_BALANCE_FULL ? 1
                                                   : sqrt(n);
        sum += shares[c];
    }
    for (int c = 0; c < groups; c++) {
        shares[c] /= sum;
    }
}

weld_status weld_count_groups(const weld_dataset *ds, const weld_annotation *annotation,
                              int64_t **counts, weld_error *err) {
    int64_t count = weld_dataset_count(ds);
    *counts = weld_alloc((size_t)annotation->group_count(ds), sizeof **counts);
    if (!*counts) {
        return weld_fail_memory(err, "classes");
    }
    for (int64_t i = 0; i < count; i++) {
        (*counts)[annotation->group(ds, i)]++;
    }
    return WELD_OK;
}

static void sort_by_group(weld_sampling *s, const weld_dataset *ds,
                          const weld_annotation *annotation, const int64_t *counts) {
    for (int c = 0; c < s->groups; c++) {
        s->begin[c + 1] = s->begin[c] + counts[c];
    }
    for (int64_t i = 0; i < s->count; i++) {
        s->members[s->begin[annotation->group(ds, i)]++] = i;
    }
    for (int c = s->groups; c > 0; c--) { /* each has moved on to where the next one begins */
        s->begin[c] = s->begin[c - 1];
    }
    s->begin[0] = 0;
}

static weld_status fill(weld_sampling *s, const weld_dataset *ds, const weld_annotation *annotation,
                        weld_balance balance, weld_error *err) {
    int64_t *counts, largest = 0;
    double sum = 0;
    weld_status status = weld_count_groups(ds, annotation, &counts, err);
    if (status) {
        return status;
    }
    for (int c = 0; c < s->groups; c++) {
        largest = counts[c] > largest ? counts[c] : largest;
    }
    s->begin = weld_alloc((size_t)s->groups + 1, sizeof *s->begin);
    s->members = weld_alloc_raw((size_t)s->count, sizeof *s->members);
    s->drawn = weld_alloc_raw((size_t)largest, sizeof *s->drawn);
    s->until = weld_alloc((size_t)s->groups, sizeof *s->until);
    if (!s->begin || !s->members || !s->drawn || !s->until) {
        status = weld_fail_memory(err, "sampling");
    } else {
        sort_by_group(s, ds, annotation, counts);
        weld_group_shares(balance, counts, s->groups, s->until);
        for (int c = 0; c < s->groups; c++) {
            sum += s->until[c];
            s->until[c] = sum;
        }
    }
    weld_free(counts);
    return status;
}

weld_status weld_sampling_create(const weld_dataset *ds, const weld_annotation *annotation,
                                 weld_balance balance, weld_sampling **out, weld_error *err) {
    *out = NULL;
    if (!annotation || !annotation->group) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: its images belong to no classes that could be sampled alike",
                         weld_dataset_path(ds));
    }
    weld_sampling *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, "sampling");
    }
    *s = (weld_sampling){.groups = annotation->group_count(ds), .count = weld_dataset_count(ds)};
    weld_status status = fill(s, ds, annotation, balance, err);
    if (status) {
        weld_sampling_free(s);
        return status;
    }
    *out = s;
    return WELD_OK;
}

void weld_sampling_free(weld_sampling *s) {
    if (s) {
        weld_free(s->begin);
        weld_free(s->members);
        weld_free(s->drawn);
        weld_free(s->until);
        weld_free(s);
    }
}

static int64_t entry(int64_t index, int64_t time) {
    return (int64_t)((uint64_t)index | (uint64_t)time << 48);
}

/* `places` entries of group c. */
static void draw_group(weld_sampling *s, int c, int64_t places, weld_random *random,
                       int64_t *entries) {
    const int64_t *members = s->members + s->begin[c];
    int64_t count = s->begin[c + 1] - s->begin[c], time = 0;
    for (; places >= count && count > 0; places -= count, time++) {
        for (int64_t i = 0; i < count; i++) {
            *entries++ = entry(members[i], time);
        }
    }
    if (places == 0) {
        return;
    }
    memcpy(s->drawn, members, (size_t)count * sizeof *members);
    for (int64_t i = 0; i < places; i++) { /* the beginning of a Fisher-Yates shuffle */
        int64_t other = i + (int64_t)weld_random_below(random, (uint64_t)(count - i));
        int64_t chosen = s->drawn[other];
        s->drawn[other] = s->drawn[i];
        *entries++ = entry(chosen, time);
    }
}

void weld_sampling_draw(weld_sampling *s, uint64_t seed, uint32_t epoch, int64_t *entries) {
    weld_random random = weld_random_start(seed, epoch, 0, WELD_RANDOM_SAMPLING);
    /* Systematic sampling: one draw rounds all numbers of places, so that they sum to the count and
     * each is right on the average. */
    double offset = weld_random_uniform(&random);
    int last = s->groups - 1;
    while (last > 0 && s->begin[last] == s->begin[last + 1]) {
        last--;
    }
    int64_t done = 0;
    for (int c = 0; c <= last; c++) {
        int64_t until = c == last ? s->count /* whatever the sum of the shares was rounded to */
                                  : (int64_t)floor((double)s->count * s->until[c] + offset);
        until = until > s->count ? s->count : until;
        if (s->begin[c] < s->begin[c + 1]) {
            draw_group(s, c, until - done, &random, entries + done);
            done = until;
        }
    }
    weld_random_shuffle(&random, entries, s->count);
}
