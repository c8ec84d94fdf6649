/* NumPy arrays: a file is refused, or what was read survives being written and read again. */
#include "base/memory.h"
#include "../formats/npy_file.h"
#include "fuzz.h"

static void check(const char *path, weld_dtype dtype) {
    weld_error err = fuzz_error();
    weld_tensor array = {0}, back = {0};
    weld_status status = npy_file_read(path, dtype, &array, &err);
    fuzz_check_status(status, &err);
    if (status != WELD_OK) {
        return;
    }
    FUZZ_CHECK(array.data && array.dtype == dtype && weld_shape_count(&array.shape) > 0);
    if (dtype == WELD_F32) {
        FUZZ_CHECK(npy_file_write(fuzz_output(), &array, &err) == WELD_OK);
        FUZZ_CHECK(npy_file_read(fuzz_output(), dtype, &back, &err) == WELD_OK);
        fuzz_check_equal_tensors(&array, &back);
        weld_free(back.data);
    }
    weld_free(array.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file(data, size);
    check(path, WELD_F32);
    check(path, WELD_F64);
    return 0;
}
