/* The program: finds the subcommand, and says what it is and what it runs on. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/cli.h"
#include "cli/ranks.h"
#include "cli/stop.h"
#include "kernels/isa.h"

static const cli_command commands[] = {
    {"train", "RECIPE", 1, 1, "Train a network as a recipe says", cli_train, true},
    {"preview", "RECIPE", 1, 1, "Draw what training will see: augmented, mixed samples",
     cli_preview},
    {"eval", "FILE", 0, 1, "Accuracy, classes and calibration of a model on a data set", cli_eval,
     true},
    {"compare", "A B", 2, 2, "Two models on the same images: which is better, and how sure",
     cli_compare},
    {"predict", "FILE IMAGE...", 2, -1,
     "What a network says of images, of those in folders, or of a list (-)", cli_predict},
    {"explain", "FILE IMAGE", 2, 2, "Draw where in an image a decision came from", cli_explain},
    {"run", "FILE", 1, 1, "Logits, or maps of features, for an array of images", cli_run},
    {"reparam", "FILE", 1, 1, "Merge the branches of a network and verify the result", cli_reparam},
    {"quantize", "FILE", 1, 1, "Make a network of 8-bit integers and compare it with what it was",
     cli_quantize},
    {"export", "FILE", 1, 1, "Write a network as ONNX or safetensors for other programs",
     cli_export},
    {"import", "FILE", 1, 1, "Make weld's own file of a .pth or safetensors file", cli_import},
    {"pack", "DIR", 1, 1,
     "Make one packed data set of class folders, a .tar of them, a .csv, or images with boxes",
     cli_pack},
    {"distill-cache", "RECIPE", 1, 1, "Keep what a teacher says of the images, to train without it",
     cli_distill_cache, true},
    {"check-data", "DIR|FILE", 1, 1,
     "Decode a whole data set and name what is broken, odd or twice there", cli_check_data},
    {"bench", "FILE|MODEL|RECIPE", 1, 1, "Speed and memory of a network, or of its data",
     cli_bench},
    {"inspect", "FILE", 1, 1, "What a file holds", cli_inspect},
    {"report", "RUN...", 1, -1, "One HTML page about training runs: curves, recipe, mistakes",
     cli_report},
    {"models", "[NAME]", 0, 1, "Names, parameters and multiply-adds of the networks", cli_models},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
    puts("Usage: weld COMMAND [OPTION]... [ARGUMENT]...\n"
         "Trains multi-branch vision networks and merges their branches for deployment.\n\n"
         "Commands:");
    for (size_t i = 0; i < COMMANDS; i++) {
        printf("  %-13s %s\n", commands[i].name, commands[i].summary);
    }
    puts("\nweld COMMAND --help tells more; weld --version [--verbose] what this is and runs on.");
}

static void print_limit(const char *name, int limit) {
    if (limit) {
        printf("%s %d", name, limit);
    } else {
        printf("%s not set", name);
    }
}

static weld_status print_machine(weld_error *err) {
    weld_thread_limits limits = weld_threads_limits();
    const char *before = "cpu:      ";
    for (int i = 0; weld_isa_at(i); i++) {
        const weld_isa *isa = weld_isa_at(i);
        if (isa->features) {
            printf("%s%s %s", before, isa->features, weld_isa_runs(isa) ? "yes" : "no");
            before = ", ";
        }
    }
    putchar('\n');
    const weld_kernels *f32, *bf16;
    const weld_int8_kernels *int8;
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &f32, err));
    WELD_TRY(weld_kernels_select(WELD_BF16, NULL, &bf16, err));
    WELD_TRY(weld_int8_kernels_select(NULL, &int8, err));
    printf("kernels:  f32 %s, bf16 %s, int8 %s (can run:", f32->name, bf16->name, int8->name);
    for (int i = 0; weld_isa_at(i); i++) {
        if (weld_isa_runs(weld_isa_at(i))) {
            printf(" %s", weld_isa_at(i)->name);
        }
    }
    puts("; WELD_ISA chooses)");
    printf("threads:  %d", weld_threads_available());
    print_limit(" (affinity", limits.affinity);
    print_limit(", cgroup", limits.cgroup);
    print_limit(", OMP_NUM_THREADS", limits.omp);
    puts(")");
    return WELD_OK;
}

static int end(weld_status status, const weld_error *err) {
    if (status && *err->message) {
        fprintf(stderr, "weld: %s\n", err->message);
    }
    return status == WELD_ERROR_INTERRUPTED ? cli_stop_status() : status ? CLI_FAILED : CLI_DONE;
}

static int run(const cli_command *command, int count, char **arguments) {
    cli_call call = {
        .command = command, .arguments = arguments, .count = count, .given = WELD_CALL};
    weld_error err;
    if (!command->over_ranks) {
        cli_ranks_refuse(&call, "runs");
    }
    weld_status status = command->run(&call, &err);
    weld_free(call.texts);
    weld_call_free(&call.given);
    return end(status, &err);
}

/* A reader that is gone, or a limit on the size of files, is an error of the write and no death. */
static void ignore_signals_of_writing(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* Where one of the three is closed, no file that is opened later must come in its place. It stays
 * unusable: the other way round. */
static void keep_places_of_standard_files(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return; /* without /dev/null there is nothing that could be done */
        }
    }
}

static int do_as_told(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--version") == 0) {
        bool verbose = argc > 2 && strcmp(argv[2], "--verbose") == 0;
        weld_error err;
        printf("weld %s\n", weld_version());
        return verbose ? end(print_machine(&err), &err) : CLI_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help();
        return argc > 1 ? CLI_DONE : CLI_USAGE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return run(&commands[i], argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "weld: %s: no such command: see weld --help\n", name);
    return CLI_USAGE;
}

int main(int argc, char **argv) {
    keep_places_of_standard_files();
    ignore_signals_of_writing();
    cli_stop_leave_nothing();
    cli_watch_json();
    return cli_finish_output(do_as_told(argc, argv));
}
