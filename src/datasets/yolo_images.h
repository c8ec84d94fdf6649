/* The images of a part of a YOLO data set. */
#ifndef WELD_DATASETS_YOLO_IMAGES_H
#define WELD_DATASETS_YOLO_IMAGES_H

#include "datasets/data_yaml.h"
#include "datasets/listing.h"

/* The folder that the parts of data.yaml are relative to: that of `path` in it, or else that in
 * which it is. Of a folder of one part, that folder itself. */
weld_status weld_yolo_root(const weld_layout *layout, const weld_data_yaml *yaml,
                           char out[PATH_MAX], weld_error *err);
/* Samples of all entries of the part, in order of their paths; those that are listed twice are
 * there twice. `options` is told what is passed over in folders; lists that were read are added to
 * `files`, texts. */
weld_status weld_yolo_list(const weld_layout *layout, const weld_data_yaml *yaml, const char *root,
                           const weld_listing_options *options, weld_listing *out,
                           weld_array *files, weld_error *err);

/* By its ending, of what is often beside images: text, other annotations, a program's own. */
bool weld_yolo_is_no_image(const char *name);

#endif
