/* The sections of the page, drawn from the JSON in #data with what charts.js has. */

const each = (make) => () => runs.flatMap((run, i) => make(run, i));

/* --- Scores, as the runs' tasks name them --- */

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const scoreText = (score, value) => (known(value) ? value.toFixed(score.decimals) + score.unit : "–");
const unique = (list, key) => [...new Map(list.map((item) => [key(item), item])).values()];
const scores = (curve) => unique(runs.flatMap((run) => run.scores.filter((s) => s.curve === curve)), (s) => s.key);
const isFirst = (score) => runs.some((run) => run.scores[0].key === score.key);

function scoreCharts() {
    return unique(scores(true), (s) => s.group).map(({ group }) => {
        const list = scores(true).filter((s) => s.group === group), unit = list[0].unit.trim();
        const legend = [], series = [];
        for (const score of list) {
            const kind = isFirst(score) ? "" : "dotted";
            legend.push([kind, score.label]);
            series.push([score.key, { name: score.label, kind }]);
            if (isFirst(score)) {
                legend.push(["dashed", score.label + " of the moving average"]);
                series.push(["ema_" + score.key, { name: "moving average", kind: "dashed" }]);
            }
        }
        return chart(capital(group), (unit || list[0].label) + " of the images evaluated", legend,
            each((run, i) => series.map(([key, how]) => epochSeries(run, i, key, how))),
            { format: (value) => scoreText(list[0], value), ...(unit === "%" ? { high: 100, low: 0 } : {}) });
    });
}

/* What the runs' tasks count beside the loss, as shares. */
function countCharts() {
    return unique(runs.flatMap((run) => run.counts), (c) => c.key).map(({ key, of }) =>
        chart(capital(key) + " / " + of, "in an epoch", [["", ""]],
            each((run, i) => [epochSeries(run, i, key, { name: key })]), { zero: true }));
}

function drawCurves() {
    const solid = ["", ""];
    section("Curves", html("div", { class: "cards" },
        chart("Loss", "", [["", "training, smoothed"], ["dashed", "evaluation"]], each((run, i) => [
            stepSeries(run, i, "loss", { kind: "faint", loose: true }),
            stepSeries(run, i, "loss", { name: "training", smooth: true }),
            epochSeries(run, i, "val_loss", { name: "evaluation", kind: "dashed" })])),
        ...scoreCharts(),
        ...countCharts(),
        chart("Learning rate", "", [solid], each((run, i) => [stepSeries(run, i, "lr", { name: "rate" })]), { zero: true }),
        chart("Speed", "images a second", [["", "smoothed"], ["faint", "as it was"]], each((run, i) => [
            stepSeries(run, i, "speed", { kind: "faint", loose: true }),
            stepSeries(run, i, "speed", { name: "images/s", smooth: true })]), { zero: true })));
}

/* --- Where the time went --- */

const partNames = { wait: "data wait", decode: "decode", augment: "augment", data: "data, the rest", teacher: "teacher",
    forward: "forward", backward: "backward", optimizer: "optimizer" };
const partColours = { wait: 0, decode: 1, augment: 2, data: 7, teacher: 3, forward: 4, backward: 5, optimizer: 6 };
const partOf = (run) => Object.keys(partNames).filter((key) => run.steps && run.steps.parts && run.steps.parts[key]);
const square = (key) => html("span", { class: "square", style: "background:var(--p" + partColours[key] + ")" });

/* Columns of the stacked chart: sums over neighbouring bins. */
function columnsOf(run, keys) {
    const count = run.steps.step.length, width = Math.ceil(count / 100), columns = [];
    for (let begin = 0; begin < count; begin += width) {
        const end = Math.min(begin + width, count);
        const sums = keys.map((key) => run.steps.parts[key].slice(begin, end).reduce((a, b) => a + (b || 0), 0));
        columns.push({ step: run.steps.step[end - 1], sums, all: sums.reduce((a, b) => a + b, 0) || 1 });
    }
    return columns;
}

