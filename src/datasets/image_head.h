/* How large the image in a file is, read from its first bytes. */
#ifndef WELD_DATASETS_IMAGE_HEAD_H
#define WELD_DATASETS_IMAGE_HEAD_H

#include "formats/bytes.h"

/* Width and height upright, with the orientation of its metadata applied; `scratch` is memory that
 * may be used again. Fails where the file cannot be read or does not begin as an image does. */
weld_status weld_image_head_size(const char *path, weld_bytes *scratch, int *width, int *height,
                                 weld_error *err);

#endif
