/* Data sets; see dataset.h. */
#include "data/dataset.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "images/decode_format.h"
#include "data/folder.h"
#include "data/index.h"
#include "data/tar_listing.h"
#include "formats/file.h"
#include "formats/tar.h"

enum { INDEX_FROM = 20000 }; /* samples: fewer are listed in an instant */

struct weld_dataset {
    char *path;
    weld_packed *packed; /* NULL: a folder or an archive */
    int tar;             /* descriptor of a tar archive, or -1 */
    weld_listing listing;
    char note[1100];
    weld_text passed; /* what weld_dataset_passed says */
    /* Where it has taken a network's classes; else NULL. */
    const char *const *class_names;
    int class_count;
    int *class_of; /* by its own class */
    bool is_part;  /* not all samples are to be seen, */
    int64_t *kept; /* but these */
    int64_t kept_count;
};

/* The number of sample i in what is stored. */
static int64_t stored(const weld_dataset *ds, int64_t i) {
    return ds->is_part ? ds->kept[i] : i;
}

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

/* What a file is, is told by its first bytes; but a file that is called an archive and is none, is
 * a bad archive. */
static weld_status open_file(weld_dataset *ds, const weld_dataset_options *options,
                             weld_error *err) {
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
    return weld_packed_open(ds->path, &ds->packed, err);
}

static weld_status open_any(weld_dataset *ds, const weld_dataset_options *options,
                            weld_error *err) {
    struct stat info;
    if (stat(ds->path, &info) != 0) {
        return weld_fail(err, errno == ENOENT ? WELD_ERROR_NOT_FOUND : WELD_ERROR_IO,
                         "%s: cannot open data set: %s", ds->path, strerror(errno));
    }
    return S_ISDIR(info.st_mode) ? list(ds, options, err) : open_file(ds, options, err);
}

weld_status weld_dataset_open(const char *path, weld_dataset **out, weld_error *err) {
    return weld_dataset_open_with(path, &(weld_dataset_options){0}, out, err);
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
    if (!status) {
        weld_listing_tell(&ds->listing, &ds->passed);
        weld_text_get(&ds->passed); /* ends it */
        status = ds->passed.failed ? weld_fail_memory(err, path) : WELD_OK;
    }
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
        if (ds->tar >= 0) {
            close(ds->tar);
        }
        weld_text_free(&ds->passed);
        weld_free(ds->class_of);
        weld_free(ds->kept);
        weld_free(ds->path);
        weld_free(ds);
    }
}

int64_t weld_dataset_stored_count(const weld_dataset *ds) {
    return ds->packed ? weld_packed_count(ds->packed) : (int64_t)ds->listing.samples.count;
}

static int own_class_count(const weld_dataset *ds) {
    return ds->packed ? weld_packed_class_count(ds->packed)
                      : weld_listing_class_count(&ds->listing);
}

/* The class of a stored sample, in the data set's own order. */
static int own_label(const weld_dataset *ds, int64_t number) {
    return ds->packed ? weld_packed_label(ds->packed, number)
                      : weld_listing_label(&ds->listing, number);
}

weld_status weld_dataset_open_to_judge(const char *path, weld_dataset **out, weld_error *err) {
    const weld_dataset_options lenient = {.listing.empty_classes = true};
    weld_status status = weld_dataset_open(path, out, err);
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
            numbers[k++] = stored(ds, i);
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
        known[i] = ds->class_of[own_label(ds, stored(ds, i))] >= 0;
    }
    weld_status status = weld_dataset_keep(ds, known, 1, err);
    weld_free(known);
    return status;
}

weld_status weld_dataset_take_classes(weld_dataset *ds, const char *const *names, int count,
                                      const int *to, weld_error *err) {
    const int own = own_class_count(ds);
    ds->class_of = weld_alloc((size_t)own, sizeof *ds->class_of);
    if (!ds->class_of) {
        return weld_fail_memory(err, ds->path);
    }
    memcpy(ds->class_of, to, (size_t)own * sizeof *to);
    WELD_TRY(keep_known(ds, err));
    ds->class_names = names;
    ds->class_count = count;
    return WELD_OK;
}

int64_t weld_dataset_count(const weld_dataset *ds) {
    return ds->is_part ? ds->kept_count : weld_dataset_stored_count(ds);
}

int64_t weld_dataset_number(const weld_dataset *ds, int64_t i) {
    return stored(ds, i);
}

int weld_dataset_class_count(const weld_dataset *ds) {
    return ds->class_of ? ds->class_count : own_class_count(ds);
}

const char *weld_dataset_class_name(const weld_dataset *ds, int i) {
    if (ds->class_names) {
        return ds->class_names[i];
    }
    for (int own = 0; ds->class_of && own < own_class_count(ds); own++) {
        if (ds->class_of[own] == i) {
            i = own;
            break;
        }
    }
    return ds->packed ? weld_packed_class_name(ds->packed, i)
                      : weld_listing_class_name(&ds->listing, i);
}

int weld_dataset_label(const weld_dataset *ds, int64_t i) {
    const int own = own_label(ds, stored(ds, i));
    return ds->class_of ? ds->class_of[own] : own;
}

const char *weld_dataset_name(const weld_dataset *ds, int64_t i) {
    return ds->packed ? weld_packed_name(ds->packed, stored(ds, i))
                      : weld_listing_name(&ds->listing, stored(ds, i));
}

