/* A network's tensors out of a state dict. */
#ifndef WELD_SERIALIZATION_STATE_LOAD_H
#define WELD_SERIALIZATION_STATE_LOAD_H

#include "formats/state_dict.h"
#include "models/models.h"
#include "serialization/name_list.h"

enum { WELD_PREFIX_SIZE = 256 };

/* A state dict whose tensors can be looked up by name. */
typedef struct weld_state_index {
    const weld_state_dict *dict;
    char prefix[WELD_PREFIX_SIZE]; /* that names have in the file and not here */
    weld_named_shape *tensors;     /* by number in the dict; "" without the prefix */
    char *written;                 /* names that the file has otherwise */
    weld_shape_index names;
} weld_state_index;

/* prefix: "", or what wrappers put in front of a network's names ("model.", "net._orig_mod.").
 * listed: the network was made one list of modules, as by timm's features_only, so that their names
 * are put together with "_": "stages_0.1.conv.weight" is to be "stages.0.1.conv.weight";
 * WELD_ERROR_NOT_FOUND where no name is like that. */
weld_status weld_state_index_create(const weld_state_dict *dict, const char *prefix, bool listed,
                                    weld_state_index *out, weld_error *err);
/* Make the prefix longer by the module that holds more than half of the tensors it has now; false,
 * and as it was, where there is none. */
bool weld_state_index_next_prefix(const weld_state_index *index, char prefix[WELD_PREFIX_SIZE]);
void weld_state_index_free(weld_state_index *index);

/* The parameters and buffers of `network` under their own names and in its order, from a file with
 * what was found in it; of a headless one without those of the head that it has not. Strict: see
 * weld_model_import; but tensors without the prefix, and what profilers left behind, are passed
 * over: *passed_over, where it is not NULL, names them. Nothing is read, and little allocated,
 * before all names, shapes and types are known to fit. */
weld_status weld_state_load(const weld_state_index *index, const weld_graph *network,
                            const weld_recognized *found, const weld_model_config *config,
                            weld_weights **out, weld_name_list *passed_over, weld_error *err);

#endif
