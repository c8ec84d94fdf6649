#include <zlib.h>

#include "datasets/folders.h"
#include "datasets/idx.h"
#include "suite.h"

enum { COUNT = 11, SIDE = 3, IMAGE = SIDE * SIDE };

static const unsigned char image_header[] = {0, 0, 8, 3,    0, 0, 0, COUNT,
                                             0, 0, 0, SIDE, 0, 0, 0, SIDE};
static const unsigned char label_header[] = {0, 0, 8, 1, 0, 0, 0, COUNT};

static unsigned char pixel(int image, int k) {
    return (unsigned char)(image * 17 + k * 29);
}

static unsigned char label(int image) {
    return (unsigned char)(image * 7 % 5);
}

typedef struct idx_bytes {
    unsigned char images[sizeof image_header + COUNT * IMAGE], labels[sizeof label_header + COUNT];
} idx_bytes;

static idx_bytes make_bytes(void) {
    idx_bytes b;
    memcpy(b.images, image_header, sizeof image_header);
    memcpy(b.labels, label_header, sizeof label_header);
    for (int i = 0; i < COUNT; i++) {
        b.labels[sizeof label_header + i] = label(i);
        for (int k = 0; k < IMAGE; k++) {
            b.images[sizeof image_header + i * IMAGE + k] = pixel(i, k);
        }
    }
    return b;
}

static void write_gzip(const char *path, const void *bytes, size_t size) {
    gzFile file = gzopen(path, "wb");
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    gzclose(file);
}

static void check_packed(const char *path, const char *last_class) {
    weld_dataset *ds = open_dataset(path);
    weld_image image = {0};
    ck_assert_int_eq(weld_dataset_count(ds), COUNT);
    ck_assert_int_eq(weld_dataset_class_count(ds), 5);
    ck_assert_str_eq(weld_dataset_class_name(ds, 4), last_class);
    ck_assert_int_eq(weld_dataset_layout(ds).channels, 1);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(weld_dataset_label(ds, i), label(i));
        ck_assert_int_eq(read_sample(ds, i, &image, NULL), WELD_OK);
        ck_assert_int_eq(image.width, SIDE);
        for (int k = 0; k < IMAGE * 3; k++) {
            ck_assert_int_eq(image.pixels[k], pixel(i, k / 3));
        }
    }
    /* A part of grey pixels. */
    weld_bytes bytes = {0};
    weld_decoded_part part;
    ck_assert_int_eq(weld_dataset_read(ds, 2, &bytes, NULL), WELD_OK);
    ck_assert_int_eq(weld_dataset_decode_part(ds, 2, &bytes, &(weld_rectangle){1, 1, 2, 2}, 1,
                                              (weld_reading){0}, &image, &part, NULL),
                     WELD_OK);
    ck_assert_int_eq(part.pixels.width, 2);
    for (int k = 0; k < 4 * 3; k++) {
        int y = k / 6, x = k % 6 / 3;
        ck_assert_int_eq(part.pixels.data[(size_t)y * part.pixels.stride + (size_t)(k % 6)],
                         pixel(2, (1 + y) * SIDE + 1 + x));
    }
    weld_bytes_free(&bytes);
    weld_image_free(&image);
    weld_dataset_free(ds);
}

START_TEST(images_and_labels_come_back_plain_or_compressed) {
    test_folder f = test_folder_create();
    idx_bytes b = make_bytes();
    const char *names[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"};
    test_write_file(test_path(&f, "train-images-idx3-ubyte"), b.images, sizeof b.images);
    write_gzip(test_path(&f, "train-labels-idx1-ubyte.gz"), b.labels, sizeof b.labels);
    char images[PATH_MAX], labels[PATH_MAX];
    int64_t count = 0;
    weld_error err = {0};
    ck_assert_int_eq(weld_idx_find(f.path, "train", images, labels, &err), WELD_OK);
    ck_assert_int_eq(weld_pack_idx(images, labels, NULL, 0, test_path(&f, "a.h5"), &count, &err),
                     WELD_OK);
    ck_assert_int_eq(count, COUNT);
    ck_assert_int_eq(weld_pack_idx(images, labels, names, 5, test_path(&f, "b.h5"), NULL, &err),
                     WELD_OK);
    check_packed(test_path(&f, "a.h5"), "4");
    check_packed(test_path(&f, "b.h5"), "Coat");
    ck_assert_int_eq(weld_idx_find(f.path, "t10k", images, labels, &err), WELD_ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "t10k-images-idx3-ubyte"));
    test_folder_remove(f);
}
END_TEST

static void expect_refusal(const test_folder *f, const char *text, int class_count) {
    const char *names[] = {"a", "b", "c", "d", "e"};
    weld_error err = {0};
    weld_status status =
        weld_pack_idx(test_path(f, "images"), test_path(f, "labels"), class_count ? names : NULL,
                      class_count, test_path(f, "set.h5"), NULL, &err);
    ck_assert_int_eq(status, WELD_ERROR_FORMAT);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    ck_assert_int_eq(test_folder_walk(f->path, 0), 2);
}

START_TEST(damaged_files_are_refused_by_name) {
    test_folder f = test_folder_create();
    const char *images = test_path(&f, "images"), *labels = test_path(&f, "labels");
    idx_bytes b = make_bytes();
    test_write_file(images, b.images, sizeof b.images);
    test_write_file(labels, b.labels, sizeof b.labels - 1);
    expect_refusal(&f, "labels: cut", 0);
    test_write_file(labels, b.labels, 5);
    expect_refusal(&f, "labels: cut", 0);
    test_write_file(labels, b.images, sizeof b.images);
    expect_refusal(&f, "labels: not an idx file of bytes with 1 dimensions", 0);
    test_write_file(labels, b.labels, sizeof b.labels);
    expect_refusal(&f, "label 4, but there are 4 class names", 4);
    b.labels[7]--;
    test_write_file(labels, b.labels, sizeof b.labels);
    expect_refusal(&f, "11 images", 0);
    b.labels[7]++;
    test_write_file(labels, b.labels, sizeof b.labels);
    test_write_file(images, b.images, sizeof b.images - 3);
    expect_refusal(&f, "images: cut", 0);
    memset(b.images + 8, 0xFF, 4);
    test_write_file(images, b.images, sizeof b.images);
    expect_refusal(&f, "impossible dimension", 0);
    test_folder_remove(f);
}
END_TEST

START_TEST(damage_inside_gzip_is_found) {
    test_folder f = test_folder_create();
    const char *images = test_path(&f, "images"), *labels = test_path(&f, "labels");
    idx_bytes b = make_bytes();
    size_t size;
    write_gzip(images, b.images, sizeof b.images);
    test_write_file(labels, b.labels, sizeof b.labels);
    unsigned char *packed = test_read_file(images, &size);
    packed[size - 6] ^= 1; /* in the checksum */
    test_write_file(images, packed, size);
    expect_refusal(&f, "images: damaged", 0);
    test_write_file(images, packed, size - 10);
    expect_refusal(&f, "images: ", 0);
    free(packed);
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("data/idx", images_and_labels_come_back_plain_or_compressed,
          damaged_files_are_refused_by_name, damage_inside_gzip_is_found)
