/* Tensors of PyTorch checkpoints; see pth_tensor.h.
 *
 * They are pickled as calls (https://github.com/pytorch/pytorch, torch/_utils.py):
 *     torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks)
 *     torch._utils._rebuild_parameter(tensor, requires_grad, hooks)
 * where storage is the persistent id ("storage", torch.FloatStorage, key, location, elements).
 */
#include "formats/pth_tensor.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { CHUNK = 64 << 10, TEXT = 160 };

static const struct {
    const char *class;
    weld_element element;
} storages[] = {
    {"FloatStorage", WELD_ELEMENT_F32},     {"HalfStorage", WELD_ELEMENT_F16},
    {"BFloat16Storage", WELD_ELEMENT_BF16}, {"DoubleStorage", WELD_ELEMENT_F64},
    {"LongStorage", WELD_ELEMENT_I64},      {"IntStorage", WELD_ELEMENT_I32},
    {"ShortStorage", WELD_ELEMENT_I16},     {"CharStorage", WELD_ELEMENT_I8},
    {"ByteStorage", WELD_ELEMENT_U8},       {"BoolStorage", WELD_ELEMENT_BOOL},
};

/* --- What the pickle says. -------------------------------------------------------------------- */

static bool is_call(const weld_pickle *p, weld_pickle_ref v, const char *module,
                    const char *function) {
    return weld_pickle_global_is(p, weld_pickle_class(p, v), module, function);
}

/* All functions that rebuild tensors have such names, those of kinds that are not read too. */
bool weld_pth_is_tensor(const weld_pickle *p, weld_pickle_ref v) {
    static const char begin[] = "_rebuild_";
    size_t length;
    weld_pickle_ref class = weld_pickle_class(p, v);
    const char *name = weld_pickle_text(p, weld_pickle_global_name(p, class), &length);
    if (length < sizeof begin || memcmp(name, begin, sizeof begin - 1) != 0) {
        return false;
    }
    const char *module = weld_pickle_text(p, weld_pickle_global_module(p, class), &length);
    return length > 5 && memcmp(module, "torch", 5) == 0;
}

static size_t append_text(const weld_pickle *p, weld_pickle_ref v, char *text, size_t used,
                          size_t size) {
    size_t length;
    const char *from = weld_pickle_text(p, v, &length);
    for (size_t i = 0; i < length && used + 1 < size; i++) {
        text[used++] = (unsigned char)from[i] < ' ' || from[i] == 127 ? '?' : from[i];
    }
    text[used] = '\0';
    return used;
}

const char *weld_pth_text(const weld_pickle *p, weld_pickle_ref v, char *text, size_t size) {
    switch (weld_pickle_kind_of(p, v)) {
    case WELD_PICKLE_TEXT:
        append_text(p, v, text, 0, size);
        break;
    case WELD_PICKLE_INT:
        snprintf(text, size, "%lld", (long long)weld_pickle_int(p, v));
        break;
    case WELD_PICKLE_GLOBAL: {
        size_t used = append_text(p, weld_pickle_global_module(p, v), text, 0, size - 1);
        text[used++] = '.';
        append_text(p, weld_pickle_global_name(p, v), text, used, size);
        break;
    }
    default:
        snprintf(text, size, "?");
    }
    return text;
}

/* --- From there to a place. ------------------------------------------------------------------- */

typedef struct search {
    const weld_zip *a;
    const weld_pickle *p;
    weld_pickle_ref name;
    weld_error *err;
} search;

static weld_status fail(const search *s, const char *reason) {
    char name[TEXT];
    return weld_fail(s->err, WELD_ERROR_FORMAT, "%s: tensor %s: %s", weld_zip_path(s->a),
                     weld_pth_text(s->p, s->name, name, sizeof name), reason);
}

static weld_status fail_kind(const search *s, weld_pickle_ref what) {
    char reason[TEXT + 80], text[TEXT];
    snprintf(reason, sizeof reason, "is made by %s, which is not supported: save it as float32",
             weld_pth_text(s->p, what, text, sizeof text));
    return fail(s, reason);
}

