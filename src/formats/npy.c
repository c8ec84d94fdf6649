/* Reading NumPy array files; see npy.h. */
#include "formats/npy.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/state_source.h"

static const char magic[6] = "\x93NUMPY";

static const struct {
    const char *descr;
    weld_element element;
} types[] = {{"<f4", WELD_ELEMENT_F32}, {"<f2", WELD_ELEMENT_F16}, {"<f8", WELD_ELEMENT_F64},
             {"|u1", WELD_ELEMENT_U8},  {"<i4", WELD_ELEMENT_I32}, {"<i8", WELD_ELEMENT_I64}};

struct weld_npy_reader {
    char *path;
    int descriptor; /* -1: not open */
    weld_element element;
    weld_shape shape;
    uint64_t begin; /* of the elements, in the file */
};

enum { MOST_HEADER = 1 << 16 };

/* --- The header: a Python dictionary, of which exactly three keys are allowed. ---------------- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) {
        c->at++;
    }
}

static bool take(cursor *c, const char *token) {
    skip_space(c);
    size_t length = strlen(token);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, token, length) != 0) {
        return false;
    }
    c->at += length;
    return true;
}

/* A string of at most size - 1 characters without escapes. */
static bool take_string(cursor *c, char *text, size_t size) {
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    char quote = *c->at++;
    size_t length = 0;
    while (c->at < c->end && *c->at != quote) {
        if (length + 1 >= size || *c->at == '\\') {
            return false;
        }
        text[length++] = *c->at++;
    }
    text[length] = '\0';
    return take(c, quote == '"' ? "\"" : "'");
}

static bool take_number(cursor *c, int64_t *out) {
    skip_space(c);
    int64_t value = 0;
    const char *begin = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *c->at - '0', &value)) {
            return false;
        }
    }
    *out = value;
    return c->at > begin;
}

/* NULL, or what is wrong. */
static const char *take_shape(cursor *c, weld_shape *shape) {
    *shape = (weld_shape){0};
    if (!take(c, "(")) {
        return "shape is not a tuple";
    }
    while (!take(c, ")")) {
        if (shape->rank == WELD_MAX_DIMS) {
            return "more dimensions than are supported";
        }
        if (!take_number(c, &shape->dim[shape->rank++])) {
            return "shape is not made of sizes";
        }
        if (!take(c, ",")) {
            return take(c, ")") ? NULL : "shape is not a tuple";
        }
    }
    return NULL;
}

static const char *take_type(cursor *c, weld_element *type) {
    char descr[16];
    if (!take_string(c, descr, sizeof descr)) {
        return "descr is not the name of a type";
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(descr, types[i].descr) == 0) {
            *type = types[i].element;
            return NULL;
        }
    }
    if (descr[0] == '>') {
        return "its elements are big-endian: convert it with astype, to '<f4' say";
    }
    return "its type is none of <f4, <f2, <f8, |u1, <i4, <i8: convert it with astype";
}

static const char *parse_header(const char *text, size_t size, weld_npy_reader *out) {
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    cursor c = {text, text + size};
    int seen = 0;
    if (!take(&c, "{")) {
        return "the header is not a dictionary";
    }
    while (!take(&c, "}")) {
        char key[16];
        const char *wrong = NULL;
        if (!take_string(&c, key, sizeof key) || !take(&c, ":")) {
            return "the header is not a dictionary";
        }
        if (strcmp(key, "descr") == 0 && !(seen & DESCR)) {
            seen |= DESCR;
            wrong = take_type(&c, &out->element);
        } else if (strcmp(key, "fortran_order") == 0 && !(seen & ORDER)) {
            seen |= ORDER;
            wrong = take(&c, "False")
                        ? NULL
                        : "it is not in C order: save it with numpy.ascontiguousarray";
        } else if (strcmp(key, "shape") == 0 && !(seen & SHAPE)) {
            seen |= SHAPE;
            wrong = take_shape(&c, &out->shape);
        } else {
            wrong = "the header has a key that is not known";
        }
        if (wrong) {
            return wrong;
        }
        if (!take(&c, ",") && !(c.at < c.end && *c.at == '}')) {
            return "the header is not a dictionary";
        }
    }
    skip_space(&c);
    if (c.at != c.end) {
        return "the header does not end with its dictionary";
    }
    return seen == (DESCR | ORDER | SHAPE) ? NULL
                                           : "the header lacks descr, fortran_order or shape";
}

/* --- Files. ----------------------------------------------------------------------------------- */

