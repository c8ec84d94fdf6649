/* Options of all commands that take a model file: what is known of weights from other programs. */
#ifndef WELD_CLI_MODEL_OPTIONS_H
#define WELD_CLI_MODEL_OPTIONS_H

#include "cli/cli.h"
#include "weld/model.h"

/* Start zeroed. */
typedef struct cli_model_options {
    weld_import_options known; /* class_names and set aside */
    cli_keys keys;
    const char *classes;           /* a file of names, or NULL */
    int precision;                 /* 1 + a weld_precision; 0: that of the file */
    int class_order;               /* a weld_class_order */
    const char *mean, *std, *crop; /* NULL: what the file says, or the usual */
    int interpolation;             /* 1: bicubic, 2: bilinear */
    bool backbone;                 /* it need not have a head */
    const char *size;              /* NULL: likewise */
    int resize;                    /* 1: crop, 2: squash, 3: letterbox */
} cli_model_options;

/* Entries of a command's table. */
#define CLI_MODEL_OPTIONS(o)                                                                       \
    {"model", 0, CLI_TEXT, &(o).known.model, "NAME", ".pth, safetensors: what it must be (any)"},  \
        {"key", 0, CLI_TEXT, &(o).known.key, "KEY", "of a .pth: model, ...; a checkpoint: ema"},   \
        {"", 0, CLI_KEYS, &(o).keys, NULL, "where tensors do not tell it (the usual)"}, {          \
        "classes", 0, CLI_TEXT, &(o).classes, "FILE", "names of the classes, one a line"           \
    }
#define CLI_MODEL_PRECISION(o)                                                                     \
    {                                                                                              \
        "precision", 0, CLI_PRECISION, &(o).precision, "P",                                        \
            "of activations: fp32 (default; of int8: int8), bf16"                                  \
    }
/* Of commands that prepare images, or write down how they are prepared. */
#define CLI_MODEL_PIXELS(o)                                                                        \
    {                                                                                              \
        "mean",    0,       CLI_TEXT,                                                              \
        &(o).mean, "R,G,B", ".pth, safetensors: subtracted from pixels of 0..1"},                  \
        {"std", 0, CLI_TEXT, &(o).std, "R,G,B", ".pth, safetensors: then divided by"}, {           \
        "scale16", 0, CLI_COUNT, &(o).known.scale16, "N", "likewise: 16-bit grey that is white"    \
    }
#define CLI_MODEL_CROP(o)                                                                          \
    {"crop", 0, CLI_TEXT, &(o).crop, "F", "crop's part of the shorter side"},                      \
        {"resize", 0, CLI_CHOICE, &(o).resize, "crop|squash|letterbox", "how images fit"}, {       \
        "interpolation", 0, CLI_CHOICE, &(o).interpolation, "bicubic|bilinear",                    \
            "filter of resizing"                                                                   \
    }
/* Of commands that show a model a data set. */
#define CLI_MODEL_CLASS_ORDER(o)                                                                   \
    {                                                                                              \
        "class-order", 0, CLI_CHOICE, &(o).class_order, "bytes|natural",                           \
            "how the data's classes are numbered where the model has no names of them"             \
    }
#define CLI_MODEL_SIZE(o)                                                                          \
    { "size", 0, CLI_TEXT, &(o).size, "N|HxW", "height and width of inputs (the usual ones)" }

/* weld_model_import and weld_model_set_precision with the options. */
weld_status cli_open_model(const char *path, const cli_model_options *options, weld_model **out,
                           weld_error *err);
/* A note on stderr where how images are prepared is an assumption, or config.json's word. */
void cli_tell_preparing(const char *path, const weld_model *m);

#endif
