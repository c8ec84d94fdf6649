/* Names and marks in lists; see voc_line.h. */
#include "datasets/voc_line.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* What is left of a text without blanks at its end. */
static size_t trimmed(const char *text, size_t length) {
    while (length > 0 && is_blank(text[length - 1])) {
        length--;
    }
    return length;
}

static size_t before_mark(const char *name, size_t length) {
    const size_t mark = length > 2 && memcmp(name + length - 2, "-1", 2) == 0 ? 2 : 1;
    const bool is_mark = mark == 2 || name[length - 1] == '0' || name[length - 1] == '1';
    return is_mark && length > mark && is_blank(name[length - mark - 1])
               ? trimmed(name, length - mark)
               : 0;
}

weld_voc_line weld_voc_read_line(const char *line) {
    const char *name = line + strspn(line, " \t");
    const size_t length = trimmed(name, strlen(name));
    return (weld_voc_line){name, length, length ? before_mark(name, length) : 0};
}
