#include "base/memory.h"
#include "datasets/boxed.h"
#include "suite.h"

#define OBJECT(name, corners, more)                                                                \
    "<object><name>" name "</name>" more "<bndbox>" corners "</bndbox></object>\n"
#define CORNERS(a, b, c, d)                                                                        \
    "<xmin>" a "</xmin><ymin>" b "</ymin><xmax>" c "</xmax><ymax>" d "</ymax>"

static void put_file(const test_folder *f, const char *name, const char *body) {
    char text[4000];
    snprintf(text, sizeof text, "<?xml version=\"1.0\"?>\n<annotation>\n%s</annotation>\n", body);
    test_put_file(f, name, text);
}

/* One file, of an image of 60 x 40. */
static test_folder make_set(const char *body) {
    test_folder f = test_folder_create();
    put_image(&f, "JPEGImages/a.jpg", 60, 40);
    put_file(&f, "Annotations/a.xml", body);
    return f;
}

static void expect_refused(const char *body, const char *message) {
    test_folder f = make_set(body);
    expect_no_dataset(f.path, message);
    test_folder_remove(f);
}

START_TEST(corners_count_from_one_and_are_within_the_box) {
    test_folder f = make_set(
        "<filename>a.jpg</filename><size><width>60</width><height>40</height></size>\n" OBJECT(
            " dog ", CORNERS("1", "2", "1", "3.5"), "<difficult>1</difficult>")
            OBJECT(
                "cat", "<ymax>40</ymax><xmax>60</xmax><ymin>1</ymin><xmin>\n 1 </xmin>",
                "<part><name>head</name><bndbox>" CORNERS("5", "5", "6", "6") "</bndbox></part>"));
    weld_dataset *ds = open_dataset(f.path);
    ck_assert(weld_dataset_has_boxes(ds));
    ck_assert_int_eq(weld_dataset_class_count(ds), 2);
    ck_assert_str_eq(weld_dataset_class_name(ds, 0), "cat");
    ck_assert_str_eq(weld_dataset_name(ds, 0), "a.jpg");
    ck_assert_int_eq(box_count(ds, 0), 2);
    expect_box(box_of(ds, 0, 0), 1, 0, 1, 1, 2.5);
    ck_assert_uint_eq(box_of(ds, 0, 0).flags, WELD_BOX_IGNORE);
    expect_box(box_of(ds, 0, 1), 0, 0, 0, 60, 40);
    ck_assert_double_eq(box_of(ds, 0, 1).area, 2400);
    weld_image image = {0};
    ck_assert_int_eq(read_sample(ds, 0, &image, NULL), WELD_OK);
    weld_image_free(&image);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(lists_make_parts_which_share_their_classes) {
    test_folder f = make_set(OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    put_image(&f, "JPEGImages/b.jpg", 60, 40);
    put_file(&f, "Annotations/b.xml", OBJECT("ant", CORNERS("1", "1", "9", "9"), ""));
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    weld_dataset_free(ds);
    test_put_file(&f, "ImageSets/Main/train.txt", "a  1\r\n\n");
    test_put_file(&f, "ImageSets/Main/val.txt", "b");
    test_put_file(&f, "ImageSets/Main/test.txt", "b\ra\r");
    ck_assert_int_eq(
        weld_dataset_open_with(f.path, &(weld_dataset_options){.part = WELD_NAMED_TEST}, &ds, NULL),
        WELD_OK);
    ck_assert_int_eq(weld_dataset_count(ds), 2);
    weld_dataset_free(ds);
    ds = open_dataset(f.path);
    expect_kept(ds, &f, "ImageSets/Main/train.txt");
    expect_kept(ds, &f, "Annotations/a.xml");
    expect_kept(ds, &f, "Annotations/b.xml"); /* whose classes are seen too */
    expect_kept(ds, &f, "JPEGImages/a.jpg");
    ck_assert_int_eq(weld_dataset_count(ds), 1);
    ck_assert_int_eq(weld_dataset_class_count(ds), 2);
    ck_assert_int_eq(box_of(ds, 0, 0).class_index, 1);
    weld_dataset_free(ds);
    ck_assert_int_eq(weld_dataset_open_to_judge(f.path, &ds, NULL), WELD_OK);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "b.jpg");
    ck_assert_int_eq(weld_dataset_class_count(ds), 2);
    ck_assert_int_eq(box_of(ds, 0, 0).class_index, 0);
    weld_dataset_free(ds);
    test_put_file(&f, "ImageSets/Main/train.txt", "a\nc\n");
    expect_no_dataset(f.path, "train.txt:2: there is no Annotations/c.xml");
    test_write_file(test_path(&f, "ImageSets/Main/train.txt"), "a\n\0b\n", 5);
    expect_no_dataset(f.path, "train.txt: no list of images: no text");
    test_folder_remove(f);
}
END_TEST

START_TEST(names_in_lists_may_have_blanks) {
    test_folder f = make_set(OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    put_image(&f, "JPEGImages/photo 040.jpg", 60, 40);
    put_file(&f, "Annotations/photo 040.xml", "");
    put_image(&f, "JPEGImages/photo 1.jpg", 60, 40);
    put_file(&f, "Annotations/photo 1.xml", "");
    test_put_file(&f, "ImageSets/Main/train.txt", "photo 040\na -1\r\n  photo 1\n");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_int_eq(weld_dataset_count(ds), 3);
    ck_assert_str_eq(weld_dataset_name(ds, 1), "photo 040.jpg");
    ck_assert_str_eq(weld_dataset_name(ds, 2), "photo 1.jpg");
    weld_dataset_free(ds);
    test_put_file(&f, "ImageSets/Main/train.txt", "photo 040  0\na\nphoto 1 \t1\n");
    ds = open_dataset(f.path);
    ck_assert_int_eq(weld_dataset_count(ds), 3);
    weld_dataset_free(ds);
    /* "a" is there, but what follows is no mark. */
    test_put_file(&f, "ImageSets/Main/train.txt", "photo 1\na 2\n");
    expect_no_dataset(f.path, "train.txt:2: there is no Annotations/a 2.xml");
    put_file(&f, "Annotations/photo.xml", "");
    test_put_file(&f, "ImageSets/Main/train.txt", "photo 1\n");
    expect_no_dataset(f.path, "train.txt:1: may be Annotations/photo 1.xml, or "
                              "Annotations/photo.xml and a mark");
    test_folder_remove(f);
}
END_TEST

START_TEST(a_thing_that_is_difficult_once_and_then_not_is_found) {
    test_folder f = make_set(OBJECT("cat", CORNERS("1", "1", "9", "9"), "<difficult>1</difficult>")
                                 OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_uint_eq(box_of(ds, 0, 0).flags, WELD_BOX_IGNORE);
    ck_assert_uint_eq(box_of(ds, 0, 1).flags, 0);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

#define DIFFICULT(text)                                                                            \
    OBJECT("cat", CORNERS("1", "1", "9", "9"), "<difficult>" text "</difficult>")

START_TEST(what_is_difficult_is_so_where_that_is_said) {
    test_folder f = make_set(DIFFICULT("true") DIFFICULT("True") DIFFICULT(" 1 ") DIFFICULT("0")
                                 DIFFICULT("FALSE") DIFFICULT(""));
    weld_dataset *ds = open_dataset(f.path);
    for (int k = 0; k < 6; k++) {
        ck_assert_uint_eq(box_of(ds, 0, k).flags & WELD_BOX_IGNORE, k < 3 ? WELD_BOX_IGNORE : 0);
    }
    weld_dataset_free(ds);
    test_folder_remove(f);
    static const char *const odd[] = {DIFFICULT("2"), DIFFICULT("-1"), DIFFICULT("yes")};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        expect_refused(odd[i], "a.xml:3: an object whose difficult is none of 0, 1, true and");
    }
}
END_TEST

/* A file that was copied for another image names the first one still. */
START_TEST(the_image_that_is_called_as_the_file_comes_before_the_one_it_names) {
    test_folder f =
        make_set("<filename>b.jpg</filename>" OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    put_image(&f, "JPEGImages/b.jpg", 60, 40);
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "a.jpg");
    weld_dataset_free(ds);
    unlink(test_path(&f, "JPEGImages/a.jpg"));
    ds = open_dataset(f.path);
    ck_assert_str_eq(weld_dataset_name(ds, 0), "b.jpg");
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

/* Two files were copied for images that are not there any more. */
START_TEST(an_image_of_two_files_is_an_error_that_names_them) {
    test_folder f = make_set(OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    fault_list faults;
    put_file(&f, "Annotations/b.xml",
             "<filename>a.jpg</filename>" OBJECT("cat", CORNERS("1", "1", "8", "8"), ""));
    put_file(&f, "Annotations/c.xml", "<filename>a.jpg</filename>");
    expect_no_dataset(f.path, "/Annotations/b.xml: its image, a.jpg, is that of a.xml too: ");
    weld_dataset *ds = open_with_faults(&f, "", &faults);
    expect_fault(&faults, "shared image /Annotations/b.xml: its image, a.jpg, is that of a.xml");
    expect_fault(&faults, "shared image /Annotations/c.xml: its image, a.jpg, is that of a.xml");
    ck_assert_int_eq(faults.counts[WELD_BOX_IMAGE_SHARED], 2);
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(files_may_be_beside_the_images) {
    test_folder f = test_folder_create();
    put_image(&f, "train/b.jpeg", 60, 40);
    put_file(&f, "train/b.xml",
             "<filename>folder\\b.bmp</filename>" OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    for (int i = 0; i < 2; i++) {
        weld_dataset *ds = open_dataset(i ? f.path : test_path(&f, "train"));
        ck_assert_str_eq(weld_dataset_name(ds, 0), "b.jpeg");
        ck_assert_int_eq(box_count(ds, 0), 1);
        weld_dataset_free(ds);
    }
    test_folder_remove(f);
}
END_TEST

START_TEST(what_nobody_can_know_is_an_error_with_its_line) {
    expect_refused(OBJECT("cat", CORNERS("1", "1", "9", "x"), ""),
                   "Annotations/a.xml:3: a corner that is no number of pixels");
    expect_refused("\n" OBJECT("cat", "<xmin>1</xmin>", ""), "a.xml:4: an object without the four");
    expect_refused(OBJECT("cat", CORNERS("1", "1", "9", "9"), "<name>dog</name>"),
                   "a.xml:3: an object with a second <name>");
    expect_refused(OBJECT("cat", CORNERS("1", "1", "9", "9"),
                          "<bndbox>" CORNERS("1", "1", "9", "9") "</bndbox>"),
                   "a.xml:3: an object with a second <bndbox>");
    expect_refused(OBJECT("cat", CORNERS("1", "1", "9", "9") "<xmin>2</xmin>", ""),
                   "a.xml:3: an object with a second <xmin>");
    expect_refused(OBJECT("cat", CORNERS("1", "1", "9", "9"),
                          "<difficult>1</difficult><difficult>0</difficult>"),
                   "a.xml:3: an object with a second <difficult>");
    static const char *const sides[] = {"-5", "160.4", "1e30", "wide"};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        char body[300];
        snprintf(body, sizeof body, "%s<size>\n<width>%s</width><height>40</height></size>",
                 OBJECT("cat", CORNERS("1", "1", "9", "9"), ""), sides[i]);
        expect_refused(body, "a.xml:4: a width or height that is no number of pixels");
    }
    expect_refused("<object></object>", "a.xml:3: an object without a name");
    expect_refused("<object>", "a.xml:3: not XML: ");
    expect_refused("", "no XML file in it has an object");
    test_folder f = make_set("");
    test_put_file(&f, "Annotations/a.xml", "<annotation>\n<object>\n<bndbox><xm");
    expect_no_dataset(f.path, "a.xml:3: the file ends early, after 33 bytes, within <bndbox>");
    test_put_file(&f, "Annotations/a.xml", "<annotation><object>\n");
    expect_no_dataset(f.path, "a.xml:2: the file ends early, after 21 bytes, within <object>");
    test_put_file(&f, "Annotations/a.xml", "");
    expect_no_dataset(f.path, "a.xml:1: the file ends early, after 0 bytes, before an annotation");
    test_put_file(&f, "Annotations/a.xml", "<html></html>");
    expect_no_dataset(f.path, "a.xml:1: an annotation is expected");
    test_put_file(&f, "Annotations/a.xml",
                  "<!DOCTYPE a [<!ENTITY x \"y\">]>\n<annotation>&x;</annotation>");
    expect_no_dataset(f.path, "a.xml:1: entities are declared");
    test_folder_remove(f);
}
END_TEST

START_TEST(faults_are_told_and_the_rest_is_read) {
    test_folder f = make_set("<size><width>60</width><height>40</height></size>\n" OBJECT(
        "cat", CORNERS("1", "1", "9", "9"), "") OBJECT("cat", CORNERS("1", "1", "9", "9"), "")
                                 OBJECT("cat", CORNERS("9", "1", "8", "9"), "")
                                     OBJECT("cat", CORNERS("nan", "1", "8", "9"), "")
                                         OBJECT("cat", CORNERS("51", "1", "63", "9"), ""));
    fault_list faults;
    weld_dataset *ds = open_with_faults(&f, "", &faults);
    ck_assert_int_eq(box_count(ds, 0), 4);
    static const char *const expected[] = {
        "duplicate box /Annotations/a.xml:5: the same", "empty box /Annotations/a.xml:6: 0 x 9",
        "bad value /Annotations/a.xml:7: a corner", "outside /Annotations/a.xml:8: 3 pixels"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        expect_fault(&faults, expected[i]);
    }
    weld_text_free(&faults.text);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

START_TEST(a_lack_of_memory_is_told) {
    test_folder f = make_set(OBJECT("cat", CORNERS("1", "1", "9", "9"), ""));
    weld_dataset *ds = NULL;
    weld_error err;
    long successes = 0;
    for (weld_status status = WELD_ERROR_MEMORY; status; successes++) {
        ck_assert_int_lt(successes, 500);
        weld_memory_fail_after(successes);
        status = weld_dataset_open(f.path, &ds, &err);
        weld_memory_fail_after(-1);
        ck_assert_msg(!status || status == WELD_ERROR_MEMORY, "%s", err.message);
    }
    ck_assert_int_eq(box_count(ds, 0), 1);
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/voc", corners_count_from_one_and_are_within_the_box,
          lists_make_parts_which_share_their_classes, names_in_lists_may_have_blanks,
          a_thing_that_is_difficult_once_and_then_not_is_found,
          what_is_difficult_is_so_where_that_is_said,
          the_image_that_is_called_as_the_file_comes_before_the_one_it_names,
          an_image_of_two_files_is_an_error_that_names_them, files_may_be_beside_the_images,
          what_nobody_can_know_is_an_error_with_its_line, faults_are_told_and_the_rest_is_read,
          a_lack_of_memory_is_told)
