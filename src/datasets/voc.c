/* VOC's data sets; see voc.h. */
#define _GNU_SOURCE
#include "datasets/voc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "datasets/voc_file.h"
#include "datasets/voc_line.h"
#include "formats/file.h"

enum { LONGEST_LIST = 1 << 28 /* bytes */ };

typedef struct reading {
    const weld_layout *layout;
    const weld_box_options *options;
    weld_listing *listing;
    weld_box_store *store;
    bool is_flat;      /* images and XML files are in one folder */
    weld_array files;  /* of uint64_t: names of all XML files, in `texts` */
    weld_array listed; /* of uint64_t: those of the part; none: all are */
    weld_array taken;  /* of uint64_t: that of each sample */
    weld_array names;  /* of uint64_t: the class of each object of all files */
    weld_array own;    /* of uint64_t: that of each box */
    weld_array texts;
    weld_voc_file file;
    weld_error *err;
} reading;

static const char *text_at(const reading *r, uint64_t at) {
    return (const char *)r->texts.data + at;
}

static int compare_texts(const void *a, const void *b, void *texts) {
    return strcmp((const char *)texts + *(const uint64_t *)a,
                  (const char *)texts + *(const uint64_t *)b);
}

static void sort_texts(reading *r, weld_array *a) {
    if (a->count) {
        qsort_r(a->data, a->count, sizeof(uint64_t), compare_texts, r->texts.data);
    }
}

static bool add_text(reading *r, weld_array *to, const char *text, size_t length) {
    const uint64_t at = r->texts.count;
    return weld_array_append(&r->texts, text, length) && weld_array_append(&r->texts, "", 1) &&
           weld_array_append(to, &at, 1);
}

/* Where a text is in a sorted array; -1: nowhere. */
static int64_t find_text(const reading *r, const weld_array *sorted, const char *text) {
    const uint64_t *at = sorted->data;
    size_t low = 0, high = sorted->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(text_at(r, at[middle]), text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sorted->count && strcmp(text_at(r, at[low]), text) == 0 ? (int64_t)low : -1;
}

/* --- Which files --- */

/* The XML files of a folder, sorted. */
static weld_status find_files(reading *r, const char *folder) {
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    bool kept = true;
    if (!entries) {
        return weld_fail(r->err, WELD_ERROR_IO, "%s: cannot open folder: %s", folder,
                         strerror(errno));
    }
    while (kept && (entry = readdir(entries))) {
        const size_t length = strlen(entry->d_name);
        if (length > 4 && entry->d_name[0] != '.' &&
            weld_strcasecmp(entry->d_name + length - 4, ".xml") == 0) {
            kept = add_text(r, &r->files, entry->d_name, length);
        }
    }
    closedir(entries);
    if (!kept) {
        return weld_fail_memory(r->err, folder);
    }
    sort_texts(r, &r->files);
    return r->files.count ? WELD_OK
                          : weld_fail(r->err, WELD_ERROR_FORMAT, "%s: no XML file in it", folder);
}

/* The annotation of an image of that name; false: it is too long. */
static bool name_file(const char *line, size_t length, char name[NAME_MAX + 1]) {
    return length <= NAME_MAX &&
           snprintf(name, NAME_MAX + 1, "%.*s.xml", (int)length, line) <= NAME_MAX;
}

static weld_status take_line(reading *r, const char *path, const char *line, int number) {
    const weld_voc_line l = weld_voc_read_line(line);
    char name[NAME_MAX + 1], shorter[NAME_MAX + 1] = "";
    if (l.length == 0) {
        return WELD_OK;
    }
    if (!name_file(l.name, l.length, name) || (l.before && !name_file(l.name, l.before, shorter))) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s:%d: no name of an image", path, number);
    }
    const bool is_whole = find_text(r, &r->files, name) >= 0;
    const bool is_marked = l.before && find_text(r, &r->files, shorter) >= 0;
    if (is_whole && is_marked) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s:%d: may be Annotations/%s, or Annotations/%s and a mark: rename one",
                         path, number, name, shorter);
    }
    if (!is_whole && !is_marked) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s:%d: there is no Annotations/%s", path,
                         number, l.before ? shorter : name);
    }
    const char *taken = is_whole ? name : shorter;
    return add_text(r, &r->listed, taken, strlen(taken)) ? WELD_OK : weld_fail_memory(r->err, path);
}

static weld_status take_lines(reading *r, const char *path, char *text) {
    int number = 1;
    char *next;
    for (char *line = text; *line; line = next, number++) {
        next = weld_end_line(line);
        WELD_TRY(take_line(r, path, line, number));
    }
    if (!r->listed.count) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: lists no images", path);
    }
    sort_texts(r, &r->listed);
    return WELD_OK;
}

