/* Values of a struct as text, and back; see keys.h. Places are reached by memcpy, so that a struct
 * may also lie in bytes of no type, as a family's values do. */
#include "base/keys.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/number.h"
#include "base/text.h"

const weld_key *weld_key_find(const weld_key *keys, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static size_t place(const weld_key *key, int element) {
    return key->offset + (size_t)element * key->size;
}

static bool has_count(const weld_key *key) {
    return key->min_count < key->max_count;
}

/* --- Numbers --------------------------------------------------------------------------------- */

#define GET(type, from) (double)(*(const type *)memcpy(&(type){0}, from, sizeof(type)))
#define PUT(type, to, number) memcpy(to, &(type){(type)(number)}, sizeof(type))

double weld_key_number(const weld_key *key, const void *values, int element) {
    const char *from = (const char *)values + place(key, element);
    switch (key->type) {
    case WELD_KEY_INTEGER:
        return key->size == sizeof(int) ? GET(int, from) : GET(int64_t, from);
    case WELD_KEY_REAL:
        return key->size == sizeof(float) ? GET(float, from) : GET(double, from);
    case WELD_KEY_BOOL:
        return GET(bool, from);
    case WELD_KEY_CHOICE:
        return GET(int, from);
    case WELD_KEY_TEXT:
        break;
    }
    return 0;
}

void weld_key_set_number(const weld_key *key, void *values, int element, double number) {
    char *to = (char *)values + place(key, element);
    switch (key->type) {
    case WELD_KEY_INTEGER:
        key->size == sizeof(int) ? PUT(int, to, number) : PUT(int64_t, to, number);
        break;
    case WELD_KEY_REAL:
        key->size == sizeof(float) ? PUT(float, to, number) : PUT(double, to, number);
        break;
    case WELD_KEY_BOOL:
        PUT(bool, to, number != 0);
        break;
    case WELD_KEY_CHOICE:
        PUT(int, to, number);
        break;
    case WELD_KEY_TEXT:
        break;
    }
}

int weld_key_count(const weld_key *key, const void *values) {
    return has_count(key) ? (int)GET(int, (const char *)values + key->count_offset)
                          : key->max_count;
}

void weld_key_set_count(const weld_key *key, void *values, int count) {
    memset((char *)values + key->offset, 0, (size_t)key->max_count * key->size);
    if (has_count(key)) {
        PUT(int, (char *)values + key->count_offset, count);
    }
}

/* --- From text ------------------------------------------------------------------------------- */

static weld_status set_number(const weld_key *key, void *values, int element, const char *text,
                              weld_error *err) {
    char *end;
    bool whole = key->type == WELD_KEY_INTEGER;
    errno = 0;
    double number = whole ? (double)strtoll(text, &end, 10) : weld_strtod(text, &end);
    if (whole && *end && !text[strspn(text, "-.0123456789eE")]) { /* as ranges are told: 9e15 */
        number = weld_strtod(text, &end);
        end = floor(number) == number ? end : (char *)(uintptr_t)text;
    }
    if (end == text || *end || !isfinite(number)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.80s' is not a %s", text,
                         whole ? "whole number" : "number");
    }
    if (errno == ERANGE || number < key->min || number > key->max) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%.80s is out of range: give %.10g to %.10g",
                         text, key->min, key->max);
    }
    weld_key_set_number(key, values, element, number);
    return WELD_OK;
}

/* As YAML 1.1 has its words: true, True, TRUE. */
static bool is_word(const char *text, const char *word) {
    const size_t capitals = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return weld_strcasecmp(text, word) == 0 && (capitals <= 1 || capitals == strlen(word)) &&
           !text[capitals + strspn(text + capitals, "abcdefghijklmnopqrstuvwxyz")];
}

static weld_status set_bool(const weld_key *key, void *values, int element, const char *text,
                            weld_error *err) {
    static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};
    for (size_t i = 0; i < 6; i++) {
        if (is_word(text, words[i])) {
            weld_key_set_number(key, values, element, i >= 3);
            return WELD_OK;
        }
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.80s' is not true or false", text);
}

static weld_status set_choice(const weld_key *key, void *values, int element, const char *text,
                              weld_error *err) {
    char known[256] = "";
    for (int i = 0; key->choices[i]; i++) {
        const char *choice = key->choices[i];
        const bool boolean = strcmp(choice, "true") == 0 || strcmp(choice, "false") == 0;
        const bool synonym = key->synonyms && *text && strcmp(text, key->synonyms[i]) == 0;
        if (synonym || strcmp(text, choice) == 0 || (boolean && is_word(text, choice))) {
            weld_key_set_number(key, values, element, i);
            return WELD_OK;
        }
        weld_append(known, sizeof known, i ? ", %s" : "%s", choice);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.80s' is not known: this version has %s", text,
                     known);
}

static weld_status set_text(const weld_key *key, void *values, int element, const char *text,
                            weld_error *err) {
    size_t length = strlen(text);
    char *to = (char *)values + place(key, element);
    if (length >= key->size) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%zu bytes are too long: at most %zu fit",
                         length, key->size - 1);
    }
    memset(to, 0, key->size); /* so that equal structs are equal byte for byte */
    memcpy(to, text, length);
    return WELD_OK;
}

weld_status weld_key_set_element(const weld_key *key, void *values, int element, const char *text,
                                 weld_error *err) {
    static weld_status (*const set[])(const weld_key *, void *, int, const char *, weld_error *) = {
        [WELD_KEY_TEXT] = set_text, [WELD_KEY_INTEGER] = set_number, [WELD_KEY_REAL] = set_number,
        [WELD_KEY_BOOL] = set_bool, [WELD_KEY_CHOICE] = set_choice,
    };
    return set[key->type](key, values, element, text, err);
}

