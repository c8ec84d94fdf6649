/* Data sets; see dataset.h. */
#include "datasets/dataset_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "datasets/box_packed.h"
#include "datasets/coco.h"
#include "datasets/csv_listing.h"
#include "datasets/folder.h"
#include "datasets/index.h"
#include "datasets/tar_listing.h"
#include "datasets/voc.h"
#include "datasets/yolo.h"
#include "formats/file.h"
#include "formats/tar.h"

enum { INDEX_FROM = 20000 }; /* samples: fewer are listed in an instant */

static bool ends_in(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && weld_strcasecmp(path + length - tail, ending) == 0;
}

/* The listing, by the index where one is kept and true. */
static weld_status list(weld_dataset *ds, const weld_dataset_options *options, weld_error *err) {
    weld_index_note before = {0}, after = {0};
    bool whole = !options->listing.empty_classes && !options->listing.skipped;
    if (whole && weld_index_read(ds->path, ds->tar, &ds->listing, &before)) {
        snprintf(ds->note, sizeof ds->note, "%s", before.text);
        return WELD_OK;
    }
    int64_t started = weld_index_now();
    weld_status status =
        ds->tar >= 0 ? weld_tar_list(ds->tar, ds->path, &options->listing, &ds->listing, err)
                     : weld_folder_scan(ds->path, &options->listing, &ds->listing, err);
    int64_t least = options->index_from ? options->index_from : INDEX_FROM;
    if (!status && whole && (int64_t)ds->listing.samples.count >= least) {
        weld_index_write(ds->path, &ds->listing, started, &after);
    }
    snprintf(ds->note, sizeof ds->note, "%s%s%s", before.text,
             *before.text && *after.text ? "; " : "", after.text);
    return status;
}

static weld_status read_csv(weld_dataset *ds, const weld_dataset_options *options,
                            weld_error *err) {
    return weld_csv_list(ds->path, &options->listing, &ds->listing, &ds->root, ds->note,
                         sizeof ds->note, err);
}

/* Is it JSON? */
static bool begins_object(const unsigned char *bytes, size_t size) {
    size_t i = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a mark of UTF-8 */
    while (i < size && strchr(" \t\r\n", bytes[i]) && bytes[i]) {
        i++;
    }
    return i < size && bytes[i] == '{';
}

static weld_status read_boxes(weld_dataset *ds, const weld_layout *layout,
                              const weld_dataset_options *options, weld_error *err) {
    const weld_box_options *how = &options->boxes;
    ds->boxes = weld_alloc(1, sizeof *ds->boxes);
    if (!ds->boxes) {
        return weld_fail_memory(err, ds->path);
    }
    return layout->kind == WELD_DATA_YOLO
               ? weld_yolo_read(layout, &options->listing, how, &ds->listing, ds->boxes, err)
           : layout->kind == WELD_DATA_VOC
               ? weld_voc_read(layout, how, &ds->listing, ds->boxes, err)
               : weld_coco_read(layout->file, how, &ds->listing, ds->boxes, err);
}

static weld_status open_packed(weld_dataset *ds, weld_error *err) {
    WELD_TRY(weld_packed_open(ds->path, &ds->packed, err));
    if (!weld_packed_has_boxes(ds->packed)) {
        return WELD_OK;
    }
    ds->boxes = weld_alloc(1, sizeof *ds->boxes);
    return ds->boxes ? weld_box_store_unpack(ds->packed, ds->path, ds->boxes, err)
                     : weld_fail_memory(err, ds->path);
}

/* What a file is, is told by its first bytes; but a file that is called an archive and is none, is
 * a bad archive. */
