/* Stores and model files for fuzzing; see store_input.h. */
#define _GNU_SOURCE
#include "store_input.h"

#include <string.h>

#include "base/memory.h"
#include "serialization/graph_text.h"
#include "serialization/model_file.h"
#include "serialization/model_text.h"
#include "serialization/quantization_text.h"
#include "formats/bytes.h"
#include "formats/store_layout.h"
#include "fuzz.h"

enum { MAX_ENTRIES = 200, MAX_PATH = 600, MAX_CONTENTS = 1 << 16, MAX_FILE = 1 << 18 };

/* Put a header with the right checksum in front of a file. */
static void seal(unsigned char *bytes, const weld_store_header *header) {
    weld_store_header_encode(bytes, header);
    weld_store_checksum(bytes, (size_t)header->length, bytes + WELD_STORE_CHECKSUM_AT);
}

/* A file whose head is put right; shorter ones are filled up to the length of a header. */
static unsigned char *repaired(const uint8_t *data, size_t size, size_t *out_size) {
    static const char magic[16] = "weld-store1\r\n\x1a\n";
    *out_size = size < WELD_STORE_HEADER_SIZE ? WELD_STORE_HEADER_SIZE : size;
    unsigned char *bytes = calloc(*out_size, 1);
    weld_store_header header;
    FUZZ_CHECK(bytes);
    memcpy(bytes, data, size);
    memcpy(bytes, magic, sizeof magic);
    FUZZ_CHECK(weld_store_header_decode(bytes, *out_size, &header));
    header.length = *out_size;
    seal(bytes, &header);
    return bytes;
}

typedef struct item {
    char path[MAX_PATH];
    weld_store_entry entry;
    const uint8_t *contents;
    size_t available;
    uint64_t at;
} item;

static weld_store_type take_type(char **rest) {
    static const char *const names[] = {"f32", "f64", "i64", "u8", "text", "i8", "i32"};
    const char *word = strtok_r(NULL, " ", rest);
    for (int i = 0; word && i < WELD_STORE_TYPES; i++) {
        if (strcmp(word, names[i]) == 0) {
            return (weld_store_type)i;
        }
    }
    return WELD_STORE_TEXT;
}

/* The line behind the '@'. */
static void describe(item *it, const uint8_t *line, size_t length) {
    char text[MAX_PATH] = "", *rest;
    memcpy(text, line, length < sizeof text ? length : sizeof text - 1);
    const char *path = strtok_r(text, " ", &rest);
    snprintf(it->path, sizeof it->path, "%s", path ? path : "");
    weld_store_entry *e = &it->entry;
    e->path = it->path;
    e->type = path ? take_type(&rest) : WELD_STORE_TEXT;
    for (const char *word;
         path && e->shape.rank < WELD_MAX_DIMS && (word = strtok_r(NULL, " ", &rest));) {
        e->shape.dim[e->shape.rank++] = strtoll(word, NULL, 10);
    }
}

static void measure(item *it) {
    weld_store_entry *e = &it->entry;
    if (e->type == WELD_STORE_TEXT) {
        e->bytes = it->available + 1;
    } else if (!weld_store_shape_bytes(e->type, &e->shape, &e->bytes) || e->bytes > MAX_CONTENTS) {
        e->bytes = it->available; /* a shape that does not fit its size */
    }
}

static const uint8_t *end_of_line(const uint8_t *at, const uint8_t *end) {
    const uint8_t *found = memchr(at, '\n', (size_t)(end - at));
    return found ? found : end;
}

static size_t split(const uint8_t *at, const uint8_t *end, item *items) {
    size_t count = 0;
    while (at < end && count < MAX_ENTRIES) {
        item *it = &items[count++];
        const uint8_t *line_end = end_of_line(at, end);
        describe(it, at + 1, (size_t)(line_end - at) - 1);
        it->contents = line_end < end ? line_end + 1 : end;
        const uint8_t *next = memmem(line_end, (size_t)(end - line_end), "\n@", 2);
        it->available = next && next >= it->contents ? (size_t)(next - it->contents)
                        : next                       ? 0
                                                     : (size_t)(end - it->contents);
        measure(it);
        at = next ? next + 1 : end;
    }
    return count;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const item *)a)->path, ((const item *)b)->path);
}

/* Give every entry its place; returns the length of the file. Entries that would make the file too
 * long are left out. */
static size_t place(item *items, size_t *count, weld_store_header *header) {
    size_t used = WELD_STORE_HEADER_SIZE, kept = 0, index = 8;
    for (size_t i = 0; i < *count; i++) {
        if (used + items[i].entry.bytes < MAX_FILE) {
            if (i != kept) {
                items[kept] = items[i];
                items[kept].entry.path = items[kept].path;
            }
            items[kept].at = used;
            used += (items[kept].entry.bytes + 7) & ~(size_t)7;
            index += weld_store_entry_size(&items[kept].entry);
            kept++;
        }
    }
    *count = kept;
    header->index_at = used;
    header->index_bytes = index;
    header->length = used + index;
    return used + index;
}

