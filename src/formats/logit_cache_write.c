/* Writing what a teacher says; see logit_cache.h.
 *
 * PATH.partial has the whole length from the start, header and all, and behind it a trailer that
 * says how many rows are in it; it becomes PATH when the trailer is cut off. An hour of work is
 * thereby never lost, and a partial file is never taken for a whole one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"
#include "formats/logit_cache.h"
#include "formats/logit_cache_format.h"
#include "formats/logit_cache_header.h"
#include "formats/logit_cache_kept.h"
#include "formats/safetensors_header.h"
#include "formats/temporary.h"

enum { ATTEMPTS = 100, START_BYTES = 256 }; /* of a file, which has the name of its format */

typedef struct trailer {
    uint64_t rows, conditions, check; /* a hash of what was given; check: one of both */
} trailer;

struct weld_cache_writer {
    char *path;
    weld_temporary partial; /* whose name is known, and which stays where it has rows */
    int folder;             /* where both are */
    weld_cache_layout layout;
    weld_cache_places at;  /* the trailer is at its end */
    unsigned char *buffer; /* of one call's elements */
    size_t buffer_bytes;
    int64_t rows; /* that are known to be in it */
    uint64_t conditions;
    const char *note;
    bool may_remove; /* the partial file, where no row is in it: nobody else's */
};

/* --- Opening ---------------------------------------------------------------------------------- */

static weld_status fail(const weld_cache_writer *w, const char *action, int code, weld_error *err) {
    return weld_file_fail(err, w->partial.path, action, code);
}

static weld_status write_at(const weld_cache_writer *w, const void *data, size_t bytes,
                            uint64_t offset, weld_error *err) {
    const int code = weld_file_put(w->partial.descriptor, data, bytes, offset);
    return code ? fail(w, "write", code, err) : WELD_OK;
}

static uint64_t check_of(const trailer *end) {
    return XXH3_64bits_withSeed(&end->conditions, sizeof end->conditions, end->rows);
}

static trailer make_trailer(const weld_cache_writer *w, uint64_t rows) {
    trailer end = {.rows = rows, .conditions = w->conditions};
    end.check = check_of(&end);
    return end;
}

bool weld_logit_cache_is_partial(const char *path, int64_t *rows) {
    char start[START_BYTES];
    trailer end;
    uint64_t size;
    int descriptor;
    if (weld_file_open(path, &descriptor, &size, NULL) != WELD_OK) {
        return false;
    }
    const bool is_one =
        size >= sizeof start + sizeof end &&
        !weld_file_read_at(descriptor, path, start, sizeof start, 0, NULL) &&
        !weld_file_read_at(descriptor, path, &end, sizeof end, size - sizeof end, NULL) &&
        memmem(start, sizeof start, WELD_CACHE_FORMAT_IS, sizeof WELD_CACHE_FORMAT_IS - 1) &&
        end.check == check_of(&end);
    close(descriptor);
    if (is_one && rows) {
        *rows = (int64_t)end.rows;
    }
    return is_one;
}

/* A disk may have lost some since; who goes on makes from the first of them on all again. */
static weld_status check_rows(weld_cache_writer *w, int64_t rows, weld_error *err) {
    WELD_TRY(weld_cache_count_whole(w->partial.descriptor, w->partial.path, &w->at, rows, &w->rows,
                                    err));
    w->note = w->rows < rows ? "has a row whose checksum differs: made again from there on" : "";
    return WELD_OK;
}

