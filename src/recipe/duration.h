/* Durations in recipes: "2h", "90m", "1h30m", "1.5d". */
#ifndef WELD_RECIPE_DURATION_H
#define WELD_RECIPE_DURATION_H

#include <stdbool.h>

/* Numbers, each with its unit: d, h, m or s. False: `text` is none, or of no time at all. */
bool weld_duration_read(const char *text, double *seconds);

#endif
