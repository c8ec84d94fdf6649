/* Files written and opened where each allocation of the process in turn fails, those of the
 * libraries under weld too (weld_memory_fail_after is of weld's own alone): an error that says so,
 * nothing half-written, and the process lives. */
#include <errno.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "files.h"
#include "formats/json_text.h"
#include "formats/json_tree.h"
#include "formats/logit_cache.h"
#include "formats/packed.h"
#include "formats/safetensors.h"
#include "formats/store.h"
#include "suite.h"

/* --- glibc's allocation, with a failure. ------------------------------------------------------ */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long until_failure; /* at 1 the next fails; at 0 or less none does */

static bool fails(void) {
    const bool now = atomic_load(&until_failure) > 0 && atomic_fetch_sub(&until_failure, 1) == 1;
    errno = now ? ENOMEM : errno;
    return now;
}

void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    return fails() ? NULL : __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    return fails() ? NULL : __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
    void *made = fails() ? NULL : __libc_memalign(alignment, size);
    *out = made ? made : *out;
    return made ? 0 : ENOMEM;
}

/* --- A job at a time. ------------------------------------------------------------------------- */

typedef weld_status job(const char *path, weld_error *err);

/* Do it until no allocation is left that could fail; `check` runs after each. */
static void do_with_failures(job *what, const char *path,
                             void (*check)(weld_status status, const char *path)) {
    long failures = 0;
    for (bool failed = true; failed;) {
        weld_error err = {0};
        atomic_store(&until_failure, ++failures);
        const weld_status status = what(path, &err);
        failed = atomic_exchange(&until_failure, 0) <= 0;
        ck_assert_msg(!status || (status == WELD_ERROR_MEMORY && strstr(err.message, "memory")),
                      "allocation %ld: %s", failures, err.message);
        check(status, path);
    }
    ck_assert_int_gt(failures, 5);
}

static weld_status write_store(const char *path, weld_error *err) {
    static const float weights[300];
    const weld_tensor tensor = {WELD_F32, WELD_SHAPE(300), (void *)weights};
    weld_store_writer *w;
    WELD_TRY(weld_store_writer_create("sample", &w, err));
    weld_status status = WELD_OK;
    for (int i = 0; i < 100 && !status; i++) {
        char name[32];
        snprintf(name, sizeof name, "group%d/tensor%d", i % 3, i);
        status = weld_store_put_tensor(w, name, &tensor, err);
    }
    status = status ? status : weld_store_put_text(w, "text", "of it", err);
    status = status ? status : weld_store_commit(w, path, err);
    weld_store_writer_free(w);
    return status;
}

static weld_status open_store(const char *path, weld_error *err) {
    weld_store *s;
    WELD_TRY(weld_store_open(path, &s, err));
    weld_store_free(s);
    return WELD_OK;
}

static weld_status write_packed(const char *path, weld_error *err) {
    static const char *const classes[] = {"ant", "bee"};
    const weld_packed_layout layout = {0};
    weld_packed_writer *w;
    WELD_TRY(weld_packed_writer_create(path, layout, classes, 2, &w, err));
    weld_status status = WELD_OK;
    for (int i = 0; i < 100 && !status; i++) {
        status = weld_packed_writer_add(w, "an image", 8, i % 2, "name", err);
    }
    status = status ? status : weld_packed_writer_finish(w, err);
    weld_packed_writer_free(w);
    return status;
}

static weld_status open_packed(const char *path, weld_error *err) {
    weld_packed *p;
    char bytes[8];
    WELD_TRY(weld_packed_open(path, &p, err));
    const weld_status status = weld_packed_read(p, 99, bytes, err);
    weld_packed_close(p);
    return status;
}

static weld_status write_safetensors(const char *path, weld_error *err) {
    static float weights[300];
    static char text[] = "merged";
    const weld_metadata metadata = {1, {{"weld.form", text}}};
    const weld_safetensors_tensor tensors[] = {{"a", {WELD_F32, WELD_SHAPE(300), weights}},
                                               {"b", {WELD_F32, WELD_SHAPE(3, 100), weights}}};
    weld_replacement *r;
    WELD_TRY(weld_replacement_open(path, &r, err));
    const weld_status status = weld_safetensors_write(r, tensors, 2, &metadata, err);
    if (status) {
        weld_replacement_discard(r);
        return status;
    }
    return weld_replacement_commit(r, err);
}

