/* NumPy array files; see npy.h. */
#include "formats/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

static const char magic[6] = "\x93NUMPY";

typedef enum element { F4, F2, F8, U1, I4, I8, ELEMENT_COUNT } element;
static const struct {
    const char *descr;
    size_t size;
} elements[ELEMENT_COUNT] = {[F4] = {"<f4", 4}, [F2] = {"<f2", 2}, [F8] = {"<f8", 8},
                             [U1] = {"|u1", 1}, [I4] = {"<i4", 4}, [I8] = {"<i8", 8}};

typedef struct description {
    element type;
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

static const char *take_type(cursor *c, element *type) {
    char descr[16];
    if (!take_string(c, descr, sizeof descr)) {
        return "descr is not the name of a type";
    }
    for (int i = 0; i < ELEMENT_COUNT; i++) {
        if (strcmp(descr, elements[i].descr) == 0) {
            *type = (element)i;
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
            wrong = take_type(&c, &out->type);
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

/* --- Elements. -------------------------------------------------------------------------------- */

static uint64_t load(const unsigned char *at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* IEEE 754 binary16, subnormals and all. */
static double half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    uint32_t mantissa = bits & 1023, sign = (uint32_t)(bits >> 15) << 31, wide;
    if (exponent == 0) {
        double value = mantissa * 0x1p-24;
        return sign ? -value : value;
    }
    wide = sign | (uint32_t)(exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static double element_value(const unsigned char *at, element type) {
    uint64_t bits = load(at, elements[type].size);
    uint32_t low = (uint32_t)bits;
    float f4;
    double f8;
    switch (type) {
    case F4:
        memcpy(&f4, &low, sizeof f4);
        return f4;
    case F8:
        memcpy(&f8, &bits, sizeof f8);
        return f8;
    case F2:
        return half_value((uint16_t)bits);
    case I4:
        return (int32_t)low;
    default:
        return (double)(int64_t)bits;
    }
}

static void convert(const unsigned char *from, element type, weld_tensor *to) {
    int64_t count = weld_shape_count(&to->shape);
    size_t size = elements[type].size;
    if (type == F4 && to->dtype == WELD_F32) {
        memcpy(to->data, from, (size_t)count * size);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        double value = element_value(from + (size_t)i * size, type);
        if (to->dtype == WELD_F32) {
            ((float *)to->data)[i] = (float)value;
        } else {
            ((double *)to->data)[i] = value;
        }
    }
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
    size_t begin = bytes[6] == 1 ? 10 : 12;
    if (bytes[6] < 1 || bytes[6] > 2 || size < begin) {
        return fail(path, "its version is neither 1 nor 2", err);
    }
    size_t header = (size_t)load(bytes + 8, begin - 8);
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
    if (count <= 0 || !weld_mul_size((size_t)count, elements[d.type].size, &expected)) {
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
    convert(bytes + begin + header, d.type, out);
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
