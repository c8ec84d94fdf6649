/* Images of YOLO data sets; see yolo_images.h. */
#include "datasets/yolo_images.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "datasets/folder.h"
#include "formats/file.h"

enum { LONGEST_LIST = 1 << 30 /* bytes */ };

typedef struct listing_run {
    const char *root;
    const weld_listing_options *options;
    weld_listing *out;
    weld_array *files;
    const char *folder; /* that is being listed, as names begin */
    bool failed;
    weld_error *err;
} listing_run;

static bool is_there(const char *path, bool *is_folder) {
    struct stat info;
    const bool there = weld_file_look(path, &info) == 0;
    *is_folder = there && S_ISDIR(info.st_mode);
    return there;
}

/* folder/name, or name alone where it begins with a slash. */
static bool join(char out[PATH_MAX], const char *folder, const char *name) {
    const int length = *name == '/' ? snprintf(out, PATH_MAX, "%s", name)
                                    : snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX;
}

static void folder_of(const char *file, char out[PATH_MAX]) {
    const char *slash = strrchr(file, '/');
    snprintf(out, PATH_MAX, "%.*s", slash ? (int)(slash - file) : 1, slash ? file : ".");
}

weld_status weld_yolo_root(const weld_layout *layout, const weld_data_yaml *yaml,
                           char out[PATH_MAX], weld_error *err) {
    char own[PATH_MAX];
    bool is_folder;
    folder_of(layout->file, own);
    snprintf(out, PATH_MAX, "%s", *layout->images ? layout->path : own);
    if (!yaml->has_path || *layout->images) {
        return WELD_OK;
    }
    const char *path = weld_data_yaml_text(yaml, yaml->path);
    if (join(out, own, path) && is_there(out, &is_folder) && is_folder) {
        return WELD_OK;
    }
    return weld_fail(err, WELD_ERROR_NOT_FOUND,
                     "%s: path %s is no folder: name the one that train and val are in, or remove "
                     "the line where that is the file's own",
                     layout->file, path);
}

/* --- A folder --- */

