/* Image files to pixels: JPEG, PNG and WebP, told apart by their contents, never by a name.
 *
 * The result is what Pillow's Image.open(...).convert("RGB") gives: CMYK is converted the simple
 * way, with the inversion that Adobe's files need; alpha and transparency are dropped; 16-bit
 * colour keeps the upper byte, while 16-bit grey is clipped at 255, or scaled (`scale16`, as in
 * weld/image.h; 0 is 255); an orientation in the metadata (for which there is upright.h),
 * colour profiles and gamma are ignored; of an animation it is the first image. A file that ends
 * too early, or whose image data is damaged so that pixels are lost, is an error; where every pixel
 * is there and only the mark of the end is not, it is none.
 */
#ifndef WELD_IMAGES_DECODE_H
#define WELD_IMAGES_DECODE_H

#include "formats/bytes.h"
#include "images/image.h"

/* How image files are to be read, as a preprocessing says it (weld/image.h). All zero: as stored,
 * of up to WELD_USUAL_MAX_PIXELS. */
typedef struct weld_reading {
    int scale16;
    bool upright; /* turned as the metadata say */
    int max_pixels;
} weld_reading;

static inline weld_reading weld_reading_of(const weld_preprocessing *p) {
    return (weld_reading){p->scale16, p->orientation == WELD_ORIENTATION_EXIF, p->max_pixels};
}
/* WELD_ERROR_FORMAT where an image has more pixels than are taken, or none. */
weld_status weld_reading_check(weld_reading how, int width, int height, weld_error *err);

/* Do these bytes begin a JPEG, PNG or WebP image? 12 of them tell. */
bool weld_is_image(const void *bytes, size_t size);

/* Decode into *out. Errors: WELD_ERROR_FORMAT with the reason (no file name, the caller adds it),
 * WELD_ERROR_MEMORY. */
weld_status weld_decode_image(const void *bytes, size_t size, int scale16, weld_image *out,
                              weld_error *err);

/* Some pixels of an image, and where in them the part is that was asked for. */
typedef struct weld_decoded_part {
    weld_pixels pixels;
    float box[4]; /* left, top, right, bottom, in these pixels; whole numbers without reduction */
} weld_decoded_part;

/* Decode what `part` (in the image's pixels; it must lie inside) needs, into memory that *out then
 * views. reduction 1: the part's pixels and no others, the same as in the whole image. 2, 4 or 8:
 * of JPEG the decoder's output at that part of the size, which averages over frequencies; other
 * formats are never reduced.
 *
 * Of a JPEG only the rows down to the part's end are decoded: damage below them is not noticed, but
 * that the file goes on to its end mark is, or that it goes on to its last row: a file that was cut
 * is an error whatever the part.
 */
weld_status weld_decode_part(const void *bytes, size_t size, const weld_rectangle *part,
                             int reduction, int scale16, weld_image *memory, weld_decoded_part *out,
                             weld_error *err);

/* The same view of pixels that are there already. */
weld_decoded_part weld_part_of_image(const weld_pixels *image, const weld_rectangle *part);

/* Values of a 16-bit grey PNG, as they are in the file. */
typedef struct weld_grey_range {
    int least, most;
    double clipped; /* the share of pixels above scale16 */
} weld_grey_range;
/* WELD_ERROR_FORMAT where it is no such file, or a damaged one. */
weld_status weld_decode_grey_range(const void *bytes, size_t size, int scale16, weld_image *memory,
                                   weld_grey_range *out, weld_error *err);

/* Width and height alone, from the header. */
weld_status weld_decode_size(const void *bytes, size_t size, int *width, int *height,
                             weld_error *err);

/* Encode as JPEG of the given quality (1..100) without chroma subsampling. */
weld_status weld_encode_jpeg(const weld_image *image, int quality, weld_bytes *out,
                             weld_error *err);
/* With an orientation (upright.h) in its metadata; 1: without metadata. */
weld_status weld_encode_jpeg_turned(const weld_image *image, int quality, int orientation,
                                    weld_bytes *out, weld_error *err);

#endif
