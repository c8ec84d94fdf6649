/* Named tensors: a list in order of insertion with a table of the names. */
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/names.h"
#include "graph/graph.h"

typedef struct entry {
    char *name;
    weld_tensor tensor;
    bool reserved; /* its data lie in the piece */
} entry;

struct weld_weights {
    entry *entries;
    size_t count, capacity;
    unsigned char *piece; /* that was reserved, or given with tensors in it; NULL: none */
    size_t piece_left;    /* bytes at its end that are free */
    size_t piece_bytes;
    weld_names names;        /* of entries */
    weld_prepared *prepared; /* NULL until a session asks */
    pthread_mutex_t lock;    /* of `prepared`: sessions may be made in several threads */
};

weld_status weld_weights_create(weld_weights **out, weld_error *err) {
    *out = weld_alloc(1, sizeof **out);
    if (!*out) {
        return weld_fail_memory(err, "weights");
    }
    pthread_mutex_init(&(*out)->lock, NULL);
    return WELD_OK;
}

weld_status weld_weights_prepared(weld_weights *w, weld_prepared **out, weld_error *err) {
    weld_status status = WELD_OK;
    *out = NULL;
    pthread_mutex_lock(&w->lock);
    if (!w->prepared) {
        status = weld_prepared_create(&w->prepared, err);
    }
    if (!status) {
        *out = weld_prepared_retain(w->prepared);
    }
    pthread_mutex_unlock(&w->lock);
    return status;
}

void weld_weights_changed(weld_weights *w) {
    pthread_mutex_lock(&w->lock);
    weld_prepared_release(w->prepared);
    w->prepared = NULL;
    pthread_mutex_unlock(&w->lock);
}

void weld_weights_free(weld_weights *w) {
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        weld_free(w->entries[i].name);
        if (!w->entries[i].reserved) {
            weld_free(w->entries[i].tensor.data);
        }
    }
    weld_free(w->piece);
    weld_free(w->entries);
    weld_names_free(&w->names);
    weld_prepared_release(w->prepared);
    pthread_mutex_destroy(&w->lock);
    weld_free(w);
}

static bool make_room(weld_weights *w) {
    if (w->count == w->capacity) {
        const size_t capacity = w->capacity ? 2 * w->capacity : 64;
        entry *entries = weld_grow(w->entries, w->count, capacity, sizeof *entries);
        if (!entries) {
            return false;
        }
        w->entries = entries;
        w->capacity = capacity;
    }
    return weld_names_make_room(&w->names);
}

weld_status weld_weights_reserve(weld_weights *w, size_t bytes, weld_error *err) {
    if (!w->piece && bytes) {
        w->piece = weld_alloc_raw(bytes, 1);
        if (!w->piece) {
            return weld_fail_memory(err, "weights");
        }
        w->piece_bytes = w->piece_left = bytes;
    }
    return WELD_OK;
}

/* Zeros for a tensor; *reserved: from the piece. */
static void *take_memory(weld_weights *w, size_t count, size_t size, bool *reserved) {
    size_t bytes;
    *reserved = weld_mul_size(count, size, &bytes) && bytes <= SIZE_MAX - WELD_ALIGNMENT &&
                weld_round_up(bytes, WELD_ALIGNMENT) <= w->piece_left;
    if (!*reserved) {
        return weld_alloc(count, size);
    }
    void *data = w->piece + (w->piece_bytes - w->piece_left);
    w->piece_left -= weld_round_up(bytes, WELD_ALIGNMENT);
    memset(data, 0, bytes);
    return data;
}

void weld_weights_own(weld_weights *w, void *memory) {
    w->piece = memory;
}

/* data NULL: memory of zeros is found for it. */
static weld_status add(weld_weights *w, const char *name, weld_dtype dtype, const weld_shape *shape,
                       void *data, weld_tensor *out, weld_error *err) {
    int64_t count = weld_shape_count(shape);
    if (count < 0) {
        return weld_fail(err, WELD_ERROR_SHAPE, "tensor %s: the shape is too large", name);
    }
    if (weld_weights_find(w, name, NULL)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "tensor %s: the name is used twice", name);
    }
    entry added = {
        .name = weld_strdup(name), .tensor = {dtype, *shape, data}, .reserved = data != NULL};
    if (!data) {
        added.tensor.data = take_memory(w, (size_t)count, weld_dtype_size(dtype), &added.reserved);
    }
    if (!added.name || !added.tensor.data || !make_room(w)) {
        weld_free(added.name);
        weld_free(added.reserved ? NULL : added.tensor.data);
        return weld_fail_memory(err, name);
    }
    w->entries[w->count] = added;
    weld_names_put(&w->names, added.name, w->count);
    w->count++;
    if (out) {
        *out = added.tensor;
    }
    return WELD_OK;
}

weld_status weld_weights_add(weld_weights *w, const char *name, weld_dtype dtype,
                             const weld_shape *shape, weld_tensor *out, weld_error *err) {
    return add(w, name, dtype, shape, NULL, out, err);
}

weld_status weld_weights_place(weld_weights *w, const char *name, weld_dtype dtype,
                               const weld_shape *shape, void *data, weld_error *err) {
    return add(w, name, dtype, shape, data, NULL, err);
}

size_t weld_weights_count(const weld_weights *w) {
    return w->count;
}

const char *weld_weights_name(const weld_weights *w, size_t i) {
    return w->entries[i].name;
}

weld_tensor weld_weights_tensor(const weld_weights *w, size_t i) {
    return w->entries[i].tensor;
}

bool weld_weights_find(const weld_weights *w, const char *name, weld_tensor *out) {
    const size_t at = weld_names_find(&w->names, name);
    if (at != SIZE_MAX && out) {
        *out = w->entries[at].tensor;
    }
    return at != SIZE_MAX;
}

weld_status weld_weights_clone(const weld_weights *w, weld_weights **out, weld_error *err) {
    weld_weights *copy = NULL;
    weld_status status = weld_weights_create(&copy, err);
    size_t bytes = 0;
    for (size_t i = 0; i < w->count; i++) {
        const weld_tensor *t = &w->entries[i].tensor;
        bytes += weld_round_up(weld_tensor_bytes(t), WELD_ALIGNMENT);
    }
    status = status ? status : weld_weights_reserve(copy, bytes, err);
    for (size_t i = 0; !status && i < w->count; i++) {
        const weld_tensor *from = &w->entries[i].tensor;
        weld_tensor to;
        status = weld_weights_add(copy, w->entries[i].name, from->dtype, &from->shape, &to, err);
        if (!status) {
            memcpy(to.data, from->data, weld_tensor_bytes(from));
        }
    }
    if (status) {
        weld_weights_free(copy);
        copy = NULL;
    }
    *out = copy;
    return status;
}
