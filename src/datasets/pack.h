/* Making a packed data set out of another one. */
#ifndef WELD_DATASETS_PACK_H
#define WELD_DATASETS_PACK_H

#include "datasets/dataset.h"

typedef struct weld_pack_options {
    /* 0: images as they are. N: shorter side reduced to N (antialiased bicubic). If all images come
     * out in one size and N is 64 or less they are stored as raw pixels, brought to N exactly;
     * otherwise those that had to be reduced as JPEG of quality 95 without chroma subsampling, and
     * those that were small enough as they are. What the metadata of a file say of how it is to be
     * turned stays with it (such images are not made raw), for readers to do as they are told;
     * images with boxes are turned. */
    int size;
    int scale16; /* of 16-bit grey that becomes 8-bit on the way, which is said in the file; 0: 255
                  */
    int max_pixels; /* of images that are taken; 0: as many as are usual (weld/image.h) */
    int threads;    /* 0: all that the process may use */
    /* Both may be NULL; called by the thread that called weld_pack, in order. */
    void (*progress)(void *arg, int64_t done, int64_t total);
    void (*bad_image)(void *arg, const char *name, const char *reason);
    void *arg;
} weld_pack_options;

typedef struct weld_pack_report {
    int64_t packed, bad;
    weld_packed_layout layout; /* raw pixels' size, or all zero */
} weld_pack_report;

/* Pack all samples of ds, with their boxes, in order into the file `out`; bad images are reported,
 * counted and left out. */
weld_status weld_pack(const weld_dataset *ds, const char *out, const weld_pack_options *options,
                      weld_pack_report *report, weld_error *err);

#endif
