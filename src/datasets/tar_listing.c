/* Listing tar archives; see tar_listing.h. */
#define _GNU_SOURCE
#include "datasets/tar_listing.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "formats/file.h"
#include "formats/tar.h"

typedef struct image {
    uint64_t name, offset, size;
    uint32_t class_size, folder_size; /* bytes of the name up to its first and its last slash */
} image;

typedef struct scan {
    int descriptor;
    const char *path;
    const weld_listing_options *options;
    weld_listing *listing;
    weld_array images, names; /* of image; texts */
    weld_array folders;       /* texts: the first two parts of each folder's name, at most */
    char prefix[PATH_MAX];    /* of the archive inside the archive, with its slash, or empty */
    char name[2 * PATH_MAX];  /* of the member */
} scan;

/* --- Members ---------------------------------------------------------------------------------- */

/* The parts of a path joined by single slashes, into s->name behind the prefix. *why: a part begins
 * with a dot or was left by an archiver, so it is none of the data set's; NULL: it may be. */
static weld_status clean_name(scan *s, const char *name, const char **why, weld_error *err) {
    size_t size = strlen(s->prefix);
    memcpy(s->name, s->prefix, size + 1);
    *why = NULL;
    for (const char *part = name; *part;) {
        size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: member %.200s leads out of its folder: the archive is not one of "
                             "class folders",
                             s->path, name);
        }
        if (length > 0 && !(length == 1 && *part == '.')) {
            *why = weld_is_left_over(part, length) ? "left by a file server or archiver"
                   : *part == '.'                  ? "hidden"
                                                   : *why;
            if (size + length + 2 > PATH_MAX) {
                return weld_fail(err, WELD_ERROR_FORMAT, "%s: member %.200s...: path is too long",
                                 s->path, name);
            }
            if (size > 0 && s->name[size - 1] != '/') {
                s->name[size++] = '/';
            }
            memcpy(s->name + size, part, length);
            size += length;
            s->name[size] = 0;
        }
        part += length + (part[length] == '/');
    }
    return WELD_OK;
}

static bool is_tar_name(const char *name) {
    size_t size = strlen(name);
    return size > 4 && weld_strcasecmp(name + size - 4, ".tar") == 0 && name[size - 5] != '/';
}

/* Folders tell of classes, even of empty ones. Beyond the second part names say nothing new, and
 * neither does a folder after itself. */
static bool add_folder(scan *s) {
    char *end = strchr(s->name, '/');
    end = end ? strchr(end + 1, '/') : NULL;
    char held = end ? *end : 0;
    if (end) {
        *end = 0;
    }
    bool added = !*s->name || weld_array_append_text(&s->folders, s->name);
    if (end) {
        *end = held;
    }
    return added;
}

static bool add_image(scan *s, const weld_tar_member *m) {
    image i = {.name = s->names.count, .offset = m->offset, .size = m->size};
    return weld_array_append_text(&s->names, s->name) && weld_array_append(&s->images, &i, 1);
}

static weld_status scan_archive(scan *s, const char *path, uint64_t begin, uint64_t end,
                                weld_error *err);

static weld_status scan_inner(scan *s, const weld_tar_member *m, weld_error *err) {
    char path[3 * PATH_MAX + 2]; /* for messages */
    size_t size = strlen(s->name) - 4;
    if (*s->prefix) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s: an archive in an archive in an archive: unpack it", s->path,
                         s->name);
    }
    snprintf(path, sizeof path, "%s/%s", s->path, s->name);
    memcpy(s->prefix, s->name, size);
    memcpy(s->prefix + size, "/", 2);
    memcpy(s->name, s->prefix, size + 1);
    s->name[size] = 0;
    weld_status status = add_folder(s) ? scan_archive(s, path, m->offset, m->offset + m->size, err)
                                       : weld_fail_memory(err, s->path);
    s->prefix[0] = 0;
    return status;
}

static bool skip(scan *s, const char *reason) {
    return weld_listing_skip(s->listing, s->options, s->name, reason);
}

/* An image is one by its name, or else by its first bytes. */
static weld_status add_file(scan *s, const weld_tar_member *m, weld_error *err) {
    unsigned char bytes[WELD_FIRST_BYTES];
    if (weld_is_image_name(s->name)) {
        return add_image(s, m) ? WELD_OK : weld_fail_memory(err, s->path);
    }
    const size_t look = m->size < sizeof bytes ? (size_t)m->size : sizeof bytes;
    WELD_TRY(weld_file_read_at(s->descriptor, s->path, bytes, look, m->offset, err));
    const char *why = weld_why_no_image(bytes, look);
    const bool added = why ? skip(s, why) : add_image(s, m);
    return added ? WELD_OK : weld_fail_memory(err, s->path);
}

