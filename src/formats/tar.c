/* Tar archives; see tar.h. */
#include "formats/tar.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

/* Fields of a header: where they begin and how long they are. */
enum {
    NAME_SIZE = 100,
    SIZE_AT = 124,
    SIZE_SIZE = 12,
    CHECKSUM_AT = 148,
    CHECKSUM_SIZE = 8,
    TYPE_AT = 156,
    MAGIC_AT = 257,
    PREFIX_AT = 345,
    PREFIX_SIZE = 155
};

enum {
    WINDOW = 4096,       /* bytes read at a time: a page, which is what a disk is asked for */
    MAX_NAME = 64 << 10, /* longer than any system takes */
    MAX_PAX = 1 << 20
};

struct weld_tar {
    int descriptor;
    const char *path;
    uint64_t at, end; /* the next header; the archive's end */
    unsigned char window[WINDOW];
    uint64_t window_at;
    size_t window_size;
    char *name; /* of the current member: MAX_NAME + 1 bytes */
    /* What the headers in front of a member say about it. */
    bool has_name, has_size;
    uint64_t size;
};

/* --- Blocks ----------------------------------------------------------------------------------- */

/* A number in octal digits; or, where the first byte has its highest bit set, in base 256. */
static bool read_number(const unsigned char *field, size_t size, uint64_t *out) {
    uint64_t value = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        if (field[0] & 0x40) { /* negative */
            return false;
        }
        for (value = field[0] & 0x3F, i = 1; i < size; i++) {
            if (value >> 55) {
                return false;
            }
            value = value << 8 | field[i];
        }
        *out = value;
        return true;
    }
    while (i < size && field[i] == ' ') {
        i++;
    }
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value << 3 | (uint64_t)(field[i] - '0'); /* at most 12 digits: it fits */
    }
    *out = value;
    return i == size || field[i] == ' ' || field[i] == 0;
}

bool weld_tar_is_header(const unsigned char block[WELD_TAR_BLOCK]) {
    uint64_t expected, sum = 0;
    int64_t sum_signed = 0; /* some old programs took bytes for signed ones */
    if (!read_number(block + CHECKSUM_AT, CHECKSUM_SIZE, &expected)) {
        return false;
    }
    for (int i = 0; i < WELD_TAR_BLOCK; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_SIZE;
        sum += own ? ' ' : block[i];
        sum_signed += own ? ' ' : (signed char)block[i];
    }
    return expected == sum || (int64_t)expected == sum_signed;
}

const char *weld_compression(const unsigned char *bytes, size_t size, const char **undo) {
    static const struct {
        const char *mark;
        size_t size;
        const char *name, *undo;
    } known[] = {{"\x1f\x8b", 2, "gzip", "gunzip"},
                 {"BZh", 3, "bzip2", "bunzip2"},
                 {"\xfd"
                  "7zXZ\0",
                  6, "xz", "unxz"},
                 {"\x28\xb5\x2f\xfd", 4, "zstd", "unzstd"},
                 {"\x04\x22\x4d\x18", 4, "lz4", "unlz4"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (size >= known[i].size && memcmp(bytes, known[i].mark, known[i].size) == 0) {
            *undo = known[i].undo;
            return known[i].name;
        }
    }
    return NULL;
}

static bool is_zero(const unsigned char *block) {
    for (int i = 0; i < WELD_TAR_BLOCK; i++) {
        if (block[i]) {
            return false;
        }
    }
    return true;
}

static weld_status fail(const weld_tar *t, const char *what, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: byte %llu: %s", t->path,
                     (unsigned long long)t->at, what);
}

static weld_status fail_cut(const weld_tar *t, weld_error *err) {
    return fail(t, "the archive is cut: it ends before the bytes that mark its end: get it again",
                err);
}

/* The block at t->at. */
static weld_status read_block(weld_tar *t, const unsigned char **block, weld_error *err) {
    uint64_t left = t->end - t->at;
    if (left < WELD_TAR_BLOCK) {
        return fail_cut(t, err);
    }
    if (t->at < t->window_at || t->at + WELD_TAR_BLOCK > t->window_at + t->window_size) {
        size_t size = left < WINDOW ? (size_t)left : WINDOW;
        t->window_size = 0;
        WELD_TRY(weld_file_read_at(t->descriptor, t->path, t->window, size, t->at, err));
        t->window_at = t->at;
        t->window_size = size;
    }
    *block = t->window + (t->at - t->window_at);
    return WELD_OK;
}

