/* What configs are asked for and told, whatever their family; see models.h. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models/models.h"

static weld_status find_key(const weld_model_config *config, const char *name, const weld_key **out,
                            weld_error *err) {
    char known[512];
    const weld_model_family *family = weld_family_find(config->name, NULL, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    *out = weld_key_find(family->keys, family->key_count, name);
    return *out
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NOT_FOUND, "%.80s: no key of %s, which has %s", name,
                           family->name,
                           weld_key_names(family->keys, family->key_count, 0, known, sizeof known));
}

weld_status weld_model_config_set(weld_model_config *config, const char *key, const char *text,
                                  weld_error *err) {
    const weld_key *row;
    WELD_TRY(find_key(config, key, &row, err));
    weld_model_config changed = *config;
    weld_status status = weld_key_set(row, changed.values, text, err);
    if (status) {
        return weld_fail_context(err, status, "%s", key);
    }
    *config = changed;
    return WELD_OK;
}

const char *weld_model_config_text(const weld_model_config *config, const char *key, char *text,
                                   size_t size) {
    const weld_key *row;
    return find_key(config, key, &row, NULL) ? NULL
                                             : weld_key_text(row, config->values, ", ", text, size);
}

int weld_model_config_numbers(const weld_model_config *config, const char *key, double *numbers,
                              int room) {
    const weld_key *row;
    if (find_key(config, key, &row, NULL)) {
        return -1;
    }
    int count = weld_key_count(row, config->values);
    for (int i = 0; i < count && i < room; i++) {
        numbers[i] = weld_key_number(row, config->values, i);
    }
    return count;
}

const weld_key *weld_family_next_key(const weld_model_family *family, const weld_key *key,
                                     unsigned flags) {
    for (key = key ? key + 1 : family->keys; key < family->keys + family->key_count; key++) {
        if (!flags || key->flags & flags) {
            return key;
        }
    }
    return NULL;
}

const weld_key *weld_model_difference(const weld_model_config *a, const weld_model_config *b,
                                      unsigned flags) {
    const weld_model_family *family = weld_family_of(a);
    const weld_key *key = weld_family_next_key(family, NULL, flags);
    while (key && weld_key_equal(key, a->values, b->values)) {
        key = weld_family_next_key(family, key, flags);
    }
    return key;
}

const char *weld_model_label_text(const weld_model_config *config, char *text, size_t size) {
    const weld_model_family *family = weld_family_of(config);
    text[0] = 0;
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, 0));) {
        if (key->label && weld_key_number(key, config->values, 0) != 0) {
            weld_append(text, size, ", %s", key->label);
        }
    }
    return text;
}

const weld_key *weld_model_second_head_key(const weld_model_config *config) {
    return weld_family_next_key(weld_family_of(config), NULL, WELD_KEY_SECOND_HEAD);
}

bool weld_model_has_second_head(const weld_model_config *config) {
    const weld_key *key = weld_model_second_head_key(config);
    return key && weld_key_number(key, config->values, 0) != 0;
}

void weld_model_set_second_head(weld_model_config *config, bool on) {
    const weld_key *key = weld_model_second_head_key(config);
    if (key) {
        weld_key_set_number(key, config->values, 0, on);
    }
}

/* --- Checking -------------------------------------------------------------------------------- */

bool weld_model_lists_agree(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    int length = -1;
    bool agree = true;
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, WELD_KEY_SIZE));) {
        if (key->min_count < key->max_count) {
            int count = weld_key_count(key, config->values);
            agree = agree && (length < 0 || count == length);
            length = count;
        }
    }
    return agree;
}

const char *weld_model_list_names(const weld_model_config *config, char *text, size_t size) {
    const weld_model_family *family = weld_family_of(config);
    const char *names[16];
    size_t count = 0;
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, WELD_KEY_SIZE));) {
        if (key->min_count < key->max_count && count < 16) {
            names[count++] = key->name;
        }
    }
    return weld_list_text(text, size, names, count, " and ");
}

static weld_status check(const weld_model_family *family, const weld_model_config *config,
                         const weld_key **blamed, weld_error *err) {
    const char *name = NULL;
    char names[256];
    for (const weld_key *key = NULL; (key = weld_family_next_key(family, key, 0));) {
        *blamed = key;
        WELD_TRY(weld_key_check(key, config->values, err));
    }
    *blamed = NULL;
    if (!weld_model_lists_agree(config)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s must be lists of the same length",
                         weld_model_list_names(config, names, sizeof names));
    }
    weld_status status = family->check ? family->check(config, &name, err) : WELD_OK;
    *blamed = name ? weld_key_find(family->keys, family->key_count, name) : NULL;
    return status;
}

weld_status weld_model_config_check(const weld_model_config *config, const weld_key **key,
                                    weld_error *err) {
    const weld_key *blamed = NULL;
    weld_error reason = {.message = ""};
    const weld_model_family *family = weld_family_find(config->name, NULL, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    weld_status status = check(family, config, &blamed, &reason);
    if (key) {
        *key = blamed;
    }
    /* "channels[2] is 0: ...", "stem_stride is 3: ..." */
    const char *name = blamed && !key ? blamed->name : "";
    const char *gap = *name && *reason.message != '[' ? " " : "";
    return status ? weld_fail(err, status, "%s%s%s", name, gap, reason.message) : WELD_OK;
}
