/* Training of a detector that several processes share out ends as that of one, bit for bit. */
#define _GNU_SOURCE
#include "train/scene_runs.h"

START_TEST(a_detector_is_the_same_on_any_number_of_ranks) {
    set_up_scenes();
    run_well((run_options){.out = "one", .recipe = "detector.yaml"});
    run_over(2, (run_options){.out = "by2", .recipe = "detector.yaml"});
    assert_same_end("one", "by2");
    run_over(5, (run_options){.out = "by5", .recipe = "detector.yaml"});
    assert_same_end("one", "by5");
    tear_down();
}
END_TEST

RUN_SUITE("train/detector_ranks", a_detector_is_the_same_on_any_number_of_ranks)
