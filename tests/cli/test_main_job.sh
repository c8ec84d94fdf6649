#!/bin/sh
# The main job as a user does it: pack, train, stop, resume, evaluate, merge, predict, run.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

make_learnable

works "version" "$WELD" --version --verbose
prints "version tells cpu features, kernels and threads" "^kernels: +f32 (ref|avx2|avx512|neon), bf16 (ref|avx2|avx512|avx512bf16|amx|neon|neonbf16), int8 (ref|avx2|avxvnni|avx512|avx512vnni|amx|neon[a-z0-9]*) "
works "models lists the variants" "$WELD" models
prints "models tells parameters and MACs" "repvit_m0_9 +5103560 +816\.9"
works "models lists a family" "$WELD" models mobilevit
prints "its variants" "mobilevit_s +5578632 "
holds "and no other" sh -c "! grep -q repvit_m0_9 stdout"

works "pack a folder" "$WELD" pack photos/val -o val.h5
prints "pack counts the images" "36 images of 4 classes"
works "train" "$WELD" train small.yaml --out run
says "training prints how the learning rate came about" "learning rate 0.008"
holds "metrics have eight epochs" test "$(grep -c '"kind": *"epoch"' run/metrics.jsonl)" = 8
holds "the network learned" sh -c "sed -nE 's/.*\"top1\": ?([0-9.]+).*/\1/p' run/metrics.jsonl | tail -n 1 | awk '{exit !(\$1 > 80)}'"
refuses "a second run into the same folder" "run" "$WELD" train small.yaml --out run

works "many more threads than cpus" "$WELD" train small.yaml --out crowded --threads 100000 --set train.epochs=1
says "what is used is told" "^note: --threads 100000: 1024 are used, which is the most there can be; more than cpus, of which there (is|are) [0-9]+, gain nothing$"
cpus=$(sed -nE 's/^note: --threads .* there (is|are) ([0-9]+), gain nothing$/\2/p' stderr)
worth=$(sed -nE 's/.*; threads ([0-9.]+) of 1024$/\1/p' stderr)
holds "no more cpus were worth having than there are" awk "BEGIN { exit !($worth > 0 && $worth <= $cpus) }"
works "the same in one thread" "$WELD" train small.yaml --out single --threads 1
untimed run/metrics.jsonl > a
untimed single/metrics.jsonl > b
same "one thread and several give the same metrics" a b
works "the same in numbers of threads drawn at random" env WELD_THREADS_RANDOM=4 "$WELD" train small.yaml --out drawn --threads 5
untimed drawn/metrics.jsonl > b
same "they give the same metrics too" a b

works "training from the packed set" "$WELD" train small.yaml --out packed --set train.epochs=1 --set data.val=val.h5
"$WELD" train small.yaml --out stopped > stdout2 2> stderr2 &
pid=$!
while kill -0 $pid 2> /dev/null && ! grep -q '"step": *[3-9]' stopped/metrics.jsonl 2> /dev/null; do sleep 0.02; done
kill -TERM $pid 2> /dev/null
wait $pid
holds "SIGTERM ends a run with exit status 143" test $? = 143
holds "and the line how to go on" grep -q "continue with weld train stopped/recipe.yaml --out stopped --resume" stdout2
works "resume" "$WELD" train small.yaml --out stopped --resume
untimed stopped/metrics.jsonl > b
same "a stopped and resumed run has the metrics of one that never stopped" a b
"$WELD" train small.yaml --out warned > stdout2 2> stderr2 &
pid=$!
while kill -0 $pid 2> /dev/null && ! grep -q '"step": *[3-9]' warned/metrics.jsonl 2> /dev/null; do sleep 0.02; done
kill -USR1 $pid 2> /dev/null
wait $pid
holds "SIGUSR1, as schedulers send it, ends a run likewise with exit status 138" test $? = 138
holds "which can be resumed" test -s warned/last.h5
# A step of about a second, so that the second signal comes before it ends.
"$WELD" train small.yaml --out killed --set 'model.channels=[48, 96, 192, 384]' \
    --set 'model.depths=[2, 2, 14, 2]' --set model.stem_stride=4 --set data.input_size=224 \
    --set augment.kind=none --set train.batch_size=24 > stdout2 2> stderr2 &
