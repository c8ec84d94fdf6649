/* What kind of data set a path names, and which part of it.
 *
 * A file is told by its contents. A folder is looked at for COCO's annotations, then YOLO's
 * data.yaml, then VOC's XML files; else it is one of class folders:
 *
 *   COCO  annotations/instances_PART*.json; PART/_annotations.coco.json; _annotations.coco.json
 *   YOLO  data.yaml; or folders images and labels, and data.yaml beside the folder or in it
 *   VOC   folders Annotations and JPEGImages; or XML files beside the images
 *
 * PART is one of weld_part_spellings. Behind the path may stand which kind and part are wanted,
 * where the path itself does not exist: "DIR:val", "DIR:yolo", "DIR:coco:test".
 */
#ifndef WELD_DATASETS_LAYOUT_H
#define WELD_DATASETS_LAYOUT_H

#include <limits.h>
#include <stdbool.h>

#include "weld/status.h"

typedef enum weld_data_kind {
    WELD_DATA_ANY, /* to be found out */
    WELD_DATA_CLASSES,
    WELD_DATA_COCO,
    WELD_DATA_YOLO,
    WELD_DATA_VOC
} weld_data_kind;

typedef enum weld_part_name { WELD_NAMED_TRAIN, WELD_NAMED_VAL, WELD_NAMED_TEST } weld_part_name;
enum { WELD_PARTS = 3 };

const char *weld_part_text(weld_part_name part); /* "train" */

/* Names of the parts, as people have them: of a part the one that is preferred first. Ended by a
 * text of NULL. */
typedef struct weld_part_spelling {
    const char *text;
    weld_part_name part;
} weld_part_spelling;
extern const weld_part_spelling weld_part_spellings[];

typedef struct weld_layout {
    weld_data_kind kind; /* WELD_DATA_ANY: a file that is not JSON or YAML */
    weld_part_name part;
    bool is_part;          /* the folder is one part itself: whichever is asked for */
    char path[PATH_MAX];   /* what was asked for, without what stands behind it */
    char file[PATH_MAX];   /* the JSON file or data.yaml; of VOC the folder */
    char images[PATH_MAX]; /* of YOLO: the folder images beside labels, in the place of the parts
                              of data.yaml; "": those */
    char note[300];        /* which kind was chosen where there are several; or "" */
} weld_layout;

/* Is there such a part of a data set with boxes? false too where there is none with boxes; true
 * where that cannot be told (two files might be it, data.yaml is none): opening tells what is
 * wrong. Errors: memory. */
weld_status weld_layout_has_part(const char *path, weld_part_name part, bool *has, weld_error *err);

/* Is what was found one of several parts, so that its path alone does not say which? */
bool weld_layout_is_of_parts(const weld_layout *l);

/* Is the folder within one of a data set with boxes, as YOLO's images/val is? What to open then, as
 * data.yaml. */
bool weld_layout_above(const char *path, char out[PATH_MAX]);

/* `part` is what is meant where the path does not say it. Errors: the path is missing; the kind or
 * the part is not there. */
weld_status weld_layout_find(const char *path, weld_part_name part, weld_layout *out,
                             weld_error *err);

#endif
