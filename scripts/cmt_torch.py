"""CMT in PyTorch, to compare weld with: after the published code's names, shapes and arithmetic.

With the paper's ablations as options. Modules stand in the order in which they are run, which is
not the order of the published state dicts.
"""
import torch
from torch import nn
from torch.nn import functional

VARIANTS = {  # stem, channels, depths, ratio of the feed-forward, size of images
    "cmt_ti": (16, (46, 92, 184, 368), (2, 2, 10, 2), 3.6, 160),
    "cmt_xs": (16, (52, 104, 208, 416), (3, 3, 12, 3), 3.77, 192),
    "cmt_s": (32, (64, 128, 256, 512), (3, 3, 16, 3), 4.0, 224),
    "cmt_b": (38, (76, 152, 304, 608), (4, 4, 20, 4), 4.0, 256),
}
HEADS, REDUCTIONS = (1, 2, 4, 8), (8, 4, 2, 1)


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def norm_of(width, eps, batch_norm):
    """Over the channels of a map."""
    return nn.BatchNorm2d(width) if batch_norm else LayerNorm2d(width, eps=eps)


def depthwise(width, kernel, stride, padding):
    return nn.Conv2d(width, width, kernel, stride, padding, groups=width)


class Attention(nn.Module):
    def __init__(self, width, heads, reduction):
        super().__init__()
        self.heads = heads
        if reduction > 1:
            self.sr = nn.Sequential(depthwise(width, reduction, reduction, 0),
                                    nn.BatchNorm2d(width))
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def split(self, x):
        n, length, width = x.shape
        return x.reshape(n, length, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x, positions):
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        few = self.sr(x).flatten(2).transpose(1, 2) if hasattr(self, "sr") else tokens
        q, k, v = self.split(self.q(tokens)), self.split(self.k(few)), self.split(self.v(few))
        scores = q @ k.transpose(2, 3) / (c // self.heads) ** 0.5 + positions
        mixed = (scores.softmax(3) @ v).transpose(1, 2).reshape(n, h * w, c)
        return self.proj(mixed).transpose(1, 2).reshape(n, c, h, w)


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.GELU(), nn.BatchNorm2d(hidden))
        self.proj = depthwise(hidden, 3, 1, 1)
        self.proj_bn = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Sequential(nn.Conv2d(hidden, width, 1), nn.BatchNorm2d(width))

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(self.proj_bn(functional.gelu(self.proj(x) + x)))


class PlainFeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        return self.fc2(functional.gelu(self.fc1(x))).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, width, heads, reduction, hidden, without_lpu, plain_mlp, batch_norm):
        super().__init__()
        if not without_lpu:
            self.proj = depthwise(width, 3, 1, 1)
        self.norm1 = norm_of(width, 1e-6, batch_norm)
        self.attn = Attention(width, heads, reduction)
        self.norm2 = norm_of(width, 1e-6, batch_norm)
        self.mlp = (PlainFeedForward if plain_mlp else FeedForward)(width, hidden)

    def forward(self, x, positions):
        x = self.proj(x) + x if hasattr(self, "proj") else x
        x = x + self.attn(self.norm1(x), positions)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, width, out, size, batch_norm):
        super().__init__()
        self.proj = nn.Conv2d(width, out, size, size)
        self.norm = norm_of(out, 1e-5, batch_norm)

    def forward(self, x):
        return self.norm(self.proj(x))


class Stage(nn.Module):
    """What runs one stage of a network, whose own tree has the modules."""

    def __init__(self, net, letter):
        super().__init__()
        self.net, self.letter = [net], letter

    def forward(self, x):
        net = self.net[0]
        x = getattr(net, f"patch_embed_{self.letter}")(x)
        for block in getattr(net, f"blocks_{self.letter}"):
            x = block(x, getattr(net, f"relative_pos_{self.letter}"))
        return x


class CMT(nn.Module):
    def __init__(self, stem, channels, depths, ratio, size, classes=1000, head=1280,
                 stem_stride=2, without_lpu=False, plain_mlp=False, patch_stem=False,
                 batch_norm=False):
        super().__init__()
        for i, letter in enumerate("abcd"):
            tokens = (size // (2 * stem_stride << i)) ** 2
            self.register_parameter(f"relative_pos_{letter}", nn.Parameter(
                torch.randn(HEADS[i], tokens, tokens // REDUCTIONS[i] ** 2)))
        for i in range(0 if patch_stem else 3):
            self.add_module(f"stem_conv{i + 1}", nn.Conv2d(
                3 if i == 0 else stem, stem, 3, stem_stride if i == 0 else 1, 1))
            self.add_module(f"stem_norm{i + 1}", nn.BatchNorm2d(stem))
        widths = (3 if patch_stem else stem,) + tuple(channels)
        for i, letter in enumerate("abcd"):
            patch = 2 * stem_stride if patch_stem and i == 0 else 2
            self.add_module(f"patch_embed_{letter}",
                            PatchEmbed(widths[i], widths[i + 1], patch, batch_norm))
            self.add_module(f"blocks_{letter}", nn.ModuleList(
                Block(channels[i], HEADS[i], REDUCTIONS[i], int(channels[i] * ratio), without_lpu,
                      plain_mlp, batch_norm) for _ in range(depths[i])))
        self._fc = nn.Conv2d(channels[-1], head, 1)
        self._bn = nn.BatchNorm2d(head)
        self.head = nn.Linear(head, classes)
        self.stages = [Stage(self, letter) for letter in "abcd"]

    def forward(self, x):
        for i in range(3 if hasattr(self, "stem_conv1") else 0):
            x = functional.gelu(getattr(self, f"stem_conv{i + 1}")(x))
            x = getattr(self, f"stem_norm{i + 1}")(x)
        for stage in self.stages:
            x = stage(x)
        x = functional.silu(self._bn(self._fc(x)))
        return self.head(x.mean((2, 3)))
