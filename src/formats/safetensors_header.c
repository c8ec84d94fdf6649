/* Writing the header of safetensors files; see safetensors_header.h. */
#include "formats/safetensors_header.h"

#include <inttypes.h>

#include "formats/bytes.h"

void weld_safetensors_add_place(weld_text *h, const char *dtype, const weld_shape *shape,
                                uint64_t begin, uint64_t end) {
    weld_text_format(h, ":{\"dtype\":\"%s\",\"shape\":[", dtype);
    for (int i = 0; i < shape->rank; i++) {
        weld_text_format(h, i ? ",%" PRId64 : "%" PRId64, shape->dim[i]);
    }
    weld_text_format(h, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, end);
}

void weld_safetensors_end_header(weld_text *h) {
    weld_text_add(h, "}");
    while (!h->failed && h->bytes.count % 8 != 0) {
        weld_text_add(h, " ");
    }
    if (!h->failed) {
        weld_save_u64(h->bytes.data, h->bytes.count - WELD_SAFETENSORS_LENGTH);
    }
}
