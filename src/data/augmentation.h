/* What training varies at random: the settings of a recipe's section `augment`.
 *
 * Here they are only held and checked; transform.c does what concerns one image, mix.c what
 * concerns a batch, loader.c the order of an epoch.
 */
#ifndef WELD_DATA_AUGMENTATION_H
#define WELD_DATA_AUGMENTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "weld/status.h"

typedef enum weld_augmentation_kind {
    WELD_AUGMENT_IMAGENET,  /* random resized crop, flips */
    WELD_AUGMENT_SMALL,     /* random crop after padding by 4, flips: for inputs of 32 and less */
    WELD_AUGMENT_DETECTION, /* mosaics, scaling, flips, colours: mosaic.h */
    WELD_AUGMENT_NONE       /* as in evaluation: nothing is done at random */
} weld_augmentation_kind;

/* What a random box is filled with, after normalisation. */
typedef enum weld_erasing_mode {
    WELD_ERASE_PIXEL, /* standard normals */
    WELD_ERASE_CONST, /* 0 */
    WELD_ERASE_RAND   /* one colour of standard normals */
} weld_erasing_mode;

/* For what mixing is drawn anew. */
typedef enum weld_mix_mode { WELD_MIX_BATCH, WELD_MIX_PAIR, WELD_MIX_ELEM } weld_mix_mode;

#define WELD_AUTO_AUGMENT_SIZE 128
#define WELD_MAX_COLOR_JITTER 10
#define WELD_MAX_SCALE 0.95 /* a twentieth of the size is left */
#define WELD_MAX_SHEAR 30   /* degrees: both ways together still turn nothing inside out */

#define WELD_MAX_PERSPECTIVE 0.001

#define WELD_MAX_REPEATS 100 /* a random stream's name has a byte for the number of the repeat */

typedef struct weld_augmentation {
    weld_augmentation_kind kind;
    double crop_scale[2]; /* area of the crop, as a part of the image's */
    double crop_ratio[2]; /* width / height of the crop; drawn evenly in the logarithm */
    double hflip, vflip;  /* probabilities */

    char auto_augment[WELD_AUTO_AUGMENT_SIZE]; /* see rand_augment.h; "none" or "": none */
    double color_jitter;   /* strength; 0: none. Not used where there is an auto_augment */
    bool three_augment;    /* in place of auto_augment and color_jitter */
    double random_erasing; /* probability */
    weld_erasing_mode erasing_mode;

    double mixup;              /* alpha of the beta distribution; 0: no mixup */
    double cutmix;             /* likewise; 0: no cutmix */
    double cutmix_probability; /* that cutmix is taken, where there are both */
    double mix_probability;    /* that a batch, or what mix_mode says, is mixed at all */
    weld_mix_mode mix_mode;
    int64_t mixup_off_epoch; /* from this one on, counted from 0, nothing is mixed; 0: always */
    /* Of kind detection, which has none of the above but kind, flips and repeats: mosaic.h. */
    double mosaic;        /* probability that a sample is made of four images */
    double scale;         /* it is scaled by a factor of 1 - scale to 1 + scale... */
    double translate;     /* ...moved by up to so much of its side... */
    double degrees;       /* ...turned by up to so much to either side... */
    double shear;         /* ...and sheared by up to so many degrees each way... */
    double perspective;   /* ...after it was seen from aside, by up to so much a pixel */
    double hsv[3];        /* gains of hue, saturation and value: hsv.h */
    double blend;         /* probability that a sample is blended with another */
    int64_t close_mosaic; /* the last epochs, whose samples are of one image each */

    int64_t repeats; /* how often each sample of an epoch stands in its order, from 1 */
} weld_augmentation;

/* The recipe of the paper's reference: imagenet, 0.08..1, 3/4..4/3, flip 0.5, mixup 0.8, always. */
weld_augmentation weld_augmentation_defaults(void);

/* WELD_ERROR_ARGUMENT names the value that is out of range. */
weld_status weld_augmentation_check(const weld_augmentation *a, weld_error *err);

#endif
