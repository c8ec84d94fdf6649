/* Packed data sets: all images of a data set in one HDF5 file.
 *
 * The file, for readers other than weld (h5py, h5dump):
 *
 *   /images              u8 [bytes]      every sample's bytes, one after the other (contiguous)
 *   /offsets             u64 [n + 1]     sample i is images[offsets[i] .. offsets[i + 1])
 *   /labels              i32 [n]         0 .. classes - 1
 *   /crc32               u32 [n]         CRC-32 (zlib's) of every sample's bytes
 *   /names               u8 [...]        names of the samples, each ended by a zero byte
 *   /name_offsets        u64 [n + 1]     name i begins at names[name_offsets[i]]
 *   /class_names         u8 [...]        likewise for the classes
 *   /class_name_offsets  u64 [classes + 1]
 * and where samples have boxes, also
 *
 *   /boxes               f64 [7 b]       x, y, width, height, area (in pixels), class, flags
 *   /box_offsets         u64 [n + 1]     sample i has the boxes from box_offsets[i] on
 *   /samples             i64 [3 n]       id, width, height (0: not told)
 *   /categories          i64 [classes]   ids
 *
 *   attributes of /      version (2; 3 with boxes);
 *                        height, width, channels (0, 0, 0: samples are JPEG, PNG or WebP files as
 *                        they were; else raw pixels, row-major, channels 1 or 3);
 *                        scale16 where 16-bit grey was made 8-bit when it was packed: the value
 *                        that became white
 *
 * /images may be longer than offsets[n]; the rest is unused. In front of the HDF5 data stands a
 * user block of 512 bytes, integers u64, little-endian:
 *
 *    0  16  "weld-pack2\r\n\x1a\n\0\0" (weld-pack3 with boxes)
 *   16  40  length of the file; place of /images in it; length of /images; n; XXH3-64 of all bytes
 *           behind the block that are not of /images
 *   56  32  number of classes; height; width; channels
 *   88 112  place and bytes of offsets, labels, crc32, names, name_offsets, class_names,
 *           class_name_offsets
 *  200   8  scale16, or 0
 *  208  72  place and bytes of boxes, box_offsets, samples, categories; whether areas are of shapes
 *  504   8  XXH3-64 of the 504 bytes before; zeros in between
 *
 * A reader goes by this block alone, whose every number it checks: a cut or damaged file is refused
 * when it is opened, a damaged image when it is read, and a file that means harm never meets the
 * HDF5 library, which is not made for that. Reading a sample is one positioned read and a CRC.
 */
#ifndef WELD_FORMATS_PACKED_H
#define WELD_FORMATS_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

#define WELD_PACKED_MAX_SIDE 32768 /* of raw images */

/* height 0: samples are image files; otherwise each is height * width * channels raw bytes. */
typedef struct weld_packed_layout {
    int height, width, channels;
    int scale16; /* (weld/image.h) by which 16-bit grey was packed with 8; 0: there was none */
} weld_packed_layout;

typedef struct weld_packed weld_packed;

/* Open for reading. Errors: WELD_ERROR_IO, WELD_ERROR_FORMAT (not such a file, cut, damaged). */
weld_status weld_packed_open(const char *path, weld_packed **out, weld_error *err);
void weld_packed_close(weld_packed *p); /* accepts NULL */

weld_packed_layout weld_packed_get_layout(const weld_packed *p);
int64_t weld_packed_count(const weld_packed *p);
/* The same for files of the same samples: it covers the CRC of each. */
uint64_t weld_packed_contents(const weld_packed *p);
int weld_packed_class_count(const weld_packed *p);
const char *weld_packed_class_name(const weld_packed *p, int i);
const char *weld_packed_name(const weld_packed *p, int64_t i);
int weld_packed_label(const weld_packed *p, int64_t i);
size_t weld_packed_size(const weld_packed *p, int64_t i); /* bytes of sample i */

/* Read sample i into `buffer` of weld_packed_size(p, i) bytes and check its CRC. May be called from
 * several threads at once. The message of an error names the file and the sample. */
weld_status weld_packed_read(const weld_packed *p, int64_t i, void *buffer, weld_error *err);

/* Boxes, as rows of numbers: x, y, width, height, area, class, flags. Classes are some of the
 * file's, flags below 2^32, and all are finite. */
enum { WELD_PACKED_BOX_NUMBERS = 7, WELD_PACKED_SAMPLE_NUMBERS = 3 };
bool weld_packed_has_boxes(const weld_packed *p);
bool weld_packed_has_shape_areas(const weld_packed *p);
/* Those of sample i; and its id, width and height. */
const double *weld_packed_boxes(const weld_packed *p, int64_t i, int64_t *count);
const int64_t *weld_packed_sample(const weld_packed *p, int64_t i);
int64_t weld_packed_category(const weld_packed *p, int class_index);
/* Releases what the four say, when it was copied. */
void weld_packed_drop_boxes(weld_packed *p);

typedef struct weld_packed_writer weld_packed_writer;

/* Begin a packed data set. Image bytes go to disk as they come, into a file beside it (file.h) that
 * weld_packed_writer_finish renames; what is at `path` stays as it is until then. */
weld_status weld_packed_writer_create(const char *path, weld_packed_layout layout,
                                      const char *const *class_names, int class_count,
                                      weld_packed_writer **out, weld_error *err);
/* Say that 16-bit grey was packed with 8 bits, once that is known. */
void weld_packed_writer_set_scale16(weld_packed_writer *w, int scale16);
/* Append a sample; for raw layouts `size` must be height * width * channels. */
weld_status weld_packed_writer_add(weld_packed_writer *w, const void *bytes, size_t size, int label,
                                   const char *name, weld_error *err);
/* Before the first sample: each will have boxes, which are added behind it. */
weld_status weld_packed_writer_have_boxes(weld_packed_writer *w, const int64_t *categories,
                                          bool shape_areas, weld_error *err);
weld_status weld_packed_writer_add_boxes(weld_packed_writer *w, const double *rows, int64_t count,
                                         const int64_t sample[WELD_PACKED_SAMPLE_NUMBERS],
                                         weld_error *err);
/* Write the tables, sync, rename to `path`. The writer must be freed afterwards all the same. */
weld_status weld_packed_writer_finish(weld_packed_writer *w, weld_error *err);
/* Removes the temporary file unless the writer was finished. Accepts NULL. */
void weld_packed_writer_free(weld_packed_writer *w);

#endif
