/* Images that are bad for one rank and good for another; see bad_on_all.h. */
#include "data/bad_on_all.h"

#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/image.h"

enum { WHERE_SIZE = 96 };

static bool is_settled(const weld_doubts *d, int64_t index) {
    const int64_t *settled = d->settled.data;
    size_t i = 0;
    while (i < d->settled.count && settled[i] != index) {
        i++;
    }
    return i < d->settled.count;
}

void weld_doubts_note(weld_doubts *d, int rank, int64_t index, const char *reason) {
    weld_doubtful_image image = {.index = index, .rank = rank};
    snprintf(image.reason, sizeof image.reason, "%s", reason);
    d->lost |= !is_settled(d, index) && !weld_array_append(&d->images, &image, 1);
}

bool weld_doubts_any(const weld_doubts *d) {
    return d->images.count > 0 || d->lost;
}

void weld_doubts_free(weld_doubts *d) {
    weld_array_free(&d->images);
    weld_array_free(&d->settled);
}

/* The whole of it, of whose parts samples are made. Short memory says nothing of an image. */
static weld_status look_at(const weld_dataset *ds, int64_t index, weld_reading how,
                           signed char *found, weld_error *err) {
    weld_bytes bytes = {0};
    weld_image image = {0};
    weld_status status = index >= 0 && index < weld_dataset_count(ds)
                             ? weld_dataset_read(ds, index, &bytes, err)
                             : WELD_ERROR_ARGUMENT;
    status = status ? status : weld_dataset_decode(ds, index, &bytes, how, &image, err);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    *found = (signed char)status;
    return status == WELD_ERROR_MEMORY ? status : WELD_OK;
}

/* Rank 0's indices on all; *out is of weld_alloc. */
static weld_status tell_indices(weld_group *g, const weld_array *images, int64_t **out,
                                size_t *count, weld_error *err) {
    const bool leads = weld_group_rank(g) == 0;
    const size_t own = leads ? images->count : 0;
    int64_t *indices = weld_alloc(own, sizeof *indices);
    void *told = NULL;
    size_t bytes = 0;
    if (own && !indices) {
        return weld_group_break(g, weld_fail_memory(err, "bad images"), err);
    }
    for (size_t i = 0; i < own; i++) {
        indices[i] = ((const weld_doubtful_image *)images->data)[i].index;
    }
    const weld_status status =
        weld_group_tell(g, indices, own * sizeof *indices, &told, &bytes, err);
    weld_free(indices);
    *out = told;
    *count = bytes / sizeof **out;
    return status;
}

/* By rank: a byte for each image, the status of looking at it. */
static weld_status look(weld_group *g, const weld_dataset *ds, weld_reading how,
                        const int64_t *indices, size_t count, weld_gathered *all, weld_error *err) {
    signed char *found = weld_alloc(count, 1);
    if (!found) {
        return weld_group_break(g, weld_fail_memory(err, "bad images"), err);
    }
    weld_status status = WELD_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = look_at(ds, indices[i], how, &found[i], err);
    }
    status = weld_group_agree(g, status, err);
    status = status ? status : weld_group_gather(g, found, count, all, err);
    weld_free(found);
    return status;
}

static bool has_found(const weld_gathered *all, int rank, size_t i, weld_status status) {
    return i < all->bytes[rank] && ((const signed char *)all->data[rank])[i] == status;
}

/* By what stands in it. One that could not be read may be there again another time. */
static bool is_bad_for_good(const weld_gathered *all, size_t i) {
    int rank = 0;
    while (rank < all->count && has_found(all, rank, i, WELD_ERROR_FORMAT)) {
        rank++;
    }
    return rank == all->count;
}

static weld_status judge_image(const weld_group *g, const weld_doubtful_image *image, size_t i,
                               const weld_gathered *all, weld_error *err) {
    char met[WHERE_SIZE], where[WHERE_SIZE];
    int user = 0;
    weld_group_say_where(g, image->rank, met, sizeof met);
    if (has_found(all, image->rank, i, WELD_OK)) {
        return weld_fail(err, WELD_ERROR_IO,
                         "%s: %.600s: but now it can be used: has a disk or a server failed for a "
                         "while? results would depend on it: start again (training with --resume)",
                         met, image->reason);
    }
    while (user < all->count && !has_found(all, user, i, WELD_OK)) {
        user++;
    }
    return user == all->count
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_IO,
                           "%s: %.600s: but %s can use it, and results would depend on whose turn "
                           "it is: give all hosts the same data",
                           met, image->reason, weld_group_say_where(g, user, where, sizeof where));
}

static weld_status judge(const weld_group *g, weld_doubts *d, const weld_gathered *all,
                         weld_error *err) {
    for (size_t i = 0; i < d->images.count; i++) {
        const weld_doubtful_image *image = (const weld_doubtful_image *)d->images.data + i;
        WELD_TRY(judge_image(g, image, i, all, err));
        if (is_bad_for_good(all, i) && !weld_array_append(&d->settled, &image->index, 1)) {
            return weld_fail_memory(err, "bad images");
        }
    }
    d->images.count = 0;
    return WELD_OK;
}

weld_status weld_doubts_settle(weld_doubts *d, weld_group *g, const weld_dataset *ds,
                               weld_reading how, weld_error *err) {
    int64_t *indices = NULL;
    size_t count = 0;
    weld_gathered all = {0};
    WELD_TRY(weld_group_agree(g, d->lost ? weld_fail_memory(err, "bad images") : WELD_OK, err));
    WELD_TRY(tell_indices(g, &d->images, &indices, &count, err));
    weld_status status = look(g, ds, how, indices, count, &all, err);
    weld_free(indices);
    WELD_TRY(status);
    status = weld_group_rank(g) == 0 ? judge(g, d, &all, err) : WELD_OK;
    weld_gathered_free(&all);
    return weld_group_agree(g, status, err);
}