/* How many rows the file that is there has of this header's; 0: it is another's, or none. */
static weld_status find_rows(weld_cache_writer *w, const char *header, size_t header_bytes,
                             weld_error *err) {
    struct stat info;
    trailer end;
    if (weld_file_look_at(w->partial.descriptor, &info) != 0) {
        return fail(w, "open", errno, err);
    }
    w->note = info.st_size ? "was left by another command or by an older weld: begun anew" : "";
    if ((uint64_t)info.st_size != w->at.end + sizeof end) {
        return WELD_OK;
    }
    char *there = weld_alloc_raw(header_bytes, 1);
    weld_status status = there ? weld_file_read_at(w->partial.descriptor, w->partial.path, there,
                                                   header_bytes, 0, err)
                               : weld_fail_memory(err, w->partial.path);
    const bool same = !status && memcmp(there, header, header_bytes) == 0;
    weld_free(there);
    if (status || !same) {
        return status;
    }
    WELD_TRY(weld_file_read_at(w->partial.descriptor, w->partial.path, &end, sizeof end, w->at.end,
                               err));
    if (end.check != check_of(&end) || end.rows > weld_cache_row_count(&w->layout)) {
        w->note = "does not say how much of it is done: begun anew";
    } else if (end.rows && end.conditions != w->conditions) {
        w->note = "was made of files of other sizes, at another precision or by other kernels: "
                  "begun anew";
    } else {
        return check_rows(w, (int64_t)end.rows, err);
    }
    return WELD_OK;
}

/* A file of full length, of which nothing but the header is known to be there. */
static weld_status begin_file(weld_cache_writer *w, const char *header, size_t header_bytes,
                              weld_error *err) {
    const trailer end = make_trailer(w, 0);
    int code = weld_file_cut(w->partial.descriptor, 0);
    if (code) {
        return fail(w, "write", code, err);
    }
    code = weld_file_reserve(w->partial.descriptor, 0, w->at.end + sizeof end);
    if (code) {
        char reason[128];
        return weld_fail(err, WELD_ERROR_IO,
                         "%s: needs %.1f MB on its disk: %s: free space, or store fewer views or a "
                         "smaller top",
                         w->path, (double)w->at.end / 1e6,
                         strerror_r(code, reason, sizeof reason)); /* GNU's: it gives the text */
    }
    WELD_TRY(write_at(w, header, header_bytes, 0, err));
    return write_at(w, &end, sizeof end, w->at.end, err);
}

/* What is there is written over, so that it has to be what an interrupted writer of ours left. */
static weld_status check_partial(const weld_cache_writer *w, weld_error *err) {
    static const char zeros[WELD_SAFETENSORS_LENGTH], format[] = WELD_CACHE_FORMAT_IS;
    char start[START_BYTES];
    struct stat info;
    if (weld_file_look_at(w->partial.descriptor, &info) != 0) {
        return fail(w, "open", errno, err);
    }
    WELD_TRY(weld_file_has_one_name(w->partial.descriptor, w->partial.path, err));
    WELD_TRY(weld_file_is_only_ours(w->partial.descriptor, w->partial.path, err));
    const size_t size = (uint64_t)info.st_size < sizeof start ? (size_t)info.st_size : sizeof start;
    WELD_TRY(weld_file_read_at(w->partial.descriptor, w->partial.path, start, size, 0, err));
    const bool is_new = size == 0 || /* or of which only the room was there */
                        (size >= sizeof zeros && memcmp(start, zeros, sizeof zeros) == 0);
    return is_new || memmem(start, size, format, sizeof format - 1)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: is not what an interrupted distill-cache left: remove it",
                           w->partial.path);
}

/* *is_lost: until we had the lock another put it in its place, or removed it; the name leads to
 * another file now, or to none. */
static weld_status lock_partial(weld_cache_writer *w, bool *is_lost, weld_error *err) {
    bool is_there;
    int code = weld_file_lock(w->partial.descriptor);
    if (code == EWOULDBLOCK) {
        return weld_fail(err, WELD_ERROR_IO, "%s: another process is writing it: wait for it",
                         w->partial.path);
    }
    if (code) {
        struct stat info; /* of no byte: made just now */
        w->may_remove = weld_file_look_at(w->partial.descriptor, &info) == 0 && info.st_size == 0;
        return fail(w, "keep a second process out by a lock", code, err);
    }
    code = weld_file_is_at(w->partial.descriptor, AT_FDCWD, w->partial.path, &is_there);
    *is_lost = !is_there;
    return code ? fail(w, "find", code, err) : WELD_OK;
}

