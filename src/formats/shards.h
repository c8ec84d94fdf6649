/* State dicts in several files, as transformers and timm's hub write large ones: an index names the
 * file of each tensor, {"weight_map": {"stem.weight": "model-00001-of-00002.safetensors", ...}}.
 * The files are safetensors, or PyTorch's ("pytorch_model-00001-of-00002.bin").
 */
#ifndef WELD_FORMATS_SHARDS_H
#define WELD_FORMATS_SHARDS_H

#include <stdbool.h>

#include "formats/state_source.h"

/* Hands one of the files to the reader for its kind. */
typedef weld_status weld_open_shard(weld_state_dict *s, const char *path, weld_error *err);

/* The reader behind weld_state_dict_open for an index. Its files are in its folder; together they
 * hold as many tensors as it names. */
weld_status weld_shards_open(weld_state_dict *s, const char *path, weld_open_shard *open,
                             weld_error *err);

/* Is `path` called as one file of several is ("model-00001-of-00002.safetensors")? Then also what
 * the index beside it would be called, cut to `size`, and of how many. */
bool weld_shards_is_one(const char *path, char *index, size_t size, int *count);

#endif