static weld_status open_file(weld_dataset *ds, const weld_layout *layout,
                             const weld_dataset_options *options, weld_error *err) {
    unsigned char block[WELD_TAR_BLOCK] = {0};
    const char *undo = NULL;
    uint64_t size;
    weld_status status = weld_file_open(ds->path, &ds->tar, &size, err);
    size_t look = size < sizeof block ? (size_t)size : sizeof block;
    status = status ? status : weld_file_read_at(ds->tar, ds->path, block, look, 0, err);
    if (status) {
        return status;
    }
    const char *compression = weld_compression(block, look, &undo);
    if (compression) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: compressed by %s, so that no image in it can be read by itself: "
                         "decompress it (%s) and name the .tar",
                         ds->path, compression, undo);
    }
    if (weld_tar_is_header(block) || ends_in(ds->path, ".tar")) {
        return list(ds, options, err);
    }
    close(ds->tar);
    ds->tar = -1;
    return begins_object(block, look)                   ? read_boxes(ds, layout, options, err)
           : weld_is_csv_listing(ds->path, block, look) ? read_csv(ds, options, err)
                                                        : open_packed(ds, err);
}

static weld_status list_unlabelled(weld_dataset *ds, const weld_dataset_options *options,
                                   weld_error *err) {
    for (size_t end = strlen(ds->path); end > 1 && ds->path[end - 1] == '/';) {
        ds->path[--end] = '\0';
    }
    WELD_TRY(weld_folder_list(ds->path, &options->listing, &ds->listing, err));
    return weld_listing_class_count(&ds->listing) > 0 ||
                   weld_listing_add_class(&ds->listing, "images")
               ? WELD_OK
               : weld_fail_memory(err, ds->path);
}

static weld_status open_any(weld_dataset *ds, const weld_dataset_options *options,
                            weld_error *err) {
    if (options->unlabelled) {
        return list_unlabelled(ds, options, err);
    }
    weld_layout *layout = weld_alloc_raw(1, sizeof *layout);
    if (!layout) {
        return weld_fail_memory(err, ds->path);
    }
    weld_status status = weld_layout_find(ds->path, options->part, layout, err);
    if (!status) {
        strcpy(ds->path, layout->path); /* which is what it was, or shorter */
        ds->part = weld_layout_is_of_parts(layout) ? weld_part_text(layout->part) : NULL;
        status = layout->kind == WELD_DATA_ANY       ? open_file(ds, layout, options, err)
                 : layout->kind == WELD_DATA_CLASSES ? list(ds, options, err)
                                                     : read_boxes(ds, layout, options, err);
    }
    if (!status && *layout->note) {
        snprintf(ds->note, sizeof ds->note, "%s", layout->note);
    }
    weld_free(layout);
    return status;
}

weld_status weld_dataset_open(const char *path, weld_dataset **out, weld_error *err) {
    return weld_dataset_open_with(path, &(weld_dataset_options){0}, out, err);
}

weld_status weld_dataset_sum_up(weld_dataset *ds, weld_error *err) {
    weld_text_free(&ds->passed);
    ds->passed = WELD_TEXT;
    weld_listing_tell(&ds->listing, &ds->passed);
    if (ds->boxes) {
        weld_box_store_tell(ds->boxes, &ds->passed);
    }
    weld_text_get(&ds->passed); /* ends it */
    return ds->passed.failed ? weld_fail_memory(err, ds->path) : WELD_OK;
}

static weld_status make_title(weld_dataset *ds, weld_error *err) {
    const char *part = ds->part ? ds->part : "";
    const size_t size = strlen(ds->path) + strlen(part) + 2;
    ds->title = weld_alloc(size, 1);
    if (!ds->title) {
        return weld_fail_memory(err, ds->path);
    }
    snprintf(ds->title, size, "%s%s%s", ds->path, *part ? ":" : "", part);
    return WELD_OK;
}

weld_status weld_dataset_open_with(const char *path, const weld_dataset_options *options,
                                   weld_dataset **out, weld_error *err) {
    weld_dataset *ds = weld_alloc(1, sizeof *ds);
    if (!ds) {
        return weld_fail_memory(err, path);
    }
    ds->tar = -1;
    ds->path = weld_strdup(path);
    ds->passed = WELD_TEXT;
    weld_status status = ds->path ? open_any(ds, options, err) : weld_fail_memory(err, path);
    status = status ? status : make_title(ds, err);
    status = status ? status : weld_dataset_sum_up(ds, err);
    if (status) {
        weld_dataset_free(ds);
        return status;
    }
    *out = ds;
    return WELD_OK;
}

