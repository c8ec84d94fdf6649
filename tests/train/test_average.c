/* The moving average of the weights: when its decay warms up where nobody says, and that this stays
 * so for the whole run. */
#include "train/tiny_run.h"

#define ON "train.ema_warmup=true"
#define OFF "train.ema_warmup=false"

static void expect_in_recipe(const char *out, const char *words) {
    char path[64];
    snprintf(path, sizeof path, "%s/recipe.yaml", out);
    char *text = read_text(in_base(path));
    ck_assert_msg(strstr(text, words) != NULL, "%s: no '%s'", text, words);
    free(text);
}

/* After 15 updates 0.8^15 of what the average started from would be left, which is 3.5 %. */
START_TEST(the_average_of_a_short_run_warms_up_and_that_is_said) {
    set_up();
    run_well((run_options){.out = "short", .set = {"train.ema_decay=0.8"}});
    ck_assert_msg(strstr(seen.messages, "train.ema_warmup auto: true: with train.ema_decay 0.8 "
                                        "alone 3.5 % of the average would be what it started "
                                        "from after the run's 15 updates") != NULL,
                  "%s", seen.messages);
    expect_in_recipe("short", "ema_warmup: true");
    run_well((run_options){.out = "warm", .set = {"train.ema_decay=0.8", ON}});
    ck_assert_ptr_null(strstr(seen.messages, "ema_warmup"));
    assert_same_run("short", "warm");
    tear_down();
}
END_TEST

/* 0.7^15 is half a percent, less a little: that average is as it always was. */
START_TEST(the_average_of_a_longer_run_does_not) {
    set_up();
    run_well((run_options){.out = "long", .set = {"train.ema_decay=0.7"}});
    ck_assert_ptr_null(strstr(seen.messages, "ema_warmup"));
    expect_in_recipe("long", "ema_warmup: false");
    run_well((run_options){.out = "cold", .set = {"train.ema_decay=0.7", OFF}});
    assert_same_run("long", "cold");
    run_well((run_options){.out = "none"});
    ck_assert_ptr_null(strstr(seen.messages, "ema_warmup"));
    expect_in_recipe("none", "ema_warmup: false");
    tear_down();
}
END_TEST

/* As a run that an older version began, whose default was false; and one that is extended, for
 * which it would be decided otherwise. */
START_TEST(a_resumed_run_keeps_what_was_decided_when_it_began) {
    set_up();
    run_well((run_options){.out = "whole", .set = {"train.ema_decay=0.8", OFF}});
    run_well((run_options){.out = "parts", .set = {"train.ema_decay=0.8", OFF}, .stop_at = 4});
    run_well((run_options){.out = "parts", .set = {"train.ema_decay=0.8"}, .resume = true});
    ck_assert_ptr_null(strstr(seen.messages, "ema_warmup"));
    assert_same_run("whole", "parts");
    refuse((run_options){.out = "parts", .set = {"train.ema_decay=0.8", ON}, .resume = true},
           "was made with train.ema_warmup false, but now it is true");

    run_well((run_options){.out = "a", .set = {"train.ema_decay=0.8"}});
    run_well(
        (run_options){.out = "a", .set = {"train.ema_decay=0.8"}, .resume = true, .extend = 6});
    expect_in_recipe("a", "ema_warmup: true");
    run_well((run_options){.out = "b", .set = {"train.ema_decay=0.8", ON}});
    run_well(
        (run_options){.out = "b", .set = {"train.ema_decay=0.8", ON}, .resume = true, .extend = 6});
    assert_same_run("a", "b");
    tear_down();
}
END_TEST

RUN_SUITE("train/average", the_average_of_a_short_run_warms_up_and_that_is_said,
          the_average_of_a_longer_run_does_not, a_resumed_run_keeps_what_was_decided_when_it_began)
