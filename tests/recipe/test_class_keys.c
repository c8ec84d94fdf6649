/* data.classes and data.single_class in recipes. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "recipe/recipe.h"
#include "suite.h"

#define DETECTOR "model: {name: yolo11n}\n"
#define CLASSIFIER "model: {name: repvit_m0_9}\n"

static weld_error err;
static weld_recipe recipe, other;

static weld_status parse(const char *text, weld_recipe *out) {
    memset(&err, 0, sizeof err);
    return weld_recipe_parse("r.yaml", text, strlen(text), NULL, 0, out, &err);
}

static void accept(const char *text, weld_recipe *out) {
    ck_assert_msg(parse(text, out) == WELD_OK, "%s", err.message);
}

static void refuse(const char *text, const char *message) {
    ck_assert_int_eq(parse(text, &recipe), WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
}

START_TEST(without_the_keys_all_classes_are_meant) {
    accept(DETECTOR "data: {train: d}\n", &recipe);
    ck_assert_int_eq(recipe.data.classes.count, 0);
    ck_assert(!recipe.data.classes.single);
    accept(DETECTOR "data: {train: d, classes: null}\n", &recipe);
    ck_assert_int_eq(recipe.data.classes.count, 0);
}
END_TEST

/* Words of YAML, and what parts its lists. */
START_TEST(names_come_back_as_they_are) {
    static const char *const names[] = {"cat", "a, b", "null", "yes", "7", "it's: #1", "[x]", "~"};
    enum { COUNT = sizeof names / sizeof *names };
    char *text;
    accept(DETECTOR "data:\n  train: d\n  single_class: true\n"
                    "  classes: [cat, 'a, b', \"null\", yes, 7, \"it's: #1\", '[x]', '~']\n",
           &recipe);
    ck_assert_int_eq(weld_recipe_text(&recipe, &text, &err), WELD_OK);
    accept(text, &other);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_str_eq(recipe.data.classes.names[i], names[i]);
    }
    ck_assert_int_eq(other.data.classes.count, COUNT);
    ck_assert_mem_eq(&recipe.data.classes, &other.data.classes, sizeof other.data.classes);
    ck_assert(other.data.classes.single);
    weld_free(text);
}
END_TEST

/* The last of so many names is beyond what is compared as text. */
START_TEST(another_list_is_another_recipe) {
    static char text[20000];
    char key[64], a[64], b[64];
    for (int last = 0; last < 2; last++) {
        strcpy(text, DETECTOR "data:\n  train: d\n  classes:\n");
        for (int i = 0; i < 200; i++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "    - %s %d\n",
                     last && i == 199 ? "another class" : "the class", i);
        }
        accept(text, last ? &other : &recipe);
    }
    ck_assert_int_eq(recipe.data.classes.count, 200);
    ck_assert_str_eq(recipe.data.classes.names[199], "the class 199");
    ck_assert_str_eq(weld_recipe_difference(&recipe, &other, key, sizeof key, a, b, sizeof a),
                     "data.classes");
    ck_assert_ptr_null(weld_recipe_difference(&recipe, &recipe, key, sizeof key, a, b, sizeof a));
}
END_TEST

START_TEST(what_is_no_list_of_names_is_refused) {
    refuse(DETECTOR "data:\n  train: d\n  classes: cat\n",
           "r.yaml:4: data.classes: takes a list of names, as [cat, dog]");
    refuse(
        DETECTOR "data:\n  train: d\n  classes: []\n",
        "r.yaml:4: data.classes: is an empty list: name one at least, or remove the key for all");
    refuse(DETECTOR "data:\n  train: d\n  classes: [cat, dog, cat]\n",
           "r.yaml:4: data.classes: has 'cat' twice: name each class once");
    char long_name[200], text[400];
    memset(long_name, 'x', sizeof long_name);
    long_name[150] = 0;
    snprintf(text, sizeof text, DETECTOR "data:\n  train: d\n  classes: [%s]\n", long_name);
    refuse(text, "r.yaml:4: data.classes: 150 bytes are too long: at most 95 fit");
}
END_TEST

START_TEST(only_boxes_become_one_class) {
    accept(CLASSIFIER "data: {train: d, classes: [a, b]}\n", &recipe);
    refuse(CLASSIFIER "data:\n  train: d\n  single_class: true\n",
           "r.yaml:4: data.single_class: is for data with boxes");
}
END_TEST

RUN_SUITE("recipe/class_keys", without_the_keys_all_classes_are_meant, names_come_back_as_they_are,
          another_list_is_another_recipe, what_is_no_list_of_names_is_refused,
          only_boxes_become_one_class)
