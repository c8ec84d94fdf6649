/* JSON as a stream; see json_scan.h. */
#include "formats/json_scan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/file.h"

enum {
    WINDOW = 1 << 18,  /* bytes in memory */
    LONGEST = 1 << 20, /* of a string: paths and names are shorter */
    NUMBER = 400,      /* characters of a number */
    DEPTH = 512        /* of brackets within a value that is skipped */
};

struct weld_scan {
    const char *path;
    weld_error *err; /* may be NULL */
    weld_status status;
    int descriptor;
    uint64_t size, at; /* of the file; of window[0] in it */
    size_t next, filled;
    bool first; /* the next key or element is the first of its object or list */
    weld_text text;
    unsigned char window[WINDOW];
};

void weld_scan_close(weld_scan *s) {
    if (s) {
        close(s->descriptor);
        weld_text_free(&s->text);
        weld_free(s);
    }
}

weld_status weld_scan_status(const weld_scan *s) {
    return s->status;
}

void weld_scan_fail(weld_scan *s, const char *format, ...) {
    char text[400];
    va_list args;
    if (s->status) {
        return;
    }
    va_start(args, format);
    weld_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->status = weld_fail(s->err, WELD_ERROR_FORMAT, "%s: offset %llu: %s", s->path,
                          (unsigned long long)(s->at + s->next), text);
}

/* --- Characters --- */

/* The next part of the file; false at its end and after errors. */
static bool refill(weld_scan *s) {
    const uint64_t at = s->at + s->filled, left = s->size - at;
    if (s->status || left == 0) {
        return false;
    }
    const size_t bytes = left < WINDOW ? (size_t)left : WINDOW;
    s->status = weld_file_read_at(s->descriptor, s->path, s->window, bytes, at, s->err);
    s->at = at;
    s->next = 0;
    s->filled = s->status ? 0 : bytes;
    return !s->status;
}

weld_status weld_scan_open(const char *path, weld_scan **out, weld_error *err) {
    weld_scan *s = weld_alloc_raw(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, path);
    }
    s->path = path;
    s->err = err;
    s->status = WELD_OK;
    s->at = 0;
    s->next = s->filled = 0;
    s->first = false;
    s->text = WELD_TEXT;
    const weld_status status = weld_file_open(path, &s->descriptor, &s->size, err);
    if (status) {
        weld_free(s);
        return status;
    }
    if (refill(s) && s->filled >= 3 && memcmp(s->window, "\xef\xbb\xbf", 3) == 0) {
        s->next = 3; /* a mark of UTF-8 */
    }
    *out = s;
    return WELD_OK;
}

/* The next character, without taking it; -1: the end, or an error. */
static inline int peek(weld_scan *s) {
    return s->next < s->filled || refill(s) ? s->window[s->next] : -1;
}

static inline int peek_past_space(weld_scan *s) {
    int c;
    while ((c = peek(s)) == ' ' || c == '\n' || c == '\r' || c == '\t') {
        s->next++;
    }
    return s->status ? -1 : c;
}

static void expected(weld_scan *s, const char *what) {
    const int c = peek(s);
    if (c < 0) {
        weld_scan_fail(s, "the file ends where %s is expected: it was cut", what);
    } else if (c > ' ' && c < 127) {
        weld_scan_fail(s, "%s is expected, not '%c'", what, c);
    } else {
        weld_scan_fail(s, "%s is expected, not the byte 0x%02x", what, (unsigned)c);
    }
}

static bool take(weld_scan *s, int c, const char *what) {
    if (peek_past_space(s) != c) {
        expected(s, what);
        return false;
    }
    s->next++;
    return true;
}

weld_scan_kind weld_scan_peek(weld_scan *s) {
    const int c = peek_past_space(s);
    switch (c) {
    case '{':
        return WELD_SCAN_OBJECT;
    case '[':
        return WELD_SCAN_LIST;
    case '"':
        return WELD_SCAN_STRING;
    case 't':
    case 'f':
    case 'n':
        return WELD_SCAN_WORD;
    default:
        return (c >= '0' && c <= '9') || c == '-' || c == 'N' || c == 'I' ? WELD_SCAN_NUMBER
                                                                          : WELD_SCAN_NOTHING;
    }
}

/* --- Strings --- */

static int hex_digit(int c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hexadecimal digits, or -1. */
static int take_unit(weld_scan *s) {
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(peek(s));
        if (digit < 0) {
            expected(s, "a hexadecimal digit");
            return -1;
        }
        unit = unit * 16 + digit;
        s->next++;
    }
    return unit;
}

