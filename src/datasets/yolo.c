/* YOLO's data sets; see yolo.h.
 *
 * Images are handled in groups: of each group the labels and the sizes are read in parallel, then
 * rows are taken in order. */
#include "datasets/yolo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"
#include "datasets/image_head.h"
#include "datasets/yolo_images.h"
#include "datasets/yolo_label.h"
#include "datasets/yolo_lost.h"
#include "formats/file.h"

enum { GROUP = 256, LEAVING = 5 /* one part of so many boxes that leave their images is odd */ };

/* What was read of an image. */
typedef struct found {
    weld_bytes text;
    int width, height; /* 0: it cannot be told */
    bool is_labelled;
    weld_status status;
    weld_error error;
} found;

typedef struct reading {
    const weld_layout *layout;
    const weld_box_options *options;
    const weld_listing_options *listed;
    weld_listing *listing;
    weld_box_store *store;
    bool beside; /* labels are beside the images */
    int64_t begin;
    found *group;      /* [GROUP] */
    weld_bytes *heads; /* by thread */
    int threads;
    uint64_t leaving; /* boxes beyond their image */
    weld_yolo_folders folders;
    weld_error *err;
} reading;

/* --- Where labels are --- */

static bool path_of(const reading *r, const char *name, char out[2 * PATH_MAX]) {
    const int length = *name == '/' ? snprintf(out, 2 * PATH_MAX, "%s", name)
                                    : snprintf(out, 2 * PATH_MAX, "%s/%s", r->store->root, name);
    return length < 2 * PATH_MAX;
}

/* The label file of an image; false: its path is too long, or has no folder images. */
static bool label_of(const char *image, bool beside, char out[2 * PATH_MAX]) {
    static const char from[] = "/images/";
    const char *last = NULL, *dot = strrchr(image, '.');
    for (const char *at = image; (at = strstr(at, from)); at++) {
        last = at;
    }
    if (!beside && !last) {
        return false;
    }
    const char *end = dot && !strchr(dot, '/') ? dot : image + strlen(image);
    const size_t head = beside ? 0 : (size_t)(last - image);
    const char *rest = beside ? image : last + strlen(from);
    return snprintf(out, 2 * PATH_MAX, "%.*s%s%.*s.txt", (int)head, image, beside ? "" : "/labels/",
                    (int)(end - rest), rest) < 2 * PATH_MAX;
}

static weld_status choose_place(reading *r) {
    char image[2 * PATH_MAX], label[2 * PATH_MAX];
    struct stat info;
    for (int beside = 0; beside < 2; beside++) {
        for (int64_t i = 0; i < (int64_t)r->listing->samples.count; i++) {
            if (path_of(r, weld_listing_name(r->listing, i), image) &&
                label_of(image, beside, label) && weld_file_look(label, &info) == 0) {
                r->beside = beside;
                return WELD_OK;
            }
        }
    }
    path_of(r, weld_listing_name(r->listing, 0), image);
    if (!label_of(image, false, label)) {
        label_of(image, true, label);
    }
    return weld_fail(r->err, WELD_ERROR_NOT_FOUND,
                     "%s: no image of its %s has a file of labels: that of %s would be %s, or "
                     "beside it",
                     r->layout->file, weld_part_text(r->layout->part),
                     weld_listing_name(r->listing, 0), label);
}

/* --- In parallel --- */

static void look_at(void *arg, int64_t item, int thread) {
    reading *r = arg;
    found *f = &r->group[item];
    char image[2 * PATH_MAX], label[2 * PATH_MAX];
    struct stat info;
    f->text.size = 0;
    f->width = f->height = 0;
    f->is_labelled = false;
    f->status = WELD_OK;
    if (!path_of(r, weld_listing_name(r->listing, r->begin + item), image)) {
        return;
    }
    if (label_of(image, r->beside, label) &&
        (weld_file_look(label, &info) == 0 || errno != ENOENT)) {
        f->is_labelled = true;
        f->status = weld_read_file(label, &f->text, &f->error);
    }
    if (f->status) {
        return;
    }
    const weld_status status =
        weld_image_head_size(image, &r->heads[thread], &f->width, &f->height, &f->error);
    if (status) {
        f->width = f->height = 0;
    }
    /* An image that is not there or is none has no size; others have one, which is not known. */
    if (status == WELD_ERROR_IO || status == WELD_ERROR_MEMORY) {
        f->status = status;
    }
}

