/* Data sets: labelled images in folders, in a tar archive, or in one packed file.
 *
 * A folder holds one folder per class. Classes are the folders' names in bytewise order; samples
 * are the files below them that end as image files do (listing.h; in any case) or begin as images
 * do, sorted by folder and then by name, bytewise. Entries whose name begins with a dot are
 * skipped. That order gives labels and indices. A tar archive of such folders is the same data set
 * (tar_listing.h says how archives are read); each sample is read by itself, out of its place. A
 * CSV file names images and their classes (csv_listing.h), which come in the same order. A
 * packed file (formats/packed.h) keeps the order in which it was packed.
 *
 * Of large folders and archives an index is kept (index.h), so that only their first opening goes
 * through all their entries.
 *
 * Once it is open (and has taken a network's classes, if it does), a data set does not change and
 * may be read from several threads at once.
 */
#ifndef WELD_DATASETS_DATASET_H
#define WELD_DATASETS_DATASET_H

#include <stdbool.h>

#include "formats/bytes.h"
#include "images/decode.h"
#include "datasets/box_faults.h"
#include "datasets/layout.h"
#include "datasets/listing.h"
#include "formats/packed.h"

typedef struct weld_dataset weld_dataset;

/* Errors: the path is missing; it names no data set; one with boxes has a fault that nobody can
 * read over (box_faults.h), or not the part that is wanted; one of classes has none, or a class
 * (named) without an image. */
weld_status weld_dataset_open(const char *path, weld_dataset **out, weld_error *err);

typedef struct weld_dataset_options {
    weld_listing_options listing; /* of folders and archives; anything but zero: without an index */
    int64_t index_from;           /* keep an index from so many samples on; 0: 20,000 */
    weld_box_options boxes;       /* of data sets with boxes (boxes.h) */
    weld_part_name part;          /* of those in several parts, where the path does not say it */
    bool unlabelled; /* the path is a folder, and all images at and below it are of one class */
} weld_dataset_options;

weld_status weld_dataset_open_with(const char *path, const weld_dataset_options *options,
                                   weld_dataset **out, weld_error *err);
/* To judge a network by: the part val, where there are parts; classes without images are taken too,
 * as long as another has some. */
weld_status weld_dataset_open_to_judge(const char *path, weld_dataset **out, weld_error *err);
void weld_dataset_free(weld_dataset *ds); /* accepts NULL */
/* For what is about to be written at `path`: an error where that is one of the data set's files: an
 * image, or one that says what is on images, of whatever part the data set's path stands for. */
weld_status weld_dataset_spare(const weld_dataset *ds, const char *path, weld_error *err);

/* See the data set with other classes, names[0..count), a network's as a rule: class i becomes
 * to[i] of them, and of a class with to[i] < 0 the samples (or boxes) are not there any more. The
 * names must outlive it; NULL: classes keep their own, and each of the others is one of the data's.
 * Only before anybody else uses the data set. Errors: memory. */
weld_status weld_dataset_take_classes(weld_dataset *ds, const char *const *names, int count,
                                      const int *to, weld_error *err);

/* See only the samples i with part[i] == wanted from now on. Before anybody else uses the data set.
 * Errors: memory. */
weld_status weld_dataset_keep(weld_dataset *ds, const unsigned char *part, unsigned char wanted,
                              weld_error *err);

int64_t weld_dataset_count(const weld_dataset *ds);
/* Of how many samples, and the number among them of sample i, where only a part is seen. */
int64_t weld_dataset_stored_count(const weld_dataset *ds);
int64_t weld_dataset_number(const weld_dataset *ds, int64_t i);
int weld_dataset_class_count(const weld_dataset *ds);
const char *weld_dataset_class_name(const weld_dataset *ds, int i);
/* The first class of that name; -1: none. */
int weld_dataset_find_class(const weld_dataset *ds, const char *name);
int weld_dataset_label(const weld_dataset *ds, int64_t i);
/* "class/file.jpg" as a rule; the data set's own path is not part of it. */
const char *weld_dataset_name(const weld_dataset *ds, int64_t i);
const char *weld_dataset_path(const weld_dataset *ds);
/* Where the path holds several parts (layout.h), which of them it is: "val"; else NULL. */
const char *weld_dataset_part(const weld_dataset *ds);
/* For people: the path, with the part behind it where there are several ("DIR:val"). */
const char *weld_dataset_title(const weld_dataset *ds);
/* Of two that were opened at one place: is it the same part of it? */
bool weld_dataset_is_same_part(const weld_dataset *a, const weld_dataset *b);
/* What became of the index, or which columns of a list were taken, for people; empty where there is
 * nothing to say. */
const char *weld_dataset_note(const weld_dataset *ds);
/* What was passed over in a folder or archive, and what was taken although its name does not say
 * that it is an image, in a line for people; "" where there is nothing to say. */
const char *weld_dataset_passed(const weld_dataset *ds);
bool weld_dataset_is_tar(const weld_dataset *ds);
bool weld_dataset_is_csv(const weld_dataset *ds); /* it is a list of images (csv_listing.h) */
/* The layout of raw pixels; all zero where samples are image files. */
weld_packed_layout weld_dataset_layout(const weld_dataset *ds);

/* weld_packed_contents; 0: it is no packed file. */
uint64_t weld_dataset_contents(const weld_dataset *ds);

/* Reading in two steps, so that the first can be done ahead: the stored bytes of sample i, then
 * pixels of them. Errors name data set and sample. What may pass has been
 * tried again (formats/file.h) before it is one. */
weld_status weld_dataset_read(const weld_dataset *ds, int64_t i, weld_bytes *out, weld_error *err);
weld_status weld_dataset_decode(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                weld_reading how, weld_image *out, weld_error *err);
/* How many bytes that would be; 0: it is not there. False: it cannot be told now, and is 0 too. */
bool weld_dataset_find_stored_bytes(const weld_dataset *ds, int64_t i, size_t *bytes);
/* The same where that makes no difference. */
size_t weld_dataset_stored_bytes(const weld_dataset *ds, int64_t i);
/* Width and height of sample i, without decoding it; an error where `how` does not take so many
 * pixels. */
weld_status weld_dataset_size(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                              weld_reading how, int *width, int *height, weld_error *err);
/* weld_decode_part of sample i, whose size was asked for. *out may view `bytes` where these are
 * pixels. */
weld_status weld_dataset_decode_part(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                     const weld_rectangle *part, int reduction, weld_reading how,
                                     weld_image *memory, weld_decoded_part *out, weld_error *err);

/* Is a failure of these that of the image? Everything is but a lack of memory. */
static inline bool weld_is_bad_image(weld_status status) {
    return status != WELD_OK && status != WELD_ERROR_MEMORY;
}

#endif
