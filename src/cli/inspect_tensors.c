/* weld inspect --tensors: each tensor with its shape and type, and what its elements are like. */
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "cli/inspect.h"
#include "formats/json_text.h"

/* A list being made: lines as they come, or members of the JSON object at the end. */
typedef struct listing {
    inspection *in;
    bool statistics;
    json_t *rows;
    size_t damaged; /* tensors */
} listing;

static listing begin(inspection *in, bool statistics) {
    if (!in->json) {
        printf("%-52s %-8s %-20s", "tensor", "type", "shape");
        printf(statistics ? " %12s %12s %12s %12s\n" : "\n", "mean", "std", "least", "largest");
    }
    return (listing){in, statistics, in->json ? json_array() : NULL, 0};
}

static void end(listing *l) {
    if (l->in->json) {
        inspect_fact(l->in, "tensors", l->rows, NULL);
    } else if (l->damaged) {
        printf("%zu TENSORS HAVE VALUES THAT ARE NOT FINITE\n", l->damaged);
    }
}

static void add_json(listing *l, const char *name, const char *type, const weld_shape *shape,
                     const weld_statistics *s) {
    json_t *row = json_pack("{s:o, s:s, s:o}", "name", weld_json_name(name), "type", type, "shape",
                            inspect_shape(shape));
    if (row && s) {
        json_object_set_new(row, "mean", weld_json_number(s->mean));
        json_object_set_new(row, "std", weld_json_number(weld_statistics_std(s)));
        json_object_set_new(row, "min", weld_json_number(s->min));
        json_object_set_new(row, "max", weld_json_number(s->max));
        json_object_set_new(row, "not_finite", json_integer(s->not_finite));
    }
    json_array_append_new(l->rows, row);
}

static void add(listing *l, const char *name, const char *type, const weld_shape *shape,
                const weld_statistics *s) {
    char text[128];
    l->damaged += s && s->not_finite;
    if (l->in->json) {
        add_json(l, name, type, shape, s);
        return;
    }
    int pad = 52;
    for (const char *at = name; *at; at++) {
        pad--;
    }
    inspect_print(name);
    printf("%*s %-8s %-20s", pad > 0 ? pad : 0, "", type,
           weld_shape_text(shape, text, sizeof text));
    if (s) {
        printf(" %12.5g %12.5g %12.5g %12.5g", s->mean, weld_statistics_std(s), s->min, s->max);
    }
    if (s && s->not_finite) {
        printf("  %lld NOT FINITE", (long long)s->not_finite);
    }
    putchar('\n');
}

void inspect_weights(inspection *in, const weld_weights *w) {
    listing l = begin(in, true);
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        weld_statistics s = {0};
        weld_statistics_add(&s, t.dtype, t.data, weld_shape_count(&t.shape));
        add(&l, weld_weights_name(w, i), weld_dtype_name(t.dtype), &t.shape, &s);
    }
    end(&l);
}

static weld_status read_statistics(const weld_state_dict *d, size_t i, weld_statistics *s,
                                   weld_error *err) {
    const weld_state_entry *entry = weld_state_dict_at(d, i);
    weld_dtype dtype = weld_element_is_float(entry->element) ? WELD_F64 : WELD_I64;
    int64_t count = weld_shape_count(&entry->shape);
    void *data = weld_alloc_raw((size_t)count, weld_dtype_size(dtype));
    if (!data) {
        return weld_fail_memory(err, weld_state_dict_file(d));
    }
    weld_status status = weld_state_dict_read(d, i, dtype, data, err);
    if (!status) {
        weld_statistics_add(s, dtype, data, count);
    }
    weld_free(data);
    return status;
}

weld_status inspect_check_state_dict(inspection *in, const weld_state_dict *d, weld_error *err) {
    const size_t count = weld_state_dict_count(d);
    for (size_t i = 0; i < count; i++) {
        weld_statistics s = {0};
        WELD_TRY(read_statistics(d, i, &s, err));
    }
    const bool pth = in->kind == WELD_FILE_PTH || in->kind == WELD_FILE_PICKLE;
    inspect_checked(in, !pth && !weld_state_dict_is_unchecked(d),
                    in->kind == WELD_FILE_PTH
                        ? "each of its %zu tensors can be read, by the archive's checksums where "
                          "it has them"
                        : "each of its %zu tensors can be read",
                    count);
    return WELD_OK;
}

weld_status inspect_state_dict(inspection *in, const weld_state_dict *d, weld_error *err) {
    listing l = begin(in, in->tensors);
    weld_status status = WELD_OK;
    for (size_t i = 0; i < weld_state_dict_count(d) && !status; i++) {
        const weld_state_entry *entry = weld_state_dict_at(d, i);
        weld_statistics s = {0};
        if (in->tensors) {
            status = read_statistics(d, i, &s, err);
        }
        if (!status) {
            add(&l, entry->name, weld_element_name(entry->element), &entry->shape,
                in->tensors ? &s : NULL);
        }
    }
    end(&l);
    return status;
}
