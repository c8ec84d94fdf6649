/* Keys: values of a struct that people set and read as text.
 *
 * One row says all there is to know of a key: what a recipe, a file, the command line and the
 * manual need. Families of networks describe their values so (models/models.h), and recipes all of
 * theirs.
 */
#ifndef WELD_BASE_KEYS_H
#define WELD_BASE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "weld/status.h"

typedef enum weld_key_type {
    WELD_KEY_TEXT,    /* char [] */
    WELD_KEY_INTEGER, /* int or int64_t */
    WELD_KEY_REAL,    /* float or double */
    WELD_KEY_BOOL,
    WELD_KEY_CHOICE /* an int (or an enum), the index in `choices` */
} weld_key_type;

/* Of a family's keys. */
typedef enum weld_key_flags {
    WELD_KEY_SIZE = 1,        /* a variant is a name for values of these; the family's own name
                               * needs them, so that they have no standard */
    WELD_KEY_LAYOUT = 2,      /* a file's and no variant's: decides between two of the same sizes */
    WELD_KEY_UNTOLD = 4,      /* tensors do not tell: whoever imports them says */
    WELD_KEY_MERGED_AWAY = 8, /* does not show in a merged network */
    WELD_KEY_LONE = 32,       /* a list, which may be written as its only element; then also as
                               * "224x320" */
    WELD_KEY_WHOLE = 64,      /* of reals: whole numbers are written as such, without an exponent */
    WELD_KEY_SECOND_HEAD = 16 /* a bool: is there a head to teach beside that of the labels? */
} weld_key_flags;

typedef struct weld_key {
    const char *name;
    weld_key_type type;
    size_t offset, size;         /* in the struct: place and size of the (first) element */
    int min_count, max_count;    /* elements; max_count 1: no list */
    size_t count_offset;         /* in the struct, of an int; only where min_count < max_count */
    double min, max;             /* inclusive */
    const char *const *choices;  /* NULL at the end */
    const char *const *synonyms; /* by choice, "" for none; NULL: there are none */
    const char *null;            /* the value that `null` stands for; NULL: it is an error */
    const char *needs;    /* an option: another of the table, without which it says nothing */
    unsigned flags;       /* of weld_key_flags */
    const char *standard; /* what it is where nobody sets it; NULL: zero. Of a key that is new,
                           * what networks were before: files of theirs have no such key */
    const char *label;    /* of a bool: what a network is said to have where it is true */
    /* For the manual: in what follows, NULL is what the row says itself. */
    const char *help, *manual_standard, *manual_range;
} weld_key;

/* Beginnings of rows {"name", ...} for a member of a struct: the type, the place and the range. */
#define WELD_KEY_MEMBER(type, member) (((type *)0)->member)
#define WELD_KEY_AT(type, member)                                                                  \
    .offset = offsetof(type, member), .size = sizeof WELD_KEY_MEMBER(type, member)
#define WELD_KEY_ONE(type, member) WELD_KEY_AT(type, member), .min_count = 1, .max_count = 1
#define WELD_KEY_LENGTH(type, member)                                                              \
    (sizeof WELD_KEY_MEMBER(type, member) / sizeof WELD_KEY_MEMBER(type, member[0]))
/* All elements of an array, or from one up to all of them with their number in `count`. */
#define WELD_KEY_ALL(type, member)                                                                 \
    WELD_KEY_AT(type, member[0]), .min_count = WELD_KEY_LENGTH(type, member),                      \
                                  .max_count = WELD_KEY_LENGTH(type, member)
#define WELD_KEY_LIST(type, member, count)                                                         \
    WELD_KEY_AT(type, member[0]), .min_count = 1, .max_count = WELD_KEY_LENGTH(type, member),      \
                                  .count_offset = offsetof(type, count)

const weld_key *weld_key_find(const weld_key *keys, size_t count, const char *name);

/* Set one element of `values`, the struct, from its text. On error the message is the reason. */
weld_status weld_key_set_element(const weld_key *key, void *values, int element, const char *text,
                                 weld_error *err);
/* Forget all elements and be a list of `count`, which must be one that the key takes. */
void weld_key_set_count(const weld_key *key, void *values, int count);
/* Set a key from its elements parted by commas. */
weld_status weld_key_set(const weld_key *key, void *values, const char *text, weld_error *err);
/* Set what keys are where nobody sets them; all else is left as it is. */
void weld_keys_set_standard(const weld_key *keys, size_t count, void *values);

/* The number of elements that there are, and one of them: as text that sets the same value, and as
 * a number (a bool's 0 or 1, a choice's index; 0 for a text). */
int weld_key_count(const weld_key *key, const void *values);
void weld_key_element_text(const weld_key *key, const void *values, int element, char *text,
                           size_t size);
double weld_key_number(const weld_key *key, const void *values, int element);
void weld_key_set_number(const weld_key *key, void *values, int element, double number);
/* All elements with `between` (", ") between them; returns text. */
const char *weld_key_text(const weld_key *key, const void *values, const char *between, char *text,
                          size_t size);
bool weld_key_equal(const weld_key *key, const void *a, const void *b);

/* Are numbers of elements and all of them in their ranges, as those that were set from text are?
 * The message is the reason, "[2] is 0: it must be in 1..16384". */
weld_status weld_key_check(const weld_key *key, const void *values, weld_error *err);

/* The name with spaces, "stem stride"; returns text. */
const char *weld_key_title(const weld_key *key, char *text, size_t size);
/* "a, b and c": names for a message, of the keys with one of `flags` (0: of all); returns text. */
const char *weld_key_names(const weld_key *keys, size_t count, unsigned flags, char *text,
                           size_t size);

#endif
