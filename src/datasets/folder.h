/* Listing folders: of class folders, for dataset.c, and of images. */
#ifndef WELD_DATASETS_FOLDER_H
#define WELD_DATASETS_FOLDER_H

#include "datasets/listing.h"

/* Fill in *out, which the caller frees whatever the result. Messages name the folder concerned. */
weld_status weld_folder_scan(const char *path, const weld_listing_options *options,
                             weld_listing *out, weld_error *err);
/* All images at and below `path`, as if they were of one class: in order of their folders, then of
 * their names. Likewise. */
weld_status weld_folder_list(const char *path, const weld_listing_options *options,
                             weld_listing *out, weld_error *err);

#endif
