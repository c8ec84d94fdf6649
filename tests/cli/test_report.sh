#!/bin/sh
# weld report, looked at in a real headless Chromium: what a person sees of two runs, one of them made
# by hand to be awkward. Arguments: the program, make_photos, report_probe.html.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
PROBE=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

# --- A run as weld makes it ---
mkdir photos
"$MAKE_PHOTOS" photos/train 3 16 40
"$MAKE_PHOTOS" photos/val 3 6 40
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [16, 24], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small}
optimizer: {lr: 5e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 3, batch_size: 8, ema_decay: 0.9}
EOF
works "train" "$WELD" train small.yaml --out real
holds "the run has an evaluation and events" sh -c 'test -s real/evaluation.json && ls real/events.out.tfevents.*'

# --- A run that was killed, with thousands of updates and names that mean harm ---
mkdir 'evil <b>&"run'
evil='evil <b>&"run'
hack='</script><script>window.hacked=1</script>'
sed -e 's/5e-3/0.002/' -e "s|val: photos/val|val: 'photos/<i>val'|" -e 's/epochs: 3/epochs: 30/' \
    -e 's/stem_stride: 2/stem_stride: 2, num_classes: 3/' small.yaml > "$evil/recipe.yaml"
awk 'BEGIN { for (s = 1; s <= 5000; s++) {
    printf "{\"kind\":\"step\",\"epoch\":%d,\"step\":%d,\"loss\":%g,\"lr\":%g,\"images_per_second\":%g,", (s - 1) / 250, s, 3 / (1 + s / 900), s / 5000, 90 + s % 7
    printf "\"data_seconds\":0.02,\"wait_seconds\":0.001,\"decode_seconds\":0.012,\"augment_seconds\":0.007,\"forward_seconds\":0.1,\"backward_seconds\":0.2,\"optimizer_seconds\":0.01}\n"
    if (s % 250 == 0) printf "{\"kind\":\"epoch\",\"epoch\":%d,\"step\":%d,\"train_loss\":%g,\"val_loss\":%g,\"top1\":%g,\"top5\":%g,\"ema_top1\":null,\"seconds\":90}\n", s / 250 - 1, s, 3 / (1 + s / 900), 2.5 / (1 + s / 800), s == 4000 ? 77.25 : s / 100, 60 + s / 200
} printf "{\"kind\":\"step\",\"epoch\":20,\"st" }' > "$evil/metrics.jsonl"
cat > "$evil/evaluation.json" << EOF
{"data": "photos/val", "images": 60, "skipped": 2, "top1": 77.25, "top5": 99.5, "loss": 0.75, "calibration_error": 4.5,
 "calibration": [{"low": 0, "high": 0.5, "images": 0, "confidence": null, "accuracy": null},
                 {"low": 0.5, "high": 1, "images": 60, "confidence": 0.8, "accuracy": 0.77}],
 "classes": [{"name": "$hack", "images": 20, "recall": 85, "precision": 80},
             {"name": "<img src=x onerror=window.hacked=2>", "images": 20, "recall": 30, "precision": 70},
             {"name": "plain & simple", "images": 20, "recall": 95, "precision": null},
             {"name": "empty", "images": 0, "recall": null, "precision": null}],
 "confusion": [[0, 0, 17], [0, 1, 3], [1, 1, 6], [1, 0, 14], [2, 2, 19], [2, 1, 1]],
 "worst": [{"image": "class_b/0001.jpg", "label": 1, "predicted": 0, "probability": 0.98, "label_probability": 0.01, "loss": 4.6},
           {"image": "class_c/0002.jpg", "label": 2, "predicted": 1, "probability": 0.6, "label_probability": 0.3, "loss": 1.2},
           {"image": "gone/$hack.jpg", "label": 0, "predicted": 1, "probability": 0.5, "label_probability": 0.4, "loss": 0.9}]}
EOF

