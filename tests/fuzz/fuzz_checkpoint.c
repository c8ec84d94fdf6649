/* Training checkpoints; see store_input.h for what input looks like. */
#include "fuzz.h"
#include "store_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_model_file(data, size);
    return 0;
}
