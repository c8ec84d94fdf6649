/* Numbers as text. */
#ifndef WELD_BASE_NUMBER_H
#define WELD_BASE_NUMBER_H

#include <stdbool.h>

enum { WELD_NUMBER_SIZE = 32 };

/* The shortest decimal number that reads back as `value`, or where `single` as the same float, in
 * at least `digits` digits (with fewer than a whole number has, 100 is written as 1e+02). Not
 * finite: "nan", "inf" or "-inf". Returns text. */
const char *weld_number_text(double value, bool single, int digits, char text[WELD_NUMBER_SIZE]);

/* A share as people read it: "99.7 %", "3.2 %", "0.041 %", "less than 0.001 %". Returns text. */
const char *weld_percent_text(double share, char text[WELD_NUMBER_SIZE]);

#endif
