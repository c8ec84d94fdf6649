/* --size, --resize, --crop, --interpolation; see input_options.h. */
#include "cli/input_options.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "models/models.h"

const char *cli_resize_name(weld_fit resize) {
    return weld_fit_names[resize];
}

const char *cli_interpolation_name(weld_interpolation interpolation) {
    return weld_interpolation_names[interpolation];
}

bool cli_read_number(const char *text, double min, double max, double *out, const char **next) {
    char *end;
    *out = weld_strtod(text, &end);
    *next = *end == ',' ? end + 1 : NULL;
    return end != text && (*end == ',' || !*end) && *out >= min && *out <= max;
}

/* A whole number of pixels, and where it ends. */
static bool read_side(const char *text, int *out, const char **end) {
    long side = 0;
    for (*end = text; **end >= '0' && **end <= '9' && side <= WELD_MAX_INPUT_SIZE; ++*end) {
        side = 10 * side + (**end - '0');
    }
    *out = (int)side;
    return side >= 1 && side <= WELD_MAX_INPUT_SIZE;
}

bool cli_read_size(const char *text, int *height, int *width, const char **next) {
    const char *end;
    bool good = read_side(text, height, &end);
    *width = *height;
    if (good && *end == 'x') {
        good = read_side(end + 1, width, &end);
    }
    *next = *end == ',' ? end + 1 : NULL;
    return good && (*end == ',' || !*end);
}

static bool read_size(const char *text, cli_input *input, const char **next) {
    return cli_read_size(text, &input->height, &input->width, next);
}

static bool read_crop(const char *text, cli_input *input, const char **next) {
    return cli_read_number(text, WELD_MIN_CROP_FRACTION, WELD_MAX_CROP_FRACTION, &input->crop,
                           next);
}

/* Which of `count` words stands there; -1: none. */
static int read_word(const char *text, const char *const *words, int count, const char **next) {
    const size_t length = strcspn(text, ",");
    *next = text[length] ? text + length + 1 : NULL;
    for (int i = 0; i < count; i++) {
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0) {
            return i;
        }
    }
    return -1;
}

static bool read_interpolation(const char *text, cli_input *input, const char **next) {
    input->interpolation = read_word(text, weld_interpolation_names, 2, next);
    return input->interpolation >= 0;
}

static bool read_resize(const char *text, cli_input *input, const char **next) {
    input->resize = read_word(text, weld_fit_names, 3, next);
    return input->resize >= 0;
}

typedef struct list {
    const char *option, *text, *wants;
    bool (*read)(const char *text, cli_input *input, const char **next);
} list;

/* Replace each of `in` by a copy for each value of the list. */
static void multiply(const cli_call *call, const list *l, size_t most, cli_inputs *in) {
    cli_inputs out = {.count = 0};
    for (size_t i = 0; i < in->count; i++) {
        const char *next = l->text;
        while (next) {
            cli_input input = in->items[i];
            if (!l->read(next, &input, &next)) {
                cli_usage(call, "--%s wants %s%s, not '%s'", l->option, l->wants,
                          most > 1 ? ", or several with commas" : "", l->text);
            }
            if (out.count == most) {
                cli_usage(call, "--%s %s: these are too many: at most %zu can be had", l->option,
                          l->text, most);
            }
            out.items[out.count++] = input;
        }
    }
    *in = out;
}

void cli_check_max_pixels(const cli_call *call, int max_pixels) {
    if (max_pixels > WELD_MAX_PIXELS) {
        cli_usage(call, "--max-pixels %d: give %d at most", max_pixels, WELD_MAX_PIXELS);
    }
}

void cli_inputs_read(const cli_call *call, const cli_input_options *options, size_t most,
                     cli_inputs *out) {
    const list lists[] = {
        {"size", options->size, CLI_SIZE_WANTED, read_size},
        {"resize", options->resize, "crop, squash or letterbox", read_resize},
        {"crop", options->crop,
         "a number from " WELD_STRING(WELD_MIN_CROP_FRACTION) " to " WELD_STRING(
             WELD_MAX_CROP_FRACTION) " (as a rule 0.8 to 1)",
         read_crop},
        {"interpolation", options->interpolation, "bicubic or bilinear", read_interpolation}};
    out->count = 1;
    cli_check_max_pixels(call, options->max_pixels);
    out->items[0] =
        (cli_input){.resize = CLI_OWN, .interpolation = CLI_OWN, .max_pixels = options->max_pixels};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i].text) {
            multiply(call, &lists[i], most, out);
        }
    }
}

weld_status cli_set_input(weld_model *m, const weld_preprocessing *own, const cli_input *input,
                          weld_error *err) {
    weld_preprocessing p = *own;
    p.height = input->height ? input->height : own->height;
    p.width = input->width ? input->width : own->width;
    if (input->resize != CLI_OWN) {
        p.resize = (weld_fit)input->resize;
    }
    p.crop_fraction = input->crop > 0 ? input->crop : own->crop_fraction;
    if (input->interpolation != CLI_OWN) {
        p.interpolation = (weld_interpolation)input->interpolation;
    }
    p.max_pixels = input->max_pixels ? input->max_pixels : own->max_pixels;
    WELD_TRY(weld_model_set_preprocessing(m, &p, err));
    if (p.height != own->height && weld_family_of(weld_model_get_config(m))->position_grids) {
        cli_say("weld: tables of positions resized from images of %d to %d (bicubic)", own->height,
                p.height);
    }
    return WELD_OK;
}
