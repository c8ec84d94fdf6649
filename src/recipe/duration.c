/* Durations; see duration.h. Numbers are read here: those of the C library depend on the locale. */
#include "recipe/duration.h"

#include <stddef.h>
#include <string.h>

/* Digits, perhaps with some behind a point; NULL: there are none. */
static const char *read_number(const char *text, double *value) {
    const char *p = text;
    double scale = 1;
    *value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        *value = *value * 10 + (*p - '0');
    }
    if (p == text) {
        return NULL;
    }
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++) {
            scale /= 10;
            *value += (*p - '0') * scale;
        }
    }
    return p;
}

bool weld_duration_read(const char *text, double *seconds) {
    static const char units[] = "dhms";
    static const double of_unit[] = {86400, 3600, 60, 1};
    double value;
    *seconds = 0;
    while (*text) {
        text = read_number(text, &value);
        const char *unit = text && *text ? strchr(units, *text) : NULL;
        if (!unit) {
            return false;
        }
        *seconds += value * of_unit[unit - units];
        text++;
    }
    return *seconds > 0 && *seconds < 1e9;
}
