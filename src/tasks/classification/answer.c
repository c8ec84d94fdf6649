/* What logits say of a single image; see classification.h. */
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json_text.h"
#include "kernels/kernels.h"
#include "tasks/classification/classification.h"
#include "tasks/classification/scores.h"

enum { USUAL_ANSWERS = 5 };

bool weld_class_same_answer(const weld_tensor *a, const weld_tensor *b, int64_t i) {
    const int classes = (int)a->shape.dim[1];
    const float *x = a->data, *y = b->data;
    return weld_best_class(x + i * classes, classes) == weld_best_class(y + i * classes, classes);
}

/* The indices of the `top` largest, largest first; equal ones by index. */
static void find_top(const float *p, int count, int top, int *indices) {
    for (int filled = 0, i = 0; i < count; i++) {
        int at = filled < top ? filled++ : top;
        for (; at > 0 && p[indices[at - 1]] < p[i]; at--) {
            if (at < top) {
                indices[at] = indices[at - 1];
            }
        }
        if (at < top) {
            indices[at] = i;
        }
    }
}

static const char *class_text(const weld_labels *labels, int i, char text[16]) {
    if (labels->names) {
        return labels->names[i];
    }
    snprintf(text, 16, "%d", i);
    return text;
}

static void add_text(const weld_labels *labels, const float *p, const int *top, int count,
                     weld_text *out) {
    char text[16];
    for (int i = 0; i < count; i++) {
        weld_text_format(out, "  %6.2f %%  ", 100.0 * (double)p[top[i]]);
        weld_text_add_printable(out, class_text(labels, top[i], text));
        weld_text_add(out, "\n");
    }
}

static json_t *make_json(const weld_labels *labels, const float *p, const int *top, int count) {
    json_t *list = json_array();
    char text[16];
    for (int i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:o, s:i, s:f}", "class",
                                              weld_json_name(class_text(labels, top[i], text)),
                                              "index", top[i], "probability", (double)p[top[i]]));
    }
    return list;
}

void weld_class_probabilities(const weld_kernels *kernels, const float *logits, int64_t classes,
                              double temperature, float *out) {
    for (int64_t i = 0; i < classes; i++) {
        out[i] = temperature > 0 ? (float)(logits[i] / temperature) : logits[i];
    }
    kernels->softmax(1, classes, out, out);
}

weld_status weld_class_answer(const weld_tensor *outputs, const weld_question *question,
                              weld_text *text, json_t **json, weld_error *err) {
    const weld_labels *labels = question->labels;
    const int classes = (int)outputs[0].shape.dim[1];
    const int most = question->most ? question->most : USUAL_ANSWERS;
    const int count = most < classes ? most : classes;
    const weld_kernels *kernels;
    WELD_TRY(weld_class_check_network(classes, err));
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &kernels, err));
    float *p = weld_alloc((size_t)classes, sizeof *p);
    int *top = weld_alloc((size_t)count, sizeof *top);
    weld_status status = p && top ? WELD_OK : weld_fail_memory(err, "answer");
    if (!status) {
        weld_class_probabilities(kernels, outputs[0].data, classes, labels->temperature, p);
        find_top(p, classes, count, top);
        if (json) {
            *json = make_json(labels, p, top, count);
        } else {
            add_text(labels, p, top, count, text);
        }
    }
    weld_free(p);
    weld_free(top);
    return status;
}
