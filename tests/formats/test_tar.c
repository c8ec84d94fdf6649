#include "formats/tar.h"

#include <fcntl.h>

#include "datasets/archives.h"
#include "suite.h"

/* "KIND NAME OFFSET SIZE\n" of each member, and at the end what was wrong. */
static char listed[64 << 10];

static weld_status list(const test_folder *f, test_tar *archive) {
    tar_write(archive, f, "a.tar");
    const char *path = test_path(f, "a.tar");
    struct stat info;
    weld_error err = {0};
    weld_tar *t;
    weld_tar_member m;
    bool more = true;
    size_t at = 0;
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(fstat(fd, &info), 0);
    listed[0] = 0;
    ck_assert_int_eq(weld_tar_create(fd, path, 0, (uint64_t)info.st_size, &t, &err), WELD_OK);
    weld_status status = weld_tar_next(t, &m, &more, &err);
    for (; !status && more; status = weld_tar_next(t, &m, &more, &err)) {
        ck_assert_uint_le(m.offset + m.size, (uint64_t)info.st_size);
        at += (size_t)snprintf(listed + at, sizeof listed - at, "%c %s %llu %llu\n", "FDLO"[m.kind],
                               m.name, (unsigned long long)m.offset, (unsigned long long)m.size);
    }
    if (status) {
        ck_assert_msg(strstr(err.message, path) != NULL, "%s", err.message);
        snprintf(listed + at, sizeof listed - at, "%s", err.message);
    }
    weld_tar_free(t);
    close(fd);
    return status;
}

static void expect(const test_folder *f, test_tar *archive, const char *expected) {
    ck_assert_msg(list(f, archive) == WELD_OK, "%s", listed);
    ck_assert_str_eq(listed, expected);
}

static void expect_refusal(const test_folder *f, test_tar *archive, const char *reason) {
    ck_assert_int_eq(list(f, archive), WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(listed, reason) != NULL, "%s", listed);
}

START_TEST(members_have_their_place_kind_and_name) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_add(&t, '5', "cat/", NULL, 0);
    tar_add(&t, '0', "cat/a.jpg", "12345", 5);
    tar_add(&t, 0, "cat/b.jpg", "1", 1);
    tar_add(&t, '0', "old/", NULL, 0);
    tar_add(&t, '2', "cat/c.jpg", NULL, 0);
    tar_add(&t, '6', "pipe", NULL, 0);
    char whole[512];
    memset(whole, 'x', sizeof whole);
    tar_add(&t, '7', "full", whole, sizeof whole);
    tar_end(&t);
    expect(&f, &t,
           "D cat/ 512 0\nF cat/a.jpg 1024 5\nF cat/b.jpg 2048 1\nD old/ 3072 0\n"
           "L cat/c.jpg 3584 0\nO pipe 4096 0\nF full 4608 512\n");
    tar_end(&t);
    expect(&f, &t, "");
    test_folder_remove(f);
}
END_TEST

START_TEST(long_names_come_from_prefix_gnu_and_pax) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    char name[301], expected[1024];
    memset(name, 'n', 300);
    name[300] = 0;
    size_t at = tar_add(&t, '0', "file.jpg", "1", 1);
    memcpy(t.bytes + at + 345, "some/folder", 11);
    tar_set_checksum(t.bytes + at);
    tar_add(&t, 'L', "././@LongLink", name, 301);
    tar_add(&t, '0', "cut", "22", 2);
    tar_add(&t, 'K', "././@LongLink", name, 301);
    tar_add_pax(&t, 'g', "comment", "of a commit");
    tar_add_pax(&t, 'x', "path", name);
    tar_add(&t, '0', "cut too", "333", 3);
    tar_add(&t, '0', "short again", "4444", 4);
    tar_end(&t);
    snprintf(expected, sizeof expected,
             "F some/folder/file.jpg 512 1\nF %s 2560 2\nF %s 6656 3\nF short again 7680 4\n", name,
             name);
    expect(&f, &t, expected);
    test_folder_remove(f);
}
END_TEST