/* A tuple of sizes or strides: a plain one, or torch.Size of one. */
static bool take_sizes(const weld_pickle *p, weld_pickle_ref v, size_t expected, int64_t *out,
                       size_t *count) {
    if (is_call(p, v, "torch", "Size")) {
        v = weld_pickle_tuple_at(p, weld_pickle_arguments(p, v), 0);
    }
    *count = weld_pickle_tuple_size(p, v);
    if (weld_pickle_kind_of(p, v) != WELD_PICKLE_TUPLE || *count > expected) {
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        weld_pickle_ref size = weld_pickle_tuple_at(p, v, i);
        out[i] = weld_pickle_int(p, size);
        if (weld_pickle_kind_of(p, size) != WELD_PICKLE_INT || out[i] < 0) {
            return false;
        }
    }
    return true;
}

/* The type and the entry of a storage, whose size must be what the pickle says. */
static weld_status find_storage(const search *s, weld_pickle_ref v, weld_pth_place *out) {
    weld_pickle_ref id = weld_pickle_id(s->p, v), class = weld_pickle_tuple_at(s->p, id, 1);
    char key[TEXT], name[TEXT + 8];
    if (!weld_pickle_text_is(s->p, weld_pickle_tuple_at(s->p, id, 0), "storage") ||
        weld_pickle_kind_of(s->p, class) != WELD_PICKLE_GLOBAL) {
        return fail(s, "has no storage: the file is damaged");
    }
    size_t kind = 0, kinds = sizeof storages / sizeof *storages;
    while (kind < kinds && !weld_pickle_global_is(s->p, class, "torch", storages[kind].class)) {
        kind++;
    }
    if (kind == kinds) {
        return fail_kind(s, class);
    }
    out->element = storages[kind].element;
    weld_pth_text(s->p, weld_pickle_tuple_at(s->p, id, 2), key, sizeof key);
    snprintf(name, sizeof name, "data/%s", key);
    WELD_TRY(weld_zip_find(s->a, name, &out->storage, s->err));
    weld_pickle_ref elements = weld_pickle_tuple_at(s->p, id, 4);
    uint64_t held = out->storage.bytes / weld_element_size(out->element);
    if (weld_pickle_kind_of(s->p, elements) != WELD_PICKLE_INT ||
        (uint64_t)weld_pickle_int(s->p, elements) != held) {
        return fail(s, "its storage has not the size that it should: the file is damaged");
    }
    return WELD_OK;
}

/* Fills in count, extent and contiguous; false where they do not fit into 64 bits. */
static bool measure(weld_pth_place *t) {
    int64_t count = weld_shape_count(&t->shape);
    uint64_t expected = 1, last = 0, reach;
    t->contiguous = true;
    for (int i = t->shape.rank - 1; i >= 0 && count > 0; i--) {
        uint64_t dim = (uint64_t)t->shape.dim[i];
        if (__builtin_mul_overflow(dim - 1, t->stride[i], &reach) ||
            __builtin_add_overflow(last, reach, &last)) {
            return false;
        }
        t->contiguous = t->contiguous && (dim == 1 || t->stride[i] == expected);
        expected *= dim;
    }
    t->count = (size_t)count;
    t->extent = count > 0 ? last + 1 : 0;
    return count >= 0 && t->extent >= last;
}

static weld_status find_view(const search *s, weld_pickle_ref arguments, weld_pth_place *out) {
    int64_t stride[WELD_MAX_DIMS];
    size_t rank, strides;
    weld_pickle_ref offset = weld_pickle_tuple_at(s->p, arguments, 1);
    if (!take_sizes(s->p, weld_pickle_tuple_at(s->p, arguments, 2), WELD_MAX_DIMS, out->shape.dim,
                    &rank) ||
        !take_sizes(s->p, weld_pickle_tuple_at(s->p, arguments, 3), WELD_MAX_DIMS, stride,
                    &strides) ||
        rank != strides || weld_pickle_kind_of(s->p, offset) != WELD_PICKLE_INT ||
        weld_pickle_int(s->p, offset) < 0) {
        return fail(s, "its shape, strides or offset are none, or it has more than 6 dimensions: "
                       "the file is damaged or of no such network");
    }
    out->shape.rank = (int)rank;
    out->offset = (uint64_t)weld_pickle_int(s->p, offset);
    for (size_t i = 0; i < rank; i++) {
        out->stride[i] = (uint64_t)stride[i];
    }
    uint64_t held = out->storage.bytes / weld_element_size(out->element);
    if (!measure(out) || out->offset > held || out->extent > held - out->offset) {
        return fail(s, "reaches beyond its storage: the file is damaged");
    }
    if (out->count > held) {
        return fail(s, "has more elements than its storage, an expanded view: save a clone of it");
    }
    return WELD_OK;
}

