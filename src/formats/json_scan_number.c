/* Numbers of JSON that is scanned, true, false and null; see json_scan.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/locale.h"
#include "formats/json_scan_window.h"

enum { NUMBER = 400 /* characters */ };

static bool is_number_character(int c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static double take_named(weld_scan *s) {
    static const struct {
        const char *name;
        double value;
    } named[] = {{"NaN", NAN}, {"Infinity", INFINITY}};
    char word[12] = "";
    for (size_t i = 0; i < sizeof word - 1; i++) {
        const int c = weld_scan_character(s);
        if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z')) {
            break;
        }
        word[i] = (char)c;
        s->next++;
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (strcmp(word, named[i].name) == 0) {
            return named[i].value;
        }
    }
    weld_scan_fail(s, "a number is expected, not %s", word);
    return 0;
}

/* Of up to 15 digits, with up to 22 decimals: the double nearest to it, by one exact division. */
static bool read_plain(const char *text, double *out) {
    static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const bool negative = *text == '-';
    int64_t digits = 0;
    int count = 0, decimals = -1;
    for (text += negative; *text; text++) {
        if (*text == '.' && decimals < 0 && count > 0) {
            decimals = 0;
        } else if (*text >= '0' && *text <= '9' && count < 15) {
            digits = digits * 10 + (*text - '0');
            count++;
            decimals += decimals >= 0;
        } else {
            return false;
        }
    }
    *out = (double)digits / powers[decimals > 0 ? decimals : 0];
    *out = negative ? -*out : *out;
    return count > 0 && decimals != 0;
}

/* The characters of the number that is next, and its value. */
static double take_number(weld_scan *s, char text[NUMBER + 1]) {
    size_t length = 0;
    int c = weld_scan_past_space(s);
    *text = 0;
    if (weld_scan_peek(s) != WELD_SCAN_NUMBER) {
        weld_scan_expected(s, "a number");
        return 0;
    }
    if (c == 'N' || c == 'I') {
        return take_named(s);
    }
    while (is_number_character(c = weld_scan_character(s)) && length < NUMBER) {
        text[length++] = (char)c;
        s->next++;
    }
    text[length] = 0;
    if (length == 1 && *text == '-' && c == 'I') {
        return -take_named(s);
    }
    double value = 0;
    char *end = text;
    if (!read_plain(text, &value)) {
        value = weld_strtod(text, &end);
        if (end == text || *end) {
            weld_scan_fail(s, "not a number: %.40s", text);
        }
    }
    return s->status ? 0 : value;
}

double weld_scan_number(weld_scan *s) {
    char text[NUMBER + 1];
    return take_number(s, text);
}

/* Digits alone are exact beyond what a double is. */
int64_t weld_scan_int(weld_scan *s) {
    const double most = 9007199254740992.0; /* 2^53: from it on a double may be another number */
    char text[NUMBER + 1], *end;
    const double value = take_number(s, text);
    if (s->status) {
        return 0;
    }
    errno = 0;
    const long long whole = strtoll(text, &end, 10);
    if (*text && !*end && !errno) {
        return whole;
    }
    if (!(value > -most && value < most) || floor(value) != value) {
        weld_scan_fail(s, "a whole number%s is expected, not %.15g",
                       fabs(value) >= most ? " below 2^63, of digits alone above 2^53," : "",
                       value);
        return 0;
    }
    return (int64_t)value;
}

bool weld_scan_is_whole(weld_scan *s, int64_t *whole, double *value) {
    char text[NUMBER + 1], *end;
    *value = take_number(s, text);
    if (!s->status && !*text) { /* by name */
        weld_scan_fail(s, "a number is expected, not NaN or Infinity");
    } else if (!s->status && !isfinite(*value)) {
        weld_scan_fail(s, "a number that is too large: %.40s", text);
    }
    errno = 0;
    *whole = strtoll(text, &end, 10);
    if (!s->status && !*end && errno) {
        weld_scan_fail(s, "a whole number of more than 64 bits: %.40s", text);
    }
    return !*end;
}

char weld_scan_word(weld_scan *s) {
    static const char *const words[] = {"true", "false", "null"};
    const int first = weld_scan_past_space(s);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (first == words[i][0]) {
            for (const char *c = words[i]; *c; c++, s->next++) {
                if (weld_scan_character(s) != *c) {
                    weld_scan_expected(s, words[i]);
                    return 0;
                }
            }
            return words[i][0];
        }
    }
    weld_scan_expected(s, "a value");
    return 0;
}

bool weld_scan_null(weld_scan *s) {
    return weld_scan_past_space(s) == 'n' && weld_scan_word(s);
}