pid=$!
while kill -0 $pid 2> /dev/null && ! grep -q "writing to" stderr2; do sleep 0.02; done
sleep 0.3
kill -TERM $pid
while kill -0 $pid 2> /dev/null && ! grep -q "stopping after this step" stderr2; do sleep 0.02; done
kill -TERM $pid
wait $pid
holds "a second SIGTERM stops at once with exit status 143" test $? = 143

works "evaluate the checkpoint" "$WELD" eval run/best.h5 --data photos/val --json
prints "every image counts once" '"images": *36'
works "train with clipped gradients and a moving average" "$WELD" train small.yaml --out averaged \
    --set train.epochs=2 --set train.ema_decay=0.9 --set train.best=ema --set train.shuffle=TRUE --set optimizer.clip=1 --set optimizer.clip_mode=norm
says "each epoch tells what the average is worth" "moving average [0-9.]+ %"
works "evaluate the average" "$WELD" eval averaged/last.h5 --key ema --data photos/val --json
top1=$(sed -nE 's/.*"ema_top1": ?([0-9.]+).*/\1/p' averaged/metrics.jsonl | tail -n 1)
holds "it is worth what metrics.jsonl says" sh -c "sed -nE 's/.*\"top1\": *([0-9.]+).*/\1/p' stdout | awk '{d = \$1 - $top1; exit !(d < 0.01 && d > -0.01)}'"
refuses "the average of averages" "averaged/best.h5: its weights are the run's moving average" \
    "$WELD" eval averaged/best.h5 --key ema --data photos/val
works "inspect what --key takes" "$WELD" inspect averaged/last.h5 --key ema
prints "it is told as that" "^average +the weights told of are the moving average that is kept \(--key ema\)$"
works "a batch of more images than there are" "$WELD" train small.yaml --out one_batch --set train.epochs=1 --set train.batch_size=1000
says "which is told" "^note: train.batch_size 1000: there are 96 images to train on, which are one batch$"
refuses "a checkpoint without an average" "has no \"ema\"" "$WELD" eval run/last.h5 --key ema --data photos/val
works "merge and verify" "$WELD" reparam run/best.h5 -o deploy.h5 --verify photos/val
prints "merging leaves fewer convolutions" "convolutions +[0-9]+ +[0-9]+"
works "merging again changes nothing" "$WELD" reparam deploy.h5 -o again.h5
"$WELD" inspect deploy.h5 --graph > a
"$WELD" inspect again.h5 --graph > b
same "the graph is the same after a second merge" a b
works "evaluate the merged network" "$WELD" eval deploy.h5 --data val.h5 --json
works "predict" "$WELD" predict deploy.h5 photos/val/class_a/0000.jpg photos/val/class_c/0001.jpg --top 2
prints "predict names classes" "%  class_[a-d]"
works "evaluate in bf16" "$WELD" eval deploy.h5 --data val.h5 --json --precision bf16
prints "bf16 counts the images too" '"images": *36'
works "predict in bf16" "$WELD" predict deploy.h5 photos/val/class_a/0000.jpg --precision bf16
works "predict as JSON" "$WELD" predict deploy.h5 photos/val/class_b/0000.jpg --json
prints "JSON has what other programs rely on" '"probability"'
# Two images of bytes as NumPy would save them: a header of 128 bytes, then [2, 3, 32, 32] of u1.
{
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 32, 32), }"
    tail -c 6144 val.h5
} > images.npy
works "run the unmerged network on an array" "$WELD" run run/best.h5 --input images.npy --output before.npy
works "run the merged network on it" "$WELD" run deploy.h5 --input images.npy --output after.npy
tail -c +129 before.npy | od -An -v -w4 -t f4 > a
tail -c +129 after.npy | od -An -v -w4 -t f4 > b
holds "both give the same logits, to 1e-4 of the largest" sh -c "paste a b | awk '
    { x = \$1 < 0 ? -\$1 : \$1; d = \$1 - \$2; d = d < 0 ? -d : d
      if (x > largest) largest = x; if (d > worst) worst = d }
    END { exit !(NR == 8 && largest > 0 && worst <= 1e-4 * largest) }'"
works "run in bf16" "$WELD" run deploy.h5 --input images.npy --output bf16.npy --precision bf16
tail -c +129 bf16.npy | od -An -v -w4 -t f4 > b
holds "bf16 gives the same logits, to 5 % of the largest" sh -c "paste a b | awk '
    { x = \$1 < 0 ? -\$1 : \$1; d = \$1 - \$2; d = d < 0 ? -d : d
      if (x > largest) largest = x; if (d > worst) worst = d }
    END { exit !(NR == 8 && largest > 0 && worst > 0 && worst <= 0.05 * largest) }'"

