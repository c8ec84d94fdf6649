/* Image files to pixels: JPEG and PNG, told apart by their contents, never by a name.
 *
 * The result is what Pillow's Image.open(...).convert("RGB") gives: CMYK is converted the simple
 * way, with the inversion that Adobe's files need; alpha and transparency are dropped; 16-bit
 * colour keeps the upper byte, while 16-bit grey is clipped at 255; an orientation in the metadata,
 * colour profiles and gamma are ignored. A file that ends too early, or whose image data is damaged
 * so that pixels are lost, is an error.
 */
#ifndef WELD_DATA_DECODE_H
#define WELD_DATA_DECODE_H

#include "data/image.h"

/* Decode into *out. Errors: WELD_ERROR_FORMAT with the reason (no file name, the caller adds it),
 * WELD_ERROR_MEMORY. */
weld_status weld_decode_image(const void *bytes, size_t size, weld_image *out, weld_error *err);

/* Width and height alone, from the header. */
weld_status weld_decode_size(const void *bytes, size_t size, int *width, int *height,
                             weld_error *err);

/* Read and decode a file; messages name the path. */
weld_status weld_decode_file(const char *path, weld_image *out, weld_error *err);

/* Encode as JPEG of the given quality (1..100) without chroma subsampling. */
weld_status weld_encode_jpeg(const weld_image *image, int quality, weld_bytes *out,
                             weld_error *err);

#endif
