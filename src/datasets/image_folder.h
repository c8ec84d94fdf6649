/* Where the images are that a file of annotations names. */
#ifndef WELD_DATASETS_IMAGE_FOLDER_H
#define WELD_DATASETS_IMAGE_FOLDER_H

#include "datasets/listing.h"

/* The folder in which the first of the listing's images that is anywhere is: `asked` where that is
 * not NULL; else that of the file, or those beside it that are usual: images, and one by the file's
 * name (train2017 of instances_train2017.json), beside the file or its folder. *out is released
 * with weld_free. The message of an error says where they were looked for. */
weld_status weld_find_image_folder(const char *file, const char *asked, const weld_listing *l,
                                   char **out, weld_error *err);

#endif