static void add_code(weld_scan *s, unsigned code) {
    char bytes[4];
    size_t count = 0;
    if (code < 0x80) {
        bytes[count++] = (char)code;
    } else if (code < 0x800) {
        bytes[count++] = (char)(0xC0 | code >> 6);
        bytes[count++] = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        bytes[count++] = (char)(0xE0 | code >> 12);
        bytes[count++] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[count++] = (char)(0x80 | (code & 0x3F));
    } else {
        bytes[count++] = (char)(0xF0 | code >> 18);
        bytes[count++] = (char)(0x80 | (code >> 12 & 0x3F));
        bytes[count++] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[count++] = (char)(0x80 | (code & 0x3F));
    }
    weld_text_add_bytes(&s->text, bytes, count);
}

/* Behind "\u". */
static void take_code(weld_scan *s) {
    int code = take_unit(s);
    if (code >= 0xD800 && code < 0xDC00) {
        if (peek(s) != '\\') {
            weld_scan_fail(s, "half of a character: the other half must follow");
            return;
        }
        s->next++;
        if (peek(s) != 'u') {
            weld_scan_fail(s, "half of a character: the other half must follow");
            return;
        }
        s->next++;
        const int low = take_unit(s);
        code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                                             : 0xDC00;
    }
    if (code == 0 || (code >= 0xDC00 && code < 0xE000)) {
        weld_scan_fail(s, code ? "half of a character: the other half is missing"
                               : "a zero character within a text");
    } else if (code > 0) {
        add_code(s, (unsigned)code);
    }
}

static void take_escape(weld_scan *s) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const int c = peek(s);
    const char *at = c > 0 ? strchr(from, c) : NULL;
    if (!at && c != 'u') {
        expected(s, "one of \"\\/bfnrtu");
        return;
    }
    s->next++;
    if (at) {
        weld_text_add_bytes(&s->text, &to[at - from], 1);
    } else {
        take_code(s);
    }
}

/* Characters up to the next quote, backslash or the window's end. */
static void take_run(weld_scan *s) {
    const size_t begin = s->next;
    while (s->next < s->filled && s->window[s->next] != '"' && s->window[s->next] != '\\' &&
           s->window[s->next] >= ' ') {
        s->next++;
    }
    weld_text_add_bytes(&s->text, (const char *)s->window + begin, s->next - begin);
}

