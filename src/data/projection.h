/* Maps of a plane that keep lines straight: turns, shears, perspective.
 *
 * The point (x, y) comes to lie at ((m[0] x + m[1] y + m[2]) / w, (m[3] x + m[4] y + m[5]) / w)
 * with w = m[6] x + m[7] y + m[8]; without perspective w is 1. What has no w above 0 lies behind
 * whoever looks, and nowhere. */
#ifndef WELD_DATA_PROJECTION_H
#define WELD_DATA_PROJECTION_H

#include <stdbool.h>

/* Of a map that can be undone; one of w 1 somewhere has an inverse of w 1 where that comes to lie.
 */
void weld_projection_inverse(const double m[9], double inverse[9]);

/* The smallest box (left, top, right, bottom) around what becomes of one. false: all of it is
 * behind, and `out` has no area. */
bool weld_projection_box(const double m[9], const double box[4], double out[4]);

#endif