const char *weld_dataset_path(const weld_dataset *ds) {
    return ds->path;
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

weld_packed_layout weld_dataset_layout(const weld_dataset *ds) {
    return ds->packed ? weld_packed_get_layout(ds->packed) : (weld_packed_layout){0, 0, 0};
}

size_t weld_dataset_stored_bytes(const weld_dataset *ds, int64_t i) {
    const int64_t number = stored(ds, i);
    char path[2 * PATH_MAX];
    struct stat info;
    if (ds->packed) {
        return weld_packed_size(ds->packed, number);
    }
    if (ds->tar >= 0) {
        return (size_t)weld_listing_place_of(&ds->listing, number).size;
    }
    const char *name = weld_listing_name(&ds->listing, number);
    const int length = snprintf(path, sizeof path, "%s/%s", ds->path, name);
    return length < (int)sizeof path && stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

/* `path` is for messages. */
static weld_status read_member(const weld_dataset *ds, const char *path, int64_t i, weld_bytes *out,
                               weld_error *err) {
    weld_listing_place place = weld_listing_place_of(&ds->listing, stored(ds, i));
    if (place.size > WELD_MAX_FILE_SIZE) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: larger than 1 GiB: not an image", path);
    }
    WELD_TRY(weld_bytes_resize(out, (size_t)place.size, err));
    return weld_file_read_at(ds->tar, path, out->data, out->size, place.offset, err);
}

weld_status weld_dataset_read(const weld_dataset *ds, int64_t i, weld_bytes *out, weld_error *err) {
    if (ds->packed) {
        const int64_t number = stored(ds, i);
        WELD_TRY(weld_bytes_resize(out, weld_packed_size(ds->packed, number), err));
        return weld_packed_read(ds->packed, number, out->data, err);
    }
    char path[2 * PATH_MAX]; /* of an archive's member, no path that is opened */
    const char *name = weld_dataset_name(ds, i);
    if (snprintf(path, sizeof path, "%s/%s", ds->path, name) >= (int)sizeof path) {
        return weld_fail(err, WELD_ERROR_IO, "%s/%s: path is too long", ds->path, name);
    }
    return ds->tar >= 0 ? read_member(ds, path, i, out, err) : weld_read_file(path, out, err);
}

/* Grey pixels to three channels. */
static weld_status expand_grey(const uint8_t *from, size_t stride, int width, int height,
                               weld_image *out, weld_error *err) {
    WELD_TRY(weld_image_resize_buffer(out, width, height, err));
    uint8_t *to = out->pixels;
    for (int y = 0; y < height; y++, from += stride) {
        for (int x = 0; x < width; x++, to += 3) {
            to[0] = to[1] = to[2] = from[x];
        }
    }
    return WELD_OK;
}

/* A part of pixels as they are stored: of colours a view of them. */
static weld_status raw_part(weld_packed_layout layout, const weld_bytes *bytes,
                            const weld_rectangle *part, weld_image *memory, weld_decoded_part *out,
                            weld_error *err) {
    WELD_TRY(weld_rectangle_check(part, layout.width, layout.height, err));
    if (layout.channels == 3) {
        const weld_pixels whole = {bytes->data, layout.width, layout.height,
                                   (size_t)layout.width * 3};
        *out = weld_part_of_image(&whole, part);
        return WELD_OK;
    }
    const uint8_t *from = bytes->data + (size_t)part->y * (size_t)layout.width + (size_t)part->x;
    weld_status status =
        expand_grey(from, (size_t)layout.width, part->width, part->height, memory, err);
    if (!status) {
        const weld_pixels pixels = weld_image_pixels(memory);
        *out = weld_part_of_image(&pixels, &(weld_rectangle){0, 0, part->width, part->height});
    }
    return status;
}

static weld_status raw_whole(weld_packed_layout layout, const weld_bytes *bytes, weld_image *out,
                             weld_error *err) {
    if (layout.channels != 3) {
        return expand_grey(bytes->data, (size_t)layout.width, layout.width, layout.height, out,
                           err);
    }
    weld_status status = weld_image_resize_buffer(out, layout.width, layout.height, err);
    if (!status) {
        memcpy(out->pixels, bytes->data, bytes->size);
    }
    return status;
}

static weld_status name_sample(const weld_dataset *ds, int64_t i, weld_status status,
                               weld_error *err) {
    return status ? weld_fail_context(err, status, "%s/%s", ds->path, weld_dataset_name(ds, i))
                  : WELD_OK;
}

weld_status weld_dataset_decode(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                weld_image *out, weld_error *err) {
    weld_packed_layout layout = weld_dataset_layout(ds);
    return name_sample(ds, i,
                       layout.height ? raw_whole(layout, bytes, out, err)
                                     : weld_decode_image(bytes->data, bytes->size, out, err),
                       err);
}

weld_status weld_dataset_size(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                              int *width, int *height, weld_error *err) {
    weld_packed_layout layout = weld_dataset_layout(ds);
    *width = layout.width;
    *height = layout.height;
    weld_status status =
        layout.height ? WELD_OK : weld_decode_size(bytes->data, bytes->size, width, height, err);
    return name_sample(ds, i, status, err);
}

weld_status weld_dataset_decode_part(const weld_dataset *ds, int64_t i, const weld_bytes *bytes,
                                     const weld_rectangle *part, int reduction, weld_image *memory,
                                     weld_decoded_part *out, weld_error *err) {
    weld_packed_layout layout = weld_dataset_layout(ds);
    weld_status status = layout.height ? raw_part(layout, bytes, part, memory, out, err)
                                       : weld_decode_part(bytes->data, bytes->size, part, reduction,
                                                          memory, out, err);
    return name_sample(ds, i, status, err);
}
