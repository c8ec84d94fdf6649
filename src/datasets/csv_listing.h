/* Listing the images that a CSV file names, each with its class, for dataset.c.
 *
 * The first line names the columns where it has the name of one of paths (path, file, filename,
 * file_name, image, image_path) and of one of classes (class, class_name, label, category), in any
 * case, in any order; of several the first of these lists counts. Otherwise there are no names: the
 * first column is the path, the second the class. Further columns are passed over. Paths are
 * relative to the CSV's folder, or absolute; every file must be there. Order is that of folders: by
 * class, then by path (listing.h). A path that is listed again with the same class counts once.
 */
#ifndef WELD_DATASETS_CSV_LISTING_H
#define WELD_DATASETS_CSV_LISTING_H

#include "datasets/listing.h"

/* Is a file, of which these are the path and the first bytes, such a list? By its ending, or by the
 * names of columns. */
bool weld_is_csv_listing(const char *path, const void *bytes, size_t size);

/* Fill in *out, which the caller frees whatever the result; *root, to be released with weld_free:
 * the folder of paths. `note` becomes what was taken for what, for people. Errors name the line. */
weld_status weld_csv_list(const char *path, const weld_listing_options *options, weld_listing *out,
                          char **root, char *note, size_t note_size, weld_error *err);

#endif
