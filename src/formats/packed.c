/* Reading packed data sets; see packed.h. */
#include "formats/packed.h"

#include <libdeflate.h> /* its CRC-32 is several times as fast as zlib's */
#include <math.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/packed_header.h"
#include "weld/image.h"

struct weld_packed {
    int fd;
    char *path;
    weld_packed_header header;
    weld_packed_layout layout;
    int64_t count;
    int class_count;
    void *tables[WELD_PACKED_ALL_TABLES];
    /* The same by their types: */
    const uint64_t *offsets; /* count + 1, relative to /images */
    const int32_t *labels;
    const uint32_t *crc;
    const char *names, *class_names;
    const uint64_t *name_offsets, *class_name_offsets;
    const double *boxes; /* NULL: there are none, or they were dropped */
    const uint64_t *box_offsets;
    const int64_t *samples, *categories;
};

static weld_status damaged(const weld_packed *p, const char *what, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: damaged: %s: pack it again", p->path, what);
}

static bool is_inside(const weld_packed_extent *e, uint64_t length) {
    return e->offset >= WELD_PACKED_HEADER_SIZE && e->offset <= length &&
           e->bytes <= length - e->offset;
}

/* Do all numbers of the header fit each other? NULL, or what does not. */
static const char *check_header(weld_packed_header *h) {
    const weld_packed_extent images = {h->images_offset, h->images_size};
    const uint64_t length = h->file_length, bytes = sizeof(uint64_t);
    if (!is_inside(&images, length) || h->count < 1 || h->count > length / bytes) {
        return "impossible lengths in its header";
    }
    if (h->class_count < 1 || h->class_count > length / bytes || h->class_count > INT32_MAX) {
        return "impossible number of classes";
    }
    bool encoded = h->height == 0 && h->width == 0 && h->channels == 0;
    bool raw = h->height > 0 && h->height <= WELD_PACKED_MAX_SIDE && h->width > 0 &&
               h->width <= WELD_PACKED_MAX_SIDE && (h->channels == 1 || h->channels == 3);
    if (!encoded && !raw) {
        return "impossible image size";
    }
    const uint64_t expected[WELD_PACKED_ALL_TABLES] = {
        [WELD_PACKED_OFFSETS] = (h->count + 1) * bytes,
        [WELD_PACKED_LABELS] = h->count * sizeof(int32_t),
        [WELD_PACKED_CRC32] = h->count * sizeof(uint32_t),
        [WELD_PACKED_NAME_OFFSETS] = (h->count + 1) * bytes,
        [WELD_PACKED_CLASS_NAME_OFFSETS] = (h->class_count + 1) * bytes,
        [WELD_PACKED_BOX_OFFSETS] = (h->count + 1) * bytes,
        [WELD_PACKED_SAMPLES] = h->count * WELD_PACKED_SAMPLE_NUMBERS * bytes,
        [WELD_PACKED_CATEGORIES] = h->class_count * bytes};
    uint64_t left = length;
    for (int i = 0; i < weld_packed_table_count(h); i++) {
        const weld_packed_extent *e = weld_packed_extent_of(h, i);
        /* Tables that share bytes would ask for more memory than the file is long. */
        if (!is_inside(e, length) || e->bytes == 0 || e->bytes > left ||
            (expected[i] && e->bytes != expected[i])) {
            return "a table is not where it can be";
        }
        left -= e->bytes;
    }
    return h->scale16 == 0 || (h->scale16 >= WELD_SCALE16_MIN && h->scale16 <= WELD_SCALE16_MAX)
               ? NULL
               : "its scale16 is out of range";
}

/* Length, extents and checksum, before a table is used. */
static weld_status check_file(weld_packed *p, weld_error *err) {
    unsigned char block[WELD_PACKED_HEADER_SIZE];
    uint64_t length;
    weld_status status = weld_file_open(p->path, &p->fd, &length, err);
    if (!status && length < sizeof block) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: not a packed data set: make one with weld pack", p->path);
    }
    status = status ? status : weld_file_read_at(p->fd, p->path, block, sizeof block, 0, err);
    status = status ? status : weld_packed_header_decode(block, p->path, &p->header, err);
    if (status) {
        return status;
    }
    weld_packed_header *h = &p->header;
    if (length != h->file_length) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s: has %llu bytes where %llu were written: copy or pack it again",
                         p->path, length < h->file_length ? "cut" : "damaged",
                         (unsigned long long)length, (unsigned long long)h->file_length);
    }
    const char *wrong = check_header(h);
    if (wrong) {
        return damaged(p, wrong, err);
    }
    uint64_t checksum;
    status = weld_packed_checksum(p->fd, h, p->path, &checksum, err);
    if (!status && checksum != h->checksum) {
        status = damaged(p, "checksum of its tables is wrong", err);
    }
    return status;
}

