/* Pickles: what each opcode builds, and that no bytes whatever do harm. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "files.h"
#include "formats/pickle.h"

/* A literal's bytes, zeros inside included. */
#define BYTES(text) text, sizeof(text) - 1

static weld_pickle *read_pickle(const char *bytes, size_t size) {
    weld_pickle *p;
    weld_error err;
    ck_assert_msg(weld_pickle_read(bytes, size, "file", &p, &err) == WELD_OK, "%s", err.message);
    return p;
}

static void assert_refused(const char *bytes, size_t size, const char *reason) {
    weld_pickle *p;
    weld_error err = {0};
    ck_assert_msg(weld_pickle_read(bytes, size, "file", &p, &err) == WELD_ERROR_FORMAT,
                  "not refused: %s", reason);
    ck_assert_msg(strstr(err.message, reason) && strstr(err.message, "file: byte"), "%s: %s",
                  reason, err.message);
}

static void assert_int(const char *bytes, size_t size, int64_t expected) {
    weld_pickle *p = read_pickle(bytes, size);
    ck_assert_int_eq(weld_pickle_kind_of(p, weld_pickle_root(p)), WELD_PICKLE_INT);
    ck_assert_int_eq(weld_pickle_int(p, weld_pickle_root(p)), expected);
    weld_pickle_free(p);
}

static void assert_text(const char *bytes, size_t size, const char *expected) {
    weld_pickle *p = read_pickle(bytes, size);
    ck_assert(weld_pickle_text_is(p, weld_pickle_root(p), expected));
    weld_pickle_free(p);
}

static void assert_other(const char *bytes, size_t size) {
    weld_pickle *p = read_pickle(bytes, size);
    ck_assert_int_eq(weld_pickle_kind_of(p, weld_pickle_root(p)), WELD_PICKLE_OTHER);
    weld_pickle_free(p);
}

