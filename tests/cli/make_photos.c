/* make_photos DIR CLASSES IMAGES SIZE: a folder of class folders of JPEG photos that a small
 * network can tell apart: class c is a disc at its own place and of its own colour, on noise. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/random.h"
#include "images/decode.h"
#include "formats/file.h"

static void draw(weld_image *image, int label, int classes, weld_random *r) {
    double angle = 6.2831853 * label / classes, size = image->width;
    double cx = size * (0.5 + 0.25 * cos(angle)) + weld_random_range(r, -1, 1);
    double cy = size * (0.5 + 0.25 * sin(angle)) + weld_random_range(r, -1, 1);
    for (int y = 0; y < image->height; y++) {
        for (int x = 0; x < image->width; x++) {
            unsigned char *p = image->pixels + 3 * (y * image->width + x);
            int inside = hypot(x - cx, y - cy) < 0.2 * size;
            for (int c = 0; c < 3; c++) {
                int colour = inside ? 80 + (label * 67 + c * 91) % 176 : 60;
                p[c] = (unsigned char)(colour * 0.9 + (double)weld_random_below(r, 24));
            }
        }
    }
}

static int make_class(const char *folder, int label, int classes, int images, int size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/class_%c", folder, 'a' + label);
    mkdir(path, 0777);
    for (int i = 0; i < images; i++) {
        weld_random r = weld_random_start(1, (uint32_t)label, (uint64_t)i, WELD_RANDOM_TEST);
        weld_image image = {0};
        weld_bytes bytes = {0};
        weld_error err;
        snprintf(path, sizeof path, "%s/class_%c/%04d.jpg", folder, 'a' + label, i);
        weld_status status = weld_image_resize_buffer(&image, size + i % 5, size, &err);
        if (status == WELD_OK) {
            draw(&image, label, classes, &r);
            status = weld_encode_jpeg(&image, 90, &bytes, &err);
        }
        if (status == WELD_OK) {
            status = weld_file_write(path, bytes.data, bytes.size, &err);
        }
        weld_image_free(&image);
        weld_bytes_free(&bytes);
        if (status != WELD_OK) {
            fprintf(stderr, "%s: %s\n", path, err.message);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: make_photos DIR CLASSES IMAGES SIZE\n");
        return 2;
    }
    int classes = atoi(argv[2]), failed = 0;
    mkdir(argv[1], 0777);
    for (int label = 0; label < classes && !failed; label++) {
        failed = make_class(argv[1], label, classes, atoi(argv[3]), atoi(argv[4]));
    }
    return failed;
}
