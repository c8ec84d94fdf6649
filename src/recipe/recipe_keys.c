/* The tables of recipe keys; see recipe_keys.h. */
#include "recipe/recipe_keys.h"

#include <string.h>

#include "base/text.h"
#include "data/bad_images.h"
#include "tasks/task.h"

#define ONE(member) WELD_KEY_ONE(weld_recipe, member)
#define TEXT(member) WELD_KEY_TEXT, ONE(member)
#define INTEGER(member, low, high) WELD_KEY_INTEGER, ONE(member), .min = (low), .max = (high)
#define REAL(member, low, high) WELD_KEY_REAL, ONE(member), .min = (low), .max = (high)
#define REALS(member, low, high)                                                                   \
    WELD_KEY_REAL, WELD_KEY_ALL(weld_recipe, member), .min = (low), .max = (high)
/* A list that may be empty. */
#define INTEGERS(member, count, low, high)                                                         \
    WELD_KEY_INTEGER, WELD_KEY_AT(weld_recipe, member[0]),                                         \
        .max_count = WELD_KEY_LENGTH(weld_recipe, member),                                         \
        .count_offset = offsetof(weld_recipe, count), .min = (low), .max = (high)
#define BOOL(member) WELD_KEY_BOOL, ONE(member)
#define CHOICE(member, ...)                                                                        \
    WELD_KEY_CHOICE, ONE(member), .choices = (const char *const[]) {                               \
        __VA_ARGS__, NULL                                                                          \
    }

const char *const weld_recipe_sections[] = {"model",     "data",     "augment", "loss",
                                            "optimizer", "schedule", "train",   NULL};

/* train.freeze as a number of stages. */
static const char *const stage_counts[] = {"0", "", "1", "2", "3", "4", "5", "6", "7", "8", ""};
_Static_assert(sizeof stage_counts / sizeof *stage_counts == WELD_FREEZE_BACKBONE + 1,
               "stage_counts and the choices of train.freeze go up to the backbone");

static const char *const no_and_yes[] = {"no", "yes", ""};

static const weld_key model_keys[] = {
    {"name", TEXT(model.name), .manual_standard = "must be given",
     .help = "a variant that `weld models` lists, or the name of a family for sizes of your own"},
    {"num_classes", INTEGER(model.num_classes, 0, WELD_MAX_CLASSES), .null = "0",
     .help = "outputs of the head; 0: as many as there are class folders"},
    {"drop_path", REAL(chance.drop_path, 0, 0.9), .null = "0",
     .help = "stochastic depth: probability with which an image passes by the last residual branch "
             "in training; the first ones are passed by more rarely, in proportion to their depth"},
    {"dropout", REAL(chance.dropout, 0, 0.9), .null = "0",
     .help = "probability with which a feature of an image does not reach the head's last layer in "
             "training"},
};