static weld_status open_safetensors(const char *path, weld_error *err) {
    weld_state_dict *s;
    float weights[300];
    WELD_TRY(weld_state_dict_open(path, NULL, &s, err));
    const weld_status status = weld_state_dict_read(s, 1, WELD_F32, weights, err);
    weld_state_dict_free(s);
    return status;
}

static weld_status write_cache(const char *path, weld_error *err) {
    const weld_cache_layout layout = {1, 50, 2, 9, true};
    const weld_cache_texts texts = {"0123", "augment.hflip: 0.5\n", "a teacher", "fp32"};
    float values[100];
    int32_t classes[100];
    weld_cache_writer *w;
    int64_t rows;
    for (int i = 0; i < 100; i++) {
        values[i] = -2;
        classes[i] = i % 9;
    }
    WELD_TRY(weld_cache_writer_open(path, &layout, &texts, &w, &rows, err));
    const weld_status status = weld_cache_writer_put(w, 0, 50, values, classes, err);
    if (status) {
        weld_cache_writer_close(w);
        return status;
    }
    return weld_cache_writer_commit(w, err);
}

static weld_status open_cache(const char *path, weld_error *err) {
    weld_logit_cache *c;
    float logits[9];
    WELD_TRY(weld_logit_cache_open(path, &c, err));
    const weld_status status = weld_logit_cache_read(c, 0, 49, 1, logits, err);
    weld_logit_cache_free(c);
    return status;
}

static job *open_it;
static test_folder folder;

/* Nothing but the whole file, which is there where it was said to be. */
static void check_written(weld_status status, const char *path) {
    weld_error err = {0};
    const int files = test_folder_walk(folder.path, 0);
    ck_assert_int_le(files, 1);
    ck_assert(files || status);
    if (files) {
        ck_assert_msg(open_it(path, &err) == WELD_OK, "%s", err.message);
        ck_assert_int_eq(unlink(path), 0);
    }
}

static void check_read(weld_status status, const char *path) {
    (void)status, (void)path;
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
}

static void write_and_open(job *write, job *open) {
    open_it = open;
    folder = test_folder_create();
    const char *path = test_path(&folder, "file");
    do_with_failures(write, path, check_written);
    ck_assert_int_eq(write(path, NULL), WELD_OK);
    do_with_failures(open, path, check_read);
    test_folder_remove(folder);
}

/* Jansson's values through weld's reading and writing: all of the text, or none. */
static weld_status read_and_write_json(const char *text, weld_error *err) {
    weld_json_fault fault;
    json_t *value = weld_json_tree_of(text, &fault);
    char *again = weld_json_dump(value, JSON_COMPACT);
    json_decref(value);
    const weld_status status = !again ? weld_fail_memory(err, "JSON")
                               : strcmp(text, again)
                                   ? weld_fail(err, WELD_ERROR_FORMAT, "%s", again)
                                   : WELD_OK;
    weld_free(again);
    return status;
}

static void check_nothing(weld_status status, const char *text) {
    (void)status, (void)text;
}

START_TEST(json) {
    weld_text text = WELD_TEXT;
    weld_text_add(&text, "{\"first\":[]");
    for (int i = 0; i < 40; i++) {
        weld_text_format(&text, ",\"key %d\":{\"a name\":\"of some length\",\"size\":[1,%d]}", i,
                         i);
    }
    weld_text_add(&text, "}");
    do_with_failures(read_and_write_json, weld_text_get(&text), check_nothing);
    weld_text_free(&text);
}
END_TEST

START_TEST(stores) {
    write_and_open(write_store, open_store);
}
END_TEST

START_TEST(packed_data_sets) {
    write_and_open(write_packed, open_packed);
}
END_TEST

START_TEST(safetensors) {
    write_and_open(write_safetensors, open_safetensors);
}
END_TEST

START_TEST(distillation_caches) {
    write_and_open(write_cache, open_cache);
}
END_TEST

RUN_SUITE("formats/short_memory", json, stores, packed_data_sets, safetensors, distillation_caches)
