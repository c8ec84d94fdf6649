/* Reading safetensors files; see safetensors.h.
 *
 * The header is taken apart member by member: JSON values of jansson are many times as large as
 * their text, and a header may have 100 MB.
 */
#include "formats/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/json_tree.h"
#include "formats/safetensors_checksum.h"
#include "formats/safetensors_header.h"

enum {
    MAX_NAME = 8192,       /* text of a key */
    MAX_PLACE = 4096,      /* text of what a tensor is */
    MAX_METADATA = 1 << 24 /* text of all metadata: names of a million classes */
};

typedef struct place {
    char *name;
    weld_element element;
    weld_shape shape;
    uint64_t begin, end; /* from the first byte after the header */
} place;

struct weld_safetensors {
    char *path;
    int descriptor;
    uint64_t data;     /* where the elements begin in the file */
    weld_array places; /* in the order of their offsets once the file is open */
    json_t *metadata;  /* an object of texts, or NULL */
    bool checked;      /* against the checksum of weld's files */
    bool whole;        /* checked, by a checksum of all of it */
};

typedef weld_safetensors safetensors;

static place *place_at(const safetensors *f, size_t i) {
    return (place *)f->places.data + i;
}

/* --- The source of a state dict. -------------------------------------------------------------- */

static weld_status read_tensor(void *self, size_t i, weld_dtype dtype, void *data,
                               weld_error *err) {
    const safetensors *f = self;
    const place *p = place_at(f, i);
    return weld_state_read_elements(f->descriptor, f->path, f->data + p->begin, p->element,
                                    (size_t)weld_shape_count(&p->shape), dtype, data, err);
}

static const char *find_metadata(void *self, const char *key) {
    return weld_safetensors_metadata(self, key);
}

void weld_safetensors_free(weld_safetensors *f) {
    if (!f) {
        return;
    }
    if (f->descriptor >= 0) {
        close(f->descriptor);
    }
    for (size_t i = 0; i < f->places.count; i++) {
        weld_free(place_at(f, i)->name);
    }
    weld_array_free(&f->places);
    json_decref(f->metadata);
    weld_free(f->path);
    weld_free(f);
}

static void free_safetensors(void *self) {
    weld_safetensors_free(self);
}

static const weld_state_source source = {read_tensor, find_metadata, free_safetensors};

/* --- JSON, piece by piece. -------------------------------------------------------------------- */

/* A place in the header's text. After an error nothing more is taken. */
typedef struct cursor {
    const char *path, *text;
    size_t at, size;
    weld_status status;
    weld_error *err;
} cursor;

static void fail_at(cursor *c, size_t at, const char *what) {
    if (c->status == WELD_OK) {
        c->status = weld_fail(c->err, WELD_ERROR_FORMAT,
                              "%s: byte %zu, in the header: %s: the file is damaged", c->path,
                              WELD_SAFETENSORS_LENGTH + at, what);
    }
}

static void skip_space(cursor *c) {
    while (c->at < c->size && memchr(" \t\r\n", c->text[c->at], 4)) {
        c->at++;
    }
}

/* Is this character the next one? Then go past it. */
static bool take(cursor *c, char character) {
    skip_space(c);
    bool found = c->status == WELD_OK && c->at < c->size && c->text[c->at] == character;
    c->at += found;
    return found;
}

static void expect(cursor *c, char character) {
    if (!take(c, character)) {
        char what[] = "expected '?'";
        *strchr(what, '?') = character;
        fail_at(c, c->at, what);
    }
}

/* The next value, whose text may have up to `limit` bytes; NULL after an error. */
static json_t *take_value(cursor *c, size_t limit) {
    skip_space(c);
    if (c->status != WELD_OK) {
        return NULL;
    }
    size_t left = c->size - c->at, used;
    weld_json_fault fault;
    json_t *value = weld_json_tree(c->text + c->at, left < limit ? left : limit, &used, &fault);
    if (value) {
        c->at += used;
    } else if (fault.status == WELD_ERROR_MEMORY) {
        c->status = weld_fail_memory(c->err, c->path);
    } else {
        fail_at(c, c->at + fault.at,
                left > limit && fault.at >= limit ? "too long a value" : fault.what.message);
    }
    return value;
}

/* --- What the header says. -------------------------------------------------------------------- */

static bool find_element(const char *name, weld_element *out) {
    static const struct {
        const char *name;
        weld_element element;
    } names[] = {{"F64", WELD_ELEMENT_F64},   {"F32", WELD_ELEMENT_F32}, {"F16", WELD_ELEMENT_F16},
                 {"BF16", WELD_ELEMENT_BF16}, {"I64", WELD_ELEMENT_I64}, {"I32", WELD_ELEMENT_I32},
                 {"I16", WELD_ELEMENT_I16},   {"I8", WELD_ELEMENT_I8},   {"U8", WELD_ELEMENT_U8},
                 {"BOOL", WELD_ELEMENT_BOOL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].element;
            return true;
        }
    }
    return false;
}

