/* Files of other programs; see state_check.h. */
#include "state_check.h"

#include <string.h>

#include "base/memory.h"
#include "formats/safetensors.h"
#include "formats/state_dict.h"
#include "fuzz.h"
#include "store_input.h"

/* Tensors may share bytes of the file, and grow from one byte an element to eight. */
enum { GROWTH = 4 * 8, SLACK = 4096 };

static weld_dtype dtype_of(const weld_state_entry *e) {
    return !weld_element_is_float(e->element) ? WELD_I64
           : e->element == WELD_ELEMENT_F64   ? WELD_F64
                                              : WELD_F32;
}

/* Read tensor i; false where that is refused (a checksum, an archive that changes). */
static bool read_tensor(const weld_state_dict *s, size_t i, weld_tensor *out) {
    const weld_state_entry *e = weld_state_dict_at(s, i);
    weld_error err = fuzz_error();
    int64_t count = weld_shape_count(&e->shape);
    *out = (weld_tensor){dtype_of(e), e->shape, NULL};
    FUZZ_CHECK(count >= 0);
    size_t bytes = (size_t)count * weld_dtype_size(out->dtype);
    out->data = malloc(bytes ? bytes : 1);
    FUZZ_CHECK(out->data);
    weld_status status = weld_state_dict_read(s, i, out->dtype, out->data, &err);
    fuzz_check_status(status, &err);
    weld_dtype other = out->dtype == WELD_I64 ? WELD_F32 : WELD_I64;
    err = fuzz_error();
    FUZZ_CHECK(weld_state_dict_read(s, i, other, out->data, &err) != WELD_OK);
    fuzz_check_status(err.status, &err);
    if (status == WELD_OK) { /* what was refused left nothing behind */
        FUZZ_CHECK(weld_state_dict_read(s, i, out->dtype, out->data, &err) == WELD_OK);
    }
    return status == WELD_OK;
}

static bool read_all(const weld_state_dict *s, size_t file_size, weld_safetensors_tensor *tensors) {
    size_t total = 0;
    bool all = true;
    for (size_t i = 0; i < weld_state_dict_count(s); i++) {
        const weld_state_entry *e = weld_state_dict_at(s, i);
        FUZZ_CHECK(e->name[0]);
        all = read_tensor(s, i, &tensors[i].tensor) && all;
        tensors[i].name = e->name;
        total += (size_t)weld_shape_count(&e->shape) * weld_dtype_size(tensors[i].tensor.dtype);
        FUZZ_CHECK(total <= GROWTH * file_size + SLACK);
    }
    return all;
}

static void check_same(const weld_state_dict *s, const weld_safetensors_tensor *tensors,
                       size_t count) {
    FUZZ_CHECK(weld_state_dict_count(s) == count);
    for (size_t k = 0; k < count; k++) { /* the order is another */
        size_t i = 0;
        weld_tensor back;
        while (strcmp(tensors[i].name, weld_state_dict_at(s, k)->name) != 0) {
            FUZZ_CHECK(++i < count);
        }
        FUZZ_CHECK(read_tensor(s, k, &back));
        fuzz_check_equal_tensors(&tensors[i].tensor, &back);
        free(back.data);
    }
}

static void write_and_read(const weld_safetensors_tensor *tensors, size_t count) {
    weld_replacement *r;
    weld_state_dict *s;
    weld_error err = fuzz_error();
    FUZZ_CHECK(weld_replacement_open(fuzz_output(), &r, &err) == WELD_OK);
    weld_status status = weld_safetensors_write(r, tensors, count, NULL, &err);
    fuzz_check_status(status, &err);
    if (status != WELD_OK) {
        FUZZ_CHECK(status == WELD_ERROR_ARGUMENT); /* a name is not UTF-8 */
        weld_replacement_discard(r);
        return;
    }
    FUZZ_CHECK(weld_replacement_commit(r, &err) == WELD_OK);
    FUZZ_CHECK(weld_state_dict_open(fuzz_output(), NULL, &s, &err) == WELD_OK);
    check_same(s, tensors, count);
    weld_state_dict_free(s);
}

static void check_dict(const char *path, const char *key, size_t size) {
    weld_state_dict *s = NULL;
    weld_error err = fuzz_error();
    weld_status status = weld_state_dict_open(path, key, &s, &err);
    fuzz_check_status(status, &err);
    if (status != WELD_OK) {
        return;
    }
    size_t count = weld_state_dict_count(s);
    weld_safetensors_tensor *tensors = calloc(count ? count : 1, sizeof *tensors);
    FUZZ_CHECK(tensors && weld_state_dict_key(s) && weld_state_dict_others(s));
    (void)weld_state_dict_metadata(s, "weld.config");
    if (read_all(s, size, tensors) && !key) {
        write_and_read(tensors, count);
    }
    for (size_t i = 0; i < count; i++) {
        free(tensors[i].tensor.data);
    }
    free(tensors);
    weld_state_dict_free(s);
}

void fuzz_state_file(const void *bytes, size_t size) {
    const char *path = fuzz_file(bytes, size);
    check_dict(path, NULL, size);
    check_dict(path, "model_ema", size);
    fuzz_read_model_file(path);
}
