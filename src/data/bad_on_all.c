/* Images that are bad for one rank and good for another; see bad_on_all.h. */
#include "data/bad_on_all.h"

#include "base/error.h"
#include "base/memory.h"
#include "images/image.h"

enum { WHERE_SIZE = 96 };

/* The whole of it, of whose parts samples are made. Short memory says nothing of an image. */
static weld_status look_at(const weld_dataset *ds, int64_t index, weld_reading how,
                           unsigned char *usable, weld_error *err) {
    weld_bytes bytes = {0};
    weld_image image = {0};
    weld_status status = index >= 0 && index < weld_dataset_count(ds)
                             ? weld_dataset_read(ds, index, &bytes, err)
                             : WELD_ERROR_ARGUMENT;
    status = status ? status : weld_dataset_decode(ds, index, &bytes, how, &image, err);
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    *usable = !status;
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

/* By rank: a byte for each image, whether it can use it. */
static weld_status look(weld_group *g, const weld_dataset *ds, weld_reading how,
                        const int64_t *indices, size_t count, weld_gathered *all, weld_error *err) {
    unsigned char *usable = weld_alloc(count, 1);
    if (!usable) {
        return weld_group_break(g, weld_fail_memory(err, "bad images"), err);
    }
    weld_status status = WELD_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = look_at(ds, indices[i], how, &usable[i], err);
    }
    status = weld_group_agree(g, status, err);
    status = status ? status : weld_group_gather(g, usable, count, all, err);
    weld_free(usable);
    return status;
}

static bool can_use(const weld_gathered *all, int rank, size_t i) {
    return i < all->bytes[rank] && ((const unsigned char *)all->data[rank])[i];
}

static weld_status judge_image(const weld_group *g, const weld_doubtful_image *image, size_t i,
                               const weld_gathered *all, weld_error *err) {
    char met[WHERE_SIZE], where[WHERE_SIZE];
    int user = 0;
    weld_group_say_where(g, image->rank, met, sizeof met);
    if (can_use(all, image->rank, i)) {
        return weld_fail(err, WELD_ERROR_IO,
                         "%s: %.600s: but now it can be used: has a disk or a server failed for a "
                         "while? results would depend on it: start again (training with --resume)",
                         met, image->reason);
    }
    while (user < all->count && !can_use(all, user, i)) {
        user++;
    }
    return user == all->count
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_IO,
                           "%s: %.600s: but %s can use it, and results would depend on whose turn "
                           "it is: give all hosts the same data",
                           met, image->reason, weld_group_say_where(g, user, where, sizeof where));
}

static weld_status judge(const weld_group *g, const weld_array *images, const weld_gathered *all,
                         weld_error *err) {
    for (size_t i = 0; i < images->count; i++) {
        const weld_doubtful_image *image = (const weld_doubtful_image *)images->data + i;
        WELD_TRY(judge_image(g, image, i, all, err));
    }
    return WELD_OK;
}

weld_status weld_bad_on_all(weld_group *g, const weld_dataset *ds, weld_reading how,
                            const weld_array *images, weld_error *err) {
    int64_t *indices = NULL;
    size_t count = 0;
    weld_gathered all = {0};
    WELD_TRY(tell_indices(g, images, &indices, &count, err));
    if (count == 0) {
        weld_free(indices);
        return WELD_OK;
    }
    weld_status status = look(g, ds, how, indices, count, &all, err);
    weld_free(indices);
    WELD_TRY(status);
    status = weld_group_rank(g) == 0 ? judge(g, images, &all, err) : WELD_OK;
    weld_gathered_free(&all);
    return weld_group_agree(g, status, err);
}