weld_status weld_pth_find_tensor(const weld_zip *a, const weld_pickle *p, weld_pickle_ref name,
                                 weld_pickle_ref v, weld_pth_place *out, weld_error *err) {
    search s = {a, p, name, err};
    *out = (weld_pth_place){0};
    if (is_call(p, v, "torch._utils", "_rebuild_parameter") ||
        is_call(p, v, "torch._utils", "_rebuild_parameter_with_state")) {
        v = weld_pickle_tuple_at(p, weld_pickle_arguments(p, v), 0);
    }
    if (!is_call(p, v, "torch._utils", "_rebuild_tensor_v2") &&
        !is_call(p, v, "torch._utils", "_rebuild_tensor")) {
        return fail_kind(&s, weld_pickle_class(p, v));
    }
    weld_pickle_ref arguments = weld_pickle_arguments(p, v);
    WELD_TRY(find_storage(&s, weld_pickle_tuple_at(p, arguments, 0), out));
    return find_view(&s, arguments, out);
}

/* --- Reading. --------------------------------------------------------------------------------- */

static weld_status read_contiguous(weld_zip *a, const weld_pth_place *t, weld_dtype dtype, char *to,
                                   weld_error *err) {
    size_t size = weld_element_size(t->element), to_size = weld_dtype_size(dtype);
    if (t->element == WELD_ELEMENT_F32 && dtype == WELD_F32) {
        return weld_zip_next(a, to, t->count * size, err);
    }
    unsigned char chunk[CHUNK];
    for (size_t done = 0, n; done < t->count; done += n) {
        n = t->count - done < CHUNK / size ? t->count - done : CHUNK / size;
        WELD_TRY(weld_zip_next(a, chunk, n * size, err));
        weld_element_convert(t->element, chunk, n, dtype, to + done * to_size);
    }
    return WELD_OK;
}

/* Element by element out of the storage's bytes from the tensor's first element on. */
static void gather(const weld_pth_place *t, const char *from, weld_dtype dtype, char *to) {
    size_t size = weld_element_size(t->element), to_size = weld_dtype_size(dtype);
    int64_t at[WELD_MAX_DIMS] = {0};
    uint64_t place = 0;
    for (size_t i = 0; i < t->count; i++) {
        weld_element_convert(t->element, from + place * size, 1, dtype, to + i * to_size);
        for (int d = t->shape.rank - 1; d >= 0; d--) {
            place += t->stride[d];
            if (++at[d] < t->shape.dim[d]) {
                break;
            }
            place -= t->stride[d] * (uint64_t)at[d];
            at[d] = 0;
        }
    }
}

static weld_status read_strided(weld_zip *a, const weld_pth_place *t, weld_dtype dtype, char *to,
                                weld_error *err) {
    size_t bytes = (size_t)t->extent * weld_element_size(t->element);
    char *extent = weld_alloc_raw(bytes, 1);
    if (!extent) {
        return weld_fail_memory(err, weld_zip_path(a));
    }
    weld_status status = weld_zip_next(a, extent, bytes, err);
    if (!status) {
        gather(t, extent, dtype, to);
    }
    weld_free(extent);
    return status;
}

weld_status weld_pth_read_tensor(weld_zip *a, const weld_pth_place *place, weld_dtype dtype,
                                 void *data, weld_error *err) {
    if (place->count == 0) {
        return WELD_OK;
    }
    uint64_t offset = place->offset * weld_element_size(place->element);
    weld_status status = weld_zip_begin(a, &place->storage, offset, err);
    status = status              ? status
             : place->contiguous ? read_contiguous(a, place, dtype, data, err)
                                 : read_strided(a, place, dtype, data, err);
    return weld_zip_end(a, status, err);
}
