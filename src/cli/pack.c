/* weld pack: one packed data set of any other kind, or of the MNIST family's files. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/data_options.h"
#include "cli/input_options.h"
#include "cli/progress.h"
#include "datasets/boxes.h"
#include "datasets/idx.h"
#include "datasets/pack.h"
#include "formats/file.h"
#include "tasks/class_names.h"

enum { LARGEST_LIST = 1 << 20 }; /* bytes of a file of class names */

static void bad_image(void *arg, const char *name, const char *reason) {
    cli_progress_end(arg);
    fprintf(stderr, "weld: skipped: %s: %s\n", name, reason);
}

static weld_status pack_folder(const cli_call *call, const char *out, weld_pack_options options,
                               weld_error *err) {
    cli_progress progress = {.what = "pack"};
    options.progress = cli_progress_show;
    options.bad_image = bad_image;
    options.arg = &progress;
    weld_pack_report report = {0};
    weld_dataset *ds = NULL;
    weld_status status = weld_dataset_open(call->arguments[0], &ds, err);
    status = status ? status : cli_spare_data(call, ds, err);
    status = status || weld_dataset_has_boxes(ds) ? status : weld_class_names_check_parts(ds, err);
    if (!status) {
        cli_tell_data(ds, options.scale16);
        status = weld_pack(ds, out, &options, &report, err);
        cli_progress_end(&progress);
    }
    if (!status) {
        const int classes = weld_dataset_class_count(ds);
        printf("%s: %lld %s of %d %s", out, (long long)report.packed,
               weld_plural(report.packed, "image", "images"), classes,
               weld_plural(classes, "class", "classes"));
        if (report.bad) {
            printf(", %lld bad %s left out", (long long)report.bad,
                   weld_plural(report.bad, "one", "ones"));
        }
        putchar('\n');
    }
    weld_dataset_free(ds);
    return status;
}

/* The lines of a text file; the pointers go into *text, and both are the caller's to free. */
static weld_status read_lines(const char *path, void **text, const char ***lines, int *count,
                              weld_error *err) {
    size_t size;
    WELD_TRY(weld_file_read(path, LARGEST_LIST, text, &size, err));
    *lines = weld_alloc(size + 1, sizeof **lines);
    if (!*lines) {
        return weld_fail_memory(err, path);
    }
    char *rest = *text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "\r")] = 0;
        if (*line) {
            (*lines)[(*count)++] = line;
        }
    }
    return WELD_OK;
}

static weld_status pack_idx(const char *images, const char *labels, const char *classes,
                            const char *out, weld_error *err) {
    void *text = NULL;
    const char **names = NULL;
    int name_count = 0;
    int64_t packed = 0;
    weld_status status = classes ? read_lines(classes, &text, &names, &name_count, err) : WELD_OK;
    status = status ? status : weld_pack_idx(images, labels, names, name_count, out, &packed, err);
    if (!status) {
        printf("%s: %lld images\n", out, (long long)packed);
    }
    weld_free(names);
    weld_free(text);
    return status;
}

weld_status cli_pack(cli_call *call, weld_error *err) {
    const char *out = NULL, *classes = NULL, *split = NULL;
    weld_pack_options how = {.size = 0};
    const cli_option options[] = {
        {"output", 'o', CLI_OUTPUT_NEEDED, &out, "OUT.h5", "the packed data set"},
        {"size", 0, CLI_COUNT, &how.size, "N",
         "reduce shorter sides to N (else bytes as they are)"},
        {"scale16", 0, CLI_COUNT, &how.scale16, "N",
         "16-bit grey that becomes white by --size (255)"},
        CLI_MAX_PIXELS(how.max_pixels),
        {"threads", 0, CLI_THREADS, &how.threads, "N", "threads (all)"},
        {"split", 0, CLI_TEXT, &split, "NAME", "of *-images-idx3-ubyte files: train, t10k (train)"},
        {"classes", 0, CLI_TEXT, &classes, "FILE", "class names for idx files, one a line"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    cli_check_max_pixels(call, how.max_pixels);
    if (how.scale16 && !how.size) {
        cli_usage(call, "--scale16 is for --size: without it images stay as they are, and "
                        "data.scale16 of a recipe says how they are read");
    }
    char images[PATH_MAX], labels[PATH_MAX];
    weld_status status =
        weld_idx_find(call->arguments[0], split ? split : "train", images, labels, err);
    if (status == WELD_OK && (cli_is_same_file(out, images) || cli_is_same_file(out, labels))) {
        cli_usage(call, "--output %s: is a file that is read, which would be lost: choose another",
                  out);
    }
    if (status == WELD_OK) {
        status = pack_idx(images, labels, classes, out, err);
    } else if (status == WELD_ERROR_NOT_FOUND && (split || classes)) {
        cli_usage(call, "--%s is for idx files, and %s has none of the split: leave it out",
                  split ? "split" : "classes", call->arguments[0]);
    } else if (status == WELD_ERROR_NOT_FOUND) {
        status = pack_folder(call, out, how, err);
    }
    return status;
}