static weld_status add_member(scan *s, const weld_tar_member *m, weld_error *err) {
    const char *why;
    bool added = true;
    WELD_TRY(clean_name(s, m->name, &why, err));
    if (why) {
        added = m->kind != WELD_TAR_FILE || !weld_is_image_name(s->name) || skip(s, why);
        return added ? WELD_OK : weld_fail_memory(err, s->path);
    }
    switch (m->kind) {
    case WELD_TAR_LINK:
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s is a link: make the archive with tar --dereference "
                         "--hard-dereference",
                         s->path, s->name);
    case WELD_TAR_FOLDER:
        added = add_folder(s);
        break;
    case WELD_TAR_FILE:
        if (is_tar_name(s->name)) {
            return scan_inner(s, m, err);
        }
        return add_file(s, m, err);
    case WELD_TAR_OTHER:
        added = skip(s, "neither a file nor a folder");
    }
    return added ? WELD_OK : weld_fail_memory(err, s->path);
}

static weld_status scan_archive(scan *s, const char *path, uint64_t begin, uint64_t end,
                                weld_error *err) {
    weld_tar *t = NULL;
    weld_tar_member member;
    weld_status status = weld_tar_create(s->descriptor, path, begin, end, &t, err);
    for (bool more = true; !status;) {
        status = weld_tar_next(t, &member, &more, err);
        if (status || !more) {
            break;
        }
        status = add_member(s, &member, err);
    }
    weld_tar_free(t);
    return status;
}

/* --- One folder around all -------------------------------------------------------------------- */

static const char *folder_at(const scan *s, size_t at) {
    return (const char *)s->folders.data + at;
}

/* Does every path have `first` as its first part, and images at least two folders? */
static bool is_around_all(const scan *s, const char *first, size_t size) {
    const image *images = s->images.data;
    for (size_t i = 0; i < s->images.count; i++) {
        const char *name = (const char *)s->names.data + images[i].name;
        const char *slash = strchr(name, '/');
        if (!slash) {
            continue; /* an image beside the folders is none of the data set's */
        }
        if ((size_t)(slash - name) != size || memcmp(name, first, size) != 0 ||
            !strchr(slash + 1, '/')) {
            return false;
        }
    }
    for (size_t at = 0; at < s->folders.count; at += strlen(folder_at(s, at)) + 1) {
        const char *folder = folder_at(s, at);
        if (strncmp(folder, first, size) != 0 || (folder[size] && folder[size] != '/')) {
            return false;
        }
    }
    return true;
}

/* Bytes of that folder's name and slash, or 0. */
static size_t size_around_all(const scan *s) {
    const image *images = s->images.data;
    for (size_t i = 0; i < s->images.count; i++) {
        const char *name = (const char *)s->names.data + images[i].name;
        const char *slash = strchr(name, '/');
        if (slash) {
            size_t size = (size_t)(slash - name);
            return is_around_all(s, name, size) ? size + 1 : 0;
        }
    }
    return 0;
}

/* --- Order ------------------------------------------------------------------------------------ */

/* Cut the outer folder off the names, and leave out images that lie beside the class folders. */
static bool settle_names(scan *s, size_t outer) {
    image *images = s->images.data;
    size_t kept = 0;
    for (size_t i = 0; i < s->images.count; i++) {
        image at = images[i];
        const char *name = (const char *)s->names.data + at.name;
        if (outer && strchr(name, '/')) {
            name += outer;
            at.name += outer;
        }
        const char *first = strchr(name, '/');
        if (first) {
            at.class_size = (uint32_t)(first - name);
            at.folder_size = (uint32_t)(strrchr(name, '/') - name);
            images[kept++] = at;
        } else if (!weld_listing_skip(s->listing, s->options, name, "beside the class folders")) {
            return false;
        }
    }
    s->images.count = kept;
    return true;
}

/* The later of two of one name comes first. */
static int compare_images(const void *a, const void *b, void *names) {
    const image *x = a, *y = b;
    const char *x_name = (const char *)names + x->name, *y_name = (const char *)names + y->name;
    uint32_t least = x->class_size < y->class_size ? x->class_size : y->class_size;
    int order = memcmp(x_name, y_name, least);
    if (!order) {
        order = (x->class_size > y->class_size) - (x->class_size < y->class_size);
    }
    if (!order) {
        order = weld_listing_compare(x_name, x->folder_size, y_name, y->folder_size);
    }
    return order ? order : (x->offset < y->offset) - (x->offset > y->offset);
}