# --- A run of many classes ---
mkdir many
cp "$evil/recipe.yaml" "$evil/metrics.jsonl" many
awk 'BEGIN { printf "{\"data\": \"gone\", \"images\": 6000, \"top1\": 50, \"calibration\": [], \"worst\": [], \"classes\": ["
    for (i = 0; i < 60; i++) printf "%s{\"name\": \"a class with number %d\", \"images\": 100, \"recall\": %d, \"precision\": 50}", i ? ", " : "", i, i % 3 * 25 + 3
    printf "], \"confusion\": ["
    for (i = 0; i < 60; i++) printf "%s[%d, %d, %d]", i ? ", " : "", i, (i + 1) % 60, i + 1
    print "]}" }' > many/evaluation.json

works "report of two runs" "$WELD" report real "$evil" --latency --threads 1 -o two.html
prints "it says what it wrote" "^two.html: report of 2 runs$"
prints "a row has network, sizes, the best score, the loss and the latency" \
    '^evil <b>&"run +repvit +[0-9]+ +[0-9]+ +[0-9.]+ +[0-9.]+ +top-1 77\.25 %, epoch 16 +[0-9.]+ +[0-9.]+'
prints "it says what the latency is of" "^ms/image: .* threads 1"
works "report of one run" "$WELD" report many --output phone.html
holds "thousands of updates make no large page" test "$(wc -c < phone.html)" -lt 300000
holds "the page names no address to fetch from" sh -c '! grep -Eiq "(src|href) *= *.?(https?:)?//|@import|url\((.?http|.?//)|fetch\(|XMLHttp" two.html'
holds "names end no script" sh -c '! grep -q "hacked=1</script>" two.html'

works "report of runs in folders of one name" sh -c 'mkdir -p x/run y/run && cp real/recipe.yaml x/run && cp real/recipe.yaml y/run && "$0" report x/run y/run "$PWD/real" -o same.html' "$WELD"
holds "they are told apart by their paths" sh -c 'grep -q "\"name\":\"[^\"]*x/run\"" same.html && grep -q "\"name\":\"[^\"]*y/run\"" same.html && grep -q "\"name\":\"real\"" same.html'

# --- Runs of which there is little ---
mkdir started empty
cp "$evil/recipe.yaml" started
works "report of a run that has just begun" "$WELD" report started -o started.html
printf 'x\n{"kind":"step"}\n\000\n[]\n{"kind":"epoch","epoch":0,"step":5,"top1":"high"}' > started/metrics.jsonl
echo '{"classes": [{"name": 3}], "confusion": [[7, 0]]}' > started/evaluation.json
echo 'train: {epochs: many}' > started/recipe.yaml
works "report of a run with nothing but damaged files" "$WELD" report started -o started.html
says "what could not be read is said" "^note: started: the evaluation cannot be read"
holds "the page says what it could not read" grep -q "the evaluation cannot be read" started.html
refuses "a folder that is not there" "nowhere: there is no such folder" "$WELD" report nowhere
refuses "a folder that is no run" "empty: is no run of weld train" "$WELD" report real empty
refuses "a place that cannot be written" "/nonexistent/x.html" "$WELD" report real -o /nonexistent/x.html
run "$WELD" report real --threads 1
holds "threads without anything to time are wrong usage" test "$status" = 2
run "$WELD" report
holds "no run at all is wrong usage" test "$status" = 2

# --- In the browser ---
chromium=${WELD_CHROMIUM:-$(command -v chromium || command -v chromium-browser)}
if [ -z "$chromium" ]; then
    echo "# no Chromium: install Debian's package chromium, or name the program in WELD_CHROMIUM"
    if [ -n "${CI:-}" ]; then
        holds "Chromium is there" false
    else
        skip "the page in a browser" "no Chromium"
    fi
    finish
