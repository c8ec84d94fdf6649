/* A comparison of two networks, as several commands print it. */
#include <stdio.h>

#include "cli/cli.h"

void cli_print_comparison(const weld_comparison *c) {
    printf("verified on %lld %s: largest difference %.3g of largest logit %.3g; same class for "
           "%lld\n",
           (long long)c->images, c->labelled ? "images" : "images of noise", c->largest_difference,
           c->largest_logit, (long long)c->same_class);
}
