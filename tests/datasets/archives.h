/* Tar archives made member by member, for tests. */
#ifndef WELD_TESTS_DATA_ARCHIVES_H
#define WELD_TESTS_DATA_ARCHIVES_H

#include "files.h"

typedef struct test_tar {
    unsigned char *bytes;
    size_t size;
} test_tar;

static inline unsigned char *tar_grow(test_tar *t, size_t more) {
    t->bytes = realloc(t->bytes, t->size + more);
    ck_assert_ptr_nonnull(t->bytes);
    memset(t->bytes + t->size, 0, more);
    t->size += more;
    return t->bytes + t->size - more;
}

static inline void tar_set_checksum(unsigned char *block) {
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++) {
        sum += block[i];
    }
    snprintf((char *)block + 148, 8, "%06o", sum);
}

/* A member of POSIX's kind as it would be written by hand; returns where its header is. */
static inline size_t tar_add(test_tar *t, char type, const char *name, const void *bytes,
                             size_t size) {
    size_t at = t->size;
    unsigned char *block = tar_grow(t, 512);
    memcpy(block, name, strnlen(name, 100));
    char digits[24];
    snprintf(digits, sizeof digits, "%011zo", size);
    memcpy(block + 124, digits, 12);
    block[156] = (unsigned char)type;
    memcpy(block + 257, "ustar\00000", 8);
    tar_set_checksum(block);
    if (size) {
        memcpy(tar_grow(t, (size + 511) / 512 * 512), bytes, size);
    }
    return at;
}

/* A pax record "LENGTH KEY=VALUE\n" as the header of the next member. */
static inline void tar_add_pax(test_tar *t, char type, const char *key, const char *value) {
    char text[8192], record[8300];
    int length = snprintf(text, sizeof text, " %s=%s\n", key, value), total = length;
    while (snprintf(record, sizeof record, "%d%s", total, text) != total) {
        total++;
    }
    tar_add(t, type, "pax", record, (size_t)total);
}

static inline void tar_end(test_tar *t) {
    tar_grow(t, 1024);
}

/* Write to folder/name, and start anew. */
static inline void tar_write(test_tar *t, const test_folder *f, const char *name) {
    test_write_file(test_path(f, name), t->bytes, t->size);
    free(t->bytes);
    *t = (test_tar){0};
}

#endif