/* Of UTF-8: bytes that are well formed, the shortest of their code, and no halves. */
static bool is_utf8(const unsigned char *c, size_t count) {
    for (size_t i = 0; i < count;) {
        const unsigned lead = c[i];
        const size_t more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : 3;
        unsigned code = more == 0 ? lead : lead & (0x3FU >> more);
        if ((more == 3 && lead >> 3 != 30) || i + more >= count) {
            return false;
        }
        for (size_t k = 1; k <= more; k++) {
            if (c[i + k] >> 6 != 2) {
                return false;
            }
            code = code << 6 | (c[i + k] & 0x3F);
        }
        static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

const char *weld_scan_string(weld_scan *s) {
    s->text.bytes.count = 0;
    if (!take(s, '"', "a text in quotes")) {
        return "";
    }
    int c;
    while ((c = peek(s)) >= ' ' && c != '"' && s->text.bytes.count < LONGEST) {
        if (c == '\\') {
            s->next++;
            take_escape(s);
        } else {
            take_run(s);
        }
    }
    if (s->text.bytes.count >= LONGEST) {
        weld_scan_fail(s, "a text of more than %d bytes", LONGEST);
    } else if (c != '"') {
        expected(s, "the end of a text");
    }
    if (!s->status && !is_utf8(s->text.bytes.data, s->text.bytes.count)) {
        weld_scan_fail(s, "a text that is not UTF-8 ends here: save the file as UTF-8");
    }
    s->next += !s->status;
    const char *text = weld_text_get(&s->text);
    if (s->text.failed && !s->status) {
        s->status = weld_fail_memory(s->err, s->path);
    }
    return s->status ? "" : text;
}

/* --- Numbers and words --- */

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
        const int c = peek(s);
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

double weld_scan_number(weld_scan *s) {
    char text[NUMBER + 1];
    size_t length = 0;
    int c = peek_past_space(s);
    if (weld_scan_peek(s) != WELD_SCAN_NUMBER) {
        expected(s, "a number");
        return 0;
    }
    if (c == 'N' || c == 'I') {
        return take_named(s);
    }
    while (is_number_character(c = peek(s)) && length < NUMBER) {
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

int64_t weld_scan_int(weld_scan *s) {
    const double most = 9007199254740992.0; /* 2^53: whole numbers are exact up to it */
    const double value = weld_scan_number(s);
    if (!s->status && (!(value >= -most && value <= most) || floor(value) != value)) {
        weld_scan_fail(s, "a whole number is expected");
    }
    return s->status ? 0 : (int64_t)value;
}

/* true, false or null: t, f, n; 0: an error. */
static char take_word(weld_scan *s) {
    static const char *const words[] = {"true", "false", "null"};
    const int first = peek_past_space(s);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (first == words[i][0]) {
            for (const char *c = words[i]; *c; c++, s->next++) {
                if (peek(s) != *c) {
                    expected(s, words[i]);
                    return 0;
                }
            }
            return words[i][0];
        }
    }
    expected(s, "a value");
    return 0;
}

bool weld_scan_flag(weld_scan *s) {
    return weld_scan_peek(s) == WELD_SCAN_NUMBER ? weld_scan_number(s) != 0 : take_word(s) == 't';
}

/* --- Objects and lists --- */

void weld_scan_object(weld_scan *s) {
    take(s, '{', "an object, {...},");
    s->first = true;
}

void weld_scan_list(weld_scan *s) {
    take(s, '[', "a list, [...],");
    s->first = true;
}

/* Is there another, behind the comma that is between two? */
static bool go_on(weld_scan *s, int end, const char *what) {
    const bool first = s->first;
    const int c = peek_past_space(s);
    s->first = false;
    if (c == end) {
        s->next++;
        return false;
    }
    return first ? !s->status : take(s, ',', what);
}

const char *weld_scan_key(weld_scan *s) {
    if (!go_on(s, '}', "a comma or }")) {
        return NULL;
    }
    weld_scan_string(s);
    take(s, ':', "a colon");
    return s->status ? NULL : weld_text_get(&s->text);
}

bool weld_scan_element(weld_scan *s) {
    return go_on(s, ']', "a comma or ]") && !s->status;
}

/* A text that is not kept. */
static void skip_string(weld_scan *s) {
    int c;
    for (s->next++; (c = peek(s)) >= 0 && c != '"'; s->next++) {
        if (c == '\\') {
            s->next++;
            if (peek(s) < 0) {
                break;
            }
        }
    }
    if (c == '"' && !s->status) {
        s->next++;
    } else {
        expected(s, "the end of a text");
    }
}

/* From an opening bracket to its counterpart. */
static void skip_brackets(weld_scan *s) {
    char closing[DEPTH];
    int depth = 0, c;
    while ((c = peek(s)) >= 0) {
        if (c == '"') {
            skip_string(s);
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == DEPTH) {
                weld_scan_fail(s, "brackets more than %d deep", DEPTH);
                return;
            }
            closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closing[--depth] != c) {
                weld_scan_fail(s, "'%c' is expected, not '%c'", closing[depth], c);
                return;
            }
        }
        s->next++;
        if (depth == 0) {
            return;
        }
    }
    expected(s, "a closing bracket");
}

void weld_scan_skip(weld_scan *s) {
    switch (weld_scan_peek(s)) {
    case WELD_SCAN_OBJECT:
    case WELD_SCAN_LIST:
        skip_brackets(s);
        break;
    case WELD_SCAN_STRING:
        skip_string(s);
        break;
    case WELD_SCAN_NUMBER:
        weld_scan_number(s);
        break;
    case WELD_SCAN_WORD:
        take_word(s);
        break;
    default:
        expected(s, "a value");
    }
}

void weld_scan_end(weld_scan *s) {
    if (peek_past_space(s) >= 0) {
        weld_scan_fail(s, "something follows the end of the value");
    }
}

uint64_t weld_scan_tell(weld_scan *s) {
    peek_past_space(s);
    return s->at + s->next;
}

void weld_scan_seek(weld_scan *s, uint64_t offset) {
    s->first = false;
    if (offset >= s->at && offset - s->at <= s->filled) {
        s->next = (size_t)(offset - s->at);
        return;
    }
    s->at = offset < s->size ? offset : s->size;
    s->next = s->filled = 0;
}