works "inspect a checkpoint" "$WELD" inspect run/last.h5
prints "inspect tells the classes" "class_a, class_b, class_c, class_d"
works "inspect a deploy file's tensors" "$WELD" inspect deploy.h5 --tensors
works "inspect a packed set" "$WELD" inspect val.h5
prints "inspect counts a class" "class_d +9"
works "bench a network by name" "$WELD" bench repvit_m0_6 --size 64 --steps 2 --json
prints "bench reports what is agreed" '"images_per_second".*"milliseconds".*"gflops_per_second".*"peak_bytes"'
prints "bench tells how quiet the machine was" '"milliseconds_shortest": *[0-9.]+, "milliseconds_longest": *[0-9.]+, "quiet": *(true|false|null), "waited_share": .*, "others_cpus": .*, "steal_share": .*, "throttled_share": '
works "bench at the usual size" "$WELD" bench cmt_ti --steps 1
prints "is told which that is" "^cmt_ti, inference, fp32, batch 1, 160 x 160,"
works "bench a training step" "$WELD" bench repvit_m0_6 --train --size 32 --batch 3 --steps 1 --profile
prints "a profile tells how near the machine's limits each operator is" "operator +nodes +ms +share +GFLOP/s +GB/s +of limit"
prints "the profile has a row an operator" "^conv2d "
works "bench a training step in bf16" "$WELD" bench repvit_m0_6 --train --size 32 --batch 3 --steps 1 --precision bf16 --json
prints "bench tells the precision" '"precision": *"bf16"'
works "bench a step that computes blocks again" "$WELD" bench repvit_m0_6 --train --size 32 --batch 3 --steps 1 --recompute block
works "bench in bf16" "$WELD" bench repvit_m0_6 --size 64 --steps 1 --precision bf16
works "bench a file" "$WELD" bench deploy.h5 --steps 2
prints "bench says whether the machine was quiet" "^(perhaps not |not )?quiet.*; runs from [0-9.]+ to [0-9.]+ ms"
works "simulate more threads" "$WELD" bench repvit_m0_6 --train --size 32 --batch 8 --steps 1 --simulate-threads 4,64
prints "it says what is not in it" "without the bandwidth of memory"
prints "a simulation has a row for one thread" "^ +1 +[0-9.]+ +1\\.00 +100%"
prints "and one for each number asked for" "^ +64 +[0-9.]+ +[0-9.]+ +[0-9]+%"
prints "it says what keeps threads waiting" "^operator +steps +least pieces"
works "simulate inference, as JSON" "$WELD" bench deploy.h5 --steps 1 --simulate-threads 2 --json
prints "JSON of a simulation" '"simulated": *\[.*"threads": *1,.*"speed_up": *1\.0,.*"threads": *2,.*"operators": *\[.*"waiting_share"'
works "bench a recipe's data" "$WELD" bench small.yaml --data --steps 3 --threads 1
prints "it tells what the time went into" "making training batches, batch 16, 32 x 32, threads 1.0 of 1: .*images/s.*waiting .*decoding .*augmenting"
prints "it says whether the machine was quiet" "^(perhaps not |not )?quiet.*; runs from [0-9.]+ to [0-9.]+ ms"
works "bench a recipe's data as JSON" "$WELD" bench small.yaml --data --steps 3 --set train.batch_size=8 --json
prints "JSON tells the shares" '"batch": *8.*"images_per_second".*"wait_share".*"decode_share".*"augment_share"'
prints "JSON of data tells how quiet the machine was" '"milliseconds_shortest": *[0-9.]+, "milliseconds_longest": *[0-9.]+, "quiet": *(true|false|null), "waited_share": .*, "others_cpus": .*, "steal_share": .*, "throttled_share": '
run "$WELD" bench repvit_m0_6 --set train.batch_size=8
holds "overrides of a network are wrong usage" test "$status" = 2
run "$WELD" bench small.yaml --data --batch 3
holds "sizes that the recipe says are wrong usage" test "$status" = 2
works "continue from a checkpoint's weights" "$WELD" train small.yaml --out tuned --init run/best.h5 --set train.epochs=1
finish
