/* Packed data sets: refused, or every name, label and sample can be had and packed again. Input is
 * one of two forms:
 *
 *   Bytes that begin with "weld-pack": a file; its length and checksums are set right.
 *
 *   Anything else: a small sound data set with numbers changed. Four bytes tell how many samples
 *   and classes, how large the images are, and whether there are boxes; then every ten bytes change
 * a number: which table (or the header), which of its numbers, and what to.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/memory.h"
#include "formats/file.h"
#include "formats/packed.h"
#include "formats/packed_header.h"
#include "fuzz.h"

enum { PATCH = 10, MAX_SAMPLES = 8, MAX_CLASSES = 4, MAX_SIDE = 4, NAME = 4, FIELDS_AT = 16 };

typedef struct file {
    unsigned char *bytes;
    size_t size;
    weld_packed_header header;
} file;

/* The header as it stands, with length and checksums that fit the file, in its place. */
static void seal(file *f) {
    weld_packed_header *h = &f->header;
    h->file_length = f->size;
    if (h->images_offset >= WELD_PACKED_HEADER_SIZE && h->images_offset <= f->size &&
        h->images_size <= f->size - h->images_offset) {
        int fd = -1;
        uint64_t size;
        const char *path = fuzz_file(f->bytes, f->size);
        FUZZ_CHECK(weld_file_open(path, &fd, &size, NULL) == WELD_OK);
        FUZZ_CHECK(weld_packed_checksum(fd, h, path, &h->checksum, NULL) == WELD_OK);
        close(fd);
    }
    weld_packed_header_encode(h, f->bytes);
}

static file repaired(const uint8_t *data, size_t size) {
    file f = {.size = size < WELD_PACKED_HEADER_SIZE ? WELD_PACKED_HEADER_SIZE : size};
    f.bytes = calloc(f.size, 1);
    FUZZ_CHECK(f.bytes);
    memcpy(f.bytes, data, size);
    memcpy(&f.header, f.bytes + FIELDS_AT, sizeof f.header); /* little-endian, as the reader asks */
    seal(&f);
    return f;
}

/* Append a table. */
static void put(file *f, weld_packed_table table, const void *numbers, size_t size) {
    *weld_packed_extent_of(&f->header, (int)table) = (weld_packed_extent){f->size, size};
    memcpy(f->bytes + f->size, numbers, size);
    f->size += size;
}

static void put_names(file *f, weld_packed_table names, weld_packed_table offsets, size_t count) {
    char text[NAME * MAX_SAMPLES] = "";
    uint64_t begin[MAX_SAMPLES + 1];
    for (size_t i = 0; i <= count; i++) {
        begin[i] = NAME * i;
        if (i < count) {
            memcpy(text + NAME * i, (char[NAME]){'a', '/', (char)('0' + i), '\0'}, NAME);
        }
    }
    put(f, names, text, NAME * count);
    put(f, offsets, begin, (count + 1) * sizeof *begin);
}

static void put_samples(file *f, size_t count, size_t classes, size_t sample) {
    uint64_t offsets[MAX_SAMPLES + 1];
    int32_t labels[MAX_SAMPLES];
    uint32_t crc[MAX_SAMPLES];
    unsigned char images[MAX_SAMPLES * MAX_SIDE * MAX_SIDE * 3] = {0};
    for (size_t i = 0; i <= count; i++) {
        offsets[i] = i * sample;
        if (i < count) {
            labels[i] = (int32_t)(i % classes);
            crc[i] = 0;
        }
    }
    put(f, WELD_PACKED_OFFSETS, offsets, (count + 1) * sizeof *offsets);
    put(f, WELD_PACKED_LABELS, labels, count * sizeof *labels);
    put(f, WELD_PACKED_CRC32, crc, count * sizeof *crc);
    f->header.images_offset = f->size;
    f->header.images_size = count * sample;
    memcpy(f->bytes + f->size, images, count * sample);
    f->size += count * sample;
}

/* Two boxes on the first sample. */
static void put_boxes(file *f, size_t count, size_t classes) {
    const double rows[2 * WELD_PACKED_BOX_NUMBERS] = {1, 2, 3, 4, 12, 0, 0, 0, 0, 1, 1, 1, 0, 1};
    uint64_t offsets[MAX_SAMPLES + 1] = {0};
    int64_t samples[MAX_SAMPLES * WELD_PACKED_SAMPLE_NUMBERS] = {0}, categories[MAX_CLASSES] = {0};
    for (size_t i = 1; i <= count; i++) {
        offsets[i] = 2;
    }
    put(f, WELD_PACKED_BOXES, rows, sizeof rows);
    put(f, WELD_PACKED_BOX_OFFSETS, offsets, (count + 1) * sizeof *offsets);
    put(f, WELD_PACKED_SAMPLES, samples, count * WELD_PACKED_SAMPLE_NUMBERS * sizeof *samples);
    put(f, WELD_PACKED_CATEGORIES, categories, classes * sizeof *categories);
}

/* Of a change: which table, or the number of tables for the header. */
static unsigned table_of(file *f, const uint8_t patch[PATCH]) {
    return patch[0] % ((unsigned)weld_packed_table_count(&f->header) + 1);
}

