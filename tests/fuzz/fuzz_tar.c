/* Tar archives as data sets: refused, or every sample has a name, a class and bytes inside the
 * file; and the headers of images. Input is one of two forms:
 *
 *   Bytes with "ustar" where a header has it: an archive; the checksums of its headers are set
 *   right.
 *
 *   Anything else: members one after the other, each told by a byte for its type, one for the
 *   length of its name, one for its size in pieces of 64 bytes, and the name; contents are what
 *   follows, as far as it goes.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "images/image_facts.h"
#include "datasets/tar_listing.h"
#include "formats/tar.h"
#include "fuzz.h"

enum { CHECKSUM_AT = 148, MAGIC_AT = 257, PIECE = 64 };

static void set_checksum(uint8_t *block) {
    unsigned sum = 0;
    memset(block + CHECKSUM_AT, ' ', 8);
    for (int i = 0; i < WELD_TAR_BLOCK; i++) {
        sum += block[i];
    }
    snprintf((char *)block + CHECKSUM_AT, 8, "%06o", sum);
}

static bool has_magic(const uint8_t *data, size_t size) {
    return size >= WELD_TAR_BLOCK && memcmp(data + MAGIC_AT, "ustar", 5) == 0;
}

/* Both give malloc'ed bytes. */
static uint8_t *repair(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size);
    FUZZ_CHECK(bytes);
    memcpy(bytes, data, size);
    for (size_t at = 0; size - at >= WELD_TAR_BLOCK; at += WELD_TAR_BLOCK) {
        if (has_magic(bytes + at, size - at)) {
            set_checksum(bytes + at);
        }
    }
    return bytes;
}

static uint8_t *build(const uint8_t *data, size_t size, size_t *out_size) {
    enum { MOST = 256 << 10 };
    uint8_t *bytes = calloc(MOST, 1);
    size_t at = 0, end = 0;
    FUZZ_CHECK(bytes);
    while (size - at > 3) {
        uint8_t type = data[at];
        size_t length = data[at + 1] % 100u, contents = data[at + 2] * (size_t)PIECE;
        at += 3;
        length = length < size - at ? length : size - at;
        size_t blocks = (contents + WELD_TAR_BLOCK - 1) / WELD_TAR_BLOCK;
        if (end + (blocks + 3) * WELD_TAR_BLOCK > MOST) {
            break;
        }
        uint8_t *block = bytes + end;
        memcpy(block, data + at, length);
        at += length;
        snprintf((char *)block + 124, 12, "%011zo", contents);
        block[156] = type;
        memcpy(block + MAGIC_AT, "ustar\0", 6);
        set_checksum(block);
        contents = contents < size - at ? contents : size - at;
        memcpy(block + WELD_TAR_BLOCK, data + at, contents);
        at += contents;
        end += (blocks + 1) * WELD_TAR_BLOCK;
    }
    *out_size = end + 2 * WELD_TAR_BLOCK;
    return bytes;
}

static void skipped(void *arg, const char *name, const char *reason) {
    *(size_t *)arg += strlen(name) + strlen(reason);
}

static void check_listing(const weld_listing *l, uint64_t size) {
    FUZZ_CHECK(l->samples.count > 0 && weld_listing_class_count(l) > 0);
    for (int64_t i = 0; i < (int64_t)l->samples.count; i++) {
        weld_listing_place place = weld_listing_place_of(l, i);
        const char *name = weld_listing_name(l, i);
        int label = weld_listing_label(l, i);
        FUZZ_CHECK(place.offset <= size && place.size <= size - place.offset);
        FUZZ_CHECK(label >= 0 && label < weld_listing_class_count(l) && weld_is_image_name(name));
        const char *class_name = weld_listing_class_name(l, label);
        FUZZ_CHECK(strncmp(name, class_name, strlen(class_name)) == 0);
        FUZZ_CHECK(name[strlen(class_name)] == '/');
        FUZZ_CHECK(i == 0 || label >= weld_listing_label(l, i - 1));
        FUZZ_CHECK(i == 0 || strcmp(name, weld_listing_name(l, i - 1)) != 0);
    }
    for (int i = 1; i < weld_listing_class_count(l); i++) {
        FUZZ_CHECK(strcmp(weld_listing_class_name(l, i - 1), weld_listing_class_name(l, i)) < 0);
    }
}

static void list_and_check(const uint8_t *bytes, size_t size, bool lenient) {
    const char *path = fuzz_file(bytes, size);
    size_t told = 0;
    weld_listing_options options = {
        .empty_classes = lenient, .skipped = lenient ? skipped : NULL, .arg = &told};
    weld_listing listing;
    weld_error err = fuzz_error();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    weld_status status = weld_tar_list(fd, path, &options, &listing, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        check_listing(&listing, size);
    }
    weld_listing_free(&listing);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weld_image_facts facts = weld_image_facts_of(data, size);
    FUZZ_CHECK(facts.orientation >= 0 && facts.orientation <= 8);
    list_and_check(data, size, false);
    size_t made = size;
    uint8_t *bytes = has_magic(data, size) ? repair(data, size) : build(data, size, &made);
    list_and_check(bytes, made, false);
    list_and_check(bytes, made, true);
    free(bytes);
    return 0;
}
