/* Who has which groups of an update; see shares.h. */
#include "distributed/shares.h"

#include "base/error.h"
#include "base/memory.h"

weld_groups weld_share_of(int64_t groups, int ranks, int rank) {
    const int64_t each = groups / ranks, more = groups % ranks;
    return (weld_groups){each * rank + (rank < more ? rank : more), each + (rank < more)};
}

weld_status weld_shares_create(int64_t groups, int ranks, const weld_groups *shares,
                               weld_groups **out, weld_error *err) {
    weld_groups *all = weld_alloc((size_t)ranks, sizeof *all);
    if (!all) {
        return weld_fail_memory(err, "shares of an update");
    }
    int64_t next = 0;
    bool right = true;
    for (int r = 0; r < ranks; r++) {
        all[r] = shares ? shares[r] : weld_share_of(groups, ranks, r);
        right = right && all[r].first == next && all[r].count > 0 && all[r].count <= groups - next;
        next = right ? next + all[r].count : next;
    }
    if (!right || next != groups) {
        weld_free(all);
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%d ranks are to share out the %lld batches of an update, some to each",
                         ranks, (long long)groups);
    }
    *out = all;
    return WELD_OK;
}
