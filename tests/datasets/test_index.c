/* Kept listings: used while they are true, and never after. */
#define _GNU_SOURCE
#include "datasets/index.h"

#include <fcntl.h>
#include <xxhash.h>

#include "datasets/archives.h"
#include "datasets/folder.h"
#include "datasets/folders.h"
#include "datasets/tar_listing.h"
#include "formats/file_system.h"
#include "suite.h"

static const weld_listing_options plain;

/* The folder of the test holds "cache" and "set": two classes, one with a folder in it. */
static test_folder make_set(void) {
    test_folder f = test_folder_create();
    put_fixture(&f, "set/cat/a.jpg", "one_pixel.jpg");
    put_fixture(&f, "set/cat/sub/b.jpg", "one_pixel.jpg");
    put_fixture(&f, "set/dog/c.jpg", "one_pixel.jpg");
    setenv("XDG_CACHE_HOME", test_path(&f, "cache"), 1);
    return f;
}

/* List the folder and keep that as if it had been done in a while: what changed a moment ago is not
 * kept. Returns the note. */
static weld_index_note keep_folder(const char *path) {
    weld_listing l;
    weld_index_note note = {0};
    ck_assert_int_eq(weld_folder_scan(path, &plain, &l, NULL), WELD_OK);
    weld_index_write(path, &l, weld_index_now() + 10000000000, &note);
    weld_listing_free(&l);
    return note;
}

static bool is_known(const char *path, int descriptor, weld_index_note *note) {
    weld_listing l;
    bool known = weld_index_read(path, descriptor, &l, note);
    weld_listing_free(&l);
    return known;
}

/* On other file systems nothing is kept, which is all there is to see then. */
static bool can_keep(const char *path) {
    struct statfs info;
    weld_index_note note = keep_folder(path);
    const bool can = !strstr(note.text, "file system");
    ck_assert_int_eq(statfs(path, &info), 0);
    ck_assert(can || weld_file_system_of(&info) == WELD_FILE_SYSTEM_OTHER);
    return can;
}

/* The file that the note names. */
static char *file_of(const weld_index_note *note) {
    static char path[512];
    snprintf(path, sizeof path, "%s", strchr(note->text, '/'));
    return path;
}

/* Longer than a tick of the file system's clock. */
static void wait_a_tick(void) {
    usleep(30000);
}

START_TEST(a_kept_listing_is_the_one_that_was_made) {
    test_folder f = make_set();
    const char *set = test_path(&f, "set");
    weld_listing made, read;
    weld_index_note note;
    ck_assert_int_eq(rename(test_path(&f, "set/cat/sub/b.jpg"), test_path(&f, "set/cat/sub/b")), 0);
    for (const char *name = "4213"; *name; name++) {
        char path[32];
        snprintf(path, sizeof path, "set/cat/%c", *name);
        test_write_file(test_path(&f, path), "", 0);
    }
    ck_assert(!is_known(set, -1, &note));
    ck_assert_str_eq(note.text, "");
    if (can_keep(set)) {
        ck_assert_int_eq(weld_folder_scan(set, &plain, &made, NULL), WELD_OK);
        ck_assert_msg(weld_index_read(set, -1, &read, &note), "%s", note.text);
        ck_assert_msg(strstr(note.text, "by the index in ") != NULL, "%s", note.text);
        ck_assert_int_eq((int64_t)read.samples.count, 3);
        ck_assert_int_eq(weld_listing_class_count(&read), 2);
        for (int i = 0; i < 3; i++) {
            ck_assert_str_eq(weld_listing_name(&read, i), weld_listing_name(&made, i));
            ck_assert_int_eq(weld_listing_label(&read, i), weld_listing_label(&made, i));
        }
        ck_assert_str_eq(weld_listing_class_name(&read, 1), "dog");
        weld_text told = WELD_TEXT;
        weld_listing_tell(&read, &told);
        ck_assert_str_eq(weld_text_get(&told), "images by their contents: 1 (cat/sub/b); passed "
                                               "over: empty: 4 (cat/1, cat/2, cat/3, ...)");
        weld_text_free(&told);
        weld_listing_free(&made);
        weld_listing_free(&read);
        /* By another name of the same folder, too. */
        ck_assert_int_eq(symlink("set", test_path(&f, "link")), 0);
        ck_assert(is_known(test_path(&f, "link"), -1, &note));
    }
    test_folder_remove(f);
}
END_TEST