function stackChart(run, index) {
    const keys = partOf(run);
    const holder = html("div", {});
    const card = html("div", { class: "card" }, html("h3", {}, dot(index), run.name), holder);
    function draw() {
        holder.textContent = "";
        const columns = columnsOf(run, keys);
        const width = Math.max(260, holder.clientWidth), height = 190, left = 44, right = 10, top = 6, bottom = 36;
        const scale = axis === "epoch" && run.steps_per_epoch ? run.steps_per_epoch : 1;
        const last = columns[columns.length - 1].step / scale;
        const px = (x) => left + x / last * (width - left - right);
        const py = (share) => top + (1 - share) * (height - top - bottom);
        const root = svg("svg", { viewBox: "0 0 " + width + " " + height, height, role: "img", "aria-label": "Where the time of " + run.name + " went" });
        const base = columns.map(() => 0);
        keys.forEach((key, k) => {
            let upper = "", lower = "";
            columns.forEach((c, i) => {
                const begin = i ? columns[i - 1].step / scale : 0, end = c.step / scale, next = base[i] + c.sums[k] / c.all;
                upper += (i ? "L" : "M") + px(begin).toFixed(1) + " " + py(next).toFixed(2) + "H" + px(end).toFixed(1);
                lower = "L" + px(end).toFixed(1) + " " + py(base[i]).toFixed(2) + "H" + px(begin).toFixed(1) + lower;
                base[i] = next;
            });
            root.append(svg("path", { class: "area", d: upper + lower + "Z", fill: "var(--p" + partColours[key] + ")" },
                svg("title", {}, partNames[key])));
        });
        for (const share of [0, 0.25, 0.5, 0.75, 1]) {
            root.append(svg("text", { x: left - 6, y: py(share) + 4, "text-anchor": "end" }, share * 100 + " %"));
        }
        for (const x of ticks(0, last, Math.max(3, Math.floor(width / 90)))) {
            root.append(svg("text", { x: px(x), y: height - bottom + 16, "text-anchor": "middle" }, tickText(x)));
        }
        root.append(svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" },
            scale === 1 ? "update" : "epoch"));
        holder.append(root);
    }
    charts.push(draw);
    return card;
}

function drawTimes() {
    const timed = runs.map((run, i) => [run, i]).filter(([run]) => partOf(run).includes("forward"));
    if (timed.length === 0) {
        return;
    }
    const means = timed.map(([run]) => {
        const sums = {};
        for (const key of partOf(run)) {
            const list = run.steps.parts[key];
            sums[key] = list.reduce((a, b) => a + (b || 0), 0) / list.length;
        }
        return sums;
    });
    const keys = Object.keys(partNames).filter((key) => means.some((m) => key in m));
    const text = (m, key) => {
        const all = Object.values(m).reduce((a, b) => a + b, 0) || 1;
        return key in m ? number(1000 * m[key], 3) + " ms · " + (100 * m[key] / all).toFixed(1) + " %" : "–";
    };
    section("Where the time of an update went",
        html("div", { class: "key" }, ...keys.map((key) => html("span", {}, square(key), partNames[key]))),
        html("div", { class: "cards" }, ...timed.map(([run, i]) => stackChart(run, i)),
            html("div", { class: "card" }, html("h3", {}, "Mean of all updates"),
                table(["", ...timed.map(([run, i]) => [dot(i), run.name])],
                    keys.map((key) => [[square(key), " " + partNames[key]], ...means.map((m) => text(m, key))])))));
}

/* --- Summary --- */

function stateOf(run) {
    if (!known(run.epochs_planned)) {
        return whole(run.epochs_done) + " epochs";
    }
    return run.epochs_done >= run.epochs_planned ? "all " + run.epochs_planned + " epochs"
        : run.epochs_done + " of " + run.epochs_planned + " epochs";
}

function median(values) {
    const list = values.filter(known).sort((a, b) => a - b);
    return list.length ? list[list.length >> 1] : null;
}

