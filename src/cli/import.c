/* weld import: weights from other programs become weld's own file. */
#include <stdio.h>

#include "cli/model_options.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/safetensors_checksum.h"
#include "infer/model.h"
#include "kernels/kernels.h"
#include "models/models.h"

/* "stem stride 2, bn eps 0.001": what was set by an option, by the variant that it is said to be
 * of, by the names, or by nobody. */
static void print_untold(const weld_model_config *c) {
    char text[256] = "", title[64], value[64];
    const weld_model_family *family = weld_family_of(c);
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, WELD_KEY_UNTOLD));) {
        weld_append(text, sizeof text, "%s%s %s", *text ? ", " : "",
                    weld_key_title(key, title, sizeof title),
                    weld_key_text(key, c->values, ", ", value, sizeof value));
    }
    if (*text) {
        printf("%-16s %s (tensors do not tell)\n", "taken to be", text);
    }
}

static void print_found(const char *path, const weld_model *m) {
    const weld_model_file *f = &m->file;
    const weld_model_config *c = &f->config;
    char labels[256];
    const weld_model_origin *origin = &f->origin;
    bool merged = weld_model_is_merged(m);
    if (origin->kind) {
        printf("%s: %s%s%s, %zu tensors, %s\n", path,
               origin->kind == WELD_FILE_PTH           ? "a PyTorch .pth file"
               : origin->kind == WELD_FILE_SAFETENSORS ? "a safetensors file"
                                                       : "an index of files",
               *origin->key ? ", state dict " : "", origin->key, origin->tensors,
               origin->passed_over.count ? "of which the network's are used" : "all used");
        if (origin->unchecked) {
            printf("%-16s " WELD_CHECKSUM_MISSING "\n", "checksum");
        }
        if (*origin->prefix) {
            printf("%-16s %s is in front of all names\n", "wrapped", origin->prefix);
        }
        if (*origin->others) {
            printf("%-16s %s (--key takes another)\n", "also there", origin->others);
        }
        printf("%-16s %s names, %s\n", "tensors", origin->naming->whose,
               origin->mixed ? "several element types" : weld_element_name(origin->element));
        if (origin->naming->bgr) {
            printf("%-16s the first convolution's are turned from BGR images, which %s are for, to "
                   "RGB\n",
                   "", origin->naming->whose);
        }
        if (origin->tables_from) {
            printf("%-16s tables of positions resized from images of %d to %d (bicubic)\n", "",
                   origin->tables_from, f->preprocessing.height);
        }
    } else {
        printf("%s: %s\n", path, weld_file_kind_text(weld_file_kind_of(path)));
    }
    printf("%-16s %s, %s form%s\n", "network", c->name, merged ? "merged" : "training",
           weld_model_label_text(c, labels, sizeof labels));
    if (*origin->named_by) {
        printf("%-16s %s says so\n", "", origin->named_by);
    }
    if (origin->untold) {
        print_untold(c);
    }
    printf("%-16s %d%s\n", "classes", c->num_classes, f->class_names ? ", named" : ", no names");
}

/* A file of damaged weights, or of a training that came to nothing, is better not made. */
static weld_status check_finite(const char *path, const weld_weights *w, weld_error *err) {
    const weld_kernels *kernels;
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &kernels, err));
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const weld_tensor t = weld_weights_tensor(w, i);
        const int64_t bad = t.dtype == WELD_F32
                                ? kernels->first_not_finite(weld_shape_count(&t.shape), t.data)
                                : -1;
        if (bad >= 0) {
            return weld_fail(err, WELD_ERROR_NUMERIC,
                             "%s: %s: element %lld is not finite: the weights are not usable, "
                             "take an earlier file",
                             path, weld_weights_name(w, i), (long long)bad);
        }
    }
    return WELD_OK;
}

weld_status cli_import(cli_call *call, weld_error *err) {
    cli_model_options model = {0};
    const char *out = NULL;
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT_NEEDED, &out, "OUT.h5", "the file to write"},
        {"num-classes", 0, CLI_COUNT, &model.known.num_classes, "N", "how many it must have (any)"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_PIXELS(model),
        CLI_MODEL_CROP(model),
        CLI_MODEL_SIZE(model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    weld_model *m;
    WELD_TRY(cli_open_model(call->arguments[0], &model, &m, err));
    cli_tell_preparing(call->arguments[0], m);
    weld_status status = check_finite(call->arguments[0], m->file.weights, err);
    status = status ? status : weld_model_save(m, out, err);
    if (!status) {
        print_found(call->arguments[0], m);
        printf("%s written\n", out);
    }
    weld_model_free(m);
    return status;
}
