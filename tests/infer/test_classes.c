/* Data sets whose classes are not the model's. */
#include "infer/colours.h"
#include "infer/model.h"
#include "suite.h"
#include "repvit_config.h"

/* A data set with these classes, each of one image. */
static weld_dataset *make(test_folder *folder, const char *const *classes) {
    *folder = test_folder_create();
    for (; *classes; classes++) {
        colours_put(folder, *classes, "a.jpg", 1, 2, 3);
    }
    return colours_dataset(folder);
}

/* What check says; "" where it agrees. */
static const char *check(const weld_model *m, const char *const *classes) {
    static weld_error err;
    test_folder folder;
    weld_dataset *ds = make(&folder, classes);
    err.message[0] = '\0';
    weld_status status = weld_model_check_labels(m, ds, &err);
    ck_assert(status == WELD_OK || status == WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(status == WELD_OK, err.message[0] == '\0');
    ck_assert(status == WELD_OK || strstr(err.message, folder.path));
    weld_dataset_free(ds);
    test_folder_remove(folder);
    return err.message;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect(const weld_model *m, const char *const *classes, const char *text) {
    const char *message = check(m, classes);
    ck_assert_msg(strstr(message, text) != NULL, "no '%s' in: %s", text, message);
}

static weld_model *open_named(const test_folder *folder, int count, char **names) {
    weld_model_config config = repvit_config(count, "2", "1", 1, false, false);
    weld_graph *g;
    weld_weights *w;
    ck_assert_int_eq(weld_model_build(&config, true, 1, 8, 8, WELD_F32, &g, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
    models_write(test_path(folder, "named.h5"), &config, 8, w, names);
    weld_weights_free(w);
    weld_graph_free(g);
    return models_open(test_path(folder, "named.h5"));
}

START_TEST(equal_classes_are_accepted) {
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    ck_assert_str_eq(check(m, NAMES("blue", "green", "red")), "");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_message_says_what_is_missing_and_what_is_unknown) {
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    expect(m, NAMES("blue", "red"), "2 classes, the model 3; 1 missing: 'green':");
    expect(m, NAMES("blue", "green", "grey", "red", "white"),
           "5 classes, the model 3; 2 unknown to the model: 'grey', 'white':");
    expect(m, NAMES("blue", "green", "rouge"),
           "1 missing: 'red'; 1 unknown to the model: 'rouge':");
    expect(m, NAMES("a", "b"),
           "3 missing: 'blue', 'green', 'red'; 2 unknown to the model: 'a', 'b'");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

/* A model of another program may have its classes in another order than that of the folders. */
START_TEST(the_message_says_which_index_differs) {
    test_folder folder = test_folder_create();
    weld_model *m = open_named(&folder, 3, (char *[]){"b", "a", "c"});
    expect(m, NAMES("a", "b", "c"),
           "2 at another index: 'a' (0, in the model 1), 'b' (1, in the model 0):");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_model_without_names_has_its_classes_counted) {
    test_folder folder = test_folder_create();
    weld_model *m = open_named(&folder, 2, NULL);
    ck_assert_str_eq(check(m, NAMES("whatever", "you like")), "");
    expect(m, NAMES("a", "b", "c"), "3 classes, the model 2: give");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(many_and_strange_names_make_one_line_that_ends) {
    enum { MANY = 60 };
    test_folder folder = test_folder_create();
    char names[MANY][128], *pointers[MANY];
    for (int i = 0; i < MANY; i++) {
        memset(names[i], 'x', 100);
        snprintf(names[i], sizeof names[i], "%03d\n", i);
        names[i][4] = 'x';
        names[i][99] = '\0';
        pointers[i] = names[i];
    }
    weld_model *m = open_named(&folder, MANY, pointers);
    const char *message = check(m, NAMES("a", "b"));
    ck_assert_ptr_nonnull(strstr(message, "60 missing: '000?x"));
    ck_assert_ptr_nonnull(
        strstr(message, ", ...; 2 unknown to the model: 'a', 'b': give the data"));
    ck_assert_ptr_null(strchr(message, '\n'));
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/classes", equal_classes_are_accepted,
          the_message_says_what_is_missing_and_what_is_unknown,
          the_message_says_which_index_differs, a_model_without_names_has_its_classes_counted,
          many_and_strange_names_make_one_line_that_ends)
