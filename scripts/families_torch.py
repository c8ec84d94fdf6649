"""Networks of any family in PyTorch by the keys that weld's recipes have below `model`, and what
their authors start them from. Needs timm, but for CMT.
"""
import functools
import math

from timm.models import byobnet, mobilenetv3, mobilevit, regnet
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from torch import nn

import cmt_torch
import ladder_torch

# --- Networks -----------------------------------------------------------------------------------
# Each comes with the modules that its stages end with, or are.


def strided(model, keys, *stems):
    """timm's stems shrink images by two; those for small images do not."""
    for conv in stems:
        conv.stride = (keys["stem_stride"],) * 2
    return model


def regnety(keys, classes, _):
    config = regnet.RegNetCfg(depth=keys["depth"], w0=keys["w0"], wa=keys["wa"], wm=keys["wm"],
                              group_size=keys["group_width"],
                              group_min_ratio=keys["group_min_ratio"], se_ratio=keys["se_ratio"],
                              stem_width=keys["stem_width"])
    model = regnet.RegNet(config, num_classes=classes)
    stages = [module for name, module in model.named_children() if name[1:].isdigit()]
    return strided(model, keys, model.stem.conv), stages


# MobileNetV3-Large: kernel, stride, expansions (the last is that of all further blocks) and the
# rest of each stage.
LARGE = ((3, 1, (1,), "_nre"), (3, 2, (4, 3), "_nre"), (5, 2, (3,), "_se0.25_nre"),
         (3, 2, (6, 2.5, 2.3), ""), (3, 1, (6,), "_se0.25"), (5, 2, (6,), "_se0.25"))


def large_blocks(keys):
    for i, (width, depth) in enumerate(zip(keys["channels"], keys["depths"])):
        kernel, stride, expansions, rest = LARGE[i]
        yield [f"{'ir' if i else 'ds'}_r1_k{kernel}_s{stride if b == 0 else 1}"
               f"_e{expansions[min(b, len(expansions) - 1)]}_c{width}{rest}" for b in range(depth)]


def mobilenetv3_large(keys, classes, _):
    stages = list(large_blocks(keys))
    head = keys["head_channels"]
    model = mobilenetv3.MobileNetV3(
        decode_arch_def(stages + [[f"cn_r1_k1_s1_c{head[0]}"]]), classes,
        stem_size=keys["stem_channels"], fix_stem=True, num_features=head[1],
        round_chs_fn=lambda c: c, act_layer=nn.Hardswish, se_layer=functools.partial(
            SqueezeExcite, gate_layer="hard_sigmoid", force_act_layer=nn.ReLU,
            rd_round_fn=round_channels))
    return strided(model, keys, model.conv_stem), list(model.blocks)[:len(stages)]


def repvgg(keys, classes, _):
    groups = keys["groups"]
    blocks = tuple(byobnet.ByoBlockCfg(type="rep", d=depth, c=width, gs=lambda c, i: c // groups
                                       if groups > 1 and i % 2 else 0)
                   for depth, width in zip(keys["depths"], keys["channels"]))
    model = byobnet.ByobNet(byobnet.ByoModelCfg(blocks=blocks, stem_type="rep",
                                                stem_chs=keys["stem_channels"]),
                            num_classes=classes)
    return strided(model, keys, model.stem.conv_kxk.conv, model.stem.conv_1x1.conv), model.stages


def mobileone(keys, classes, _):
    branches = dict(num_conv_branches=keys["branches"])
    blocks, before = [], keys["stem_channels"]
    for width, depth, excited in zip(keys["channels"], keys["depths"], keys["se_layers"]):
        stage = []
        for i in range(depth):
            attention = dict(attn_layer="se") if i >= depth - excited else {}
            stage += [byobnet.ByoBlockCfg(type="one", d=1, c=before, gs=1, block_kwargs=branches,
                                          **attention),
                      byobnet.ByoBlockCfg(type="one", d=1, c=width, gs=0,
                                          block_kwargs=dict(kernel_size=1, **branches),
                                          **attention)]
            before = width
        blocks.append(stage)
    model = byobnet.ByobNet(byobnet.ByoModelCfg(blocks=tuple(blocks), stem_type="one",
                                                stem_chs=keys["stem_channels"]),
                            num_classes=classes)
    return (strided(model, keys, model.stem.conv_kxk[0].conv, model.stem.conv_scale.conv),
            model.stages)