/* The integers of a list, none negative; -1 where it is no such list or has more than `max`. */
static int take_integers(const json_t *list, int64_t *out, size_t max) {
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > max) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        out[i] = json_integer_value(value);
        if (!json_is_integer(value) || out[i] < 0) {
            return -1;
        }
    }
    return (int)count;
}

static weld_status fail_tensor(const char *path, const char *name, const char *what,
                               weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s: tensor \"%.200s\": %s", path, name, what);
}

/* What one member says of a tensor, with everything checked that needs no other tensor. */
static weld_status parse_place(const char *path, const char *name, const json_t *value, place *p,
                               weld_error *err) {
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    int64_t offsets[2];
    if (!dtype || json_object_size(value) != 3) {
        return fail_tensor(path, name, "expected dtype, shape and data_offsets alone", err);
    }
    if (!find_element(dtype, &p->element)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: tensor \"%.200s\": dtype \"%.20s\" is not supported: convert it to "
                         "F32",
                         path, name, dtype);
    }
    p->shape.rank = take_integers(json_object_get(value, "shape"), p->shape.dim, WELD_MAX_DIMS);
    if (p->shape.rank < 0) {
        return fail_tensor(path, name, "shape: expected a list of at most six sizes", err);
    }
    if (take_integers(json_object_get(value, "data_offsets"), offsets, 2) != 2 ||
        offsets[1] < offsets[0]) {
        return fail_tensor(path, name, "data_offsets: expected where it begins and where it ends",
                           err);
    }
    p->begin = (uint64_t)offsets[0];
    p->end = (uint64_t)offsets[1];
    int64_t count = weld_shape_count(&p->shape);
    size_t bytes;
    if (count < 0 || !weld_mul_size((size_t)count, weld_element_size(p->element), &bytes) ||
        bytes != p->end - p->begin) {
        char shape[96];
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: tensor \"%.200s\": shape %s of %s does not take the %llu bytes of "
                         "its data_offsets: the file is damaged",
                         path, name, weld_shape_text(&p->shape, shape, sizeof shape), dtype,
                         (unsigned long long)(p->end - p->begin));
    }
    return WELD_OK;
}

static weld_status add_tensor(safetensors *f, const char *name, const json_t *value,
                              weld_error *err) {
    place p = {0};
    WELD_TRY(parse_place(f->path, name, value, &p, err));
    p.name = weld_strdup(name);
    if (!p.name || !weld_array_append(&f->places, &p, 1)) {
        weld_free(p.name);
        return weld_fail_memory(err, f->path);
    }
    return WELD_OK;
}

/* Takes `value`. */
static weld_status set_metadata(safetensors *f, json_t *value, weld_error *err) {
    bool good = json_is_object(value) && !f->metadata;
    const char *key;
    json_t *text;
    json_object_foreach(value, key, text) {
        good = good && json_is_string(text);
    }
    if (!good) {
        json_decref(value);
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: __metadata__: expected one object of texts: the file is damaged",
                         f->path);
    }
    f->metadata = value;
    return WELD_OK;
}

static void take_member(cursor *c, safetensors *f) {
    size_t at = c->at;
    json_t *key = take_value(c, MAX_NAME);
    if (key && !json_is_string(key)) {
        fail_at(c, at, "expected a name");
    }
    expect(c, ':');
    bool metadata = c->status == WELD_OK && strcmp(json_string_value(key), "__metadata__") == 0;
    json_t *value = take_value(c, metadata ? MAX_METADATA : MAX_PLACE);
    if (value && metadata) {
        c->status = set_metadata(f, value, c->err);
    } else if (value) {
        c->status = add_tensor(f, json_string_value(key), value, c->err);
        json_decref(value);
    }
    json_decref(key);
}

static weld_status parse_header(safetensors *f, const char *text, size_t size, weld_error *err) {
    cursor c = {.path = f->path, .text = text, .size = size, .err = err};
    if (size == 0 || text[0] != '{') {
        fail_at(&c, 0, "expected '{'");
    }
    expect(&c, '{');
    if (!take(&c, '}')) {
        do {
            take_member(&c, f);
        } while (take(&c, ','));
        expect(&c, '}');
    }
    skip_space(&c);
    if (c.at < size) {
        fail_at(&c, c.at, "expected white space alone");
    }
    return c.status;
}