START_TEST(integers_of_every_spelling_are_read) {
    assert_int(BYTES("K\x07."), 7);
    assert_int(BYTES("K\xff."), 255);
    assert_int(BYTES("M\x00\x01."), 256);
    assert_int(BYTES("J\xff\xff\xff\xff."), -1);
    assert_int(BYTES("J\x00\x00\x00\x80."), INT32_MIN);
    assert_int(BYTES("\x8a\x00."), 0);
    assert_int(BYTES("\x8a\x01\xfe."), -2);
    assert_int(BYTES("\x8a\x02\xfe\x00."), 254);
    assert_int(BYTES("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), INT64_MAX);
    assert_int(BYTES("\x8b\x03\x00\x00\x00\x00\x00\x80."), -(1 << 23));
    assert_other(BYTES("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."));
    assert_other(BYTES("\x8b\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01."));
}
END_TEST

START_TEST(texts_of_every_spelling_are_read) {
    assert_text(BYTES("X\x02\x00\x00\x00hi."), "hi");
    assert_text(BYTES("\x8c\x02hi."), "hi");
    assert_text(BYTES("\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi."), "hi");
    assert_text(BYTES("U\x02hi."), "hi");
    assert_text(BYTES("T\x02\x00\x00\x00hi."), "hi");
    assert_text(BYTES("X\x00\x00\x00\x00."), "");
}
END_TEST

START_TEST(what_is_not_needed_is_stepped_over) {
    assert_other(BYTES("N."));
    assert_other(BYTES("\x88."));
    assert_other(BYTES("\x89."));
    assert_other(BYTES("G\x3f\xf0\x00\x00\x00\x00\x00\x00."));
    assert_other(BYTES("C\x03"
                       "abc."));
    assert_other(BYTES("B\x03\x00\x00\x00"
                       "abc."));
    assert_other(BYTES("\x8e\x03\x00\x00\x00\x00\x00\x00\x00"
                       "abc."));
    assert_other(BYTES("\x96\x03\x00\x00\x00\x00\x00\x00\x00"
                       "abc."));
    assert_other(BYTES("]."));
    assert_other(BYTES("]K\x01"
                       "a."));
    assert_other(BYTES("](K\x01K\x02"
                       "e."));
    assert_other(BYTES("\x8f(K\x01\x90."));
    assert_other(BYTES("(K\x01\x91."));
}
END_TEST

START_TEST(tuples_hold_their_elements) {
    weld_pickle *p = read_pickle(BYTES("(K\x01X\x01\x00\x00\x00xNt."));
    weld_pickle_ref v = weld_pickle_root(p);
    ck_assert_int_eq(weld_pickle_kind_of(p, v), WELD_PICKLE_TUPLE);
    ck_assert_uint_eq(weld_pickle_tuple_size(p, v), 3);
    ck_assert_int_eq(weld_pickle_int(p, weld_pickle_tuple_at(p, v, 0)), 1);
    ck_assert(weld_pickle_text_is(p, weld_pickle_tuple_at(p, v, 1), "x"));
    ck_assert_uint_eq(weld_pickle_tuple_at(p, v, 2), WELD_PICKLE_NOTHING);
    ck_assert_uint_eq(weld_pickle_tuple_at(p, v, 3), WELD_PICKLE_NOTHING);
    weld_pickle_free(p);
    static const char *const short_ones[] = {"K\x01\x85.", "K\x01K\x02\x86.",
                                             "K\x01K\x02K\x03\x87."};
    for (size_t n = 1; n <= 3; n++) {
        p = read_pickle(short_ones[n - 1], strlen(short_ones[n - 1]));
        v = weld_pickle_root(p);
        ck_assert_uint_eq(weld_pickle_tuple_size(p, v), n);
        ck_assert_int_eq(weld_pickle_int(p, weld_pickle_tuple_at(p, v, n - 1)), (int64_t)n);
        weld_pickle_free(p);
    }
    static const char *const empty_ones[] = {").", "(t.", "((tt."};
    for (size_t i = 0; i < 3; i++) {
        p = read_pickle(empty_ones[i], strlen(empty_ones[i]));
        ck_assert_int_eq(weld_pickle_kind_of(p, weld_pickle_root(p)), WELD_PICKLE_TUPLE);
        ck_assert_uint_eq(weld_pickle_tuple_size(p, weld_pickle_root(p)), i == 2);
        weld_pickle_free(p);
    }
}
END_TEST

/* The items as "key=value " of small integers. */
static const char *items_text(const weld_pickle *p, weld_pickle_ref v, char text[128]) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = weld_pickle_first(p, v); i; i = weld_pickle_next(p, i)) {
        used += (size_t)snprintf(text + used, 128 - used, "%d=%d ",
                                 (int)weld_pickle_int(p, weld_pickle_key(p, i)),
                                 (int)weld_pickle_int(p, weld_pickle_value(p, i)));
    }
    return text;
}

START_TEST(dicts_keep_their_items_in_order) {
    char text[128];
    weld_pickle *p = read_pickle(BYTES("}K\x05K\x06s(K\x01K\x02K\x03K\x04uK\x05K\x07s."));
    ck_assert_int_eq(weld_pickle_kind_of(p, weld_pickle_root(p)), WELD_PICKLE_DICT);
    ck_assert_str_eq(items_text(p, weld_pickle_root(p), text), "5=6 1=2 3=4 5=7 ");
    weld_pickle_free(p);
    p = read_pickle(BYTES("}(u."));
    ck_assert_str_eq(items_text(p, weld_pickle_root(p), text), "");
    weld_pickle_free(p);
}
END_TEST

static void assert_object(const char *bytes, size_t size, const char *items) {
    char text[128];
    weld_pickle *p = read_pickle(bytes, size);
    weld_pickle_ref v = weld_pickle_root(p);
    ck_assert_int_eq(weld_pickle_kind_of(p, v), WELD_PICKLE_OBJECT);
    ck_assert(weld_pickle_global_is(p, weld_pickle_class(p, v), "os", "system"));
    ck_assert_uint_eq(weld_pickle_tuple_size(p, weld_pickle_arguments(p, v)), 1);
    ck_assert_str_eq(items_text(p, v, text), items);
    weld_pickle_free(p);
}