/* One row a fact and one column a run: so it fits a narrow screen. */
function drawSummary() {
    const last = (run) => run.final || {}, best = (run) => run.best || {};
    const facts = [
        ["Network", (run) => run.model || "–"],
        ["Parameters", (run) => (known(run.parameters) ? (run.parameters / 1e6).toFixed(2) + " M" : "–")],
        ["Multiply-adds", (run) => (known(run.macs) ? (run.macs / 1e6).toFixed(1) + " M" : "–")],
        ["Trained", stateOf],
        ...scores(true).flatMap((s) => [["Final " + s.label, (run) => scoreText(s, last(run)[s.key])],
            ...(isFirst(s) ? [["Best " + s.label, (run) => scoreText(s, best(run)[s.key]) + (best(run).epoch ? " (epoch " + best(run).epoch + ")" : "")],
                ["Final " + s.label + " of the moving average", (run) => scoreText(s, last(run)["ema_" + s.key])]] : [])]),
        ["Final loss: evaluation", (run) => number(last(run).val_loss)],
        ["Final loss: training", (run) => number(last(run).train_loss)],
        ...scores(false).map((s) => [capital(s.label), (run) => scoreText(s, run.evaluation && run.evaluation[s.key])]),
        ["Images a second (median)", (run) => number(median((run.steps && run.steps.speed) || []))],
        ["Time", (run) => duration(run.seconds)],
        ["Folder", (run) => run.path]];
    const notes = runs.flatMap((run) => (run.notes || []).map((note) =>
        html("p", { class: "note" }, (runs.length > 1 ? run.name + ": " : "") + note)));
    section("Summary", html("div", { class: "card", id: "summary" }, table(["", ...runs.map((run, i) => [dot(i), run.name])],
        facts.filter(([, value]) => runs.some((run) => !value(run).startsWith("–")))
            .map(([name, value]) => [name, ...runs.map(value)]))), ...notes);
}

/* --- Evaluation: what e.view, the task's words, has shown of it --- */

const note = (text) => (text ? html("p", { class: "soft" }, text) : "");

function confusionMatrix(e) {
    const count = e.names.length, cells = new Map(), totals = new Array(count).fill(0);
    for (const [label, predicted, images] of e.matrix) {
        cells.set(label * count + predicted, images);
        totals[label] += images;
    }
    const longest = Math.min(16, e.names.reduce((most, name) => Math.max(most, name.length), 0));
    const cell = count <= 12 ? 38 : count <= 24 ? 24 : 16, label = 14 + longest * 6.6;
    const size = label + count * cell;
    const cut = (name) => (name.length > 16 ? name.slice(0, 15) + "…" : name);
    const root = svg("svg", { viewBox: "0 0 " + (size + 8) + " " + (size + 8), width: size + 8, height: size + 8, style: "width:" + (size + 8) + "px", role: "img", "aria-label": "Confusion matrix" });
    for (let row = 0; row < count; row++) {
        root.append(svg("text", { x: label - 6, y: label + row * cell + cell / 2 + 4, "text-anchor": "end" }, cut(e.names[row])),
            svg("text", { transform: "translate(" + (label + row * cell + cell / 2 + 4) + " " + (label - 6) + ") rotate(-90)" }, cut(e.names[row])));
        for (let column = 0; column < count; column++) {
            const images = cells.get(row * count + column) || 0, share = totals[row] ? images / totals[row] : 0;
            const tone = row === column ? "var(--good)" : "var(--bad)";
            const strength = images ? (row === column ? 0.1 + 0.8 * share : 0.12 + 0.88 * Math.sqrt(share)) : 0.03;
            const x = label + column * cell, y = label + row * cell;
            root.append(svg("rect", { class: "cell", "data-count": images, x: x + 0.5, y: y + 0.5, width: cell - 1, height: cell - 1, rx: 2, fill: "rgba(" + tone + "," + strength.toFixed(3) + ")" },
                svg("title", {}, e.names[row] + " taken for " + e.names[column] + ": " + images + " of " + totals[row])));
            if (images && cell === 38) {
                root.append(svg("text", { class: "cell-text", x: x + cell / 2, y: y + cell / 2 + 4, "text-anchor": "middle",
                    style: "pointer-events:none;fill:" + (strength > 0.55 ? "var(--card)" : "var(--ink)") }, String(images)));
            }
        }
    }
    return html("div", { class: "card confusion" }, html("h3", {}, "Confusion: rows are what it is, columns what it was taken for"),
        html("div", { class: "scroll" }, root));
}

function confusedPairs(e) {
    return html("div", { class: "card" }, html("h3", {}, "Most confused"), e.confused.length === 0
        ? html("p", { class: "soft" }, "Nothing was taken for anything else.")
        : table(["Is", "Taken for", e.view.things], e.confused.map(([a, b, images]) => [e.names[a], e.names[b], whole(images)]), "tall pairs"));
}