/* One number of a table. */
static void change(file *f, const uint8_t patch[PATCH]) {
    unsigned table = table_of(f, patch), at = patch[1];
    static const size_t sizes[WELD_PACKED_ALL_TABLES] = {8, 4, 4, 1, 8, 1, 8, 8, 8, 8, 8};
    const weld_packed_extent *e = weld_packed_extent_of(&f->header, (int)table);
    size_t begin = e->offset + at % (e->bytes / sizes[table]) * sizes[table];
    memcpy(f->bytes + begin, patch + 2, sizes[table]);
}

static file described(const uint8_t *data, size_t size) {
    file f = {.bytes = calloc(4096, 1), .size = WELD_PACKED_HEADER_SIZE};
    uint8_t head[4] = {0};
    FUZZ_CHECK(f.bytes);
    memcpy(head, data, size < sizeof head ? size : sizeof head);
    size_t count = 1 + head[0] % MAX_SAMPLES, classes = 1 + head[1] % MAX_CLASSES;
    size_t side = head[2] % (MAX_SIDE + 1), channels = head[3] % 2 ? 3 : 1;
    f.header.count = count;
    f.header.class_count = classes;
    f.header.height = f.header.width = side;
    f.header.channels = side ? channels : 0;
    put_samples(&f, count, classes, side * side * channels);
    put_names(&f, WELD_PACKED_NAMES, WELD_PACKED_NAME_OFFSETS, count);
    put_names(&f, WELD_PACKED_CLASS_NAMES, WELD_PACKED_CLASS_NAME_OFFSETS, classes);
    if (head[3] & 2) {
        put_boxes(&f, count, classes);
    }
    /* Changes of the header come last: the others need it to find their tables. */
    const int tables = weld_packed_table_count(&f.header);
    for (size_t at = sizeof head; at + PATCH <= size; at += PATCH) {
        if ((int)table_of(&f, data + at) != tables) {
            change(&f, data + at);
        }
    }
    for (size_t at = sizeof head; at + PATCH <= size; at += PATCH) {
        if (data[at] % (tables + 1) == tables) {
            size_t number = data[at + 1] % (sizeof f.header / 8);
            memcpy((char *)&f.header + 8 * number, data + at + 2, 8);
        }
    }
    seal(&f);
    return f;
}

static void check_samples(const weld_packed *p, size_t file_size) {
    size_t total = 0;
    for (int64_t i = 0; i < weld_packed_count(p); i++) {
        size_t size = weld_packed_size(p, i);
        int label = weld_packed_label(p, i);
        weld_error err = fuzz_error();
        total += size;
        FUZZ_CHECK(size <= file_size && total <= file_size);
        FUZZ_CHECK(label >= 0 && label < weld_packed_class_count(p));
        FUZZ_CHECK(strlen(weld_packed_name(p, i)) < file_size);
        FUZZ_CHECK(strlen(weld_packed_class_name(p, label)) < file_size);
        unsigned char *bytes = malloc(size ? size : 1);
        FUZZ_CHECK(bytes);
        fuzz_check_status(weld_packed_read(p, i, bytes, &err), &err);
        free(bytes);
    }
}

static void check_boxes(const weld_packed *p, size_t file_size) {
    double sum = 0;
    for (int64_t i = 0; i < weld_packed_count(p); i++) {
        int64_t count;
        const double *rows = weld_packed_boxes(p, i, &count);
        FUZZ_CHECK(count >= 0 && (size_t)count < file_size);
        for (int64_t k = 0; k < count * WELD_PACKED_BOX_NUMBERS; k++) {
            sum += rows[k] - rows[k];
        }
        for (int64_t k = 0; k < count; k++) {
            FUZZ_CHECK(rows[k * WELD_PACKED_BOX_NUMBERS + 5] < weld_packed_class_count(p));
        }
        sum += 0 * (double)(weld_packed_sample(p, i)[2] & 1);
    }
    FUZZ_CHECK(sum == 0);
}

static void open_and_check(const void *bytes, size_t size) {
    weld_packed *p = NULL;
    weld_error err = fuzz_error();
    const char *path = fuzz_file(bytes, size);
    weld_status status = weld_packed_open(path, &p, &err);
    fuzz_check_status(status, &err);
    if (status != WELD_OK) {
        return;
    }
    FUZZ_CHECK(weld_packed_count(p) > 0 && weld_packed_class_count(p) > 0);
    weld_packed_layout l = weld_packed_get_layout(p);
    FUZZ_CHECK(l.height >= 0 && l.height <= WELD_PACKED_MAX_SIDE && l.width >= 0 &&
               l.width <= WELD_PACKED_MAX_SIDE && (l.channels == 3 || l.channels <= 1));
    for (int i = 0; i < weld_packed_class_count(p); i++) {
        FUZZ_CHECK(strlen(weld_packed_class_name(p, i)) < size);
    }
    check_samples(p, size);
    if (weld_packed_has_boxes(p)) {
        check_boxes(p, size);
    }
    weld_packed_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bool is_file = size >= 9 && memcmp(data, "weld-pack", 9) == 0;
    file f = is_file ? repaired(data, size) : described(data, size);
    open_and_check(data, size);
    open_and_check(f.bytes, f.size);
    free(f.bytes);
    return 0;
}
