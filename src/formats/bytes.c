/* Buffers for the contents of files; see bytes.h. */
#include "formats/bytes.h"

#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

bool weld_bytes_make_room(uint8_t **data, size_t *capacity, size_t size) {
    if (size > *capacity || !*data) {
        weld_free(*data);
        *data = weld_alloc_raw(size, 1);
        *capacity = *data ? size : 0;
    }
    return *data != NULL;
}

weld_status weld_bytes_resize(weld_bytes *bytes, size_t size, weld_error *err) {
    bytes->size = size;
    return weld_bytes_make_room(&bytes->data, &bytes->capacity, size)
               ? WELD_OK
               : weld_fail_memory(err, "file contents");
}

void weld_bytes_free(weld_bytes *bytes) {
    weld_free(bytes->data);
    *bytes = (weld_bytes){0};
}

static weld_status read_once(const char *path, weld_bytes *out, bool *is_open, weld_error *err) {
    uint64_t size;
    int fd;
    weld_status status = weld_file_open(path, &fd, &size, err);
    *is_open = !status;
    if (status) {
        return status;
    }
    if (size > WELD_MAX_FILE_SIZE) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: larger than 1 GiB: not an image", path);
    } else {
        status = weld_bytes_resize(out, (size_t)size, err);
        status = status ? status : weld_file_read_at(fd, path, out->data, out->size, 0, err);
    }
    close(fd);
    return status;
}

/* What a server has put in the place of an open file is found by opening it again alone (ESTALE).
 */
weld_status weld_read_file(const char *path, weld_bytes *out, weld_error *err) {
    bool is_open;
    const weld_status status = read_once(path, out, &is_open, err);
    return status == WELD_ERROR_IO && is_open ? read_once(path, out, &is_open, err) : status;
}