/* A bar stands for a share in percent. */
function classTable(e) {
    const three = (value) => (typeof value === "string" ? value : known(value) ? value.toFixed(3) : "–");
    const bar = (value) => known(value)
        ? [html("span", { class: "track" }, html("span", { class: "bar", style: "width:" + (0.9 * value).toFixed(1) + "px" })), percent(value)] : "–";
    const texts = (numbers) => numbers.map((n, k) => (!e.view.percent ? three(n) : k ? percent(n) : bar(n)));
    return html("div", { class: "card recall" }, html("h3", {}, e.view.class_title), note(e.view.class_note),
        table(["Class", e.view.things, ...e.view.numbers],
            e.rows.map(([i, count, ...numbers]) => [e.names[i], whole(count), ...texts(numbers)]), "tall"));
}

/* How many classes have which recall or AP, where there are too many for a matrix. */
function classChart(e) {
    const what = e.view.numbers[0], full = e.view.percent ? 100 : 1, counts = new Array(20).fill(0);
    const share = (v) => (e.view.percent ? Math.round(100 * v) + " %" : String(v));
    e.rows.filter(([, , first]) => known(first)).forEach(([, , first]) => { counts[Math.min(19, Math.floor(20 * first / full))]++; });
    const width = 420, height = 240, left = 44, bottom = 36, most = Math.max(...counts, 1);
    const px = (v) => left + v * (width - left - 24), py = (n) => height - bottom - n / most * (height - bottom - 10);
    const root = svg("svg", { viewBox: "0 0 " + width + " " + height, style: "max-width:" + width + "px", role: "img", "aria-label": what + " of the classes" });
    for (const n of ticks(0, most, 4).filter((n) => Number.isInteger(n))) {
        root.append(svg("line", { class: "grid", x1: px(0), x2: px(1), y1: py(n), y2: py(n) }),
            svg("text", { x: left - 6, y: py(n) + 4, "text-anchor": "end" }, String(n)));
    }
    counts.forEach((n, i) => root.append(svg("rect", { x: px(i / 20) + 1, width: px(0.05) - px(0) - 2, y: py(n), height: py(0) - py(n), fill: "rgba(var(--good),.7)" },
        svg("title", {}, n + " classes of " + share(i / 20) + " to " + share((i + 1) / 20)))));
    for (const v of [0, 0.25, 0.5, 0.75, 1]) {
        root.append(svg("text", { x: px(v), y: height - bottom + 16, "text-anchor": "middle" }, share(v)));
    }
    root.append(svg("text", { x: (px(0) + px(1)) / 2, y: height - 4, "text-anchor": "middle" }, what));
    return html("div", { class: "card" }, html("h3", {}, "Number of classes by their " + what), root);
}

function calibrationChart(e) {
    const bins = e.calibration.filter((bin) => bin.images > 0);
    const width = 360, height = 260, left = 44, bottom = 36, side = height - bottom - 8;
    const px = (x) => left + x * (width - left - 24), py = (y) => 8 + (1 - y) * side;
    const root = svg("svg", { viewBox: "0 0 " + width + " " + height, style: "max-width:" + width + "px", role: "img", "aria-label": "Calibration" });
    for (const v of [0, 0.25, 0.5, 0.75, 1]) {
        root.append(svg("line", { class: "grid", x1: px(0), x2: px(1), y1: py(v), y2: py(v) }),
            svg("text", { x: left - 6, y: py(v) + 4, "text-anchor": "end" }, v * 100 + " %"),
            svg("text", { x: px(v), y: height - bottom + 16, "text-anchor": "middle" }, v * 100 + " %"));
    }
    for (const bin of bins) {
        root.append(svg("rect", { class: "bin", x: px(bin.low) + 1, width: Math.max(1, px(bin.high) - px(bin.low) - 2), y: py(bin.accuracy), height: Math.max(1, py(0) - py(bin.accuracy)), fill: "rgba(var(--good),.7)" },
            svg("title", {}, whole(bin.images) + " images: said " + percent(100 * bin.confidence) + ", right " + percent(100 * bin.accuracy))));
    }
    root.append(svg("path", { d: "M" + px(0) + " " + py(0) + "L" + px(1) + " " + py(1), stroke: "var(--soft)", "stroke-dasharray": "4 4", fill: "none" }),
        svg("text", { x: (px(0) + px(1)) / 2, y: height - 4, "text-anchor": "middle" }, "probability given to the answer"));
    return html("div", { class: "card" }, html("h3", {}, "How often the answer is right · error " + percent(e.calibration_error)), root);
}

