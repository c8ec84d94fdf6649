/* Label files of a YOLO data set whose image is not there: lost in copying, or renamed. */
#ifndef WELD_DATASETS_YOLO_LOST_H
#define WELD_DATASETS_YOLO_LOST_H

#include "datasets/box_store.h"

/* Folders of images with those that have their labels. Start with WELD_YOLO_FOLDERS. */
typedef struct weld_yolo_folders {
    weld_array texts, pairs;
} weld_yolo_folders;

#define WELD_YOLO_FOLDERS                                                                          \
    ((weld_yolo_folders){.texts = {.element = 1}, .pairs = {.element = 2 * sizeof(uint64_t)}})

/* Those of an image and its label file; false: memory is short. */
bool weld_yolo_folders_add(weld_yolo_folders *f, const char *image, const char *label);
void weld_yolo_folders_free(weld_yolo_folders *f);

/* Tell each label file in these folders, and in folders within, beside which there is no image of
 * its name. Of other text files, of class names as a rule, nothing is told. Errors: memory. */
weld_status weld_yolo_find_lost(weld_yolo_folders *f, const weld_box_options *options,
                                weld_box_store *store, weld_error *err);

#endif