bool weld_yolo_is_no_image(const char *name) {
    static const char *const known[] = {".txt", ".json", ".xml", ".yaml", ".yml", ".cache", ".md"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++) {
        if (weld_strcasecmp(dot, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Text files and such beside the images are no news; what may be images that cannot be read is. */
static void pass(void *arg, const char *name, const char *reason) {
    listing_run *run = arg;
    char path[2 * PATH_MAX];
    if (weld_yolo_is_no_image(name)) {
        return;
    }
    snprintf(path, sizeof path, "%s/%s", run->folder, name);
    run->failed |= !weld_listing_skip(run->out, run->options, path, reason);
}

/* One image has one name, however the folder was written that it is in: "./a", "a//b". */
static weld_status add(listing_run *run, char *name) {
    char *to = name + (*name == '/');
    for (const char *from = name; *from; from += strspn(from, "/")) {
        const size_t length = strcspn(from, "/");
        if (length > 0 && !(length == 1 && *from == '.')) {
            memmove(to, from, length);
            to += length;
            *to = from[length];
            to += from[length] != 0;
        }
        from += length;
    }
    *to = 0;
    return weld_listing_add_sample(run->out, name, 0) ? WELD_OK
                                                      : weld_fail_memory(run->err, run->root);
}

static weld_status add_folder(listing_run *run, const char *path, const char *name) {
    const weld_listing_options options = {.skipped = pass, .arg = run};
    weld_listing found;
    run->folder = name;
    weld_status status = weld_folder_list(path, &options, &found, run->err);
    for (size_t i = 0; i < found.samples.count && !status; i++) {
        char image[2 * PATH_MAX];
        const int length = snprintf(image, sizeof image, "%s%s%s", name, *name ? "/" : "",
                                    weld_listing_name(&found, (int64_t)i));
        status = length < (int)sizeof image
                     ? add(run, image)
                     : weld_fail(run->err, WELD_ERROR_IO, "%s: path is too long", image);
    }
    weld_listing_free(&found);
    return !status && run->failed ? weld_fail_memory(run->err, path) : status;
}

/* --- A list --- */

/* A line of a list: "./" means beside the list. */
static weld_status add_line(listing_run *run, const char *list, const char *folder, char *line) {
    char image[2 * PATH_MAX];
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r", line[length - 1])) {
        line[--length] = 0;
    }
    if (length == 0) {
        return WELD_OK;
    }
    const bool beside = strncmp(line, "./", 2) == 0 && *folder;
    if (snprintf(image, sizeof image, "%s%s%s", beside ? folder : "", beside ? "/" : "",
                 line + (beside ? 2 : 0)) >= PATH_MAX) {
        return weld_fail(run->err, WELD_ERROR_IO, "%s: a path in it is too long", list);
    }
    return add(run, image);
}

/* `name` is that of the list as data.yaml has it: images beside it are named likewise. */
static weld_status add_list(listing_run *run, const char *path, const char *name) {
    char folder[PATH_MAX];
    void *data;
    size_t size;
    const char *slash = strrchr(name, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - name) : 0, name);
    weld_status status = weld_file_read(path, LONGEST_LIST, &data, &size, run->err);
    if (status) {
        return status;
    }
    char *text = data;
    if (!weld_array_append_text(run->files, path)) {
        status = weld_fail_memory(run->err, path);
    } else if (strlen(text) != size) {
        status = weld_fail(run->err, WELD_ERROR_FORMAT, "%s: no list of images: no text", path);
    }
    const bool has_mark = strncmp(text, "\xef\xbb\xbf", 3) == 0; /* of UTF-8 */
    char *next;
    for (char *line = text + (has_mark ? 3 : 0); !status && *line; line = next) {
        next = weld_end_line(line);
        status = add_line(run, path, folder, line);
    }
    weld_free(data);
    return status;
}

/* --- All --- */

/* Where an entry of the part is. Roboflow writes "../train/images" where train is beside the file,
 * so that "../" is left out where nothing is there with it. */
static weld_status add_entry(listing_run *run, const char *file, const char *name) {
    char path[PATH_MAX];
    bool is_folder;
    const char *written = name;
    bool there = join(path, run->root, name) && is_there(path, &is_folder);
    if (!there && strncmp(name, "../", 3) == 0) {
        name += 3;
        there = join(path, run->root, name) && is_there(path, &is_folder);
    }
    if (!there) {
        return weld_fail(run->err, WELD_ERROR_NOT_FOUND, "%s: %s is not in %s", file, written,
                         run->root);
    }
    return is_folder ? add_folder(run, path, name) : add_list(run, path, name);
}

weld_status weld_yolo_list(const weld_layout *layout, const weld_data_yaml *yaml, const char *root,
                           const weld_listing_options *options, weld_listing *out,
                           weld_array *files, weld_error *err) {
    listing_run run = {.root = root, .options = options, .out = out, .files = files, .err = err};
    const weld_array *part = &yaml->parts[layout->part];
    weld_status status = WELD_OK;
    if (*layout->images) {
        status = add_folder(&run, layout->images, "images"); /* which is in the root */
    } else if (!part->count) {
        return weld_fail(err, WELD_ERROR_NOT_FOUND, "%s: has no %s: name its folder of images",
                         layout->file, weld_part_text(layout->part));
    }
    for (size_t i = 0; !*layout->images && i < part->count && !status; i++) {
        const uint64_t at = ((const uint64_t *)part->data)[i];
        status = add_entry(&run, layout->file, weld_data_yaml_text(yaml, at));
    }
    if (!status && !out->samples.count) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: no JPEG, PNG or WebP image in its %s",
                           layout->file, weld_part_text(layout->part));
    }
    if (!status) {
        weld_listing_sort_samples(out, 0);
    }
    return status;
}
