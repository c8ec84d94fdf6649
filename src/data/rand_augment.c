/* RandAugment; see rand_augment.h. */
#include "data/rand_augment.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"

/* Magnitudes are tenths of an operation's range. */
#define MAGNITUDE_RANGE 10.0

/* --- The text --- */

typedef struct section {
    const char *key, *example;
    double low, high;
    bool whole;
} section;

enum {
    MAGNITUDE,
    COUNT,
    PROBABILITY,
    MAGNITUDE_STD,
    MAGNITUDE_MAX,
    INCREASING,
    WEIGHTED,
    SECTIONS
};
static const section sections[SECTIONS] = {[MAGNITUDE] = {"m", "9", 0, 100, true},
                                           [COUNT] = {"n", "2", 1, WELD_RAND_AUGMENT_KINDS, true},
                                           [PROBABILITY] = {"p", "0.5", 0, 1, false},
                                           [MAGNITUDE_STD] = {"mstd", "0.5", 0, INFINITY, false},
                                           [MAGNITUDE_MAX] = {"mmax", "10", 1, 100, true},
                                           [INCREASING] = {"inc", "1", 0, 1, true},
                                           [WEIGHTED] = {"w", "0", 0, 0, true}};

static void store(weld_rand_augment *r, int which, double value) {
    switch (which) {
    case MAGNITUDE:
        r->magnitude = (int)value;
        break;
    case COUNT:
        r->count = (int)value;
        break;
    case PROBABILITY:
        r->probability = value;
        break;
    case MAGNITUDE_STD:
        r->magnitude_std = value > 100 ? INFINITY : value;
        break;
    case MAGNITUDE_MAX:
        r->magnitude_max = (int)value;
        break;
    case INCREASING:
        r->increasing = value != 0;
        break;
    default:
        r->weighted = true;
    }
}

/* The section with the longest key that `text` begins with; SECTIONS: there is none. */
static int find_section(const char *text) {
    int found = SECTIONS;
    size_t longest = 0;
    for (int i = 0; i < SECTIONS; i++) {
        size_t length = strlen(sections[i].key);
        if (length > longest && strncmp(text, sections[i].key, length) == 0) {
            found = i;
            longest = length;
        }
    }
    return found;
}

/* A key with a number, which ends at `end`. */
static weld_status parse_section(const char *text, const char *end, bool seen[SECTIONS],
                                 weld_rand_augment *r, weld_error *err) {
    int size = (int)(end - text), which = find_section(text);
    if (which == SECTIONS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "'%.*s' is no section of RandAugment: give m, n, p, mstd, mmax, inc or w "
                         "with a number, as in rand-m9-mstd0.5-inc1",
                         size, text);
    }
    const section *s = &sections[which];
    const char *number = text + strlen(s->key);
    char *number_end;
    double value = weld_strtod(number, &number_end);
    bool begins = isdigit((unsigned char)*number) || *number == '.' || *number == 'i';
    if (!begins || number_end != end || (s->whole && value != floor(value))) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.*s': %s takes a %snumber, as in %s%s", size,
                         text, s->key, s->whole ? "whole " : "", s->key, s->example);
    }
    if (value < s->low || value > s->high) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.*s': %s must be in %g..%g", size, text,
                         s->key, s->low, s->high);
    }
    if (seen[which]) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "'%.*s': %s was given before", size, text,
                         s->key);
    }
    seen[which] = true;
    store(r, which, value);
    return WELD_OK;
}

/* Of w0, by kind; 0: never. */
static const double weights[WELD_RAND_AUGMENT_KINDS] = {
    [WELD_OPERATION_ROTATE] = 0.3,      [WELD_OPERATION_SHEAR_X] = 0.2,
    [WELD_OPERATION_SHEAR_Y] = 0.2,     [WELD_OPERATION_TRANSLATE_X] = 0.1,
    [WELD_OPERATION_TRANSLATE_Y] = 0.1, [WELD_OPERATION_COLOR] = 0.025,
    [WELD_OPERATION_SHARPNESS] = 0.025, [WELD_OPERATION_AUTO_CONTRAST] = 0.025,
    [WELD_OPERATION_SOLARIZE] = 0.005,  [WELD_OPERATION_SOLARIZE_ADD] = 0.005,
    [WELD_OPERATION_CONTRAST] = 0.005,  [WELD_OPERATION_BRIGHTNESS] = 0.005,
    [WELD_OPERATION_EQUALIZE] = 0.005};
enum { WEIGHTED_KINDS = WELD_RAND_AUGMENT_KINDS - 2 };

