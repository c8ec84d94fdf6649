/* What is said of waiting for MPI itself, and when. */
#include "distributed/patience.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

/* A wait of so many pieces; how often something was said, and the latest of it. */
static weld_impatience wait_for(weld_patience *p, int pieces, int *said, char *text, size_t size) {
    weld_impatience is = WELD_WAIT_ON;
    for (int i = 0; i < pieces && is != WELD_WAIT_NO_MORE; i++) {
        is = weld_patience_look(p, weld_patience_piece(p), "MPI to start", ": why?", text, size);
        *said += is == WELD_WAIT_SAY;
    }
    return is;
}

static weld_impatience wait_as(const char *rank, double timeout, int *said, char *text,
                               size_t size) {
    weld_patience p = {.patience = 60, .timeout = timeout};
    setenv("PMI_SIZE", "8", 1);
    setenv("PMI_RANK", rank, 1);
    *said = 0;
    return wait_for(&p, 630, said, text, size);
}

START_TEST(each_minute_something_is_said_until_the_time_is_out) {
    char text[200];
    int said;
    ck_assert_int_eq(wait_as("0", 600, &said, text, sizeof text), WELD_WAIT_NO_MORE);
    ck_assert_int_eq(said, 9);
    ck_assert_str_eq(text, "waiting for MPI to start since 600 s: given up: --rank-timeout 0 waits "
                           "for ever: why?");
    ck_assert_int_ne(wait_as("0", 0, &said, text, sizeof text), WELD_WAIT_NO_MORE);
    ck_assert_int_eq(said, 10);
    ck_assert_str_eq(text, "waiting for MPI to start since 600 s: why?");
}
END_TEST

START_TEST(of_many_ranks_few_say_it_but_all_give_up) {
    char text[200];
    int said;
    ck_assert_int_eq(wait_as("7", 600, &said, text, sizeof text), WELD_WAIT_NO_MORE);
    ck_assert_int_eq(said, 0);
    ck_assert_ptr_nonnull(strstr(text, ": given up: "));
}
END_TEST

START_TEST(a_process_that_was_stopped_has_not_waited) {
    weld_patience p = {.patience = 60, .timeout = 600};
    char text[200];
    ck_assert_int_eq(weld_patience_look(&p, 5000, "MPI to start", "", text, sizeof text),
                     WELD_WAIT_ON);
}
END_TEST

RUN_SUITE("distributed/patience", each_minute_something_is_said_until_the_time_is_out,
          of_many_ranks_few_say_it_but_all_give_up, a_process_that_was_stopped_has_not_waited)
