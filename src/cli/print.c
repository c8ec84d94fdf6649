/* What several commands print, and whether it arrived. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"

void cli_print_comparison(const weld_comparison *c) {
    printf("verified on %lld %s: largest difference %.3g of largest %s %.3g", (long long)c->images,
           c->labelled ? "images" : "images of noise", c->largest_difference, c->output_word,
           c->largest_output);
    if (c->answer_word) {
        printf("; same %s for %lld", c->answer_word, (long long)c->same_answer);
    }
    putchar('\n');
    if (c->left_out) {
        printf("left out: %lld %s of classes that the network does not know\n",
               (long long)c->left_out, weld_plural(c->left_out, "image", "images"));
    }
}

/* "top-1 [%]" */
const char *cli_score_title(const weld_score *s, char text[CLI_TITLE_SIZE]) {
    const char *unit = s->unit + (*s->unit == ' ');
    snprintf(text, CLI_TITLE_SIZE, "%s%s%s%s", s->label, *unit ? " [" : "", unit, *unit ? "]" : "");
    return text;
}

json_t *cli_size_json(int height, int width) {
    return height == width ? json_integer(height) : json_pack("[i, i]", height, width);
}

void cli_print_json(json_t *json, size_t digits) {
    json_dumpf(json, stdout, JSON_REAL_PRECISION(digits));
    putchar('\n');
    json_decref(json);
}

static int lost; /* an errno: why what was printed before did not arrive */

void cli_flush_output(void) {
    if (fflush(stdout) != 0 && !lost) {
        lost = errno;
    }
}

/* What was printed may be lost as late as when the file is closed. Without anything printed it
 * does not matter that there may be no standard output. */
int cli_finish_output(int status) {
    cli_flush_output();
    const bool failed = ferror(stdout);
    if (fclose(stdout) != 0 && errno != EBADF && !lost) {
        lost = errno;
    }
    if (!failed && !lost) {
        return status;
    }
    fprintf(stderr, "weld: what was printed could not be written%s%s\n", lost ? ": " : "",
            lost ? strerror(lost) : "");
    return status ? status : CLI_FAILED;
}