weld_status weld_rand_augment_parse(const char *text, weld_rand_augment *out, weld_error *err) {
    weld_rand_augment r = {
        .magnitude = 10, .count = 2, .magnitude_max = (int)MAGNITUDE_RANGE, .probability = 0.5};
    bool seen[SECTIONS] = {false};
    if (!*text || strcmp(text, "none") == 0) {
        *out = (weld_rand_augment){.count = 0};
        return WELD_OK;
    }
    const char *end = text + strcspn(text, "-");
    if (end - text != 4 || strncmp(text, "rand", 4) != 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "'%.40s': this version has RandAugment only: give rand with its sections, "
                         "as in rand-m9-mstd0.5-inc1, or none",
                         text);
    }
    while (*end) {
        const char *begin = end + 1;
        end = begin + strcspn(begin, "-");
        WELD_TRY(parse_section(begin, end, seen, &r, err));
    }
    if (r.weighted && r.count > WEIGHTED_KINDS) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "n%d: with w0 there are %d operations to draw",
                         r.count, WEIGHTED_KINDS);
    }
    *out = r;
    return WELD_OK;
}

/* --- Drawing --- */

static weld_operation_kind draw_weighted(weld_random *random, bool taken[WELD_RAND_AUGMENT_KINDS]) {
    double sum = 0;
    for (int i = 0; i < WELD_RAND_AUGMENT_KINDS; i++) {
        sum += taken[i] ? 0 : weights[i];
    }
    double draw = sum * weld_random_uniform(random);
    int chosen = 0;
    for (int i = 0; i < WELD_RAND_AUGMENT_KINDS; i++) {
        if (taken[i] || weights[i] == 0) {
            continue;
        }
        chosen = i; /* the last one too where rounding leaves something over */
        if (draw < weights[i]) {
            break;
        }
        draw -= weights[i];
    }
    taken[chosen] = true;
    return (weld_operation_kind)chosen;
}

static double draw_magnitude(const weld_rand_augment *r, weld_random *random) {
    double m = r->magnitude;
    if (isinf(r->magnitude_std)) {
        m = weld_random_range(random, 0, m);
    } else if (r->magnitude_std > 0) {
        m += r->magnitude_std * weld_random_normal(random);
    }
    return fmax(0, fmin(m, r->magnitude_max));
}

static double draw_sign(weld_random *random) {
    return weld_random_uniform(random) < 0.5 ? -1 : 1;
}

/* part: the magnitude as a part of the range. */
static double draw_argument(weld_operation_kind kind, double part, bool increasing,
                            weld_random *random) {
    switch (kind) {
    case WELD_OPERATION_POSTERIZE:
        return increasing ? 4 - (int)(part * 4) : (int)(part * 4);
    case WELD_OPERATION_SOLARIZE: {
        double threshold = fmin(256, (int)(part * 256));
        return increasing ? 256 - threshold : threshold;
    }
    case WELD_OPERATION_SOLARIZE_ADD:
        return fmin(128, (int)(part * 110));
    case WELD_OPERATION_COLOR:
    case WELD_OPERATION_CONTRAST:
    case WELD_OPERATION_BRIGHTNESS:
    case WELD_OPERATION_SHARPNESS:
        return increasing ? fmax(0.1, 1 + draw_sign(random) * (part * 0.9)) : part * 1.8 + 0.1;
    case WELD_OPERATION_ROTATE:
        return draw_sign(random) * (part * 30);
    case WELD_OPERATION_SHEAR_X:
    case WELD_OPERATION_SHEAR_Y:
        return draw_sign(random) * (part * 0.3);
    case WELD_OPERATION_TRANSLATE_X:
    case WELD_OPERATION_TRANSLATE_Y:
        return draw_sign(random) * (part * 0.45);
    default: /* takes none */
        return 0;
    }
}

static bool moves_pixels(weld_operation_kind kind) {
    return kind == WELD_OPERATION_ROTATE || kind >= WELD_OPERATION_SHEAR_X;
}

int weld_rand_augment_draw(const weld_rand_augment *r, weld_random *random,
                           weld_operation *operations) {
    bool taken[WELD_RAND_AUGMENT_KINDS] = {false};
    weld_operation_kind kinds[WELD_RAND_AUGMENT_KINDS];
    int applied = 0;
    for (int i = 0; i < r->count; i++) {
        kinds[i] = r->weighted
                       ? draw_weighted(random, taken)
                       : (weld_operation_kind)weld_random_below(random, WELD_RAND_AUGMENT_KINDS);
    }
    for (int i = 0; i < r->count; i++) {
        if (weld_random_uniform(random) >= r->probability) {
            continue;
        }
        weld_operation *o = &operations[applied++];
        double part = draw_magnitude(r, random) / MAGNITUDE_RANGE;
        *o = (weld_operation){.kind = kinds[i]};
        o->argument = draw_argument(o->kind, part, r->increasing, random);
        if (moves_pixels(o->kind)) {
            o->filter = weld_random_below(random, 2) ? WELD_BICUBIC : WELD_BILINEAR;
        }
    }
    return applied;
}
