/* Writing safetensors files; see safetensors.h. */
#include "formats/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100 * 1000 * 1000 };

/* Text that is appended to; once something has failed, nothing more is. */
typedef struct header {
    weld_array text;
    weld_status status;
    weld_error *err;
} header;

static void append(header *h, const char *text) {
    if (h->status == WELD_OK && !weld_array_append(&h->text, text, strlen(text))) {
        h->status = weld_fail_memory(h->err, "safetensors header");
    }
}

/* A text in quotes. */
static void append_json(header *h, const char *text) {
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (quoted) {
        append(h, quoted);
    } else if (h->status == WELD_OK && !value) {
        h->status =
            weld_fail(h->err, WELD_ERROR_ARGUMENT,
                      "\"%.100s\": not UTF-8, as the texts of a safetensors file must be", text);
    } else if (h->status == WELD_OK) {
        h->status = weld_fail_memory(h->err, "safetensors header");
    }
    json_decref(value);
    free(quoted);
}

static void append_metadata(header *h, const weld_metadata *metadata) {
    append(h, "{\"__metadata__\":{\"format\":\"pt\"");
    for (size_t i = 0; metadata && i < metadata->count; i++) {
        append(h, ",");
        append_json(h, metadata->items[i].key);
        append(h, ":");
        append_json(h, metadata->items[i].text);
    }
    append(h, "}");
}

static void append_tensor(header *h, const weld_safetensors_tensor *t, uint64_t *offset) {
    static const char *const dtypes[] = {
        [WELD_F32] = "F32", [WELD_F64] = "F64", [WELD_BF16] = "BF16", [WELD_I64] = "I64"};
    char text[64];
    append(h, ",");
    append_json(h, t->name);
    snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[t->tensor.dtype]);
    append(h, text);
    for (int i = 0; i < t->tensor.shape.rank; i++) {
        snprintf(text, sizeof text, i ? ",%" PRId64 : "%" PRId64, t->tensor.shape.dim[i]);
        append(h, text);
    }
    uint64_t begin = *offset;
    *offset += weld_tensor_bytes(&t->tensor);
    snprintf(text, sizeof text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, *offset);
    append(h, text);
}

/* Length and text; h->text is to be freed in any case. */
static void make_header(header *h, const weld_safetensors_tensor *const *sorted, size_t count,
                        const weld_metadata *metadata) {
    uint64_t offset = 0;
    append(h, "????????");
    append_metadata(h, metadata);
    for (size_t i = 0; i < count; i++) {
        append_tensor(h, sorted[i], &offset);
    }
    append(h, "}");
    while (h->status == WELD_OK && h->text.count % 8 != 0) {
        append(h, " ");
    }
    size_t length = h->text.count - LENGTH_BYTES;
    if (h->status == WELD_OK && length > MAX_HEADER) {
        h->status = weld_fail(h->err, WELD_ERROR_ARGUMENT,
                              "names and texts of %zu bytes, a safetensors file may have %d",
                              length, MAX_HEADER);
    }
    if (h->status == WELD_OK) {
        weld_save_u64(h->text.data, length);
    }
}

static int in_order(const void *a, const void *b) {
    const weld_safetensors_tensor *x = *(const weld_safetensors_tensor *const *)a;
    const weld_safetensors_tensor *y = *(const weld_safetensors_tensor *const *)b;
    size_t size_x = weld_dtype_size(x->tensor.dtype), size_y = weld_dtype_size(y->tensor.dtype);
    if (size_x != size_y) {
        return size_x > size_y ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b) {
    const weld_safetensors_tensor *x = *(const weld_safetensors_tensor *const *)a;
    const weld_safetensors_tensor *y = *(const weld_safetensors_tensor *const *)b;
    return strcmp(x->name, y->name);
}

static weld_status check_names(const weld_safetensors_tensor **tensors, size_t count,
                               weld_error *err) {
    qsort(tensors, count, sizeof *tensors, by_name);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(tensors[i - 1]->name, tensors[i]->name) == 0) {
            return weld_fail(err, WELD_ERROR_ARGUMENT, "two tensors are called %s",
                             tensors[i]->name);
        }
    }
    return WELD_OK;
}

weld_status weld_safetensors_write(weld_replacement *r, const weld_safetensors_tensor *tensors,
                                   size_t count, const weld_metadata *metadata, weld_error *err) {
    const weld_safetensors_tensor **sorted = weld_alloc(count, sizeof *sorted);
    if (!sorted) {
        return weld_fail_memory(err, "safetensors header");
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &tensors[i];
    }
    header h = {.text = {.element = 1}, .err = err};
    h.status = check_names(sorted, count, err);
    if (h.status == WELD_OK) {
        qsort(sorted, count, sizeof *sorted, in_order);
        make_header(&h, sorted, count, metadata);
    }
    if (h.status == WELD_OK) {
        h.status = weld_replacement_write(r, h.text.data, h.text.count, err);
    }
    weld_array_free(&h.text);
    for (size_t i = 0; i < count && h.status == WELD_OK; i++) {
        const weld_tensor *t = &sorted[i]->tensor;
        h.status = weld_replacement_write(r, t->data, weld_tensor_bytes(t), err);
    }
    weld_free(sorted);
    return h.status;
}
