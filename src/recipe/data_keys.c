/* Keys of recipes: what images are read, and how they become inputs; see key_rows.h. */
#include "recipe/key_rows.h"

#include "data/bad_images.h"

static const weld_key data_keys[] = {
    {"train", TEXT(data.train), .manual_standard = "must be given",
     .help =
         "images to train on: a folder of class folders, a `.tar` of them (also a tar of a tar "
         "per class, as ImageNet's is; not compressed), a packed `.h5`, or a `.csv` of paths and "
         "classes (\"Labels in a CSV file\" above); for detection COCO's, YOLO's or VOC's "
         "annotations (\"Data sets with boxes\" above). Relative paths start at the current "
         "folder"},
    {"val", TEXT(data.val), .null = "", .help = "images to evaluate on, of the same kinds"},
    {"classes", TEXTS(data.classes.names, data.classes.count), .null = "",
     .manual_standard = "null", .manual_range = "list of up to 256 names; null (all)",
     .help =
         "names of the classes that are learned, of those that `train` has, in the data's order: "
         "as if there were no others, in `train` and in what is evaluated on. Of the others "
         "boxes are left out, and how many is said; an image that has no more boxes stays, as "
         "background. Of class folders the images of the others are left out. The network's "
         "file has these names, by which `weld eval` finds them in data of more classes"},
    {"single_class", BOOL(data.classes.single),
     .help = "detection: boxes of all classes (that `classes` chooses) are boxes of one, `object`; "
             "where there is only one it keeps its name. `weld eval` of the network does the same"},
    {"split", REAL(data.split, 0, 0.9), .null = "0",
     .help =
         "in the place of `val`: the share of the images of `train` that is set aside to "
         "evaluate on, of each class alike (at least one, where there are two). Which these are "
         "depends on their names and `split_seed` alone: it is the same in every run, for "
         "folder, tar and packed file, and classes do not influence each other. Images of the "
         "same bytes stay on one side. `weld eval --split` evaluates on them later"},
    {"fraction", REAL(data.fraction, 1e-6, 1), .null = "1", .standard = "1",
     .help =
         "the share of the images of `train` that is trained on, of each class alike (at least "
         "one); chosen likewise, so that a smaller share is part of a larger. Not of those that "
         "`split` sets aside"},
    {"split_seed", INTEGER(data.split_seed, 0, 9e15),
     .help = "of the choices of `split` and `fraction`, which do not depend on `train.seed`"},
    {"input_size", WELD_KEY_INTEGER,
     WELD_KEY_LIST(weld_recipe, data.input_size, data.input_size_count), .min = 1,
     .max = WELD_MAX_INPUT_SIZE, .flags = WELD_KEY_LONE, .standard = "224",
     .manual_standard = "224",
     .manual_range = "1 to " WELD_STRING(WELD_MAX_INPUT_SIZE) "; or `[height, width]`, each so",
     .help =
         "height and width of the network's input, pixels: one number, or two (\"Inputs that are "
         "not square\" above). CMT and YOLO11 take multiples of 32"},
    {"resize", CHOICE(data.preprocessing.resize, "crop", "squash", "letterbox"),
     .help = "how images of other proportions become inputs: `crop`: the middle is seen; `squash`: "
             "all of it, out of proportion; `letterbox`: all of it in proportion, with `padding` "
             "around"},
    {"padding", INTEGERS(data.padding, data.padding_count, 0, 255), .null = "",
     .manual_standard = "null", .manual_range = "3 numbers of 0 to 255; null",
     .help = "colour (R, G, B) around a letterbox; null: `mean`"},
    {"sizes", INTEGERS(data.sizes, data.size_count, 1, WELD_MAX_INPUT_SIZE), .null = "",
     .manual_standard = "null",
     .help = "several sizes in one training, in rising order (\"Several sizes\" above); null: "
             "`input_size` alone"},
    {"mean", REALS(data.preprocessing.mean, -WELD_MAX_MEAN, WELD_MAX_MEAN),
     .standard = "0.485, 0.456, 0.406",
     .help = "subtracted per channel (R, G, B) from values of 0 to 1"},
    {"std", REALS(data.preprocessing.std, WELD_MIN_STD, WELD_MAX_STD),
     .standard = "0.229, 0.224, 0.225", .help = "then divided by"},
    {"crop_fraction",
     REAL(data.preprocessing.crop_fraction, WELD_MIN_CROP_FRACTION, WELD_MAX_CROP_FRACTION),
     .standard = "0.875",
     .help =
         "evaluation: side of the central crop over the shorter side of the resized image; above "
         "1: with black around it"},
    {"interpolation", CHOICE(data.preprocessing.interpolation, "bicubic", "bilinear"),
     .help = "filter of every resize, antialiased"},
    {"scale16", INTEGER(data.preprocessing.scale16, WELD_SCALE16_MIN, WELD_SCALE16_MAX),
     .standard = "255",
     .help = "the value of 16-bit grey (PNG: X-rays, depth, microscopes) that becomes white: v "
             "becomes 255 v / scale16, rounded to the nearest whole number, at most 255. 255: "
             "values stay and all above is white, as in Pillow; 65535: all of the range is kept; "
             "4095 is for 12 bits. Other images are not touched"},
    {"orientation", CHOICE(data.preprocessing.orientation, "ignore", "exif"), .standard = "exif",
     .help = "`exif`: photos are turned as their metadata say (EXIF), upright as people see them; "
             "`ignore`: pixels as they are stored, as torchvision and timm see them. Files of the "
             "network say it, and evaluation and answers do likewise. Boxes lie on upright images: "
             "in detection it is `exif`"},
    {"max_pixels", INTEGER(data.preprocessing.max_pixels, 1, WELD_MAX_PIXELS),
     .standard = WELD_STRING(WELD_USUAL_MAX_PIXELS),
     .help =
         "images of more pixels are bad (`max_bad`), and not decoded: a small file may say that "
         "it is very large. Decoding takes up to 9 bytes a pixel, for each thread that reads"},
    {"max_bad", REAL(data.max_bad, 0, WELD_MAX_BAD_IMAGES), .standard = "100",
     .flags = WELD_KEY_WHOLE, .manual_range = "0 to 100,000; below 1: a share of the images",
     .help = "images that may be bad (unreadable, damaged, no image), at most half of all, or a "
             "share of them (0.01: one of a hundred); one more stops the run. Of `train` each is "
             "named once, the next good one of the epoch's order takes its place, and the count is "
             "the run's, however often it is resumed. Of `val` each is named once too, and those "
             "that an evaluation meets are left out of its scores, which say of how many images "
             "they are. `distill-cache` holds to it as training does"},
    {"sampling", CHOICE(data.sampling, "all", "balanced", "sqrt"), .null = "all",
     .manual_range = "all, balanced, sqrt; null (all); needs `train.shuffle`",
     .help = "which images an epoch of training has: `all`: each once; `balanced`: each class has "
             "as many places as any other, within one; `sqrt`: by the root of its number of "
             "images, halfway between. An epoch stays as long as it was: a rare class's images "
             "come several times, each time augmented anew, of a frequent class some are left out, "
             "others each epoch; so \"each image once an epoch\" no longer holds. Evaluation "
             "always goes through all images once"},
};

const weld_recipe_rows weld_recipe_data_keys = ROWS("data", data_keys);
