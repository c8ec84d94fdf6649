/* Keys of recipes: what is done to the images of training; see key_rows.h. */
#include "recipe/key_rows.h"

static const weld_key augment_keys[] = {
    {"kind", CHOICE(augment.kind, "imagenet", "small", "detection", "none"),
     .manual_standard = "imagenet; of detectors detection",
     .help =
         "`imagenet`: random resized crop and flips; `small`: pad by 4, random crop and flips, for "
         "inputs of 32 and less; `detection`: mosaics, scaling, shifts, flips and colours "
         "(\"Mosaics\" below); `none`: images as evaluation sees them, each once, and unmixed"},
    {"crop_scale", REALS(augment.crop_scale, 1e-4, 1),
     .help = "random resized crop: share of the image's area, least and most"},
    {"crop_ratio", REALS(augment.crop_ratio, 0.01, 100),
     .help = "its width over height, least and most (log-uniform between)"},
    {"hflip", REAL(augment.hflip, 0, 1), .help = "probability of a mirror image, left to right"},
    {"vflip", REAL(augment.vflip, 0, 1), .null = "0",
     .help = "probability of a mirror image, top to bottom: for what has no up and down, as images "
             "from above or of a microscope"},
    {"auto_augment", TEXT(augment.auto_augment), .null = "none",
     .help = "RandAugment, in timm's words (\"RandAugment\" below); `none`: nothing of the kind"},
    {"color_jitter", REAL(augment.color_jitter, 0, WELD_MAX_COLOR_JITTER), .null = "0",
     .help = "s: brightness, contrast and colour are blended, in random order, each by a factor of "
             "1 - s to 1 + s; where there is no `auto_augment`"},
    {"three_augment", BOOL(augment.three_augment),
     .help =
         "in place of both: one of grey, solarize and Gaussian blur, then a colour jitter of 0.3"},
    {"random_erasing", REAL(augment.random_erasing, 0, 1), .null = "0",
     .help = "probability that a box of 2 to 33 % of the image is filled, after normalisation"},
    {"erasing_mode", CHOICE(augment.erasing_mode, "pixel", "const", "rand"),
     .help = "with what: `pixel`: standard normals; `const`: 0; `rand`: one colour of standard "
             "normals"},
    {"mixup", REAL(augment.mixup, 0, 100), .null = "0",
     .help = "a of the beta(a, a) from which the share of the partner image is drawn; 0: no mixup"},
    {"cutmix", REAL(augment.cutmix, 0, 100), .null = "0",
     .help = "likewise for cutmix: the share of the image that stays; a box of the rest is the "
             "partner's; 0: no cutmix"},
    {"cutmix_probability", REAL(augment.cutmix_probability, 0, 1),
     .help =
         "that a batch which is mixed is mixed by cutmix, where `mixup` and `cutmix` are both on"},
    {"mix_probability", REAL(augment.mix_probability, 0, 1),
     .help = "probability that a batch (or what `mix_mode` says) is mixed at all"},
    {"mix_mode", CHOICE(augment.mix_mode, "batch", "pair", "elem"),
     .help =
         "for what all this is drawn: the `batch`; each `pair` of partners; `elem`: each image. "
         "The partner of image i of n is n-1-i; the middle one of an odd number stays as it is"},
    {"mixup_off_epoch", INTEGER(augment.mixup_off_epoch, 0, WELD_MAX_EPOCHS), .null = "0",
     .help = "after so many epochs nothing is mixed any more, neither by mixup nor by cutmix, as "
             "with timm's `--mixup-off-epoch`; 0: to the end"},
    {"mosaic", REAL(augment.mosaic, 0, 1), .null = "0",
     .help = "detection: probability that a sample is made of four images; 0 in other kinds, as "
             "the next eight"},
    {"scale", REAL(augment.scale, 0, WELD_MAX_SCALE), .null = "0",
     .help = "detection: a sample is scaled by a factor of 1 - scale to 1 + scale"},
    {"translate", REAL(augment.translate, 0, 1), .null = "0",
     .help = "detection: it is moved by up to so much of its side, each way"},
    {"degrees", REAL(augment.degrees, 0, 180), .null = "0",
     .help = "detection: it is turned by up to so many degrees to either side; boxes become the "
             "smallest around their corners, which is too large"},
    {"shear", REAL(augment.shear, 0, WELD_MAX_SHEAR), .null = "0",
     .help = "detection: it is sheared by up to so many degrees, each way"},
    {"perspective", REAL(augment.perspective, 0, WELD_MAX_PERSPECTIVE), .null = "0",
     .help =
         "detection: it is seen from aside: what is one pixel further from the middle, across or "
         "down, is farther away or nearer by up to so much of the distance; 0.0005 is usual "
         "where it is not 0. Boxes become the smallest around their corners"},
    {"hsv", REALS(augment.hsv, 0, 1),
     .help = "detection: gains of hue (1 is the whole circle of colours), saturation and value, of "
             "which up to so much is added or taken away"},
    {"blend", REAL(augment.blend, 0, 1), .null = "0",
     .help = "detection: probability that a sample is blended with another, in shares drawn from "
             "beta(32, 32); the boxes of both count. YOLO's mixup"},
    {"close_mosaic", INTEGER(augment.close_mosaic, 0, WELD_MAX_EPOCHS), .null = "0",
     .help = "detection: in so many epochs at the end each sample is of one image: no mosaics and "
             "no blends"},
    {"repeats", INTEGER(augment.repeats, 1, WELD_MAX_REPEATS), .null = "1",
     .help = "repeated augmentation: each image stands so many times in a row in an epoch's order, "
             "augmented anew each time. An epoch keeps its length, so that it sees 1/repeats of "
             "the images"},
};

const weld_recipe_rows weld_recipe_augment_keys = ROWS("augment", augment_keys);
