/* Text that is put together; see text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/locale.h"

void weld_text_add_bytes(weld_text *t, const char *bytes, size_t count) {
    t->failed = t->failed || !weld_array_append(&t->bytes, bytes, count);
}

void weld_text_add(weld_text *t, const char *piece) {
    weld_text_add_bytes(t, piece, strlen(piece));
}

void weld_text_format(weld_text *t, const char *format, ...) {
    char piece[256];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    weld_text_add(t, piece);
}

void weld_text_add_printable(weld_text *t, const char *name) {
    for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
        const char c = (char)(*at < ' ' || *at == 127 ? '?' : *at);
        weld_text_add_bytes(t, &c, 1);
    }
}

void weld_text_add_field(weld_text *t, const char *name) {
    if (!strpbrk(name, ",\"\r\n")) {
        weld_text_add(t, name);
        return;
    }
    weld_text_add(t, "\"");
    for (const char *at = name; *at;) {
        size_t plain = strcspn(at, "\"");
        weld_text_add_bytes(t, at, plain);
        at += plain;
        if (*at) {
            weld_text_add(t, "\"\"");
            at++;
        }
    }
    weld_text_add(t, "\"");
}

const char *weld_text_get(weld_text *t) {
    weld_text_add_bytes(t, "", 1);
    if (t->failed) {
        return "";
    }
    t->bytes.count--;
    return t->bytes.data;
}

void weld_text_free(weld_text *t) {
    weld_array_free(&t->bytes);
    t->failed = false;
}

const char *weld_append(char *text, size_t size, const char *format, ...) {
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    weld_vsnprintf(text + used, size - used, format, args);
    va_end(args);
    return text;
}

const char *weld_plural(int64_t count, const char *one, const char *many) {
    return count == 1 ? one : many;
}

/* By the first byte of each character, which tells well enough where it is in Unicode: letters from
 * U+3000 on are wide. */
int weld_columns(const char *text) {
    int columns = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        const bool goes_on = (*at & 0xC0) == 0x80;
        const bool is_mark = *at == 0xCC || (*at == 0xCD && at[1] < 0xB0); /* U+0300 to U+036F */
        columns += goes_on || is_mark ? 0 : *at >= 0xE3 ? 2 : 1;
    }
    return columns;
}

const char *weld_list_text(char *text, size_t size, const char *const *names, size_t count,
                           const char *last) {
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        weld_append(text, size, "%s%s", i == 0 ? "" : i + 1 == count ? last : ", ", names[i]);
    }
    return text;
}

const char *weld_take_line(const char *text, char *line, size_t size) {
    const size_t length = strcspn(text, "\n");
    snprintf(line, size, "%.*s", (int)length, text);
    return text + length + (text[length] != 0);
}

const char *weld_shell_word(const char *path, char *text, size_t size) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./,:=@%+";
    if (*path && !path[strspn(path, plain)]) {
        snprintf(text, size, "%s", path);
        return text;
    }
    snprintf(text, size, "'");
    for (const char *at = path; *at; at++) {
        weld_append(text, size, *at == '\'' ? "'\\''" : "%c", *at);
    }
    return weld_append(text, size, "'");
}

char *weld_end_line(char *line) {
    char *end = line + strcspn(line, "\r\n");
    char *next = end + (*end == '\r' && end[1] == '\n') + (*end != 0);
    *end = 0;
    return next;
}

bool weld_is_utf8(const void *text, size_t count) {
    const unsigned char *c = text;
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