/* A second process may open it before the first has put it in its place, and have the lock after:
 * writing then would be to the first one's finished file. */
static weld_status open_locked(weld_cache_writer *w, weld_error *err) {
    /* No more open to others than what it replaces; nobody else writes to it. */
    const mode_t mode = access(w->path, F_OK) == 0 ? 0600 : 0644;
    for (int i = 0; i < ATTEMPTS; i++) {
        bool is_lost = false;
        WELD_TRY(weld_file_open_kept(w->partial.path, mode, &w->partial.descriptor, err));
        WELD_TRY(lock_partial(w, &is_lost, err));
        if (!is_lost) {
            return WELD_OK;
        }
        close(w->partial.descriptor);
        w->partial.descriptor = -1;
    }
    return weld_fail(err, WELD_ERROR_IO, "%s: other processes write and remove it: wait for them",
                     w->partial.path);
}

static weld_status open_partial(weld_cache_writer *w, weld_error *err) {
    size_t size = strlen(w->path) + sizeof ".partial";
    w->partial.path = weld_alloc(size, 1);
    if (!w->partial.path) {
        return weld_fail_memory(err, w->path);
    }
    snprintf(w->partial.path, size, "%s.partial", w->path);
    w->folder = weld_file_open_folder(w->path); /* now, for nothing may be short at the end */
    if (w->folder < 0) {
        return weld_file_fail(err, w->path, "create", errno);
    }
    weld_temporary_sweep(w->folder);
    WELD_TRY(open_locked(w, err));
    return check_partial(w, err);
}

weld_status weld_cache_writer_open(const char *path, const weld_cache_layout *layout,
                                   const weld_cache_texts *texts, weld_cache_writer **out,
                                   int64_t *rows, weld_error *err) {
    weld_text h = WELD_TEXT;
    *out = NULL;
    weld_cache_writer *w = weld_alloc(1, sizeof *w);
    if (!w) {
        return weld_fail_memory(err, path);
    }
    w->partial = (weld_temporary){.descriptor = -1, .listed = -1};
    w->folder = -1;
    w->layout = *layout;
    w->note = "";
    w->conditions =
        texts->conditions ? XXH3_64bits(texts->conditions, strlen(texts->conditions)) : 0;
    weld_status status = weld_file_final_name(path, &w->path, err);
    status = status ? status : weld_cache_header(layout, texts, &h, &w->at, err);
    status = status ? status : open_partial(w, err);
    const char *header = h.bytes.data;
    const size_t header_bytes = h.bytes.count;
    if (!status) {
        status = find_rows(w, header, header_bytes, err);
        w->may_remove = !status; /* what could not be read stays */
    }
    if (!status) {
        *rows = w->rows;
        status = *rows > 0 ? WELD_OK : begin_file(w, header, header_bytes, err);
    }
    weld_text_free(&h);
    if (status) {
        weld_cache_writer_close(w);
        return status;
    }
    *out = w;
    return WELD_OK;
}

bool weld_cache_writer_note(const weld_cache_writer *w, char *text, size_t size) {
    snprintf(text, size, "%s: %s", w->partial.path, w->note);
    return *w->note;
}

weld_status weld_cache_writer_find_unknown(const weld_cache_writer *w, int64_t count, bool *unknown,
                                           weld_error *err) {
    return weld_cache_find_unknown(w->partial.descriptor, w->partial.path, &w->at,
                                   w->at.class_row / (size_t)w->layout.top, count, unknown, err);
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* IEEE 754 binary16, rounded to nearest even; what is too large for it is its largest number. */
static uint16_t half_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude >= 0x477ff000) { /* from 65520 on it would round to infinity */
        return sign | 0x7bff;
    }
    if (magnitude < 0x38800000) { /* below 2^-14: multiples of 2^-24 */
        float absolute;
        memcpy(&absolute, &magnitude, sizeof absolute);
        absolute += 0.5f; /* whose last bit is 2^-24: the sum is rounded there */
        memcpy(&magnitude, &absolute, sizeof magnitude);
        return (uint16_t)(sign | (magnitude - 0x3f000000));
    }
    magnitude += 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((magnitude - 0x38000000) >> 13));
}