START_TEST(large_sizes_come_from_pax_and_base_256) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_add_pax(&t, 'x', "size", "3");
    size_t at = tar_add(&t, '0', "a", "123", 3);
    memset(t.bytes + at + 124, '0', 11); /* what is in the header does not count then */
    tar_set_checksum(t.bytes + at);
    at = tar_add(&t, '0', "b", "12", 2);
    memcpy(t.bytes + at + 124, "\x80\0\0\0\0\0\0\0\0\0\0\2", 12);
    tar_set_checksum(t.bytes + at);
    tar_end(&t);
    expect(&f, &t, "F a 1536 3\nF b 2560 2\n");
    tar_add_pax(&t, 'x', "size", "999999999999");
    tar_add(&t, '0', "a", "123", 3);
    tar_end(&t);
    expect_refusal(&f, &t, "is cut");
    tar_add_pax(&t, 'x', "size", "184467440737095516150");
    tar_end(&t);
    expect_refusal(&f, &t, "size is no number");
    at = tar_add(&t, '0', "b", "12", 2);
    memset(t.bytes + at + 124, 0xFF, 12);
    tar_set_checksum(t.bytes + at);
    tar_end(&t);
    expect_refusal(&f, &t, "no header");
    test_folder_remove(f);
}
END_TEST

START_TEST(what_is_not_plain_bytes_is_refused) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    tar_add(&t, 'S', "s", "12", 2);
    expect_refusal(&f, &t, "sparse");
    tar_add_pax(&t, 'x', "GNU.sparse.major", "1");
    expect_refusal(&f, &t, "sparse");
    tar_add(&t, 'M', "m", "12", 2);
    expect_refusal(&f, &t, "several volumes");
    tar_add(&t, 'Q', "q", "12", 2);
    expect_refusal(&f, &t, "unknown kind");
    tar_add_pax(&t, 'g', "path", "all of them");
    expect_refusal(&f, &t, "meant for all");
    test_folder_remove(f);
}
END_TEST

START_TEST(cut_and_damaged_archives_are_refused) {
    test_folder f = test_folder_create();
    test_tar t = {0};
    for (size_t size = 0; size <= 2048; size += 256) {
        tar_add_pax(&t, 'x', "path", "cat/a.jpg");
        t.size = size < t.size ? size : t.size;
        expect_refusal(&f, &t, "is cut");
    }
    tar_add(&t, '0', "cat/a.jpg", "1", 1);
    expect_refusal(&f, &t, "is cut"); /* all of it there, but for the end */
    tar_add(&t, '0', "cat/a.jpg", "1", 1);
    t.size -= 300;
    expect_refusal(&f, &t, "is cut");
    tar_add_pax(&t, 'x', "path", "cat/a.jpg");
    tar_end(&t);
    expect_refusal(&f, &t, "is cut"); /* a name of nothing */
    tar_add(&t, '0', "cat/a.jpg", "1", 1);
    t.bytes[3]++;
    expect_refusal(&f, &t, "no header");
    const char *records[] = {"99999999 path=a\n", "x path=a\n", "10 path=a", "11 pathaaa\n", "3 a"};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        tar_add(&t, 'x', "pax", records[i], strlen(records[i]));
        expect_refusal(&f, &t, "pax header is damaged");
    }
    size_t at = tar_add(&t, 'L', "@", NULL, 0);
    memcpy(t.bytes + at + 124, "77777777777", 11);
    tar_set_checksum(t.bytes + at);
    expect_refusal(&f, &t, "too long");
    test_folder_remove(f);
}
END_TEST

START_TEST(compressed_files_are_told_by_their_first_bytes) {
    const char *undo = NULL;
    ck_assert_str_eq(weld_compression((const unsigned char *)"\x1f\x8b\x08", 3, &undo), "gzip");
    ck_assert_str_eq(undo, "gunzip");
    ck_assert_str_eq(weld_compression((const unsigned char *)"BZh9", 4, &undo), "bzip2");
    ck_assert_str_eq(weld_compression((const unsigned char *)"\x28\xb5\x2f\xfd", 4, &undo), "zstd");
    ck_assert_ptr_null(weld_compression((const unsigned char *)"\x28\xb5\x2f\xfd", 3, &undo));
    ck_assert_ptr_null(weld_compression((const unsigned char *)"cat", 3, &undo));
}
END_TEST

RUN_SUITE("formats/tar", members_have_their_place_kind_and_name,
          long_names_come_from_prefix_gnu_and_pax, large_sizes_come_from_pax_and_base_256,
          what_is_not_plain_bytes_is_refused, cut_and_damaged_archives_are_refused,
          compressed_files_are_told_by_their_first_bytes)
