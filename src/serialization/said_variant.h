/* Which variant other programs' tensors are said to be of, where these do not tell: networks may
 * have the same tensors and compute otherwise. */
#ifndef WELD_SERIALIZATION_SAID_VARIANT_H
#define WELD_SERIALIZATION_SAID_VARIANT_H

#include "weld/model.h"

typedef struct weld_said_variant {
    char name[64];  /* of a variant or family; "": nothing says */
    const char *by; /* "config.json beside it", "its file's name"; NULL: an option */
    bool unknown;   /* the name is none of weld's */
} weld_said_variant;

/* By an option (NULL: none), or else by config.json beside the file `path`. */
weld_status weld_said_variant_find(const char *path, const char *option, weld_said_variant *out,
                                   weld_error *err);
/* By the name of the file, for tensors that are of the network `found`: timm's files are called
 * after variants. Only of variants that have something that tensors do not tell. */
void weld_said_variant_find_in_name(const char *path, const weld_model_config *found,
                                    weld_said_variant *out);
/* An error where the network that was found is not of it; "" is of any. What is beside the file
 * tells the family: the network's sizes may be its own. */
weld_status weld_said_variant_check(const weld_said_variant *said, const char *path,
                                    const weld_model_config *found, weld_error *err);
/* What the variant says of what tensors do not tell, where that is not the family's usual. */
weld_status weld_said_variant_take(const weld_said_variant *said, weld_model_config *config,
                                   weld_error *err);

#endif
