/* Comma-separated values as other programs write them. */
#include "formats/csv.h"

#include "base/memory.h"
#include "files.h"
#include "suite.h"

static test_folder folder;

static const char *put(const void *bytes, size_t size) {
    const char *path = test_path(&folder, "x.csv");
    test_write_file(path, bytes, size);
    return path;
}

/* All records as "LINE[field|field]", one after the other. */
static void expect(const void *bytes, size_t size, const char *wanted) {
    char got[1000] = "";
    weld_array fields = {.element = sizeof(char *)};
    weld_csv *c;
    weld_error err = {0};
    ck_assert_msg(!weld_csv_open(put(bytes, size), &c, &err), "%s", err.message);
    for (;;) {
        ck_assert_msg(!weld_csv_next(c, &fields, &err), "%s", err.message);
        if (fields.count == 0) {
            break;
        }
        sprintf(got + strlen(got), "%d[", (int)weld_csv_line(c));
        for (size_t i = 0; i < fields.count; i++) {
            sprintf(got + strlen(got), "%s%s", i ? "|" : "", ((const char **)fields.data)[i]);
        }
        strcat(got, "]");
    }
    ck_assert_str_eq(got, wanted);
    weld_array_free(&fields);
    weld_csv_close(c);
}

#define EXPECT(text, wanted) expect(text, sizeof(text) - 1, wanted)

static void refuse(const void *bytes, size_t size, const char *words) {
    weld_array fields = {.element = sizeof(char *)};
    weld_csv *c = NULL;
    weld_error err = {0};
    weld_status status = weld_csv_open(put(bytes, size), &c, &err);
    for (fields.count = 1; !status && fields.count;) {
        status = weld_csv_next(c, &fields, &err);
    }
    ck_assert_int_eq(status, WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    weld_array_free(&fields);
    weld_csv_close(c);
}

#define REFUSE(text, words) refuse(text, sizeof(text) - 1, words)

START_TEST(records_are_read_as_the_rfc_says) {
    folder = test_folder_create();
    EXPECT("", "");
    EXPECT("a,b\n1,2\n", "1[a|b]2[1|2]");
    EXPECT("a,b\r\n1,2", "1[a|b]2[1|2]");
    EXPECT("a,b\r1,2\r", "1[a|b]2[1|2]");
    EXPECT("\xef\xbb\xbf"
           "a,b\n",
           "1[a|b]");
    EXPECT("\n\r\na\n\n\nb\n", "3[a]6[b]");
    EXPECT("a,,\n,\n", "1[a||]2[|]");
    EXPECT("a,b,", "1[a|b|]");
    EXPECT("\"a,b\",\"c\"\"d\",\"\"\n", "1[a,b|c\"d|]");
    EXPECT("\"two\nlines\",x\ny\n", "1[two\nlines|x]3[y]");
    EXPECT("\"two\r\nlines\",x\r\ny", "1[two\r\nlines|x]3[y]");
    EXPECT("\"end\"", "1[end]");
    test_folder_remove(folder);
}
END_TEST

START_TEST(what_is_none_is_refused_with_its_line) {
    folder = test_folder_create();
    REFUSE("a,b\nc,\"d\n\n", "x.csv:2: a quote that no other ends");
    REFUSE("a\n\"b\"c\n", "x.csv:2: more after the quote that ends a field");
    REFUSE("a\n\nb, \"c\"\n", "x.csv:3: a quote within a field that does not begin with one");
    REFUSE("a\0b", "x.csv: is no text: byte 1 is 0");
    REFUSE("\xff\xfe"
           "a\0,\0",
           "x.csv: is UTF-16: save it as UTF-8");
    test_folder_remove(folder);
}
END_TEST

START_TEST(a_lack_of_memory_is_an_error) {
    folder = test_folder_create();
    const char *path = put("a,b,c\n1,2,3\n", 12);
    bool done = false;
    for (long successes = 0; !done; successes++) {
        weld_array fields = {.element = sizeof(char *)};
        weld_csv *c = NULL;
        weld_memory_fail_after(successes);
        weld_status status = weld_csv_open(path, &c, NULL);
        status = status ? status : weld_csv_next(c, &fields, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        done = status == WELD_OK;
        weld_array_free(&fields);
        weld_csv_close(c);
    }
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/csv", records_are_read_as_the_rfc_says, what_is_none_is_refused_with_its_line,
          a_lack_of_memory_is_an_error)
