/* PyTorch checkpoints (.pth): a ZIP archive of a pickle (TOP/data.pkl) and of the storages of its
 * tensors (TOP/data/KEY). */
#ifndef WELD_FORMATS_PTH_H
#define WELD_FORMATS_PTH_H

#include "formats/state_dict.h"

/* For weld_state_dict_open, see state_source.h; `key` as there. */
weld_status weld_pth_open(weld_state_dict *s, const char *path, const char *key, weld_error *err);

#endif
