/* What fuzz targets share; see fuzz.h. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char input_path[64], output_path[64];

const char *fuzz_file(const void *data, size_t size) {
    static int descriptor = -1;
    if (descriptor < 0) {
        descriptor = memfd_create("input", MFD_CLOEXEC);
        FUZZ_CHECK(descriptor >= 0);
        snprintf(input_path, sizeof input_path, "/proc/self/fd/%d", descriptor);
    }
    FUZZ_CHECK(ftruncate(descriptor, 0) == 0);
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(descriptor, (const char *)data + done, size - done, (off_t)done);
        FUZZ_CHECK(n > 0);
        done += (size_t)n;
    }
    return input_path;
}

static void remove_output(void) {
    unlink(output_path);
}

const char *fuzz_output(void) {
    if (!output_path[0]) {
        /* Writers sync what they write, which costs nothing in a file system in memory. */
        const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(output_path, sizeof output_path, "%s/weld-fuzz-%ld", folder, (long)getpid());
        atexit(remove_output);
    }
    return output_path;
}

weld_error fuzz_error(void) {
    return (weld_error){.status = WELD_OK};
}

void fuzz_check_status(weld_status status, const weld_error *err) {
    FUZZ_CHECK(status <= WELD_OK && status >= WELD_ERROR_INTERRUPTED);
    if (getenv("FUZZ_VERBOSE")) {
        fprintf(stderr, "    %s\n", status == WELD_OK ? "accepted" : err->message);
    }
    if (status == WELD_OK) {
        return;
    }
    FUZZ_CHECK(err->status == status);
    FUZZ_CHECK(memchr(err->message, '\0', sizeof err->message));
    FUZZ_CHECK(err->message[0] != '\0');
    for (const char *at = err->message; *at; at++) {
        FUZZ_CHECK((unsigned char)*at >= ' ' && *at != 0x7f);
    }
}

void fuzz_check_equal_tensors(const weld_tensor *a, const weld_tensor *b) {
    FUZZ_CHECK(a->dtype == b->dtype);
    FUZZ_CHECK(weld_shape_equal(&a->shape, &b->shape));
    size_t bytes = weld_tensor_bytes(a);
    FUZZ_CHECK(bytes == 0 || memcmp(a->data, b->data, bytes) == 0);
}

void fuzz_check_equal_weights(const weld_weights *a, const weld_weights *b) {
    FUZZ_CHECK(!a == !b);
    if (!a) {
        return;
    }
    FUZZ_CHECK(weld_weights_count(a) == weld_weights_count(b));
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        FUZZ_CHECK(strcmp(weld_weights_name(a, i), weld_weights_name(b, i)) == 0);
        fuzz_check_equal_tensors(&x, &y);
    }
}
