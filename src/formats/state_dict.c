/* Tensors by name from other programs' files; see state_dict.h and state_source.h. */
#include "formats/state_dict.h"

#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/state_source.h"

enum { MAX_NAME = 512, MAX_NAMES = 64 << 20, READ_CHUNK = 64 << 10 };

struct weld_state_dict {
    char *file, *key, *others;
    weld_array entries; /* weld_state_entry, whose names are owned */
    size_t name_bytes;
    bool unchecked;
    const weld_state_source *source;
    void *self;
};

/* --- What readers call. ----------------------------------------------------------------------- */

void weld_state_dict_provide(weld_state_dict *s, const weld_state_source *source, void *self) {
    s->source = source;
    s->self = self;
}

void weld_state_dict_set_unchecked(weld_state_dict *s) {
    s->unchecked = true;
}

static weld_status set_text(weld_state_dict *s, char **to, const char *text, weld_error *err) {
    char *copy = weld_strdup(text);
    if (!copy) {
        return weld_fail_memory(err, s->file);
    }
    weld_free(*to);
    *to = copy;
    return WELD_OK;
}

weld_status weld_state_dict_set_key(weld_state_dict *s, const char *key, weld_error *err) {
    return set_text(s, &s->key, key, err);
}

weld_status weld_state_dict_set_others(weld_state_dict *s, const char *keys, weld_error *err) {
    return set_text(s, &s->others, keys, err);
}

/* Names stand in messages of one line. */
static bool is_printable(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 127) {
            return false;
        }
    }
    return length > 0;
}

weld_status weld_state_dict_add(weld_state_dict *s, const char *name, size_t length,
                                weld_element element, const weld_shape *shape, weld_error *err) {
    static const char prefix[] = "module.";
    const size_t prefix_length = sizeof prefix - 1;
    if (length > prefix_length && memcmp(name, prefix, prefix_length) == 0) {
        name += prefix_length; /* of torch.nn.DataParallel */
        length -= prefix_length;
    }
    if (length > MAX_NAME || !is_printable(name, length)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: the name of tensor %zu is empty, longer than %d bytes or not "
                         "printable: this is no file of a network",
                         s->file, s->entries.count, MAX_NAME);
    }
    s->name_bytes += length;
    if (s->name_bytes > MAX_NAMES) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: more than %d bytes of names: this is no file of a network", s->file,
                         MAX_NAMES);
    }
    char *copy = weld_alloc_raw(length + 1, 1);
    if (!copy) {
        return weld_fail_memory(err, s->file);
    }
    memcpy(copy, name, length);
    copy[length] = '\0';
    weld_state_entry entry = {copy, element, *shape};
    if (!weld_array_append(&s->entries, &entry, 1)) {
        weld_free(copy);
        return weld_fail_memory(err, s->file);
    }
    return WELD_OK;
}

weld_status weld_state_read_elements(int descriptor, const char *path, uint64_t offset,
                                     weld_element element, size_t count, weld_dtype dtype,
                                     void *data, weld_error *err) {
    size_t size = weld_element_size(element), to_size = weld_dtype_size(dtype);
    if (element == WELD_ELEMENT_F32 && dtype == WELD_F32) {
        return weld_file_read_at(descriptor, path, data, count * size, offset, err);
    }
    unsigned char chunk[READ_CHUNK];
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < READ_CHUNK / size ? count - done : READ_CHUNK / size;
        WELD_TRY(weld_file_read_at(descriptor, path, chunk, n * size, offset + done * size, err));
        weld_element_convert(element, chunk, n, dtype, (char *)data + done * to_size);
    }
    return WELD_OK;
}

/* --- From none to none. ----------------------------------------------------------------------- */

weld_status weld_state_dict_create(const char *path, weld_state_dict **out, weld_error *err) {
    weld_state_dict *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, path);
    }
    s->entries.element = sizeof(weld_state_entry);
    s->file = weld_strdup(path);
    s->key = weld_strdup("");
    if (!s->file || !s->key) {
        weld_state_dict_free(s);
        return weld_fail_memory(err, path);
    }
    *out = s;
    return WELD_OK;
}

void weld_state_dict_free(weld_state_dict *s) {
    if (!s) {
        return;
    }
    if (s->source) {
        s->source->free(s->self);
    }
    for (size_t i = 0; i < s->entries.count; i++) {
        weld_free((char *)weld_state_dict_at(s, i)->name);
    }
    weld_array_free(&s->entries);
    weld_free(s->file);
    weld_free(s->key);
    weld_free(s->others);
    weld_free(s);
}

/* --- What is in it. --------------------------------------------------------------------------- */

const char *weld_state_dict_file(const weld_state_dict *s) {
    return s->file;
}

const char *weld_state_dict_key(const weld_state_dict *s) {
    return s->key;
}

const char *weld_state_dict_others(const weld_state_dict *s) {
    return s->others ? s->others : "";
}

size_t weld_state_dict_count(const weld_state_dict *s) {
    return s->entries.count;
}

const weld_state_entry *weld_state_dict_at(const weld_state_dict *s, size_t i) {
    return (const weld_state_entry *)s->entries.data + i;
}

weld_status weld_state_dict_read(const weld_state_dict *s, size_t i, weld_dtype dtype, void *data,
                                 weld_error *err) {
    const weld_state_entry *entry = weld_state_dict_at(s, i);
    bool is_float = dtype == WELD_F32 || dtype == WELD_F64;
    if (weld_element_is_float(entry->element) ? !is_float : dtype != WELD_I64) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s is %s, which cannot be read as %s",
                         s->file, entry->name, weld_element_name(entry->element),
                         weld_dtype_name(dtype));
    }
    return s->source->read(s->self, i, dtype, data, err);
}

bool weld_state_dict_is_unchecked(const weld_state_dict *s) {
    return s->unchecked;
}

const char *weld_state_dict_metadata(const weld_state_dict *s, const char *key) {
    return s->source->metadata ? s->source->metadata(s->self, key) : NULL;
}