START_TEST(calls_and_instances_are_told_not_done) {
    assert_object(BYTES("cos\nsystem\nX\x04\x00\x00\x00true\x85R."), "");
    assert_object(BYTES("cos\nsystem\nK\x01\x85\x81."), "");
    assert_object(BYTES("\x8c\x02os\x8c\x06system\x93K\x01\x85}\x92."), "");
    assert_object(BYTES("cos\nsystem\nK\x01\x85R}K\x01K\x02sb."), "");
    assert_object(BYTES("cos\nsystem\nK\x01\x85RK\x01"
                        "a(K\x02"
                        "e}b."),
                  "");
    assert_object(BYTES("cos\nsystem\nK\x01\x85R(K\x01K\x02uK\x03K\x04s."), "1=2 3=4 ");
}
END_TEST

START_TEST(persistent_ids_are_kept) {
    weld_pickle *p = read_pickle(BYTES("X\x01\x00\x00\x00xQ."));
    ck_assert_int_eq(weld_pickle_kind_of(p, weld_pickle_root(p)), WELD_PICKLE_PERSISTENT);
    ck_assert(weld_pickle_text_is(p, weld_pickle_id(p, weld_pickle_root(p)), "x"));
    weld_pickle_free(p);
}
END_TEST

START_TEST(values_are_remembered_and_moved_about) {
    assert_int(BYTES("K\x07q\x00"
                     "0h\x00."),
               7);
    assert_int(BYTES("K\x07q\x01"
                     "0h\x01."),
               7); /* some writers number from 1 */
    assert_int(BYTES("K\x07r\x00\x00\x00\x00"
                     "0j\x00\x00\x00\x00."),
               7);
    assert_int(BYTES("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00K\x07\x94"
                     "0K\x08\x94"
                     "0h\x01."),
               8);
    assert_int(BYTES("K\x01q\x00"
                     "0K\x02q\x00"
                     "0h\x00."),
               2);
    assert_int(BYTES("K\x01K\x02"
                     "20."),
               2);
    assert_int(BYTES("K\x01(K\x02K\x03"
                     "1."),
               1);
    assert_int(BYTES("K\x01(0."), 1); /* POP takes a mark too */
    assert_text(BYTES("N0U\x01"
                      "a."),
                "a");
}
END_TEST

START_TEST(a_dict_may_hold_itself) {
    weld_pickle *p = read_pickle(BYTES("}q\x00K\x01h\x00s."));
    weld_pickle_ref v = weld_pickle_root(p);
    ck_assert_uint_eq(weld_pickle_value(p, weld_pickle_first(p, v)), v);
    weld_pickle_free(p);
}
END_TEST

