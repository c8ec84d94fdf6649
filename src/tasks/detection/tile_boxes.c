/* Boxes of tiles; see tile_boxes.h. */
#include "tasks/detection/tile_boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "datasets/boxes.h"

#define WHOLE (-1) /* the number of the tile that is all of the image */

/* Boxes of different tiles are the same thing beyond this IoU, and a piece one with what so much of
 * it lies in. */
static const double same_iou = 0.5, piece_share = 0.5;

typedef struct tile_box {
    weld_found_box box;
    int64_t tile, place; /* in the order in which all were found */
    bool cut;
} tile_box;

/* Networks do not put an edge to the pixel. */
static double margin_of(int side) {
    return fmax(2, side / 64.0);
}

/* Does it end where the tile does, within the image? */
static bool is_cut(double from, double length, int begin, int side, int image) {
    return (begin > 0 && from <= margin_of(side)) ||
           (begin + side < image && from + length >= side - margin_of(side));
}

static int by_score(const void *a, const void *b) {
    const tile_box *x = a, *y = b;
    if (x->box.score != y->box.score) {
        return x->box.score > y->box.score ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

/* Those that are whole first. */
static int in_turn(const void *a, const void *b) {
    const tile_box *x = a, *y = b;
    return x->cut != y->cut ? x->cut - y->cut : by_score(a, b);
}

/* found, of bytes, as what it holds. */
static tile_box *boxes_of(const weld_array *found, size_t *count) {
    *count = found->count / sizeof(tile_box);
    return found->data;
}

weld_status weld_tile_boxes_add(const weld_nms_options *o, const weld_array *detections,
                                const weld_placement *placement, const weld_tile *tile,
                                weld_array *found, weld_error *err) {
    const weld_rectangle *at = &tile->at;
    const size_t most = (size_t)o->candidates;
    size_t count;
    for (size_t i = 0; i < detections->count; i++) {
        const weld_detection *d = &((const weld_detection *)detections->data)[i];
        tile_box b = {.box = weld_found_box_of(d, placement),
                      .tile = tile->number,
                      .place = tile->number * o->candidates + (int64_t)i};
        b.cut = is_cut(b.box.x, b.box.width, at->x, at->width, tile->image_width) ||
                is_cut(b.box.y, b.box.height, at->y, at->height, tile->image_height);
        b.box.x += at->x;
        b.box.y += at->y;
        if (!weld_array_append(found, &b, sizeof b)) {
            return weld_fail_memory(err, "tiles");
        }
    }
    tile_box *all = boxes_of(found, &count);
    if (count > 2 * most) {
        qsort(all, count, sizeof *all, by_score);
        found->count = most * sizeof *all;
    }
    return WELD_OK;
}

static bool goes_with(const weld_nms_options *o, const tile_box *kept, const tile_box *b) {
    const weld_found_box *k = &kept->box, *c = &b->box;
    const double w = weld_box_shared(k->x, k->width, c->x, c->width);
    const double h = weld_box_shared(k->y, k->height, c->y, c->height);
    if (kept->tile == b->tile || !(o->agnostic || k->class_index == c->class_index) || !(w > 0) ||
        !(h > 0)) {
        return false;
    }
    const double common = w * h, own = c->width * c->height;
    return common > fmin(o->iou, same_iou) * (k->width * k->height + own - common) ||
           (b->cut && common > piece_share * own);
}

/* Of all[0..count), in turn, those that stay, to the front. Also a whole one that is not told, as
 * others have higher scores, says what is a piece. */
static size_t suppress(const weld_nms_options *o, tile_box *all, size_t count) {
    const size_t most[2] = {(size_t)o->candidates, (size_t)o->kept};
    size_t kept = 0, of_kind[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        const tile_box b = all[i];
        bool stays = of_kind[b.cut] < most[b.cut];
        for (size_t k = 0; k < kept && stays; k++) {
            stays = !goes_with(o, &all[k], &b);
        }
        if (stays) {
            of_kind[b.cut]++;
            all[kept++] = b;
        }
    }
    return kept;
}

weld_status weld_tile_boxes_merge(const weld_nms_options *o, const weld_array *found,
                                  weld_array *boxes, weld_error *err) {
    size_t in_tiles;
    const tile_box *tiles = boxes_of(found, &in_tiles);
    const weld_found_box *of_all = boxes->data;
    const size_t first = boxes->count, count = first + in_tiles;
    tile_box *all = weld_alloc(count, sizeof *all);
    if (!all) {
        return weld_fail_memory(err, "tiles");
    }
    for (size_t i = 0; i < first; i++) {
        all[i] = (tile_box){.box = of_all[i], .tile = WHOLE, .place = (int64_t)i - o->candidates};
    }
    if (in_tiles) {
        memcpy(all + first, tiles, in_tiles * sizeof *all);
    }
    qsort(all, count, sizeof *all, in_turn);
    const size_t kept = suppress(o, all, count);
    qsort(all, kept, sizeof *all, by_score);
    boxes->count = 0;
    weld_status status = WELD_OK;
    for (size_t i = 0; i < kept && i < (size_t)o->kept && !status; i++) {
        status =
            weld_array_append(boxes, &all[i].box, 1) ? WELD_OK : weld_fail_memory(err, "tiles");
    }
    weld_free(all);
    return status;
}
