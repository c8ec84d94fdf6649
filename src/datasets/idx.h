/* The files of the MNIST family ("idx"): grey images of one size, and their labels.
 *
 * Big-endian: two zero bytes, the element type (8: unsigned byte), the number of dimensions, each
 * dimension as 32 bits, then the elements; images [count, height, width], labels [count]. Files may
 * be compressed by gzip.
 */
#ifndef WELD_DATASETS_IDX_H
#define WELD_DATASETS_IDX_H

#include <limits.h>
#include <stdint.h>

#include "weld/status.h"

/* Does the folder hold idx files ("*-images-idx3-ubyte", perhaps with ".gz")? If so, images and
 * labels become the paths of the set called `split` ("train", "t10k"). WELD_ERROR_NOT_FOUND: there
 * is no such pair of files. */
weld_status weld_idx_find(const char *folder, const char *split, char images[PATH_MAX],
                          char labels[PATH_MAX], weld_error *err);

/* Pack the images as raw grey pixels into `out`. class_names NULL: the labels' numbers, "0" to the
 * largest label. Stores the number of images in *count, which may be NULL. */
weld_status weld_pack_idx(const char *images, const char *labels, const char *const *class_names,
                          int class_count, const char *out, int64_t *count, weld_error *err);

#endif
