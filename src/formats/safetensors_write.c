/* Writing safetensors files; see safetensors.h. */
#include "formats/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/json_text.h"
#include "formats/json_tree.h"
#include "formats/safetensors_checksum.h"
#include "formats/safetensors_header.h"

typedef struct header {
    weld_text text;
    const char *wrong; /* a text that is not UTF-8 */
} header;

/* A text in quotes. */
static void append_json(header *h, const char *text) {
    bool wrong;
    json_t *value = weld_json_utf8(text, &wrong);
    char *quoted = weld_json_dump(value, JSON_ENCODE_ANY);
    h->wrong = wrong && !h->wrong ? text : h->wrong;
    h->text.failed = h->text.failed || (!wrong && !quoted);
    weld_text_add(&h->text, quoted ? quoted : "");
    json_decref(value);
    weld_free(quoted);
}

static void append_metadata(header *h, const weld_metadata *metadata) {
    weld_text_add(&h->text, WELD_SAFETENSORS_START(WELD_FILE_CHECKSUM) ",\"format\":\"pt\"");
    for (size_t i = 0; metadata && i < metadata->count; i++) {
        weld_text_add(&h->text, ",");
        append_json(h, metadata->items[i].key);
        weld_text_add(&h->text, ":");
        append_json(h, metadata->items[i].text);
    }
    weld_text_add(&h->text, "}");
}

static void append_tensor(header *h, const weld_safetensors_tensor *t, uint64_t *offset) {
    static const char *const dtypes[] = {
        [WELD_F32] = "F32", [WELD_F64] = "F64", [WELD_BF16] = "BF16", [WELD_I64] = "I64",
        [WELD_U8] = "U8",   [WELD_I8] = "I8",   [WELD_I32] = "I32"};
    weld_text_add(&h->text, ",");
    append_json(h, t->name);
    const uint64_t begin = *offset;
    *offset += weld_tensor_bytes(&t->tensor);
    weld_safetensors_add_place(&h->text, dtypes[t->tensor.dtype], &t->tensor.shape, begin, *offset);
}

/* Length and text; h->text is to be freed in any case. */
static weld_status make_header(header *h, const weld_safetensors_tensor *const *sorted,
                               size_t count, const weld_metadata *metadata, weld_error *err) {
    uint64_t offset = 0;
    append_metadata(h, metadata);
    for (size_t i = 0; i < count; i++) {
        append_tensor(h, sorted[i], &offset);
    }
    weld_safetensors_end_header(&h->text);
    if (h->wrong) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "\"%.100s\": not UTF-8, as the texts of a safetensors file must be",
                         h->wrong);
    }
    if (h->text.failed) {
        return weld_fail_memory(err, "safetensors header");
    }
    size_t length = h->text.bytes.count - WELD_SAFETENSORS_LENGTH;
    if (length > WELD_SAFETENSORS_HEADER_MAX) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "names and texts of %zu bytes, a safetensors file may have %d", length,
                         WELD_SAFETENSORS_HEADER_MAX);
    }
    return WELD_OK;
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

/* Header and elements, and then the checksum that was taken on the way. */
static weld_status write_contents(weld_replacement *r, const header *h,
                                  const weld_safetensors_tensor *const *sorted, size_t count,
                                  weld_error *err) {
    const char *start = h->text.bytes.data;
    weld_checksum *sum = weld_checksum_start();
    if (!sum) {
        return weld_fail_memory(err, "checksum");
    }
    weld_checksum_add(sum, start, h->text.bytes.count);
    weld_status status = weld_replacement_write(r, start, h->text.bytes.count, err);
    for (size_t i = 0; i < count && !status; i++) {
        const weld_tensor *t = &sorted[i]->tensor;
        const size_t bytes = weld_tensor_bytes(t);
        weld_checksum_add(sum, t->data, bytes);
        status = weld_replacement_write(r, t->data, bytes, err);
    }
    char digits[WELD_CHECKSUM_DIGITS];
    bool whole;
    weld_checksum_digits(sum, digits);
    weld_checksum_free(sum);
    const size_t at = weld_safetensors_checksum_at(start, h->text.bytes.count, &whole);
    return status ? status : weld_replacement_write_at(r, digits, sizeof digits, at, err);
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
    header h = {.text = WELD_TEXT};
    weld_status status = check_names(sorted, count, err);
    if (!status) {
        qsort(sorted, count, sizeof *sorted, in_order);
        status = make_header(&h, sorted, count, metadata, err);
    }
    status = status ? status : write_contents(r, &h, sorted, count, err);
    weld_text_free(&h.text);
    weld_free(sorted);
    return status;
}
