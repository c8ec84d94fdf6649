/* PyTorch checkpoints; see pth.h. What the pickle says is checked here, value by value. */
#include "formats/pth.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/zip.h"
#include "formats/pickle.h"
#include "formats/pth_tensor.h"
#include "formats/state_source.h"

enum { MAX_PICKLE = 64 << 20, TEXT = 160, KEYS = 400 };

/* What stays open with a state dict. */
typedef struct pth {
    weld_zip *zip;
    weld_array places; /* weld_pth_place, by tensor */
} pth;

typedef struct opening {
    weld_state_dict *s;
    pth *file;
    weld_pickle *p;
    const char *path;
    weld_error *err;
} opening;

/* --- The archive. ----------------------------------------------------------------------------- */

static weld_status check_kind(const weld_zip *a, const char *path, weld_error *err) {
    if (weld_zip_has(a, "constants.pkl") || weld_zip_has(a, "code/")) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: a TorchScript program (torch.jit.save), not a checkpoint: save "
                         "model.state_dict() with torch.save",
                         path);
    }
    return WELD_OK;
}

/* A whole entry, in memory to be released with weld_free. */
static weld_status read_entry(weld_zip *a, const char *name, uint64_t limit, void **data,
                              size_t *bytes, weld_error *err) {
    weld_zip_entry entry;
    WELD_TRY(weld_zip_find(a, name, &entry, err));
    if (entry.bytes > limit) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s: %llu bytes, more than the %llu that are read: save the tensors "
                         "alone",
                         weld_zip_path(a), name, (unsigned long long)entry.bytes,
                         (unsigned long long)limit);
    }
    *bytes = (size_t)entry.bytes;
    *data = weld_alloc_raw(*bytes, 1);
    if (!*data) {
        return weld_fail_memory(err, weld_zip_path(a));
    }
    weld_status status = weld_zip_begin(a, &entry, 0, err);
    status = status ? status : weld_zip_next(a, *data, *bytes, err);
    status = weld_zip_end(a, status, err);
    if (status) {
        weld_free(*data);
    }
    return status;
}

/* Absent before PyTorch 2.1, which wrote little-endian storages wherever it mattered. */
static weld_status check_byte_order(weld_zip *a, weld_error *err) {
    void *text;
    size_t length;
    if (!weld_zip_has(a, "byteorder")) {
        return WELD_OK;
    }
    weld_status status = read_entry(a, "byteorder", 64, &text, &length, err);
    if (status) {
        return status;
    }
    if (length < 6 || memcmp(text, "little", 6) != 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT,
                           "%s: its numbers are big-endian: save it on a little-endian machine",
                           weld_zip_path(a));
    }
    weld_free(text);
    return status;
}

/* --- Where the tensors are. ------------------------------------------------------------------- */

/* A dict, or what a trainer takes for one. */
static bool is_dict(const weld_pickle *p, weld_pickle_ref v) {
    weld_pickle_ref class = weld_pickle_class(p, v);
    return weld_pickle_kind_of(p, v) == WELD_PICKLE_DICT ||
           weld_pickle_global_is(p, class, "collections", "OrderedDict") ||
           weld_pickle_global_is(p, class, "collections", "defaultdict");
}

static weld_pickle_ref find_item(const weld_pickle *p, weld_pickle_ref dict, const char *key) {
    for (size_t i = weld_pickle_first(p, dict); i; i = weld_pickle_next(p, i)) {
        if (weld_pickle_text_is(p, weld_pickle_key(p, i), key)) {
            return weld_pickle_value(p, i);
        }
    }
    return WELD_PICKLE_NOTHING;
}

static bool is_named_tensor(const weld_pickle *p, size_t item) {
    return weld_pickle_kind_of(p, weld_pickle_key(p, item)) == WELD_PICKLE_TEXT &&
           weld_pth_is_tensor(p, weld_pickle_value(p, item));
}

static bool has_tensors(const weld_pickle *p, weld_pickle_ref v) {
    for (size_t i = is_dict(p, v) ? weld_pickle_first(p, v) : 0; i; i = weld_pickle_next(p, i)) {
        if (is_named_tensor(p, i)) {
            return true;
        }
    }
    return false;
}

