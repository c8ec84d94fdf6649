/* Files of tensors with a checksum, every bit of which is turned: that is an error which names the
 * file, or it changes nothing that anybody reads. */
#include <fcntl.h>
#include <xxhash.h>

#include "base/error.h"
#include "files.h"
#include "formats/bytes.h"
#include "formats/logit_cache.h"
#include "formats/safetensors.h"
#include "formats/safetensors_checksum.h"
#include "suite.h"

static weld_error err;

/* Turn a bit of a file. */
static void turn(int file, size_t bit) {
    unsigned char byte;
    ck_assert_int_eq(pread(file, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (unsigned char)(1U << bit % 8);
    ck_assert_int_eq(pwrite(file, &byte, 1, (off_t)(bit / 8)), 1);
}

static size_t open_for_damage(const char *path, int *file) {
    struct stat info;
    *file = open(path, O_RDWR);
    ck_assert_int_eq(fstat(*file, &info), 0);
    return (size_t)info.st_size;
}

/* --- Distillation caches. --------------------------------------------------------------------- */

enum { VIEWS = 2, IMAGES = 3, TOP = 2, CLASSES = 4 };

static const weld_cache_layout layout = {VIEWS, IMAGES, TOP, CLASSES, true};
static const weld_cache_texts texts = {"0123", "augment.hflip: 0.5\n", "a teacher", "fp32"};

static void write_cache(const char *path) {
    float values[VIEWS * IMAGES * TOP];
    int32_t classes[VIEWS * IMAGES * TOP];
    weld_cache_writer *w;
    int64_t rows;
    for (int i = 0; i < VIEWS * IMAGES * TOP; i++) {
        values[i] = -1.5F - (float)i / 16;
        classes[i] = (i / TOP + i) % CLASSES;
    }
    ck_assert_int_eq(weld_cache_writer_open(path, &layout, &texts, &w, &rows, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_put(w, 0, VIEWS * IMAGES, values, classes, &err), WELD_OK);
    ck_assert_int_eq(weld_cache_writer_commit(w, &err), WELD_OK);
}

/* All that a training takes from a cache. */
typedef struct said {
    char texts[3][64];
    float logits[VIEWS * IMAGES][CLASSES];
} said;

static weld_status read_rows(const weld_logit_cache *c, said *out) {
    static const char *const keys[] = {WELD_CACHE_SAMPLES, WELD_CACHE_AUGMENTATION,
                                       WELD_CACHE_TEACHER};
    memset(out, 0, sizeof *out);
    const weld_cache_layout l = weld_logit_cache_layout(c);
    ck_assert(l.views == VIEWS && l.images == IMAGES && l.top == TOP && l.classes == CLASSES &&
              l.log_probabilities);
    for (int i = 0; i < 3; i++) {
        const char *text = weld_logit_cache_text(c, keys[i]);
        snprintf(out->texts[i], sizeof out->texts[i], "%s", text ? text : "none");
    }
    for (int i = 0; i < VIEWS * IMAGES; i++) {
        WELD_TRY(weld_logit_cache_read(c, i / IMAGES, i % IMAGES, 1, out->logits[i], &err));
    }
    return WELD_OK;
}

static weld_status read_cache(const char *path, said *out) {
    weld_logit_cache *c;
    WELD_TRY(weld_logit_cache_open(path, &c, &err));
    const weld_status status = read_rows(c, out);
    weld_logit_cache_free(c);
    return status;
}

START_TEST(no_bit_of_a_cache_changes_what_is_learned) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "c.safetensors");
    said whole, damaged;
    size_t harmless = 0;
    int file;
    write_cache(path);
    ck_assert_msg(read_cache(path, &whole) == WELD_OK, "%s", err.message);
    const size_t size = open_for_damage(path, &file);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        turn(file, bit);
        if (read_cache(path, &damaged)) {
            ck_assert_msg(strstr(err.message, path) != NULL, "bit %zu: %s", bit, err.message);
        } else {
            ck_assert_msg(memcmp(&whole, &damaged, sizeof whole) == 0, "bit %zu", bit);
            harmless++;
        }
        turn(file, bit);
    }
    /* The name of the checksum is damaged: then there is none, and nothing else is damaged. */
    ck_assert_uint_le(harmless, 8 * (sizeof WELD_HEADER_CHECKSUM + 2));
    close(file);
    test_folder_remove(folder);
}
END_TEST

START_TEST(rows_that_changed_places_are_noticed) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "c.safetensors");
    weld_safetensors *f;
    said rows;
    size_t size;
    write_cache(path);
    unsigned char *bytes = test_read_file(path, &size);
    static const char *const names[] = {"logits", "classes", "checks"};
    ck_assert_int_eq(weld_safetensors_index(path, &f, &err), WELD_OK);
    for (int i = 0; i < 3; i++) {
        weld_safetensors_place p;
        unsigned char kept[8];
        ck_assert(weld_safetensors_find(f, names[i], &p));
        const size_t row = weld_element_size(p.element) * (i < 2 ? TOP : 1);
        memcpy(kept, bytes + p.offset, row);
        memmove(bytes + p.offset, bytes + p.offset + row, row);
        memcpy(bytes + p.offset + row, kept, row);
    }
    weld_safetensors_free(f);
    test_write_file(path, bytes, size);
    ck_assert_int_eq(read_cache(path, &rows), WELD_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "view 0 of image 0: its checksum differs"));
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

/* --- Networks. -------------------------------------------------------------------------------- */