static void sort_images(scan *s) {
    image *images = s->images.data;
    const char *names = s->names.data;
    size_t kept = 0;
    if (s->images.count > 0) {
        qsort_r(images, s->images.count, sizeof *images, compare_images, s->names.data);
    }
    for (size_t i = 0; i < s->images.count; i++) {
        if (kept == 0 || strcmp(names + images[kept - 1].name, names + images[i].name) != 0) {
            images[kept++] = images[i];
        }
    }
    s->images.count = kept;
}

/* --- Classes ---------------------------------------------------------------------------------- */

static bool add_class(weld_listing *l, const char *name, size_t size) {
    char text[PATH_MAX];
    memcpy(text, name, size);
    text[size] = 0;
    int last = weld_listing_class_count(l) - 1;
    return (last >= 0 && strcmp(weld_listing_class_name(l, last), text) == 0) ||
           weld_listing_add_class(l, text);
}

/* The first part of every path, once. */
static weld_status find_classes(const scan *s, size_t outer, weld_listing *l, weld_error *err) {
    const image *images = s->images.data;
    bool added = true;
    for (size_t i = 0; i < s->images.count && added; i++) {
        added = add_class(l, (const char *)s->names.data + images[i].name, images[i].class_size);
    }
    for (size_t at = 0; at < s->folders.count && added; at += strlen(folder_at(s, at)) + 1) {
        const char *folder = folder_at(s, at);
        const char *name = folder + (strlen(folder) < outer ? strlen(folder) : outer);
        added = !*name || add_class(l, name, strcspn(name, "/"));
    }
    if (!added || l->classes.count > INT32_MAX) {
        return weld_fail_memory(err, s->path);
    }
    weld_listing_sort_classes(l);
    uint64_t *starts = l->classes.data;
    int kept = 0;
    for (int i = 0; i < weld_listing_class_count(l); i++) {
        if (kept == 0 ||
            strcmp(weld_listing_class_name(l, kept - 1), weld_listing_class_name(l, i)) != 0) {
            starts[kept++] = starts[i];
        }
    }
    l->classes.count = (size_t)kept;
    return WELD_OK;
}

static weld_status fail_class(const scan *s, const char *name, weld_error *err) {
    return weld_fail(
        err, WELD_ERROR_FORMAT,
        "%s: class folder %s without a JPEG, PNG or WebP image: put images there or leave it out",
        s->path, name);
}

/* Samples in order, whose classes are in the same order. */
static weld_status fill(const scan *s, weld_listing *l, weld_error *err) {
    const image *images = s->images.data;
    int label = -1;
    for (size_t i = 0; i < s->images.count; i++) {
        const char *name = (const char *)s->names.data + images[i].name;
        weld_listing_place place = {images[i].offset, images[i].size};
        int before = label;
        while (label < 0 ||
               strncmp(weld_listing_class_name(l, label), name, images[i].class_size) != 0 ||
               weld_listing_class_name(l, label)[images[i].class_size]) {
            label++;
        }
        if (label > before + 1 && !s->options->empty_classes) {
            return fail_class(s, weld_listing_class_name(l, before + 1), err);
        }
        if (!(weld_is_image_name(name) || weld_listing_add_taken(l, name)) ||
            !weld_listing_add_sample(l, name, label) || !weld_array_append(&l->places, &place, 1)) {
            return weld_fail_memory(err, s->path);
        }
    }
    return label + 1 < weld_listing_class_count(l) && !s->options->empty_classes
               ? fail_class(s, weld_listing_class_name(l, label + 1), err)
               : WELD_OK;
}

static weld_status list(scan *s, weld_listing *l, weld_error *err) {
    struct stat info;
    if (weld_file_look_at(s->descriptor, &info) != 0 || !weld_listing_add_source(l, "", &info)) {
        return weld_fail_memory(err, s->path);
    }
    WELD_TRY(scan_archive(s, s->path, 0, (uint64_t)info.st_size, err));
    size_t outer = size_around_all(s);
    if (!settle_names(s, outer)) {
        return weld_fail_memory(err, s->path);
    }
    sort_images(s);
    weld_status status = find_classes(s, outer, l, err);
    if (!status && (l->classes.count == 0 || s->images.count == 0)) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: holds no class folders with images: a data set is an archive of "
                           "one folder of images per class",
                           s->path);
    }
    return status ? status : fill(s, l, err);
}

weld_status weld_tar_list(int descriptor, const char *path, const weld_listing_options *options,
                          weld_listing *out, weld_error *err) {
    scan s = {.descriptor = descriptor,
              .path = path,
              .options = options,
              .listing = out,
              .images.element = sizeof(image),
              .names.element = 1,
              .folders.element = 1};
    *out = weld_listing_make();
    weld_status status = list(&s, out, err);
    weld_array_free(&s.images);
    weld_array_free(&s.names);
    weld_array_free(&s.folders);
    return status;
}
