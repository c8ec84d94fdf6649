/* weld inspect: data sets, arrays, images and recipes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/statistics.h"
#include "base/threads.h"
#include "cli/data_options.h"
#include "cli/inspect.h"
#include "formats/json_text.h"
#include "datasets/boxes.h"
#include "images/upright.h"
#include "images/image_facts.h"
#include "formats/npy.h"
#include "recipe/recipe.h"

/* --- Can every image be read? ----------------------------------------------------------------- */

enum { BLOCK = 16, MOST_NAMED = 20 };

typedef struct checking {
    const weld_dataset *ds;
    weld_reading how;
    bool *bad;           /* by sample */
    weld_status *memory; /* by block: other than WELD_OK where memory was short */
} checking;

static weld_status read_image(const checking *c, int64_t i, weld_bytes *bytes, weld_image *image,
                              weld_error *err) {
    WELD_TRY(weld_dataset_read(c->ds, i, bytes, err));
    return weld_dataset_decode(c->ds, i, bytes, c->how, image, err);
}

static void check_block(void *arg, int64_t item, int thread) {
    checking *c = arg;
    (void)thread;
    weld_bytes bytes = {0};
    weld_image image = {0};
    int64_t count = weld_dataset_count(c->ds);
    for (int64_t i = item * BLOCK; i < (item + 1) * BLOCK && i < count; i++) {
        weld_status status = read_image(c, i, &bytes, &image, NULL);
        c->bad[i] = weld_is_bad_image(status);
        c->memory[item] = status && !c->bad[i] ? status : c->memory[item];
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
}

/* The reasons of the first few. */
static json_t *name_bad(inspection *in, const checking *c, int64_t bad) {
    weld_bytes bytes = {0};
    weld_image image = {0};
    json_t *list = json_array();
    int named = 0;
    inspect_fact(in, "unreadable", json_integer(bad), "%lld", (long long)bad);
    for (int64_t i = 0; i < weld_dataset_count(c->ds) && named < MOST_NAMED; i++) {
        weld_error err = {0};
        if (c->bad[i] && read_image(c, i, &bytes, &image, &err) != WELD_OK) {
            json_array_append_new(list, weld_json_name(err.message));
            named++;
            if (!in->json) {
                fputs("    ", stdout);
                inspect_print(err.message);
                putchar('\n');
            }
        }
    }
    if (!in->json && bad > named) {
        puts("    ...");
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    return list;
}

static weld_status check_images(inspection *in, const weld_dataset *ds, weld_error *err) {
    int64_t count = weld_dataset_count(ds), blocks = (count + BLOCK - 1) / BLOCK, bad = 0;
    checking c = {ds,
                  {.max_pixels = in->max_pixels},
                  weld_alloc((size_t)count, sizeof *c.bad),
                  weld_alloc((size_t)blocks, sizeof *c.memory)};
    weld_status status = c.bad && c.memory ? WELD_OK : weld_fail_memory(err, in->path);
    if (!status) {
        weld_parallel(0, blocks, check_block, &c);
        for (int64_t i = 0; i < blocks && !status; i++) {
            status = c.memory[i] ? weld_fail_memory(err, in->path) : WELD_OK;
        }
    }
    if (!status) {
        for (int64_t i = 0; i < count; i++) {
            bad += c.bad[i];
        }
        inspect_fact(in, "reasons", name_bad(in, &c, bad), NULL);
        in->checked = count;
        in->unreadable = bad;
    }
    weld_free(c.bad);
    weld_free(c.memory);
    return status;
}

/* --- Data sets -------------------------------------------------------------------------------- */

static weld_status say_classes(inspection *in, const weld_dataset *ds, weld_error *err) {
    int classes = weld_dataset_class_count(ds);
    int64_t *images = weld_alloc((size_t)classes, sizeof *images); /* or boxes */
    if (!images) {
        return weld_fail_memory(err, in->path);
    }
    const bool has_boxes = weld_dataset_has_boxes(ds);
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        int64_t count;
        const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
        images[weld_dataset_label(ds, i)] += !has_boxes;
        for (int64_t k = 0; k < count; k++) {
            images[boxes[k].class_index]++;
        }
    }
    json_t *list = json_array();
    for (int i = 0; i < classes; i++) {
        json_array_append_new(
            list, json_pack("{s:o, s:I}", "name", weld_json_name(weld_dataset_class_name(ds, i)),
                            has_boxes ? "boxes" : "images", (json_int_t)images[i]));
    }
    inspect_fact(in, "classes", list, "%d", classes);
    for (int i = 0; i < classes && !in->json; i++) {
        inspect_print_class(weld_dataset_class_name(ds, i), images[i]);
    }
    weld_free(images);
    return WELD_OK;
}

/* A run's folder is no data set, but may well be what is meant. */
static weld_status explain(const char *path, weld_status status, weld_error *err) {
    char name[4096];
    snprintf(name, sizeof name, "%.4000s/metrics.jsonl", path);
    return access(name, F_OK) == 0
               ? weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: the folder of a training run: name best.h5 or last.h5 in it", path)
               : status;
}

static void title(inspection *in, const weld_dataset *ds) {
    const char *boxes = weld_dataset_box_kind(ds);
    if (in->kind == WELD_FILE_PACKED) {
        inspect_title(in, "packed", "%s%s", weld_file_kind_text(in->kind),
                      boxes ? ", with boxes" : "");
    } else if (boxes) {
        inspect_title(in, "boxes", "a data set with boxes, of %s's kind", boxes);
        inspect_fact(in, "annotations", json_string(boxes), NULL);
    } else if (weld_dataset_is_tar(ds)) {
        inspect_title(in, "tar", "a data set in a tar archive");
    } else if (in->kind == WELD_FILE_FOLDER) {
        inspect_title(in, "folder", "a data set in folders");
    } else {
        inspect_title(in, "csv", "a data set that a CSV file lists");
    }
}

weld_status inspect_dataset(inspection *in, weld_error *err) {
    weld_dataset *ds;
    weld_status status = weld_dataset_open(in->path, &ds, err);
    if (status) {
        return in->kind == WELD_FILE_FOLDER ? explain(in->path, status, err) : status;
    }
    weld_packed_layout layout = weld_dataset_layout(ds);
    const bool csv = weld_dataset_is_csv(ds);
    title(in, ds);
    inspect_fact(in, "images", json_integer(weld_dataset_count(ds)), "%lld",
                 (long long)weld_dataset_count(ds));
    if (layout.height) {
        inspect_fact(in, "stored as",
                     json_pack("[i, i, i]", layout.height, layout.width, layout.channels),
                     "raw pixels, %d x %d, %d channel%s", layout.width, layout.height,
                     layout.channels, layout.channels > 1 ? "s" : "");
    } else {
        inspect_fact(in, "stored as", json_string("files"), "image files");
    }
    const char *note = weld_dataset_note(ds);
    if (*note) {
        inspect_fact(in, csv ? "columns" : "index", weld_json_name(note), "%s", note);
    }
    const char *passed = weld_dataset_passed(ds);
    if (*passed) {
        inspect_fact(in, "files", weld_json_name(passed), "%s", passed);
    }
    status = say_classes(in, ds, err);
    if (!status) {
        cli_tell_classes(ds);
    }
    if (!status && in->check) {
        status = check_images(in, ds, err);
        if (!status && !in->unreadable) {
            inspect_checked(in, in->kind == WELD_FILE_PACKED, "every image can be read");
        }
    }
    weld_dataset_free(ds);
    return status;
}

/* Of 16-bit grey, of which white is all above 255. */
static weld_status say_grey_range(inspection *in, const weld_bytes *bytes, weld_image *memory,
                                  weld_error *err) {
    weld_grey_range range;
    char share[WELD_NUMBER_SIZE];
    if (!weld_image_is_deep_grey(bytes->data, bytes->size)) {
        return WELD_OK;
    }
    WELD_TRY(weld_decode_grey_range(bytes->data, bytes->size, 0, memory, &range, err));
    inspect_fact(in, "grey",
                 json_pack("{s:i, s:i, s:f}", "least", range.least, "most", range.most,
                           "share_clipped", range.clipped),
                 "16 bits, from %d to %d: %s of it is above 255 and taken for that, "
                 "unless data.scale16 says otherwise",
                 range.least, range.most, weld_percent_text(range.clipped, share));
    return WELD_OK;
}

weld_status inspect_image(inspection *in, weld_error *err) {
    weld_bytes bytes = {0};
    weld_image image = {0};
    WELD_TRY(weld_read_file(in->path, &bytes, err));
    const weld_reading how = {.max_pixels = in->max_pixels};
    weld_status status = weld_reading_decode(how, bytes.data, bytes.size, &image, err);
    if (status) {
        status = weld_fail_context(err, status, "%s", in->path);
    } else {
        const char *format = in->kind == WELD_FILE_JPEG  ? "jpeg"
                             : in->kind == WELD_FILE_PNG ? "png"
                                                         : "webp";
        inspect_title(in, format, "%s", weld_file_kind_text(in->kind));
        inspect_fact(in, "size", json_pack("[i, i]", image.height, image.width), "%d x %d",
                     image.width, image.height);
        status = say_grey_range(in, &bytes, &image, err);
        if (!status && in->check) {
            inspect_checked(in, false, "its pixels can be read");
        }
    }
    weld_image_free(&image);
    weld_bytes_free(&bytes);
    return status;
}

/* --- Arrays ----------------------------------------------------------------------------------- */

static weld_status read_statistics(const weld_npy_reader *r, int64_t count, weld_statistics *s,
                                   weld_error *err) {
    enum { PART = 4096 };
    double part[PART];
    weld_status status = WELD_OK;
    for (int64_t first = 0; first < count && !status; first += PART) {
        int64_t here = count - first < PART ? count - first : PART;
        status = weld_npy_read_part(r, first, here, WELD_F64, part, err);
        if (!status) {
            weld_statistics_add(s, WELD_F64, part, here);
        }
    }
    return status;
}

weld_status inspect_array(inspection *in, weld_error *err) {
    weld_npy_reader *r;
    WELD_TRY(weld_npy_open(in->path, &r, err));
    weld_shape shape = weld_npy_shape(r);
    const char *type = weld_element_name(weld_npy_element(r));
    weld_statistics s = {0};
    weld_status status = read_statistics(r, weld_shape_count(&shape), &s, err);
    weld_npy_close(r);
    if (status) {
        return status;
    }
    char text[128];
    inspect_title(in, "npy", "%s", weld_file_kind_text(in->kind));
    inspect_fact(in, "shape", inspect_shape(&shape), "%s",
                 weld_shape_text(&shape, text, sizeof text));
    inspect_fact(in, "type", json_string(type), "%s", type);
    inspect_fact(in, "mean", weld_json_number(s.mean), "%g", s.mean);
    inspect_fact(in, "std", weld_json_number(weld_statistics_std(&s)), "%g",
                 weld_statistics_std(&s));
    inspect_fact(in, "min", weld_json_number(s.min), "%g", s.min);
    inspect_fact(in, "max", weld_json_number(s.max), "%g", s.max);
    inspect_fact(in, "not finite", json_integer(s.not_finite), s.not_finite ? "%lld VALUES" : NULL,
                 (long long)s.not_finite);
    if (in->check) {
        inspect_checked(in, false, "its elements can be read");
    }
    return WELD_OK;
}

/* --- Recipes ---------------------------------------------------------------------------------- */

weld_status inspect_recipe(inspection *in, weld_error *err) {
    weld_recipe *recipe = weld_alloc(1, sizeof *recipe); /* it holds paths: too large a local */
    char *text = NULL;
    weld_status status = recipe ? weld_recipe_read(in->path, NULL, 0, NULL, recipe, err)
                                : weld_fail_memory(err, in->path);
    status = status ? status : weld_recipe_text(recipe, &text, err);
    if (!status) {
        inspect_title(in, "recipe", "a recipe for %s", recipe->model.name);
        inspect_text(in, "recipe", text);
        if (in->check) {
            inspect_checked(in, false, "every key is one that there is");
        }
    }
    weld_free(text);
    weld_free(recipe);
    return status;
}
