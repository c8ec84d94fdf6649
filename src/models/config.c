/* What configs are asked for and told, whatever their family; see models.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
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

/* For all keys that have one of the flags, or for those that have none. */
static bool same(const weld_model_config *a, const weld_model_config *b, unsigned flags,
                 bool flagged) {
    const weld_model_family *family = weld_family_of(a);
    bool all = family && family == weld_family_of(b);
    for (size_t i = 0; all && i < family->key_count; i++) {
        all = ((family->keys[i].flags & flags) != 0) != flagged ||
              weld_key_equal(&family->keys[i], a->values, b->values);
    }
    return all;
}

bool weld_model_config_same(const weld_model_config *a, const weld_model_config *b,
                            unsigned flags) {
    return same(a, b, flags, true);
}

bool weld_model_config_same_but(const weld_model_config *a, const weld_model_config *b,
                                unsigned flags) {
    return same(a, b, flags, false);
}

void weld_model_config_take(weld_model_config *to, const weld_model_config *from, unsigned flags) {
    const weld_model_family *family = weld_family_of(to);
    for (size_t i = 0; family && family == weld_family_of(from) && i < family->key_count; i++) {
        const weld_key *key = &family->keys[i];
        if (key->flags & flags) {
            int count = weld_key_count(key, from->values);
            weld_key_set_count(key, to->values, count);
            memcpy(to->values + key->offset, from->values + key->offset, (size_t)count * key->size);
        }
    }
}

bool weld_model_has_no_sizes(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    bool none = true;
    for (size_t i = 0; family && i < family->key_count; i++) {
        none = none && (!(family->keys[i].flags & WELD_KEY_SIZE) ||
                        weld_key_is_empty(&family->keys[i], config->values));
    }
    return none;
}

const char *weld_model_label_text(const weld_model_config *config, char *text, size_t size) {
    const weld_model_family *family = weld_family_of(config);
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; family && i < family->key_count && used < size; i++) {
        const weld_key *key = &family->keys[i];
        if (key->label && weld_key_number(key, config->values, 0) != 0) {
            used += (size_t)snprintf(text + used, size - used, ", %s", key->label);
        }
    }
    return text;
}

const weld_key *weld_model_second_head_key(const weld_model_config *config) {
    const weld_model_family *family = weld_family_of(config);
    for (size_t i = 0; family && i < family->key_count; i++) {
        if (family->keys[i].flags & WELD_KEY_SECOND_HEAD) {
            return &family->keys[i];
        }
    }
    return NULL;
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
    for (size_t i = 0; family && i < family->key_count; i++) {
        const weld_key *key = &family->keys[i];
        if ((key->flags & WELD_KEY_SIZE) && key->min_count < key->max_count) {
            int count = weld_key_count(key, config->values);
            agree = agree && (length < 0 || count == length);
            length = count;
        }
    }
    return agree;
}

static weld_status check(const weld_model_family *family, const weld_model_config *config,
                         const weld_key **key, weld_error *err) {
    const char *name = NULL;
    *key = NULL;
    for (size_t i = 0; i < family->key_count; i++) {
        weld_status status = weld_key_check(&family->keys[i], config->values, err);
        if (status) {
            *key = &family->keys[i];
            return status;
        }
    }
    if (!weld_model_lists_agree(config)) {
        char names[256];
        return weld_fail(
            err, WELD_ERROR_ARGUMENT, "%s must be lists of the same length",
            weld_key_names(family->keys, family->key_count, WELD_KEY_SIZE, names, sizeof names));
    }
    weld_status status = family->check ? family->check(config, &name, err) : WELD_OK;
    *key = name ? weld_key_find(family->keys, family->key_count, name) : NULL;
    return status;
}

weld_status weld_model_config_check(const weld_model_config *config, const weld_key **key,
                                    weld_error *err) {
    const weld_key *blamed;
    const weld_model_family *family = weld_family_find(config->name, NULL, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    weld_error reason = {.message = ""};
    weld_status status = check(family, config, &blamed, &reason);
    if (status && key) {
        *key = blamed;
        return weld_fail(err, status, "%s", reason.message);
    }
    if (status) { /* "channels[2] is 0: ...", "stem_stride is 3: ..." */
        const char *gap = !blamed || *reason.message == '[' ? "" : " ";
        return weld_fail(err, status, "%s%s%s", blamed ? blamed->name : "", gap, reason.message);
    }
    return WELD_OK;
}
