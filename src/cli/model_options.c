/* Opening model files of any kind; see model_options.h. */
#include "cli/model_options.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/json_tree.h"
#include "cli/input_options.h"
#include "formats/file.h"
#include "infer/model.h"
#include "models/models.h"
#include "serialization/summary_keys.h"

enum { MAX_NAMES_FILE = 64 << 20 };

/* End each line of `text` with a zero and add where it begins to `names`, const char *. */
static weld_status split_lines(const char *path, char *text, size_t size, weld_array *names,
                               weld_error *err) {
    if (memchr(text, '\0', size)) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: is no text", path);
    }
    for (char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        char *next = line + length + (line[length] == '\n');
        line[length] = '\0';
        if (length && line[length - 1] == '\r') {
            line[--length] = '\0';
        }
        if (length == 0) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s:%zu: the line is empty: name a class",
                             path, names->count + 1);
        }
        if (!weld_array_append(names, &line, 1)) {
            return weld_fail_memory(err, path);
        }
        line = next;
    }
    return WELD_OK;
}

static weld_status import(const char *path, const cli_model_options *o,
                          const weld_import_options *known, weld_model **out, weld_error *err) {
    return (o->backbone ? weld_model_import_backbone : weld_model_import)(path, known, out, err);
}

static weld_status open_with_names(const char *path, const cli_model_options *o,
                                   weld_import_options known, weld_model **out, weld_error *err) {
    weld_array names = {.element = sizeof(char *)};
    void *text;
    size_t size;
    WELD_TRY(weld_file_read(o->classes, MAX_NAMES_FILE, &text, &size, err));
    weld_status status = split_lines(o->classes, text, size, &names, err);
    if (!status && names.count == 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: names no class", o->classes);
    }
    if (!status && known.num_classes && (size_t)known.num_classes != names.count) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT, "%s: names %zu classes, not %d", o->classes,
                           names.count, known.num_classes);
    }
    if (!status) {
        known.num_classes = (int)names.count;
        known.class_names = names.data;
        status = import(path, o, &known, out, err);
    }
    weld_array_free(&names);
    weld_free(text);
    return status;
}

/* `count` numbers with commas between them; text NULL: none. */
static weld_status read_numbers(const char *option, const char *text, int count, float *to,
                                weld_error *err) {
    const char *next = text;
    bool good = true;
    for (int i = 0; text && good && i < count; i++) {
        double value = 0;
        good = next && cli_read_number(next, -1e3, 1e3, &value, &next);
        to[i] = (float)value;
    }
    good = good && (!text || !next);
    return good ? WELD_OK
                : weld_fail(err, WELD_ERROR_ARGUMENT, "--%s '%.80s': wants %s", option, text,
                            count == 1 ? "a number" : "three numbers with commas, R,G,B");
}

/* Of a checkpoint whose moving average did better than the weights that are taken. */
static weld_status tell_average(const char *path, const weld_model_file *f, weld_error *err) {
    const weld_score_kind *kind = &weld_task_of(&f->config)->scores[0];
    char key[64];
    weld_json_fault fault = {WELD_OK};
    json_t *summary = f->ema && f->summary ? weld_json_tree_of(f->summary, &fault) : NULL;
    snprintf(key, sizeof key, WELD_SUMMARY_AVERAGE "%s", kind->key);
    const json_t *weights = json_object_get(summary, kind->key);
    const json_t *average = json_object_get(summary, key);
    const bool is_of_others =
        json_object_get(summary, WELD_SUMMARY_AVERAGE WELD_SUMMARY_IMAGES) != NULL;
    if (!is_of_others && json_is_number(weights) && json_is_number(average)) {
        const double w = json_number_value(weights), a = json_number_value(average);
        char of_weights[64], of_average[64];
        snprintf(of_weights, sizeof of_weights, "%.*f%s", kind->decimals, w, kind->unit);
        snprintf(of_average, sizeof of_average, "%.*f%s", kind->decimals, a, kind->unit);
        if ((weld_task_of(&f->config)->smaller_is_better ? a < w : a > w) &&
            strcmp(of_weights, of_average) != 0) {
            cli_say("note: %s: its moving average did better than its weights, %s %s against %s: "
                    "--key ema takes it",
                    path, kind->label, of_average, of_weights);
        }
    }
    json_decref(summary);
    return fault.status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
}

weld_status cli_open_model(const char *path, const cli_model_options *options, weld_model **out,
                           weld_error *err) {
    weld_import_options known = options->known;
    float mean[3], std[3], crop = 0;
    const weld_interpolation filter = options->interpolation == 2 ? WELD_BILINEAR : WELD_BICUBIC;
    WELD_TRY(read_numbers("mean", options->mean, 3, mean, err));
    WELD_TRY(read_numbers("std", options->std, 3, std, err));
    WELD_TRY(read_numbers("crop", options->crop, 1, &crop, err));
    const weld_fit resize = (weld_fit)(options->resize ? options->resize - 1 : 0);
    const char *more = NULL;
    if (options->size &&
        (!cli_read_size(options->size, &known.height, &known.width, &more) || more)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "--size '%.80s': wants " CLI_SIZE_WANTED,
                         options->size);
    }
    known.resize = options->resize ? &resize : NULL;
    known.mean = options->mean ? mean : NULL;
    known.std = options->std ? std : NULL;
    known.crop_fraction = round((double)crop * 1e7) / 1e7;
    known.interpolation = options->interpolation ? &filter : NULL;
    known.set = options->keys.set;
    known.set_count = options->keys.count;
    known.class_order = (weld_class_order)options->class_order;
    weld_status status = options->classes ? open_with_names(path, options, known, out, err)
                                          : import(path, options, &known, out, err);
    if (!status && (*out)->file.origin.passed_over.count) {
        const weld_name_list *list = &(*out)->file.origin.passed_over;
        cli_say("note: %s: %zu tensors that are not of the network are passed over: %s", path,
                list->count, list->text);
    }
    if (!status) {
        status = tell_average(path, &(*out)->file, err);
        if (!status && options->precision) {
            const weld_precision precision = (weld_precision)(options->precision - 1);
            status = weld_model_set_precision(*out, precision, err);
            status = status ? weld_fail_context(err, status, "%s", path) : WELD_OK;
        }
        if (status) {
            weld_model_free(*out);
            *out = NULL;
        }
    }
    return status;
}

void cli_tell_preparing(const char *path, const weld_model *m) {
    const weld_model_origin *origin = &m->file.origin;
    const weld_preprocessing *p = weld_model_get_preprocessing(m);
    char input[WELD_INPUT_TEXT_SIZE];
    if (origin->kind && weld_preprocessing_is_of_bytes(p)) {
        cli_say("note: %s: a mean of %g is of pixels of 0 to 255, but here they are of 0 to 1: "
                "divide mean and std by 255",
                path, (double)p->mean[0]);
    }
    if (!origin->usual && !origin->hub) {
        return;
    }
    cli_say("note: %s: images are prepared %s: size %s, crop %g, %s, mean %g,%g,%g, std %g,%g,%g%s",
            path, origin->hub ? "as config.json beside it says" : "in the usual way, an assumption",
            weld_input_text(p, input), p->crop_fraction, cli_interpolation_name(p->interpolation),
            (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0],
            (double)p->std[1], (double)p->std[2],
            origin->hub
                ? ""
                : " (--size, --resize, --crop, --interpolation, --mean, --std, --scale16 say "
                  "otherwise)");
}
