/* What stages of MobileNetV3 are made of: tables 1 and 2 of the paper, rows of one width at once.
 */
#include "models/mobilenetv3.h"

/* depth, kernel, stride, excite, hard_swish, expansion; and, behind, the width */
static const weld_mobilenetv3_stage large[] = {
    {1, 3, 1, false, false, {0}},          /* 16 */
    {2, 3, 2, false, false, {4, 3}},       /* 24 */
    {3, 5, 2, true, false, {3}},           /* 40 */
    {4, 3, 2, false, true, {6, 2.5, 2.3}}, /* 80 */
    {2, 3, 1, true, true, {6}},            /* 112 */
    {3, 5, 2, true, true, {6}},            /* 160 */
};
static const weld_mobilenetv3_stage small[] = {
    {1, 3, 2, true, false, {0}},          /* 16 */
    {2, 3, 2, false, false, {4.5, 3.67}}, /* 24 */
    {3, 5, 2, true, true, {4, 6}},        /* 40 */
    {2, 5, 1, true, true, {3}},           /* 48 */
    {3, 5, 2, true, true, {6}},           /* 96 */
};

int weld_mobilenetv3_table_stages(int table) {
    return table == WELD_MOBILENETV3_LARGE ? sizeof large / sizeof *large
                                           : sizeof small / sizeof *small;
}

weld_mobilenetv3_stage weld_mobilenetv3_stage_of(int table, int stage) {
    return table == WELD_MOBILENETV3_LARGE ? large[stage] : small[stage];
}

double weld_mobilenetv3_expansion(const weld_mobilenetv3_stage *row, int b) {
    int i = 0;
    while (i < b && i < 3 && row->expansion[i + 1] > 0) {
        i++;
    }
    return row->expansion[i];
}
