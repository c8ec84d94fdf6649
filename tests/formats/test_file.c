#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "files.h"
#include "formats/file.h"
#include "formats/file_kind.h"
#include "formats/unfinished.h"
#include "suite.h"

static void assert_holds(const char *path, const char *text) {
    size_t size;
    unsigned char *bytes = test_read_file(path, &size);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_mem_eq(bytes, text, size);
    free(bytes);
}

START_TEST(a_file_is_replaced_whole) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_error err;
    ck_assert_int_eq(weld_file_write(path, "first", 5, &err), WELD_OK);
    assert_holds(path, "first");
    ck_assert_int_eq(weld_file_write(path, "2nd", 3, &err), WELD_OK);
    assert_holds(path, "2nd");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_discarded_replacement_leaves_nothing) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_replacement *r;
    ck_assert_int_eq(weld_file_write(path, "old", 3, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_open(path, &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_write(r, "new", 3, NULL), WELD_OK);
    weld_replacement_discard(r);
    assert_holds(path, "old");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_unfinished_can_be_removed_at_any_time) {
    enum { FILES = 100 }; /* more than are listed, which costs no file and no other error */
    test_folder folder = test_folder_create();
    weld_replacement *r[FILES];
    char name[16];
    ck_assert_int_eq(weld_file_write(test_path(&folder, "done"), "old", 3, NULL), WELD_OK);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(weld_replacement_open(test_path(&folder, name), &r[i], NULL), WELD_OK);
    }
    for (int i = 1; i < FILES; i++) {
        weld_replacement_discard(r[i]);
    }
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 2);
    weld_unfinished_unlink();
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    assert_holds(test_path(&folder, "done"), "old");
    weld_error err;
    ck_assert_int_eq(weld_replacement_commit(r[0], &err), WELD_ERROR_NOT_FOUND);
    test_folder_remove(folder);
}
END_TEST

