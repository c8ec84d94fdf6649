/* Numbers as text; see number.h. */
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

const char *weld_number_text(double value, bool single, int digits, char text[WELD_NUMBER_SIZE]) {
    for (const int most = single ? 9 : 17; digits <= most; digits++) {
        snprintf(text, WELD_NUMBER_SIZE, "%.*g", digits, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value) {
            break;
        }
    }
    return text;
}