/* The keys of a dict, separated by commas, as many as there is room for. */
static const char *keys_of(const weld_pickle *p, weld_pickle_ref dict, char text[KEYS]) {
    size_t used = 0;
    snprintf(text, KEYS, "none");
    for (size_t i = weld_pickle_first(p, dict); i; i = weld_pickle_next(p, i)) {
        char key[TEXT];
        weld_pth_text(p, weld_pickle_key(p, i), key, sizeof key);
        if (used + strlen(key) + 8 > KEYS) {
            snprintf(text + used, KEYS - used, ", ...");
            break;
        }
        used += (size_t)snprintf(text + used, KEYS - used, used ? ", %s" : "%s", key);
    }
    return text;
}

/* An instance of some class is where a dict should be; `place` is what it is called. */
static weld_status fail_object(const opening *o, weld_pickle_ref v, const char *place) {
    char class[TEXT];
    weld_pth_text(o->p, weld_pickle_class(o->p, v), class, TEXT);
    return weld_fail(
        o->err, WELD_ERROR_FORMAT,
        "%s: %s is a whole object of class %s, which cannot be read without its "
        "Python code: save model.state_dict() instead%s",
        o->path, place, class,
        strncmp(class, "ultralytics.", 12) == 0 ? ", as scripts/export_ultralytics does" : "");
}

static bool is_unknown_object(const weld_pickle *p, weld_pickle_ref v) {
    return weld_pickle_kind_of(p, v) == WELD_PICKLE_OBJECT && !is_dict(p, v) &&
           !weld_pth_is_tensor(p, v);
}

/* Where trainers put state dicts. */
static const char *const places[] = {"model", "state_dict", "model_ema", "state_dict_ema"};
enum { PLACES = sizeof places / sizeof *places };

/* No tensors where they are looked for: what is there instead? */
static weld_status fail_to_choose(const opening *o, weld_pickle_ref root) {
    char text[KEYS];
    for (size_t i = 0; i < PLACES; i++) {
        weld_pickle_ref v = find_item(o->p, root, places[i]);
        if (is_unknown_object(o->p, v)) {
            return fail_object(o, v, places[i]);
        }
    }
    size_t looks = 100; /* each may take long, and trainers save no more */
    for (size_t i = weld_pickle_first(o->p, root); i && looks; i = weld_pickle_next(o->p, i)) {
        if (has_tensors(o->p, weld_pickle_value(o->p, i))) {
            weld_pth_text(o->p, weld_pickle_key(o->p, i), text, sizeof text);
            return weld_fail(o->err, WELD_ERROR_FORMAT,
                             "%s: its tensors are in none of the usual places but under \"%s\": "
                             "give that key",
                             o->path, text);
        }
        looks--;
    }
    return weld_fail(o->err, WELD_ERROR_FORMAT,
                     "%s: no tensors at the top level or under model, state_dict, model_ema or "
                     "state_dict_ema: its keys are: %s",
                     o->path, keys_of(o->p, root, text));
}

static weld_status choose_dict(opening *o, const char *key, weld_pickle_ref *out,
                               const char **found) {
    weld_pickle_ref root = weld_pickle_root(o->p);
    char keys[KEYS];
    if (!is_dict(o->p, root)) {
        return is_unknown_object(o->p, root)
                   ? fail_object(o, root, "what it holds")
                   : weld_fail(o->err, WELD_ERROR_FORMAT,
                               "%s: holds no dictionary of tensors: save model.state_dict()",
                               o->path);
    }
    for (size_t i = 0; i < (key ? 1 : PLACES); i++) {
        *found = key ? key : places[i];
        *out = find_item(o->p, root, *found);
        if (has_tensors(o->p, *out)) {
            return WELD_OK;
        }
    }
    if (key) {
        return weld_fail(o->err, WELD_ERROR_NOT_FOUND,
                         "%s: has no tensors under \"%s\": its keys are: %s", o->path, key,
                         keys_of(o->p, root, keys));
    }
    *found = "";
    *out = root;
    if (has_tensors(o->p, root)) {
        return WELD_OK;
    }
    return fail_to_choose(o, root);
}

