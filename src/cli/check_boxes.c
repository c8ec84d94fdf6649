/* Boxes in check-data; see check_boxes.h. */
#include "cli/check_boxes.h"

#include <stdio.h>

#include "base/locale.h"
#include "base/number.h"
#include "base/text.h"
#include "cli/inspect.h"
#include "formats/json_text.h"

void cli_tell_box_classes(const weld_dataset *ds, const weld_box_report *boxes,
                          const weld_dataset *against, const weld_box_report *others,
                          void (*tell)(void *arg, const char *name, const char *reason),
                          void *arg) {
    char reason[200];
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        const char *name = weld_dataset_class_name(ds, i);
        const int other = against ? weld_dataset_find_class(against, name) : -1;
        if (against && other < 0) {
            tell(arg, name, "no class of the other data set");
        } else if (!boxes->class_boxes[i] && other >= 0 && others->class_boxes[other]) {
            weld_snprintf(reason, sizeof reason, "no box, but %lld in the other data set",
                          (long long)others->class_boxes[other]);
            tell(arg, name, reason);
        } else if (!boxes->class_boxes[i]) {
            tell(arg, name, "no box");
        }
    }
    for (int i = 0; against && i < weld_dataset_class_count(against); i++) {
        if (weld_dataset_find_class(ds, weld_dataset_class_name(against, i)) < 0) {
            tell(arg, weld_dataset_class_name(against, i), "a class of the other data set alone");
        }
    }
}

static void print_share(const char *before, double share) {
    char text[WELD_NUMBER_SIZE];
    printf("%s%s", before, weld_percent_text(share, text));
}

static void print_faults(const int64_t *faults) {
    const char *before = "faults     ";
    for (int i = 0; i < WELD_BOX_FAULTS; i++) {
        if (faults[i]) {
            printf("%s%lld %s", before, (long long)faults[i],
                   weld_box_fault_text((weld_box_fault)i));
            before = ", ";
        }
    }
    puts(*before == 'f' ? "faults     none" : "");
}

static void print_classes(const weld_dataset *ds, const weld_box_report *boxes) {
    printf("classes    %d, boxes of each:\n", weld_dataset_class_count(ds));
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        inspect_print_class(weld_dataset_class_name(ds, i), boxes->class_boxes[i]);
    }
}

void cli_print_boxes(const weld_dataset *ds, const weld_box_report *b, int size) {
    printf("boxes      %lld, of these %lld %s, %lld to be ignored; %lld of %lld images %s none\n",
           (long long)b->boxes, (long long)b->crowds, weld_plural(b->crowds, "crowd", "crowds"),
           (long long)b->ignored, (long long)b->background, (long long)b->images,
           weld_plural(b->background, "has", "have"));
    printf("an image   %lld to %lld, median %lld, nine tenths up to %lld; %lld %s more than "
           "100, %lld more than 300\n",
           (long long)b->per_image[0], (long long)b->per_image[3], (long long)b->per_image[1],
           (long long)b->per_image[2], (long long)b->over_100,
           weld_plural(b->over_100, "image has", "images have"), (long long)b->over_300);
    printf("areas      %lld small, %lld medium, %lld large (%s)\n", (long long)b->small,
           (long long)b->medium, (long long)b->large,
           weld_dataset_has_shape_areas(ds) ? "of shapes" : "of boxes");
    if (b->sides[2] > 0) {
        printf("sides      the shorter, at an input of %d: median %.3g pixels, a tenth below %.3g, "
               "a hundredth below %.3g",
               size, b->sides[2], b->sides[1], b->sides[0]);
        print_share("; below 8: ", b->below_8);
        print_share(", below 2: ", b->below_2);
        putchar('\n');
    }
    printf(
        "unusual    %lld more than 20 times as long as wide, %lld of all of the image, %lld %s by "
        "90 %% and more",
        (long long)b->elongated, (long long)b->whole, (long long)b->overlapping,
        weld_plural(b->overlapping, "pair of one class that overlaps",
                    "pairs of one class that overlap"));
    if (b->crowded) {
        printf(" (%lld %s too many boxes to look at all pairs)", (long long)b->crowded,
               weld_plural(b->crowded, "image has", "images have"));
    }
    putchar('\n');
    print_faults(weld_dataset_box_faults(ds));
    print_classes(ds, b);
}

void cli_add_boxes(json_t *out, const weld_dataset *ds, const weld_box_report *b, int size) {
    const int64_t *faults = weld_dataset_box_faults(ds);
    json_t *classes = json_array(), *counts = json_object();
    for (int i = 0; i < weld_dataset_class_count(ds); i++) {
        json_array_append_new(classes, json_pack("{s:o, s:I}", "name",
                                                 weld_json_name(weld_dataset_class_name(ds, i)),
                                                 "boxes", (json_int_t)b->class_boxes[i]));
    }
    for (int i = 0; i < WELD_BOX_FAULTS; i++) {
        json_object_set_new(counts, weld_box_fault_text((weld_box_fault)i),
                            json_integer(faults[i]));
    }
    json_object_set_new(
        out, "boxes",
        json_pack("{s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:{s:I, s:I, s:I, s:b}}",
                  "count", (json_int_t)b->boxes, "crowds", (json_int_t)b->crowds, "ignored",
                  (json_int_t)b->ignored, "images_without", (json_int_t)b->background, "per_image",
                  "least", (json_int_t)b->per_image[0], "median", (json_int_t)b->per_image[1],
                  "nine_tenths", (json_int_t)b->per_image[2], "most", (json_int_t)b->per_image[3],
                  "images_over_100", (json_int_t)b->over_100, "images_over_300",
                  (json_int_t)b->over_300, "areas", "small", (json_int_t)b->small, "medium",
                  (json_int_t)b->medium, "large", (json_int_t)b->large, "of_shapes",
                  weld_dataset_has_shape_areas(ds)));
    json_object_set_new(json_object_get(out, "boxes"), "sides",
                        json_pack("{s:i, s:f, s:f, s:f, s:f, s:f}", "input_size", size, "hundredth",
                                  b->sides[0], "tenth", b->sides[1], "median", b->sides[2],
                                  "below_8", b->below_8, "below_2", b->below_2));
    json_object_set_new(json_object_get(out, "boxes"), "unusual",
                        json_pack("{s:I, s:I, s:I, s:I}", "elongated", (json_int_t)b->elongated,
                                  "whole_image", (json_int_t)b->whole, "overlapping_pairs",
                                  (json_int_t)b->overlapping, "images_not_looked_through",
                                  (json_int_t)b->crowded));
    json_object_set_new(out, "faults", counts);
    json_object_set_new(out, "classes", classes);
}
