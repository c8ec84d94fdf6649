/* Packing idx files; see idx.h. */
#include "datasets/idx.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/packed.h"

enum { MAX_DIMENSIONS = 3, MAX_SIDE = 4096, MAX_COUNT = 1 << 30, UBYTE = 8, CLASSES = 256 };

typedef struct idx_file {
    const char *path;
    gzFile stream;
    uint32_t dim[MAX_DIMENSIONS];
} idx_file;

static bool find_file(const char *folder, const char *split, const char *kind, char out[PATH_MAX]) {
    for (int compressed = 0; compressed < 2; compressed++) {
        if (snprintf(out, PATH_MAX, "%s/%s-%s-ubyte%s", folder, split, kind,
                     compressed ? ".gz" : "") < PATH_MAX &&
            access(out, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

weld_status weld_idx_find(const char *folder, const char *split, char images[PATH_MAX],
                          char labels[PATH_MAX], weld_error *err) {
    return find_file(folder, split, "images-idx3", images) &&
                   find_file(folder, split, "labels-idx1", labels)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NOT_FOUND,
                           "%s: holds no files %s-images-idx3-ubyte and %s-labels-idx1-ubyte "
                           "(perhaps with .gz)",
                           folder, split, split);
}

static weld_status read_bytes(const idx_file *f, void *to, size_t size, weld_error *err) {
    uint8_t *at = to;
    while (size > 0) {
        unsigned chunk = size > 1 << 20 ? 1 << 20 : (unsigned)size;
        int got = gzread(f->stream, at, chunk);
        int code;
        const char *reason = gzerror(f->stream, &code);
        if (got < 0 || (got < (int)chunk && code != Z_OK && code != Z_STREAM_END)) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: damaged or cut: %s", f->path, reason);
        }
        if (got == 0) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: cut: it ends before the data that its header announces", f->path);
        }
        at += got;
        size -= (size_t)got;
    }
    return WELD_OK;
}

/* Reading on to the end also makes zlib compare the checksum that stands there. */
static weld_status expect_end(const idx_file *f, weld_error *err) {
    char byte;
    int code, got = gzread(f->stream, &byte, 1);
    const char *reason = gzerror(f->stream, &code);
    if (got == 0 && (code == Z_OK || code == Z_STREAM_END)) {
        return WELD_OK;
    }
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: damaged: %s", f->path,
                     got > 0 ? "longer than its header announces" : reason);
}

static weld_status open_idx(const char *path, int dimensions, idx_file *f, weld_error *err) {
    uint8_t header[4 + 4 * MAX_DIMENSIONS];
    *f = (idx_file){.path = path, .stream = gzopen(path, "rb")};
    if (!f->stream) {
        return weld_fail(err, WELD_ERROR_IO, "%s: cannot open", path);
    }
    gzbuffer(f->stream, 1 << 18);
    WELD_TRY(read_bytes(f, header, 4 + 4 * (size_t)dimensions, err));
    if (header[0] != 0 || header[1] != 0 || header[2] != UBYTE || header[3] != dimensions) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: not an idx file of bytes with %d dimensions (begins with %02x %02x "
                         "%02x %02x)",
                         path, dimensions, header[0], header[1], header[2], header[3]);
    }
    for (int i = 0; i < dimensions; i++) {
        const uint8_t *at = header + 4 + 4 * i;
        f->dim[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        if (f->dim[i] < 1 || f->dim[i] > (i == 0 ? MAX_COUNT : MAX_SIDE)) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: impossible dimension %u", path,
                             f->dim[i]);
        }
    }
    return WELD_OK;
}

static void close_idx(idx_file *f) {
    if (f->stream) {
        gzclose(f->stream);
    }
}

/* All labels, checked against class_count, which is found from them where it is 0. */
static weld_status read_labels(const idx_file *f, uint8_t **out, int *class_count,
                               weld_error *err) {
    size_t count = f->dim[0];
    uint8_t *labels = *out = weld_alloc_raw(count, 1);
    weld_status status =
        labels ? read_bytes(f, labels, count, err) : weld_fail_memory(err, f->path);
    status = status ? status : expect_end(f, err);
    int largest = 0;
    for (size_t i = 0; !status && i < count; i++) {
        largest = labels[i] > largest ? labels[i] : largest;
    }
    if (!status && *class_count > 0 && largest >= *class_count) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: label %d, but there are %d class names",
                           f->path, largest, *class_count);
    }
    *class_count = *class_count > 0 ? *class_count : largest + 1;
    return status;
}

static weld_status copy_images(const idx_file *f, const uint8_t *labels, weld_packed_writer *w,
                               weld_error *err) {
    size_t size = (size_t)f->dim[1] * f->dim[2];
    uint8_t *pixels = weld_alloc_raw(size, 1);
    weld_status status = pixels ? WELD_OK : weld_fail_memory(err, f->path);
    for (uint32_t i = 0; !status && i < f->dim[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%06u", i);
        status = read_bytes(f, pixels, size, err);
        status = status ? status : weld_packed_writer_add(w, pixels, size, labels[i], name, err);
    }
    weld_free(pixels);
    return status ? status : expect_end(f, err);
}

static weld_status pack(const idx_file *images, const uint8_t *labels,
                        const char *const *class_names, int class_count, const char *out,
                        weld_error *err) {
    char digits[CLASSES][4];
    const char *numbers[CLASSES];
    for (int i = 0; i < CLASSES; i++) {
        snprintf(digits[i], sizeof digits[i], "%d", i & 255);
        numbers[i] = digits[i];
    }
    weld_packed_layout layout = {(int)images->dim[1], (int)images->dim[2], 1};
    weld_packed_writer *w = NULL;
    weld_status status = weld_packed_writer_create(out, layout, class_names ? class_names : numbers,
                                                   class_count, &w, err);
    status = status ? status : copy_images(images, labels, w, err);
    status = status ? status : weld_packed_writer_finish(w, err);
    weld_packed_writer_free(w);
    return status;
}

weld_status weld_pack_idx(const char *images_path, const char *labels_path,
                          const char *const *class_names, int class_count, const char *out,
                          int64_t *count, weld_error *err) {
    idx_file images = {0}, labels = {0};
    uint8_t *label = NULL;
    class_count = class_names ? class_count : 0;
    weld_status status = open_idx(images_path, 3, &images, err);
    status = status ? status : open_idx(labels_path, 1, &labels, err);
    if (!status && images.dim[0] != labels.dim[0]) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: %u images, but %s has %u labels",
                           images_path, images.dim[0], labels_path, labels.dim[0]);
    }
    status = status ? status : read_labels(&labels, &label, &class_count, err);
    status = status ? status : pack(&images, label, class_names, class_count, out, err);
    if (!status && count) {
        *count = images.dim[0];
    }
    weld_free(label);
    close_idx(&images);
    close_idx(&labels);
    return status;
}
