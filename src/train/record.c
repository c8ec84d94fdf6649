/* What a rank says of an update; see record.h. The struct comes first, whose arrays say how much of
 * each follows. */
#include "train/record.h"

#include <string.h>

#include "base/error.h"

weld_update_record weld_update_record_begin(void) {
    return (weld_update_record){.groups = {.element = sizeof(weld_group_result)},
                                .bad = {.element = sizeof(weld_met_image)},
                                .story = WELD_TEXT};
}

void weld_update_record_free(weld_update_record *r) {
    weld_array_free(&r->groups);
    weld_array_free(&r->bad);
    weld_text_free(&r->story);
}

static bool pack(weld_array *bytes, const weld_array *a) {
    return weld_array_append(bytes, a->data, a->count * a->element);
}

weld_status weld_update_record_pack(const weld_update_record *r, weld_array *bytes,
                                    weld_error *err) {
    return weld_array_append(bytes, r, sizeof *r) && pack(bytes, &r->groups) &&
                   pack(bytes, &r->bad) && pack(bytes, &r->story.bytes)
               ? WELD_OK
               : weld_fail_memory(err, "record of an update");
}

/* The next bytes of what is read. */
typedef struct rest {
    const char *data;
    size_t bytes;
} rest;

static bool take(rest *from, void *to, size_t bytes) {
    if (bytes > from->bytes) {
        return false;
    }
    memcpy(to, from->data, bytes);
    from->data += bytes;
    from->bytes -= bytes;
    return true;
}

/* *a says how many elements there are, and where they were on the rank that wrote it. */
static weld_status take_array(rest *from, size_t count, weld_array *a, weld_error *err) {
    if (count > from->bytes / a->element) {
        return weld_fail(err, WELD_ERROR_FORMAT, "a rank's record of an update is cut short");
    }
    if (!weld_array_append(a, from->data, count)) {
        return weld_fail_memory(err, "record of an update");
    }
    from->data += count * a->element;
    from->bytes -= count * a->element;
    return WELD_OK;
}

weld_status weld_update_record_read(const void *data, size_t bytes, weld_update_record *out,
                                    weld_error *err) {
    rest from = {data, bytes};
    weld_update_record said;
    const weld_update_record empty = weld_update_record_begin();
    *out = empty;
    if (!take(&from, &said, sizeof said)) {
        return weld_fail(err, WELD_ERROR_FORMAT, "a rank's record of an update is cut short");
    }
    *out = said;
    out->groups = empty.groups;
    out->bad = empty.bad;
    out->story = empty.story;
    WELD_TRY(take_array(&from, said.groups.count, &out->groups, err));
    WELD_TRY(take_array(&from, said.bad.count, &out->bad, err));
    return take_array(&from, said.story.bytes.count, &out->story.bytes, err);
}
