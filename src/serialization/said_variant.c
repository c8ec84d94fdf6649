/* What is said of tensors beside them; see said_variant.h. */
#include "serialization/said_variant.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"
#include "serialization/hub_config.h"

weld_status weld_said_variant_find(const char *path, const char *option, weld_said_variant *out,
                                   weld_error *err) {
    *out = (weld_said_variant){.name = ""};
    if (option) {
        snprintf(out->name, sizeof out->name, "%s", option);
        return WELD_OK;
    }
    weld_hub_config *hub = weld_alloc(1, sizeof *hub);
    if (!hub) {
        return weld_fail_memory(err, path);
    }
    weld_status status = weld_hub_config_open(path, hub, err);
    if (!status && *hub->architecture) {
        snprintf(out->name, sizeof out->name, "%s", hub->architecture);
        out->by = "config.json beside it";
        out->unknown = weld_family_find(out->name, NULL, NULL) == NULL;
    }
    weld_free(hub);
    return status;
}

/* Has the variant a value that tensors do not tell and the family does not usually have? */
static bool is_special(const weld_model_family *family, const weld_model_config *variant) {
    weld_model_config usual;
    return !weld_model_config_named(family->name, &usual, NULL) &&
           weld_model_difference(variant, &usual, WELD_KEY_UNTOLD);
}

/* "a/tf_mobilenetv3_large_100-427764d5.pth" is called after tf_mobilenetv3_large_100. */
static bool is_called_after(const char *path, const char *variant) {
    const char *slash = strrchr(path, '/'), *at = strstr(slash ? slash : path, variant);
    const char next = at ? at[strlen(variant)] : '0';
    return !(next >= '0' && next <= '9');
}

void weld_said_variant_find_in_name(const char *path, const weld_model_config *found,
                                    weld_said_variant *out) {
    const weld_model_family *family = weld_family_of(found);
    for (size_t i = 0; i < family->variant_count && !*out->name; i++) {
        weld_model_config v;
        if (!weld_model_config_named(family->variants[i].name, &v, NULL) &&
            !weld_model_difference(&v, found, WELD_KEY_SIZE) && is_special(family, &v) &&
            is_called_after(path, v.name)) {
            snprintf(out->name, sizeof out->name, "%s", v.name);
            out->by = "its file's name";
        }
    }
}

weld_status weld_said_variant_check(const weld_said_variant *said, const char *path,
                                    const weld_model_config *found, weld_error *err) {
    if (said->by && said->unknown) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s calls it %s, which weld does not know and which may compute "
                         "otherwise than %s, whose tensors it has: --model %s takes it for that",
                         path, said->by, said->name, found->name, found->name);
    }
    if (said->by && weld_family_find(said->name, NULL, NULL) != weld_family_of(found)) {
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: %s calls it %s, but its tensors are those of %s: --model %s takes it "
                         "for that",
                         path, said->by, said->name, found->name, found->name);
    }
    weld_status status =
        *said->name && !said->by ? weld_model_check_variant(found, said->name, err) : WELD_OK;
    return status ? weld_fail_context(err, status, "%s", path) : WELD_OK;
}

weld_status weld_said_variant_take(const weld_said_variant *said, weld_model_config *config,
                                   weld_error *err) {
    const weld_model_family *family = weld_family_of(config);
    weld_model_config variant, usual;
    if (!*said->name) {
        return WELD_OK;
    }
    WELD_TRY(weld_model_config_named(said->name, &variant, err));
    WELD_TRY(weld_model_config_named(family->name, &usual, err));
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, WELD_KEY_UNTOLD));) {
        char value[128];
        if (!weld_key_equal(key, variant.values, usual.values)) {
            weld_key_text(key, variant.values, ",", value, sizeof value);
            WELD_TRY(weld_key_set(key, config->values, value, err));
        }
    }
    return WELD_OK;
}