static weld_status read_tables(weld_packed *p, weld_error *err) {
    weld_packed_header *h = &p->header;
    for (int i = 0; i < weld_packed_table_count(h); i++) {
        const weld_packed_extent *e = weld_packed_extent_of(h, i);
        void *to = p->tables[i] = weld_alloc_raw(e->bytes, 1);
        WELD_TRY(to ? weld_file_read_at(p->fd, p->path, to, (size_t)e->bytes, e->offset, err)
                    : weld_fail_memory(err, p->path));
    }
    p->offsets = p->tables[WELD_PACKED_OFFSETS];
    p->labels = p->tables[WELD_PACKED_LABELS];
    p->crc = p->tables[WELD_PACKED_CRC32];
    p->names = p->tables[WELD_PACKED_NAMES];
    p->name_offsets = p->tables[WELD_PACKED_NAME_OFFSETS];
    p->class_names = p->tables[WELD_PACKED_CLASS_NAMES];
    p->class_name_offsets = p->tables[WELD_PACKED_CLASS_NAME_OFFSETS];
    p->boxes = p->tables[WELD_PACKED_BOXES];
    p->box_offsets = p->tables[WELD_PACKED_BOX_OFFSETS];
    p->samples = p->tables[WELD_PACKED_SAMPLES];
    p->categories = p->tables[WELD_PACKED_CATEGORIES];
    p->count = (int64_t)h->count;
    p->class_count = (int)h->class_count;
    p->layout =
        (weld_packed_layout){(int)h->height, (int)h->width, (int)h->channels, (int)h->scale16};
    return WELD_OK;
}

/* Texts ended by zero bytes, at rising offsets inside a blob of `bytes` bytes, which they fill. */
static bool names_are_sound(const char *blob, uint64_t bytes, const uint64_t *offsets,
                            int64_t count) {
    if (offsets[0] != 0 || offsets[count] != bytes) {
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        if (offsets[i] >= offsets[i + 1] || offsets[i + 1] > bytes ||
            blob[offsets[i + 1] - 1] != 0) {
            return false;
        }
    }
    return true;
}

static weld_status check_tables(const weld_packed *p, weld_error *err) {
    const weld_packed_extent *tables = p->header.tables;
    if (!names_are_sound(p->names, tables[WELD_PACKED_NAMES].bytes, p->name_offsets, p->count) ||
        !names_are_sound(p->class_names, tables[WELD_PACKED_CLASS_NAMES].bytes,
                         p->class_name_offsets, p->class_count)) {
        return damaged(p, "its names overlap or do not end", err);
    }
    uint64_t raw =
        (uint64_t)p->layout.height * (uint64_t)p->layout.width * (uint64_t)p->layout.channels;
    if (p->offsets[0] != 0 || p->offsets[p->count] > p->header.images_size) {
        return damaged(p, "its images do not fit their table", err);
    }
    for (int64_t i = 0; i < p->count; i++) {
        if (p->offsets[i] > p->offsets[i + 1] ||
            (raw && p->offsets[i + 1] - p->offsets[i] != raw) || p->labels[i] < 0 ||
            p->labels[i] >= p->class_count) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: damaged: offset or label of sample %lld: pack it again", p->path,
                             (long long)i);
        }
    }
    return WELD_OK;
}

static bool is_sound_box(const weld_packed *p, const double *row) {
    for (int i = 0; i < WELD_PACKED_BOX_NUMBERS; i++) {
        if (!isfinite(row[i])) {
            return false;
        }
    }
    return row[5] >= 0 && row[5] < p->class_count && row[5] == floor(row[5]) && row[6] >= 0 &&
           row[6] <= UINT32_MAX && row[6] == floor(row[6]);
}

