/* Runs of a small detector on a few scenes, for tests. Define _GNU_SOURCE before including. */
#ifndef WELD_TESTS_SCENE_RUNS_H
#define WELD_TESTS_SCENE_RUNS_H

#include "base/text.h"
#include "images/decode.h"
#include "train/rank_runs.h"

enum { IMAGES = 12, PIXELS = 64, BOX = 24 };

/* A square of a colour on grey: red ones are of one class, green ones of another. */
static inline void put_scene(int i) {
    char name[32];
    weld_image image = {0};
    weld_bytes bytes = {0};
    ck_assert_int_eq(weld_image_resize_buffer(&image, PIXELS, PIXELS, NULL), WELD_OK);
    memset(image.pixels, 90, (size_t)PIXELS * PIXELS * 3);
    for (int y = 0; y < BOX; y++) {
        for (int x = 0; x < BOX; x++) {
            image.pixels[((y + i * 3) * PIXELS + x + i * 2) * 3 + i % 2] = 250;
        }
    }
    ck_assert_int_eq(weld_encode_jpeg(&image, 95, &bytes, NULL), WELD_OK);
    snprintf(name, sizeof name, "%02d.jpg", i);
    test_write_file(in_base(name), bytes.data, bytes.size);
    weld_image_free(&image);
    weld_bytes_free(&bytes);
}

/* BASE/scenes.json and BASE/detector.yaml. */
static inline void set_up_scenes(void) {
    char text[1024];
    weld_text images = WELD_TEXT, boxes = WELD_TEXT;
    set_up();
    for (int i = 0; i < IMAGES; i++) {
        put_scene(i);
        weld_text_format(&images, "%s{\"id\":%d,\"file_name\":\"%02d.jpg\",", i ? "," : "", i + 1,
                         i);
        weld_text_format(&images, "\"width\":%d,\"height\":%d}", PIXELS, PIXELS);
        weld_text_format(&boxes, "%s{\"id\":%d,\"image_id\":%d,\"category_id\":%d,", i ? "," : "",
                         i + 1, i + 1, 1 + i % 2);
        weld_text_format(&boxes, "\"bbox\":[%d,%d,%d,%d],\"area\":%d,\"iscrowd\":0}", i * 2, i * 3,
                         BOX, BOX, BOX * BOX);
    }
    weld_text_add(&images, "],\"annotations\":[");
    weld_text_add(&images, weld_text_get(&boxes));
    weld_text_add(&images,
                  "],\"categories\":[{\"id\":1,\"name\":\"red\"},{\"id\":2,\"name\":\"green\"}]}");
    char *all = malloc(strlen(weld_text_get(&images)) + 16);
    sprintf(all, "{\"images\":[%s", weld_text_get(&images));
    write_text(in_base("scenes.json"), all);
    free(all);
    weld_text_free(&images);
    weld_text_free(&boxes);
    snprintf(text, sizeof text,
             "model: {name: yolo11_repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1],\n"
             "        width: 0.125, normalize: none}\n"
             "data: {train: %s/scenes.json, val: %s/scenes.json, input_size: 64}\n"
             "augment: {mosaic: 0.5, close_mosaic: 1}\n"
             "train: {epochs: 2, batch_size: 2, accumulate: 5, seed: 7, ema_decay: 0.9,\n"
             "        precision: fp32}\n",
             base, base);
    write_text(in_base("detector.yaml"), text);
}

#endif
