#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/graph.h"
#include "suite.h"

enum { MANY = 500 };

static weld_weights *new_weights(void) {
    weld_weights *w;
    ck_assert_int_eq(weld_weights_create(&w, NULL), WELD_OK);
    return w;
}

/* Tensor i is called "tensor.i", has i % 7 + 1 elements and holds i in the first. */
static weld_weights *many_weights(void) {
    weld_weights *w = new_weights();
    for (int i = 0; i < MANY; i++) {
        char name[32];
        weld_tensor t;
        snprintf(name, sizeof name, "tensor.%d", i);
        ck_assert_int_eq(weld_weights_add(w, name, WELD_F32, &WELD_SHAPE(i % 7 + 1), &t, NULL),
                         WELD_OK);
        ck_assert_float_eq(*(float *)t.data, 0);
        *(float *)t.data = (float)i;
    }
    return w;
}

START_TEST(tensors_are_found_by_name_and_keep_their_order) {
    weld_weights *w = many_weights();
    ck_assert_uint_eq(weld_weights_count(w), MANY);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        weld_tensor t;
        snprintf(name, sizeof name, "tensor.%d", i);
        ck_assert(weld_weights_find(w, name, &t));
        ck_assert_float_eq(*(float *)t.data, (float)i);
        ck_assert_int_eq(t.shape.dim[0], i % 7 + 1);
        ck_assert_str_eq(weld_weights_name(w, (size_t)i), name);
        ck_assert_ptr_eq(weld_weights_tensor(w, (size_t)i).data, t.data);
    }
    weld_tensor untouched = {.data = w};
    ck_assert(!weld_weights_find(w, "tensor.500", &untouched));
    ck_assert_ptr_eq(untouched.data, w);
    weld_weights_free(w);
}
END_TEST

START_TEST(nothing_is_found_in_what_is_empty) {
    weld_weights *w = new_weights();
    ck_assert(!weld_weights_find(w, "x", NULL));
    ck_assert_uint_eq(weld_weights_count(w), 0);
    weld_weights_free(w);
    weld_weights_free(NULL);
}
END_TEST