static float matrix[] = {1, -2, 3.5F, 4, 5, 6};
static int64_t counter[] = {1LL << 40};
static const weld_safetensors_tensor tensors[] = {
    {"b.weight", {WELD_F32, {2, {2, 3}}, matrix}},
    {"bn.num_batches_tracked", {WELD_I64, {0, {0}}, counter}},
};

static void write_tensors(const char *path) {
    static char form[] = "merged";
    const weld_metadata metadata = {1, {{"weld.form", form}}};
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, &err), WELD_OK);
    ck_assert_int_eq(weld_safetensors_write(r, tensors, 2, &metadata, &err), WELD_OK);
    ck_assert_int_eq(weld_replacement_commit(r, &err), WELD_OK);
}

/* Whether a file is that of write_tensors; otherwise it has to be refused. */
static bool opens(const char *path) {
    weld_state_dict *s;
    double values[6];
    int64_t number;
    if (weld_state_dict_open(path, NULL, &s, &err)) {
        return false;
    }
    ck_assert_uint_eq(weld_state_dict_count(s), 2);
    ck_assert_str_eq(weld_state_dict_metadata(s, "weld.form"), "merged");
    ck_assert_str_eq(weld_state_dict_at(s, 0)->name, tensors[1].name);
    ck_assert_str_eq(weld_state_dict_at(s, 1)->name, tensors[0].name);
    ck_assert(weld_shape_equal(&weld_state_dict_at(s, 1)->shape, &tensors[0].tensor.shape));
    ck_assert_int_eq(weld_state_dict_read(s, 0, WELD_I64, &number, &err), WELD_OK);
    ck_assert_int_eq(number, counter[0]);
    ck_assert_int_eq(weld_state_dict_read(s, 1, WELD_F64, values, &err), WELD_OK);
    for (int i = 0; i < 6; i++) {
        ck_assert(values[i] == (double)matrix[i]);
    }
    weld_state_dict_free(s);
    return true;
}

static bool is_checked(const char *path) {
    weld_state_dict *s;
    ck_assert_int_eq(weld_state_dict_open(path, NULL, &s, &err), WELD_OK);
    const bool is = !weld_state_dict_is_unchecked(s);
    weld_state_dict_free(s);
    return is;
}

START_TEST(no_bit_of_an_exported_file_changes_what_is_read) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "n.safetensors");
    size_t harmless = 0;
    int file;
    write_tensors(path);
    ck_assert_msg(opens(path), "%s", err.message);
    ck_assert(is_checked(path));
    const size_t size = open_for_damage(path, &file);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        turn(file, bit);
        if (opens(path)) {
            harmless++;
        } else {
            ck_assert_msg(strstr(err.message, path) != NULL, "bit %zu: %s", bit, err.message);
        }
        turn(file, bit);
    }
    ck_assert_uint_le(harmless, 8 * (sizeof WELD_FILE_CHECKSUM + 2));
    close(file);
    test_folder_remove(folder);
}
END_TEST

START_TEST(damage_is_not_taken_for_something_else) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "n.safetensors");
    size_t size;
    write_tensors(path);
    char *bytes = (char *)test_read_file(path, &size);
    char *type = strstr(bytes + 8, "F32");
    type[1] = '7'; /* which would be a type that weld does not know */
    test_write_file(path, bytes, size);
    ck_assert(!opens(path));
    ck_assert_msg(strstr(err.message, "checksum differs: the file is damaged"), "%s", err.message);
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

/* By the description in safetensors_checksum.h. */
START_TEST(the_checksum_is_that_of_the_file_without_it) {
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "n.safetensors");
    const char *const begin = "{\"__metadata__\":{\"weld.checksum\":\"";
    char digits[33], expected[33];
    size_t size;
    write_tensors(path);
    unsigned char *bytes = test_read_file(path, &size), *at = bytes + 8 + strlen(begin);
    ck_assert_mem_eq(bytes + 8, begin, strlen(begin));
    memcpy(digits, at, 32);
    digits[32] = '\0';
    memset(at, '0', 32);
    const XXH128_hash_t sum = XXH3_128bits(bytes, size);
    snprintf(expected, sizeof expected, "%016llx%016llx", (unsigned long long)sum.high64,
             (unsigned long long)sum.low64);
    ck_assert_str_eq(digits, expected);
    free(bytes);
    test_folder_remove(folder);
}
END_TEST

/* As Python's save_file writes what it loaded: the same metadata, in its own order. */
START_TEST(what_another_program_wrote_again_is_no_damage) {
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"weld.checksum\":\"" WELD_NO_CHECKSUM
        "\",\"weld.form\":\"merged\"},"
        "\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}}";
    test_folder folder = test_folder_create();
    const char *path = test_path(&folder, "n.safetensors");
    char bytes[8 + sizeof header + 32];
    const size_t length = sizeof header - 1;
    weld_save_u64(bytes, length);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, counter, 8);
    memcpy(bytes + 16 + length, matrix, 24);
    test_write_file(path, bytes, 40 + length);
    ck_assert_msg(opens(path), "%s", err.message);
    ck_assert(!is_checked(path));
    test_folder_remove(folder);
}
END_TEST

RUN_SUITE("formats/checksums", no_bit_of_a_cache_changes_what_is_learned,
          rows_that_changed_places_are_noticed, no_bit_of_an_exported_file_changes_what_is_read,
          damage_is_not_taken_for_something_else, the_checksum_is_that_of_the_file_without_it,
          what_another_program_wrote_again_is_no_damage)