void weld_dataset_free(weld_dataset *ds) {
    if (ds) {
        weld_packed_close(ds->packed);
        weld_listing_free(&ds->listing);
        if (ds->boxes) {
            weld_box_store_free(ds->boxes);
        }
        weld_free(ds->boxes);
        if (ds->tar >= 0) {
            close(ds->tar);
        }
        weld_text_free(&ds->passed);
        weld_free(ds->class_of);
        weld_free(ds->kept);
        weld_free(ds->root);
        weld_free(ds->title);
        weld_free(ds->path);
        weld_free(ds);
    }
}

int64_t weld_dataset_stored_count(const weld_dataset *ds) {
    return ds->packed ? weld_packed_count(ds->packed) : (int64_t)ds->listing.samples.count;
}

int weld_dataset_own_class_count(const weld_dataset *ds) {
    return ds->packed ? weld_packed_class_count(ds->packed)
                      : weld_listing_class_count(&ds->listing);
}

const char *weld_dataset_own_class_name(const weld_dataset *ds, int own) {
    return ds->packed ? weld_packed_class_name(ds->packed, own)
                      : weld_listing_class_name(&ds->listing, own);
}

int weld_dataset_own_class(const weld_dataset *ds, int i) {
    for (int own = 0; ds->class_of && own < weld_dataset_own_class_count(ds); own++) {
        if (ds->class_of[own] == i) {
            return own;
        }
    }
    return ds->class_of ? -1 : i;
}

/* The class of a stored sample, in the data set's own order. */
static int own_label(const weld_dataset *ds, int64_t number) {
    return ds->packed ? weld_packed_label(ds->packed, number)
                      : weld_listing_label(&ds->listing, number);
}

weld_status weld_dataset_open_to_judge(const char *path, weld_dataset **out, weld_error *err) {
    const weld_dataset_options strict = {.part = WELD_NAMED_VAL};
    const weld_dataset_options lenient = {.listing.empty_classes = true, .part = WELD_NAMED_VAL};
    weld_status status = weld_dataset_open_with(path, &strict, out, err);
    weld_dataset *ds;
    if (status && weld_dataset_open_with(path, &lenient, &ds, NULL) == WELD_OK) {
        if (weld_dataset_count(ds) > 0) {
            *out = ds;
            return WELD_OK;
        }
        weld_dataset_free(ds);
    }
    return status;
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Parts have their order from their files, so that the first image tells. */
bool weld_dataset_is_same_part(const weld_dataset *a, const weld_dataset *b) {
    if (!a->boxes || !b->boxes) {
        return !a->boxes == !b->boxes;
    }
    return weld_dataset_count(a) > 0 && weld_dataset_count(b) > 0 &&
           same_text(a->boxes->root, b->boxes->root) &&
           same_text(weld_dataset_name(a, 0), weld_dataset_name(b, 0));
}

weld_status weld_dataset_keep(weld_dataset *ds, const unsigned char *part, unsigned char wanted,
                              weld_error *err) {
    const int64_t count = weld_dataset_count(ds);
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        kept += part[i] == wanted;
    }
    int64_t *numbers = weld_alloc((size_t)kept, sizeof *numbers);
    if (!numbers && kept > 0) {
        return weld_fail_memory(err, ds->path);
    }
    for (int64_t i = 0, k = 0; i < count; i++) {
        if (part[i] == wanted) {
            numbers[k++] = weld_dataset_number(ds, i);
        }
    }
    weld_free(ds->kept);
    ds->kept = numbers;
    ds->kept_count = kept;
    ds->is_part = true;
    return WELD_OK;
}