static weld_status grow_buffer(weld_cache_writer *w, size_t bytes, weld_error *err) {
    if (w->buffer_bytes < bytes) {
        weld_free(w->buffer);
        w->buffer = weld_alloc_raw(bytes, 1);
        w->buffer_bytes = w->buffer ? bytes : 0;
    }
    return w->buffer ? WELD_OK : weld_fail_memory(err, w->path);
}

weld_status weld_cache_writer_put(weld_cache_writer *w, int64_t first, int64_t count,
                                  const float *values, const int32_t *classes, weld_error *err) {
    const weld_cache_places *at = &w->at;
    const size_t rows = (size_t)count, elements = rows * (size_t)w->layout.top,
                 class_bytes = at->class_row / (size_t)w->layout.top;
    const uint64_t before = (uint64_t)first;
    WELD_TRY(grow_buffer(w, rows * (at->class_row + at->logit_row + WELD_CACHE_CHECK_BYTES), err));
    unsigned char *class_rows = w->buffer, *logit_rows = class_rows + rows * at->class_row,
                  *checks = logit_rows + rows * at->logit_row;
    for (size_t i = 0; i < elements; i++) {
        const uint16_t half = half_of(values[i]);
        memcpy(class_rows + i * class_bytes, &classes[i],
               class_bytes); /* the low ones come first */
        memcpy(logit_rows + i * sizeof half, &half, sizeof half);
    }
    for (size_t i = 0; i < rows; i++) {
        const uint32_t check =
            weld_cache_check(before + i, class_rows + i * at->class_row, at->class_row,
                             logit_rows + i * at->logit_row, at->logit_row);
        memcpy(checks + i * WELD_CACHE_CHECK_BYTES, &check, WELD_CACHE_CHECK_BYTES);
    }
    WELD_TRY(
        write_at(w, class_rows, rows * at->class_row, at->classes + before * at->class_row, err));
    WELD_TRY(
        write_at(w, logit_rows, rows * at->logit_row, at->logits + before * at->logit_row, err));
    return write_at(w, checks, rows * WELD_CACHE_CHECK_BYTES,
                    at->checks + before * WELD_CACHE_CHECK_BYTES, err);
}

weld_status weld_cache_writer_sync(weld_cache_writer *w, int64_t rows, weld_error *err) {
    const trailer end = make_trailer(w, (uint64_t)rows);
    const int code = weld_file_sync(w->partial.descriptor);
    if (code) {
        return fail(w, "write", code, err);
    }
    WELD_TRY(write_at(w, &end, sizeof end, w->at.end, err));
    w->rows = rows;
    return WELD_OK;
}

/* --- The end ---------------------------------------------------------------------------------- */

weld_status weld_cache_writer_commit(weld_cache_writer *w, weld_error *err) {
    const int code = weld_file_cut(w->partial.descriptor, w->at.end);
    weld_status status =
        code ? fail(w, "write", code, err)
             : weld_temporary_put_in_place(&w->partial, w->path, w->folder, true, err);
    if (w->partial.descriptor >= 0) { /* it can still be gone on with, by us alone */
        (void)fchmod(w->partial.descriptor, 0600);
        const trailer end = make_trailer(w, (uint64_t)w->rows);
        (void)write_at(w, &end, sizeof end, w->at.end, NULL);
    }
    weld_cache_writer_close(w);
    return status;
}

void weld_cache_writer_close(weld_cache_writer *w) {
    if (w) {
        if (w->may_remove && w->rows == 0) {
            weld_temporary_free(&w->partial); /* while locked: nothing to go on with */
        }
        weld_temporary_leave(&w->partial);
        if (w->folder >= 0) {
            close(w->folder);
        }
        weld_free(w->buffer);
        weld_free(w->path);
        weld_free(w);
    }
}
