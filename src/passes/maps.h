/* What the passes over training graphs ask of maps: values of more than one position, which are
 * worth thought; vectors are not. */
#ifndef WELD_PASSES_MAPS_H
#define WELD_PASSES_MAPS_H

#include "graph/graph.h"

bool weld_is_map(const weld_value *v);
/* kept[v], by value id, for values that must exist as a whole: outputs, and what nodes read that
 * want other rows with each row, or all of them at once. The others are read row by row. */
void weld_find_kept(const weld_graph *g, bool *kept);

#endif
