/* Keys of recipes: training for codes; see key_rows.h. */
#include "recipe/key_rows.h"

static const weld_key quantize_keys[] = {
    {"weights", INTEGER(quantize.weights, 0, 8), .null = "0", .manual_standard = "none",
     .manual_range = "2 to 8; null (none)",
     .help = "bits of weights: the merged weights, as they follow from the branches, are rounded "
             "to codes of so many bits in every step, with a scale for each output channel; null: "
             "nothing is rounded (\"Training for integers\" above)"},
    {"activations", INTEGER(quantize.activations, 0, 8), .null = "0", .standard = "8",
     .manual_range = "2 to 8; null (none)",
     .help = "bits of activations, with a range for each tensor; null: they are not rounded"},
    {"images", INTEGER(quantize.images, 1, 1e6), .standard = "256",
     .help = "images of `data.train`, prepared as evaluation does, that ranges are found by: all "
             "that a tensor holds for them, or all but a ten-thousandth, whichever serves better"},
    {"start", REAL(quantize.start, 0, WELD_MAX_EPOCHS),
     .help = "epochs before anything is rounded; may be a fraction"},
    {"freeze_ranges", REAL(quantize.freeze_ranges, 0, 1), .standard = "0.5",
     .help = "share of the run after which ranges stay as they are; until then they are found "
             "anew, eight times in all; 0: once, at the start"},
    {"learn_steps", BOOL(quantize.learn_steps),
     .help = "the steps of codes, of each output channel of a weight and of each activation, are "
             "learned by gradient from where they begin (LSQ); ranges are then found once. For "
             "fewer than 8 bits"},
};

const weld_recipe_rows weld_recipe_quantize_keys = ROWS("quantize", quantize_keys);
