/* Data sets whose classes are not the model's. */
#include "base/text.h"
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

/* Which of the model's classes those of the data are, "1 0 2"; of an error its message. */
static const char *find(const weld_model *m, const char *const *classes) {
    static weld_error err;
    test_folder folder;
    int to[8];
    weld_dataset *ds = make(&folder, classes);
    err.message[0] = '\0';
    weld_status status = weld_model_find_labels(m, ds, to, &err);
    ck_assert(status == WELD_OK || status == WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(status == WELD_OK, err.message[0] == '\0');
    ck_assert(status == WELD_OK || strstr(err.message, folder.path));
    for (int i = 0; !status && i < weld_dataset_class_count(ds); i++) {
        weld_append(err.message, sizeof err.message, "%s%d", i ? " " : "", to[i]);
    }
    weld_dataset_free(ds);
    test_folder_remove(folder);
    return err.message;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect(const weld_model *m, const char *const *classes, const char *text) {
    const char *message = find(m, classes);
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

/* A model of another program may have its classes in another order than that of the folders. */
START_TEST(classes_are_found_by_name_wherever_they_stand) {
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    ck_assert_str_eq(find(m, NAMES("blue", "green", "red")), "0 1 2");
    ck_assert_str_eq(find(m, NAMES("blue", "red")), "0 2");
    weld_model_free(m);
    m = open_named(&folder, 3, (char *[]){"b", "c", "a"});
    ck_assert_str_eq(find(m, NAMES("a", "b", "c")), "2 0 1");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

START_TEST(the_message_says_what_is_missing_and_what_is_unknown) {
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
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

START_TEST(a_model_without_names_has_its_classes_counted) {
    test_folder folder = test_folder_create();
    weld_model *m = open_named(&folder, 2, NULL);
    ck_assert_str_eq(find(m, NAMES("whatever", "you like")), "0 1");
    expect(m, NAMES("a", "b", "c"), "3 classes, the model 2: give");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

/* A folder of train and val, given in place of one of these, has as many folders as a network of
 * two classes has outputs. */
START_TEST(parts_of_a_data_set_are_no_classes) {
    const char *const parts = "parts of a data set ('Train', 'val') and no classes: give one";
    test_folder folder = test_folder_create();
    weld_model *m = colours_open(&folder, 1);
    expect(m, NAMES("Train", "val"), parts);
    weld_model_free(m);
    m = open_named(&folder, 2, NULL);
    expect(m, NAMES("Train", "val"), parts);
    ck_assert_str_eq(find(m, NAMES("Train", "tram")), "0 1");
    weld_model_free(m);
    m = open_named(&folder, 2, (char *[]){"Train", "val"});
    ck_assert_str_eq(find(m, NAMES("Train", "val")), "0 1");
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
    const char *message = find(m, NAMES("a", "b"));
    ck_assert_ptr_nonnull(strstr(message, "60 missing: '000?x"));
    ck_assert_ptr_nonnull(
        strstr(message, ", ...; 2 unknown to the model: 'a', 'b': give the data"));
    ck_assert_ptr_null(strchr(message, '\n'));
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

/* What a data set is to a model that is shown it: the classes by index, and how many images each
 * has, "blue 1, green 0"; of an error its message. */
static const char *adopt(const weld_model *m, const char *const *classes, weld_adoption *adopted) {
    static char text[2048];
    weld_error err;
    test_folder folder;
    weld_dataset *ds = make(&folder, classes);
    text[0] = '\0';
    if (weld_model_adopt_labels(m, ds, adopted, &err)) {
        snprintf(text, sizeof text, "%s", err.message);
    } else {
        for (int c = 0; c < weld_dataset_class_count(ds); c++) {
            int images = 0;
            for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
                images += weld_dataset_label(ds, i) == c;
                const char *name = weld_dataset_class_name(ds, weld_dataset_label(ds, i));
                ck_assert_int_eq(strncmp(weld_dataset_name(ds, i), name, strlen(name)), 0);
            }
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s %d", c ? ", " : "",
                     weld_dataset_class_name(ds, c), images);
        }
    }
    weld_dataset_free(ds);
    test_folder_remove(folder);
    return text;
}

START_TEST(names_decide_which_class_is_which) {
    test_folder folder = test_folder_create();
    weld_model *m = open_named(&folder, 4, (char *[]){"red", "green", "blue", "grey"});
    weld_adoption a;
    ck_assert_str_eq(adopt(m, NAMES("blue", "green", "grey", "red"), &a),
                     "red 1, green 1, blue 1, grey 1");
    ck_assert_str_eq(a.text, "");
    ck_assert_str_eq(adopt(m, NAMES("blue", "red"), &a), "red 1, green 0, blue 1, grey 0");
    ck_assert_ptr_nonnull(
        strstr(a.text, "no images of 2 of the network's classes: 'green', 'grey'"));
    ck_assert_int_eq(a.classes_without_images, 2);
    ck_assert_str_eq(adopt(m, NAMES("blue", "beige", "red", "rose"), &a),
                     "red 1, green 0, blue 1, grey 0");
    ck_assert_ptr_nonnull(strstr(a.text, "2 classes that the network does not know ('beige', "
                                         "'rose'), whose 2 images are left out"));
    ck_assert_int_eq(a.left_out, 2);
    ck_assert_ptr_nonnull(
        strstr(adopt(m, NAMES("a", "b"), &a), "2 unknown to the model: 'a', 'b'"));
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

/* By Python: sorted(names), and sorted by timm's natural_key. */
START_TEST(an_order_that_nobody_stated_is_never_guessed) {
    test_folder folder = test_folder_create();
    weld_model *m = open_named(&folder, 3, NULL);
    weld_adoption a;
    ck_assert_str_eq(adopt(m, NAMES("0", "1", "2"), &a), "0 1, 1 1, 2 1");
    ck_assert_ptr_nonnull(strstr(adopt(m, NAMES("1", "2", "10"), &a),
                                 "two orders: bytewise, class 1 is '10' (torchvision sorts so), or "
                                 "natural, class 1 is '2' (timm does)"));
    ck_assert_ptr_nonnull(strstr(adopt(m, NAMES("ant", "Bee", "cat"), &a), "class 0 is 'Bee'"));
    ck_assert_ptr_nonnull(strstr(adopt(m, NAMES("a2b", "a10", "b"), &a), "class 0 is 'a10'"));
    m->class_order = WELD_CLASS_ORDER_BYTES;
    ck_assert_str_eq(adopt(m, NAMES("1", "2", "10"), &a), "1 1, 10 1, 2 1");
    m->class_order = WELD_CLASS_ORDER_NATURAL;
    ck_assert_str_eq(adopt(m, NAMES("1", "2", "10"), &a), "1 1, 2 1, 10 1");
    ck_assert_str_eq(adopt(m, NAMES("ant", "Bee", "cat"), &a), "ant 1, Bee 1, cat 1");
    ck_assert_str_eq(adopt(m, NAMES("x9y", "X10", "x009"), &a), "x009 1, x9y 1, X10 1");
    weld_model_free(m);
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("infer/classes", names_decide_which_class_is_which,
          an_order_that_nobody_stated_is_never_guessed,
          classes_are_found_by_name_wherever_they_stand,
          the_message_says_what_is_missing_and_what_is_unknown,
          a_model_without_names_has_its_classes_counted, parts_of_a_data_set_are_no_classes,
          many_and_strange_names_make_one_line_that_ends)
