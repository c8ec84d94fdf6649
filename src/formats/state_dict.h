/* Tensors by name as another program saved them: a PyTorch checkpoint (.pth) or a safetensors file.
 *
 * Opening reads names, types, shapes and places, and checks them all against the file. Elements are
 * read when they are asked for, one tensor at a time and straight from the file, so that memory is
 * what the caller keeps.
 */
#ifndef WELD_FORMATS_STATE_DICT_H
#define WELD_FORMATS_STATE_DICT_H

#include <stdbool.h>

#include "formats/element.h"
#include "weld/tensor.h"

typedef struct weld_state_entry {
    const char *name; /* without a leading "module." */
    weld_element element;
    weld_shape shape;
} weld_state_entry;

typedef struct weld_state_dict weld_state_dict;

/* Open a file of either kind, told by content. `key`: which of the state dicts of a .pth to take
 * ("model_ema"); NULL: the first there is of model, state_dict, model_ema and state_dict_ema, or
 * else the top level. Errors name the file. */
weld_status weld_state_dict_open(const char *path, const char *key, weld_state_dict **out,
                                 weld_error *err);
void weld_state_dict_free(weld_state_dict *s);
const char *weld_state_dict_file(const weld_state_dict *s);
/* Where in the file the tensors were: "model"; "" for the top level. */
const char *weld_state_dict_key(const weld_state_dict *s);
/* Keys of other state dicts in the file, separated by ", "; "" where there is none. */
const char *weld_state_dict_others(const weld_state_dict *s);
/* Entries in the order of the file; no name comes twice. */
size_t weld_state_dict_count(const weld_state_dict *s);
const weld_state_entry *weld_state_dict_at(const weld_state_dict *s, size_t i);
/* All elements of tensor i, row-major, converted: floating types to WELD_F32 or WELD_F64, integers
 * to WELD_I64 (and no other way round). Not for two threads at once. */
weld_status weld_state_dict_read(const weld_state_dict *s, size_t i, weld_dtype dtype, void *data,
                                 weld_error *err);
/* Is it, or one of its files, a safetensors file without weld's checksum of all of it
 * (safetensors_checksum.h), or an index over PyTorch's files? Then it cannot be checked whether it
 * is as it was written. */
bool weld_state_dict_is_unchecked(const weld_state_dict *s);
/* A text that the file carries beside its tensors (safetensors' __metadata__); NULL: none. */
const char *weld_state_dict_metadata(const weld_state_dict *s, const char *key);

#endif
