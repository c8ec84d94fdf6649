/* What may be wrong with entries of annotation files, and who hears of it.
 *
 * Some faults are errors: nobody knows what was meant, and leaving out the box, or its image, would
 * be wrong in silence. Where faults are asked for, to tell them all, these are told too, and the
 * entry is left out.
 */
#ifndef WELD_DATASETS_BOX_FAULTS_H
#define WELD_DATASETS_BOX_FAULTS_H

#include <stdbool.h>

/* What may be wrong, and what becomes of the box. */
typedef enum weld_box_fault {
    WELD_BOX_BAD_VALUE,      /* no number, not finite, a row or object that is no box: an error */
    WELD_BOX_BAD_CLASS,      /* a class that is not declared: an error */
    WELD_BOX_NOT_NORMALISED, /* YOLO: pixels where shares of the image are expected: an error */
    WELD_BOX_NO_AREA,        /* an area in none of COCO's ranges: ignored in evaluation */
    WELD_BOX_EMPTY,          /* no width or height: unused in training */
    WELD_BOX_OUTSIDE,        /* beyond the image by more than a pixel; unused where all of it is */
    WELD_BOX_TWICE,          /* the same box of the same class in one image: one is used */
    WELD_BOX_ID_TWICE,       /* annotations of one id: all are kept */
    WELD_BOX_IMAGE_ID,       /* COCO: an id of two images: whose are its boxes? an error */
    WELD_BOX_IMAGE_TWICE,    /* an image that is listed twice: one is kept */
    WELD_BOX_ORPHAN,         /* of an image that is not listed: left out */
    WELD_BOX_UNLABELLED,     /* YOLO: an image without a text file: background */
    WELD_BOX_NO_IMAGE,       /* YOLO: a text file of labels without an image: left out */
    WELD_BOX_CORNERS,        /* YOLO, COCO: look like two corners rather than a place and size */
    WELD_BOX_SHARES,         /* COCO: look like shares of the image rather than pixels */
    WELD_BOX_IMAGE_SHARED,   /* VOC: an image that is another file's too: an error */
    WELD_BOX_FILE_TWICE,     /* COCO: images of one file: each counts by itself */
    WELD_BOX_PARENT,         /* COCO: a category of no box, of which others are kinds: it is kept */
    WELD_BOX_FAULTS
} weld_box_fault;

/* "empty box" */
const char *weld_box_fault_text(weld_box_fault fault);
bool weld_box_fault_is_error(weld_box_fault fault);

/* How to read. */
typedef struct weld_box_options {
    /* Tells every fault instead of ending with the first that is an error; NULL: does not. `where`
     * is "FILE:LINE", or "FILE: offset N". */
    void (*found)(void *arg, weld_box_fault fault, const char *where, const char *what);
    void *arg;
    bool no_images; /* none will be read: they need not be there */
} weld_box_options;

#endif
