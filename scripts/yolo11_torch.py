"""YOLO11 in PyTorch, with a backbone of its own or on a RepViT, to compare weld with: for the
scripts that write fixtures and train the same detector in both.

Modules have the names of the published files: "model.9" is SPPF. A detector gives, in training,
distances [n, anchors, 64], boxes [n, anchors, 4] and logits of classes [n, anchors, classes]; in
evaluation boxes and scores.
"""
import math

import torch
from torch import nn
from torch.nn import functional

from repvit_torch import RepViT

# width, depth, most channels, units of C3k everywhere
SCALES = {"n": (0.25, 0.5, 1024, False), "s": (0.5, 0.5, 1024, False), "m": (1, 0.5, 512, True),
          "l": (1, 1, 512, True), "x": (1.5, 1, 512, True)}
STRIDES, BINS = (8, 16, 32), 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Conv(nn.Module):
    def __init__(self, cin, cout, kernel=1, stride=1, groups=1, linear=False):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)
        self.linear = linear

    def forward(self, x):
        y = self.bn(self.conv(x))
        return y if self.linear else functional.silu(y)


class Bottleneck(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.cv1 = Conv(width, hidden, 3)
        self.cv2 = Conv(hidden, width, 3)

    def forward(self, x):
        return x + self.cv2(self.cv1(x))


class C3k(nn.Module):
    def __init__(self, width):
        super().__init__()
        hidden = width // 2
        self.cv1 = Conv(width, hidden)
        self.cv2 = Conv(width, hidden)
        self.cv3 = Conv(2 * hidden, width)
        self.m = nn.Sequential(Bottleneck(hidden, hidden), Bottleneck(hidden, hidden))

    def forward(self, x):
        return self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))


