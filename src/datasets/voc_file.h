/* One XML file of Pascal VOC's kind: what is on an image. */
#ifndef WELD_DATASETS_VOC_FILE_H
#define WELD_DATASETS_VOC_FILE_H

#include <stdint.h>

#include "base/text.h"
#include "weld/status.h"

typedef struct weld_voc_object {
    uint64_t line;     /* where it begins */
    size_t name;       /* where its class begins in `texts`; has_name: it has one */
    double corners[4]; /* xmin, ymin, xmax, ymax, as they stand there */
    bool has_name, has_corner[4], difficult, odd_difficult; /* odd: it says neither yes nor no */
    unsigned seen;                                          /* members that began, a bit each */
    char twice[16]; /* the name of one that is there a second time; "": none is */
} weld_voc_object;

/* Start with WELD_VOC_FILE; may be used again. */
typedef struct weld_voc_file {
    weld_array texts;     /* each with its zero */
    weld_array objects;   /* of weld_voc_object */
    size_t image;         /* where the name of the image begins in `texts`, */
    bool has_image;       /* if it has one */
    double width, height; /* 0: not told */
    uint64_t size_line;   /* where these stand */
} weld_voc_file;

#define WELD_VOC_FILE                                                                              \
    ((weld_voc_file){.texts = {.element = 1}, .objects = {.element = sizeof(weld_voc_object)}})

/* Numbers that are none become NAN. Errors name file and line: no XML, another kind of it, or one
 * that declares entities, which no annotation needs. */
weld_status weld_voc_file_read(const char *path, weld_voc_file *out, weld_error *err);
void weld_voc_file_free(weld_voc_file *f);

#endif
