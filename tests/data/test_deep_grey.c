/* That a data set of 16-bit grey loses most of its pixels is said. */
#include "data/deep_grey.h"
#include "data/folders.h"
#include "suite.h"

START_TEST(a_few_images_tell_what_is_lost) {
    test_folder f = test_folder_create();
    char text[256];
    put_fixture(&f, "cat/a.jpg", "grey.jpg");
    put_fixture(&f, "cat/b.png", "rgb16.png");
    put_fixture(&f, "dog/c.jpg", "photo.jpg");
    weld_dataset *ds = open_dataset(f.path);
    ck_assert_str_eq(weld_deep_grey_text(ds, text, sizeof text), "");
    weld_dataset_free(ds);
    put_fixture(&f, "dog/d.png", "grey16.png");
    ds = open_dataset(f.path);
    ck_assert_str_eq(weld_deep_grey_text(ds, text, sizeof text),
                     "1 of 4 images looked at are 16-bit grey, from 76 to 442: all above 255 is "
                     "white, as in Pillow, which is 45.0 % of them: make 8-bit images of them");
    weld_dataset_free(ds);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/deep_grey", a_few_images_tell_what_is_lost)