weld_status weld_key_set(const weld_key *key, void *values, const char *text, weld_error *err) {
    if (key->max_count == 1) {
        return weld_key_set_element(key, values, 0, text, err);
    }
    int count = *text != '\0';
    for (const char *at = text; (at = strchr(at, ',')); at++) {
        count++;
    }
    if (count < key->min_count || count > key->max_count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         has_count(key) ? "takes a list of %d to %d values"
                                        : "takes a list of %d values",
                         key->min_count, key->max_count);
    }
    weld_key_set_count(key, values, count);
    for (int i = 0; i < count; i++) {
        char element[128];
        text += strspn(text, " ");
        size_t length = strcspn(text, ", ");
        snprintf(element, sizeof element, "%.*s", (int)length, text);
        WELD_TRY(weld_key_set_element(key, values, i, element, err));
        text += strcspn(text, ",");
        text += *text == ',';
    }
    return WELD_OK;
}

void weld_keys_set_standard(const weld_key *keys, size_t count, void *values) {
    for (size_t i = 0; i < count; i++) {
        if (keys[i].standard) {
            weld_key_set(&keys[i], values, keys[i].standard, NULL);
        }
    }
}

/* --- To text --------------------------------------------------------------------------------- */

/* The shortest text that reads back to the same number: 100, 1.0e+09, as YAML 1.1 asks for a point
 * before an exponent. */
static void real_text(double value, bool single, char text[40]) {
    weld_number_text(value, single, 1, text);
    if (value == floor(value) && fabs(value) < 1e6) {
        weld_snprintf(text, 40, "%.0f", value);
        return;
    }
    char *exponent = strchr(text, 'e');
    if (exponent && !strchr(text, '.')) {
        memmove(exponent + 2, exponent, strlen(exponent) + 1);
        memcpy(exponent, ".0", 2);
    }
}

void weld_key_element_text(const weld_key *key, const void *values, int element, char *text,
                           size_t size) {
    double number = weld_key_number(key, values, element);
    char real[40];
    switch (key->type) {
    case WELD_KEY_TEXT:
        snprintf(text, size, "%s", (const char *)values + place(key, element));
        break;
    case WELD_KEY_INTEGER:
        weld_snprintf(text, size, "%.0f", number);
        break;
    case WELD_KEY_REAL:
        real_text(number, key->size == sizeof(float), real);
        if (key->flags & WELD_KEY_WHOLE && number == floor(number)) {
            weld_snprintf(real, sizeof real, "%.0f", number);
        }
        snprintf(text, size, "%s", real);
        break;
    case WELD_KEY_BOOL:
        snprintf(text, size, "%s", number != 0 ? "true" : "false");
        break;
    case WELD_KEY_CHOICE:
        snprintf(text, size, "%s", key->choices[(int)number]);
        break;
    }
}

const char *weld_key_text(const weld_key *key, const void *values, const char *between, char *text,
                          size_t size) {
    text[0] = 0;
    for (int element = 0; element < weld_key_count(key, values); element++) {
        weld_append(text, size, "%s", element ? between : "");
        size_t used = strlen(text);
        weld_key_element_text(key, values, element, text + used, size - used);
    }
    return text;
}

bool weld_key_equal(const weld_key *key, const void *a, const void *b) {
    int count = weld_key_count(key, a);
    const char *first = (const char *)a + key->offset, *second = (const char *)b + key->offset;
    return count == weld_key_count(key, b) && memcmp(first, second, (size_t)count * key->size) == 0;
}

/* --- Checking -------------------------------------------------------------------------------- */

static weld_status check_element(const weld_key *key, const void *values, int element,
                                 weld_error *err) {
    double number = weld_key_number(key, values, element), min = key->min, max = key->max;
    char where[16] = "";
    if (key->type == WELD_KEY_TEXT || key->type == WELD_KEY_BOOL) {
        return WELD_OK;
    }
    for (int i = 0; key->type == WELD_KEY_CHOICE && key->choices[i]; i++) {
        max = i;
    }
    if (number >= min && number <= max) {
        return WELD_OK;
    }
    if (key->max_count > 1) {
        snprintf(where, sizeof where, "[%d] ", element);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "%sis %.10g: it must be in %.10g..%.10g", where,
                     number, min, max);
}

weld_status weld_key_check(const weld_key *key, const void *values, weld_error *err) {
    int count = weld_key_count(key, values);
    if (count < key->min_count || count > key->max_count) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "has %d values: give %d to %d", count,
                         key->min_count, key->max_count);
    }
    for (int i = 0; i < count; i++) {
        WELD_TRY(check_element(key, values, i, err));
    }
    return WELD_OK;
}

const char *weld_key_title(const weld_key *key, char *text, size_t size) {
    snprintf(text, size, "%s", key->name);
    for (char *at = text; (at = strchr(at, '_'));) {
        *at = ' ';
    }
    return text;
}

const char *weld_key_names(const weld_key *keys, size_t count, unsigned flags, char *text,
                           size_t size) {
    enum { MAX_NAMED = 64 };
    const char *names[MAX_NAMED];
    size_t named = 0;
    for (size_t i = 0; i < count && named < MAX_NAMED; i++) {
        if (!flags || (keys[i].flags & flags)) {
            names[named++] = keys[i].name;
        }
    }
    return weld_list_text(text, size, names, named, " and ");
}