static const weld_key data_keys[] = {
    {"train", TEXT(data.train), .manual_standard = "must be given",
     .help =
         "images to train on: a folder of class folders, a `.tar` of them (also a tar of a tar "
         "per class, as ImageNet's is; not compressed), a packed `.h5`, or a `.csv` of paths and "
         "classes (\"Labels in a CSV file\" above); for detection COCO's, YOLO's or VOC's "
         "annotations (\"Data sets with boxes\" above). Relative paths start at the current "
         "folder"},
    {"val", TEXT(data.val), .null = "", .help = "images to evaluate on, of the same kinds"},
    {"split", REAL(data.split, 0, 0.9), .null = "0",
     .help =
         "in the place of `val`: the share of the images of `train` that is set aside to "
         "evaluate on, of each class alike (at least one, where there are two). Which these are "
         "depends on their names and `split_seed` alone: it is the same in every run, for "
         "folder, tar and packed file, and classes do not influence each other. Images of the "
         "same bytes stay on one side. `weld eval --split` evaluates on them later"},
    {"fraction", REAL(data.fraction, 1e-6, 1), .null = "1", .standard = "1",
     .help =
         "the share of the images of `train` that is trained on, of each class alike (at least "
         "one); chosen likewise, so that a smaller share is part of a larger. Not of those that "
         "`split` sets aside"},
    {"split_seed", INTEGER(data.split_seed, 0, 9e15),
     .help = "of the choices of `split` and `fraction`, which do not depend on `train.seed`"},
    {"input_size", WELD_KEY_INTEGER,
     WELD_KEY_LIST(weld_recipe, data.input_size, data.input_size_count), .min = 1,
     .max = WELD_MAX_INPUT_SIZE, .flags = WELD_KEY_LONE, .standard = "224",
     .manual_standard = "224",
     .manual_range = "1 to " WELD_STRING(WELD_MAX_INPUT_SIZE) "; or `[height, width]`, each so",
     .help =
         "height and width of the network's input, pixels: one number, or two (\"Inputs that are "
         "not square\" above)"},
    {"resize", CHOICE(data.preprocessing.resize, "crop", "squash", "letterbox"),
     .help = "how images of other proportions become inputs: `crop`: the middle is seen; `squash`: "
             "all of it, out of proportion; `letterbox`: all of it in proportion, with `padding` "
             "around"},
    {"padding", INTEGERS(data.padding, data.padding_count, 0, 255), .null = "",
     .manual_standard = "null", .manual_range = "3 numbers of 0 to 255; null",
     .help = "colour (R, G, B) around a letterbox; null: `mean`"},
    {"sizes", INTEGERS(data.sizes, data.size_count, 1, WELD_MAX_INPUT_SIZE), .null = "",
     .manual_standard = "null",
     .help = "several sizes in one training, in rising order (\"Several sizes\" above); null: "
             "`input_size` alone"},
    {"mean", REALS(data.preprocessing.mean, -WELD_MAX_MEAN, WELD_MAX_MEAN),
     .standard = "0.485, 0.456, 0.406",
     .help = "subtracted per channel (R, G, B) from values of 0 to 1"},
    {"std", REALS(data.preprocessing.std, WELD_MIN_STD, WELD_MAX_STD),
     .standard = "0.229, 0.224, 0.225", .help = "then divided by"},
    {"crop_fraction",
     REAL(data.preprocessing.crop_fraction, WELD_MIN_CROP_FRACTION, WELD_MAX_CROP_FRACTION),
     .standard = "0.875",
     .help =
         "evaluation: side of the central crop over the shorter side of the resized image; above "
         "1: with black around it"},
    {"interpolation", CHOICE(data.preprocessing.interpolation, "bicubic", "bilinear"),
     .help = "filter of every resize, antialiased"},
    {"scale16", INTEGER(data.preprocessing.scale16, WELD_SCALE16_MIN, WELD_SCALE16_MAX),
     .standard = "255",
     .help = "the value of 16-bit grey (PNG: X-rays, depth, microscopes) that becomes white: v "
             "becomes 255 v / scale16, rounded to the nearest whole number, at most 255. 255: "
             "values stay and all above is white, as in Pillow; 65535: all of the range is kept; "
             "4095 is for 12 bits. Other images are not touched"},
    {"max_bad", INTEGER(data.max_bad, 0, WELD_MAX_BAD_IMAGES), .standard = "100",
     .help = "images of `train` that may be bad (unreadable, damaged, no image): each is named "
             "once, and the next good one of the epoch's order takes its place; one more stops the "
             "run. The count is the run's, however often it is resumed"},
    {"sampling", CHOICE(data.sampling, "all", "balanced", "sqrt"), .null = "all",
     .manual_range = "all, balanced, sqrt; null (all); needs `train.shuffle`",
     .help = "which images an epoch of training has: `all`: each once; `balanced`: each class has "
             "as many places as any other, within one; `sqrt`: by the root of its number of "
             "images, halfway between. An epoch stays as long as it was: a rare class's images "
             "come several times, each time augmented anew, of a frequent class some are left out, "
             "others each epoch; so \"each image once an epoch\" no longer holds. Evaluation "
             "always goes through all images once"},
};