def ladder(keys, classes, _):
    model = ladder_torch.Ladder(
        keys["channels"], keys["late_channels"], keys["depths"], keys["kernels"],
        repvit=keys["block"] == "repvit", expansion=keys["expansion"],
        early_convolutions=keys["stem"] == "early_convolutions",
        deep=keys["downsampling"] == "deep", linear=keys["classifier"] == "linear",
        alternate=keys["squeeze_excite"] == "alternate", head=keys["head_channels"],
        stem_stride=keys["stem_stride"], classes=classes)
    return model, model.ends


def mobilevit_of(keys, classes, _):
    inverted = functools.partial(mobilevit._inverted_residual_block, br=float(keys["expansion"]))
    mixed = functools.partial(mobilevit._mobilevit_block, d=1, s=2, patch_size=2,
                              br=float(keys["expansion"]))
    stem, first, second, *rest = keys["channels"]
    blocks = (inverted(d=1, c=first, s=1), inverted(d=3, c=second, s=2)) + tuple(
        mixed(c=width, transformer_dim=wide, transformer_depth=depth)
        for width, wide, depth in zip(rest, keys["transformer_channels"], keys["depths"]))
    model = byobnet.ByobNet(byobnet.ByoModelCfg(
        blocks=blocks, stem_chs=stem, stem_type="3x3", stem_pool="", downsample="",
        act_layer="silu", num_features=min(4 * rest[-1], 960)), num_classes=classes)
    return strided(model, keys, model.stem.conv), list(model.stages)


ABLATIONS = ("without_lpu", "plain_mlp", "patch_stem", "batch_norm")


def cmt(keys, classes, size):
    model = cmt_torch.CMT(keys["stem_channels"], keys["channels"], keys["depths"],
                          keys["mlp_ratio"], size, classes=classes, head=keys["head_channels"],
                          stem_stride=keys["stem_stride"],
                          **{key: keys[key] for key in ABLATIONS if key in keys})
    return model, model.stages


FAMILIES = {
    "regnety": regnety,
    "mobilenetv3": mobilenetv3_large,
    "repvgg": repvgg,
    "mobileone": mobileone,
    "mobilenetv3_repvit": ladder,
    "mobilevit": mobilevit_of,
    "cmt": cmt,
}


# What of other keys is done here.
ONLY = {"table": "large", "activation": "published", "bn_eps": 1e-5, "bn_momentum": 0.1,
        "padding": "symmetric", "heads": 4, "phi": 0, "dropout": 0, "drop_path": 0,
        "hidden_dropout": 0}


def make(family, keys, classes, size):
    """Keys are at least those of the family's sizes; size is that of the images."""
    for key, value in ONLY.items():
        if keys.get(key, value) != value:
            raise ValueError(f"model.{key} is {keys[key]!r}: only {value!r} is done here")
    return FAMILIES[family](keys, classes, size)


# --- Starts -------------------------------------------------------------------------------------


def fan_out_start(module):
    """Of MobileViT's authors and CMT's: a depthwise convolution counts all its outputs."""
    if isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
        nn.init.zeros_(module.bias)


def torch_start(module):
    """Of RepVGG's authors and MobileOne's: PyTorch's, where timm has its own."""
    if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
        module.reset_parameters()


def ladder_start(module):
    """As RepViT's authors start RepViT."""
    if isinstance(module, ladder_torch.ChannelMixer) and module.passes_by:
        nn.init.zeros_(module.m[2].bn.weight)
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


# Where nothing stands, timm's own start is the published one.
STARTS = {"mobilevit": fan_out_start, "cmt": fan_out_start, "repvgg": torch_start,
          "mobileone": torch_start, "mobilenetv3_repvit": ladder_start}


def start(family, model):
    if family in STARTS:
        model.apply(STARTS[family])
