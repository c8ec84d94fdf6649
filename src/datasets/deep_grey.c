/* A few images of a data set, for 16-bit grey; see deep_grey.h. */
#include "datasets/deep_grey.h"

#include "base/locale.h"
#include "base/number.h"
#include "images/decode.h"
#include "images/image_facts.h"
#include "weld/image.h"

enum { LOOK_AT = 16 };

typedef struct look {
    weld_bytes bytes;
    weld_image image;
    int found;
    weld_grey_range all; /* clipped: the sum of shares */
    int scale16;
} look;

static void look_at(look *l, const weld_dataset *ds, int64_t i) {
    weld_grey_range range;
    if (weld_dataset_read(ds, i, &l->bytes, NULL) ||
        !weld_image_is_deep_grey(l->bytes.data, l->bytes.size) ||
        weld_decode_grey_range(l->bytes.data, l->bytes.size, l->scale16, &l->image, &range, NULL)) {
        return;
    }
    l->all.least = l->found == 0 || range.least < l->all.least ? range.least : l->all.least;
    l->all.most = range.most > l->all.most ? range.most : l->all.most;
    l->all.clipped += range.clipped;
    l->found++;
}

const char *weld_deep_grey_text(const weld_dataset *ds, int scale16, char *text, size_t size) {
    const int64_t count = weld_dataset_count(ds), looked = count < LOOK_AT ? count : LOOK_AT;
    char share[WELD_NUMBER_SIZE];
    look l = {.scale16 = scale16 ? scale16 : WELD_SCALE16_MIN};
    for (int64_t k = 0; weld_dataset_layout(ds).height == 0 && k < looked; k++) {
        look_at(&l, ds, k * count / looked);
    }
    weld_bytes_free(&l.bytes);
    weld_image_free(&l.image);
    *text = 0;
    if (l.all.clipped > 0) {
        weld_snprintf(text, size,
                      "%d of %d images looked at are 16-bit grey, from %d to %d: all above %d is "
                      "white%s, which is %s of them: data.scale16 (--scale16) says which value is, "
                      "up to 65535",
                      l.found, (int)looked, l.all.least, l.all.most, l.scale16,
                      l.scale16 == WELD_SCALE16_MIN ? ", as in Pillow" : "",
                      weld_percent_text(l.all.clipped / l.found, share));
    }
    return text;
}