/* What went wrong with an image: mistakes, or what it was taken for. */
function verdict(e, w) {
    if (known(w.mistakes)) {
        return [w.mistakes + (w.mistakes === 1 ? " mistake" : " mistakes")];
    }
    return [e.names[w.label] + " ", w.label === w.predicted ? "right, " : html("span", { class: "wrong" }, "→ " + e.names[w.predicted] + " "),
        known(w.probability) ? (100 * w.probability).toFixed(1) + "\u00a0%" : ""];
}

function worstImages(e) {
    const wide = e.worst.some((w) => known(w.mistakes));
    return html("div", { class: "card", style: "grid-column:1/-1" }, html("h3", {}, e.view.worst_title), note(e.view.worst_note),
        html("div", { class: wide ? "worst wide" : "worst" }, ...e.worst.map((w) => {
            const box = html("div", { class: "box" });
            if (w.picture) {
                const image = html("img", { src: w.picture, alt: w.image });
                image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= 64));
                box.append(image);
            } else {
                box.append("no image");
            }
            if (w.explained) {
                box.append(html("img", { src: w.explained, alt: "", title: "where the answer came from (Grad-CAM)" }));
            }
            return html("figure", w.explained ? { title: w.image, class: "two" } : { title: w.image }, box,
                html("figcaption", {}, ...verdict(e, w), html("div", { class: "soft" }, w.image)));
        })));
}

/* Of the mean of all classes, and of those that are worst. */
function curveChart(e) {
    const width = 420, height = 280, left = 44, bottom = 36, side = height - bottom - 8;
    const px = (x) => left + x * (width - left - 24), py = (y) => 8 + (1 - y) * side;
    const root = svg("svg", { viewBox: "0 0 " + width + " " + height, style: "max-width:" + width + "px", role: "img", "aria-label": e.view.curve_title });
    for (const v of [0, 0.25, 0.5, 0.75, 1]) {
        root.append(svg("line", { class: "grid", x1: px(0), x2: px(1), y1: py(v), y2: py(v) }),
            svg("text", { x: left - 6, y: py(v) + 4, "text-anchor": "end" }, String(v)),
            svg("text", { x: px(v), y: height - bottom + 16, "text-anchor": "middle" }, String(v)));
    }
    const line = (points) => points.map((p, i) => (known(p) ? (i ? "L" : "M") + px(i / (points.length - 1)).toFixed(1) + " " + py(p).toFixed(1) : "")).join("");
    for (const c of e.curves) {
        root.append(svg("path", { class: "curve", d: line(c.points), fill: "none", stroke: "var(--soft)", "stroke-opacity": 0.6 },
            svg("title", {}, e.names[c.class])));
    }
    root.append(svg("path", { d: line(e.curve), fill: "none", stroke: "rgb(var(--good))", "stroke-width": 2.5 }, svg("title", {}, "mean of all classes")),
        svg("text", { x: (px(0) + px(1)) / 2, y: height - 4, "text-anchor": "middle" }, e.view.curve_axis));
    return html("div", { class: "card" }, html("h3", {}, e.view.curve_title),
        note("Thick: the mean of all classes. Thin: the " + e.curves.length + " of the lowest " + e.view.numbers[0] + "."), root);
}

function cardsOf(e) {
    const named = e.view.none ? { ...e, names: [...e.names, e.view.none] } : e;
    return [e.curve ? curveChart(e) : null, e.matrix ? confusionMatrix(named) : classChart(e), confusedPairs(named), classTable(e),
        e.calibration ? calibrationChart(e) : null, e.worst.length ? worstImages(e) : null];
}