/* Each of these changes what a new scan would list. */
START_TEST(no_change_of_the_folder_goes_unnoticed) {
    const char *changes[] = {
        "touch set/cat/new.jpg",
        "rm set/cat/a.jpg",
        "mv set/cat/a.jpg set/cat/z.jpg",
        "mv set/cat/sub/b.jpg set/cat/b.jpg",
        "mkdir set/ant",
        "mv set/dog set/eel",
        "rm set/dog/c.jpg && mkdir set/dog/c.jpg",
        "mv set/cat/sub /tmp/weld-test-$$ && mkdir set/cat/sub && rm -r /tmp/weld-test-$$",
        "touch set/cat/sub/new.jpg && touch -d 2001-01-01 set/cat/sub", /* times set back */
        "mv set old && cp -a old set && rm -r old",
    };
    test_folder f = make_set();
    bool can = can_keep(test_path(&f, "set"));
    test_folder_remove(f);
    for (size_t i = 0; can && i < sizeof changes / sizeof *changes; i++) {
        char command[1024];
        weld_index_note note;
        f = make_set();
        const char *set = test_path(&f, "set");
        keep_folder(set);
        ck_assert_msg(is_known(set, -1, &note), "%s", note.text);
        wait_a_tick();
        snprintf(command, sizeof command, "cd '%s' && %s", f.path, changes[i]);
        ck_assert_int_eq(system(command), 0);
        ck_assert_msg(!is_known(set, -1, &note), "unnoticed: %s", changes[i]);
        ck_assert_msg(strstr(note.text, "out of date") != NULL, "%s", note.text);
        test_folder_remove(f);
    }
}
END_TEST

START_TEST(new_contents_under_an_old_name_are_read_though_the_index_is_used) {
    test_folder f = make_set();
    const char *set = test_path(&f, "set");
    const weld_dataset_options options = {.index_from = 1};
    weld_dataset *ds = NULL;
    weld_bytes bytes = {0};
    if (can_keep(set)) {
        wait_a_tick();
        test_write_file(test_path(&f, "set/cat/a.jpg"), "new", 3);
        ck_assert_int_eq(weld_dataset_open_with(set, &options, &ds, NULL), WELD_OK);
        ck_assert_msg(strstr(weld_dataset_note(ds), "by the index") != NULL, "%s",
                      weld_dataset_note(ds));
        ck_assert_int_eq(weld_dataset_read(ds, 0, &bytes, NULL), WELD_OK);
        ck_assert_uint_eq(bytes.size, 3);
        weld_bytes_free(&bytes);
        weld_dataset_free(ds);
    }
    test_folder_remove(f);
}
END_TEST

START_TEST(nothing_is_kept_where_a_change_might_not_show) {
    test_folder f = make_set();
    const char *set = test_path(&f, "set");
    const weld_dataset_options options = {.index_from = 1};
    weld_dataset *ds = NULL;
    if (can_keep(set)) {
        test_folder_walk(test_path(&f, "cache"), 1);
        ck_assert_int_eq(weld_dataset_open_with(set, &options, &ds, NULL), WELD_OK);
        ck_assert_msg(strstr(weld_dataset_note(ds), "a moment ago") != NULL, "%s",
                      weld_dataset_note(ds));
        weld_dataset_free(ds);
        ck_assert_int_eq(symlink("a.jpg", test_path(&f, "set/cat/link.jpg")), 0);
        weld_index_note note = keep_folder(set);
        ck_assert_msg(strstr(note.text, "links to files") != NULL, "%s", note.text);
        unlink(test_path(&f, "set/cat/link.jpg"));
        ck_assert_int_eq(symlink("dog", test_path(&f, "set/hound")), 0);
        keep_folder(set);
        ck_assert(is_known(set, -1, &note)); /* a link to a folder is no matter, */
        wait_a_tick();
        put_fixture(&f, "set/dog/new.jpg", "one_pixel.jpg");
        ck_assert(!is_known(set, -1, &note)); /* what it leads to is looked at */
        setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
        note = keep_folder(set);
        ck_assert_msg(strstr(note.text, "cannot be written") != NULL, "%s", note.text);
    }
    test_folder_remove(f);
}
END_TEST

START_TEST(an_archive_is_known_until_it_is_written_to) {
    test_folder f = make_set();
    test_tar t = {0};
    tar_add(&t, '0', "cat/a.jpg", "1", 1);
    tar_add(&t, '0', "dog/b.jpg", "22", 2);
    tar_end(&t);
    tar_write(&t, &f, "set.tar");
    if (can_keep(test_path(&f, "set"))) {
        const char *path = test_path(&f, "set.tar");
        int fd = open(path, O_RDWR);
        weld_listing l;
        weld_index_note note = {0};
        ck_assert_int_eq(weld_tar_list(fd, path, &plain, &l, NULL), WELD_OK);
        weld_index_write(path, &l, weld_index_now() + 10000000000, &note);
        weld_listing_free(&l);
        ck_assert_msg(weld_index_read(path, fd, &l, &note), "%s", note.text);
        ck_assert_str_eq(weld_listing_name(&l, 1), "dog/b.jpg");
        ck_assert_uint_eq(weld_listing_place_of(&l, 1).offset, 1536);
        ck_assert_uint_eq(weld_listing_place_of(&l, 1).size, 2);
        weld_listing_free(&l);
        wait_a_tick();
        ck_assert_int_eq(pwrite(fd, "c", 1, 0), 1); /* what was there before */
        ck_assert(!is_known(path, fd, &note));
        close(fd);
    }
    test_folder_remove(f);
}
END_TEST

