/* embed OUT NAME FILE [NAME FILE]...: a C file that holds each file as a text, `const char NAME[]`,
 * for a page that the library writes. Runs when weld is built. */
#include <stdio.h>

static int embed(FILE *out, const char *name, const char *path) {
    FILE *in = fopen(path, "rb");
    if (!in) {
        fprintf(stderr, "embed: %s cannot be opened\n", path);
        return 1;
    }
    fprintf(out, "const char %s[] = {", name);
    for (int c, column = 0; (c = getc(in)) != EOF; column++) {
        fprintf(out, "%s%d,", column % 24 ? "" : "\n", (signed char)c);
    }
    fprintf(out, "\n0};\n");
    int bad = ferror(in);
    fclose(in);
    return bad;
}

int main(int argc, char **argv) {
    FILE *out = argc >= 4 ? fopen(argv[1], "w") : NULL;
    if (!out) {
        fprintf(stderr, "embed: cannot write its output\n");
        return 1;
    }
    fprintf(out, "#include \"report/page.h\"\n\n");
    int bad = 0;
    for (int i = 2; i + 1 < argc; i += 2) {
        bad = embed(out, argv[i], argv[i + 1]) || bad;
    }
    bad = ferror(out) || bad;
    return fclose(out) || bad;
}
