/* Numbers as text; see number.h. */
#include "base/number.h"

#include <stdio.h>

#include "base/locale.h"

const char *weld_number_text(double value, bool single, int digits, char text[WELD_NUMBER_SIZE]) {
    for (const int most = single ? 9 : 17; digits <= most; digits++) {
        weld_snprintf(text, WELD_NUMBER_SIZE, "%.*g", digits, value);
        if (single ? weld_strtof(text, NULL) == (float)value : weld_strtod(text, NULL) == value) {
            break;
        }
    }
    return text;
}

const char *weld_percent_text(double share, char text[WELD_NUMBER_SIZE]) {
    const double percent = 100 * share;
    const bool tiny = percent > 0 && percent < 1e-3;
    weld_snprintf(text, WELD_NUMBER_SIZE,
                  tiny                             ? "less than 0.001 %%"
                  : percent >= 1 && percent != 100 ? "%.1f %%"
                  : percent == 100                 ? "%.0f %%"
                                                   : "%.2g %%",
                  percent);
    return text;
}
