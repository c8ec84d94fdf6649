/* PyTorch checkpoints made by hand, byte for byte, so that every lie in them is one's own. */
#ifndef WELD_TESTS_FORMATS_PTH_WRITER_H
#define WELD_TESTS_FORMATS_PTH_WRITER_H

#include "files.h"

#include <stdint.h>

/* --- Bytes. ----------------------------------------------------------------------------------- */

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

static inline void put(bytes *b, const void *data, size_t size) {
    b->data = realloc(b->data, b->size + size + 1);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void put_text(bytes *b, const char *text) {
    put(b, text, strlen(text));
}

static inline void put_number(bytes *b, uint64_t value, int size) {
    for (; size > 0; size--, value >>= 8) {
        put(b, &(unsigned char){(unsigned char)value}, 1);
    }
}

/* --- Archives. -------------------------------------------------------------------------------- */

/* An entry; what is left at zero is as it should be. */
typedef struct zip_entry {
    const char *name;
    const void *data;
    size_t size;
    unsigned flags, method;
    uint32_t checksum;     /* 0: not computed */
    uint64_t claimed_size; /* in the directory */
    int64_t same_place_as; /* 1 + the entry whose bytes it points to */
    int zip64;             /* sizes and place in the extra field for long files */
} zip_entry;

enum { ZIP_ENTRIES = 16 };

static inline void put_zip_header(bytes *b, const zip_entry *e) {
    put_number(b, 45, 2);
    put_number(b, e->flags, 2);
    put_number(b, e->method, 2);
    put_number(b, 0, 4);
    put_number(b, e->checksum, 4);
}

static inline void put_zip_directory(bytes *b, const zip_entry *e, size_t place) {
    uint64_t size = e->claimed_size ? e->claimed_size : e->size;
    put_text(b, "PK\1\2");
    put_number(b, 45, 2);
    put_zip_header(b, e);
    put_number(b, e->zip64 ? UINT32_MAX : size, 4);
    put_number(b, e->zip64 ? UINT32_MAX : size, 4);
    put_number(b, strlen(e->name), 2);
    put_number(b, e->zip64 ? 28 : 0, 2);
    put_number(b, 0, 10);
    put_number(b, e->zip64 ? UINT32_MAX : place, 4);
    put_text(b, e->name);
    if (e->zip64) {
        put_number(b, 1, 2);
        put_number(b, 24, 2);
        put_number(b, size, 8);
        put_number(b, size, 8);
        put_number(b, place, 8);
    }
}

static inline void write_zip(const char *path, const zip_entry *entries, size_t count) {
    bytes b = {0};
    size_t places[ZIP_ENTRIES];
    for (size_t i = 0; i < count; i++) {
        const zip_entry *e = &entries[i];
        places[i] = e->same_place_as ? places[e->same_place_as - 1] : b.size;
        if (!e->same_place_as) {
            put_text(&b, "PK\3\4");
            put_zip_header(&b, e);
            put_number(&b, e->size, 4);
            put_number(&b, e->size, 4);
            put_number(&b, strlen(e->name), 2);
            put_number(&b, 0, 2);
            put_text(&b, e->name);
            put(&b, e->data, e->size);
        }
    }
    size_t directory = b.size;
    for (size_t i = 0; i < count; i++) {
        put_zip_directory(&b, &entries[i], places[i]);
    }
    size_t end = b.size;
    put_text(&b, "PK\5\6");
    put_number(&b, 0, 4);
    put_number(&b, count, 2);
    put_number(&b, count, 2);
    put_number(&b, end - directory, 4);
    put_number(&b, directory, 4);
    put_number(&b, 0, 2);
    test_write_file(path, b.data, b.size);
    free(b.data);
}

/* --- Pickles. --------------------------------------------------------------------------------- */

/* A tensor as torch.save pickles it. Numbers are int64, so that any can be claimed. */
typedef struct pickled_tensor {
    const char *storage, *key; /* "FloatStorage", "0" */
    int64_t elements, offset;
    int rank;
    int64_t shape[8], stride[8];
} pickled_tensor;

static inline void put_pickled_text(bytes *b, const char *text) {
    put_text(b, "X");
    put_number(b, strlen(text), 4);
    put_text(b, text);
}

static inline void put_pickled_int(bytes *b, int64_t value) {
    put_text(b, "\x8a\x08");
    put_number(b, (uint64_t)value, 8);
}

static inline void put_pickled_tensor(bytes *b, const pickled_tensor *t) {
    put_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_pickled_text(b, "storage");
    put_text(b, "ctorch\n");
    put_text(b, t->storage);
    put_text(b, "\n");
    put_pickled_text(b, t->key);
    put_pickled_text(b, "cpu");
    put_pickled_int(b, t->elements);
    put_text(b, "tQ");
    put_pickled_int(b, t->offset);
    for (int i = 0; i < 2; i++) {
        put_text(b, "(");
        for (int d = 0; d < t->rank; d++) {
            put_pickled_int(b, i ? t->stride[d] : t->shape[d]);
        }
        put_text(b, "t");
    }
    put_text(b, "\x89}tR");
}

#endif
