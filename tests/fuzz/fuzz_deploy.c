/* Deploy files; see store_input.h for what input looks like. It is checkpoint's target with a
 * corpus of its own: an input of one kind that is mutated hardly becomes one of the other. */
#include "fuzz.h"
#include "store_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_model_file(data, size);
    return 0;
}
