/* A data set from within: for dataset.c, dataset_pixels.c and boxes.c. */
#ifndef WELD_DATASETS_DATASET_PRIVATE_H
#define WELD_DATASETS_DATASET_PRIVATE_H

#include "base/text.h"
#include "datasets/box_store.h"
#include "datasets/dataset.h"
#include "formats/packed.h"

struct weld_dataset {
    char *path;
    char *title;         /* what weld_dataset_title says */
    const char *part;    /* what weld_dataset_part says */
    weld_packed *packed; /* NULL: a folder or an archive */
    int tar;             /* descriptor of a tar archive, or -1 */
    weld_listing listing;
    char *root;            /* the folder of the samples that a list names; NULL: it is no list */
    weld_box_store *boxes; /* NULL: samples have labels */
    char note[1100];
    weld_text passed; /* what weld_dataset_passed says */
    /* Where it has taken a network's classes; else NULL. */
    const char *const *class_names;
    int class_count;
    int *class_of; /* by its own class */
    bool is_part;  /* not all samples are to be seen, */
    int64_t *kept; /* but these */
    int64_t kept_count;
};

/* Where an image is; false: the path is too long. Of an archive's member it is for messages. */
bool weld_dataset_path_of(const weld_dataset *ds, const char *name, char *path, size_t size);
/* Classes as they are stored, whatever a network calls them; and the first of them that class i is,
 * -1 where none is. */
int weld_dataset_own_class_count(const weld_dataset *ds);
const char *weld_dataset_own_class_name(const weld_dataset *ds, int own);
int weld_dataset_own_class(const weld_dataset *ds, int i);

/* Say anew what weld_dataset_passed says. Errors: memory. */
weld_status weld_dataset_sum_up(weld_dataset *ds, weld_error *err);

#endif