/* Go on behind `size` bytes of contents, which fill whole blocks. */
static weld_status skip(weld_tar *t, uint64_t size, weld_error *err) {
    uint64_t left = t->end - t->at, padding = -size % WELD_TAR_BLOCK;
    if (size > left || padding > left - size) {
        return fail_cut(t, err);
    }
    t->at += size + padding;
    return WELD_OK;
}

/* --- Headers about the header that follows ---------------------------------------------------- */

static weld_status set_name(weld_tar *t, const char *name, size_t size, weld_error *err) {
    size = strnlen(name, size);
    if (size > MAX_NAME) {
        return fail(t, "a name is longer than any file's: the archive is damaged", err);
    }
    memcpy(t->name, name, size);
    t->name[size] = 0;
    t->has_name = true;
    return WELD_OK;
}

static bool is_key(const char *key, size_t size, const char *expected) {
    return size == strlen(expected) && memcmp(key, expected, size) == 0;
}

static weld_status set_pax(weld_tar *t, const char *key, size_t key_size, const char *value,
                           size_t size, bool global, weld_error *err) {
    bool path = is_key(key, key_size, "path"), length = is_key(key, key_size, "size");
    if (key_size >= 11 && memcmp(key, "GNU.sparse.", 11) == 0) {
        return fail(t, "a sparse file: make the archive again without --sparse", err);
    }
    if (global && (path || length)) {
        return fail(t, "a name or size that is meant for all members", err);
    }
    if (path) {
        return set_name(t, value, size, err);
    }
    if (length) {
        t->size = 0;
        t->has_size = true;
        for (size_t i = 0; i < size; i++) {
            if (value[i] < '0' || value[i] > '9' || t->size > (UINT64_MAX - 9) / 10) {
                return fail(t, "a pax header's size is no number", err);
            }
            t->size = t->size * 10 + (uint64_t)(value[i] - '0');
        }
    }
    return WELD_OK;
}

/* Records "LENGTH KEY=VALUE\n", where the length is that of all of it. */
static weld_status read_pax(weld_tar *t, const char *text, size_t size, bool global,
                            weld_error *err) {
    while (size > 0 && *text) {
        size_t length = 0, digits = 0;
        while (digits < size && digits < 8 && text[digits] >= '0' && text[digits] <= '9') {
            length = 10 * length + (size_t)(text[digits++] - '0');
        }
        const char *key = text + digits + 1;
        bool sound = digits > 0 && length > digits + 2 && length <= size && text[digits] == ' ' &&
                     text[length - 1] == '\n';
        const char *equal = sound ? memchr(key, '=', (size_t)(text + length - key)) : NULL;
        if (!equal) {
            return fail(t, "a pax header is damaged: get the archive again", err);
        }
        WELD_TRY(set_pax(t, key, (size_t)(equal - key), equal + 1,
                         (size_t)(text + length - 1 - (equal + 1)), global, err));
        text += length;
        size -= length;
    }
    return WELD_OK;
}

/* The contents of a header's extension, `size` bytes from t->at on. */
static weld_status read_extension(weld_tar *t, char type, uint64_t size, weld_error *err) {
    if (size > (type == 'L' || type == 'K' ? MAX_NAME : MAX_PAX)) {
        return fail(t, "an extension of a header is too long: the archive is damaged", err);
    }
    if (size > t->end - t->at) {
        return fail_cut(t, err);
    }
    if (type == 'K') { /* where a link leads */
        return skip(t, size, err);
    }
    char *text = weld_alloc_raw((size_t)size + 1, 1);
    if (!text) {
        return weld_fail_memory(err, t->path);
    }
    weld_status status = weld_file_read_at(t->descriptor, t->path, text, (size_t)size, t->at, err);
    status = status        ? status
             : type == 'L' ? set_name(t, text, (size_t)size, err)
                           : read_pax(t, text, (size_t)size, type == 'g', err);
    weld_free(text);
    return status ? status : skip(t, size, err);
}

