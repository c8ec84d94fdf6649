/* PyTorch's ZIP archives; see zip.h. */
#include "formats/zip.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

enum { MAX_FOLDER = 512, MAX_NAME = 1024 };

struct weld_zip {
    zip_t *zip;
    char *path;
    uint64_t bytes; /* of the file */
    char folder[MAX_FOLDER];
    zip_file_t *open; /* the entry being read */
    weld_zip_entry entry;
    bool whole;    /* it is read from its beginning, */
    uint64_t left; /* and so many bytes are left */
};

static weld_status fail(const weld_zip *a, const char *name, const char *reason, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: %s", a->path, name, reason);
}

const char *weld_zip_path(const weld_zip *a) {
    return a->path;
}

uint64_t weld_zip_bytes(const weld_zip *a) {
    return a->bytes;
}

/* --- Opening. --------------------------------------------------------------------------------- */

/* libzip takes over the descriptor unless it fails. */
static weld_status open_zip(weld_zip *a, weld_error *err) {
    int descriptor, code = 0;
    WELD_TRY(weld_file_open(a->path, &descriptor, &a->bytes, err));
    a->zip = zip_fdopen(descriptor, 0, &code);
    if (a->zip) {
        return WELD_OK;
    }
    close(descriptor);
    if (code == ZIP_ER_MEMORY) {
        return weld_fail_memory(err, a->path);
    }
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    weld_status status =
        weld_fail(err, WELD_ERROR_FORMAT,
                  "%s: begins as a ZIP archive but is cut or damaged (%s): get it again", a->path,
                  zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
}

/* The folder that holds `main`. */
static weld_status find_folder(weld_zip *a, const char *main, weld_error *err) {
    int64_t count = zip_get_num_entries(a->zip, 0);
    for (int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, 0);
        const char *slash = name ? strchr(name, '/') : NULL;
        size_t length = slash ? (size_t)(slash - name) : 0;
        if (!slash || strcmp(slash + 1, main) != 0) {
            continue;
        }
        if (length >= MAX_FOLDER || a->folder[0] != '\0') {
            return fail(a, main,
                        "there are several, or the folder's name is too long: save it "
                        "again with torch.save",
                        err);
        }
        memcpy(a->folder, name, length);
        a->folder[length] = '\0';
    }
    return a->folder[0] != '\0'
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: a ZIP archive without %s in a top folder: name a file that "
                           "torch.save wrote",
                           a->path, main);
}

weld_status weld_zip_open(const char *path, const char *main, weld_zip **out, weld_error *err) {
    weld_zip *a = weld_alloc(1, sizeof *a);
    if (!a) {
        return weld_fail_memory(err, path);
    }
    a->path = weld_strdup(path);
    weld_status status = a->path ? open_zip(a, err) : weld_fail_memory(err, path);
    status = status ? status : find_folder(a, main, err);
    if (status) {
        weld_zip_free(a);
        return status;
    }
    *out = a;
    return WELD_OK;
}

void weld_zip_free(weld_zip *a) {
    if (a) {
        if (a->zip) {
            zip_discard(a->zip);
        }
        weld_free(a->path);
        weld_free(a);
    }
}

/* --- Entries. --------------------------------------------------------------------------------- */

static int64_t locate(const weld_zip *a, const char *name) {
    char full[MAX_NAME];
    int length = snprintf(full, sizeof full, "%s/%s", a->folder, name);
    return length < MAX_NAME ? zip_name_locate(a->zip, full, 0) : -1;
}

bool weld_zip_has(const weld_zip *a, const char *name) {
    char full[MAX_NAME];
    int length = snprintf(full, sizeof full, "%s/%s", a->folder, name);
    if (length >= MAX_NAME || full[length - 1] != '/') {
        return locate(a, name) >= 0;
    }
    int64_t count = zip_get_num_entries(a->zip, 0);
    for (int64_t i = 0; i < count; i++) {
        const char *entry = zip_get_name(a->zip, (zip_uint64_t)i, 0);
        if (entry && strncmp(entry, full, (size_t)length) == 0) {
            return true;
        }
    }
    return false;
}

weld_status weld_zip_find(const weld_zip *a, const char *name, weld_zip_entry *out,
                          weld_error *err) {
    const zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t info;
    int64_t index = locate(a, name);
    if (index < 0) {
        return fail(a, name, "is not in the archive: the file is incomplete", err);
    }
    if (zip_stat_index(a->zip, (zip_uint64_t)index, 0, &info) != 0 ||
        (info.valid & needed) != needed) {
        return fail(a, name, "its place in the archive cannot be told: the file is damaged", err);
    }
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE) {
        return fail(a, name,
                    "is compressed or encrypted, which PyTorch's files are not: save it again "
                    "with torch.save",
                    err);
    }
    if (info.size != info.comp_size || info.size > a->bytes) {
        return fail(a, name, "claims more bytes than the file has: the file is damaged", err);
    }
    /* PyTorch can be told to leave checksums out; they are 0 then. */
    *out = (weld_zip_entry){(uint64_t)index, info.size, info.valid & ZIP_STAT_CRC && info.crc != 0};
    return WELD_OK;
}

/* --- Reading. --------------------------------------------------------------------------------- */

static weld_status fail_read(weld_zip *a, const char *reason, weld_error *err) {
    const char *name = zip_get_name(a->zip, a->entry.index, 0);
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: %s: cannot be read (%s): get the file again",
                     a->path, name ? name : "an entry", reason);
}

weld_status weld_zip_begin(weld_zip *a, const weld_zip_entry *entry, uint64_t offset,
                           weld_error *err) {
    a->entry = *entry;
    a->whole = offset == 0;
    a->left = entry->bytes;
    a->open = zip_fopen_index(a->zip, entry->index, 0);
    if (!a->open) {
        return fail_read(a, zip_strerror(a->zip), err);
    }
    if (offset > 0 && zip_fseek(a->open, (zip_int64_t)offset, SEEK_SET) != 0) {
        return fail_read(a, zip_file_strerror(a->open), err);
    }
    return WELD_OK;
}

weld_status weld_zip_next(weld_zip *a, void *data, size_t bytes, weld_error *err) {
    zip_int64_t n = zip_fread(a->open, data, bytes);
    if (n < 0 || (uint64_t)n != bytes) {
        return fail_read(a, n < 0 ? zip_file_strerror(a->open) : "it ends early", err);
    }
    a->left -= bytes;
    return WELD_OK;
}

weld_status weld_zip_end(weld_zip *a, weld_status status, weld_error *err) {
    char more;
    if (status == WELD_OK && a->whole && a->left == 0 && a->entry.has_checksum &&
        zip_fread(a->open, &more, 1) != 0) { /* at the end libzip compares the checksum */
        status = fail_read(a, zip_file_strerror(a->open), err);
    }
    if (a->open) {
        zip_fclose(a->open);
        a->open = NULL;
    }
    return status;
}
