/* What an image file says of itself in its headers, as far as that matters to people who look after
 * data sets. Nothing is decoded, and a file may be damaged all the same. */
#ifndef WELD_IMAGES_IMAGE_FACTS_H
#define WELD_IMAGES_IMAGE_FACTS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum weld_image_format {
    WELD_IMAGE_UNKNOWN,
    WELD_IMAGE_JPEG,
    WELD_IMAGE_PNG,
    WELD_IMAGE_WEBP
} weld_image_format;

typedef struct weld_image_facts {
    weld_image_format format;
    int channels;    /* as stored: 1 grey, 3 colour, 4 CMYK; 0: not told */
    int bits;        /* of a channel; 0: not told */
    int orientation; /* of EXIF: 1 to 8, 1 being upright; 0: not told */
    bool alpha;
    bool animated; /* only its first image is taken */
    bool no_end;   /* the mark of its end is missing */
} weld_image_facts;

weld_image_facts weld_image_facts_of(const void *bytes, size_t size);
/* Its orientation alone, for which JPEGs are not looked through to their end. */
int weld_image_orientation_of(const void *bytes, size_t size);
/* 16-bit grey without alpha, of which weld_decode_grey_range tells more? */
bool weld_image_is_deep_grey(const void *bytes, size_t size);

/* The format that a file's name promises by its ending. */
weld_image_format weld_image_format_of_name(const char *name);
const char *weld_image_format_text(weld_image_format format); /* "JPEG", "an unknown format" */

#endif
