"""The arithmetic of weld's int8 networks, "weld-int8-1", in NumPy.

Lower-case q is an integer code, s a scale (float32), z a zero point: what is meant is s (q - z). Activations
have codes 0..255 of one scale and zero point, weights codes -127..127 of a scale an output channel. Sums are
exact, all else is float32 with each operation rounded to nearest, ties to even. Images are NHWC, weights
[out, in / groups, height, width].

It is written from the formulas, by the rules of IEEE 754 alone, and knows nothing of weld's code.
"""
import math

import numpy as np

F = np.float32
LAST = 255


def fma(a, b, c):
    """a b + c of float32, rounded once. The sum in double is rounded to odd, which leaves the last
    rounding to float32 as right as that of the exact sum."""
    a, b, c = (np.asarray(v, np.float32).astype(np.float64) for v in (a, b, c))
    p = a * b                       # exact: 48 bits
    s = p + c
    t = s - p
    lost = (p - (s - t)) + (c - t)  # exact
    bits = s.view(np.int64) if s.ndim else np.atleast_1d(s).view(np.int64)[0]
    even = bits & 1 == 0
    towards = np.where((lost > 0), np.inf, -np.inf)
    return np.where((lost != 0) & even, np.nextafter(s, towards), s).astype(np.float32)


def to_codes(x, z):
    """Codes of what is x times the scale: a float32 array."""
    return np.clip(np.rint(x).astype(np.float64) + int(z), 0, LAST).astype(np.uint8)


def quantize(x, s, z):
    with np.errstate(over="ignore"):
        return to_codes(np.asarray(x, np.float32) / F(s), z)


def dequantize(q, s, z):
    return (q.astype(np.int32) - int(z)).astype(np.float32) * F(s)


def checked(acc):
    """Sums must fit int32."""
    assert np.abs(acc).max(initial=0) <= 2 ** 31 - 1
    return acc.astype(np.int32)


def multipliers(s_x, s_w, s_y):
    return (F(s_x) * np.asarray(s_w, np.float32)) / F(s_y)


def requantize(acc, s_x, s_w, s_y, z_y):
    """Sums by output channel, the last dimension, as codes."""
    return to_codes(acc.astype(np.float32) * multipliers(s_x, s_w, s_y), z_y)


def convolution_sums(q, z, w, bias, stride=(1, 1), padding=(0, 0), groups=1):
    """int32 sums [n, h, w, out]; the code of zero lies around the image."""
    (n, height, width, _), (out, depth, kh, kw) = q.shape, w.shape
    (sh, sw), (ph, pw) = stride, padding
    x = np.pad(q.astype(np.int64) - int(z), ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    oh, ow = (height + 2 * ph - kh) // sh + 1, (width + 2 * pw - kw) // sw + 1
    acc = np.zeros((n, oh, ow, out), np.int64)
    share = out // groups
    for g in range(groups):
        part = x[..., g * depth:(g + 1) * depth]
        weight = w[g * share:(g + 1) * share].astype(np.int64)
        for i in range(kh):
            for j in range(kw):
                rows = part[:, i:i + sh * (oh - 1) + 1:sh, j:j + sw * (ow - 1) + 1:sw]
                acc[..., g * share:(g + 1) * share] += rows @ weight[:, :, i, j].T
    return checked(acc + np.asarray(bias, np.int64))


def linear_sums(q, z, w, bias):
    """[.., in] and weights [out, in]: int32 sums [.., out]."""
    return checked((q.astype(np.int64) - int(z)) @ w.astype(np.int64).T + np.asarray(bias, np.int64))


def logits(acc, s_x, s_w):
    """What the last layer gives: float32."""
    return acc.astype(np.float32) * (F(s_x) * np.asarray(s_w, np.float32))


def add(a, b, a_scale, b_scale, y_scale):
    """The residual sum: a the stream, b what is added; scales are (s, z)."""
    (s_a, z_a), (s_b, z_b), (s_y, z_y) = a_scale, b_scale, y_scale
    r_a, r_b = F(s_a) / F(s_y), F(s_b) / F(s_y)
    k = F(z_y) - fma(r_a, F(z_a), r_b * F(z_b))
    x = fma(a.astype(np.float32), r_a, fma(b.astype(np.float32), r_b, k))
    return to_codes(x, 0)


def multiply(a, b, a_scale, b_scale, y_scale):
    """Element by element, b broadcast; the zero point is added before rounding."""
    (s_a, z_a), (s_b, z_b), (s_y, z_y) = a_scale, b_scale, y_scale
    product = (a.astype(np.int32) - int(z_a)) * (b.astype(np.int32) - int(z_b))
    m = (F(s_a) * F(s_b)) / F(s_y)
    return to_codes(product.astype(np.float32) * m + F(z_y), 0)


def average(q, x_scale, y_scale):
    """The mean over an image's positions: [n, 1, 1, c]."""
    (s_x, z_x), (s_y, z_y) = x_scale, y_scale
    n = q.shape[1] * q.shape[2]
    acc = checked(q.astype(np.int64).sum((1, 2), keepdims=True) - n * int(z_x))
    return to_codes(acc.astype(np.float32) * (F(s_x) / (F(s_y) * F(n))), z_y)


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def silu(x):
    return x * sigmoid(x)


def hard_sigmoid(x):
    return min(max(x / 6 + 0.5, 0), 1)


def hard_swish(x):
    return x * hard_sigmoid(x)


FUNCTIONS = {"gelu": gelu, "silu": silu, "hard_swish": hard_swish, "sigmoid": sigmoid,
             "hard_sigmoid": hard_sigmoid}


def table(function, x_scale, y_scale):
    """What code becomes of each of the 256 codes: u8[256]."""
    (s_x, z_x), (s_y, z_y) = x_scale, y_scale
    x = F(s_x) * (np.arange(LAST + 1) - int(z_x)).astype(np.float32)
    y = np.array([FUNCTIONS[function](float(v)) for v in x], np.float32)
    return quantize(y, s_y, z_y)
