/* Files of answers; see predict_files.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/predict_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "images/encode_png.h"
#include "images/upright.h"

/* Of the name in a path what stands before its ending; *length of it. */
static const char *stem(const char *path, size_t *length) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    *length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    return name;
}

static int by_stem(const void *a, const void *b) {
    size_t x, y;
    const char *p = stem(*(const char *const *)a, &x), *q = stem(*(const char *const *)b, &y);
    const int order = memcmp(p, q, x < y ? x : y);
    return order ? order : (x > y) - (x < y);
}

static weld_status check_names(const cli_image_list *images, const char *option, weld_error *err) {
    const char **sorted = weld_alloc(images->count, sizeof *sorted);
    if (!sorted) {
        return weld_fail_memory(err, "predict");
    }
    memcpy(sorted, images->paths, images->count * sizeof *sorted);
    qsort(sorted, images->count, sizeof *sorted, by_stem);
    weld_status status = WELD_OK;
    for (size_t i = 1; i < images->count && !status; i++) {
        if (by_stem(&sorted[i - 1], &sorted[i]) == 0) {
            status = weld_fail(err, WELD_ERROR_ARGUMENT,
                               "--%s: %.300s and %.300s would be written to one file: give them in "
                               "two calls, to two folders",
                               option, sorted[i - 1], sorted[i]);
        }
    }
    weld_free(sorted);
    return status;
}

/* Where what is written of an image goes; freed with weld_free, or NULL. */
static char *path_in(const char *folder, const char *image, const char *ending) {
    size_t length;
    const char *name = stem(image, &length);
    const size_t room = strlen(folder) + length + strlen(ending) + 2;
    char *path = weld_alloc_raw(room, 1);
    if (path) {
        snprintf(path, room, "%s/%.*s%s", folder, (int)length, name, ending);
    }
    return path;
}

static weld_status check_new(const char *folder, const char *image, const char *option,
                             const char *ending, weld_error *err) {
    struct stat info;
    char *path = path_in(folder, image, ending);
    if (!path) {
        return weld_fail_memory(err, image);
    }
    weld_status status = WELD_OK;
    if (weld_file_look(path, &info) == 0) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT,
                           "--%s: %s is there already, and is not written over: name a new folder",
                           option, path);
    } else if (errno == ENOTDIR) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT, "--%s: %s is no folder", option, folder);
    }
    weld_free(path);
    return status;
}

static weld_status begin(const cli_answer_files *f, const char *folder, const char *option,
                         const char *ending, bool can, const cli_image_list *images, bool *made,
                         weld_error *err) {
    if (!folder) {
        return WELD_OK;
    }
    if (!can) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "--%s: networks for %s have nothing to write there: leave it out", option,
                         f->task->name);
    }
    WELD_TRY(check_names(images, option, err));
    *made = mkdir(folder, 0777) == 0;
    if (!*made && errno != EEXIST) {
        return weld_fail(err, WELD_ERROR_IO, "--%s: %s: cannot be made: %s", option, folder,
                         strerror(errno));
    }
    for (size_t i = 0; i < images->count; i++) {
        WELD_TRY(check_new(folder, images->paths[i], option, ending, err));
    }
    return WELD_OK;
}

weld_status cli_answer_files_begin(cli_answer_files *f, const cli_image_list *images,
                                   weld_error *err) {
    WELD_TRY(
        begin(f, f->draw, "draw", ".png", f->task->draw_answer != NULL, images, &f->made[0], err));
    return begin(f, f->labels, "txt", ".txt", f->task->label_lines != NULL, images, &f->made[1],
                 err);
}

void cli_answer_files_end(const cli_answer_files *f) {
    const char *const folders[] = {f->draw, f->labels};
    for (int i = 0; i < 2; i++) {
        if (f->made[i]) {
            rmdir(folders[i]); /* where something is in it, it stays */
        }
    }
}

static weld_status write_into(const char *folder, const char *image, const char *ending,
                              const void *bytes, size_t size, weld_error *err) {
    char *path = path_in(folder, image, ending);
    if (!path) {
        return weld_fail_memory(err, image);
    }
    weld_status status = weld_file_write(path, bytes, size, err);
    weld_free(path);
    return status;
}

static weld_status draw(const cli_answer_files *f, const char *path, const weld_tensor *outputs,
                        const weld_question *question, weld_error *err) {
    weld_bytes bytes = {0}, png = {0};
    weld_image image = {0};
    weld_status status = weld_read_file(path, &bytes, err);
    status = status ? status : weld_reading_decode(f->how, bytes.data, bytes.size, &image, err);
    status = status ? status : f->task->draw_answer(outputs, question, &image, err);
    status = status ? status : weld_encode_png(&image, &png, err);
    status = status ? status : write_into(f->draw, path, ".png", png.data, png.size, err);
    weld_bytes_free(&png);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
    return status;
}

static weld_status write_labels(const cli_answer_files *f, const char *path,
                                const weld_tensor *outputs, const weld_question *question,
                                weld_error *err) {
    weld_text lines = WELD_TEXT;
    weld_status status = f->task->label_lines(outputs, question, !f->no_conf, &lines, err);
    if (!status && lines.failed) {
        status = weld_fail_memory(err, path);
    }
    const char *text = weld_text_get(&lines);
    status = status ? status : write_into(f->labels, path, ".txt", text, strlen(text), err);
    weld_text_free(&lines);
    return status;
}

weld_status cli_answer_files_add(const cli_answer_files *f, const char *image,
                                 const weld_tensor *outputs, const weld_question *question,
                                 weld_error *err) {
    if (f->draw) {
        WELD_TRY(draw(f, image, outputs, question, err));
    }
    return f->labels ? write_labels(f, image, outputs, question, err) : WELD_OK;
}