START_TEST(a_damaged_index_is_as_good_as_none) {
    test_folder f = make_set();
    const char *set = test_path(&f, "set");
    weld_index_note note = keep_folder(set);
    if (can_keep(set)) {
        size_t size;
        char *file = file_of(&note);
        unsigned char *bytes = test_read_file(file, &size);
        ck_assert_uint_gt(size, 128);
        for (size_t i = 0; i < size; i += i < 160 ? 1 : 7) {
            bytes[i] ^= 0x41;
            test_write_file(file, bytes, size);
            ck_assert_msg(!is_known(set, -1, &note), "byte %zu", i);
            bytes[i] ^= 0x41;
        }
        for (size_t i = 0; i < size; i += 9) {
            test_write_file(file, bytes, i);
            ck_assert_msg(!is_known(set, -1, &note), "cut at %zu", i);
        }
        bytes = realloc(bytes, size + 1);
        test_write_file(file, bytes, size + 1);
        ck_assert(!is_known(set, -1, &note));
        ck_assert_msg(strstr(note.text, "damaged") != NULL, "%s", note.text);
        test_write_file(file, bytes, size);
        ck_assert(is_known(set, -1, &note));
        free(bytes);
    }
    test_folder_remove(f);
}
END_TEST

START_TEST(an_index_that_is_not_ours_alone_is_as_good_as_none) {
    test_folder f = make_set();
    const char *set = test_path(&f, "set");
    weld_index_note note = keep_folder(set);
    if (can_keep(set)) {
        struct stat info;
        char *file = file_of(&note), held[520];
        ck_assert_int_eq(stat(file, &info), 0);
        ck_assert_int_eq(info.st_mode & 0777, 0600);
        static const mode_t open_to_others[] = {0660, 0606, 0666};
        for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
            ck_assert_int_eq(chmod(file, open_to_others[i]), 0);
            ck_assert(!is_known(set, -1, &note));
            ck_assert_ptr_nonnull(strstr(note.text, "others may write to"));
            note = keep_folder(set); /* which mends it */
            ck_assert_int_eq(stat(file, &info), 0);
            ck_assert_int_eq(info.st_mode & 0777, 0600);
            ck_assert(is_known(set, -1, &note));
        }
        /* A link is neither read nor written through. */
        snprintf(held, sizeof held, "%s.held", file);
        ck_assert_int_eq(rename(file, held), 0);
        ck_assert_int_eq(symlink(held, file), 0);
        ck_assert(!is_known(set, -1, &note));
        test_write_file(held, "diary", 5);
        note = keep_folder(set);
        ck_assert(is_known(set, -1, &note));
        ck_assert_int_eq(lstat(file, &info), 0);
        ck_assert(S_ISREG(info.st_mode));
        ck_assert_int_eq(stat(held, &info), 0);
        ck_assert_int_eq(info.st_size, 5);
    }
    test_folder_remove(f);
}
END_TEST

/* Use all of a listing: under a sanitizer this shows what leads out of its tables. */
static void walk(const weld_listing *l) {
    size_t size = 0;
    for (int64_t i = 0; i < (int64_t)l->samples.count; i++) {
        int label = weld_listing_label(l, i);
        ck_assert(label >= 0 && label < weld_listing_class_count(l));
        size += strlen(weld_listing_name(l, i)) + strlen(weld_listing_class_name(l, label));
    }
    ck_assert_uint_lt(size, 1 << 20);
}

/* The checksum is right, so that each number has to be checked itself. */
START_TEST(numbers_that_were_made_up_never_lead_out_of_the_tables) {
    enum { CHECKSUM_AT = 120 };
    test_folder f = make_set();
    const char *set = test_path(&f, "set");
    weld_index_note note = keep_folder(set);
    if (can_keep(set)) {
        static const unsigned char values[][8] = {
            {0xFF, 0xFF, 0xFF, 0x7F}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, {1}, {0}};
        size_t size;
        char *file = file_of(&note);
        unsigned char *bytes = test_read_file(file, &size), held[8];
        for (size_t at = 16; at + 8 <= size; at += 4) {
            for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
                weld_listing l;
                memcpy(held, bytes + at, 8);
                memcpy(bytes + at, values[k], 8);
                memset(bytes + CHECKSUM_AT, 0, 8);
                uint64_t sum = XXH3_64bits(bytes, size);
                memcpy(bytes + CHECKSUM_AT, &sum, 8);
                test_write_file(file, bytes, size);
                if (weld_index_read(set, -1, &l, &note)) {
                    walk(&l);
                }
                weld_listing_free(&l);
                memcpy(bytes + at, held, 8);
            }
        }
        free(bytes);
    }
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/index", a_kept_listing_is_the_one_that_was_made,
          no_change_of_the_folder_goes_unnoticed,
          new_contents_under_an_old_name_are_read_though_the_index_is_used,
          nothing_is_kept_where_a_change_might_not_show, an_archive_is_known_until_it_is_written_to,
          a_damaged_index_is_as_good_as_none, an_index_that_is_not_ours_alone_is_as_good_as_none,
          numbers_that_were_made_up_never_lead_out_of_the_tables)
