"""RepViT in PyTorch, to compare weld with: for the scripts that write fixtures and check files.

The same network stands here twice, as two trees of modules: RepViT has the names of the reference
implementation, TimmRepViT those of timm. Both hold the same tensors in the same order, so that
`adopt` carries weights from one to the other without knowing a single name; and `merge` turns
either into its deployed form, as both projects do.
"""
import math

import torch
from torch import nn
from torch.nn import functional

VARIANTS = [
    ("repvit_m0_6", (40, 80, 160, 320), (1, 1, 8, 1), False),
    ("repvit_m0_9", (48, 96, 192, 384), (2, 2, 14, 2), False),
    ("repvit_m1_0", (56, 112, 224, 448), (2, 2, 14, 2), False),
    ("repvit_m1_1", (64, 128, 256, 512), (2, 2, 12, 2), False),
    ("repvit_m1_5", (64, 128, 256, 512), (4, 4, 24, 4), False),
    ("repvit_m2_3", (80, 160, 320, 640), (6, 6, 34, 2), False),
    ("repvit_m1", (48, 96, 192, 384), (2, 2, 14, 2), True),
    ("repvit_m2", (64, 128, 256, 512), (2, 2, 12, 2), True),
    ("repvit_m3", (64, 128, 256, 512), (4, 4, 18, 2), True),
]


# --- Parts of both ----------------------------------------------------------------------------
# What has branches to merge says so by a method `merged`, which gives the one module instead.


class ConvBN(nn.Sequential):
    def __init__(self, cin, cout, kernel, stride=1, groups=1):
        super().__init__()
        self.add_module("c", nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups,
                                       bias=False))
        self.add_module("bn", nn.BatchNorm2d(cout))

    def merged(self):
        return scaled_conv(self.c, self.bn, self.c.weight, 0)


def scaled_conv(like, bn, weight, bias):
    """A convolution of the geometry of `like`, with a batch norm after it."""
    conv = nn.Conv2d(like.in_channels, like.out_channels, weight.shape[2:], like.stride,
                     like.padding, groups=like.groups, dtype=weight.dtype)
    factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    conv.weight = nn.Parameter(weight * factor[:, None, None, None])
    conv.bias = nn.Parameter((bias - bn.running_mean) * factor + bn.bias)
    return conv


