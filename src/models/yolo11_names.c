/* What YOLO11's tensors are called in published files, and what these tell; see yolo11.h.
 *
 * The graph's own names are the published ones. A merged convolution keeps the module "conv" that
 * it was, which the graph has not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/yolo11.h"

const weld_naming weld_yolo11_namings[1] = {{"official", "official", "the authors' name"}};

static const char model[] = "model.";

int weld_yolo11_module(const char *name) {
    char *end;
    if (strncmp(name, model, sizeof model - 1) != 0 || name[sizeof model - 1] < '0' ||
        name[sizeof model - 1] > '9') {
        return -1;
    }
    const long number = strtol(name + sizeof model - 1, &end, 10);
    return *end == '.' && number <= WELD_YOLO11_DETECT ? (int)number : -1;
}

/* The last convolution of a branch of the head, "model.23.cv2.0.2" and "model.23.cv3.0.2", is one
 * without a batch norm. */
static bool is_plain(const char *place, const char branch[4]) {
    char prefix[32];
    const int length = snprintf(prefix, sizeof prefix, "model.%d.%s.", WELD_YOLO11_DETECT, branch);
    return strncmp(place, prefix, (size_t)length) == 0 && place[length] >= '0' &&
           place[length] <= '2' && strncmp(place + length + 1, ".2.", 3) == 0;
}

static bool ends_with(const char *text, size_t length, const char *ending) {
    const size_t of_ending = strlen(ending);
    return length >= of_ending && strncmp(text + length - of_ending, ending, of_ending) == 0;
}

bool weld_yolo11_tensor_name(const weld_model_config *config, const weld_naming *naming,
                             const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    (void)config;
    (void)naming;
    const char *tensor = strrchr(name, '.');
    const size_t module = tensor ? (size_t)(tensor - name) : 0;
    const bool whole = !module || weld_yolo11_module(name) < 0 || is_plain(name, "cv2") ||
                       is_plain(name, "cv3") || ends_with(name, module, ".conv") ||
                       ends_with(name, module, ".bn");
    const int length =
        whole ? snprintf(out, WELD_TENSOR_NAME_SIZE, "%s", name)
              : snprintf(out, WELD_TENSOR_NAME_SIZE, "%.*s.conv%s", (int)module, name, tensor);
    return length < WELD_TENSOR_NAME_SIZE;
}

weld_model_place weld_yolo11_head_place(const char *name, int part, int layer) {
    return (weld_model_place){part, layer + weld_yolo11_module(name) - WELD_YOLO11_SPPF,
                              is_plain(name, "cv3")};
}

/* --- Constants -------------------------------------------------------------------------------- */

static double place_of_bin(int64_t i) {
    return (double)i;
}

const weld_constant_tensor weld_yolo11_constants[] = {
    {"model.23.dfl.conv.weight", {4, {1, WELD_YOLO11_BINS, 1, 1}}, place_of_bin}, {.name = NULL}};

/* --- Recognition ------------------------------------------------------------------------------ */

/* Outputs of a convolution's weight; 0: there is none such. */
static int outputs_of(const weld_shape_index *index, const char *name) {
    const weld_named_shape *found = weld_shape_index_find(index, name);
    const bool is_sound = found && found->shape.rank == 4 && found->shape.dim[0] > 0 &&
                          found->shape.dim[0] <= WELD_MAX_CLASSES;
    return is_sound ? (int)found->shape.dim[0] : 0;
}

static bool has_channels(const weld_yolo11_scale *s, const int c[3]) {
    return weld_yolo11_channels(s, 256) == c[0] && weld_yolo11_channels(s, 512) == c[1] &&
           weld_yolo11_channels(s, 1024) == c[2];
}

/* Widths of which the usual ones make these channels; `stated` where it does. */
static weld_status find_width(const int c[3], const weld_yolo11_scale *stated, weld_yolo11_scale *s,
                              weld_error *err) {
    const weld_yolo11_scale scales[] = {stated ? *stated : *s,
                                        {.width = c[2] / 1024.0, .max_channels = 1024},
                                        {.width = c[2] / 512.0, .max_channels = 512},
                                        {.width = c[2] / 256.0, .max_channels = 256}};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        if (has_channels(&scales[i], c)) {
            s->width = scales[i].width;
            s->max_channels = scales[i].max_channels;
            return WELD_OK;
        }
    }
    return weld_fail(
        err, WELD_ERROR_SHAPE,
        "the maps of its neck have %d, %d and %d channels, which are 256, 512 and 1024 "
        "of no width",
        c[0], c[1], c[2]);
}

static int units_of(const weld_shape_index *index) {
    enum { MOST = 64 };
    char name[WELD_TENSOR_NAME_SIZE];
    int units = 0;
    do {
        snprintf(name, sizeof name, "model.13.m.%d.cv1.conv.weight", units);
    } while (weld_shape_index_find(index, name) && units++ < MOST);
    return units;
}

weld_status weld_yolo11_see_head(const weld_shape_index *index, const weld_yolo11_scale *stated,
                                 weld_yolo11_scale *s, weld_recognized *out, weld_error *err) {
    static const char *const ends[] = {"model.16.cv2.conv.weight", "model.19.cv2.conv.weight",
                                       "model.22.cv2.conv.weight"};
    int c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = outputs_of(index, ends[i]);
        if (!c[i]) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND,
                             "no YOLO11: %s (the authors' name) is not among its %zu tensors",
                             ends[i], index->count);
        }
    }
    WELD_TRY(find_width(c, stated, s, err));
    const int units = units_of(index), classes = outputs_of(index, "model.23.cv3.0.2.weight");
    s->depth = stated && weld_yolo11_units(stated) == units ? stated->depth : units / 2.0;
    s->nested = weld_shape_index_find(index, "model.13.m.0.cv3.conv.weight") != NULL;
    s->class_channels = 0;
    const int usual = weld_yolo11_class_channels(s, classes);
    const int seen = outputs_of(index, "model.23.cv3.0.0.1.conv.weight");
    s->class_channels = stated && stated->class_channels == 0 && seen == usual ? 0 : seen;
    out->headless = !classes;
    out->config.num_classes = classes ? classes : out->config.num_classes;
    out->naming = weld_yolo11_namings;
    out->merged = !weld_shape_index_find(index, "model.9.cv1.bn.weight");
    return WELD_OK;
}
