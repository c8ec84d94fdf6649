/* Files of annotations: refused, or every box is of a class and an image, and judged. The first
 * byte tells what the others are: COCO's JSON, VOC's XML, or YOLO's data.yaml and, behind a zero
 * byte, the labels of one image; and whether faults are told or the first is an error. */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/boxes.h"
#include "fuzz.h"

static char root[40];

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static void remove_root(void) {
    nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A folder of our own, once; its files are written anew for each input. */
static const char *folder(void) {
    if (!*root) {
        const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(root, sizeof root, "%s/weld-fuzz-XXXXXX", base);
        FUZZ_CHECK(mkdtemp(root));
        atexit(remove_root);
    }
    return root;
}

static const char *write_file(const char *name, const void *bytes, size_t size) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    return path;
}

static void make_folders(void) {
    static const char *const names[] = {"yolo", "yolo/images",     "yolo/labels",
                                        "voc",  "voc/Annotations", "voc/JPEGImages"};
    char path[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder(), names[i]);
        mkdir(path, 0700);
    }
    /* 20 x 10, as a PNG begins: its size can be read, and no more is asked for. */
    static const char head[] =
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x14\0\0\0\n\x08\2\0\0\0\x3b\x37\xe9"
        "\xb1\0\0\0\0IEND\xae\x42\x60\x82";
    write_file("yolo/images/a.png", head, sizeof head - 1);
    write_file("voc/JPEGImages/a.png", head, sizeof head - 1);
    write_file("a.png", head, sizeof head - 1);
}

static void note_fault(void *arg, weld_box_fault fault, const char *where, const char *what) {
    size_t *faults = arg;
    FUZZ_CHECK(fault < WELD_BOX_FAULTS && strlen(where) > 0 && strlen(what) > 0);
    (*faults)++;
}

static void check_boxes(const weld_dataset *ds) {
    FUZZ_CHECK(weld_dataset_has_boxes(ds) && weld_dataset_count(ds) > 0);
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        int64_t count;
        const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
        FUZZ_CHECK(*weld_dataset_name(ds, i));
        for (int64_t k = 0; k < count; k++) {
            const weld_box *b = &boxes[k];
            FUZZ_CHECK(b->class_index >= 0 && b->class_index < weld_dataset_class_count(ds));
            FUZZ_CHECK(b->x - b->x == 0 && b->width - b->width == 0 && b->area - b->area == 0);
            FUZZ_CHECK((b->width > 0 && b->height > 0) || (b->flags & WELD_BOX_UNUSED));
        }
    }
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        FUZZ_CHECK(*weld_dataset_class_name(ds, i));
    }
}

static void open_and_check(const char *path, bool tell) {
    weld_dataset *ds = NULL;
    weld_error err = fuzz_error();
    size_t faults = 0;
    weld_dataset_options options = {.boxes = {.no_images = true}};
    if (tell) {
        options.boxes.found = note_fault;
        options.boxes.arg = &faults;
    }
    const weld_status status = weld_dataset_open_with(path, &options, &ds, &err);
    fuzz_check_status(status, &err);
    if (!status) {
        check_boxes(ds);
    }
    weld_dataset_free(ds);
}

/* Without slashes, so that nothing outside our folder is listed. */
static const char *write_yolo(const char *text, size_t length) {
    static const char first[] = "train: images\n";
    const char *zero = memchr(text, 0, length);
    const size_t size = zero ? (size_t)(zero - text) : length, head = sizeof first - 1;
    char *yaml = malloc(head + size);
    FUZZ_CHECK(yaml);
    memcpy(yaml, first, head);
    for (size_t i = 0; i < size; i++) {
        yaml[head + i] = text[i] == '/' ? '|' : text[i];
    }
    write_file("yolo/labels/a.txt", text + size + (zero != NULL), length - size - (zero != NULL));
    const char *path = write_file("yolo/data.yaml", yaml, head + size);
    free(yaml);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { COCO, YOLO, VOC, KINDS };
    char path[200];
    if (size == 0) {
        return 0;
    }
    make_folders();
    const unsigned kind = data[0] % KINDS;
    const bool tell = data[0] / KINDS % 2;
    const char *text = (const char *)data + 1;
    const size_t length = size - 1;
    if (kind == COCO) {
        snprintf(path, sizeof path, "%s", write_file("set.json", text, length));
    } else if (kind == VOC) {
        write_file("voc/Annotations/a.xml", text, length);
        snprintf(path, sizeof path, "%s/voc", folder());
    } else {
        snprintf(path, sizeof path, "%s", write_yolo(text, length));
    }
    open_and_check(path, tell);
    return 0;
}