static const weld_key augment_keys[] = {
    {"kind", CHOICE(augment.kind, "imagenet", "small", "detection", "none"),
     .manual_standard = "imagenet; of detectors detection",
     .help =
         "`imagenet`: random resized crop and flips; `small`: pad by 4, random crop and flips, for "
         "inputs of 32 and less; `detection`: mosaics, scaling, shifts, flips and colours "
         "(\"Mosaics\" below); `none`: images as evaluation sees them, each once, and unmixed"},
    {"crop_scale", REALS(augment.crop_scale, 1e-4, 1),
     .help = "random resized crop: share of the image's area, least and most"},
    {"crop_ratio", REALS(augment.crop_ratio, 0.01, 100),
     .help = "its width over height, least and most (log-uniform between)"},
    {"hflip", REAL(augment.hflip, 0, 1), .help = "probability of a mirror image, left to right"},
    {"vflip", REAL(augment.vflip, 0, 1), .null = "0",
     .help = "probability of a mirror image, top to bottom: for what has no up and down, as images "
             "from above or of a microscope"},
    {"auto_augment", TEXT(augment.auto_augment), .null = "none",
     .help = "RandAugment, in timm's words (\"RandAugment\" below); `none`: nothing of the kind"},
    {"color_jitter", REAL(augment.color_jitter, 0, WELD_MAX_COLOR_JITTER), .null = "0",
     .help = "s: brightness, contrast and colour are blended, in random order, each by a factor of "
             "1 - s to 1 + s; where there is no `auto_augment`"},
    {"three_augment", BOOL(augment.three_augment),
     .help =
         "in place of both: one of grey, solarize and Gaussian blur, then a colour jitter of 0.3"},
    {"random_erasing", REAL(augment.random_erasing, 0, 1), .null = "0",
     .help = "probability that a box of 2 to 33 % of the image is filled, after normalisation"},
    {"erasing_mode", CHOICE(augment.erasing_mode, "pixel", "const", "rand"),
     .help = "with what: `pixel`: standard normals; `const`: 0; `rand`: one colour of standard "
             "normals"},
    {"mixup", REAL(augment.mixup, 0, 100), .null = "0",
     .help = "a of the beta(a, a) from which the share of the partner image is drawn; 0: no mixup"},
    {"cutmix", REAL(augment.cutmix, 0, 100), .null = "0",
     .help = "likewise for cutmix: the share of the image that stays; a box of the rest is the "
             "partner's; 0: no cutmix"},
    {"cutmix_probability", REAL(augment.cutmix_probability, 0, 1),
     .help =
         "that a batch which is mixed is mixed by cutmix, where `mixup` and `cutmix` are both on"},
    {"mix_probability", REAL(augment.mix_probability, 0, 1),
     .help = "probability that a batch (or what `mix_mode` says) is mixed at all"},
    {"mix_mode", CHOICE(augment.mix_mode, "batch", "pair", "elem"),
     .help =
         "for what all this is drawn: the `batch`; each `pair` of partners; `elem`: each image. "
         "The partner of image i of n is n-1-i; the middle one of an odd number stays as it is"},
    {"mixup_off_epoch", INTEGER(augment.mixup_off_epoch, 0, WELD_MAX_EPOCHS), .null = "0",
     .help = "after so many epochs nothing is mixed any more, neither by mixup nor by cutmix, as "
             "with timm's `--mixup-off-epoch`; 0: to the end"},
    {"mosaic", REAL(augment.mosaic, 0, 1), .null = "0",
     .help = "detection: probability that a sample is made of four images; 0 in other kinds, as "
             "the next seven"},
    {"scale", REAL(augment.scale, 0, WELD_MAX_SCALE), .null = "0",
     .help = "detection: a sample is scaled by a factor of 1 - scale to 1 + scale"},
    {"translate", REAL(augment.translate, 0, 1), .null = "0",
     .help = "detection: it is moved by up to so much of its side, each way"},
    {"degrees", REAL(augment.degrees, 0, 180), .null = "0",
     .help = "detection: it is turned by up to so many degrees to either side; boxes become the "
             "smallest around their corners, which is too large"},
    {"shear", REAL(augment.shear, 0, WELD_MAX_SHEAR), .null = "0",
     .help = "detection: it is sheared by up to so many degrees, each way"},
    {"hsv", REALS(augment.hsv, 0, 1),
     .help = "detection: gains of hue (1 is the whole circle of colours), saturation and value, of "
             "which up to so much is added or taken away"},
    {"blend", REAL(augment.blend, 0, 1), .null = "0",
     .help = "detection: probability that a sample is blended with another, in shares drawn from "
             "beta(32, 32); the boxes of both count. YOLO's mixup"},
    {"close_mosaic", INTEGER(augment.close_mosaic, 0, WELD_MAX_EPOCHS), .null = "0",
     .help = "detection: in so many epochs at the end each sample is of one image: no mosaics and "
             "no blends"},
    {"repeats", INTEGER(augment.repeats, 1, WELD_MAX_REPEATS), .null = "1",
     .help = "repeated augmentation: each image stands so many times in a row in an epoch's order, "
             "augmented anew each time. An epoch keeps its length, so that it sees 1/repeats of "
             "the images"},
};