static weld_status read_list(reading *r) {
    char path[PATH_MAX + 60];
    struct stat info;
    void *text;
    size_t size;
    const weld_part_name part = r->layout->part;
    snprintf(path, sizeof path, "%s/ImageSets/Main/%s.txt", r->layout->file, weld_part_text(part));
    if (r->is_flat ||
        (part == WELD_NAMED_TRAIN && weld_file_look(path, &info) != 0 && errno == ENOENT)) {
        return WELD_OK;
    }
    WELD_TRY(weld_file_read(path, LONGEST_LIST, &text, &size, r->err));
    const weld_status status =
        !weld_array_append_text(&r->store->files, path) ? weld_fail_memory(r->err, path)
        : strlen(text) == size
            ? take_lines(r, path, text)
            : weld_fail(r->err, WELD_ERROR_FORMAT, "%s: no list of images: no text", path);
    weld_free(text);
    return status;
}

/* --- One file --- */

static weld_status fault(reading *r, weld_box_fault kind, const char *file, uint64_t line,
                         const char *what) {
    return weld_box_store_fault(r->store, r->options, kind, file, line, true, r->err, "%s", what);
}

static bool is_file(const char *folder, const char *name) {
    char path[2 * PATH_MAX];
    struct stat info;
    return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
           weld_file_look(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* The image of an XML file: what is called as it is, where that is there; else what it names, which
 * is of another time where files were renamed or copied. */
static void name_image(const reading *r, const char *xml, char out[PATH_MAX]) {
    const char *named = r->file.has_image ? (const char *)r->file.texts.data + r->file.image : "";
    const char *root = r->store->root;
    const int stem = (int)strlen(xml) - 4;
    for (const char *ending = weld_image_endings; *ending;) {
        const int length = 1 + (int)strcspn(ending + 1, ".");
        snprintf(out, PATH_MAX, "%.*s%.*s", stem, xml, length, ending);
        if (is_file(root, out)) {
            return;
        }
        ending += length;
    }
    if (*named && !strchr(named, '/')) {
        snprintf(out, PATH_MAX, "%s", named);
        if (is_file(root, out)) {
            return;
        }
    }
    snprintf(out, PATH_MAX, "%.*s.jpg", stem, xml); /* which is then told to be missing */
}

static weld_status take_object(reading *r, const weld_voc_object *o, const char *path,
                               uint64_t name) {
    const double *c = o->corners;
    weld_box box = {.x = c[0] - 1,
                    .y = c[1] - 1,
                    .width = c[2] - c[0] + 1,
                    .height = c[3] - c[1] + 1,
                    .flags = o->difficult ? WELD_BOX_IGNORE : 0};
    box.area = box.width * box.height;
    if (!weld_box_is_sound(&box)) {
        return fault(r, WELD_BOX_BAD_VALUE, path, o->line, "a corner that is no number of pixels");
    }
    if (o->odd_difficult) {
        return fault(r, WELD_BOX_BAD_VALUE, path, o->line,
                     "an object whose difficult is none of 0, 1, true and false");
    }
    return weld_array_append(&r->store->boxes, &box, 1) && weld_array_append(&r->own, &name, 1) &&
                   (!r->options->found || weld_array_append(&r->store->places, &o->line, 1))
               ? WELD_OK
               : weld_fail_memory(r->err, path);
}

/* Objects of files of other parts say no more than that there is their class. */
static weld_status take_objects(reading *r, const char *path, bool wanted) {
    const weld_voc_object *objects = r->file.objects.data;
    for (size_t i = 0; i < r->file.objects.count; i++) {
        const weld_voc_object *o = &objects[i];
        const bool *has = o->has_corner;
        const bool is_whole = o->has_name && has[0] && has[1] && has[2] && has[3];
        if (o->has_name) {
            const char *name = (const char *)r->file.texts.data + o->name;
            if (!add_text(r, &r->names, name, strlen(name))) {
                return weld_fail_memory(r->err, path);
            }
        }
        if (wanted && *o->twice) {
            char what[100];
            snprintf(what, sizeof what, "an object with a second <%s>", o->twice);
            WELD_TRY(fault(r, WELD_BOX_BAD_VALUE, path, o->line, what));
        } else if (wanted && !is_whole) {
            WELD_TRY(fault(r, WELD_BOX_BAD_VALUE, path, o->line,
                           o->has_name ? "an object without the four corners of its bndbox"
                                       : "an object without a name"));
        } else if (wanted) {
            const uint64_t last = ((const uint64_t *)r->names.data)[r->names.count - 1];
            WELD_TRY(take_object(r, o, path, last));
        }
    }
    return WELD_OK;
}

static int32_t side(double value) {
    return weld_box_is_side(value) ? (int32_t)value : 0;
}

static bool is_odd_side(double value) {
    return !weld_box_is_side(value) && value != 0;
}

/* The file's name is one of the texts, which move when there are more of them. */
static weld_status take_file(reading *r, const char *folder, uint64_t at) {
    const char *xml = text_at(r, at);
    char path[2 * PATH_MAX], image[PATH_MAX];
    weld_box_store *s = r->store;
    const bool wanted = !r->listed.count || find_text(r, &r->listed, xml) >= 0;
    snprintf(path, sizeof path, "%s/%s", folder, xml);
    WELD_TRY(weld_voc_file_read(path, &r->file, r->err));
    weld_box_image entry = {.id = (int64_t)s->images.count,
                            .width = side(r->file.width),
                            .height = side(r->file.height),
                            .first = s->boxes.count};
    const uint64_t file = s->files.count;
    if (!weld_array_append_text(&s->files, path)) {
        return weld_fail_memory(r->err, path);
    }
    if (wanted) {
        name_image(r, xml, image);
    }
    if (wanted && (is_odd_side(r->file.width) || is_odd_side(r->file.height))) {
        WELD_TRY(fault(r, WELD_BOX_BAD_VALUE, path, r->file.size_line,
                       "a width or height that is no number of pixels"));
    }
    WELD_TRY(take_objects(r, path, wanted));
    if (!wanted) {
        return WELD_OK;
    }
    entry.count = s->boxes.count - entry.first;
    const bool kept = weld_listing_add_sample(r->listing, image, 0) &&
                      weld_array_append(&r->taken, &at, 1) &&
                      weld_array_append(&s->images, &entry, 1) &&
                      (!r->options->found || weld_array_append(&s->file_of, &file, 1));
    return kept ? WELD_OK : weld_fail_memory(r->err, path);
}

/* --- All --- */

/* Each class once, and of each box its number. */
static weld_status take_classes(reading *r) {
    uint64_t *names = r->names.data;
    size_t count = 0;
    sort_texts(r, &r->names);
    for (size_t i = 0; i < r->names.count; i++) {
        if (count == 0 || strcmp(text_at(r, names[i]), text_at(r, names[count - 1])) != 0) {
            names[count++] = names[i];
            if (!weld_listing_add_class(r->listing, text_at(r, names[i]))) {
                return weld_fail_memory(r->err, r->layout->file);
            }
        }
    }
    r->names.count = count;
    if (count == 0 || count > INT32_MAX) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: no XML file in it has an object",
                         r->layout->file);
    }
    weld_box *boxes = r->store->boxes.data;
    for (size_t i = 0; i < r->store->boxes.count; i++) {
        const char *name = text_at(r, ((const uint64_t *)r->own.data)[i]);
        boxes[i].class_index = (int32_t)find_text(r, &r->names, name);
    }
    return WELD_OK;
}

