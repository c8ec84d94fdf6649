/* The folder of a run: who may use it, and when. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "files.h"
#include "suite.h"
#include "train/run_folder.h"

static weld_error err;
static test_folder base;
static const char *out;

static void make_base(void) {
    base = test_folder_create();
    out = test_path(&base, "a/b");
}

static void touch(const char *path) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

START_TEST(a_folder_is_made_with_its_parents_and_used_by_one_run_at_a_time) {
    weld_run_folder f, second;
    make_base();
    ck_assert_msg(!weld_run_folder_open(out, "r.yaml", false, &f, &err), "%s", err.message);
    ck_assert(!f.holds_checkpoint);
    ck_assert_int_eq(access(out, R_OK | W_OK | X_OK), 0);
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", true, &second, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "another training run is using this folder"));
    weld_run_folder_close(&f);
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", true, &f, &err), WELD_OK);
    weld_run_folder_close(&f);
    test_folder_remove(base);
}
END_TEST

START_TEST(a_folder_that_holds_a_run_wants_resume) {
    weld_run_folder f;
    make_base();
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", false, &f, &err), WELD_OK);
    touch(f.metrics);
    touch(f.last);
    weld_run_folder_close(&f);
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", false, &f, &err), WELD_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "continue it with --resume"));
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", true, &f, &err), WELD_OK);
    ck_assert(f.holds_checkpoint);
    weld_run_folder_close(&f);
    test_folder_remove(base);
}
END_TEST

/* Refused as a new run's folder and as one that goes on. */
static void refuse(const char *words) {
    weld_run_folder f;
    for (int resume = 0; resume < 2; resume++) {
        ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", resume, &f, &err),
                         WELD_ERROR_ARGUMENT);
        ck_assert_msg(strstr(err.message, words) != NULL, "%s: %s", words, err.message);
    }
}

START_TEST(what_takes_the_place_of_a_file_of_the_run_is_told_at_the_start) {
    static const char *const names[] = {"recipe.yaml", "metrics.jsonl",   "last.h5",
                                        "best.h5",     "evaluation.json", "epoch-3.h5"};
    weld_run_folder f;
    make_base();
    ck_assert_int_eq(mkdir(test_path(&base, "a"), 0777), 0);
    ck_assert_int_eq(mkdir(out = test_path(&base, "a/b"), 0777), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512], words[96];
        snprintf(path, sizeof path, "%s/%s", out, names[i]);
        ck_assert_int_eq(symlink("../../victim", path), 0);
        snprintf(words, sizeof words, "%s: is a link, which is not followed", names[i]);
        refuse(words);
        unlink(path);
        ck_assert_int_eq(mkdir(path, 0777), 0);
        snprintf(words, sizeof words, "%s: exists and is not a file: remove it", names[i]);
        refuse(words);
        rmdir(path);
        ck_assert_int_eq(mkfifo(path, 0666), 0);
        refuse(words);
        unlink(path);
    }
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", false, &f, &err), WELD_OK);
    weld_run_folder_close(&f);
    test_folder_remove(base);
}
END_TEST

START_TEST(without_a_name_the_recipe_gives_one) {
    weld_run_folder f;
    make_base();
    ck_assert_int_eq(chdir(base.path), 0);
    ck_assert_int_eq(weld_run_folder_open(NULL, "recipes/tiny.yaml", false, &f, &err), WELD_OK);
    ck_assert_ptr_eq(strstr(f.path, "runs/tiny-"), f.path);
    weld_run_folder_close(&f);
    ck_assert_int_eq(weld_run_folder_open(NULL, "tiny.yaml", true, &f, &err), WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(chdir("/"), 0);
    test_folder_remove(base);
}
END_TEST

START_TEST(runs_of_the_same_second_have_folders_of_their_own) {
    enum { RUNS = 4 };
    weld_run_folder f[RUNS];
    make_base();
    ck_assert_int_eq(chdir(base.path), 0);
    for (int i = 0; i < RUNS; i++) {
        ck_assert_int_eq(weld_run_folder_open(NULL, "tiny.yaml", false, &f[i], &err), WELD_OK);
        for (int k = 0; k < i; k++) {
            ck_assert_str_ne(f[i].path, f[k].path);
        }
    }
    for (int i = 0; i < RUNS; i++) {
        weld_run_folder_close(&f[i]);
    }
    ck_assert_int_eq(chdir("/"), 0);
    test_folder_remove(base);
}
END_TEST

START_TEST(a_path_that_cannot_be_made_is_named) {
    weld_run_folder f;
    ck_assert_int_eq(weld_run_folder_open("/dev/null/x", "r.yaml", false, &f, &err), WELD_ERROR_IO);
    ck_assert_str_eq(err.message, "/dev/null/x: the folder cannot be made: Not a directory");
}
END_TEST

static void touch_epoch(const weld_run_folder *f, int64_t epochs) {
    char *path;
    ck_assert_int_eq(weld_run_folder_epoch(f, epochs, &path, &err), WELD_OK);
    touch(path);
    weld_free(path);
}

static bool is_there(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", out, name);
    return access(path, F_OK) == 0;
}

START_TEST(the_newest_checkpoints_of_epochs_are_kept) {
    weld_run_folder f;
    make_base();
    ck_assert_int_eq(weld_run_folder_open(out, "r.yaml", false, &f, &err), WELD_OK);
    for (int64_t i = 1; i <= 12; i++) {
        touch_epoch(&f, i);
    }
    static const char *const others[] = {"epoch-3.h5.bak", "epoch-03.h5", "epoch-.h5",
                                         "epoch-3x.h5"};
    for (size_t i = 0; i < 4; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", out, others[i]);
        touch(path);
    }
    ck_assert_int_eq(weld_run_folder_prune(&f, 11, 0, &err), WELD_OK);
    ck_assert(is_there("epoch-1.h5"));
    ck_assert_msg(!weld_run_folder_prune(&f, 11, 2, &err), "%s", err.message);
    ck_assert(!is_there("epoch-1.h5") && !is_there("epoch-9.h5"));
    ck_assert(is_there("epoch-10.h5") && is_there("epoch-11.h5") && is_there("epoch-12.h5"));
    for (size_t i = 0; i < 4; i++) {
        ck_assert_msg(is_there(others[i]), "%s", others[i]);
    }
    weld_run_folder_close(&f);
    test_folder_remove(base);
}
END_TEST

RUN_SUITE("train/run_folder", a_folder_is_made_with_its_parents_and_used_by_one_run_at_a_time,
          a_folder_that_holds_a_run_wants_resume,
          what_takes_the_place_of_a_file_of_the_run_is_told_at_the_start,
          without_a_name_the_recipe_gives_one, runs_of_the_same_second_have_folders_of_their_own,
          a_path_that_cannot_be_made_is_named, the_newest_checkpoints_of_epochs_are_kept)