/* --- In order --- */

static weld_status add_box(reading *r, const found *f, const weld_yolo_row *row, uint64_t line) {
    weld_box_store *s = r->store;
    const weld_box box = {.x = row->left * f->width,
                          .y = row->top * f->height,
                          .width = row->width * f->width,
                          .height = row->height * f->height,
                          .area = row->width * f->width * (row->height * f->height),
                          .class_index = row->class_index};
    r->leaving += box.x < -1 || box.y < -1 || box.x + box.width > f->width + 1 ||
                  box.y + box.height > f->height + 1;
    return weld_array_append(&s->boxes, &box, 1) &&
                   (!r->options->found || weld_array_append(&s->places, &line, 1))
               ? WELD_OK
               : weld_fail_memory(r->err, r->layout->file);
}

static weld_status take_row(reading *r, const found *f, const char *file, const char *line,
                            size_t size, uint64_t number) {
    weld_yolo_row row;
    char what[200];
    const weld_yolo_problem problem = weld_yolo_row_read(line, size, &row, what);
    const int classes = weld_listing_class_count(r->listing);
    if (problem == WELD_YOLO_EMPTY) {
        return WELD_OK;
    }
    if (problem == WELD_YOLO_FINE && row.class_index < classes) {
        return f->width ? add_box(r, f, &row, number) : WELD_OK;
    }
    if (problem == WELD_YOLO_FINE) {
        snprintf(what, sizeof what, "class %d, but there are %d, from 0 on", row.class_index,
                 classes);
    }
    const weld_box_fault fault = problem == WELD_YOLO_FINE        ? WELD_BOX_BAD_CLASS
                                 : problem == WELD_YOLO_MALFORMED ? WELD_BOX_BAD_VALUE
                                                                  : WELD_BOX_NOT_NORMALISED;
    return weld_box_store_fault(r->store, r->options, fault, file, number, true, r->err, "%s",
                                what);
}

static weld_status take_rows(reading *r, const found *f, const char *file) {
    if (!f->text.size) {
        return WELD_OK;
    }
    const char *text = (const char *)f->text.data, *end = text + f->text.size;
    if (f->text.size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a mark of UTF-8 */
        text += 3;
    }
    for (uint64_t number = 1; text < end; number++) {
        const size_t size = weld_yolo_row_size(text, (size_t)(end - text));
        const char *stop = text + size;
        WELD_TRY(take_row(r, f, file, text, size, number));
        text = stop + (end - stop > 1 && stop[0] == '\r' && stop[1] == '\n' ? 2 : 1);
    }
    return WELD_OK;
}

static weld_status take(reading *r, const found *f, int64_t i) {
    weld_box_store *s = r->store;
    char image[2 * PATH_MAX], label[2 * PATH_MAX] = "";
    weld_box_image entry = {
        .id = i, .width = f->width, .height = f->height, .first = s->boxes.count};
    const uint64_t file = s->files.count;
    if (f->status) {
        return weld_fail(r->err, f->status, "%s", f->error.message);
    }
    if (path_of(r, weld_listing_name(r->listing, i), image) && label_of(image, r->beside, label) &&
        !weld_yolo_folders_add(&r->folders, image, label)) {
        return weld_fail_memory(r->err, label);
    }
    if (!f->is_labelled) {
        WELD_TRY(weld_box_store_fault(s, r->options, WELD_BOX_UNLABELLED, image, 0, true, r->err,
                                      "there is no %s: it is background", label));
    }
    WELD_TRY(take_rows(r, f, label));
    entry.count = s->boxes.count - entry.first;
    const bool kept = weld_array_append(&s->images, &entry, 1) &&
                      weld_array_append_text(&s->files, label) &&
                      (!r->options->found || weld_array_append(&s->file_of, &file, 1));
    return kept ? WELD_OK : weld_fail_memory(r->err, r->layout->file);
}

