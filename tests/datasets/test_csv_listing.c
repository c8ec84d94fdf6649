/* Images and classes out of CSV files. */
#include "base/memory.h"
#include "datasets/folders.h"
#include "datasets/pack.h"
#include "suite.h"

static test_folder f;

static void set_up(void) {
    f = make_two_classes();
    put_fixture(&f, "other/x, y.jpg", "one_pixel.jpg");
}

static const char *put(const char *text) {
    const char *path = test_path(&f, "labels.csv");
    test_write_file(path, text, strlen(text));
    return path;
}

/* "CLASS:NAME" of all samples, one a line. */
static void expect(const char *text, const char *wanted, const char *note) {
    char got[2000] = "";
    weld_dataset *ds = open_dataset(put(text));
    ck_assert(weld_dataset_is_csv(ds));
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        sprintf(got + strlen(got), "%s:%s\n",
                weld_dataset_class_name(ds, weld_dataset_label(ds, i)), weld_dataset_name(ds, i));
    }
    ck_assert_str_eq(got, wanted);
    ck_assert_str_eq(weld_dataset_note(ds), note);
    weld_dataset_free(ds);
}

#define UNNAMED "columns have no names: paths are in the first, classes in the second"

START_TEST(classes_and_images_are_in_the_order_of_folders) {
    set_up();
    expect("dog/b.jpg,dog\ncat/c.png,cat\ncat/a.jpg,cat\n",
           "cat:cat/a.jpg\ncat:cat/c.png\ndog:dog/b.jpg\n", UNNAMED);
    weld_dataset *folder = open_dataset(f.path);
    char text[1000] = "path,class\n", wanted[1000] = "";
    for (int64_t i = weld_dataset_count(folder) - 1; i >= 0; i--) {
        sprintf(text + strlen(text), "\"%s\",%s\n", weld_dataset_name(folder, i),
                weld_dataset_class_name(folder, weld_dataset_label(folder, i)));
    }
    for (int64_t i = 0; i < weld_dataset_count(folder); i++) {
        sprintf(wanted + strlen(wanted), "%s:%s\n",
                weld_dataset_class_name(folder, weld_dataset_label(folder, i)),
                weld_dataset_name(folder, i));
    }
    weld_dataset_free(folder);
    expect(text, wanted, "paths are in column 'path', classes in 'class'");
    test_folder_remove(f);
}
END_TEST

