/* Parts of an update's time; see times.h. */
#include "train/times.h"

int weld_times_parts(const weld_train_times *t, weld_times_part *parts) {
    const weld_times_part all[] = {{"wait", t->wait},          {"decode", t->decode},
                                   {"augment", t->augment},    {"teacher", t->teacher},
                                   {"forward", t->forward},    {"backward", t->backward},
                                   {"optimizer", t->optimizer}};
    int count = 0;
    for (int i = 0; i < WELD_TIMES_MAX; i++) {
        if (i != 3 || t->teacher > 0) {
            parts[count++] = all[i];
        }
    }
    return count;
}

void weld_times_add(weld_train_times *to, const weld_train_times *t) {
    to->wait += t->wait;
    to->decode += t->decode;
    to->augment += t->augment;
    to->teacher += t->teacher;
    to->forward += t->forward;
    to->backward += t->backward;
    to->optimizer += t->optimizer;
}
