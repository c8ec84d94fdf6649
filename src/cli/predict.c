/* weld predict: class names and probabilities of images. */
#include <jansson.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/input_options.h"
#include "cli/model_options.h"
#include "weld/model.h"

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

static const char *class_text(const weld_model *m, int i, char *text, size_t size) {
    const char *name = weld_model_class_name(m, i);
    if (name) {
        return name;
    }
    snprintf(text, size, "%d", i);
    return text;
}

static void print_text(const weld_model *m, const char *image, const float *p, const int *top,
                       int count) {
    char text[16];
    printf("%s\n", image);
    for (int i = 0; i < count; i++) {
        printf("  %6.2f %%  %s\n", 100.0 * (double)p[top[i]],
               class_text(m, top[i], text, sizeof text));
    }
}

static void append_json(json_t *all, const weld_model *m, const char *image, const float *p,
                        const int *top, int count) {
    json_t *list = json_array();
    char text[16];
    for (int i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:s, s:i, s:f}", "class",
                                              class_text(m, top[i], text, sizeof text), "index",
                                              top[i], "probability", (double)p[top[i]]));
    }
    /* A file name need not be UTF-8, which JSON must be. */
    json_t *name = json_string(image);
    json_array_append_new(all, json_pack("{s:o, s:o}", "image",
                                         name ? name : json_string("(name is not UTF-8)"),
                                         "predictions", list));
}

static int predict_images(const weld_model *m, char **images, int count, int top, json_t *json) {
    int classes = weld_model_get_config(m)->num_classes;
    weld_error err;
    weld_classifier *classifier = NULL;
    float *p = weld_alloc((size_t)classes, sizeof *p);
    int *indices = weld_alloc((size_t)top, sizeof *indices);
    int status = CLI_DONE;
    if (!p || !indices) {
        status = cli_fail_text("out of memory");
    } else if (weld_classifier_create(m, 0, &classifier, &err) != WELD_OK) {
        status = cli_fail(&err);
    }
    for (int i = 0; i < count && status == CLI_DONE; i++) {
        if (weld_classifier_run_file(classifier, images[i], p, &err) != WELD_OK) {
            status = cli_fail(&err);
            break;
        }
        find_top(p, classes, top, indices);
        if (json) {
            append_json(json, m, images[i], p, indices, top);
        } else {
            print_text(m, images[i], p, indices, top);
        }
    }
    weld_classifier_free(classifier);
    weld_free(p);
    weld_free(indices);
    return status;
}

int cli_predict(const cli_command *command, int argc, char **argv) {
    int top = 5, count, status;
    bool json = false;
    cli_model_options model = {0};
    cli_input_options input = {0};
    cli_inputs inputs;
    const cli_option options[] = {
        {"top", 'k', CLI_COUNT, &top, "K", "how many classes an image (5)"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON array"},
        CLI_INPUT_OPTIONS(input, ""),
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PRECISION(model),
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 2, -1, &count,
                   &status)) {
        return status;
    }
    if (!cli_inputs_read(command, &input, 1, &inputs, &status)) {
        return status;
    }
    weld_error err;
    weld_model *m;
    if (cli_open_model(argv[1], &model, &m, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    weld_preprocessing own = *weld_model_get_preprocessing(m);
    if (cli_set_input(m, &own, &inputs.items[0], &err) != WELD_OK) {
        weld_model_free(m);
        return cli_fail(&err);
    }
    int classes = weld_model_get_config(m)->num_classes;
    json_t *array = json ? json_array() : NULL;
    status = predict_images(m, argv + 2, count - 1, top < classes ? top : classes, array);
    if (array && status == CLI_DONE) {
        json_dumpf(array, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
        putchar('\n');
    }
    json_decref(array);
    weld_model_free(m);
    return status;
}
