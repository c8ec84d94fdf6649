/* YOLO11, a detector: its backbone, its neck and its head, and another family's backbone in the
 * place of its own. The published files count modules; all are named by that number ("model.9" is
 * SPPF) and lie at these places of the graphs of all its families.
 *
 * A detector's training graph has the outputs "distances" [n, anchors, 4 * bins], logits of how far
 * the sides are (weld_box_decode), "boxes" [n, anchors, 4], what these come to in pixels of the
 * image, and "classes" [n, anchors, classes], logits; the evaluation graph has "boxes" and
 * "scores", sigmoids of the classes. Anchors are the positions of the maps of stride 8, 16 and 32,
 * map by map and row by row. */
#ifndef WELD_MODELS_YOLO11_H
#define WELD_MODELS_YOLO11_H

#include "models/layers.h"

enum {
    WELD_YOLO11_LEVELS = 3,
    WELD_YOLO11_BINS = 16,
    WELD_YOLO11_USUAL_CLASSES = 80, /* COCO's */
    WELD_YOLO11_SIZE_STEP = 32,     /* sides of images are multiples of it */
    WELD_YOLO11_SPPF = 9,           /* modules: the first after the backbone, */
    WELD_YOLO11_DETECT = 23         /* and the last */
};

/* How wide and deep it is. */
typedef struct weld_yolo11_scale {
    double width, depth; /* factors of channels, after max_channels, and of blocks */
    int max_channels;
    bool nested;        /* all C3k2 have units of C3k, not the deepest ones alone */
    int class_channels; /* of the branch that tells classes; 0: by their number */
} weld_yolo11_scale;

/* The published ones. */
#define WELD_YOLO11_N                                                                              \
    { 0.25, 0.5, 1024, false, 0 }
#define WELD_YOLO11_S                                                                              \
    { 0.5, 0.5, 1024, false, 0 }
#define WELD_YOLO11_M                                                                              \
    { 1, 0.5, 512, true, 0 }
#define WELD_YOLO11_L                                                                              \
    { 1, 1, 512, true, 0 }
#define WELD_YOLO11_X                                                                              \
    { 1.5, 1, 512, true, 0 }

/* Rows of keys for a member `scale` of a family's struct. */
#define WELD_YOLO11_KEYS(type)                                                                     \
    {"width",                                                                                      \
     WELD_KEY_REAL,                                                                                \
     WELD_KEY_ONE(type, scale.width),                                                              \
     .min = 0.125,                                                                                 \
     .max = 4,                                                                                     \
     .flags = WELD_KEY_SIZE,                                                                       \
     .manual_standard = "the variant's, else must be given",                                       \
     .help =                                                                                       \
         "of channels: a module of 64, 128, 256, 512 or 1024 has so many times these, rounded "    \
         "up to a multiple of 8"},                                                                 \
        {"depth",                                                                                  \
         WELD_KEY_REAL,                                                                            \
         WELD_KEY_ONE(type, scale.depth),                                                          \
         .min = 0.05,                                                                              \
         .max = 16,                                                                                \
         .flags = WELD_KEY_SIZE,                                                                   \
         .standard = "0.5",                                                                        \
         .manual_standard = "the variant's, else 0.5",                                             \
         .help = "of blocks: a C3k2 or C2PSA has so many times two units, rounded, but one at "    \
                 "least"},                                                                         \
        {"max_channels",                                                                           \
         WELD_KEY_INTEGER,                                                                         \
         WELD_KEY_ONE(type, scale.max_channels),                                                   \
         .min = 256,                                                                               \
         .max = 1024,                                                                              \
         .flags = WELD_KEY_SIZE,                                                                   \
         .standard = "1024",                                                                       \
         .manual_standard = "the variant's, else 1024",                                            \
         .help = "before they are multiplied by the width, which must come to 128 or more"},       \
        {"nested",                                                                                 \
         WELD_KEY_BOOL,                                                                            \
         WELD_KEY_ONE(type, scale.nested),                                                         \
         .flags = WELD_KEY_SIZE,                                                                   \
         .standard = "false",                                                                      \
         .manual_standard = "the variant's, else false",                                           \
         .help = "every C3k2 has units of C3k (m, l and x), not the deepest alone"},               \
    {                                                                                              \
        "class_channels", WELD_KEY_INTEGER, WELD_KEY_ONE(type, scale.class_channels),              \
            .min = 0, .max = 1 << 12, .standard = "0",                                             \
            .manual_standard = "0: those of the map of stride 8, or as many as there are "         \
                               "classes, but 100 at most, where that is more",                     \
            .help = "of the branch that tells classes: to start from a network of other classes, " \
                    "as many as it has"                                                            \
    }