static unsigned char *described(const uint8_t *data, size_t size, size_t *out_size) {
    const uint8_t *end = data + size, *line_end = end_of_line(data, end);
    weld_store_header header = {0};
    size_t kind = (size_t)(line_end - data);
    memcpy(header.kind, data, kind < sizeof header.kind ? kind : sizeof header.kind - 1);
    item *items = calloc(MAX_ENTRIES, sizeof *items);
    FUZZ_CHECK(items);
    const uint8_t *first = memmem(line_end, (size_t)(end - line_end), "\n@", 2);
    size_t count = first ? split(first + 1, end, items) : 0;
    qsort(items, count, sizeof *items, by_path);
    for (size_t i = 0; i < count; i++) {
        items[i].entry.path = items[i].path; /* they moved */
    }
    *out_size = place(items, &count, &header);
    unsigned char *bytes = calloc(*out_size, 1), *index = bytes + header.index_at;
    FUZZ_CHECK(bytes);
    weld_save_u64(index, count);
    index += 8;
    for (size_t i = 0; i < count; i++) {
        const item *it = &items[i];
        size_t n = it->available < it->entry.bytes ? it->available : it->entry.bytes;
        memcpy(bytes + it->at, it->contents, n);
        weld_store_entry_encode(&it->entry, it->at, index);
        index += weld_store_entry_size(&it->entry);
    }
    free(items);
    seal(bytes, &header);
    return bytes;
}

unsigned char *fuzz_store(const uint8_t *data, size_t size, size_t *out_size) {
    bool file = size >= 10 && memcmp(data, "weld-store", 10) == 0;
    return file ? repaired(data, size, out_size) : described(data, size, out_size);
}

static void check_equal_texts(const char *a, const char *b) {
    FUZZ_CHECK(!a == !b && (!a || strcmp(a, b) == 0));
}

static void check_equal_graphs(const weld_graph *a, const weld_graph *b) {
    char *x, *y;
    FUZZ_CHECK(!a == !b);
    if (a) {
        FUZZ_CHECK(weld_graph_to_text(a, &x, NULL) == WELD_OK);
        FUZZ_CHECK(weld_graph_to_text(b, &y, NULL) == WELD_OK);
        check_equal_texts(x, y);
        weld_free(x);
        weld_free(y);
    }
}

static void check_equal_codes(const weld_model_file *a, const weld_model_file *b) {
    char *x, *y;
    FUZZ_CHECK(!a->quantization == !b->quantization);
    if (a->quantization) {
        FUZZ_CHECK(weld_quantization_to_text(a->graph, a->quantization, &x, NULL) == WELD_OK);
        FUZZ_CHECK(weld_quantization_to_text(b->graph, b->quantization, &y, NULL) == WELD_OK);
        check_equal_texts(x, y);
        weld_free(x);
        weld_free(y);
    }
}

/* As texts: the structs have gaps between their members. */
static void check_equal_settings(const weld_model_file *a, const weld_model_file *b) {
    char *x, *y;
    FUZZ_CHECK(weld_model_config_to_text(&a->config, &x, NULL) == WELD_OK);
    FUZZ_CHECK(weld_model_config_to_text(&b->config, &y, NULL) == WELD_OK);
    check_equal_texts(x, y);
    weld_free(x);
    weld_free(y);
    FUZZ_CHECK(weld_preprocessing_to_text(&a->preprocessing, &x, NULL) == WELD_OK);
    FUZZ_CHECK(weld_preprocessing_to_text(&b->preprocessing, &y, NULL) == WELD_OK);
    check_equal_texts(x, y);
    weld_free(x);
    weld_free(y);
}

static void check_equal(const weld_model_file *a, const weld_model_file *b) {
    FUZZ_CHECK(a->kind == b->kind);
    check_equal_settings(a, b);
    FUZZ_CHECK(!a->class_names == !b->class_names);
    for (int i = 0; a->class_names && i < a->config.num_classes; i++) {
        check_equal_texts(a->class_names[i], b->class_names[i]);
    }
    fuzz_check_equal_weights(a->weights, b->weights);
    fuzz_check_equal_weights(a->moment1, b->moment1);
    fuzz_check_equal_weights(a->moment2, b->moment2);
    fuzz_check_equal_weights(a->ema, b->ema);
    check_equal_graphs(a->graph, b->graph);
    check_equal_codes(a, b);
    FUZZ_CHECK(b->program_version); /* other programs' files have none */
    check_equal_texts(a->recipe, b->recipe);
    check_equal_texts(a->summary, b->summary);
    check_equal_texts(a->verification, b->verification);
    if (a->kind == WELD_MODEL_CHECKPOINT) {
        FUZZ_CHECK(memcmp(&a->trainer, &b->trainer, sizeof a->trainer) == 0);
    }
}

void fuzz_read_model_file(const char *path) {
    weld_error err = fuzz_error();
    weld_model_file mf, back;
    weld_status status = weld_model_file_read(path, &mf, &err);
    fuzz_check_status(status, &err);
    if (status != WELD_OK) {
        return;
    }
    FUZZ_CHECK(mf.weights);
    status = weld_model_file_write(fuzz_output(), &mf, &err);
    fuzz_check_status(status, &err);
    FUZZ_CHECK(status == WELD_OK);
    status = weld_model_file_read(fuzz_output(), &back, &err);
    fuzz_check_status(status, &err);
    FUZZ_CHECK(status == WELD_OK);
    check_equal(&mf, &back);
    weld_model_file_free(&back);
    weld_model_file_free(&mf);
}

void fuzz_model_file(const uint8_t *data, size_t size) {
    size_t file_size;
    unsigned char *file = fuzz_store(data, size, &file_size);
    fuzz_read_model_file(fuzz_file(data, size));
    fuzz_read_model_file(fuzz_file(file, file_size));
    free(file);
}
