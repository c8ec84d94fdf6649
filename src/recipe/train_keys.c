/* Keys of recipes: how weights are updated, and how long; see key_rows.h. */
#include "recipe/key_rows.h"

/* train.freeze as a number of stages. */
static const char *const stage_counts[] = {"0", "", "1", "2", "3", "4", "5", "6", "7", "8", ""};
_Static_assert(sizeof stage_counts / sizeof *stage_counts == WELD_FREEZE_BACKBONE + 1,
               "stage_counts and the choices of train.freeze go up to the backbone");

static const char *const no_and_yes[] = {"no", "yes", ""};

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

const weld_recipe_rows weld_recipe_optimizer_keys = ROWS("optimizer", optimizer_keys);

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

const weld_recipe_rows weld_recipe_schedule_keys = ROWS("schedule", schedule_keys);

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
         "equal scores that of the lower loss is better, and the later of equals. Where images "
         "could not be read this time, an evaluation of more of them is better than one of fewer, "
         "whatever the scores"},
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
    {"recompute", CHOICE(train.recompute, "none", "block", "stage"),
     .help = "less memory for more time, with the same bits: of each block, or stage, of the "
             "network but the last ones the step keeps what goes into it, statistics and pooled "
             "maps alone, and computes the rest again in its backward pass. `weld train --dry-run` "
             "says memory and operations of all three. A run may be resumed with another"},
    {"events", BOOL(train.events), .standard = "true",
     .help = "write TensorBoard events into the run's folder (see below)"},
    {"histograms_every", INTEGER(train.histograms_every, 0, 1e6), .null = "0", .standard = "10",
     .help = "epochs between histograms of all weights and gradients, and contact sheets, in the "
             "events; the first and the last epoch have them too; 0: none"},
};

const weld_recipe_rows weld_recipe_train_keys = ROWS("train", train_keys);
