/* Options of commands that evaluate images: at which size, crop and filter, in place of what the
 * model was trained with. Each may be a list, of which all combinations are meant. */
#ifndef WELD_CLI_INPUT_OPTIONS_H
#define WELD_CLI_INPUT_OPTIONS_H

#include "base/text.h"
#include "cli/cli.h"

/* Start zeroed. */
typedef struct cli_input_options {
    const char *size, *resize, *crop, *interpolation; /* NULL: the model's own */
    int max_pixels;                                   /* 0: likewise */
} cli_input_options;

/* Entries of a command's table; `many` is what the help says of lists. */
#define CLI_INPUT_OPTIONS(o, many)                                                                  \
    {"size", 0, CLI_TEXT, &(o).size, "N|HxW", "height and width of inputs (the model's)" many},     \
        {"resize", 0, CLI_TEXT, &(o).resize, "R", "crop, squash, letterbox (the model's)"},         \
        {"crop", 0, CLI_TEXT, &(o).crop, "F", "crop's part of the shorter side (the model's)"},     \
        {"interpolation", 0, CLI_TEXT, &(o).interpolation, "I", "bicubic, bilinear (the model's)"}, \
        CLI_MAX_PIXELS((o).max_pixels)

/* How large images may be; 0 stands for what is usual. */
#define CLI_MAX_PIXELS(to)                                                                         \
    { "max-pixels", 0, CLI_COUNT, &(to), "N", "images of more pixels are refused (89478485)" }
/* Ends the program unless images may be as large. */
void cli_check_max_pixels(const cli_call *call, int max_pixels);

#define CLI_INPUTS_MAX 64

/* Zero and CLI_OWN stand for the model's own. */
typedef struct cli_input {
    int height, width;
    double crop;
    int resize;        /* a weld_fit */
    int interpolation; /* a weld_interpolation */
    int max_pixels;
} cli_input;

enum { CLI_OWN = -1 };

typedef struct cli_inputs {
    cli_input items[CLI_INPUTS_MAX];
    size_t count;
} cli_inputs;

/* All combinations, at most `most`; one item where no option is given. */
void cli_inputs_read(const cli_call *call, const cli_input_options *options, size_t most,
                     cli_inputs *out);
/* Bring the model to one of them, `own` being the preprocessing that it came with. */
weld_status cli_set_input(weld_model *m, const weld_preprocessing *own, const cli_input *input,
                          weld_error *err);

/* One number of a list, which ends at a comma or the end of the text, and where the next one begins
 * (NULL: there is none); false: it is none from min to max. */
bool cli_read_number(const char *text, double min, double max, double *out, const char **next);
/* Likewise a size: "224", or "224x320", height first. */
#define CLI_SIZE_WANTED                                                                            \
    "a number of pixels from 1 to " WELD_STRING(                                                   \
        WELD_MAX_INPUT_SIZE) ", or two as in 224x320 (height x width)"
bool cli_read_size(const char *text, int *height, int *width, const char **next);
const char *cli_interpolation_name(weld_interpolation interpolation);
const char *cli_resize_name(weld_fit resize);

#endif