static const weld_key loss_keys[] = {
    {"distillation.kind", CHOICE(loss.distillation.kind, "none", "hard", "soft"), .null = "none",
     .help = "learn from another network beside the labels (\"Distillation\" above): `hard`, its "
             "class; `soft`, its probabilities"},
    {"distillation.teacher", TEXT(loss.distillation.teacher), .null = "",
     .help =
         "the network to learn from: a checkpoint, a merged file, a `.pth` or a safetensors file"},
    {"distillation.alpha", REAL(loss.distillation.alpha, 0, 1), .standard = "0.5",
     .help = "share of the teacher in the loss"},
    {"distillation.temperature", REAL(loss.distillation.temperature, 0.01, 1000), .standard = "1",
     .help = "by which logits are divided before `soft` compares them"},
    {"distillation.cache", TEXT(loss.distillation.cache), .null = "",
     .help = "a file with what the teacher says of the images, which is then not run (`weld "
             "distill-cache`)"},
};

static const weld_key optimizer_keys[] = {
    {"name", CHOICE(optimizer.name, "adamw", "sgd", "rmsproptf"),
     .help = "`adamw`: AdamW; `sgd`: SGD with momentum; `rmsproptf`: RMSprop as TensorFlow has it "
             "and timm under this name: averages of squares begin at 1, `eps` is added within the "
             "root, the rate is part of the momentum"},
    {"lr", REAL(optimizer.lr, 0, 100), .standard = "1e-3",
     .help = "learning rate for batches of `lr_batch`; the rate used, lr * batch_size * accumulate "
             "/ lr_batch, is printed at the start"},
    {"lr_batch", INTEGER(optimizer.lr_batch, 0, 1e9), .null = "0", .standard = "512",
     .help = "images; 0: `lr` is used as it is"},
    {"betas", REALS(optimizer.betas, 0, 0.999999999), .standard = "0.9, 0.999",
     .help = "adamw: decay of the averages of the gradient and of its square, per update"},
    {"eps", REAL(optimizer.eps, 1e-30, 1), .standard = "1e-8",
     .help =
         "adamw: added to the root of the second average; rmsproptf: to the average of squares, "
         "within the root"},
    {"alpha", REAL(optimizer.alpha, 0, 0.999999999), .standard = "0.9",
     .help = "rmsproptf: decay of the average of the gradient's square, per update"},
    {"momentum", REAL(optimizer.momentum, 0, 0.999999999), .null = "0", .standard = "0.9",
     .help = "sgd, rmsproptf: share of the last update's direction that is kept, as "
             "`torch.optim.SGD` and timm's `rmsproptf` count it"},
    {"nesterov", BOOL(optimizer.nesterov),
     .help = "sgd: look ahead along the momentum (timm's `sgd` does)"},
    {"weight_decay", REAL(optimizer.weight_decay, 0, 100), .null = "0", .standard = "0.025",
     .help = "adamw: a weight loses lr * weight_decay of itself an update; sgd and "
             "rmsproptf: weight_decay times the weight is part of its gradient, and so of the "
             "momentum, as in `torch.optim.SGD`: a hundredth of what adamw takes is usual"},
    {"decay_on", CHOICE(optimizer.decay_on, "weights", "all"),
     .help = "what has weight decay: `weights`: all but biases and what has one dimension (the "
             "scales and shifts of normalisation); `all`: every parameter (timm's "
             "`filter_bias_and_bn` off, cvnets' `no_decay_bn_filter_bias: false`)"},
    {"head_lr_scale", REAL(optimizer.head_lr_scale, 1e-6, 1e6), .null = "1", .standard = "1",
     .help = "the head learns with this times the rate (its batch norm too)"},
    {"layer_decay", REAL(optimizer.layer_decay, 1e-3, 1), .null = "1", .standard = "1",
     .help = "layer-wise decay: layer l of L learns with layer_decay^(L - 1 - l) times the rate; "
             "layer 0 is the stem, each block is one (the two that lead into a stage are one "
             "together), L - 1 is the head"},
    {"clip", REAL(optimizer.clip, 0, 1e9), .null = "0", .standard = "0.02",
     .help = "limit of the gradients; 0: none"},
    {"clip_mode", CHOICE(optimizer.clip_mode, "norm", "value", "agc"), .standard = "agc",
     .help =
         "`norm`: all gradients are scaled so that their common norm is at most `clip`; `value`: "
         "each is brought to within +- `clip`; `agc`: the gradient of each output (row of a "
         "weight; vectors as a whole) is limited to `clip` times the norm of its weights or 1e-3, "
         "in all parameters, the head's too, as in the reference implementation"},
};