START_TEST(of_two_writers_the_later_stays) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_write(r, "mine", 4, NULL), WELD_OK);
    ck_assert_int_eq(weld_file_write(path, "other", 5, NULL), WELD_OK);
    assert_holds(path, "other");
    ck_assert_int_eq(weld_replacement_commit(r, NULL), WELD_OK);
    assert_holds(path, "mine");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_link_is_followed_to_the_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a"), *link = test_path(&folder, "link");
    test_write_file(path, "old", 3);
    ck_assert_int_eq(symlink("a", link), 0);
    ck_assert_int_eq(weld_file_write(link, "new", 3, NULL), WELD_OK);
    assert_holds(path, "new");
    struct stat info;
    ck_assert_int_eq(lstat(link, &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_not_a_file_is_refused) {
    test_folder folder = test_folder_create();
    const char *pipe_path = test_path(&folder, "pipe");
    weld_error err;
    void *data;
    size_t size;
    ck_assert_int_eq(mkfifo(pipe_path, 0600), 0);
    ck_assert_int_eq(weld_file_write(folder.path, "x", 1, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_file_write(pipe_path, "x", 1, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_file_read(pipe_path, 100, &data, &size, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_file_read(folder.path, 100, &data, &size, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "folder"));
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_folder_in_the_place_of_a_file_that_is_kept_open_is_called_so) {
    test_folder folder = test_folder_create();
    weld_error err;
    int descriptor = -1;
    ck_assert_int_eq(weld_file_open_kept(folder.path, 0600, &descriptor, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "exists and is not a file: remove it"));
    ck_assert_int_eq(descriptor, -1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_missing_folder_is_named) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "none/a");
    weld_error err;
    ck_assert_int_eq(weld_file_write(path, "x", 1, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "none/a"));
    ck_assert_ptr_nonnull(strstr(err.message, "No such file"));
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_file_above_the_limit_is_refused) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_error err;
    void *data;
    size_t size;
    test_write_file(path, "12345", 5);
    ck_assert_int_eq(weld_file_read(path, 4, &data, &size, &err), WELD_ERROR_FORMAT);
    ck_assert_int_eq(weld_file_read(path, 5, &data, &size, &err), WELD_OK);
    ck_assert_uint_eq(size, 5);
    ck_assert_str_eq(data, "12345");
    weld_free(data);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_write_that_does_not_fit_keeps_the_old_file) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    static const char zeros[100000];
    weld_error err;
    ck_assert_int_eq(weld_file_write(path, "old", 3, &err), WELD_OK);
    struct rlimit limit = {50000, 50000};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(weld_file_write(path, zeros, sizeof zeros, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    ck_assert_ptr_nonnull(strstr(err.message, "File too large"));
    assert_holds(path, "old");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_full_disk_keeps_the_old_file) {
    weld_error err;
    /* Every write to this device fails as on a full disk; a replacement cannot be made of it, so
     * write to one that was opened by another name. */
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    weld_replacement *r;
    ck_assert_int_eq(weld_file_write(path, "old", 3, &err), WELD_OK);
    ck_assert_int_eq(weld_replacement_open(path, &r, &err), WELD_OK);
    int full = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(full, 0);
    /* The replacement's descriptor is the newest before this one. */
    ck_assert_int_ge(dup2(full, full - 1), 0);
    ck_assert_int_eq(weld_replacement_write(r, "new", 3, &err), WELD_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "No space left on device"));
    ck_assert_ptr_nonnull(strstr(err.message, "free space or choose another place"));
    weld_replacement_discard(r);
    close(full);
    assert_holds(path, "old");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_folder_that_may_not_be_written_is_named) {
    test_folder folder = test_folder_create();
    int status;
    ck_assert_int_eq(chmod(folder.path, 0555), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        weld_error err;
        const bool may_not = geteuid() != 0 || setuid(1234) == 0; /* root may write anywhere */
        const weld_status refused = weld_file_write(test_path(&folder, "a"), "x", 1, &err);
        _exit(may_not && refused == WELD_ERROR_IO && strstr(err.message, "Permission denied") ? 0
                                                                                              : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(chmod(folder.path, 0700), 0);
    test_folder_remove(folder);
}
END_TEST

START_TEST(failing_allocations_leave_nothing_behind) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "a");
    ck_assert_int_eq(weld_file_write(path, "old", 3, NULL), WELD_OK);
    weld_status status = WELD_ERROR_MEMORY;
    for (long n = 0; status != WELD_OK; n++) {
        ck_assert_int_lt(n, 100);
        weld_memory_fail_after(n);
        status = weld_file_write(path, "new", 3, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
        assert_holds(path, status == WELD_OK ? "new" : "old");
    }
    assert_holds(path, "new");
    test_folder_remove(folder);
}
END_TEST

static void assert_kind(const test_folder *folder, const char *bytes, size_t size,
                        weld_file_kind kind) {
    const char *path = test_path(folder, "f");
    test_write_file(path, bytes, size);
    ck_assert_int_eq(weld_file_kind_of(path), kind);
}

START_TEST(kinds_are_told_by_content) {
    test_folder folder = test_folder_create();
    char hdf5[600] = {0};
    memcpy(hdf5 + 512, "\x89HDF\r\n\x1a\n", 8);
    assert_kind(&folder, "", 0, WELD_FILE_UNKNOWN);
    assert_kind(&folder, "hello", 5, WELD_FILE_UNKNOWN);
    assert_kind(&folder, hdf5, sizeof hdf5, WELD_FILE_HDF5);
    assert_kind(&folder, hdf5 + 512, 8, WELD_FILE_HDF5);
    assert_kind(&folder, "PK\x03\x04rest", 8, WELD_FILE_PTH);
    assert_kind(&folder, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}",
                24, WELD_FILE_PICKLE);
    assert_kind(&folder, "\x40\0\0\0\0\0\0\0{\"a\":", 13, WELD_FILE_SAFETENSORS);
    assert_kind(&folder, "\x08\x08\x12\4weld\x1a\6v0.1.0:", 17, WELD_FILE_ONNX);
    assert_kind(&folder, "\x08\x08\x13\4weld\x1a\6v0.1.0:", 17, WELD_FILE_UNKNOWN);
    assert_kind(&folder, "\x93NUMPY\1\0", 8, WELD_FILE_NPY);
    assert_kind(&folder, "\xff\xd8\xff\xe0", 4, WELD_FILE_JPEG);
    assert_kind(&folder, "\x89PNG\r\n\x1a\n", 8, WELD_FILE_PNG);
    assert_kind(&folder, "RIFF\x10\0\0\0WEBP", 12, WELD_FILE_WEBP);
    assert_kind(&folder, "RIFF\x10\0\0\0WE", 10, WELD_FILE_UNKNOWN);
    assert_kind(&folder, "RIFF", 4, WELD_FILE_UNKNOWN);
    assert_kind(&folder, "weld-pack2\r\n\x1a\n", 14, WELD_FILE_PACKED);
    ck_assert_int_eq(weld_file_kind_of(folder.path), WELD_FILE_FOLDER);
    ck_assert_int_eq(weld_file_kind_of(test_path(&folder, "none")), WELD_FILE_UNKNOWN);
    for (int k = WELD_FILE_UNKNOWN; k <= WELD_FILE_FOLDER; k++) {
        ck_assert_uint_gt(strlen(weld_file_kind_text((weld_file_kind)k)), 0);
    }
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_may_pass_is_tried_again_twice_and_nothing_else_is) {
    int tries = 0;
    ck_assert(weld_file_tries_again(EIO, &tries));
    ck_assert(weld_file_tries_again(ESTALE, &tries));
    ck_assert(!weld_file_tries_again(EIO, &tries));
    tries = 0;
    ck_assert(weld_file_tries_again(ENOTCONN, &tries)); /* a server of files is gone for a moment */
    ck_assert(weld_file_tries_again(EHOSTDOWN, &tries));
    tries = 0;
    ck_assert(!weld_file_tries_again(EACCES, &tries));
    ck_assert(!weld_file_tries_again(ENOENT, &tries));
    ck_assert_int_eq(tries, 0);
}
END_TEST

RUN_SUITE("formats/file", what_may_pass_is_tried_again_twice_and_nothing_else_is,
          a_file_is_replaced_whole, a_discarded_replacement_leaves_nothing,
          what_is_unfinished_can_be_removed_at_any_time, of_two_writers_the_later_stays,
          a_link_is_followed_to_the_file, what_is_not_a_file_is_refused,
          a_folder_in_the_place_of_a_file_that_is_kept_open_is_called_so, a_missing_folder_is_named,
          a_file_above_the_limit_is_refused, a_write_that_does_not_fit_keeps_the_old_file,
          a_full_disk_keeps_the_old_file, a_folder_that_may_not_be_written_is_named,
          failing_allocations_leave_nothing_behind, kinds_are_told_by_content)
