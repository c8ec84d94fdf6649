/* NumPy array files; see npy.h. */
#include "formats/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/element.h"
#include "formats/file.h"

static const char magic[6] = "\x93NUMPY";

static const struct {
    const char *descr;
    weld_element element;
} types[] = {{"<f4", WELD_ELEMENT_F32}, {"<f2", WELD_ELEMENT_F16}, {"<f8", WELD_ELEMENT_F64},
             {"|u1", WELD_ELEMENT_U8},  {"<i4", WELD_ELEMENT_I32}, {"<i8", WELD_ELEMENT_I64}};

typedef struct description {
    weld_element element;
    weld_shape shape;
} description;

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

static const char *take_type(cursor *c, weld_element *element) {
    char descr[16];
    if (!take_string(c, descr, sizeof descr)) {
        return "descr is not the name of a type";
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(descr, types[i].descr) == 0) {
            *element = types[i].element;
            return NULL;
        }
    }
    return "its type is none of <f4, <f2, <f8, |u1, <i4, <i8: convert it with astype";
}

static const char *parse_header(const char *text, size_t size, description *out) {
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

static weld_status parse(const char *path, const unsigned char *bytes, size_t size,
                         weld_dtype dtype, weld_tensor *out, weld_error *err) {
    if (size < 10 || memcmp(bytes, magic, sizeof magic) != 0) {
        return fail(path, "it does not begin as a .npy file: save it with numpy.save", err);
    }
    size_t begin = bytes[6] == 1 ? 10 : 12, header = 0;
    if (bytes[6] < 1 || bytes[6] > 2 || size < begin) {
        return fail(path, "its version is neither 1 nor 2", err);
    }
    for (size_t i = begin; i-- > 8;) {
        header = header << 8 | bytes[i];
    }
    if (header > size - begin) {
        return fail(path, "it ends within the header: the file is cut", err);
    }
    description d;
    const char *wrong = parse_header((const char *)bytes + begin, header, &d);
    if (wrong) {
        return fail(path, wrong, err);
    }
    int64_t count = weld_shape_count(&d.shape);
    size_t expected, left = size - begin - header;
    if (count <= 0 || !weld_mul_size((size_t)count, weld_element_size(d.element), &expected)) {
        return fail(path, "it has no elements or too many", err);
    }
    if (expected != left) {
        return weld_fail(
            err, WELD_ERROR_FORMAT,
            "%s: expected %zu bytes of elements, found %zu: the file is cut or damaged", path,
            expected, left);
    }
    *out = (weld_tensor){dtype, d.shape, weld_alloc_raw((size_t)count, weld_dtype_size(dtype))};
    if (!out->data) {
        return weld_fail_memory(err, path);
    }
    weld_element_convert(d.element, bytes + begin + header, (size_t)count, dtype, out->data);
    return WELD_OK;
}

weld_status weld_npy_read(const char *path, weld_dtype dtype, weld_tensor *out, weld_error *err) {
    void *bytes;
    size_t size;
    if (dtype != WELD_F32 && dtype != WELD_F64) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: cannot be read as %s", path,
                         weld_dtype_name(dtype));
    }
    weld_status status = weld_file_read(path, SIZE_MAX / 4, &bytes, &size, err);
    if (status != WELD_OK) {
        return status;
    }
    status = parse(path, bytes, size, dtype, out, err);
    weld_free(bytes);
    return status;
}

/* The header of version 1 with its length, padded so that the elements begin at a multiple of 64.
 */
static size_t make_header(const weld_shape *shape, char text[256]) {
    char dims[160] = "";
    size_t used = 0;
    for (int i = 0; i < shape->rank; i++) {
        used += (size_t)snprintf(dims + used, sizeof dims - used, i ? " %lld," : "%lld,",
                                 (long long)shape->dim[i]);
    }
    if (shape->rank > 1) {
        dims[used - 1] = '\0';
    }
    memset(text, ' ', 256);
    memcpy(text, magic, sizeof magic);
    int length =
        snprintf(text + 10, 240, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", dims);
    text[10 + length] = ' ';
    size_t total = (10 + (size_t)length + 1 + 63) / 64 * 64;
    text[6] = 1;
    text[7] = 0;
    text[8] = (char)((total - 10) & 255);
    text[9] = (char)((total - 10) >> 8);
    text[total - 1] = '\n';
    return total;
}

weld_status weld_npy_write(const char *path, const weld_tensor *tensor, weld_error *err) {
    int64_t count = weld_shape_count(&tensor->shape);
    if (tensor->dtype != WELD_F32 || count < 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: only tensors of f32 can be written", path);
    }
    char header[256];
    size_t size = make_header(&tensor->shape, header);
    weld_replacement *r;
    weld_status status = weld_replacement_open(path, &r, err);
    if (status != WELD_OK) {
        return status;
    }
    status = weld_replacement_write(r, header, size, err);
    if (status == WELD_OK) {
        status = weld_replacement_write(r, tensor->data, (size_t)count * sizeof(float), err);
    }
    if (status != WELD_OK) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}