static const weld_key schedule_keys[] = {
    {"name", CHOICE(schedule.name, "cosine", "step", "plateau", "constant"),
     .help = "how the rate falls after its warm-up: `cosine`: half a cosine over `train.epochs`, "
             "the warm-up included; `step`: times `decay_rate` every `decay_epochs`, counted from "
             "the run's beginning; `plateau`: times `decay_rate` after more than `patience_epochs` "
             "without a better score of the weights on `data.val`, top-1 as a rule (better by a "
             "ten-thousandth of itself, as in `torch.optim.lr_scheduler.ReduceLROnPlateau`; that "
             "of the moving average is not looked at); `constant`: not at all"},
    {"warmup_epochs", REAL(schedule.warmup_epochs, 0, 1e6), .null = "0", .standard = "5",
     .help = "epochs of linear rise; may be a fraction"},
    {"warmup_lr", REAL(schedule.warmup_lr, 0, 100), .standard = "1e-6",
     .help = "rate of the first update (not scaled by the batch)"},
    {"min_lr", REAL(schedule.min_lr, 0, 100), .standard = "1e-5",
     .help = "rate to which the cosine falls, and below which `step` and `plateau` do not go (not "
             "scaled by the batch)"},
    {"decay_rate", REAL(schedule.decay_rate, 1e-6, 1), .standard = "0.1",
     .help = "step, plateau: factor of the rate, each time"},
    {"decay_epochs", REAL(schedule.decay_epochs, 1e-6, 1e6), .standard = "30",
     .help = "step: epochs from one to the next; may be a fraction"},
    {"patience_epochs", INTEGER(schedule.patience_epochs, 0, 1e6), .standard = "10",
     .help = "plateau: so many epochs without a better score are borne"},
    {"cooldown_epochs", INTEGER(schedule.cooldown_epochs, 0, 1e6), .null = "0",
     .help = "cosine: epochs at `min_lr` after the cosine is over. They come on top of "
             "`train.epochs`, as in timm"},
    {"per", CHOICE(schedule.per, "step", "epoch", "epoch_start"),
     .help = "`step`: the rate changes with every update; `epoch`: it is held through an epoch, "
             "one behind, as RepViT's reference implementation and DeiT's do; `epoch_start`: it is "
             "held through an epoch at what the first update has, as timm's training script does"},
};

