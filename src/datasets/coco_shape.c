/* Boxes of polygons and masks; see coco_shape.h. */
#include "datasets/coco_shape.h"

#include <math.h>
#include <string.h>

/* --- Polygons --- */

/* One list of x, y, ...: least and most. */
static void read_polygon(weld_scan *s, double least[2], double most[2]) {
    weld_scan_list(s);
    for (int axis = 0; weld_scan_element(s); axis = !axis) {
        const double value = weld_scan_number(s);
        least[axis] = fmin(least[axis], value);
        most[axis] = fmax(most[axis], value);
    }
}

static bool polygons_box(weld_scan *s, weld_box *box) {
    double least[2] = {INFINITY, INFINITY}, most[2] = {-INFINITY, -INFINITY};
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        read_polygon(s, least, most);
    }
    if (!(least[0] <= most[0] && least[1] <= most[1])) {
        return false;
    }
    box->x = least[0];
    box->y = least[1];
    box->width = most[0] - least[0];
    box->height = most[1] - least[1];
    return true;
}

/* --- Masks --- */

enum { SIDE_MAX = 1 << 20 };

typedef struct mask {
    int64_t height, width, at; /* at: pixels so far */
    int64_t left, top, right, bottom;
    bool ones;
} mask;

/* The next run; a text has them as differences from the last but one, in `runs`. */
static void add_run(weld_scan *s, mask *m, int64_t run) {
    if (run < 0 || run > m->height * m->width - m->at) {
        weld_scan_fail(s, "a mask whose runs are not those of its %lld x %lld pixels",
                       (long long)m->width, (long long)m->height);
        return;
    }
    if (m->ones && run > 0) {
        const int64_t last = m->at + run - 1, from = m->at / m->height, to = last / m->height;
        const int64_t top = from < to ? 0 : m->at % m->height;
        const int64_t bottom = from < to ? m->height - 1 : last % m->height;
        m->left = from < m->left ? from : m->left;
        m->right = to > m->right ? to : m->right;
        m->top = top < m->top ? top : m->top;
        m->bottom = bottom > m->bottom ? bottom : m->bottom;
    }
    m->at += run;
    m->ones = !m->ones;
}

/* Six bits a character from '0' on: five of the number, lowest first, and one that says whether
 * more follow; the last one's highest bit is the sign's. */
static void read_compressed(weld_scan *s, mask *m, const char *text) {
    int64_t before[2] = {0, 0}; /* the last two runs */
    for (int64_t number = 0; *text && !weld_scan_status(s); number++) {
        int64_t value = 0;
        int shift = 0, bits;
        do {
            bits = *text - '0';
            if (bits < 0 || bits > 63 || shift > 40) {
                weld_scan_fail(s, "a mask whose text is cut or damaged");
                return;
            }
            value |= (int64_t)(bits & 31) << shift;
            shift += 5;
            text++;
        } while (bits & 32);
        value -= bits & 16 ? (int64_t)1 << shift : 0;
        value += number > 2 ? before[0] : 0;
        before[0] = before[1];
        before[1] = value;
        add_run(s, m, value);
    }
}

static void read_size(weld_scan *s, mask *m) {
    int64_t *const to[] = {&m->height, &m->width};
    int count = 0;
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        const int64_t side = weld_scan_int(s);
        if (count == 2 || side < 1 || side > SIDE_MAX) {
            weld_scan_fail(s, "a mask whose size is not [height, width]");
            return;
        }
        *to[count++] = side;
    }
}

static void read_runs(weld_scan *s, mask *m) {
    if (weld_scan_peek(s) == WELD_SCAN_STRING) {
        read_compressed(s, m, weld_scan_string(s));
        return;
    }
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        add_run(s, m, weld_scan_int(s));
    }
}

/* The runs may stand before the size, without which they say nothing. */
static bool mask_box(weld_scan *s, weld_box *box) {
    mask m = {.left = INT64_MAX, .top = INT64_MAX, .right = -1, .bottom = -1};
    uint64_t counts = 0, end;
    weld_scan_object(s);
    for (const char *key; (key = weld_scan_key(s));) {
        if (strcmp(key, "size") == 0) {
            read_size(s, &m);
        } else {
            counts = strcmp(key, "counts") == 0 ? weld_scan_tell(s) : counts;
            weld_scan_skip(s);
        }
    }
    if (!counts || !m.width) {
        return false;
    }
    end = weld_scan_tell(s);
    weld_scan_seek(s, counts);
    read_runs(s, &m);
    weld_scan_seek(s, end);
    box->x = (double)m.left;
    box->y = (double)m.top;
    box->width = (double)(m.right - m.left + 1);
    box->height = (double)(m.bottom - m.top + 1);
    return m.right >= 0;
}

bool weld_coco_shape_box(weld_scan *s, weld_box *box) {
    switch (weld_scan_peek(s)) {
    case WELD_SCAN_LIST:
        return polygons_box(s, box);
    case WELD_SCAN_OBJECT:
        return mask_box(s, box);
    default:
        weld_scan_skip(s);
        return false;
    }
}
