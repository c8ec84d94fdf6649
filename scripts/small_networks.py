"""A small network of each family, what it is trained by, and part of Fashion-MNIST to train it on:
for show_family_training and show_quantized. Needs Python's standard library and Debian's
dataset-fashion-mnist."""
import gzip
import pathlib
import subprocess

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
SIDE, PADDING = 28, 2

NETWORKS = {
    "mobilenetv3": dict(channels=[16, 24, 40, 48, 64], depths=[1, 2, 2, 2, 1], stem_channels=16,
                        head_channels=[256, 320], stem_stride=2),
    "mobilenetv3_repvit": dict(channels=[16, 32, 64, 96], late_channels=0, depths=[1, 1, 3, 1],
                               kernels=[3, 5, 3, 5], block="repvit", expansion=2,
                               stem="mobilenetv3", downsampling="block",
                               head_channels=[256, 320], stem_stride=2),
    "mobilevit": dict(channels=[8, 16, 24, 32, 40, 48], transformer_channels=[32, 48, 64],
                      depths=[1, 2, 1], expansion=2, stem_stride=1, hidden_dropout=0),
    "cmt": dict(stem_channels=8, head_channels=256, channels=[16, 32, 64, 128],
                depths=[1, 1, 2, 1], mlp_ratio=3, stem_stride=1),
    "regnety": dict(depth=6, w0=16, wa=20, wm=2, group_width=8, group_min_ratio=0, se_ratio=0.25,
                    stem_width=16, stem_stride=1),
    "repvgg": dict(channels=[24, 40, 64, 128], depths=[1, 2, 2, 1], stem_channels=16, groups=2,
                   stem_stride=1),
    "mobileone": dict(channels=[32, 64, 128, 192], depths=[1, 2, 2, 1], se_layers=[0, 0, 1, 0],
                      stem_channels=16, branches=2, stem_stride=1),
}
RECIPE = {
    "data": dict(input_size=SIDE + 2 * PADDING, mean=[0.286] * 3, std=[0.353] * 3,
                 crop_fraction=1.0),
    "augment": dict(kind="small", auto_augment=None, color_jitter=None, random_erasing=None,
                    mixup=None, cutmix=None, repeats=1),
    "loss": dict(label_smoothing=0.1),
    "optimizer": dict(lr=3e-3, lr_batch=0, weight_decay=0.05, clip=1, clip_mode="norm"),
    "schedule": dict(warmup_epochs=1),
    "train": dict(epochs=5, batch_size=50, ema_decay=0.98, eval_every=0, events=False),
}


def recipe(family, values, images):
    """The recipe for a network, of packed images in a folder."""
    made = {"model": {"name": family, **values}, **{key: dict(of) for key, of in RECIPE.items()}}
    made["data"].update(train=str(images / "train.h5"), val=str(images / "t10k.h5"))
    return made


def pixels(split):
    """The images of a split, row by row, and their labels."""
    return (gzip.open(IMAGES / f"{split}-images-idx3-ubyte.gz").read()[16:],
            gzip.open(IMAGES / f"{split}-labels-idx1-ubyte.gz").read()[8:])


def padded(data, count):
    """So many images with zeros around each."""
    side, beside = SIDE + 2 * PADDING, bytes(PADDING)
    above = bytes(side * PADDING)
    images = []
    for i in range(count):
        rows = [data[at:at + SIDE] for at in range(i * SIDE**2, (i + 1) * SIDE**2, SIDE)]
        images.append(above + b"".join(beside + row + beside for row in rows) + above)
    return b"".join(images)


def write_images(folder, counts):
    """The first images of each split, as files of idx."""
    folder.mkdir(parents=True, exist_ok=True)
    side = SIDE + 2 * PADDING
    for split, count in counts.items():
        data, labels = pixels(split)
        for kind, magic, sizes, content in (
                ("images-idx3", 0x803, (count, side, side), padded(data, count)),
                ("labels-idx1", 0x801, (count,), labels[:count])):
            head = b"".join(n.to_bytes(4, "big") for n in (magic, *sizes))
            with gzip.open(folder / f"{split}-{kind}-ubyte.gz", "wb") as out:
                out.write(head + content)


def pack(weld, folder, counts):
    """SPLIT.h5 of each split that write_images wrote."""
    for split in counts:
        subprocess.run([weld, "pack", folder, "--split", split, "--classes",
                        CHECKOUT / "data/fashion_mnist_classes.txt", "-o", folder / f"{split}.h5"],
                       check=True, stdout=subprocess.DEVNULL)
