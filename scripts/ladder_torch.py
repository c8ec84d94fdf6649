"""The networks between MobileNetV3-L and RepViT-M0.9 in PyTorch, to compare weld with.

They are those of section 3 of the RepViT paper. What it leaves open is decided as in
src/models/mobilenetv3_repvit.c; modules have the names that they have there.
"""
import functools

from timm.models import _efficientnet_blocks as mobile
from timm.models._efficientnet_builder import round_channels
from torch import nn

from repvit_torch import ConvBN, Excite, Head, TokenMixer, stem_strides

SHALLOW, MIXED = dict(depths=(1, 2, 5, 2)), dict(kernels=(3, 5, 3, 5))
NARROW, WIDE = dict(channels=(24, 40, 80, 160), late=112), dict(channels=(48, 96, 192, 384), late=0)
# Each step is the one before with something else; these begin with MobileNetV3-L.
STEPS = {
    "0": {**NARROW, **SHALLOW, **MIXED},
    "1": dict(repvit=True),
    "2a": dict(expansion=2),
    "2": WIDE,
    "3": dict(early_convolutions=True),
    "4": dict(deep=True),
    "5": dict(linear=True),
    "6": dict(depths=(2, 2, 14, 2)),
    "7": dict(kernels=(3, 3, 3, 3)),
    "8": dict(alternate=True),
}

# By stage: expansions of the block that leads into it and of its blocks, and of late ones.
EXPANSIONS = (4, 3), (3, 3), (6, 2.5, 2.3), (6, 6)
LATE_EXPANSION = 6


def values_of(step):
    """All values of a step."""
    values = {}
    for name, changes in STEPS.items():
        values.update(changes)
        if name == step:
            return values
    raise KeyError(step)


class ChannelMixer(nn.Module):
    def __init__(self, width, hidden, out, passes_by):
        super().__init__()
        self.m = nn.Sequential(ConvBN(width, hidden, 1), nn.GELU(), ConvBN(hidden, out, 1))
        self.passes_by = passes_by

    def forward(self, x):
        return x + self.m(x) if self.passes_by else self.m(x)


class Layer(nn.Module):
    def __init__(self, token_mixer, width, hidden, out, passes_by):
        super().__init__()
        self.token_mixer = nn.Sequential(*token_mixer)
        self.channel_mixer = ChannelMixer(width, hidden, out, passes_by)

    def forward(self, x):
        return self.channel_mixer(self.token_mixer(x))


def excite(width, wanted):
    return Excite(width) if wanted else nn.Identity()


def repvit_block(width, hidden, out, kernel, excites):
    mixer = [TokenMixer(width, False, kernel), excite(width, excites)]
    return Layer(mixer, width, hidden, out, width == out)


def plain_block(width, hidden, out, kernel, stride, excites):
    mixer = [ConvBN(width, width, kernel, stride, width), excite(width, excites)]
    return Layer(mixer, width, hidden, out, False)


def downsample(width, hidden, out, kernel, excites):
    mixer = [ConvBN(width, width, kernel, 2, width), excite(width, excites), ConvBN(width, out, 1)]
    return Layer(mixer, out, hidden, out, True)


def inverted_block(width, hidden, out, kernel, stride, excites):
    gated = functools.partial(mobile.SqueezeExcite, rd_ratio=0.25, gate_layer="hard_sigmoid",
                              force_act_layer=nn.ReLU, rd_round_fn=round_channels)
    block = mobile.InvertedResidual(width, out, kernel, stride, exp_ratio=hidden / width,
                                    act_layer=nn.GELU, se_layer=gated if excites else None)
    assert block.conv_dw.in_channels == hidden
    return block


class Ladder(nn.Module):
    def __init__(self, channels, late, depths, kernels, repvit=False, expansion=0,
                 early_convolutions=False, deep=False, linear=False, alternate=False,
                 head=(960, 1280), stem_stride=4, classes=1000):
        super().__init__()
        self.repvit = repvit
        self.expansion = expansion
        strides = stem_strides(stem_stride)
        layers, width = self.make_stem(channels[0], early_convolutions, strides)
        self.ends = []
        for stage, (out, depth, kernel) in enumerate(zip(channels, depths, kernels)):
            everywhere = not alternate and stage in (1, 3)
            ratios = EXPANSIONS[stage]
            if stage == 0 and not early_convolutions:
                layers.append(self.block(width, out, kernel, ratios[0], False, True, strides[1]))
                width = out
            elif stage > 0 and deep:
                before, after = self.hidden(width, ratios[0]), self.hidden(out, ratios[0])
                layers += [repvit_block(width, before, width, kernel, False),
                           downsample(width, after, out, kernel, everywhere)]
                width = out
            elif stage > 0:
                layers.append(self.block(width, out, kernel, ratios[0], everywhere, True, 2))
                width = out
            first_late = depth - 2 * depth // 5 if stage == 2 else depth
            for i in range(depth):
                is_late = i >= first_late
                excites = i % 2 == 0 if alternate else everywhere or is_late
                ratio = LATE_EXPANSION if is_late else ratios[min(i + 1, len(ratios) - 1)]
                wide = late if is_late and late else out
                layers.append(self.block(width, wide, kernel, ratio, excites, False, 1))
                width = wide
            self.ends.append(layers[-1])
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Module()
        self.linear = linear
        if linear:
            self.classifier.classifier = Head(width, classes)
        else:
            self.classifier.widen = ConvBN(width, head[0], 1)
            self.classifier.mix = nn.Conv2d(head[0], head[1], 1)
            self.classifier.l = nn.Linear(head[1], classes)

    @staticmethod
    def make_stem(width, early_convolutions, strides):
        if early_convolutions:
            return [nn.Sequential(ConvBN(3, width // 2, 3, strides[0]), nn.GELU(),
                                  ConvBN(width // 2, width, 3, strides[1]))], width
        separable = mobile.DepthwiseSeparableConv(16, 16, 3, act_layer=nn.GELU)
        return [nn.Sequential(ConvBN(3, 16, 3, strides[0]), nn.GELU(), separable)], 16

    def hidden(self, width, ratio):
        return int(self.expansion * width) if self.expansion else round_channels(width * ratio)

    def block(self, width, out, kernel, ratio, excites, leads, stride):
        hidden = self.hidden(width, ratio)
        if not self.repvit:
            return inverted_block(width, hidden, out, kernel, stride, excites)
        if leads:
            return plain_block(width, hidden, out, kernel, stride, excites)
        return repvit_block(width, hidden, out, kernel, excites)

    def forward(self, x):
        x, head = self.features(x), self.classifier
        if self.linear:
            return head.classifier(x.mean((2, 3)))
        pooled = nn.functional.gelu(head.widen(x)).mean((2, 3), keepdim=True)
        return head.l(nn.functional.gelu(head.mix(pooled)).flatten(1))


def step(name, **changes):
    return Ladder(**{**values_of(name), **changes})
