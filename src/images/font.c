/* Texts as letters that can be drawn; see font.h. A letter with a mark is composed of both, so that
 * one table has all marks: over a small letter a mark takes the place of what rises above it (the
 * dot of i), a capital is made lower by two of its rows.
 */
#include "images/font.h"

#include <stddef.h>

#include "images/font_glyphs.h"

enum {
    BAD = 0xfffd, /* what stands for bytes that are no UTF-8 */
    RISE = 2      /* rows above small letters, which a mark may have */
};

/* --- UTF-8 --- */

/* The first character; of bytes that are none one is taken. Half a surrogate pair and what could be
 * said in fewer bytes are none (RFC 3629). */
static const char *next_code(const char *text, uint32_t *code) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text;
    const int more = *at < 0x80 ? 0 : *at < 0xc0 ? -1 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
    *code = BAD;
    if (more < 0 || *at >= 0xf8) {
        return text + 1;
    }
    uint32_t found = more ? *at & (0x3fu >> more) : *at;
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* also where the text ends */
            return text + 1;
        }
        found = found << 6 | (at[i] & 0x3f);
    }
    if (found < least[more] || found > 0x10ffff || (found >= 0xd800 && found < 0xe000)) {
        return text + 1;
    }
    *code = found;
    return text + 1 + more;
}

/* --- Marks --- */

/* A mark by a character that looks like it: its rows above the letter, or the one below. */
static const struct {
    char sign;
    const char *above, *below;
    uint16_t combining; /* its code behind a letter */
} marks[] = {
    {'`', ".#.../..#..", NULL, 0x300}, {'\'', "...#./..#..", NULL, 0x301},
    {'^', "..#../.#.#.", NULL, 0x302}, {'~', ".#..#/#.##.", NULL, 0x303},
    {'-', ".###./.....", NULL, 0x304}, {'u', "#...#/.###.", NULL, 0x306},
    {'.', "..#../.....", NULL, 0x307}, {':', ".#.#./.....", NULL, 0x308},
    {'o', "..##./..##.", NULL, 0x30a}, {'"', "..#.#/.#.#.", NULL, 0x30b},
    {'v', ".#.#./..#..", NULL, 0x30c}, {'|', "....#/....#", NULL, 0},
    {',', NULL, ".##..", 0x327},       {';', NULL, "...##", 0x328},
    {',', NULL, ".##..", 0x326},
};
enum { MARKS = sizeof marks / sizeof *marks };

static void put_row(uint8_t *row, const char *ink) {
    for (int x = 0; x < WELD_FONT_WIDTH; x++) {
        *row |= (uint8_t)((ink[x] == '#') << x);
    }
}

static bool is_capital(uint32_t base) {
    return base >= 'A' && base <= 'Z';
}

/* The apostrophe of Czech and Slovak stands beside what rises. */
static void put_mark(weld_letter *l, uint32_t base, int mark) {
    static const int kept[] = {0, 1, 3, 4, 6}; /* of the seven rows of a capital */
    if (marks[mark].below) {
        put_row(&l->rows[WELD_FONT_HEIGHT - 1], marks[mark].below);
        return;
    }
    for (int y = WELD_FONT_HEIGHT - 2; y >= RISE && is_capital(base) && marks[mark].sign != '|';
         y--) {
        l->rows[y] = l->rows[kept[y - RISE]];
    }
    for (int y = 0; y < RISE; y++) {
        l->rows[y] = marks[mark].sign == '|' ? l->rows[y] : 0;
        put_row(&l->rows[y], marks[mark].above + y * (WELD_FONT_WIDTH + 1));
    }
}

/* --- Letters --- */

/* What letters from a code on are made of, and the marks that they have; ' ': another way. */
static const struct {
    uint16_t first;
    const char *bases, *signs;
} composed[] = {
    {0xc0, "AAAAAA CEEEEIIII NOOOOO  UUUUY  aaaaaa ceeeeiiii nooooo  uuuuy y",
     "`'^~:o ,`'^:`'^: ~`'^~:  `'^:'  `'^~:o ,`'^:`'^: ~`'^~:  `'^:' :"},
    {0x100, "AaAaAaCcCcCcCcD   EeEeEeEeEeGgGgGgGgHh  IiIiIiIiI   JjKk LlLlLl ",
     "--uu;;''^^..vvv   --uu..;;vv^^uu..,'^^  ~~--uu;;.   ^^,, '',,|| "},
    {0x140, "   NnNnNn   OoOoOo  RrRrRrSsSsSsSsTtTt  UuUuUuUuUuUuWwYyYZzZzZz ",
     "   '',,vv   --uu\"\"  '',,vv''^^,,vv,,v|  ~~--uuoo\"\";;^^^^:''..vv "},
    {0x218, "SsTt", ",,,,"},
};

/* What looks like another. */
static const struct {
    uint16_t code, same;
} alike[] = {{0xa0, ' '},   {0x110, 0xd0},  {0x2010, '-'},  {0x2011, '-'}, {0x2013, '-'},
             {0x2014, '-'}, {0x2018, '\''}, {0x2019, '\''}, {0x201c, '"'}, {0x201d, '"'}};

static int find_mark(char sign) {
    int i = 0;
    while (marks[i].sign != sign) {
        i++;
    }
    return i;
}

/* The mark of a code that stands behind letters, 0x300 to 0x36f; -1: one that is not drawn. */
static int find_combining(uint32_t code) {
    for (int i = 0; i < MARKS; i++) {
        if (marks[i].combining == code) {
            return i;
        }
    }
    return -1;
}

/* Into a drawn letter and its mark, -1: none. */
static uint32_t take_apart(uint32_t code, int *mark) {
    *mark = -1;
    for (size_t i = 0; i < sizeof composed / sizeof *composed; i++) {
        for (size_t k = 0; composed[i].bases[k]; k++) {
            if (composed[i].first + k == code && composed[i].bases[k] != ' ') {
                *mark = find_mark(composed[i].signs[k]);
                return (unsigned char)composed[i].bases[k];
            }
        }
    }
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        if (alike[i].code == code) {
            return alike[i].same;
        }
    }
    return code;
}

static bool is_combining(uint32_t code) {
    return code >= 0x300 && code < 0x370;
}

const char *weld_font_next(const char *text, weld_letter *out) {
    static const char frame[] = "#####/#...#/#...#/#...#/#...#/#...#/#####/.....";
    uint32_t code, behind;
    int mark;
    text = next_code(text, &code);
    const uint32_t base = take_apart(code, &mark);
    const char *glyph = weld_font_glyph(base), *after;
    *out = (weld_letter){.is_known = glyph != NULL};
    for (int y = 0; y < WELD_FONT_HEIGHT; y++) {
        put_row(&out->rows[y], (glyph ? glyph : frame) + y * (WELD_FONT_WIDTH + 1));
    }
    if (glyph && mark >= 0) {
        put_mark(out, base, mark);
    }
    while (*text && (after = next_code(text, &behind), is_combining(behind))) {
        const int follows = find_combining(behind);
        out->is_known = out->is_known && follows >= 0 && mark < 0; /* one is what fits */
        if (out->is_known) {
            mark = follows;
            put_mark(out, base, mark);
        }
        text = after;
    }
    return text;
}

int weld_font_count(const char *text) {
    int count = 0;
    for (weld_letter letter; *text; count++) {
        text = weld_font_next(text, &letter);
    }
    return count;
}

bool weld_font_has(const char *text) {
    bool has = true;
    for (weld_letter letter; *text; has = has && letter.is_known) {
        text = weld_font_next(text, &letter);
    }
    return has;
}