START_TEST(asking_a_value_of_another_kind_gives_nothing) {
    weld_pickle *p = read_pickle(BYTES("K\x05."));
    weld_pickle_ref v = weld_pickle_root(p);
    size_t length;
    ck_assert_str_eq(weld_pickle_text(p, v, &length), "");
    ck_assert_uint_eq(length, 0);
    ck_assert(!weld_pickle_text_is(p, v, ""));
    ck_assert(!weld_pickle_global_is(p, v, "", ""));
    ck_assert_uint_eq(weld_pickle_tuple_size(p, v), 0);
    ck_assert_uint_eq(weld_pickle_first(p, v), 0);
    ck_assert_uint_eq(weld_pickle_class(p, v) + weld_pickle_arguments(p, v) + weld_pickle_id(p, v),
                      0);
    ck_assert_int_eq(weld_pickle_int(p, WELD_PICKLE_NOTHING), 0);
    weld_pickle_free(p);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused_with_the_reason) {
    assert_refused("", 0, "ends in the middle");
    assert_refused(BYTES("K\x01"), "ends in the middle");
    assert_refused(BYTES("K"), "ends in the middle");
    assert_refused(BYTES("X\x05\x00\x00\x00"
                         "abc."),
                   "ends in the middle");
    assert_refused(BYTES("X\xff\xff\xff\xff"
                         "abc."),
                   "ends in the middle");
    assert_refused(BYTES("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                         "abc."),
                   "ends in the middle");
    assert_refused(BYTES("\x8e\x00\x00\x00\x00\x00\x00\x00\x80"
                         "abc."),
                   "ends in the middle");
    assert_refused(BYTES("\x8b\xff\xff\xff\xff\x01."), "ends in the middle"); /* of length -1 */
    assert_refused(BYTES("cos\nsystem"), "ends in the middle");
    assert_refused(BYTES("cos"), "ends in the middle");
    assert_refused(BYTES("."), "more values than there are");
    assert_refused(BYTES("0."), "more values than there are");
    assert_refused(BYTES("K\x01R."), "more values than there are");
    assert_refused(BYTES("K\x01(K\x01\x86."), "more values than there are"); /* not below a mark */
    assert_refused(BYTES("2."), "more values than there are");
    assert_refused(BYTES("q\x00."), "more values than there are");
    assert_refused(BYTES("K\x01"
                         "a."),
                   "more values than there are");
    assert_refused(BYTES("K\x01t."), "a mark that is not there");
    assert_refused(BYTES("u."), "a mark that is not there");
    assert_refused(BYTES("1."), "a mark that is not there");
    assert_refused(BYTES("}(K\x01u."), "sets items of what has none");
    assert_refused(BYTES("]K\x01K\x02s."), "sets items of what has none");
    assert_refused(BYTES("h\x00."), "never remembered");
    assert_refused(BYTES("K\x01q\x05h\x04."), "never remembered");
    assert_refused(BYTES("j\xff\xff\xff\xff."), "never remembered");
    assert_refused(BYTES("K\x01r\xff\xff\xff\xff."), "out of order");
    assert_refused(BYTES("\x80\x01."), "none of 2 to 5");
    assert_refused(BYTES("\x80\x06."), "none of 2 to 5");
    assert_refused(BYTES("I1\n."), "an opcode that checkpoints do not use"); /* protocol 0 */
    assert_refused(BYTES("\x97."), "an opcode that checkpoints do not use"); /* outside buffer */
    assert_refused(BYTES("\x82\x01."), "an opcode that checkpoints do not use"); /* extension */
}
END_TEST

/* `head`, then `body` as often as asked for, then `tail`. */
static char *repeat(const char *head, const char *body, size_t times, const char *tail,
                    size_t *size) {
    size_t a = strlen(head), b = strlen(body), c = strlen(tail);
    char *bytes = malloc(a + b * times + c);
    memcpy(bytes, head, a);
    for (size_t i = 0; i < times; i++) {
        memcpy(bytes + a + b * i, body, b);
    }
    memcpy(bytes + a + b * times, tail, c);
    *size = a + b * times + c;
    return bytes;
}

/* What is repeated takes memory in proportion, up to a limit. */
START_TEST(repetition_is_bounded) {
    static const struct {
        const char *head, *body, *tail;
    } bombs[] = {
        {"N", "\x85", "."},           /* a tuple in a tuple in a ... */
        {"N", "2\x86", "."},          /* each twice in the next: 2^n if it were written out */
        {"N", "2", "."},              /* the same value again and again */
        {"", "}", "."},               /* many values */
        {"N", "(", "K\x01."},         /* marks */
        {"Nq\x01", "h\x01", "."},     /* references */
        {"}", "NNs", "."},            /* items */
        {"N", "\x94", "."},           /* remembered */
        {"cos\nsystem\n", ")R", "."}, /* calls of what was called */
        {"N", "Q", "."},
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        size_t size;
        char *bytes = repeat(bombs[i].head, bombs[i].body, 200000, bombs[i].tail, &size);
        weld_pickle_free(read_pickle(bytes, size));
        free(bytes);
        bytes = repeat(bombs[i].head, bombs[i].body, 5000000, bombs[i].tail, &size);
        assert_refused(bytes, size, "more values than a checkpoint has");
        free(bytes);
    }
}
END_TEST

/* Every opcode there is, once. */
static const char everything[] =
    "\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}(X\x01\x00\x00\x00"
    "aq\x00K\x05M\x00\x01J\x01\x00"
    "\x00\x00\x8a\x01\x05\x8b\x01\x00\x00\x00\x05N\x88\x89G\x00\x00\x00\x00\x00\x00\x00\x00U\x01"
    "bT\x01\x00\x00\x00"
    "c\x8c\x01"
    "d\x94\x8d\x01\x00\x00\x00\x00\x00\x00\x00"
    "eC\x01"
    "fB\x01"
    "\x00\x00\x00g\x8e\x01\x00\x00\x00\x00\x00\x00\x00h\x96\x01\x00\x00\x00\x00\x00\x00\x00i](NN"
    "eNa)K\x01\x85K\x02K\x03\x86K\x04K\x05K\x06\x87(NNt20cm\nn\n)R}b\x8c\x01m\x8c\x01n\x93)\x81"
    "cm\nn\n)}\x92\x8f(N\x90(N\x91h\x00Q(N1r\x02\x00\x00\x00j\x00\x00\x00\x00NN}NNsuh\x00N0.";

START_TEST(cut_pickles_are_refused) {
    size_t size = sizeof everything - 1;
    weld_pickle_free(read_pickle(everything, size));
    for (size_t length = 0; length < size; length++) {
        char *cut =
            malloc(length ? length : 1); /* of its own, so that reading past its end shows */
        memcpy(cut, everything, length);
        weld_pickle *p;
        ck_assert_int_eq(weld_pickle_read(cut, length, "file", &p, NULL), WELD_ERROR_FORMAT);
        free(cut);
    }
}
END_TEST

/* Look at everything that can be reached in one step. */
static void look_at(const weld_pickle *p) {
    weld_pickle_ref v = weld_pickle_root(p);
    size_t length;
    weld_pickle_text(p, v, &length);
    for (size_t i = 0; i < weld_pickle_tuple_size(p, v); i++) {
        weld_pickle_kind_of(p, weld_pickle_tuple_at(p, v, i));
    }
    for (size_t i = weld_pickle_first(p, v); i; i = weld_pickle_next(p, i)) {
        weld_pickle_kind_of(p, weld_pickle_key(p, i));
        weld_pickle_kind_of(p, weld_pickle_value(p, i));
    }
    weld_pickle_global_is(p, weld_pickle_class(p, v), "a", "b");
    weld_pickle_kind_of(p, weld_pickle_id(p, v));
}

START_TEST(damaged_and_random_pickles_do_no_harm) {
    size_t size = sizeof everything - 1;
    weld_random r = weld_random_start(3, 0, 0, WELD_RANDOM_TEST);
    for (int round = 0; round < 40000; round++) {
        size_t length = round % 2 ? size : 1 + weld_random_below(&r, 60);
        char *bytes = malloc(length);
        for (size_t i = 0; i < length; i++) {
            bytes[i] = everything[round % 2 ? i : weld_random_below(&r, size)];
        }
        for (int i = 0; i < round % 4; i++) {
            bytes[weld_random_below(&r, length)] = (char)weld_random_below(&r, 256);
        }
        weld_pickle *p;
        weld_status status = weld_pickle_read(bytes, length, "file", &p, NULL);
        ck_assert(status == WELD_OK || status == WELD_ERROR_FORMAT);
        if (status == WELD_OK) {
            look_at(p);
            weld_pickle_free(p);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(failing_allocations_are_errors_and_nothing_more) {
    weld_status status = WELD_ERROR_MEMORY;
    weld_pickle *p = NULL;
    for (long n = 0; status != WELD_OK; n++) {
        weld_memory_fail_after(n);
        status = weld_pickle_read(everything, sizeof everything - 1, "file", &p, NULL);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
    }
    weld_pickle_free(p);
}
END_TEST

RUN_SUITE("formats/pickle", integers_of_every_spelling_are_read, texts_of_every_spelling_are_read,
          what_is_not_needed_is_stepped_over, tuples_hold_their_elements,
          dicts_keep_their_items_in_order, calls_and_instances_are_told_not_done,
          persistent_ids_are_kept, values_are_remembered_and_moved_about, a_dict_may_hold_itself,
          asking_a_value_of_another_kind_gives_nothing,
          what_cannot_be_read_is_refused_with_the_reason, repetition_is_bounded,
          cut_pickles_are_refused, damaged_and_random_pickles_do_no_harm,
          failing_allocations_are_errors_and_nothing_more)