/* An image that several files are of: which boxes it has nobody knows. */
static weld_status check_shared(reading *r, const char *folder) {
    int64_t *first = weld_listing_first_of_name(r->listing);
    weld_status status = first ? WELD_OK : weld_fail_memory(r->err, folder);
    const uint64_t *of = r->taken.data;
    for (size_t i = 0; i < r->taken.count && !status; i++) {
        if (first[i] != (int64_t)i) {
            char path[2 * PATH_MAX], what[400];
            snprintf(path, sizeof path, "%s/%s", folder, text_at(r, of[i]));
            snprintf(what, sizeof what,
                     "its image, %.120s, is that of %.120s too: rename the image as its file, "
                     "mend <filename>, or put its objects into one file",
                     weld_listing_name(r->listing, (int64_t)i), text_at(r, of[first[i]]));
            status = fault(r, WELD_BOX_IMAGE_SHARED, path, 0, what);
        }
    }
    weld_free(first);
    return status;
}

static weld_status read_all(reading *r) {
    char folder[PATH_MAX + 20], images[PATH_MAX + 20];
    struct stat info;
    snprintf(folder, sizeof folder, "%s/Annotations", r->layout->file);
    r->is_flat = weld_file_look(folder, &info) != 0;
    if (r->is_flat) {
        snprintf(folder, sizeof folder, "%s", r->layout->file);
    }
    snprintf(images, sizeof images, "%s%s", r->layout->file, r->is_flat ? "" : "/JPEGImages");
    r->store->root = weld_strdup(images);
    if (!r->store->root) {
        return weld_fail_memory(r->err, images);
    }
    WELD_TRY(find_files(r, folder));
    WELD_TRY(read_list(r));
    for (size_t i = 0; i < r->files.count; i++) {
        const uint64_t at = ((const uint64_t *)r->files.data)[i];
        WELD_TRY(take_file(r, folder, at));
    }
    WELD_TRY(check_shared(r, folder));
    WELD_TRY(take_classes(r));
    return weld_box_store_judge(r->store, r->options, r->err);
}

weld_status weld_voc_read(const weld_layout *layout, const weld_box_options *options,
                          weld_listing *listing, weld_box_store *store, weld_error *err) {
    reading r = {.layout = layout,
                 .options = options,
                 .listing = listing,
                 .store = store,
                 .files.element = sizeof(uint64_t),
                 .listed.element = sizeof(uint64_t),
                 .taken.element = sizeof(uint64_t),
                 .names.element = sizeof(uint64_t),
                 .own.element = sizeof(uint64_t),
                 .texts.element = 1,
                 .file = WELD_VOC_FILE,
                 .err = err};
    *listing = weld_listing_make();
    *store = weld_box_store_make("VOC");
    const weld_status status = read_all(&r);
    weld_array_free(&r.files);
    weld_array_free(&r.listed);
    weld_array_free(&r.taken);
    weld_array_free(&r.names);
    weld_array_free(&r.own);
    weld_array_free(&r.texts);
    weld_voc_file_free(&r.file);
    return status;
}
