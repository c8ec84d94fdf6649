"""The loss of a detector in PyTorch, to compare weld with: task-aligned assignment (Feng et al., TOOD,
ICCV 2021), complete IoU (Zheng et al., AAAI 2020), distribution focal loss (Li et al., NeurIPS 2020)
and binary cross entropy. Written for reading: every object is compared with every anchor.

Boxes are x1 y1 x2 y2 in pixels. Targets are rows of class, box, kind: a class below 0 is no row, kind 1
a crowd.
"""
import math

import torch
from torch.nn import functional

INSIDE = SCORE = 1e-9
EPS = 1e-7
BACKGROUND, IGNORED = -1, -2


def anchors(height, width, strides=(8, 16, 32)):
    """Centres [A, 2] (x, y) in pixels, and strides [A]."""
    centres, steps = [], []
    for stride in strides:
        y = (torch.arange(height // stride, dtype=torch.double) + 0.5) * stride
        x = (torch.arange(width // stride, dtype=torch.double) + 0.5) * stride
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2).flip(1)
        centres.append(grid)
        steps.append(torch.full((len(grid),), float(stride), dtype=torch.double))
    return torch.cat(centres), torch.cat(steps)


def decode(distances, height, width, strides=(8, 16, 32)):
    """Boxes [n, A, 4] of logits [n, A, 4 bins] of the distances to left, top, right and bottom."""
    bins = distances.shape[2] // 4
    centres, steps = anchors(height, width, strides)
    share = distances.unflatten(2, (4, bins)).softmax(3)
    sides = (share * torch.arange(bins, dtype=share.dtype)).sum(3)
    cells = (centres / steps[:, None]).to(share.dtype)
    return torch.cat([cells - sides[..., :2], cells + sides[..., 2:]], 2) * steps[:, None].to(share.dtype)


def ciou(p, t):
    """Of boxes [..., 4], predicted and true."""
    w, h = (p[..., 2] - p[..., 0]).clamp(min=0), (p[..., 3] - p[..., 1]).clamp(min=0) + EPS
    true_w, true_h = t[..., 2] - t[..., 0], t[..., 3] - t[..., 1] + EPS
    low, high = torch.maximum(p[..., :2], t[..., :2]), torch.minimum(p[..., 2:], t[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    iou = inter / (w * h + true_w * true_h - inter + EPS)
    around = torch.maximum(p[..., 2:], t[..., 2:]) - torch.minimum(p[..., :2], t[..., :2])
    rho = ((t[..., :2] + t[..., 2:] - p[..., :2] - p[..., 2:]) ** 2).sum(-1) / 4
    v = 4 / math.pi ** 2 * (torch.atan(true_w / true_h) - torch.atan(w / h)) ** 2
    alpha = (v / (v - iou + (1 + EPS))).detach()
    return iou - (rho / ((around ** 2).sum(-1) + EPS) + alpha * v)


def inside(centres, boxes):
    """[M, A]: is the centre within the box?"""
    return ((centres - boxes[:, None, :2] > INSIDE) & (boxes[:, None, 2:] - centres > INSIDE)).all(2)


def widen(boxes, least):
    """Each side is at least so long."""
    missing = (least - (boxes[:, 2:] - boxes[:, :2])).clamp(min=0)
    return torch.cat([boxes[:, :2] - missing / 2, boxes[:, 2:] + missing / 2], 1)


def assign(boxes, logits, rows, centres, topk=10, alpha=0.5, beta=6.0, least_side=16):
    """Of one image: for each anchor its object's box [A, 4], class [A] (or BACKGROUND, IGNORED) and
    score [A]; and how many objects there are and how many got no anchor."""
    real = (rows[:, 0] >= 0) & (rows[:, 3] > rows[:, 1]) & (rows[:, 4] > rows[:, 2])
    objects, crowds = rows[real & (rows[:, 5] == 0)], rows[real & (rows[:, 5] == 1)]
    count, total = len(objects), len(centres)
    box = torch.zeros(total, 4, dtype=boxes.dtype)
    score = torch.zeros(total, dtype=boxes.dtype)
    kind = torch.full((total,), BACKGROUND)
    kind[inside(centres, crowds[:, 1:5]).any(0)] = IGNORED
    if count == 0:
        return box, kind, score, 0, 0
    candidate = inside(centres, widen(objects[:, 1:5], least_side))
    u = ciou(boxes[None], objects[:, None, 1:5]).clamp(min=0) * candidate
    classes = objects[:, 0].long()
    t = logits.sigmoid()[:, classes].T ** alpha * u ** beta
    first = t.topk(min(topk, total), 1)
    claims = torch.zeros_like(candidate).scatter(1, first.indices, True) & (t > 0)
    disputed = claims.sum(0) > 1
    claims[:, disputed] = functional.one_hot(u.argmax(0), count).T.bool()[:, disputed]
    positive, owner = claims.any(0), claims.int().argmax(0)
    soft = t * claims / ((t * claims).amax(1, keepdim=True) + SCORE)
    soft = (soft * (u * claims).amax(1, keepdim=True)).amax(0)
    box[positive] = objects[owner[positive], 1:5]
    kind[positive] = classes[owner[positive]]
    score[positive] = soft[positive]
    return box, kind, score, count, int((claims.sum(1) == 0).sum())


def loss(boxes, distances, classes, targets, height, width, strides=(8, 16, 32), gains=(7.5, 0.5, 1.5),
         **options):
    """A dict: the three losses times their gains, the total, what was assigned and counted."""
    centres, steps = (x.to(boxes.dtype) for x in anchors(height, width, strides))
    with torch.no_grad():
        images = [assign(b, c, t, centres, **options) for b, c, t in zip(boxes, classes, targets)]
    goal, kind, score = (torch.stack([image[i] for image in images]) for i in range(3))
    divisor = score.sum().clamp(min=1)
    positive = kind >= 0
    weight, cells = score[positive], steps.expand(len(boxes), -1)[positive][:, None]
    overlap = ciou(boxes[positive] / cells, goal[positive] / cells)
    box = (weight * (1 - overlap)).sum() / divisor

    bins = distances.shape[2] // 4
    centre = (centres / steps[:, None]).expand(len(boxes), -1, -1)[positive]
    edges = goal[positive] / cells
    sides = torch.cat([centre - edges[:, :2], edges[:, 2:] - centre], 1).clamp(0, bins - 1 - 0.01)
    low = sides.floor()
    log_share = distances[positive].unflatten(1, (4, bins)).log_softmax(2)
    near = log_share.gather(2, low.long()[..., None])[..., 0] * (low + 1 - sides)
    far = log_share.gather(2, low.long()[..., None] + 1)[..., 0] * (sides - low)
    dfl = -(weight * (near + far).mean(1)).sum() / divisor

    hot = functional.one_hot(kind.clamp(min=0), classes.shape[2]) * score[..., None]
    each = functional.binary_cross_entropy_with_logits(classes, hot, reduction="none")
    cls = (each * (kind != IGNORED)[..., None]).sum() / divisor
    parts = {"loss_box": gains[0] * box, "loss_class": gains[1] * cls, "loss_dfl": gains[2] * dfl}
    counts = [float(divisor), int(positive.sum()), sum(i[3] for i in images), sum(i[4] for i in images)]
    return {**parts, "total": sum(parts.values()), "counts": torch.tensor(counts),
            "matches": torch.cat([goal, kind[..., None], score[..., None]], 2)}
