/* Recipes as text, and what two of them differ in; see recipe.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "optimize/schedule.h"
#include "recipe/recipe_keys.h"
#include "recipe/recipe_yaml.h"

#define KEY(member) WELD_RECIPE_PLACE(member)

/* --- writing --- */

/* Texts of all elements, and lists of pointers to them. */
typedef struct texts {
    weld_recipe_values values;
    char **lists; /* room for more of both */
    char *next;
} texts;

/* Most bytes of an element's text. */
static size_t element_size(const weld_key *row) {
    return row->type == WELD_KEY_TEXT ? row->size : 40;
}

static void fill_text(const weld_recipe *r, const weld_recipe_key *key, size_t i, texts *t) {
    const weld_key *row = key->row;
    const void *values = weld_recipe_values_of(r, key);
    int count = weld_key_count(row, values);
    for (int element = 0; element < count; element++) {
        weld_key_element_text(row, values, element, t->next, element_size(row));
        t->lists[element] = t->next;
        t->next += element_size(row);
    }
    if (row->max_count > 1 && !(count == 1 && (row->flags & WELD_KEY_LONE))) {
        t->values.count[i] = (uint32_t)count;
        t->values.value[i] = count ? t->lists : NULL;
    } else if (*t->lists[0]) {
        t->values.value[i] = t->lists[0];
    }
    t->lists += count;
}

weld_status weld_recipe_text(const weld_recipe *r, char **text, weld_error *err) {
    weld_recipe_keys keys;
    size_t room = 0, elements = 0;
    weld_recipe_keys_of(r->model.name, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        const size_t count =
            (size_t)weld_key_count(keys.at[i].row, weld_recipe_values_of(r, &keys.at[i]));
        elements += count;
        room += count * element_size(keys.at[i].row);
    }
    texts *t = weld_alloc(1, sizeof *t + elements * sizeof *t->lists + room);
    if (!t) {
        return weld_fail_memory(err, "recipe");
    }
    t->lists = (char **)(t + 1);
    t->next = (char *)(t->lists + elements);
    for (size_t i = 0; i < keys.count; i++) {
        fill_text(r, &keys.at[i], i, t);
    }
    weld_status status = weld_recipe_yaml_write(&keys, &t->values, text, err);
    weld_free(t);
    return status;
}

/* --- comparing --- */

static bool may_differ(const weld_recipe *r, size_t place) {
    static const size_t places[] = {KEY(train.checkpoint_every),
                                    KEY(train.keep),
                                    KEY(train.patience),
                                    KEY(train.precision),
                                    KEY(train.recompute),
                                    KEY(train.events),
                                    KEY(train.histograms_every),
                                    KEY(loss.distillation.teacher),
                                    KEY(loss.distillation.cache),
                                    KEY(data.train),
                                    KEY(data.val),
                                    KEY(data.max_bad)};
    /* Evaluations are looked on, but where the rate waits for their scores. */
    bool found = place == KEY(train.eval_every) && r->schedule.name != WELD_SCHEDULE_PLATEAU;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        found = found || places[i] == place;
    }
    return found;
}

const char *weld_recipe_difference(const weld_recipe *a, const weld_recipe *b, char *key,
                                   size_t key_size, char *value_a, char *value_b,
                                   size_t value_size) {
    weld_recipe_keys keys;
    weld_recipe_keys_of(a->model.name,
                        &keys); /* of two families the name differs, which is first */
    for (size_t i = 0; i < keys.count; i++) {
        const weld_recipe_key *k = &keys.at[i];
        weld_recipe_key_text(a, k, value_a, value_size);
        weld_recipe_key_text(b, k, value_b, value_size);
        const bool differ =
            strcmp(value_a, value_b) != 0 ||
            (k->row->type == WELD_KEY_TEXT && /* the texts may be cut */
             !weld_key_equal(k->row, weld_recipe_values_of(a, k), weld_recipe_values_of(b, k)));
        if (differ && !may_differ(a, weld_recipe_key_place(k))) {
            snprintf(key, key_size, "%s.%s", k->section, k->row->name);
            return key;
        }
    }
    return NULL;
}
