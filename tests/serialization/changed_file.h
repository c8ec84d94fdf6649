/* Model files that lie: written by weld, with one entry changed. */
#ifndef WELD_TESTS_SERIALIZATION_CHANGED_FILE_H
#define WELD_TESTS_SERIALIZATION_CHANGED_FILE_H

#include <check.h>
#include <string.h>

#include "formats/store.h"
#include "serialization/model_file.h"

/* Copy a file entry by entry; `change` may put another entry for one (true), or leave it out. */
typedef struct change {
    const char *path; /* left out, unless replaced by: */
    const char *text;
    weld_store_type type;
    weld_shape shape;
    const void *data;
} change;

static inline weld_status read_changed(const char *from, const char *to, change c,
                                       weld_error *err) {
    weld_store *s;
    weld_store_writer *w;
    weld_model_file mf;
    ck_assert_int_eq(weld_store_open(from, &s, NULL), WELD_OK);
    ck_assert_int_eq(weld_store_writer_create(weld_store_kind(s), &w, NULL), WELD_OK);
    for (size_t i = 0; i < weld_store_count(s); i++) {
        const weld_store_entry *e = weld_store_entry_at(s, i);
        if (strcmp(e->path, c.path) == 0) {
            continue;
        }
        weld_status status = e->type == WELD_STORE_TEXT
                                 ? weld_store_put_text(w, e->path, e->data, NULL)
                                 : weld_store_put(w, e->path, e->type, &e->shape, e->data, NULL);
        ck_assert_int_eq(status, WELD_OK);
    }
    if (c.text) {
        ck_assert_int_eq(weld_store_put_text(w, c.path, c.text, NULL), WELD_OK);
    } else if (c.data) {
        ck_assert_int_eq(weld_store_put(w, c.path, c.type, &c.shape, c.data, NULL), WELD_OK);
    }
    ck_assert_int_eq(weld_store_commit(w, to, NULL), WELD_OK);
    weld_store_writer_free(w);
    weld_store_free(s);
    weld_status status = weld_model_file_read(to, &mf, err);
    if (status == WELD_OK) {
        weld_model_file_free(&mf);
    }
    return status;
}

static inline void assert_refused(const char *from, const char *to, change c, const char *reason) {
    weld_error err = {0};
    ck_assert_msg(read_changed(from, to, c, &err) != WELD_OK, "%s", c.path);
    ck_assert_msg(strstr(err.message, reason) && strstr(err.message, to), "%s: %s", c.path,
                  err.message);
}

#endif
