/* CSV files: their records (formats/csv.h), which written as RFC 4180 says are read again as they
 * were, and the lists of labelled images that they are (data/csv_listing.h), beside files a, b and
 * c/d.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "datasets/csv_listing.h"
#include "formats/csv.h"
#include "fuzz.h"

static char folder[80];

static const char *inside(const char *name) {
    static char path[120];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void remove_folder(void) {
    static const char *const names[] = {"a", "b", "c/d", "x.csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(inside(names[i]));
    }
    rmdir(inside("c"));
    rmdir(folder);
}

static void write_file(const char *name, const void *data, size_t size) {
    FILE *out = fopen(inside(name), "wb");
    FUZZ_CHECK(out);
    FUZZ_CHECK(fwrite(data, 1, size, out) == size);
    FUZZ_CHECK(fclose(out) == 0);
}

static void make_folder(void) {
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s.csv", fuzz_output());
        FUZZ_CHECK(mkdir(folder, 0700) == 0);
        FUZZ_CHECK(mkdir(inside("c"), 0700) == 0);
        write_file("a", "", 0);
        write_file("b", "", 0);
        write_file("c/d", "", 0);
        atexit(remove_folder);
    }
}

/* Every field in quotes. */
static void add_record(weld_text *t, const weld_array *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        const char *at = ((const char **)fields->data)[i];
        weld_text_add(t, i ? ",\"" : "\"");
        for (; *at; at++) {
            weld_text_add(t, *at == '"' ? "\"" : "");
            weld_text_add_bytes(t, at, 1);
        }
        weld_text_add(t, "\"");
    }
    weld_text_add(t, "\r\n");
}

/* All records, written anew; false: they cannot be read. */
static bool rewrite(const void *data, size_t size, weld_text *out) {
    weld_array fields = {.element = sizeof(char *)};
    weld_csv *c = NULL;
    weld_error err = fuzz_error();
    weld_status status = weld_csv_open(fuzz_file(data, size), &c, &err);
    int64_t line = 0;
    for (fields.count = 1; !status && fields.count;) {
        status = weld_csv_next(c, &fields, &err);
        if (!status && fields.count) {
            FUZZ_CHECK(weld_csv_line(c) > line);
            line = weld_csv_line(c);
            add_record(out, &fields);
        }
    }
    fuzz_check_status(status, &err);
    weld_array_free(&fields);
    weld_csv_close(c);
    return status == WELD_OK;
}

static void check_list(const weld_listing *l) {
    FUZZ_CHECK(l->samples.count > 0 && l->samples.count <= 3);
    for (int64_t i = 0; i < (int64_t)l->samples.count; i++) {
        const int label = weld_listing_label(l, i);
        FUZZ_CHECK(label >= 0 && label < weld_listing_class_count(l));
        FUZZ_CHECK(i == 0 || label >= weld_listing_label(l, i - 1));
        FUZZ_CHECK(*weld_listing_name(l, i) && *weld_listing_class_name(l, label));
    }
    for (int i = 1; i < weld_listing_class_count(l); i++) {
        FUZZ_CHECK(strcmp(weld_listing_class_name(l, i - 1), weld_listing_class_name(l, i)) < 0);
    }
}

static void list(const uint8_t *data, size_t size) {
    const weld_listing_options options = {.arg = NULL};
    weld_listing listing;
    char *root = NULL, note[200];
    weld_error err = fuzz_error();
    make_folder();
    write_file("x.csv", data, size);
    weld_status status =
        weld_csv_list(inside("x.csv"), &options, &listing, &root, note, sizeof note, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        check_list(&listing);
        for (const char *at = note; *at; at++) {
            FUZZ_CHECK((unsigned char)*at >= ' ');
        }
    }
    weld_free(root);
    weld_listing_free(&listing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weld_text once = WELD_TEXT, again = WELD_TEXT;
    if (rewrite(data, size, &once)) {
        FUZZ_CHECK(rewrite(once.bytes.data, once.bytes.count, &again));
        FUZZ_CHECK(once.bytes.count == again.bytes.count);
        FUZZ_CHECK(!once.bytes.count ||
                   memcmp(once.bytes.data, again.bytes.data, once.bytes.count) == 0);
    }
    weld_text_free(&once);
    weld_text_free(&again);
    weld_is_csv_listing("x", data, size);
    list(data, size);
    return 0;
}
