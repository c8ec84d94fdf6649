/* Tensors by name from other programs' files; see state_dict.h and state_source.h. */
#include "formats/state_dict.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/file_kind.h"
#include "formats/safetensors.h"
#include "formats/pth.h"
#include "formats/state_source.h"

enum { MAX_NAME = 512, MAX_NAMES = 64 << 20, READ_CHUNK = 64 << 10 };

struct weld_state_dict {
    char *file, *key, *others;
    weld_array entries; /* weld_state_entry, whose names are owned */
    size_t name_bytes;
    const weld_state_source *source;
    void *self;
};

/* --- What readers call. ----------------------------------------------------------------------- */

void weld_state_dict_provide(weld_state_dict *s, const weld_state_source *source, void *self) {
    s->source = source;
    s->self = self;
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
        weld_status status =
            weld_file_read_at(descriptor, path, chunk, n * size, offset + done * size, err);
        if (status != WELD_OK) {
            return status;
        }
        weld_element_convert(element, chunk, n, dtype, (char *)data + done * to_size);
    }
    return WELD_OK;
}

/* --- Opening. --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static weld_status check_names(const weld_state_dict *s, weld_error *err) {
    size_t count = weld_state_dict_count(s);
    const char **names = weld_alloc_raw(count, sizeof *names);
    if (!names) {
        return weld_fail_memory(err, s->file);
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = weld_state_dict_at(s, i)->name;
    }
    qsort(names, count, sizeof *names, by_name);
    weld_status status = WELD_OK;
    for (size_t i = 1; i < count && status == WELD_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = weld_fail(err, WELD_ERROR_FORMAT,
                               "%s: two tensors are called %s (without \"module.\"): save one",
                               s->file, names[i]);
        }
    }
    weld_free(names);
    return status;
}

/* A file that cannot be opened is of unknown kind too. */
static weld_status fail_unknown(const char *path, weld_error *err) {
    int descriptor;
    uint64_t size;
    weld_status status = weld_file_open(path, &descriptor, &size, err);
    if (status != WELD_OK) {
        return status;
    }
    close(descriptor);
    return weld_fail(err, WELD_ERROR_FORMAT,
                     "%s: neither a PyTorch .pth nor a safetensors file: name one of these", path);
}

static weld_status open_kind(weld_state_dict *s, const char *key, weld_error *err) {
    weld_file_kind kind = weld_file_kind_of(s->file);
    if (key && kind != WELD_FILE_PTH && kind != WELD_FILE_UNKNOWN) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is %s, which has no \"%s\" to choose: leave the choice out", s->file,
                         weld_file_kind_text(kind), key);
    }
    switch (kind) {
    case WELD_FILE_SAFETENSORS:
        return weld_safetensors_open(s, s->file, err);
    case WELD_FILE_PTH:
        return weld_pth_open(s, s->file, key, err);
    case WELD_FILE_PICKLE:
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: is in PyTorch's format of before 1.6: load it with torch.load and "
                         "save it again with torch.save",
                         s->file);
    case WELD_FILE_UNKNOWN:
        return fail_unknown(s->file, err);
    default:
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: is %s: name a PyTorch .pth or a safetensors file", s->file,
                         weld_file_kind_text(kind));
    }
}

weld_status weld_state_dict_open(const char *path, const char *key, weld_state_dict **out,
                                 weld_error *err) {
    weld_state_dict *s = weld_alloc(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, path);
    }
    s->entries.element = sizeof(weld_state_entry);
    s->file = weld_strdup(path);
    s->key = weld_strdup("");
    weld_status status = s->file && s->key ? open_kind(s, key, err) : weld_fail_memory(err, path);
    if (status == WELD_OK) {
        status = check_names(s, err);
    }
    if (status != WELD_OK) {
        weld_state_dict_free(s);
        return status;
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

const char *weld_state_dict_metadata(const weld_state_dict *s, const char *key) {
    return s->source->metadata ? s->source->metadata(s->self, key) : NULL;
}