START_TEST(a_name_used_twice_and_a_shape_too_large_are_refused) {
    weld_weights *w = new_weights();
    weld_error err;
    ck_assert_int_eq(weld_weights_add(w, "x", WELD_F32, &WELD_SHAPE(2), NULL, &err), WELD_OK);
    ck_assert_int_eq(weld_weights_add(w, "x", WELD_F32, &WELD_SHAPE(2), NULL, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_str_eq(err.message, "tensor x: the name is used twice");
    ck_assert_int_eq(
        weld_weights_add(w, "y", WELD_F32, &WELD_SHAPE(INT64_MAX, INT64_MAX), NULL, &err),
        WELD_ERROR_SHAPE);
    ck_assert_int_eq(weld_weights_add(w, "y", WELD_F32, &WELD_SHAPE(INT64_MAX), NULL, &err),
                     WELD_ERROR_MEMORY);
    ck_assert_uint_eq(weld_weights_count(w), 1);
    weld_weights_free(w);
}
END_TEST

START_TEST(a_clone_has_the_same_contents_in_memory_of_its_own) {
    weld_weights *w = many_weights(), *copy;
    ck_assert_int_eq(weld_weights_clone(w, &copy, NULL), WELD_OK);
    ck_assert_uint_eq(weld_weights_count(copy), MANY);
    for (size_t i = 0; i < MANY; i++) {
        weld_tensor a = weld_weights_tensor(w, i), b = weld_weights_tensor(copy, i);
        ck_assert_str_eq(weld_weights_name(w, i), weld_weights_name(copy, i));
        ck_assert(weld_shape_equal(&a.shape, &b.shape) && a.dtype == b.dtype);
        ck_assert_ptr_ne(a.data, b.data);
        ck_assert_mem_eq(a.data, b.data, (size_t)a.shape.dim[0] * sizeof(float));
    }
    weld_weights_free(w);
    weld_weights_free(copy);
}
END_TEST

START_TEST(tensors_beyond_what_was_reserved_get_memory_of_their_own) {
    enum { COUNT = 5, ELEMENTS = 33 };
    weld_weights *w = new_weights();
    const size_t bytes = weld_round_up(ELEMENTS * sizeof(float), WELD_ALIGNMENT);
    ck_assert_int_eq(weld_weights_reserve(w, 3 * bytes, NULL), WELD_OK);
    for (int i = 0; i < COUNT; i++) {
        char name[] = {(char)('a' + i), 0};
        weld_tensor t;
        ck_assert_int_eq(weld_weights_add(w, name, WELD_F32, &WELD_SHAPE(ELEMENTS), &t, NULL),
                         WELD_OK);
        ck_assert_uint_eq((uintptr_t)t.data % WELD_ALIGNMENT, 0);
        for (int j = 0; j < ELEMENTS; j++) {
            ck_assert_float_eq(((float *)t.data)[j], 0);
            ((float *)t.data)[j] = (float)i;
        }
        ck_assert_int_eq(weld_weights_reserve(w, bytes, NULL), WELD_OK); /* does nothing */
    }
    for (int i = 0; i < COUNT; i++) {
        const float *data = weld_weights_tensor(w, (size_t)i).data;
        ck_assert(data[0] == (float)i && data[ELEMENTS - 1] == (float)i);
    }
    const char *first = weld_weights_tensor(w, 0).data;
    ck_assert_ptr_eq(weld_weights_tensor(w, 2).data, first + 2 * bytes);
    weld_weights_free(w);
}
END_TEST

START_TEST(tensors_may_stay_where_they_are_in_memory_that_is_given) {
    weld_weights *w = new_weights(), *copy;
    float *memory = weld_alloc_raw(32, sizeof *memory);
    for (int i = 0; i < 32; i++) {
        memory[i] = (float)i;
    }
    weld_weights_own(w, memory);
    const weld_shape four = WELD_SHAPE(4);
    ck_assert_int_eq(weld_weights_place(w, "a", WELD_F32, &four, memory, NULL), WELD_OK);
    ck_assert_int_eq(weld_weights_place(w, "b", WELD_F32, &four, memory + 16, NULL), WELD_OK);
    ck_assert_int_eq(weld_weights_place(w, "a", WELD_F32, &four, memory, NULL),
                     WELD_ERROR_ARGUMENT);
    ck_assert_int_eq(weld_weights_add(w, "c", WELD_F32, &four, NULL, NULL), WELD_OK);
    ck_assert_ptr_eq(weld_weights_tensor(w, 1).data, memory + 16);
    ck_assert_int_eq(weld_weights_clone(w, &copy, NULL), WELD_OK);
    weld_weights_free(w);
    const float *b = weld_weights_tensor(copy, 1).data;
    ck_assert(b[0] == 16 && b[3] == 19);
    weld_weights_free(copy);
}
END_TEST

START_TEST(running_out_of_memory_leaves_what_was_there) {
    weld_weights *w = many_weights(), *copy;
    for (long successes = 0; successes < 40; successes++) {
        weld_memory_fail_after(successes);
        weld_status status = weld_weights_clone(w, &copy, NULL);
        weld_memory_fail_after(-1);
        ck_assert_int_eq(status, WELD_ERROR_MEMORY);
        ck_assert_ptr_null(copy);
    }
    weld_memory_fail_after(0);
    ck_assert_int_eq(weld_weights_add(w, "more", WELD_F32, &WELD_SHAPE(2), NULL, NULL),
                     WELD_ERROR_MEMORY);
    weld_memory_fail_after(-1);
    ck_assert_uint_eq(weld_weights_count(w), MANY);
    ck_assert(!weld_weights_find(w, "more", NULL));
    ck_assert(weld_weights_find(w, "tensor.499", NULL));
    weld_weights_free(w);
}
END_TEST

RUN_SUITE("graph/weights", tensors_are_found_by_name_and_keep_their_order,
          nothing_is_found_in_what_is_empty, a_name_used_twice_and_a_shape_too_large_are_refused,
          a_clone_has_the_same_contents_in_memory_of_its_own,
          tensors_beyond_what_was_reserved_get_memory_of_their_own,
          tensors_may_stay_where_they_are_in_memory_that_is_given,
          running_out_of_memory_leaves_what_was_there)
