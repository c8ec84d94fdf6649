/* Strings of JSON that is scanned; see json_scan.h. */
#include <string.h>

#include "base/error.h"
#include "formats/json_scan_window.h"

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
        const int digit = hex_digit(weld_scan_character(s));
        if (digit < 0) {
            weld_scan_expected(s, "a hexadecimal digit");
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
        if (weld_scan_character(s) != '\\') {
            weld_scan_fail(s, "half of a character: the other half must follow");
            return;
        }
        s->next++;
        if (weld_scan_character(s) != 'u') {
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
    const int c = weld_scan_character(s);
    const char *at = c > 0 ? strchr(from, c) : NULL;
    if (!at && c != 'u') {
        weld_scan_expected(s, "one of \"\\/bfnrtu");
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

const char *weld_scan_string(weld_scan *s) {
    s->text.bytes.count = 0;
    if (!weld_scan_take(s, '"', "a text in quotes")) {
        return "";
    }
    int c;
    while ((c = weld_scan_character(s)) >= ' ' && c != '"' && s->text.bytes.count < s->longest) {
        if (c == '\\') {
            s->next++;
            take_escape(s);
        } else {
            take_run(s);
        }
    }
    if (s->text.bytes.count >= s->longest) {
        weld_scan_fail(s, "a text of more than %zu bytes", s->longest);
    } else if (c != '"') {
        weld_scan_expected(s, "the end of a text");
    }
    if (!s->status && !weld_is_utf8(s->text.bytes.data, s->text.bytes.count)) {
        weld_scan_fail(s, "a text that is not UTF-8 ends here: save the file as UTF-8");
    }
    s->next += !s->status;
    const char *text = weld_text_get(&s->text);
    if (s->text.failed && !s->status) {
        s->status = weld_fail_memory(s->err, s->path);
    }
    return s->status ? "" : text;
}