static weld_status check_boxes(const weld_packed *p, weld_error *err) {
    const uint64_t row = WELD_PACKED_BOX_NUMBERS * sizeof(double);
    if (!p->boxes) {
        return WELD_OK;
    }
    const uint64_t room = p->header.box_tables[0].bytes / row;
    if (p->box_offsets[0] != 0 || p->box_offsets[p->count] > room) {
        return damaged(p, "its boxes do not fit their table", err);
    }
    for (int64_t i = 0; i < p->count; i++) {
        if (p->box_offsets[i] > p->box_offsets[i + 1]) {
            return damaged(p, "its boxes do not fit their table", err);
        }
    }
    for (uint64_t k = 0; k < p->box_offsets[p->count]; k++) {
        if (!is_sound_box(p, p->boxes + k * WELD_PACKED_BOX_NUMBERS)) {
            return damaged(p, "a box is none", err);
        }
    }
    return WELD_OK;
}

weld_status weld_packed_open(const char *path, weld_packed **out, weld_error *err) {
    weld_packed *p = weld_alloc(1, sizeof *p);
    if (!p) {
        return weld_fail_memory(err, path);
    }
    p->fd = -1;
    p->path = weld_strdup(path);
    weld_status status = p->path ? check_file(p, err) : weld_fail_memory(err, path);
    status = status ? status : read_tables(p, err);
    status = status ? status : check_tables(p, err);
    status = status ? status : check_boxes(p, err);
    if (status) {
        weld_packed_close(p);
        return status;
    }
    *out = p;
    return WELD_OK;
}

void weld_packed_close(weld_packed *p) {
    if (p) {
        if (p->fd >= 0) {
            close(p->fd);
        }
        weld_free(p->path);
        for (int i = 0; i < WELD_PACKED_ALL_TABLES; i++) {
            weld_free(p->tables[i]);
        }
        weld_free(p);
    }
}

weld_packed_layout weld_packed_get_layout(const weld_packed *p) {
    return p->layout;
}

int64_t weld_packed_count(const weld_packed *p) {
    return p->count;
}

uint64_t weld_packed_contents(const weld_packed *p) {
    return p->header.checksum;
}

int weld_packed_class_count(const weld_packed *p) {
    return p->class_count;
}

const char *weld_packed_class_name(const weld_packed *p, int i) {
    return p->class_names + p->class_name_offsets[i];
}

const char *weld_packed_name(const weld_packed *p, int64_t i) {
    return p->names + p->name_offsets[i];
}

int weld_packed_label(const weld_packed *p, int64_t i) {
    return p->labels[i];
}

bool weld_packed_has_boxes(const weld_packed *p) {
    return p->boxes;
}

bool weld_packed_has_shape_areas(const weld_packed *p) {
    return p->header.shape_areas;
}

const double *weld_packed_boxes(const weld_packed *p, int64_t i, int64_t *count) {
    *count = (int64_t)(p->box_offsets[i + 1] - p->box_offsets[i]);
    return p->boxes + p->box_offsets[i] * WELD_PACKED_BOX_NUMBERS;
}

const int64_t *weld_packed_sample(const weld_packed *p, int64_t i) {
    return p->samples + i * WELD_PACKED_SAMPLE_NUMBERS;
}

int64_t weld_packed_category(const weld_packed *p, int class_index) {
    return p->categories[class_index];
}

void weld_packed_drop_boxes(weld_packed *p) {
    for (int i = WELD_PACKED_BOXES; i < WELD_PACKED_ALL_TABLES; i++) {
        weld_free(p->tables[i]);
        p->tables[i] = NULL;
    }
    p->boxes = NULL;
    p->box_offsets = NULL;
    p->samples = p->categories = NULL;
}

size_t weld_packed_size(const weld_packed *p, int64_t i) {
    return (size_t)(p->offsets[i + 1] - p->offsets[i]);
}

weld_status weld_packed_read(const weld_packed *p, int64_t i, void *buffer, weld_error *err) {
    size_t size = weld_packed_size(p, i);
    weld_status status = weld_file_read_at(p->fd, p->path, buffer, size,
                                           p->header.images_offset + p->offsets[i], err);
    if (!status && libdeflate_crc32(0, buffer, size) != p->crc[i]) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: sample %lld (%s) is damaged: its checksum is wrong: pack it again",
                           p->path, (long long)i, weld_packed_name(p, i));
    }
    return status;
}
