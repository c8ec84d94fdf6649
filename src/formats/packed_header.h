/* The user block of a packed data set (packed.h): what its reader and its writer share. */
#ifndef WELD_FORMATS_PACKED_HEADER_H
#define WELD_FORMATS_PACKED_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

#define WELD_PACKED_HEADER_SIZE 512
#define WELD_PACKED_VERSION 2
#define WELD_PACKED_VERSION_BOXES 3

/* Every table but /images, in the order of packed.h. */
typedef enum weld_packed_table {
    WELD_PACKED_OFFSETS,
    WELD_PACKED_LABELS,
    WELD_PACKED_CRC32,
    WELD_PACKED_NAMES,
    WELD_PACKED_NAME_OFFSETS,
    WELD_PACKED_CLASS_NAMES,
    WELD_PACKED_CLASS_NAME_OFFSETS,
    WELD_PACKED_TABLE_COUNT,
    /* Of files with boxes: */
    WELD_PACKED_BOXES = WELD_PACKED_TABLE_COUNT,
    WELD_PACKED_BOX_OFFSETS,
    WELD_PACKED_SAMPLES,
    WELD_PACKED_CATEGORIES,
    WELD_PACKED_ALL_TABLES
} weld_packed_table;
enum { WELD_PACKED_BOX_TABLES = WELD_PACKED_ALL_TABLES - WELD_PACKED_TABLE_COUNT };

typedef struct weld_packed_extent {
    uint64_t offset, bytes; /* in the file */
} weld_packed_extent;

/* Nothing but u64, in the order of the file: it is copied there as it is. */
typedef struct weld_packed_header {
    uint64_t file_length;
    uint64_t images_offset; /* from the beginning of the file */
    uint64_t images_size;
    uint64_t count;    /* samples */
    uint64_t checksum; /* weld_packed_checksum of the file */
    uint64_t class_count;
    uint64_t height, width, channels;
    weld_packed_extent tables[WELD_PACKED_TABLE_COUNT];
    uint64_t scale16; /* 0 in files from before there was any */
    weld_packed_extent box_tables[WELD_PACKED_BOX_TABLES]; /* all zero: no boxes */
    uint64_t shape_areas;                                  /* 0 or 1 */
} weld_packed_header;

/* How many tables the file has, and where each is. */
static inline int weld_packed_table_count(const weld_packed_header *h) {
    return h->box_tables[0].bytes ? WELD_PACKED_ALL_TABLES : WELD_PACKED_TABLE_COUNT;
}
static inline weld_packed_extent *weld_packed_extent_of(weld_packed_header *h, int table) {
    return table < WELD_PACKED_TABLE_COUNT ? &h->tables[table]
                                           : &h->box_tables[table - WELD_PACKED_TABLE_COUNT];
}

/* The version follows from whether there are boxes. */
void weld_packed_header_encode(const weld_packed_header *h,
                               unsigned char block[WELD_PACKED_HEADER_SIZE]);
/* Checks magic, version and the block's own checksum, nothing more. `path` is for the message. */
weld_status weld_packed_header_decode(const unsigned char block[WELD_PACKED_HEADER_SIZE],
                                      const char *path, weld_packed_header *out, weld_error *err);

/* XXH3 of all bytes between the user block and the file's end that are not image bytes. The
 * header's lengths must have been checked against each other. */
weld_status weld_packed_checksum(int fd, const weld_packed_header *h, const char *path,
                                 uint64_t *out, weld_error *err);

#endif