static weld_status fail(const char *path, const char *reason, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: not an array that can be read: %s", path, reason);
}

/* The bytes in front of the header: magic, version, length of the header (two bytes of it in
 * version 1, four in version 2, the lower ones first). */
static weld_status read_lengths(weld_npy_reader *r, uint64_t size, size_t *header,
                                weld_error *err) {
    unsigned char bytes[12] = {0};
    WELD_TRY(weld_file_read_at(r->descriptor, r->path, bytes,
                               size < sizeof bytes ? (size_t)size : sizeof bytes, 0, err));
    if (size < 10 || memcmp(bytes, magic, sizeof magic) != 0) {
        return fail(r->path, "it does not begin as a .npy file: save it with numpy.save", err);
    }
    r->begin = bytes[6] == 1 ? 10 : 12;
    if (bytes[6] < 1 || bytes[6] > 2 || size < r->begin) {
        return fail(r->path, "its version is neither 1 nor 2", err);
    }
    *header = 0;
    for (size_t i = (size_t)r->begin; i-- > 8;) {
        *header = *header << 8 | bytes[i];
    }
    if (*header > size - r->begin) {
        return fail(r->path, "it ends within the header: the file is cut", err);
    }
    return *header <= MOST_HEADER ? WELD_OK : fail(r->path, "the header is far too long", err);
}

static weld_status check_length(const weld_npy_reader *r, uint64_t size, weld_error *err) {
    int64_t count = weld_shape_count(&r->shape);
    size_t expected;
    if (count <= 0 || !weld_mul_size((size_t)count, weld_element_size(r->element), &expected) ||
        expected > INT64_MAX) {
        return fail(r->path, "it has no elements or too many", err);
    }
    if (expected != size - r->begin) {
        return weld_fail(
            err, WELD_ERROR_FORMAT,
            "%s: expected %zu bytes of elements, found %llu: the file is cut or damaged", r->path,
            expected, (unsigned long long)(size - r->begin));
    }
    return WELD_OK;
}

static weld_status read_header(weld_npy_reader *r, uint64_t size, weld_error *err) {
    size_t length = 0;
    WELD_TRY(read_lengths(r, size, &length, err));
    char *text = weld_alloc_raw(length, 1);
    if (!text) {
        return weld_fail_memory(err, r->path);
    }
    weld_status status = weld_file_read_at(r->descriptor, r->path, text, length, r->begin, err);
    if (!status) {
        const char *wrong = parse_header(text, length, r);
        status = wrong ? fail(r->path, wrong, err) : WELD_OK;
    }
    weld_free(text);
    r->begin += length;
    return status ? status : check_length(r, size, err);
}

weld_status weld_npy_open(const char *path, weld_npy_reader **out, weld_error *err) {
    uint64_t size;
    *out = NULL;
    weld_npy_reader *r = weld_alloc(1, sizeof *r);
    char *copy = weld_strdup(path);
    if (!r || !copy) {
        weld_free(r);
        weld_free(copy);
        return weld_fail_memory(err, path);
    }
    *r = (weld_npy_reader){.path = copy, .descriptor = -1};
    weld_status status = weld_file_open(path, &r->descriptor, &size, err);
    status = status ? status : read_header(r, size, err);
    if (status) {
        weld_npy_close(r);
        return status;
    }
    *out = r;
    return WELD_OK;
}

void weld_npy_close(weld_npy_reader *r) {
    if (r) {
        if (r->descriptor >= 0) {
            close(r->descriptor);
        }
        weld_free(r->path);
        weld_free(r);
    }
}

weld_shape weld_npy_shape(const weld_npy_reader *r) {
    return r->shape;
}

weld_element weld_npy_element(const weld_npy_reader *r) {
    return r->element;
}

weld_status weld_npy_read_part(const weld_npy_reader *r, int64_t first, int64_t count,
                               weld_dtype dtype, void *data, weld_error *err) {
    int64_t all = weld_shape_count(&r->shape);
    if (dtype != WELD_F32 && dtype != WELD_F64) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: cannot be read as %s", r->path,
                         weld_dtype_name(dtype));
    }
    if (first < 0 || count < 0 || count > all || first > all - count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: elements %lld and %lld more of %lld",
                         r->path, (long long)first, (long long)count, (long long)all);
    }
    uint64_t offset = r->begin + (uint64_t)first * weld_element_size(r->element);
    return weld_state_read_elements(r->descriptor, r->path, offset, r->element, (size_t)count,
                                    dtype, data, err);
}
