/* Durations; see duration.h. */
#include "recipe/duration.h"

#include <string.h>

#include "base/locale.h"

bool weld_duration_read(const char *text, double *seconds) {
    static const char units[] = "dhms";
    static const double of_unit[] = {86400, 3600, 60, 1};
    *seconds = 0;
    if (text[strspn(text, "0123456789.dhms")]) { /* no signs, exponents or "inf" */
        return false;
    }
    while (*text) {
        char *end;
        const double value = weld_strtod(text, &end);
        const char *unit = end > text && *end ? strchr(units, *end) : NULL;
        if (!unit) {
            return false;
        }
        *seconds += value * of_unit[unit - units];
        text = end + 1;
    }
    return *seconds > 0 && *seconds < 1e9;
}