static weld_status read_labels(reading *r) {
    const int64_t total = (int64_t)r->listing->samples.count;
    r->threads = weld_threads_count(0);
    r->group = weld_alloc(GROUP, sizeof *r->group);
    r->heads = weld_alloc((size_t)r->threads, sizeof *r->heads);
    if (!r->group || !r->heads) {
        return weld_fail_memory(r->err, r->layout->file);
    }
    for (r->begin = 0; r->begin < total; r->begin += GROUP) {
        const int64_t count = total - r->begin < GROUP ? total - r->begin : GROUP;
        weld_parallel(r->threads, count, look_at, r);
        for (int64_t k = 0; k < count; k++) {
            WELD_TRY(take(r, &r->group[k], r->begin + k));
        }
    }
    return WELD_OK;
}

/* --- What is odd of all --- */

static weld_status judge(reading *r) {
    weld_box_store *s = r->store;
    const char *file = r->layout->file;
    if (r->leaving * LEAVING > s->boxes.count) {
        WELD_TRY(weld_box_store_fault(
            s, r->options, WELD_BOX_CORNERS, file, 1, true, r->err,
            "%llu of %zu boxes %s: are the rows two corners, where centre and size "
            "are expected?",
            (unsigned long long)r->leaving, s->boxes.count,
            weld_plural((int64_t)r->leaving, "leaves its image", "leave their images")));
        s->faults[WELD_BOX_CORNERS] = (int64_t)r->leaving;
    }
    return weld_box_store_judge(s, r->options, r->err);
}

/* Of images that are listed twice, the first is kept. */
static weld_status drop_twice(reading *r) {
    weld_listing *l = r->listing;
    weld_listing_sample *samples = l->samples.data;
    size_t kept = 0;
    for (size_t i = 0; i < l->samples.count; i++) {
        const char *name = weld_listing_name(l, (int64_t)i);
        if (kept == 0 || strcmp(weld_listing_name(l, (int64_t)kept - 1), name) != 0) {
            samples[kept++] = samples[i];
        } else {
            WELD_TRY(weld_box_store_fault(
                r->store, r->options, WELD_BOX_IMAGE_TWICE, r->layout->file, 0, true, r->err,
                "%s is listed once more in its %s", name, weld_part_text(r->layout->part)));
        }
    }
    l->samples.count = kept;
    return WELD_OK;
}

static weld_status take_classes(reading *r, const weld_data_yaml *yaml) {
    for (size_t i = 0; i < yaml->names.count; i++) {
        const uint64_t at = ((const uint64_t *)yaml->names.data)[i];
        if (!weld_listing_add_class(r->listing, weld_data_yaml_text(yaml, at))) {
            return weld_fail_memory(r->err, r->layout->file);
        }
    }
    return weld_box_check_names(r->listing, r->layout->file, r->err);
}

static weld_status read_all(reading *r, const weld_data_yaml *yaml) {
    char root[PATH_MAX];
    WELD_TRY(take_classes(r, yaml));
    WELD_TRY(weld_yolo_root(r->layout, yaml, root, r->err));
    r->store->root = weld_strdup(root);
    if (!r->store->root || !weld_array_append_text(&r->store->files, r->layout->file)) {
        return weld_fail_memory(r->err, root);
    }
    WELD_TRY(
        weld_yolo_list(r->layout, yaml, root, r->listed, r->listing, &r->store->files, r->err));
    WELD_TRY(drop_twice(r));
    WELD_TRY(choose_place(r));
    WELD_TRY(read_labels(r));
    WELD_TRY(weld_yolo_find_lost(&r->folders, r->options, r->store, r->err));
    return judge(r);
}

weld_status weld_yolo_read(const weld_layout *layout, const weld_listing_options *listed,
                           const weld_box_options *options, weld_listing *listing,
                           weld_box_store *store, weld_error *err) {
    reading r = {.layout = layout,
                 .options = options,
                 .listed = listed,
                 .listing = listing,
                 .store = store,
                 .folders = WELD_YOLO_FOLDERS,
                 .err = err};
    weld_data_yaml yaml;
    *listing = weld_listing_make();
    *store = weld_box_store_make("YOLO");
    weld_status status = weld_data_yaml_read(layout->file, &yaml, err);
    status = status ? status : read_all(&r, &yaml);
    weld_data_yaml_free(&yaml);
    for (int i = 0; r.group && i < GROUP; i++) {
        weld_bytes_free(&r.group[i].text);
    }
    for (int i = 0; r.heads && i < r.threads; i++) {
        weld_bytes_free(&r.heads[i]);
    }
    weld_yolo_folders_free(&r.folders);
    weld_free(r.group);
    weld_free(r.heads);
    return status;
}
