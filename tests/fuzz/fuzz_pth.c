/* PyTorch checkpoints. Input that begins with "PK" is an archive as it is. Anything else is a
 * pickle and then storages 0, 1, ..., each after a separator, of which a sound archive is made. */
#define _GNU_SOURCE
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "state_check.h"

enum { MAX_STORAGES = 64, NAME = 16 };

typedef struct buffer {
    unsigned char *bytes;
    size_t size;
} buffer;

typedef struct part {
    char name[NAME];
    const uint8_t *bytes;
    size_t size, at;
    uint32_t crc;
} part;

static void put(buffer *b, const void *bytes, size_t size) {
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

/* Little-endian. */
static void put_number(buffer *b, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        b->bytes[b->size++] = (unsigned char)(value >> (8 * i));
    }
}

/* What the headers before an entry and in the directory have in common. */
static void put_description(buffer *b, const part *p) {
    put_number(b, 0, 2);           /* flags */
    put_number(b, 0, 2);           /* stored */
    put_number(b, 0x00210000u, 4); /* 1980-01-01 */
    put_number(b, p->crc, 4);
    put_number(b, (uint32_t)p->size, 4);
    put_number(b, (uint32_t)p->size, 4);
    put_number(b, (uint32_t)strlen(p->name), 2);
    put_number(b, 0, 2); /* nothing extra */
}

static buffer make_archive(part *parts, size_t count, size_t size) {
    buffer b = {calloc(size + count * 200 + 100, 1), 0};
    FUZZ_CHECK(b.bytes);
    for (size_t i = 0; i < count; i++) {
        part *p = &parts[i];
        p->at = b.size;
        p->crc = (uint32_t)crc32_z(0, p->bytes, p->size);
        put(&b, "PK\3\4\24\0", 6);
        put_description(&b, p);
        put(&b, p->name, strlen(p->name));
        put(&b, p->bytes, p->size);
    }
    size_t directory = b.size;
    for (size_t i = 0; i < count; i++) {
        put(&b, "PK\1\2\24\0\24\0", 8);
        put_description(&b, &parts[i]);
        put(&b, "\0\0\0\0\0\0\0\0\0\0", 10); /* no comment, first disk, no attributes */
        put_number(&b, (uint32_t)parts[i].at, 4);
        put(&b, parts[i].name, strlen(parts[i].name));
    }
    size_t directory_size = b.size - directory;
    put(&b, "PK\5\6\0\0\0\0", 8);
    put_number(&b, (uint32_t)count, 2);
    put_number(&b, (uint32_t)count, 2);
    put_number(&b, (uint32_t)directory_size, 4);
    put_number(&b, (uint32_t)directory, 4);
    put_number(&b, 0, 2);
    return b;
}

static void check_pickle(const uint8_t *data, size_t size) {
    part parts[1 + MAX_STORAGES];
    size_t count = 0;
    const uint8_t *at = data, *end = data + size;
    while (at && count < 1 + MAX_STORAGES) {
        part *p = &parts[count];
        const uint8_t *next = memmem(at, (size_t)(end - at), FUZZ_SEPARATOR, FUZZ_SEPARATOR_SIZE);
        *p = (part){.bytes = at, .size = (size_t)((next ? next : end) - at)};
        if (count == 0) {
            snprintf(p->name, NAME, "a/data.pkl");
        } else {
            snprintf(p->name, NAME, "a/data/%zu", count - 1);
        }
        at = next ? next + FUZZ_SEPARATOR_SIZE : NULL;
        count++;
    }
    buffer b = make_archive(parts, count, size);
    fuzz_state_file(b.bytes, b.size);
    free(b.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size >= 2 && memcmp(data, "PK", 2) == 0) {
        fuzz_state_file(data, size);
    } else if (size) {
        check_pickle(data, size);
    }
    return 0;
}
