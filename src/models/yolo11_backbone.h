/* YOLO11's neck and head on another family's network; see yolo11.h. */
#ifndef WELD_MODELS_YOLO11_BACKBONE_H
#define WELD_MODELS_YOLO11_BACKBONE_H

#include "models/yolo11.h"

/* Rows of a key for a member `normalize`, of an int. */
extern const char *const weld_yolo11_normalizations[];
#define WELD_YOLO11_NORMALIZE_KEY(type)                                                            \
    {                                                                                              \
        "normalize", WELD_KEY_CHOICE, WELD_KEY_ONE(type, normalize),                               \
            .choices = weld_yolo11_normalizations, .standard = "usual",                            \
            .help = "what the network does to images of 0 to 1 first: by the mean and standard "   \
                    "deviation that the backbone is usually trained with, or nothing"              \
    }
enum { WELD_NORMALIZE_NONE, WELD_NORMALIZE_USUAL };

/* A network of a family that another begins with. */
typedef struct weld_yolo11_begin {
    const weld_model_family *family;
    weld_model_config config;
} weld_yolo11_begin;

/* As the functions of a weld_model_family; net's `place` is weld_yolo11_begin_place of it. */
void weld_yolo11_begin_build(const weld_layers *net, const weld_yolo11_begin *b,
                             const weld_yolo11_scale *s, int normalize, weld_value *images);
weld_model_place weld_yolo11_begin_place(const weld_yolo11_begin *b, const char *name);
int64_t weld_yolo11_begin_blocks(const weld_yolo11_begin *b);

#endif
