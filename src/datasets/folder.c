/* Scanning folders of class folders; see folder.h. */
#include "datasets/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "datasets/layout.h"
#include "formats/file.h"

enum { MAX_DEPTH = 32 }; /* of folders: links may form a circle */

typedef enum entry_kind {
    ENTRY_FOLDER,
    ENTRY_FILE,
    ENTRY_NOTHING,
    ENTRY_FORBIDDEN,
    ENTRY_OTHER
} entry_kind;

typedef struct scan {
    weld_listing *listing;
    const weld_listing_options *options;
    size_t root_size; /* bytes of the data set's path and the slash behind it */
    int label, depth;
    bool images_beside; /* the class folders */
} scan;

static bool is_link(const char *path) {
    struct stat info;
    return weld_file_look_link(path, &info) == 0 && S_ISLNK(info.st_mode);
}

/* Links count as what they lead to; most file systems spare us the question. Where it cannot be
 * answered an image by its name is one, which then cannot be read, and a link to where we may not
 * go is passed over with a word; of all else nobody knows what would be missing. */
static weld_status find_kind(const struct dirent *entry, const char *path, weld_listing *l,
                             entry_kind *kind, weld_error *err) {
    struct stat info;
    *kind = entry->d_type == DT_DIR   ? ENTRY_FOLDER
            : entry->d_type == DT_REG ? ENTRY_FILE
                                      : ENTRY_OTHER;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) {
        return WELD_OK;
    }
    const int code = weld_file_look(path, &info) == 0 ? 0 : errno;
    if (!code) {
        *kind = S_ISDIR(info.st_mode)   ? ENTRY_FOLDER
                : S_ISREG(info.st_mode) ? ENTRY_FILE
                                        : ENTRY_OTHER;
    } else if (code == ENOENT || code == ENOTDIR || code == ELOOP) {
        *kind = ENTRY_NOTHING;
    } else if (weld_is_image_name(entry->d_name)) {
        *kind = ENTRY_FILE;
    } else if (code == EACCES && is_link(path)) {
        *kind = ENTRY_FORBIDDEN;
    } else {
        return weld_file_fail(err, path, "tell what it is", code);
    }
    /* A link to a folder is no matter: that folder will be among the sources. */
    l->has_links |= *kind != ENTRY_FOLDER;
    return WELD_OK;
}

static weld_status skip(scan *s, const char *path, const char *reason, weld_error *err) {
    return weld_listing_skip(s->listing, s->options, path + s->root_size, reason)
               ? WELD_OK
               : weld_fail_memory(err, path);
}

/* NULL where a file is an image, by its name or else by its first bytes; else why it is none. */
static const char *why_no_image(const char *name, const char *path) {
    unsigned char bytes[WELD_FIRST_BYTES];
    int descriptor;
    uint64_t size;
    if (weld_is_image_name(name)) {
        return NULL;
    }
    if (weld_file_open(path, &descriptor, &size, NULL) != WELD_OK) {
        return "cannot be opened";
    }
    const size_t look = size < sizeof bytes ? (size_t)size : sizeof bytes;
    const weld_status status = weld_file_read_at(descriptor, path, bytes, look, 0, NULL);
    close(descriptor);
    return status ? "cannot be read" : weld_why_no_image(bytes, look);
}

/* Calls visit for every entry that is not hidden, with its full path, until one fails. */
typedef weld_status visitor(scan *s, const char *name, const char *path, entry_kind kind,
                            weld_error *err);

/* What the folder is like is noted before its entries are read: what changes later, shows. */
static weld_status note_folder(scan *s, DIR *dir, const char *folder, weld_error *err) {
    struct stat info;
    size_t length = strlen(folder);
    if (weld_file_look_at(dirfd(dir), &info) != 0) {
        return weld_fail(err, WELD_ERROR_IO, "%s: cannot open folder: %s", folder, strerror(errno));
    }
    const char *name = length >= s->root_size ? folder + s->root_size : "";
    return weld_listing_add_source(s->listing, name, &info) ? WELD_OK
                                                            : weld_fail_memory(err, folder);
}