START_TEST(columns_are_found_by_their_names_and_others_passed_over) {
    set_up();
    expect("\xef\xbb\xbfwidth,Label,FILE\r\n9,b,cat/a.jpg\r\n9,a,dog/b.jpg\r\n",
           "a:dog/b.jpg\nb:cat/a.jpg\n",
           "paths are in column 'FILE', classes in 'Label'; passed over: 'width'");
    expect("image,filename,category,label\n1,cat/a.jpg,3,x\n2,dog/b.jpg,4,y\n",
           "x:cat/a.jpg\ny:dog/b.jpg\n",
           "paths are in column 'filename', classes in 'label'; passed over: 'image', 'category'");
    expect("cat/a.jpg,x,1,2\ndog/b.jpg,y,3,4\n", "x:cat/a.jpg\ny:dog/b.jpg\n",
           UNNAMED "; passed over: column 3, column 4");
    /* By what it says, whatever it is called. */
    const char *text = "path,class\ncat/a.jpg,x\n", *path = test_path(&f, "list.txt");
    test_write_file(path, text, strlen(text));
    weld_dataset *ds = open_dataset(path);
    ck_assert_int_eq(weld_dataset_count(ds), 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(paths_begin_at_the_file_or_at_the_root) {
    set_up();
    char text[600], wanted[600];
    snprintf(text, sizeof text, "./cat/a.jpg,x\n%s/dog/b.jpg,x\n\"other/x, y.jpg\",x\n", f.path);
    snprintf(wanted, sizeof wanted, "x:%s/dog/b.jpg\nx:cat/a.jpg\nx:other/x, y.jpg\n", f.path);
    expect(text, wanted, UNNAMED);
    weld_dataset *ds = open_dataset(test_path(&f, "labels.csv"));
    for (int64_t i = 0; i < 3; i++) {
        weld_image image = {0};
        weld_error err = {0};
        ck_assert_msg(!read_sample(ds, i, &image, &err), "%s", err.message);
        ck_assert_uint_gt(weld_dataset_stored_bytes(ds, i), 0);
        weld_image_free(&image);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

static void refuse(const char *text, const char *words) {
    expect_no_dataset(put(text), words);
}

START_TEST(what_is_wrong_is_said_with_its_line) {
    set_up();
    refuse("", "is empty: it names no image");
    refuse("path,class\n", "names columns and no image");
    refuse("cat/a.jpg;cat\n",
           "labels.csv:1: has one field, 'cat/a.jpg;cat': a path and a class with "
           "a comma between them are expected, not a semicolon");
    refuse("path,breed\ncat/a.jpg,x\n", "labels.csv:1: names a column 'path', but none of classes");
    refuse("cat/a.jpg,cat\ncat/c.png\n",
           "labels.csv:2: has 1 field: path and class are in columns 1 and 2");
    refuse("cat/a.jpg,cat\ncat/c.png,\n", "labels.csv:2: the class is empty");
    refuse("cat/a.jpg,cat\n,cat\n", "labels.csv:2: the path is empty");
    refuse("cat/a.jpg, cat\n", "labels.csv:1: the class ' cat' begins or ends with a space");
    refuse("cat/a.jpg,cat\ndog/b.jpg,dog\n./cat/a.jpg,dog\n",
           "labels.csv:3: 'cat/a.jpg' is of class 'dog' here, but of 'cat' in line 1");
    refuse("cat/a.jpg,cat\nno/1.jpg,cat\ndog/b.jpg,dog\na/0.jpg,dog\n",
           "labels.csv:2: no file 'no/1.jpg' in ");
    refuse("cat/a.jpg,cat\nno/1.jpg,cat\ndog/b.jpg,dog\na/0.jpg,dog\n", ", and of 1 more of 4");
    refuse("picture,breed\ncat/a.jpg,cat\n",
           ": where this line names the columns, call them path and class");
    refuse("path,class\ncat\\a.jpg,cat\n", ": folders are separated by /");
    refuse("path,class\ncat,cat\n", "labels.csv:2: no file 'cat' in ");
    refuse("cat/a.jpg,\"cat\n", "labels.csv:1: a quote that no other ends");
    test_folder_remove(f);
}
END_TEST

START_TEST(a_path_that_is_there_again_counts_once) {
    set_up();
    expect("cat/a.jpg,cat\ndog/b.jpg,dog\ncat/a.jpg,cat\n", "cat:cat/a.jpg\ndog:dog/b.jpg\n",
           UNNAMED);
    weld_dataset *ds = open_dataset(test_path(&f, "labels.csv"));
    ck_assert_str_eq(weld_dataset_passed(ds), "passed over: listed again: 1 (cat/a.jpg)");
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_list_can_be_packed) {
    set_up();
    weld_dataset *list = open_dataset(put("cat/a.jpg,x\ndog/b.jpg,y\n"));
    const weld_pack_options o = {.threads = 1};
    weld_pack_report report;
    ck_assert_int_eq(weld_pack(list, test_path(&f, "packed.h5"), &o, &report, NULL), WELD_OK);
    weld_dataset *packed = open_dataset(test_path(&f, "packed.h5"));
    ck_assert_int_eq(weld_dataset_count(packed), 2);
    for (int64_t i = 0; i < 2; i++) {
        weld_bytes a = {0}, b = {0};
        ck_assert_str_eq(weld_dataset_name(packed, i), weld_dataset_name(list, i));
        ck_assert_int_eq(weld_dataset_read(list, i, &a, NULL), WELD_OK);
        ck_assert_int_eq(weld_dataset_read(packed, i, &b, NULL), WELD_OK);
        ck_assert_uint_eq(a.size, b.size);
        ck_assert_mem_eq(a.data, b.data, a.size);
        weld_bytes_free(&a);
        weld_bytes_free(&b);
    }
    weld_dataset_free(list);
    weld_dataset_free(packed);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_lack_of_memory_is_an_error) {
    set_up();
    const char *path = put("path,class,x\ncat/a.jpg,cat,1\ndog/b.jpg,dog,2\ncat/a.jpg,cat,3\n");
    bool done = false;
    for (long successes = 0; !done; successes++) {
        weld_dataset *ds = NULL;
        weld_memory_fail_after(successes);
        weld_status status = weld_dataset_open(path, &ds, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        done = status == WELD_OK;
        weld_dataset_free(ds);
    }
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/csv_listing", classes_and_images_are_in_the_order_of_folders,
          columns_are_found_by_their_names_and_others_passed_over,
          paths_begin_at_the_file_or_at_the_root, what_is_wrong_is_said_with_its_line,
          a_path_that_is_there_again_counts_once, a_list_can_be_packed,
          a_lack_of_memory_is_an_error)
