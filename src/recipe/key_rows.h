/* What the tables of recipe keys are written with; recipe_keys.h has them all together. */
#ifndef WELD_RECIPE_KEY_ROWS_H
#define WELD_RECIPE_KEY_ROWS_H

#include "recipe/recipe_keys.h"

#define ONE(member) WELD_KEY_ONE(weld_recipe, member)
#define TEXT(member) WELD_KEY_TEXT, ONE(member)
#define INTEGER(member, low, high) WELD_KEY_INTEGER, ONE(member), .min = (low), .max = (high)
#define REAL(member, low, high) WELD_KEY_REAL, ONE(member), .min = (low), .max = (high)
#define REALS(member, low, high)                                                                   \
    WELD_KEY_REAL, WELD_KEY_ALL(weld_recipe, member), .min = (low), .max = (high)
/* Lists that may be empty. */
#define TEXTS(member, count)                                                                       \
    WELD_KEY_TEXT, WELD_KEY_AT(weld_recipe, member[0]),                                            \
        .max_count = WELD_KEY_LENGTH(weld_recipe, member),                                         \
        .count_offset = offsetof(weld_recipe, count)
#define INTEGERS(member, count, low, high)                                                         \
    WELD_KEY_INTEGER, WELD_KEY_AT(weld_recipe, member[0]),                                         \
        .max_count = WELD_KEY_LENGTH(weld_recipe, member),                                         \
        .count_offset = offsetof(weld_recipe, count), .min = (low), .max = (high)
#define BOOL(member) WELD_KEY_BOOL, ONE(member)
#define CHOICE(member, ...)                                                                        \
    WELD_KEY_CHOICE, ONE(member), .choices = (const char *const[]) {                               \
        __VA_ARGS__, NULL                                                                          \
    }

/* Rows of weld_recipe that stand under a section. */
typedef struct weld_recipe_rows {
    const char *section;
    const weld_key *rows;
    size_t count;
} weld_recipe_rows;

#define ROWS(section, rows)                                                                        \
    { section, rows, sizeof rows / sizeof *rows }

extern const weld_recipe_rows weld_recipe_data_keys, weld_recipe_augment_keys,
    weld_recipe_optimizer_keys, weld_recipe_schedule_keys, weld_recipe_train_keys,
    weld_recipe_quantize_keys;

#endif