/* --- Members ---------------------------------------------------------------------------------- */

static size_t append(char *to, size_t at, const unsigned char *field, size_t size) {
    size = strnlen((const char *)field, size);
    memcpy(to + at, field, size);
    return at + size;
}

/* The name that the header itself has. Only POSIX's own headers have a prefix; GNU's keep times in
 * its place. */
static void take_own_name(weld_tar *t, const unsigned char *block) {
    size_t size = 0;
    if (memcmp(block + MAGIC_AT, "ustar", 6) == 0 && block[PREFIX_AT]) {
        size = append(t->name, 0, block + PREFIX_AT, PREFIX_SIZE);
        t->name[size++] = '/';
    }
    t->name[append(t->name, size, block, NAME_SIZE)] = 0;
}

/* Only files have contents. */
static bool is_file(char type) {
    return type == 0 || type == '0' || type == '7';
}

static weld_status take_member(weld_tar *t, char type, uint64_t size, weld_tar_member *out,
                               weld_error *err) {
    static const char links[] = "12", others[] = "346", folders[] = "5D";
    size_t length = strlen(t->name);
    bool slash = length > 0 && t->name[length - 1] == '/'; /* how folders were told once */
    if (is_file(type)) {
        out->kind = slash ? WELD_TAR_FOLDER : WELD_TAR_FILE;
    } else if (strchr(folders, type)) {
        out->kind = WELD_TAR_FOLDER;
    } else if (strchr(links, type)) {
        out->kind = WELD_TAR_LINK;
    } else if (strchr(others, type)) {
        out->kind = WELD_TAR_OTHER;
    } else {
        return fail(t,
                    type == 'S' ? "a sparse file: make the archive again without --sparse"
                    : type == 'M'
                        ? "the middle of a file: an archive of several volumes cannot be read"
                        : "a member of unknown kind: make the archive with tar --format=pax",
                    err);
    }
    out->name = t->name;
    out->offset = t->at;
    out->size = is_file(type) || type == 'D' ? size : 0;
    t->has_name = t->has_size = false;
    return skip(t, out->size, err);
}

weld_status weld_tar_next(weld_tar *t, weld_tar_member *out, bool *more, weld_error *err) {
    for (;;) {
        const unsigned char *block = NULL;
        uint64_t size;
        weld_status status = read_block(t, &block, err);
        if (status) {
            return status;
        }
        if (is_zero(block)) {
            *more = false;
            return t->has_name || t->has_size ? fail_cut(t, err) : WELD_OK;
        }
        if (!weld_tar_is_header(block) || !read_number(block + SIZE_AT, SIZE_SIZE, &size)) {
            return fail(t, "no header of a tar archive: it is damaged, or no such archive", err);
        }
        char type = (char)block[TYPE_AT];
        t->at += WELD_TAR_BLOCK;
        if (type == 'V') { /* the archive's title */
            status = skip(t, size, err);
        } else if (type && strchr("LKxXg", type)) {
            status = read_extension(t, type, size, err);
        } else {
            if (!t->has_name) {
                take_own_name(t, block);
            }
            *more = true;
            return take_member(t, type, t->has_size ? t->size : size, out, err);
        }
        if (status) {
            return status;
        }
    }
}

weld_status weld_tar_create(int descriptor, const char *name, uint64_t begin, uint64_t end,
                            weld_tar **out, weld_error *err) {
    weld_tar *t = weld_alloc(1, sizeof *t);
    char *room = weld_alloc_raw(MAX_NAME + 1, 1);
    if (!t || !room) {
        weld_free(t);
        weld_free(room);
        return weld_fail_memory(err, name);
    }
    t->descriptor = descriptor;
    t->path = name;
    t->at = begin;
    t->end = end;
    t->name = room;
    *out = t;
    return WELD_OK;
}

void weld_tar_free(weld_tar *t) {
    if (t) {
        weld_free(t->name);
        weld_free(t);
    }
}