/* --- Opening. --------------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

/* The elements of all tensors must fill the rest of the file exactly. */
static weld_status check_places(safetensors *f, uint64_t bytes, weld_error *err) {
    uint64_t end = 0;
    if (f->places.count) {
        qsort(f->places.data, f->places.count, sizeof(place), by_offset);
    }
    for (size_t i = 0; i < f->places.count; i++) {
        const place *p = place_at(f, i);
        if (p->begin != end) {
            return weld_fail(err, WELD_ERROR_FORMAT,
                             "%s: tensor \"%.200s\" begins at %llu, where the one before it ends "
                             "at %llu: %s: the file is damaged",
                             f->path, p->name, (unsigned long long)p->begin,
                             (unsigned long long)end, p->begin < end ? "they overlap" : "a gap");
        }
        end = p->end;
    }
    if (end != bytes) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %llu bytes after the header, its tensors take %llu: the file is %s",
                         f->path, (unsigned long long)bytes, (unsigned long long)end,
                         bytes < end ? "cut: get it again" : "damaged");
    }
    return WELD_OK;
}

/* Open the file and read the length of the header, which must fit. */
static weld_status open_file(safetensors *f, uint64_t *size, uint64_t *header, weld_error *err) {
    unsigned char length[WELD_SAFETENSORS_LENGTH];
    WELD_TRY(weld_file_open(f->path, &f->descriptor, size, err));
    WELD_TRY(weld_file_read_at(f->descriptor, f->path, length, WELD_SAFETENSORS_LENGTH, 0, err));
    *header = weld_load_u64(length);
    if (*header > WELD_SAFETENSORS_HEADER_MAX || *size < WELD_SAFETENSORS_LENGTH ||
        *header > *size - WELD_SAFETENSORS_LENGTH) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: a header of %llu bytes in a file of %llu, at most %d are allowed: "
                         "the file is cut or none of safetensors",
                         f->path, (unsigned long long)*header, (unsigned long long)*size,
                         WELD_SAFETENSORS_HEADER_MAX);
    }
    f->data = WELD_SAFETENSORS_LENGTH + *header;
    return WELD_OK;
}

static weld_status read_header(safetensors *f, weld_error *err) {
    uint64_t size, length;
    WELD_TRY(open_file(f, &size, &length, err));
    char *start = weld_alloc_raw((size_t)f->data, 1);
    if (!start) {
        return weld_fail_memory(err, f->path);
    }
    weld_status status = weld_file_read_at(f->descriptor, f->path, start, (size_t)f->data, 0, err);
    status =
        status ? status : parse_header(f, start + WELD_SAFETENSORS_LENGTH, (size_t)length, err);
    if (status == WELD_ERROR_FORMAT) {
        /* What makes no sense in a file of weld is damage, and not what it looks like. */
        const weld_status damage = weld_safetensors_check(
            f->descriptor, f->path, start, (size_t)f->data, size, &f->checked, &f->whole, err);
        status = damage ? damage : status;
    }
    status = status ? status : check_places(f, size - f->data, err);
    status = status ? status
                    : weld_safetensors_check(f->descriptor, f->path, start, (size_t)f->data, size,
                                             &f->checked, &f->whole, err);
    weld_free(start);
    return status;
}

static safetensors *new_safetensors(void) {
    safetensors *f = weld_alloc(1, sizeof *f);
    if (f) {
        f->descriptor = -1;
        f->places.element = sizeof(place);
    }
    return f;
}

static weld_status open_path(safetensors *f, const char *path, weld_error *err) {
    f->path = weld_strdup(path);
    return f->path ? read_header(f, err) : weld_fail_memory(err, path);
}

weld_status weld_safetensors_open(weld_state_dict *s, const char *path, weld_error *err) {
    safetensors *f = new_safetensors();
    if (!f) {
        return weld_fail_memory(err, path);
    }
    weld_state_dict_provide(s, &source, f);
    weld_status status = open_path(f, path, err);
    if (!f->whole) {
        weld_state_dict_set_unchecked(s);
    }
    for (size_t i = 0; i < f->places.count && !status; i++) {
        const place *p = place_at(f, i);
        status = weld_state_dict_add(s, p->name, strlen(p->name), p->element, &p->shape, err);
    }
    return status;
}

/* --- By place. -------------------------------------------------------------------------------- */

weld_status weld_safetensors_index(const char *path, weld_safetensors **out, weld_error *err) {
    *out = NULL;
    safetensors *f = new_safetensors();
    if (!f) {
        return weld_fail_memory(err, path);
    }
    weld_status status = open_path(f, path, err);
    if (status) {
        weld_safetensors_free(f);
        return status;
    }
    *out = f;
    return WELD_OK;
}

bool weld_safetensors_find(const weld_safetensors *f, const char *name,
                           weld_safetensors_place *out) {
    for (size_t i = 0; i < f->places.count; i++) {
        const place *p = place_at(f, i);
        if (strcmp(p->name, name) == 0) {
            *out = (weld_safetensors_place){p->element, p->shape, f->data + p->begin};
            return true;
        }
    }
    return false;
}

const char *weld_safetensors_metadata(const weld_safetensors *f, const char *key) {
    return json_string_value(json_object_get(f->metadata, key));
}

int weld_safetensors_descriptor(const weld_safetensors *f) {
    return f->descriptor;
}

bool weld_safetensors_is_checked(const weld_safetensors *f) {
    return f->checked;
}
