/* Runs side by side: a table with a row a run, and how good each is over what it costs. */

const bestScore = (run) => (run.best ? run.best[run.scores[0].key] : null);
const millions = (value, decimals) => (known(value) ? (value / 1e6).toFixed(decimals) + " M" : "–");
const mergedOf = (run) => run.merged || {};
const milliseconds = (run) => (run.latency ? run.latency.milliseconds : null);
const isBusy = (run) => Boolean(run.latency) && run.latency.quiet === false;
const valueOf = (run, key) => ((run.recipe || []).find((row) => row.key === key) || { value: "" }).value;

/* --- Points: a run each, with its name --- */

const pointRadius = 4;

/* The places that a name may take beside its point, the best first. */
function labelPlaces(x, y, width) {
    const gap = pointRadius + 4;
    return [[x + gap, y - 6], [x - gap - width, y - 6], [x - width / 2, y - gap - 12], [x - width / 2, y + gap]]
        .map(([left, top]) => ({ left, top, right: left + width, bottom: top + 12 }));
}

const apart = (a, b) => a.right < b.left || b.right < a.left || a.bottom < b.top || b.bottom < a.top;

/* Names go where they cover neither points nor each other, as far as there is room. */
function addLabels(root, at, marks) {
    const taken = marks.map((m) => ({ left: m.x - pointRadius, right: m.x + pointRadius, top: m.y - pointRadius, bottom: m.y + pointRadius }));
    const inside = (box) => box.left >= at.left && box.right <= at.left + at.across && box.top >= at.top && box.bottom <= at.top + at.down;
    for (const m of marks) {
        const name = m.name.length > 24 ? m.name.slice(0, 23) + "…" : m.name;
        const places = labelPlaces(m.x, m.y, name.length * 6.3);
        const box = places.find((p) => inside(p) && taken.every((other) => apart(p, other))) || places.find(inside) || places[0];
        taken.push(box);
        root.append(svg("text", { class: "label", x: (box.left + box.right) / 2, y: box.top + 10, "text-anchor": "middle" }, name));
    }
}

function rangeOf(values) {
    const low = Math.min(...values), high = Math.max(...values);
    const margin = (high - low) * 0.1 || Math.abs(high) * 0.1 || 1;
    return [low - margin, high + margin];
}

/* Runs of one task, since others have other scores. */
function pointChart(title, label, cost, text) {
    const score = runs[0].scores[0];
    const shown = runs.map((run, i) => ({ run, i })).filter(({ run }) => run.scores[0].key === score.key && known(cost(run)) && known(bestScore(run)));
    if (shown.length < 2) {
        return null;
    }
    const holder = html("div", {});
    charts.push(() => {
        const list = shown.filter(({ i }) => !hidden.has(i));
        holder.textContent = "";
        if (list.length === 0) {
            return;
        }
        const at = frameOf(Math.max(260, holder.clientWidth), 320, rangeOf(list.map(({ run }) => cost(run))), rangeOf(list.map(({ run }) => bestScore(run))));
        const root = svg("svg", { viewBox: "0 0 " + at.width + " " + at.height, height: at.height, role: "img", "aria-label": title });
        addAxes(root, at, label);
        const marks = list.map(({ run, i }) => ({ name: run.name, x: at.x(cost(run)), y: at.y(bestScore(run)), run, i }));
        marks.forEach((m) => root.append(svg("circle", { class: "point", cx: m.x, cy: m.y, r: pointRadius, fill: colour(m.i) },
            svg("title", {}, m.name + ": " + scoreText(score, bestScore(m.run)) + ", " + text(cost(m.run))))));
        addLabels(root, at, marks);
        holder.append(root);
    });
    return html("div", { class: "card chart" }, html("h3", {}, title), holder);
}

/* --- The table --- */

function comparisonTable() {
    const label = runs.every((run) => run.scores[0].key === runs[0].scores[0].key) ? runs[0].scores[0].label : "score";
    const latency = (run) => (known(milliseconds(run)) ? number(milliseconds(run), 3) + " ms" + (isBusy(run) ? " (not quiet)" : "") : "–");
    const columns = [
        ["Run", (run, i) => [dot(i), run.name]],
        ["Network", (run) => run.model || "–"],
        ["Image", (run) => Array.isArray(run.input_size) ? run.input_size.join(" x ") : whole(run.input_size)],
        ["Parameters", (run) => millions(run.parameters, 2)],
        ["merged", (run) => millions(mergedOf(run).parameters, 2)],
        ["Multiply-adds", (run) => millions(run.macs, 1)],
        ["merged", (run) => millions(mergedOf(run).macs, 1)],
        ["Best " + label, (run) => scoreText(run.scores[0], bestScore(run)) + (run.best ? " (epoch " + run.best.epoch + ")" : "")],
        ...(runs.some((run) => run.latency) ? [["Latency", latency]] : []),
        ["Training loss", (run) => number((run.final || {}).train_loss)]];
    return html("div", { class: "card", id: "comparison" }, table(columns.map(([name]) => name),
        runs.map((run, i) => columns.map(([, cell]) => cell(run, i)))));
}

/* How latency was measured, and what must not be compared. */
function comparisonNotes() {
    const timed = runs.filter((run) => run.latency), notes = [];
    if (timed.length > 0) {
        notes.push(html("p", { class: "soft" }, "Latency: one image through the merged network in fp32, median; all measured one after the other when this page was made, " +
            report.made + ", with " + timed[0].latency.threads + (timed[0].latency.threads === 1 ? " thread" : " threads") + (report.cpu ? " of " + report.cpu : "") + "."));
    }
    const busy = timed.filter(isBusy);
    if (busy.length > 0) {
        notes.push(html("p", { class: "note" }, "The latency of " + busy.map((run) => run.name).join(", ") + " should not be quoted: the machine was not left to it. " +
            busy[0].name + " was " + busy[0].latency.told));
    }
    const read = runs.filter((run) => run.recipe);
    if (read.some((run) => valueOf(run, "data.val") !== valueOf(read[0], "data.val"))) {
        notes.push(html("p", { class: "note" }, "These runs were evaluated on different data (data.val), so that their scores may not be comparable."));
    }
    return notes;
}

function drawComparison() {
    if (runs.length < 2 && !runs[0].latency) {
        return;
    }
    const best = "Best " + runs[0].scores[0].label;
    const cards = [
        pointChart(best + " over latency", "milliseconds for one image", milliseconds, (value) => number(value, 3) + " ms"),
        pointChart(best + " over multiply-adds", "millions of multiply-adds, merged", (run) => mergedOf(run).macs / 1e6, (value) => number(value) + " M")];
    section("Side by side", comparisonTable(), ...comparisonNotes(), html("div", { class: "cards", style: "margin-top:16px" }, ...cards.filter((c) => c)));
}