function drawEvaluations() {
    const evaluated = runs.map((run, i) => [run, i]).filter(([run]) => run.evaluation);
    if (evaluated.length === 0) {
        return;
    }
    section("What the best weights get right and wrong", ...evaluated.map(([run, i], place) => {
        const e = run.evaluation;
        const head = [dot(i), run.name + " · " + whole(e.images) + " images of " + e.data + " · " +
            run.scores.filter((s) => s.curve).map((s) => s.label + " " + scoreText(s, e[s.key])).join(", ") +
            (known(e.loss) ? ", loss " + number(e.loss) : "") + (e.skipped ? " · " + e.skipped + " skipped" : "")];
        const cards = !e.view ? null : html("div", { class: "cards", style: "margin-top:12px" }, ...cardsOf(e));
        return html("details", place === 0 ? { open: "" } : {}, html("summary", {}, ...head), cards);
    }));
}

/* --- Recipes --- */

function drawRecipes() {
    const read = runs.map((run, i) => [run, i]).filter(([run]) => run.recipe);
    if (read.length === 0) {
        return;
    }
    const keys = read[0][0].recipe.map((row) => row.key);
    const find = (run, key) => run.recipe.find((row) => row.key === key) || { value: "", default: null, differs: false };
    const body = html("tbody", {});
    for (const key of keys) {
        const rows = read.map(([run]) => find(run, key));
        const apart = rows.some((row) => row.value !== rows[0].value), changed = rows.some((row) => row.differs);
        const defaults = new Set(rows.map((row) => row.default));
        const standard = defaults.size > 1 ? "its network's" : rows[0].default === null ? "must be given" : rows[0].default || "none";
        const plain = !changed && !apart && rows[0].default !== null;
        body.append(html("tr", { class: (changed ? "differs " : "") + (apart ? "apart " : "") + (plain ? "plain" : "") },
            html("td", { class: "left" }, key), html("td", { class: "value left same" }, standard),
            ...rows.map((row) => html("td", { class: "value left " + (row.differs ? "changed" : "same") }, row.value || "none"))));
    }
    const box = html("input", { type: "checkbox", id: "all-keys" });
    const show = () => body.querySelectorAll(".plain").forEach((row) => { row.hidden = !box.checked; });
    box.addEventListener("change", show);
    show();
    section("Recipe", html("div", { class: "card", id: "recipe" },
        html("p", { class: "soft" }, "Marked: other than the default." + (read.length > 1 ? " ≠: the runs differ." : "")),
        html("label", {}, box, " show all keys"),
        html("div", { class: "scroll" }, html("table", {}, html("thead", {}, html("tr", {}, html("th", {}, "Key"), html("th", { class: "left" }, "Default"),
            ...read.map(([run, i]) => html("th", { class: "left" }, dot(i), run.name)))), body))));
}

/* --- The page --- */

function redraw() {
    charts.forEach((draw) => draw());
}

function drawLegend() {
    const nav = document.getElementById("legend");
    runs.forEach((run, i) => {
        const button = html("button", { type: "button", "aria-pressed": "true", title: run.path }, dot(i), run.name);
        button.addEventListener("click", () => {
            const off = !hidden.delete(i);
            if (off) {
                hidden.add(i);
            }
            button.setAttribute("aria-pressed", String(!off));
            redraw();
        });
        nav.append(button);
    });
    const choices = [["epoch", "epochs"], ["step", "updates"]].map(([value, text]) => {
        const button = html("button", { type: "button", "aria-pressed": String(axis === value) }, text);
        button.addEventListener("click", () => {
            axis = value;
            choices.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
            redraw();
        });
        return button;
    });
    nav.append(html("span", { class: "axis" }, ...choices));
}

function drawPage() {
    const title = runs.length > 6 ? runs.length + " runs" : runs.map((run) => run.name).join(", ");
    document.title = title + " · weld report";
    document.getElementById("title").textContent = title;
    document.getElementById("made").textContent = "Report of " + runs.length + (runs.length === 1 ? " training run, " : " training runs, ") + report.made;
    document.getElementById("foot").textContent = "Made by weld " + report.version + ". Nothing on this page is fetched from anywhere.";
    axis = runs.every((run) => known(run.steps_per_epoch)) ? "epoch" : "step";
    drawLegend();
    drawSummary();
    drawComparison();
    drawCurves();
    drawTimes();
    drawEvaluations();
    drawRecipes();
    redraw();
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
        if (window.innerWidth !== width) {
            width = window.innerWidth;
            redraw();
        }
    });
}

drawPage();
