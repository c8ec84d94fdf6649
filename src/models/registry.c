/* The registry of networks: families, their variants and their namings, by name. */
#include "models/models.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum { USUAL_CLASSES = 1000 };

static const weld_model_variant *variant_at(size_t i) {
    for (size_t f = 0; f < weld_family_count; f++) {
        if (i < weld_families[f]->variant_count) {
            return &weld_families[f]->variants[i];
        }
        i -= weld_families[f]->variant_count;
    }
    return NULL;
}

const char *weld_model_name(size_t i) {
    const weld_model_variant *variant = variant_at(i);
    return variant ? variant->name : NULL;
}

/* The family that the name begins with, the longest; NULL: none. */
static const weld_model_family *family_meant(const char *name) {
    const weld_model_family *best = NULL;
    for (size_t f = 0; f < weld_family_count; f++) {
        const weld_model_family *family = weld_families[f];
        if (!family->in_files_alone && strncmp(name, family->name, strlen(family->name)) == 0 &&
            (!best || strlen(family->name) > strlen(best->name))) {
            best = family;
        }
    }
    return best;
}

/* All names would be more than a message holds: those of the family that was meant, or families. */
static void fail_unknown(const char *name, weld_error *err) {
    char known[WELD_ERROR_MESSAGE_SIZE] = "";
    const weld_model_family *family = family_meant(name);
    for (size_t i = 0; family && i < family->variant_count; i++) {
        weld_append(known, sizeof known, "%s, ", family->variants[i].name);
    }
    for (size_t f = 0; !family && f < weld_family_count; f++) {
        if (!weld_families[f]->in_files_alone) {
            weld_append(known, sizeof known, "%s%s", *known ? ", " : "", weld_families[f]->name);
        }
    }
    weld_fail(err, WELD_ERROR_NOT_FOUND,
              family ? "model '%.80s': no such name: take one of %s%s"
                     : "model '%.80s': no such name: the families are %s%s (weld models lists "
                       "their networks)",
              name, known, family ? family->name : "");
}

/* The family's name, and of one in files alone a title behind it. */
static bool is_name_of(const weld_model_family *family, const char *name) {
    const size_t length = strlen(family->name);
    return strcmp(family->name, name) == 0 ||
           (family->in_files_alone && strncmp(family->name, name, length) == 0 &&
            name[length] == ':');
}

const weld_model_family *weld_family_find(const char *name, const weld_model_variant **variant,
                                          weld_error *err) {
    const weld_model_variant *unwanted;
    variant = variant ? variant : &unwanted;
    *variant = NULL;
    for (size_t f = 0; f < weld_family_count; f++) {
        if (is_name_of(weld_families[f], name)) {
            return weld_families[f];
        }
        for (size_t i = 0; i < weld_families[f]->variant_count; i++) {
            if (strcmp(weld_families[f]->variants[i].name, name) == 0) {
                *variant = &weld_families[f]->variants[i];
                return weld_families[f];
            }
        }
    }
    fail_unknown(name, err);
    return NULL;
}

const weld_model_family *weld_family_of(const weld_model_config *config) {
    return weld_family_find(config->name, NULL, NULL);
}

bool weld_model_is_in_files_alone(const weld_model_config *config) {
    return weld_family_of(config)->in_files_alone;
}

bool weld_model_is_variant(const char *name) {
    const weld_model_variant *variant;
    return weld_family_find(name, &variant, NULL) && variant;
}

weld_status weld_model_config_named(const char *name, weld_model_config *out, weld_error *err) {
    const weld_model_variant *variant;
    const weld_model_family *family = weld_family_find(name, &variant, err);
    if (!family) {
        return WELD_ERROR_NOT_FOUND;
    }
    if (family->in_files_alone) {
        fail_unknown(name, err);
        return WELD_ERROR_NOT_FOUND;
    }
    *out = (weld_model_config){.num_classes =
                                   family->usual_classes ? family->usual_classes : USUAL_CLASSES};
    snprintf(out->name, sizeof out->name, "%s", name);
    if (variant) {
        memcpy(out->values, variant->values, family->values_size);
    } else {
        weld_keys_set_standard(family->keys, family->key_count, out->values);
    }
    return WELD_OK;
}

/* --- Namings --------------------------------------------------------------------------------- */

const weld_naming *weld_model_find_naming(const weld_model_config *config, const char *name,
                                          weld_error *err) {
    const weld_model_family *family = weld_family_of(config);
    const char *known[WELD_MAX_NAMINGS];
    char text[256];
    for (size_t i = 0; i < family->naming_count; i++) {
        known[i] = family->namings[i].name;
        if (!name || strcmp(known[i], name) == 0) {
            return &family->namings[i];
        }
    }
    weld_fail(err, WELD_ERROR_NOT_FOUND, "names '%.80s': %s has %s", name, family->name,
              weld_list_text(text, sizeof text, known, family->naming_count, ", "));
    return NULL;
}

/* Has one of the first families a naming of that name? */
static bool is_known_before(size_t family, const char *name) {
    for (size_t f = 0; f < family; f++) {
        for (size_t i = 0; i < weld_families[f]->naming_count; i++) {
            if (strcmp(weld_families[f]->namings[i].name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool weld_naming_is_known(const char *name) {
    return is_known_before(weld_family_count, name);
}

const char *weld_naming_list(char *text, size_t size) {
    const char *names[64];
    size_t count = 0;
    for (size_t f = 0; f < weld_family_count; f++) {
        for (size_t i = 0; i < weld_families[f]->naming_count && count < 64; i++) {
            names[count] = weld_families[f]->namings[i].name;
            count += !is_known_before(f, names[count]);
        }
    }
    return weld_list_text(text, size, names, count, " or ");
}