/* The samples whose class is one of the network's. */
static weld_status keep_known(weld_dataset *ds, weld_error *err) {
    const int64_t count = weld_dataset_count(ds);
    unsigned char *known = weld_alloc((size_t)count, 1);
    if (!known && count > 0) {
        return weld_fail_memory(err, ds->path);
    }
    for (int64_t i = 0; i < count; i++) {
        known[i] = ds->class_of[own_label(ds, weld_dataset_number(ds, i))] >= 0;
    }
    weld_status status = weld_dataset_keep(ds, known, 1, err);
    weld_free(known);
    return status;
}

weld_status weld_dataset_take_classes(weld_dataset *ds, const char *const *names, int count,
                                      const int *to, weld_error *err) {
    const int own = weld_dataset_own_class_count(ds);
    int *class_of = weld_alloc((size_t)own, sizeof *class_of);
    if (!class_of) {
        return weld_fail_memory(err, ds->path);
    }
    for (int i = 0; i < own; i++) {
        const int before = ds->class_of ? ds->class_of[i] : i;
        class_of[i] = before < 0 ? -1 : to[before];
    }
    weld_free(ds->class_of);
    ds->class_of = class_of;
    if (ds->boxes) { /* an image whose boxes all are of other classes is background */
        weld_box_store_map(ds->boxes, to);
    } else {
        WELD_TRY(keep_known(ds, err));
    }
    ds->class_names = names;
    ds->class_count = count;
    return WELD_OK;
}

int64_t weld_dataset_count(const weld_dataset *ds) {
    return ds->is_part ? ds->kept_count : weld_dataset_stored_count(ds);
}

int64_t weld_dataset_number(const weld_dataset *ds, int64_t i) {
    return ds->is_part ? ds->kept[i] : i;
}

int weld_dataset_class_count(const weld_dataset *ds) {
    return ds->class_of ? ds->class_count : weld_dataset_own_class_count(ds);
}

const char *weld_dataset_class_name(const weld_dataset *ds, int i) {
    if (ds->class_names) {
        return ds->class_names[i];
    }
    const int own = weld_dataset_own_class(ds, i);
    return weld_dataset_own_class_name(ds, own < 0 ? i : own);
}

int weld_dataset_find_class(const weld_dataset *ds, const char *name) {
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        if (strcmp(weld_dataset_class_name(ds, i), name) == 0) {
            return i;
        }
    }
    return -1;
}

int weld_dataset_label(const weld_dataset *ds, int64_t i) {
    const int own = own_label(ds, weld_dataset_number(ds, i));
    return ds->class_of && !ds->boxes ? ds->class_of[own] : own;
}

const char *weld_dataset_name(const weld_dataset *ds, int64_t i) {
    return ds->packed ? weld_packed_name(ds->packed, weld_dataset_number(ds, i))
                      : weld_listing_name(&ds->listing, weld_dataset_number(ds, i));
}

const char *weld_dataset_path(const weld_dataset *ds) {
    return ds->path;
}

const char *weld_dataset_part(const weld_dataset *ds) {
    return ds->part;
}

const char *weld_dataset_title(const weld_dataset *ds) {
    return ds->title;
}

const char *weld_dataset_note(const weld_dataset *ds) {
    return ds->note;
}

const char *weld_dataset_passed(const weld_dataset *ds) {
    return ds->passed.bytes.data ? ds->passed.bytes.data : "";
}

bool weld_dataset_is_tar(const weld_dataset *ds) {
    return ds->tar >= 0;
}

bool weld_dataset_is_csv(const weld_dataset *ds) {
    return ds->root;
}

uint64_t weld_dataset_contents(const weld_dataset *ds) {
    return ds->packed ? weld_packed_contents(ds->packed) : 0;
}

weld_packed_layout weld_dataset_layout(const weld_dataset *ds) {
    return ds->packed ? weld_packed_get_layout(ds->packed) : (weld_packed_layout){0, 0, 0};
}
