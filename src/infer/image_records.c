/* Records of images in a row; see image_records.h. Each is a head and its bytes, of both kinds. */
#include "infer/image_records.h"

#include <string.h>

#include "base/error.h"

typedef struct record_head {
    int64_t index;
    uint64_t bytes;
    uint64_t bad;
    uint64_t seen_bytes;
} record_head;

bool weld_image_records_add(weld_array *records, const weld_image_record *record) {
    const record_head head = {record->index, record->bytes, record->bad, record->seen_bytes};
    return weld_array_append(records, &head, sizeof head) &&
           weld_array_append(records, record->data, record->bytes) &&
           weld_array_append(records, record->seen, record->seen_bytes);
}

void weld_image_records_note_bad(void *sink, int64_t index, const char *reason) {
    weld_bad_sink *s = sink;
    const weld_image_record bad = {
        .index = index, .bad = true, .data = reason, .bytes = strlen(reason) + 1};
    s->lost |= !weld_image_records_add(s->records, &bad);
}

weld_status weld_image_records_next(const void **records, size_t *left, weld_image_record *out,
                                    weld_error *err) {
    const char *at = *records;
    record_head head = {.bad = 2};
    if (*left >= sizeof head) {
        memcpy(&head, at, sizeof head);
        *left -= sizeof head;
        at += sizeof head;
    }
    const bool fits = head.bytes <= *left && head.seen_bytes <= *left - head.bytes;
    const bool ends = head.bad != 1 || (head.bytes && fits && !at[head.bytes - 1]);
    if (head.bad > 1 || !fits || !ends) {
        return weld_fail(err, WELD_ERROR_FORMAT, "evaluation: what came of a part is damaged");
    }
    *out = (weld_image_record){head.index,         head.bad == 1,   at,
                               (size_t)head.bytes, at + head.bytes, (size_t)head.seen_bytes};
    *records = at + head.bytes + head.seen_bytes;
    *left -= (size_t)(head.bytes + head.seen_bytes);
    return WELD_OK;
}

void weld_image_records_doubt(const void *records, size_t bytes, int rank, weld_doubts *doubts) {
    weld_image_record record = {.bad = false};
    while (bytes > 0 && !weld_image_records_next(&records, &bytes, &record, NULL)) {
        if (record.bad) {
            weld_doubts_note(doubts, rank, record.index, record.data);
        }
    }
}
