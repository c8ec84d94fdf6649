/* Have all ranks been started to train the same? See start_ranks.h. */
#include <stdio.h>

#include "distributed/same_call.h"
#include "train/start_ranks.h"

/* All that rank 0 alone looks at. Threads are each rank's own. */
static void add_call(weld_call *c, const weld_train_settings *s, bool dry) {
    char epochs[32];
    snprintf(epochs, sizeof epochs, "%d", s->extend);
    weld_call_add_option(c, "recipe", s->recipe);
    weld_call_add_option(c, "--data", s->data);
    weld_call_add_option(c, "--out", s->out);
    weld_call_add_option(c, "--init", s->init);
    weld_call_add_option(c, "--key", s->init_key);
    weld_call_add(c, s->resume ? "--resume" : "no --resume");
    weld_call_add(c, s->mixed ? "--mixed" : "no --mixed");
    weld_call_add_option(c, "--extend", s->extend ? epochs : NULL);
    weld_call_add(c, dry ? "--dry-run" : "no --dry-run");
    for (size_t i = 0; i < s->set_count; i++) {
        weld_call_add_option(c, "--set", s->set[i]);
    }
    weld_call_add_option(c, s->set_count ? "other --set" : "--set", NULL);
}

weld_status weld_start_compare_call(weld_trainer *t, bool dry, weld_error *err) {
    weld_call mine = WELD_CALL;
    if (!t->ranks.group) {
        return WELD_OK;
    }
    add_call(&mine, t->data.settings, dry);
    const weld_status status = weld_call_compare(t->ranks.group, &mine, err);
    weld_call_free(&mine);
    return status;
}