static const weld_key train_keys[] = {
    {"epochs", INTEGER(train.epochs, 1, WELD_MAX_EPOCHS), .standard = "300",
     .help = "passes over the training images"},
    {"time", TEXT(train.time), .null = "",
     .manual_range = "as `2h`, `90m`, `1h30m`, `1.5d`, `45s`; null (none)",
     .help = "how long the run may take. Before the first update a few updates and a part of an "
             "evaluation are measured, and thrown away; then there are as many epochs as fit (at "
             "least one), which is said, and `schedule.warmup_epochs`, `decay_epochs`, "
             "`cooldown_epochs`, `augment.mixup_off_epoch` and `close_mosaic` become longer or "
             "shorter in "
             "proportion "
             "to `train.epochs`. What came "
             "of it is in `recipe.yaml` and checkpoints, so that a run that is resumed keeps it; "
             "with it set by hand, and this null, another run gives the same bits"},
    {"batch_size", INTEGER(train.batch_size, 1, 1e6), .standard = "256",
     .help = "images a batch; what is left over at an epoch's end is dropped (each epoch leaves "
             "out others)"},
    {"accumulate", INTEGER(train.accumulate, 1, 1e6), .null = "1", .standard = "1",
     .help = "batches an update: it takes the mean of their gradients, so that batch_size * "
             "accumulate images count for the learning rate, in the memory of batch_size of them. "
             "Batch norm sees each batch alone, and its running statistics move with each, as in "
             "PyTorch; batches left over at an epoch's end are dropped"},
    {"precision", CHOICE(train.precision, "fp32", "bf16", "auto"),
     .help = "`bf16`: activations and their gradients are kept in bfloat16 and products made of "
             "it; weights, sums, statistics, loss and optimizer stay fp32, so checkpoints are the "
             "same. Evaluations of the run are in it too. `auto`: bf16 if a trial at the start "
             "finds it faster by a tenth and its loss and gradients near; what was chosen is said, "
             "and written to the run's recipe. A run may be resumed in another precision; with "
             "`auto` it goes on in its own"},
    {"seed", INTEGER(train.seed, 0, 9e15),
     .help = "of everything drawn at random: weights, order, augmentation, mixing"},
    {"shuffle", BOOL(train.shuffle), .standard = "true",
     .help = "a new order every epoch; otherwise the order of the files"},
    {"ema_decay", REAL(train.ema_decay, 0, 0.999999999), .null = "0", .standard = "0.99996",
     .help = "the moving average of weights and running statistics is moved by 1 - ema_decay "
             "towards them after every update, is evaluated beside them (`ema_top1`) and kept in "
             "checkpoints, where `--key ema` takes it in their place; 0: no average. ema_decay to "
             "the power of the run's updates is the "
             "share of what the average started from that is still in it: a percent of new weights "
             "spoils it: see `ema_warmup`"},
    {"ema_warmup", CHOICE(train.ema_warmup, "false", "true", "auto"), .synonyms = no_and_yes,
     .standard = "auto", .manual_range = "auto, true, false",
     .help = "the average follows quickly at first: after update n its decay is at most "
             "1 - n^(-2/3), as with timm's `--model-ema-warmup`, so that nothing is left of what "
             "it started from. `auto`: where the run is short for its `ema_decay`, which is where "
             "more than half a percent of what the average started from would be left at its end: "
             "in fewer than about 5.3 / (1 - ema_decay) updates (5,300 with 0.999; 132,000 with "
             "0.99996). It is decided at the run's start, said, and written to the run's recipe; "
             "a run that is resumed, or extended, goes on with what was decided"},
    {"best", CHOICE(train.best, "weights", "ema", "loss"),
     .help =
         "what `best.h5` is the best of: `weights`: the weights with the best score, top-1 as a "
         "rule; `ema`: the moving average with the best score, which `best.h5` then holds in "
         "the place of the weights; `loss`: the weights with the lowest loss on `data.val`. Of "
         "equal scores that of the lower loss is better, and the later of equals"},
    {"patience", INTEGER(train.patience, 0, 1e6), .null = "0",
     .help = "early stopping: after so many evaluations in a row without a better score (of what "
             "`train.best` names; an equal one is not better) the run is over; 0: all epochs are "
             "run. The schedule knows nothing of it: it falls as `train.epochs` says. A run may be "
             "resumed with another"},
    {"eval_every", INTEGER(train.eval_every, 0, 1e6), .null = "0", .standard = "1",
     .help = "epochs between evaluations; the last epoch is always evaluated; 0: only that one. A "
             "run may be resumed with another, unless `schedule.name` is `plateau`"},
    {"checkpoint_every", INTEGER(train.checkpoint_every, 0, 1e9), .null = "0", .standard = "100",
     .help = "updates between writings of `last.h5` within an epoch; the end of an epoch always "
             "writes it; 0: only there. A run may be resumed with another"},
    {"keep", INTEGER(train.keep, 0, 1e6), .null = "0",
     .help = "checkpoints of epochs that stay: after N epochs `epoch-N.h5` is written, which is as "
             "`last.h5` (copy it over `last.h5` and `--resume` to go on from there), and older "
             "ones but `keep` are removed; 0: only `last.h5` and `best.h5`. A run may be resumed "
             "with another"},
    {"freeze",
     CHOICE(train.freeze, "none", "stem", "stage1", "stage2", "stage3", "stage4", "stage5",
            "stage6", "stage7", "stage8", "backbone"),
     .synonyms = stage_counts, .null = "none",
     .manual_range = "none, stem, stage1 to stage8, backbone, 0 to 8; null (none)",
     .help =
         "up to where the network stays as it is, bit for bit, running statistics included: "
         "`stem`, `stage1` (the stem and the first stage, with what leads into it), ... or "
         "`backbone` (all but the head); a number N means `stageN`. The backward pass ends there"},
    {"bn_eval", BOOL(train.bn_eval),
     .help =
         "every batch norm uses its running statistics and keeps them as they are, in all epochs"},
    {"fuse", BOOL(train.fuse), .standard = "true",
     .help = "operators of a step are fused and what is cheap is computed again in the backward "
             "pass: faster, in less memory, with the same results to rounding; `false` to compare"},
    {"events", BOOL(train.events), .standard = "true",
     .help = "write TensorBoard events into the run's folder (see below)"},
    {"histograms_every", INTEGER(train.histograms_every, 0, 1e6), .null = "0", .standard = "10",
     .help = "epochs between histograms of all weights and gradients, and contact sheets, in the "
             "events; the first and the last epoch have them too; 0: none"},
};