static weld_status visit_entries(scan *s, const char *folder, visitor *visit, weld_error *err) {
    DIR *dir = opendir(folder);
    if (!dir) {
        return weld_fail(err, WELD_ERROR_IO, "%s: cannot open folder: %s", folder, strerror(errno));
    }
    weld_status status = note_folder(s, dir, folder, err);
    while (!status) {
        char path[PATH_MAX];
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            status = errno == 0 ? WELD_OK
                                : weld_fail(err, WELD_ERROR_IO, "%s: cannot read folder: %s",
                                            folder, strerror(errno));
            break;
        }
        if (entry->d_name[0] == '.' && !weld_is_image_name(entry->d_name)) {
            continue;
        }
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
            status =
                weld_fail(err, WELD_ERROR_IO, "%s/%s: path is too long", folder, entry->d_name);
        } else if (entry->d_name[0] == '.') {
            status = skip(s, path, "hidden", err);
        } else if (weld_is_left_over(entry->d_name, strlen(entry->d_name))) {
            status = skip(s, path, "left by a file server or archiver", err);
        } else {
            entry_kind kind;
            status = find_kind(entry, path, s->listing, &kind, err);
            status = status ? status : visit(s, entry->d_name, path, kind, err);
        }
    }
    closedir(dir);
    return status;
}

static const char forbidden[] = "a link that may not be followed";

static weld_status add_entry(scan *s, const char *name, const char *path, entry_kind kind,
                             weld_error *err) {
    if (kind == ENTRY_FOLDER) {
        if (s->depth == MAX_DEPTH) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: folders are nested more than %d deep: does a link lead upwards?",
                             path, MAX_DEPTH);
        }
        s->depth++;
        weld_status status = visit_entries(s, path, add_entry, err);
        s->depth--;
        return status;
    }
    const char *relative = path + s->root_size;
    const char *why = kind == ENTRY_FILE        ? why_no_image(name, path)
                      : kind == ENTRY_NOTHING   ? "a link to what is not there"
                      : kind == ENTRY_FORBIDDEN ? forbidden
                                                : "neither a file nor a folder";
    if (why) {
        return skip(s, path, why, err);
    }
    const bool taken = weld_is_image_name(name) || weld_listing_add_taken(s->listing, relative);
    return taken && weld_listing_add_sample(s->listing, relative, s->label)
               ? WELD_OK
               : weld_fail_memory(err, path);
}

static weld_status scan_class(scan *s, const char *root, weld_error *err) {
    char path[PATH_MAX];
    weld_listing *l = s->listing;
    size_t before = l->samples.count;
    if (snprintf(path, sizeof path, "%s/%s", root, weld_listing_class_name(l, s->label)) >=
        (int)sizeof path) {
        return weld_fail(err, WELD_ERROR_IO, "%s: path is too long", root);
    }
    WELD_TRY(visit_entries(s, path, add_entry, err));
    if (l->samples.count == before && !s->options->empty_classes) {
        return weld_fail(
            err, WELD_ERROR_FORMAT,
            "%s: class folder without a JPEG, PNG or WebP image: put images there or remove it",
            path);
    }
    weld_listing_sort_samples(l, before);
    return WELD_OK;
}

static weld_status add_class(scan *s, const char *name, const char *path, entry_kind kind,
                             weld_error *err) {
    if (kind == ENTRY_FILE && !why_no_image(name, path)) {
        s->images_beside = true;
        return skip(s, path, "beside the class folders", err);
    }
    if (kind == ENTRY_FORBIDDEN) { /* may be a class */
        return skip(s, path, forbidden, err);
    }
    if (kind != ENTRY_FOLDER) {
        return WELD_OK;
    }
    return weld_listing_add_class(s->listing, name) ? WELD_OK : weld_fail_memory(err, path);
}

static weld_status fail_without_classes(const char *path, bool has_images, weld_error *err) {
    char above[PATH_MAX];
    const bool is_within = weld_layout_above(path, above);
    return weld_fail(
        err, WELD_ERROR_FORMAT,
        "%s: holds %sno class folders: a data set is a folder with one folder of images "
        "per class%s%s",
        path, has_images ? "images and " : "",
        is_within    ? "; boxes on images are a data set too: give "
        : has_images ? ": is it the one above?"
                     : "",
        is_within ? above : "");
}

weld_status weld_folder_scan(const char *path, const weld_listing_options *options,
                             weld_listing *out, weld_error *err) {
    *out = weld_listing_make();
    scan s = {.listing = out, .options = options, .root_size = strlen(path) + 1};
    weld_status status = visit_entries(&s, path, add_class, err);
    if (status) {
        return status;
    }
    if (out->classes.count == 0 || out->classes.count > INT32_MAX) {
        return fail_without_classes(path, s.images_beside, err);
    }
    weld_listing_sort_classes(out);
    for (; !status && s.label < weld_listing_class_count(out); s.label++) {
        status = scan_class(&s, path, err);
    }
    return status;
}

weld_status weld_folder_list(const char *path, const weld_listing_options *options,
                             weld_listing *out, weld_error *err) {
    *out = weld_listing_make();
    scan s = {.listing = out, .options = options, .root_size = strlen(path) + 1};
    WELD_TRY(visit_entries(&s, path, add_entry, err));
    weld_listing_sort_samples(out, 0);
    return WELD_OK;
}
