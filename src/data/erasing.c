/* Random erasing; see erasing.h. */
#include "data/erasing.h"

#include <math.h>
#include <string.h>

enum { TRIES = 10 };
static const double least_area = 0.02, largest_area = 1.0 / 3.0, least_aspect = 0.3;

bool weld_erasing_box(int image_height, int image_width, weld_random *random, weld_rectangle *box) {
    const double low = log(least_aspect), area = (double)image_height * image_width;
    for (int i = 0; i < TRIES; i++) {
        double target = area * weld_random_range(random, least_area, largest_area);
        double aspect = exp(weld_random_range(random, low, -low));
        double height = nearbyint(sqrt(target * aspect)), width = nearbyint(sqrt(target / aspect));
        if (width < image_width && height < image_height) {
            *box = (weld_rectangle){.width = (int)width, .height = (int)height};
            box->y = (int)weld_random_below(random, (uint64_t)(image_height - box->height + 1));
            box->x = (int)weld_random_below(random, (uint64_t)(image_width - box->width + 1));
            return true;
        }
    }
    return false;
}

void weld_random_erase(const weld_augmentation *a, int height, int width, weld_random *random,
                       float *image) {
    weld_rectangle box;
    float color[3] = {0};
    if (weld_random_uniform(random) >= a->random_erasing ||
        !weld_erasing_box(height, width, random, &box)) {
        return;
    }
    if (a->erasing_mode == WELD_ERASE_RAND) {
        weld_random_normals(random, color, 3);
    }
    for (int y = box.y; y < box.y + box.height; y++) {
        float *row = image + ((size_t)y * (size_t)width + (size_t)box.x) * 3;
        if (a->erasing_mode == WELD_ERASE_PIXEL) {
            weld_random_normals(random, row, (size_t)box.width * 3);
            continue;
        }
        for (int x = 0; x < box.width; x++) {
            memcpy(row + 3 * x, color, sizeof color);
        }
    }
}