/* Name the state dicts that were not chosen. */
static weld_status note_others(opening *o, const char *chosen) {
    char text[KEYS] = "";
    size_t used = 0;
    for (size_t i = 0; i < PLACES; i++) {
        weld_pickle_ref v = find_item(o->p, weld_pickle_root(o->p), places[i]);
        if (strcmp(places[i], chosen) != 0 && has_tensors(o->p, v)) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "",
                                     places[i]);
        }
    }
    return weld_state_dict_set_others(o->s, text, o->err);
}

/* --- Opening. --------------------------------------------------------------------------------- */

/* Tensors may share a storage, but a file that says so a thousand times would fill any memory. */
static weld_status check_total(const opening *o, uint64_t total) {
    if (total / 4 > weld_zip_bytes(o->file->zip)) {
        return weld_fail(o->err, WELD_ERROR_FORMAT,
                         "%s: its tensors share storages so often that they take more than four "
                         "times the file's size: save clones of them",
                         o->path);
    }
    return WELD_OK;
}

static weld_status add_tensors(opening *o, weld_pickle_ref dict) {
    weld_status status = WELD_OK;
    uint64_t total = 0;
    for (size_t i = weld_pickle_first(o->p, dict); i && !status; i = weld_pickle_next(o->p, i)) {
        if (!is_named_tensor(o->p, i)) {
            continue; /* an epoch, a version */
        }
        weld_pth_place place;
        size_t length;
        const char *name = weld_pickle_text(o->p, weld_pickle_key(o->p, i), &length);
        status = weld_pth_find_tensor(o->file->zip, o->p, weld_pickle_key(o->p, i),
                                      weld_pickle_value(o->p, i), &place, o->err);
        if (!status) {
            total += place.count * weld_element_size(place.element);
            status = check_total(o, total);
        }
        status = status
                     ? status
                     : weld_state_dict_add(o->s, name, length, place.element, &place.shape, o->err);
        if (!status && !weld_array_append(&o->file->places, &place, 1)) {
            status = weld_fail_memory(o->err, o->path);
        }
    }
    return status;
}

static weld_status read_pickle(opening *o, const char *key) {
    weld_pickle_ref dict = WELD_PICKLE_NOTHING;
    const char *found = "";
    WELD_TRY(choose_dict(o, key, &dict, &found));
    WELD_TRY(weld_state_dict_set_key(o->s, found, o->err));
    WELD_TRY(note_others(o, found));
    return add_tensors(o, dict);
}

static weld_status read_tensor(void *self, size_t i, weld_dtype dtype, void *data,
                               weld_error *err) {
    pth *file = self;
    return weld_pth_read_tensor(file->zip, (const weld_pth_place *)file->places.data + i, dtype,
                                data, err);
}

static void free_pth(void *self) {
    pth *file = self;
    weld_zip_free(file->zip);
    weld_array_free(&file->places);
    weld_free(file);
}

static weld_status create_pth(opening *o) {
    static const weld_state_source source = {.read = read_tensor, .free = free_pth};
    o->file = weld_alloc(1, sizeof *o->file);
    if (!o->file) {
        return weld_fail_memory(o->err, o->path);
    }
    o->file->places.element = sizeof(weld_pth_place);
    weld_state_dict_provide(o->s, &source, o->file);
    WELD_TRY(weld_zip_open(o->path, "data.pkl", &o->file->zip, o->err));
    WELD_TRY(check_kind(o->file->zip, o->path, o->err));
    return check_byte_order(o->file->zip, o->err);
}

weld_status weld_pth_open(weld_state_dict *s, const char *path, const char *key, weld_error *err) {
    opening o = {.s = s, .path = path, .err = err};
    void *bytes;
    size_t size;
    char where[1024];
    WELD_TRY(create_pth(&o));
    WELD_TRY(read_entry(o.file->zip, "data.pkl", MAX_PICKLE, &bytes, &size, err));
    snprintf(where, sizeof where, "%s: data.pkl", path);
    weld_status status = weld_pickle_read(bytes, size, where, &o.p, err);
    if (!status) {
        status = read_pickle(&o, key);
        weld_pickle_free(o.p);
    }
    weld_free(bytes);
    return status;
}
