/* The table of recipe keys, and the way between the text of a value and its place in a weld_recipe.
 */
#ifndef WELD_RECIPE_RECIPE_KEYS_H
#define WELD_RECIPE_RECIPE_KEYS_H

#include "recipe/recipe.h"

#define WELD_RECIPE_LIST_MAX WELD_MAX_STAGES

typedef enum weld_recipe_type {
    WELD_RECIPE_TEXT,
    WELD_RECIPE_INTEGER,
    WELD_RECIPE_REAL,
    WELD_RECIPE_BOOL,
    WELD_RECIPE_CHOICE
} weld_recipe_type;

typedef struct weld_recipe_key {
    const char *section, *name;
    weld_recipe_type type;
    size_t offset, size;         /* in weld_recipe: place and size of the (first) element */
    int min_count, max_count;    /* elements; max_count 1: no list */
    size_t count_offset;         /* in weld_recipe, of an int; only where min_count < max_count */
    double min, max;             /* inclusive */
    const char *const *choices;  /* NULL at the end; the index is the value */
    const char *const *synonyms; /* by choice, "" for none; NULL: there are none */
    const char *null;            /* the value that `null` stands for; NULL: it is an error */
} weld_recipe_key;

extern const weld_recipe_key weld_recipe_keys[];
extern const size_t weld_recipe_key_count;
/* Room for one thing per key: the table has at most so many. */
#define WELD_RECIPE_KEYS_MAX 96

extern const char *const weld_recipe_sections[]; /* NULL at the end */

/* Set one element of a key from its text. On error the message is only the reason. */
weld_status weld_recipe_set_element(weld_recipe *r, const weld_recipe_key *key, int element,
                                    const char *text, weld_error *err);
/* Number of elements that r holds for a key, and one of them as text that sets the same value. */
int weld_recipe_element_count(const weld_recipe *r, const weld_recipe_key *key);
void weld_recipe_element_text(const weld_recipe *r, const weld_recipe_key *key, int element,
                              char *text, size_t size);
/* All its elements, parted by commas. */
void weld_recipe_key_text(const weld_recipe *r, const weld_recipe_key *key, char *text,
                          size_t size);

#endif