class Excite(nn.Module):
    def __init__(self, width):
        super().__init__()
        squeezed = max(8, (width // 4 + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(width, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, width, 1)

    def forward(self, x):
        gate = self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class TokenMixer(nn.Module):
    def __init__(self, width, legacy, kernel=3):
        super().__init__()
        self.conv = ConvBN(width, width, kernel, groups=width)
        if legacy:
            self.conv1 = ConvBN(width, width, 1, groups=width)
        else:
            self.conv1 = nn.Conv2d(width, width, 1, groups=width)
            self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        total = self.conv(x) + self.conv1(x) + x
        return self.bn(total) if hasattr(self, "bn") else total

    def merged(self):
        wide = self.conv.merged()
        point = self.conv1.merged() if isinstance(self.conv1, ConvBN) else self.conv1
        centre = functional.pad(point.weight + 1, (self.conv.c.padding[0],) * 4)
        weight, bias = wide.weight + centre, wide.bias + point.bias
        if hasattr(self, "bn"):
            return scaled_conv(wide, self.bn, weight, bias)
        wide.weight, wide.bias = nn.Parameter(weight), nn.Parameter(bias)
        return wide


class Head(nn.Sequential):
    def __init__(self, width, classes):
        super().__init__()
        self.add_module("bn", nn.BatchNorm1d(width))
        self.add_module("l", nn.Linear(width, classes))

    def merged(self):
        bn, old = self.bn, self.l
        new = nn.Linear(old.in_features, old.out_features, dtype=old.weight.dtype)
        factor = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        new.weight = nn.Parameter(old.weight * factor)
        new.bias = nn.Parameter(old.bias + old.weight @ (bn.bias - bn.running_mean * factor))
        return new


class Classifier(nn.Module):
    """One head called `name`, or two, of which evaluation takes the mean."""

    def __init__(self, name, width, classes, distillation):
        super().__init__()
        self.add_module(name, Head(width, classes))
        if distillation:
            self.add_module(name + "_dist", Head(width, classes))

    def heads(self, pooled):
        return [module(pooled) for module in self.children()]

    def forward(self, pooled):
        logits = self.heads(pooled)
        return sum(logits) / len(logits)

    def merged(self):
        heads = [head.merged() for head in self.children()]
        new = heads[0]
        new.weight = nn.Parameter(sum(head.weight for head in heads) / len(heads))
        new.bias = nn.Parameter(sum(head.bias for head in heads) / len(heads))
        return new


def stem_strides(stem_stride):
    return {4: (2, 2), 2: (2, 1), 1: (1, 1)}[stem_stride]


# --- The tree of the reference implementation -------------------------------------------------


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.m = nn.Sequential(ConvBN(width, 2 * width, 1), nn.GELU(), ConvBN(2 * width, width, 1))

    def forward(self, x):
        return x + self.m(x)


class Layer(nn.Module):
    def __init__(self, token_mixer, width):
        super().__init__()
        self.token_mixer = nn.Sequential(*token_mixer)
        self.channel_mixer = Residual(width)

    def forward(self, x):
        return self.channel_mixer(self.token_mixer(x))


def block(width, excite, legacy):
    return Layer([TokenMixer(width, legacy), Excite(width) if excite else nn.Identity()], width)


def downsample(width, out):
    return Layer([ConvBN(width, width, 3, 2, width), nn.Identity(), ConvBN(width, out, 1)], out)


class RepViT(nn.Module):
    def __init__(self, channels, depths, classes=1000, stem_stride=4, legacy=False,
                 distillation=False):
        super().__init__()
        width = channels[0]
        first, second = stem_strides(stem_stride)
        layers = [nn.Sequential(ConvBN(3, width // 2, 3, first), nn.GELU(),
                                ConvBN(width // 2, width, 3, second))]
        for stage, (out, depth) in enumerate(zip(channels, depths)):
            if stage > 0:
                layers += [block(width, False, legacy), downsample(width, out)]
                width = out
            layers += [block(width, i % 2 == 0, legacy) for i in range(depth)]
        self.features = nn.Sequential(*layers)
        self.classifier = Classifier("classifier", width, classes, distillation)

    def heads(self, x):
        return self.classifier.heads(self.features(x).mean((2, 3)))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def start(model):
    """What its authors start it from, where that is not PyTorch's own choice: a channel mixer adds
    nothing at first."""
    for module in model.modules():
        if isinstance(module, Residual):
            nn.init.zeros_(module.m[2].bn.weight)
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)


# --- timm's tree ------------------------------------------------------------------------------


class TimmMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = ConvBN(width, 2 * width, 1)
        self.conv2 = ConvBN(2 * width, width, 1)

    def forward(self, x):
        return x + self.conv2(functional.gelu(self.conv1(x)))


class TimmBlock(nn.Module):
    def __init__(self, width, excite, legacy):
        super().__init__()
        self.token_mixer = TokenMixer(width, legacy)
        self.se = Excite(width) if excite else nn.Identity()
        self.channel_mixer = TimmMlp(width)

    def forward(self, x):
        return self.channel_mixer(self.se(self.token_mixer(x)))


class TimmDownsample(nn.Module):
    def __init__(self, width, out, legacy):
        super().__init__()
        self.pre_block = TimmBlock(width, False, legacy)
        self.spatial_downsample = ConvBN(width, width, 3, 2, width)
        self.channel_downsample = ConvBN(width, out, 1)
        self.ffn = TimmMlp(out)

    def forward(self, x):
        return self.ffn(self.channel_downsample(self.spatial_downsample(self.pre_block(x))))


class TimmStage(nn.Module):
    def __init__(self, width, out, depth, first, legacy):
        super().__init__()
        self.downsample = nn.Identity() if first else TimmDownsample(width, out, legacy)
        self.blocks = nn.Sequential(*[TimmBlock(out, i % 2 == 0, legacy) for i in range(depth)])

    def forward(self, x):
        return self.blocks(self.downsample(x))


class TimmStem(nn.Module):
    def __init__(self, width, stem_stride):
        super().__init__()
        first, second = stem_strides(stem_stride)
        self.conv1 = ConvBN(3, width // 2, 3, first)
        self.conv2 = ConvBN(width // 2, width, 3, second)

    def forward(self, x):
        return self.conv2(functional.gelu(self.conv1(x)))


class TimmRepViT(nn.Module):
    def __init__(self, channels, depths, classes=1000, stem_stride=4, legacy=False,
                 distillation=False):
        super().__init__()
        self.stem = TimmStem(channels[0], stem_stride)
        self.stages = nn.Sequential(*[
            TimmStage(channels[max(i - 1, 0)], channels[i], depths[i], i == 0, legacy)
            for i in range(len(channels))])
        self.head = Classifier("head", channels[-1], classes, distillation)

    def forward(self, x):
        return self.head(self.stages(self.stem(x)).mean((2, 3)))


# --- What is done with them -------------------------------------------------------------------


def adopt(model, state):
    """Give a model the tensors of a state dict of the other tree, one after the other."""
    own = model.state_dict()
    assert [t.shape for t in own.values()] == [t.shape for t in state.values()]
    model.load_state_dict(dict(zip(own, state.values())))
    return model


@torch.no_grad()
def merge(model):
    """Put one convolution or linear layer for whatever has branches or a batch norm."""
    for name, child in model.named_children():
        if hasattr(child, "merged"):
            setattr(model, name, child.merged())
        else:
            merge(child)
    return model


def exact(tensor):
    """A double tensor whose values are exact in float32."""
    return tensor.float().double()


def enliven(model, generator):
    """Weights and batch-norm state as after some training: nothing at its default."""

    def uniform(tensor, low, high):
        return exact(torch.rand(tensor.shape, generator=generator, dtype=torch.double)
                     * (high - low) + low)

    def normal(tensor, deviation):
        return exact(torch.randn(tensor.shape, generator=generator, dtype=torch.double)
                     * deviation)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
                module.weight.copy_(uniform(module.weight, 0.4, 1.4))
                module.bias.copy_(normal(module.bias, 0.3))
                module.running_mean.copy_(normal(module.running_mean, 0.4))
                module.running_var.copy_(uniform(module.running_var, 0.3, 2.5))
                module.num_batches_tracked.fill_(11)
            elif isinstance(module, nn.LayerNorm):
                module.weight.copy_(uniform(module.weight, 0.4, 1.4))
                module.bias.copy_(normal(module.bias, 0.3))
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                fan_in = module.weight[0].numel()
                module.weight.copy_(normal(module.weight, 1.2 / math.sqrt(fan_in)))
                if module.bias is not None:
                    module.bias.copy_(normal(module.bias, 0.3))
        for parameter in model.parameters(recurse=False):  # tables of positions
            parameter.copy_(normal(parameter, 1.0))
