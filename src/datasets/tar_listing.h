/* Listing a tar archive of class folders, for dataset.c.
 *
 * The data set is what would be listed if the archive were unpacked, with three additions: an
 * archive inside the archive, NAME.tar, counts as a folder NAME that holds its members (so ImageNet
 * can be used as it is handed out: a tar with a tar per class); one folder around all class folders
 * is left away if it has no images of its own; and of members of one name the last counts, which is
 * what unpacking would leave. Links are refused, as is whatever formats/tar.h refuses.
 */
#ifndef WELD_DATASETS_TAR_LISTING_H
#define WELD_DATASETS_TAR_LISTING_H

#include "datasets/listing.h"

/* From an open file, which is left open. Fill in *out, which the caller frees whatever the result.
 * Messages name the path and the byte. */
weld_status weld_tar_list(int descriptor, const char *path, const weld_listing_options *options,
                          weld_listing *out, weld_error *err);

#endif