/* Rows of one struct that stand under a section. */
typedef struct part {
    const char *section;
    const weld_key *rows;
    size_t count;
} part;

#define PART(section, rows)                                                                        \
    { section, rows, sizeof rows / sizeof *rows }

static const part parts[] = {
    PART("model", model_keys), PART("data", data_keys),           PART("augment", augment_keys),
    PART("loss", loss_keys),   PART("optimizer", optimizer_keys), PART("schedule", schedule_keys),
    PART("train", train_keys),
};

static void add(weld_recipe_keys *out, const char *section, const weld_key *rows, size_t count,
                size_t base) {
    for (size_t i = 0; i < count && out->count < WELD_RECIPE_KEYS_MAX; i++) {
        out->at[out->count++] = (weld_recipe_key){section, &rows[i], base};
    }
}

static void add_families(weld_recipe_keys *out, const weld_model_family *only) {
    for (size_t f = 0; f < weld_family_count; f++) {
        const weld_model_family *family = weld_families[f];
        if (!only || family == only) {
            add(out, "model", family->keys, family->key_count, WELD_RECIPE_PLACE(model.values));
        }
    }
}

static void add_tasks(weld_recipe_keys *out, const weld_task *only) {
    for (size_t t = 0; t < weld_task_count; t++) {
        const weld_task *task = weld_tasks[t];
        if (!only || task == only) {
            add(out, "loss", task->keys, task->key_count, WELD_RECIPE_PLACE(loss.values));
        }
    }
}

/* The family's keys come behind those that all networks have, the task's before what all may do. */
void weld_recipe_keys_of(const char *model, weld_recipe_keys *out) {
    weld_model_config config;
    const bool known = model && !weld_model_config_named(model, &config, NULL);
    out->count = 0;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        if (parts[p].rows == loss_keys) {
            add_tasks(out, known ? weld_task_of(&config) : NULL);
        }
        add(out, parts[p].section, parts[p].rows, parts[p].count, 0);
        if (parts[p].rows == model_keys) {
            add_families(out, known ? weld_family_of(&config) : NULL);
        }
    }
}

void weld_recipe_set_standard(weld_recipe *r) {
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        weld_keys_set_standard(parts[p].rows, parts[p].count, r);
    }
}

size_t weld_recipe_key_index(const weld_recipe_keys *keys, size_t place) {
    size_t i = 0;
    while (i + 1 < keys->count && keys->at[i].base + keys->at[i].row->offset != place) {
        i++;
    }
    return i;
}
