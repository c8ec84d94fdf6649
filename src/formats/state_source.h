/* How a kind of file plugs into a state dict; for state_open.c and the readers alone.
 *
 * weld_state_dict_open makes an empty state dict, tells the kind of file and hands both to that
 * kind's reader (weld_pth_open, weld_safetensors_open). The reader calls weld_state_dict_provide as
 * soon as it has something of its own to release, then weld_state_dict_add for every tensor in the
 * order of the file. After an error it just returns: what was provided is released by
 * weld_state_dict_open.
 */
#ifndef WELD_FORMATS_STATE_SOURCE_H
#define WELD_FORMATS_STATE_SOURCE_H

#include "formats/state_dict.h"

typedef struct weld_state_source {
    /* Tensor i, in the order of weld_state_dict_add, converted to `dtype` (weld_element_convert).
     * It has been checked that its type may be converted to that. */
    weld_status (*read)(void *self, size_t i, weld_dtype dtype, void *data, weld_error *err);
    const char *(*metadata)(void *self, const char *key); /* NULL: this kind has none */
    void (*free)(void *self);
} weld_state_source;

/* One without tensors. */
weld_status weld_state_dict_create(const char *path, weld_state_dict **out, weld_error *err);

/* From now on `s` owns `self` and releases it with source->free. */
void weld_state_dict_provide(weld_state_dict *s, const weld_state_source *source, void *self);

/* Add a tensor. The name need not end with a zero; it is checked to be one that can be printed, and
 * to come once after a leading "module." has been dropped. */
weld_status weld_state_dict_add(weld_state_dict *s, const char *name, size_t length,
                                weld_element element, const weld_shape *shape, weld_error *err);

/* weld_state_dict_is_unchecked. */
void weld_state_dict_set_unchecked(weld_state_dict *s);

/* Where in the file the tensors are: weld_state_dict_key. */
weld_status weld_state_dict_set_key(weld_state_dict *s, const char *key, weld_error *err);
weld_status weld_state_dict_set_others(weld_state_dict *s, const char *keys, weld_error *err);

/* `count` elements that lie one after the other at `offset` of an open file (file.h), converted to
 * `dtype`, by way of a small buffer. */
weld_status weld_state_read_elements(int descriptor, const char *path, uint64_t offset,
                                     weld_element element, size_t count, weld_dtype dtype,
                                     void *data, weld_error *err);

#endif