fi
cp "$PROBE" probe.html
sed 's/"runs":\[/"rums":[/' two.html > broken.html
# look: opens the probe; what it saw is in $WORK/seen.
look() {
    HOME=$WORK timeout 240 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --disable-extensions --no-first-run --user-data-dir="$WORK/profile" \
        --allow-file-access-from-files --window-size=1300,2000 --virtual-time-budget=20000 \
        --dump-dom "file://$WORK/probe.html" > dom.html 2> chromium.log
    sed -n '/<pre id="probe">/,/<\/pre>/p' dom.html | sed -e 's/.*<pre id="probe">//' -e 's/<\/pre>.*//' \
        -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&amp;/\&/g' > seen
}
look
[ -s seen ] || look # a browser's start can fail on a busy machine
# sees NAME LINE: the probe saw exactly this (a regular expression over the line).
sees() {
    cp seen stdout
    : > stderr
    grep -Eq -- "^$2\$" seen
    report $? "$1"
}
sees "no error on the page" "errors: false"
sees "the runs' names, to the letter" 'legend: real / evil <b>&"run'
sees "the title" 'title: real, evil <b>&"run · weld report'
sees "nothing of the data runs as a script or becomes an element" "scripts run from data: 0"
sees "curves of the loss: raw, smoothed and evaluated, of both runs" "Loss curves: 3 and 3"
sees "curves of accuracy, with a moving average where there is one" "Accuracy curves: [23] and 2"
sees "curves of the learning rate" "Learning rate curves: 1 and 1"
sees "curves of speed" "Speed curves: 2 and 2"
sees "the summary has the best top-1" "summary: Best top-1 \| [0-9.]+ % \(epoch [123]\) \| 77.25 % \(epoch 16\)"
sees "the summary has the last top-1" "summary: Final top-1 \| [0-9.]+ % \| 50.00 %"
sees "the summary says how far the runs came" "summary: Trained \| all 3 epochs \| 20 of 30 epochs"
sees "the summary has parameters" "summary: Parameters \| 0\.0[0-9] M \| .*"
sees "the summary has the time" "summary: Time \| [0-9.]+ s \| 30 min 0 s"
sees "a row a run: what it is, what it scores and costs" 'comparison: evil <b>&"run \| repvit \| 32 \| 0\.[0-9]+ M \| 0\.[0-9]+ M \| [0-9.]+ M \| [0-9.]+ M \| 77.25 % \(epoch 16\) \| [0-9.]+ ms.* \| [0-9.]+'
sees "what the latency is of" "latency: .* 1 thread.*"
sees "a point a run, with its name, over latency" 'over latency: 2 points, evil <b>&"run / real'
sees "and over multiply-adds" 'over multiply-adds: 2 points, evil <b>&"run / real'
sees "stacked shares of the time" "areas: 1[23]"
sees "a cell for each pair of classes" "cells: 9 and 16"
sees "the numbers in the cells" "counts: .* and 17 3 14 6 1 19"
sees "the most confused pairs, largest first" "confused: <img src=x onerror=window.hacked=2> \| </script><script>window.hacked=1</script> \| 14 / .*"
sees "recall, lowest first" "recall: <img src=x onerror=window.hacked=2> \| 20 \| 30.00 % \| 70.00 %"
sees "recall of a class without images" "recall: empty \| 0 \| – \| –"
sees "bars of calibration" "bins: [0-9]+"
sees "a note on what was evaluated on other images" "notes: .*different data.*"
sees "a note on the row that was cut" "notes: .*metrics.jsonl ends in the middle of a row.*"
sees "every picture that can be read is shown" "images: [0-9]+ of [0-9]+"
holds "all of them" awk '/^images:/ { exit !($2 == $4 && $2 >= 8) }' seen
sees "and the others are told by name" "without image: 1"
sees "true class, wrong class and probability of the worst image" "worst: <img src=x onerror=window.hacked=2> → </script><script>window.hacked=1</script> 98.0 %class_b/0001.jpg"
sees "the recipe's value beside its default" "recipe: optimizer.lr \| 0?.?0*1?e?-?0?3? \| .*0?\.?0*5.* \| .*0?\.?0*2.*"
sees "what differs from its default is marked" "marked: .*optimizer.lr.*"
sees "the other keys on request" "more keys on request: true"
sees "values under the pointer" "hover: epoch .*training.*evaluation.*"
sees "a run can be switched off" "first run off: 0 and 3"
sees "and on" "and on: 3 and 3"
sees "the axis can be epochs or updates" "axis: epoch then update"
sees "nothing is fetched" "fetched: 0"
sees "the page fits a phone" "phone fits: 390 true"
sees "and has its curves there" "phone curves: 3"
sees "and no error" "phone errors: false"
sees "many classes are shown by their recall, not as a matrix" "phone classes: 0 cells, 60 rows, 3 bars"
sees "a page that is broken says so" "broken page says so: This page is broken: .*"
finish