class C3k2(nn.Module):
    def __init__(self, cin, cout, units, nested, expansion=0.5):
        super().__init__()
        hidden = int(cout * expansion)
        self.cv1 = Conv(cin, 2 * hidden)
        self.cv2 = Conv((2 + units) * hidden, cout)
        self.m = nn.ModuleList(C3k(hidden) if nested else Bottleneck(hidden, hidden // 2)
                               for _ in range(units))

    def forward(self, x):
        parts = list(self.cv1(x).chunk(2, 1))
        for unit in self.m:
            parts.append(unit(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.cv1 = Conv(cin, cin // 2)
        self.cv2 = Conv(cin // 2 * 4, cout)

    def forward(self, x):
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(functional.max_pool2d(parts[-1], 5, 1, 2))
        return self.cv2(torch.cat(parts, 1))


class Attention(nn.Module):
    """Channels of qkv are, head by head, queries and keys, half as wide as values, and these."""

    def __init__(self, width):
        super().__init__()
        self.heads = width // 64
        self.value = width // self.heads
        self.key = self.value // 2
        self.qkv = Conv(width, width + 2 * self.key * self.heads, linear=True)
        self.proj = Conv(width, width, linear=True)
        self.pe = Conv(width, width, 3, groups=width, linear=True)

    def forward(self, x):
        n, c, h, w = x.shape
        parts = self.qkv(x).reshape(n, self.heads, 2 * self.key + self.value, h * w)
        q, k, v = parts.split([self.key, self.key, self.value], 2)
        p = (q.transpose(2, 3) @ k * self.key ** -0.5).softmax(3)
        y = (v @ p.transpose(2, 3)).reshape(n, c, h, w)
        return self.proj(y + self.pe(v.reshape(n, c, h, w)))


class PSABlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attn = Attention(width)
        self.ffn = nn.Sequential(Conv(width, 2 * width), Conv(2 * width, width, linear=True))

    def forward(self, x):
        x = x + self.attn(x)
        return x + self.ffn(x)


class C2PSA(nn.Module):
    def __init__(self, width, units):
        super().__init__()
        self.cv1 = Conv(width, width)
        self.cv2 = Conv(width, width)
        self.m = nn.Sequential(*(PSABlock(width // 2) for _ in range(units)))

    def forward(self, x):
        a, b = self.cv1(x).chunk(2, 1)
        return self.cv2(torch.cat([a, self.m(b)], 1))


class Integral(nn.Module):
    """The mean bin by a softmax: a convolution whose weight nothing changes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(BINS, 1, 1, bias=False)
        self.conv.weight = nn.Parameter(torch.arange(BINS, dtype=torch.float).reshape(1, BINS, 1, 1),
                                        requires_grad=False)

    def forward(self, distances):
        return distances.unflatten(2, (4, BINS)).softmax(3) @ self.conv.weight.flatten()


class Detect(nn.Module):
    def __init__(self, widths, classes):
        super().__init__()
        sides, hidden = max(16, widths[0] // 4, 4 * BINS), max(widths[0], min(classes, 100))
        self.cv2 = nn.ModuleList(nn.Sequential(
            Conv(c, sides, 3), Conv(sides, sides, 3), nn.Conv2d(sides, 4 * BINS, 1))
            for c in widths)
        self.cv3 = nn.ModuleList(nn.Sequential(
            nn.Sequential(Conv(c, c, 3, groups=c), Conv(c, hidden)),
            nn.Sequential(Conv(hidden, hidden, 3, groups=hidden), Conv(hidden, hidden)),
            nn.Conv2d(hidden, classes, 1)) for c in widths)
        self.dfl = Integral()
        for stride, box, label in zip(STRIDES, self.cv2, self.cv3):
            nn.init.constant_(box[2].bias, 1.0)
            nn.init.constant_(label[2].bias, math.log(5 / classes / (640 / stride) ** 2))

    def decode(self, distances, maps):
        """Corners in pixels: x1, y1, x2, y2."""
        centres, strides = [], []
        for stride, x in zip(STRIDES, maps):
            h, w = x.shape[2:]
            row, column = torch.meshgrid(torch.arange(h, dtype=x.dtype) + 0.5,
                                         torch.arange(w, dtype=x.dtype) + 0.5, indexing="ij")
            centres.append(torch.stack([column, row], 2).reshape(h * w, 2))
            strides.append(torch.full((h * w, 1), stride, dtype=x.dtype))
        centre, side = torch.cat(centres), self.dfl(distances)
        return torch.cat([centre - side[..., :2], centre + side[..., 2:]], 2) * torch.cat(strides)

    def forward(self, maps):
        distances = torch.cat([f(x).flatten(2) for f, x in zip(self.cv2, maps)], 2).transpose(1, 2)
        classes = torch.cat([f(x).flatten(2) for f, x in zip(self.cv3, maps)], 2).transpose(1, 2)
        boxes = self.decode(distances, maps)
        return (distances, boxes, classes) if self.training else (boxes, classes.sigmoid())


class Scale:
    def __init__(self, width, depth, most, nested):
        self.width, self.most, self.nested = width, most, nested
        self.units = max(round(2 * depth), 1)

    def __call__(self, channels):
        return math.ceil(min(channels, self.most) * self.width / 8) * 8


def neck(scale, widths, classes):
    """Modules 9 to 23 by number; `widths` of the backbone's maps of stride 8, 16 and 32."""
    a, b, c = scale(256), scale(512), scale(1024)

    def block(cin, cout, nested=scale.nested):
        return C3k2(cin, cout, scale.units, nested)

    return {"9": SPPF(widths[2], c), "10": C2PSA(c, scale.units), "13": block(c + widths[1], b),
            "16": block(b + widths[0], a), "17": Conv(a, a, 3, 2), "19": block(a + b, b),
            "20": Conv(b, b, 3, 2), "22": block(b + c, c, True), "23": Detect((a, b, c), classes)}


def detect(model, maps):
    def up(x):
        return functional.interpolate(x, scale_factor=2, mode="nearest")

    def beside(*parts):
        return torch.cat(parts, 1)

    deep = model["10"](model["9"](maps[2]))
    middle = model["13"](beside(up(deep), maps[1]))
    fine = model["16"](beside(up(middle), maps[0]))
    middle = model["19"](beside(model["17"](fine), middle))
    deep = model["22"](beside(model["20"](middle), deep))
    return model["23"]([fine, middle, deep])


class YOLO11(nn.Module):
    def __init__(self, scale, classes=80):
        super().__init__()
        scale = Scale(*scale)
        stem, widths = scale(64), []
        modules = [Conv(3, stem, 3, 2)]
        for narrow, wide, expansion, nested in ((128, 256, 0.25, False), (256, 512, 0.25, False),
                                                (512, 512, 0.5, True), (1024, 1024, 0.5, True)):
            modules.append(Conv(widths[-1] if widths else stem, scale(narrow), 3, 2))
            widths.append(scale(wide))
            modules.append(C3k2(scale(narrow), widths[-1], scale.units, nested or scale.nested,
                                expansion))
        self.model = nn.ModuleDict({str(i): m for i, m in enumerate(modules)})
        self.model.update(neck(scale, widths[1:], classes))

    def forward(self, x):
        maps = []
        for i in range(9):
            x = self.model[str(i)](x)
            maps.append(x)
        return detect(self.model, (maps[4], maps[6], maps[8]))


class YOLO11RepViT(nn.Module):
    def __init__(self, scale, channels, depths, classes=80, normalize=True):
        super().__init__()
        self.backbone = RepViT(channels, depths, 1)
        del self.backbone.classifier
        self.depths, self.normalize = depths, normalize
        self.model = nn.ModuleDict(neck(Scale(*scale), channels[-3:], classes))

    def forward(self, x):
        if self.normalize:
            mean, std = (torch.tensor(v, dtype=x.dtype).reshape(3, 1, 1) for v in (MEAN, STD))
            x = (x - mean) / std
        maps, ends = [], []
        for depth in self.depths:
            ends.append((ends[-1] + 2 if ends else 0) + depth)
        for i, layer in enumerate(self.backbone.features):
            x = layer(x)
            if i in ends:
                maps.append(x)
        return detect(self.model, maps[-3:])
