/* Rows of a cache; see cache_rows.h. */
#include "teach/cache_rows.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "teach/softmax.h"

/* Of a row: its values and then their classes. */
static size_t row_bytes(const weld_cache_rows *r) {
    return (size_t)r->top * (sizeof *r->values + sizeof *r->of);
}

weld_status weld_cache_rows_create(weld_cache_rows *r, int classes, int top, int64_t most,
                                   weld_error *err) {
    const size_t elements = (size_t)most * (size_t)top;
    *r = (weld_cache_rows){.classes = classes, .top = top, .most = most};
    r->values = weld_alloc(elements, sizeof *r->values);
    r->of = weld_alloc(elements, sizeof *r->of);
    r->row = weld_alloc(row_bytes(r), 1);
    return r->values && r->of && r->row ? WELD_OK : weld_fail_memory(err, "distillation cache");
}

void weld_cache_rows_free(weld_cache_rows *r) {
    weld_free(r->values);
    weld_free(r->of);
    weld_free(r->row);
}

/* The largest of a row's log-probabilities, in order; of equal ones the first classes. */
static void take_top(const float *row, int classes, int top, float *values, int32_t *of) {
    float largest;
    const double sum = weld_softmax_sum(row, classes, &largest);
    int count = 0;
    for (int k = 0; k < classes; k++) {
        if (count == top && !(row[k] > values[top - 1])) {
            continue;
        }
        int at = count < top ? count++ : top - 1;
        for (; at > 0 && row[k] > values[at - 1]; at--) {
            values[at] = values[at - 1];
            of[at] = of[at - 1];
        }
        values[at] = row[k];
        of[at] = k;
    }
    for (int i = 0; i < top; i++) {
        values[i] = (float)(values[i] - largest - log(sum));
    }
}

weld_status weld_cache_rows_add(const weld_cache_rows *r, int64_t image, const char *name,
                                const float *logits, weld_array *records, weld_error *err) {
    for (int k = 0; k < r->classes; k++) {
        if (!isfinite(logits[k])) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "%s: the teacher's output for it is not finite: it is not usable",
                             name);
        }
    }
    const size_t values = (size_t)r->top * sizeof *r->values;
    take_top(logits, r->classes, r->top, (float *)(void *)r->row,
             (int32_t *)(void *)(r->row + values));
    const weld_image_record record = {.index = image, .data = r->row, .bytes = row_bytes(r)};
    return weld_image_records_add(records, &record) ? WELD_OK
                                                    : weld_fail_memory(err, "distillation cache");
}

weld_status weld_cache_rows_take(weld_cache_rows *r, const void *records, size_t bytes,
                                 int64_t first, int64_t count, weld_bad_image_function *bad,
                                 void *context, weld_error *err) {
    const size_t top = (size_t)r->top, values = top * sizeof *r->values;
    memset(r->values, 0, (size_t)r->most * values);
    memset(r->of, -1, (size_t)r->most * top * sizeof *r->of);
    while (bytes > 0) {
        weld_image_record record;
        WELD_TRY(weld_image_records_next(&records, &bytes, &record, err));
        const int64_t slot = record.index - first;
        if (slot < 0 || slot >= count || count > r->most ||
            (!record.bad && record.bytes != row_bytes(r))) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "what a rank says the teacher said is damaged");
        }
        if (record.bad) {
            bad(context, record.index, record.data);
        } else {
            memcpy(r->values + (size_t)slot * top, record.data, values);
            memcpy(r->of + (size_t)slot * top, (const char *)record.data + values,
                   top * sizeof *r->of);
        }
    }
    return WELD_OK;
}
