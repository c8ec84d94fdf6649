/* Rows of YOLO's label files; see yolo_label.h. */
#include "datasets/yolo_label.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/locale.h"

enum { NUMBER = 64 /* characters of one */ };
#define BEYOND 0.01 /* what tools that round leave over */

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* The next field of a line, as text and as a number; false: it is no number, which is so where
 * *ok, because the line has no more fields. */
static bool next_number(const char **at, const char *end, char text[NUMBER + 1], double *out,
                        bool *ok) {
    char *stop;
    size_t length = 0;
    while (*at < end && is_space(**at)) {
        (*at)++;
    }
    const char *begin = *at;
    while (*at < end && !is_space(**at)) {
        (*at)++;
    }
    length = (size_t)(*at - begin);
    *ok = length <= NUMBER;
    memcpy(text, begin, *ok ? length : NUMBER);
    text[*ok ? length : NUMBER] = 0;
    if (length == 0 || !*ok) {
        return false;
    }
    *out = weld_strtod(text, &stop);
    *ok = *stop == 0 && isfinite(*out) && strlen(text) == length;
    return *ok;
}

typedef struct numbers {
    double first[4];          /* behind the class */
    double least[2], most[2]; /* of points */
    double odd;               /* one that is no share of the image */
    bool is_odd;
    long count;
} numbers;

static bool read_numbers(const char *at, const char *end, char text[NUMBER + 1], numbers *n) {
    double value;
    bool ok;
    while (next_number(&at, end, text, &value, &ok)) {
        const int axis = (int)(n->count & 1);
        if (n->count < 4) {
            n->first[n->count] = value;
        }
        n->least[axis] = fmin(n->least[axis], value);
        n->most[axis] = fmax(n->most[axis], value);
        if (!n->is_odd && (value < -BEYOND || value > 1 + BEYOND)) {
            n->is_odd = true;
            n->odd = value;
        }
        n->count++;
    }
    return ok;
}

static bool read_class(const char **at, const char *end, char text[NUMBER + 1], int *out) {
    double value;
    bool ok;
    if (!next_number(at, end, text, &value, &ok) || value < 0 || value > 1e9 ||
        floor(value) != value) {
        return false;
    }
    *out = (int)value;
    return true;
}

size_t weld_yolo_row_size(const char *text, size_t size) {
    size_t used = 0;
    while (used < size && text[used] != '\n' && text[used] != '\r') {
        used++;
    }
    return used;
}

weld_yolo_problem weld_yolo_row_read(const char *line, size_t size, weld_yolo_row *out,
                                     char what[200]) {
    const char *at = line, *end = line + size;
    char text[NUMBER + 1];
    numbers n = {.least = {INFINITY, INFINITY}, .most = {-INFINITY, -INFINITY}};
    while (at < end && is_space(*at)) {
        at++;
    }
    if (at == end) {
        return WELD_YOLO_EMPTY;
    }
    if (!read_class(&at, end, text, &out->class_index)) {
        snprintf(what, 200, "'%s' stands first: the number of a class is expected there, from 0",
                 text);
        return WELD_YOLO_MALFORMED;
    }
    if (!read_numbers(at, end, text, &n)) {
        snprintf(what, 200, "field %ld is '%s': a number is expected, as in all of the row",
                 n.count + 2, text);
        return WELD_YOLO_MALFORMED;
    }
    if (n.count != 4 && (n.count < 6 || n.count % 2)) {
        snprintf(
            what, 200,
            "%ld numbers: a class and 4 of a box, or an even count of 6 and more of a polygon, "
            "are expected%s",
            n.count + 1,
            n.count == 5 ? " (a score at the end? weld predict --txt leaves it out by --no-conf)"
                         : "");
        return WELD_YOLO_MALFORMED;
    }
    if (n.is_odd) {
        weld_snprintf(
            what, 200, "%g is no share of the image, from 0 to 1%s", n.odd,
            n.most[0] > 2 || n.most[1] > 2 ? ": are these pixels? divide by width and height" : "");
        return WELD_YOLO_NOT_NORMALISED;
    }
    const bool is_box = n.count == 4;
    out->width = is_box ? n.first[2] : n.most[0] - n.least[0];
    out->height = is_box ? n.first[3] : n.most[1] - n.least[1];
    out->left = is_box ? n.first[0] - out->width / 2 : n.least[0];
    out->top = is_box ? n.first[1] - out->height / 2 : n.least[1];
    return WELD_YOLO_FINE;
}
