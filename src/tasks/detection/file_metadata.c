/* Texts in ONNX files of detectors that the runtimes of YOLO read: what the network is for, how
 * large its images are, what its classes are called. They are Python's literals. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json_text.h"
#include "models/models.h"
#include "serialization/model_metadata.h"
#include "tasks/detection/detection.h"

/* A name in quotes; one that is not UTF-8 as JSON has it. */
static void add_word(weld_text *t, const char *name) {
    json_t *utf8 = weld_json_name(name);
    if (!utf8) {
        t->failed = true;
        return;
    }
    weld_text_add(t, "'");
    for (const char *c = json_string_value(utf8); *c; c++) {
        if (*c == '\'' || *c == '\\') {
            weld_text_format(t, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            weld_text_format(t, "\\x%02x", (unsigned)*c);
        } else {
            weld_text_add_bytes(t, c, 1);
        }
    }
    weld_text_add(t, "'");
    json_decref(utf8);
}

/* {0: 'person', 1: 'bicycle'} */
static void add_names(weld_text *t, const weld_model_file *file) {
    weld_text_add(t, "{");
    for (int i = 0; i < file->config.num_classes; i++) {
        char usual[32];
        snprintf(usual, sizeof usual, "class%d", i);
        weld_text_format(t, "%s%d: ", i ? ", " : "", i);
        add_word(t, file->class_names ? file->class_names[i] : usual);
    }
    weld_text_add(t, "}");
}

static void add_arguments(weld_text *t, const weld_file_request *r) {
    weld_detection_answer a;
    memcpy(&a, r->values, sizeof a);
    const bool nms = r->layout->ending != NULL;
    /* "dynamic": images of any size, which then come as rectangles; nothing of the batch. */
    weld_text_format(t, "{'batch': %lld, 'dynamic': %s, 'half': False, 'nms': %s",
                     (long long)(r->batch ? r->batch : 1), r->any_size ? "True" : "False",
                     nms ? "True" : "False");
    if (nms) {
        weld_text_format(t, ", 'conf': %g, 'iou': %g, 'max_det': %d, 'agnostic_nms': %s", a.conf,
                         a.iou, a.max_det, a.agnostic ? "True" : "False");
    }
    weld_text_add(t, "}");
}

/* What is in *t, which becomes empty. */
static weld_status add(weld_metadata *m, const char *key, weld_text *t, weld_error *err) {
    char *copy = t->failed ? NULL : weld_strdup(weld_text_get(t));
    weld_text_free(t);
    *t = WELD_TEXT;
    return weld_metadata_add(m, key, copy, err);
}

/* Those runtimes give images in 0..1. */
static weld_status check_images(const weld_preprocessing *p, weld_error *err) {
    bool plain = true;
    for (int c = 0; c < 3; c++) {
        plain = plain && p->mean[c] == 0 && p->std[c] == 1;
    }
    return plain ? WELD_OK
                 : weld_fail(err, WELD_ERROR_ARGUMENT,
                             "the network takes images that are normalised (mean %g %g %g, std %g "
                             "%g %g), but what runs detectors gives 0 to 1: ask for raw outputs",
                             (double)p->mean[0], (double)p->mean[1], (double)p->mean[2],
                             (double)p->std[0], (double)p->std[1], (double)p->std[2]);
}

weld_status weld_detection_file_metadata(const weld_model_file *file,
                                         const weld_file_request *request, weld_metadata *out,
                                         weld_error *err) {
    const weld_preprocessing *p = &file->preprocessing;
    const bool raw = request->layout->name && strcmp(request->layout->name, "raw") == 0;
    weld_text t = WELD_TEXT;
    WELD_TRY(raw ? WELD_OK : check_images(p, err));
    weld_text_format(&t, "%s, a detector by weld", file->config.name);
    WELD_TRY(add(out, "description", &t, err));
    weld_text_add(&t, weld_version());
    WELD_TRY(add(out, "version", &t, err));
    weld_text_add(&t, "detect");
    WELD_TRY(add(out, "task", &t, err));
    weld_text_format(&t, "%d", weld_family_of(&file->config)->size_step);
    WELD_TRY(add(out, "stride", &t, err));
    weld_text_format(&t, "%lld", (long long)(request->batch ? request->batch : 1));
    WELD_TRY(add(out, "batch", &t, err));
    weld_text_format(&t, "[%d, %d]", p->height, p->width);
    WELD_TRY(add(out, "imgsz", &t, err));
    weld_text_add(&t, "3");
    WELD_TRY(add(out, "channels", &t, err));
    add_names(&t, file);
    WELD_TRY(add(out, "names", &t, err));
    add_arguments(&t, request);
    return add(out, "args", &t, err);
}