/* channels of a module of `full`, and units of one of two */
int weld_yolo11_channels(const weld_yolo11_scale *s, int full);
int weld_yolo11_units(const weld_yolo11_scale *s);
/* Of the branch that tells classes. */
int weld_yolo11_class_channels(const weld_yolo11_scale *s, int num_classes);
/* As weld_model_family.check. */
weld_status weld_yolo11_check_scale(const weld_yolo11_scale *s, const char **key, weld_error *err);

/* The maps that a backbone gives, of stride 8, 16 and 32. */
typedef struct weld_yolo11_maps {
    weld_value *map[WELD_YOLO11_LEVELS];
    int channels[WELD_YOLO11_LEVELS];
} weld_yolo11_maps;

/* All that comes after the backbone, outputs of the graph included. */
void weld_yolo11_detect(const weld_layers *net, const weld_yolo11_scale *s,
                        const weld_yolo11_maps *backbone);
/* Do the images fit the maps? Else an error of the graph. */
bool weld_yolo11_check_images(const weld_layers *net, const weld_value *images);

extern const weld_output_form weld_yolo11_outputs[];
weld_status weld_yolo11_loss_outputs(weld_graph *g, weld_error *err);

/* Images as they are, 0 to 1, on a letterbox. */
weld_preprocessing weld_yolo11_usual(const weld_model_config *config, const weld_naming *naming);

extern const weld_model_family weld_family_yolo11, weld_family_yolo11_repvit, weld_family_yolo11_on;

/* --- yolo11_names.c ----------------------------------------------------------------------------
 */

extern const weld_naming weld_yolo11_namings[1];
bool weld_yolo11_tensor_name(const weld_model_config *config, const weld_naming *naming,
                             const char *name, char out[WELD_TENSOR_NAME_SIZE]);
/* Where the tensor `name` of the modules after the backbone stands, the head being of this part and
 * its first module of this layer. */
weld_model_place weld_yolo11_head_place(const char *name, int part, int layer);
/* The number of the module that a tensor is of, of names "model.9.cv1.conv.weight"; -1: of none. */
int weld_yolo11_module(const char *name);

/* What the tensors after the backbone tell: scale and number of classes, and whether they are
 * merged. `stated`: the scale that the file says, which is taken where it comes to the same; or
 * NULL. WELD_ERROR_NOT_FOUND: there are none such. */
weld_status weld_yolo11_see_head(const weld_shape_index *index, const weld_yolo11_scale *stated,
                                 weld_yolo11_scale *s, weld_recognized *out, weld_error *err);

/* What files have beside the graph's leaves: 0, 1, ... of the mean over bins. */
extern const weld_constant_tensor weld_yolo11_constants[];

/* What the three families have in common, as members of a weld_model_family; their functions have
 * the members' names. */
#define WELD_YOLO11_FAMILY(type)                                                                   \
    .task = "detection", .usual_classes = WELD_YOLO11_USUAL_CLASSES,                               \
    .outputs = weld_yolo11_outputs, .loss_outputs = weld_yolo11_loss_outputs,                      \
    .values_size = sizeof(type), .keys = keys, .key_count = sizeof keys / sizeof *keys,            \
    .namings = weld_yolo11_namings, .naming_count = 1, .keep_classes = keep_classes,               \
    .size_step = WELD_YOLO11_SIZE_STEP, .constants = weld_yolo11_constants, .check = check,        \
    .build = build, .stage_count = stage_count, .block_count = block_count, .place = place,        \
    .tensor_name = weld_yolo11_tensor_name, .recognize = recognize, .usual = weld_yolo11_usual
/* Of the neck, the head and YOLO11's own backbone, for weld_layers. */
#define WELD_YOLO11_BATCH_NORM .bn_eps = 1e-3, .bn_momentum = 0.03
/* As weld_model_family.keep_classes, for values that have their scale there. */
void weld_yolo11_keep_classes(weld_model_config *config, size_t scale_offset);

#endif
