/* Replicas that are to be equal; see replicas.h. */
#include "train/replicas.h"

#include <string.h>
#include <xxhash.h>

#include "base/error.h"

/* --- Hashes --- */

/* Part `part` of `parts` of each tensor, as bytes. */
static uint64_t add_weights(uint64_t hash, const weld_weights *w, size_t part, size_t parts) {
    for (size_t i = 0; w && i < weld_weights_count(w); i++) {
        const weld_tensor x = weld_weights_tensor(w, i);
        const size_t bytes = weld_tensor_bytes(&x), begin = bytes / parts * part;
        const size_t end = part + 1 == parts ? bytes : begin + bytes / parts;
        hash = XXH3_64bits_withSeed((const char *)x.data + begin, end - begin, hash);
    }
    return hash;
}

static uint64_t hash_of(const weld_trainer *t, size_t part, size_t parts) {
    uint64_t hash = add_weights(0, t->weights, part, parts);
    hash = add_weights(hash, t->ema, part, parts);
    hash = add_weights(hash, weld_optimizer_first_moments(t->step->optimizer), part, parts);
    return add_weights(hash, weld_optimizer_second_moments(t->step->optimizer), part, parts);
}

uint64_t weld_replicas_hash_part(const weld_trainer *t) {
    return t->ranks.group
               ? hash_of(t, (size_t)(t->state.step % WELD_REPLICA_PARTS), WELD_REPLICA_PARTS)
               : 0;
}

/* --- Comparing them --- */

weld_status weld_replicas_fail(const weld_trainer *t, int rank, weld_error *err) {
    char where[96], first[96];
    return weld_fail(err, WELD_ERROR_NUMERIC,
                     "%s: has other weights than %s after update %lld, which were the same when "
                     "the run was started: its memory or cpu does not work as it should; last.h5 "
                     "stays as it was: resume without this host",
                     weld_group_say_where(t->ranks.group, rank, where, sizeof where),
                     weld_group_say_where(t->ranks.group, 0, first, sizeof first),
                     (long long)t->state.step);
}

static weld_status compare(const weld_trainer *t, const weld_gathered *all, weld_error *err) {
    for (int rank = 0; rank < all->count; rank++) {
        if (all->bytes[rank] != sizeof(uint64_t) ||
            memcmp(all->data[rank], all->data[0], sizeof(uint64_t)) != 0) {
            return weld_replicas_fail(t, rank, err);
        }
    }
    return WELD_OK;
}

weld_status weld_replicas_check(weld_trainer *t, weld_error *err) {
    weld_gathered all = {0};
    if (!t->ranks.group) {
        return WELD_OK;
    }
    const uint64_t mine = hash_of(t, 0, 1);
    WELD_TRY(weld_group_gather(t->ranks.group, &mine, sizeof mine, &all, err));
    const weld_status status = compare(t, &all, err);
    weld_gathered_free(&all);
    return weld_ranks_settle(t, status, err);
}
