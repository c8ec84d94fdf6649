"use strict";
/* What the page is made of: the data, elements, numbers and line charts; report.js puts them together.
 * Texts come from files and folders of others: they reach the page as text and attributes only, never
 * as HTML. */
const report = JSON.parse(document.getElementById("data").textContent);
const runs = report.runs;
const hidden = new Set();
const charts = [];
let axis = "epoch";

/* --- Elements and numbers --- */

function add(parent, children) {
    for (const child of children) {
        if (child !== null && child !== undefined) {
            parent.append(child);
        }
    }
    return parent;
}

function html(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
        element.setAttribute(name, value);
    }
    return add(element, children);
}

function svg(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes || {})) {
        element.setAttribute(name, value);
    }
    return add(element, children);
}

function known(value) {
    return typeof value === "number" && Number.isFinite(value);
}

function number(value, digits = 4) {
    if (!known(value)) {
        return "–";
    }
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
        return value.toExponential(Math.max(0, Math.min(digits - 2, 2))).replace("e+", "e");
    }
    return String(Number(value.toPrecision(digits)));
}

const percent = (value) => (known(value) ? value.toFixed(2) + " %" : "–");
const whole = (value) => (known(value) ? Math.round(value).toLocaleString("en") : "–");

function duration(seconds) {
    if (!known(seconds)) {
        return "–";
    }
    const minutes = Math.floor(seconds / 60);
    if (seconds < 60) {
        return seconds.toFixed(seconds < 10 ? 1 : 0) + " s";
    }
    return minutes < 60
        ? minutes + " min " + Math.floor(seconds % 60) + " s"
        : Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
}

const colour = (index) => "var(--c" + (index % 8) + ")";
const dot = (index) => html("span", { class: "dot", style: "background:" + colour(index) });

function section(title, ...children) {
    document.getElementById("page").append(html("section", {}, html("h2", {}, title), ...children));
}

function table(head, rows, kind) {
    const cell = (tag, content) => {
        const element = html(tag);
        if (Array.isArray(content)) {
            return add(element, content);
        }
        element.append(content);
        return element;
    };
    return html("div", { class: "scroll " + (kind || "") },
        html("table", {},
            html("thead", {}, html("tr", {}, ...head.map((text) => cell("th", text)))),
            html("tbody", {}, ...rows.map((row) => html("tr", {}, ...row.map((text) => cell("td", text)))))));
}

/* --- Line charts --- */

function ticks(low, high, count) {
    const rough = (high - low) / Math.max(1, count);
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.999);
    const list = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
        list.push(Number((i * step).toPrecision(12)));
    }
    return list;
}

function smooth(values) {
    const keep = Math.exp(-1 / Math.max(1, values.length / 60));
    let sum = 0, weight = 0;
    return values.map((value) => {
        if (!known(value)) {
            return null;
        }
        sum = keep * sum + (1 - keep) * value;
        weight = keep * weight + (1 - keep);
        return sum / weight;
    });
}

/* Points [x, y] of one run: x as the axis says. */
function points(run, steps, values) {
    const scale = axis === "epoch" ? run.steps_per_epoch : 1;
    const list = [];
    steps.forEach((step, i) => {
        if (known(values[i]) && known(scale) && scale > 0) {
            list.push([step / scale, values[i]]);
        }
    });
    return list;
}

function stepSeries(run, index, key, options) {
    const s = run.steps || { step: [] };
    const values = s[key] || [];
    return { run: index, name: "", ...options, points: points(run, s.step, options.smooth ? smooth(values) : values) };
}

function epochSeries(run, index, key, options) {
    const list = run.epochs || [];
    return { run: index, name: "", marks: list.length <= 60, ...options,
        points: points(run, list.map((e) => e.step), list.map((e) => e[key])) };
}

function nearest(list, x) {
    let low = 0, high = list.length - 1;
    while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (list[middle][0] < x) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return Math.abs(list[low][0] - x) <= Math.abs(list[high][0] - x) ? list[low] : list[high];
}

function lineKey(styles) {
    return html("div", { class: "key" }, ...styles.map(([kind, text]) =>
        html("span", {}, svg("svg", { viewBox: "0 0 26 8" },
            svg("path", { class: "line sample " + kind, d: "M1 4H25", stroke: "currentColor" })), text)));
}

/* Where values between these are on a chart of this size. */
function frameOf(width, height, [xLow, xHigh], [yLow, yHigh]) {
    const left = 54, right = 10, top = 8, bottom = 38;
    const across = width - left - right, down = height - top - bottom;
    return { width, height, left, top, across, down, xLow, xHigh, yLow, yHigh,
        x: (value) => left + (value - xLow) / (xHigh - xLow) * across,
        y: (value) => top + down - (value - yLow) / (yHigh - yLow) * down,
        valueAt: (x) => Math.min(Math.max(xLow + (x - left) / across * (xHigh - xLow), xLow), xHigh) };
}

/* For these curves. */
function scalesOf(series, width, options) {
    const xs = series.flatMap((s) => [s.points[0][0], s.points[s.points.length - 1][0]]);
    const ys = series.filter((s) => !s.loose).flatMap((s) => s.points.map((p) => p[1]));
    const xLow = Math.min(0, ...xs), xHigh = Math.max(...xs) || 1;
    const low = ys.reduce((a, b) => Math.min(a, b)), high = ys.reduce((a, b) => Math.max(a, b));
    const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    const yLow = options.zero ? 0 : Math.max(low - margin, options.low === undefined ? -Infinity : options.low);
    const yHigh = Math.min(high + margin, options.high === undefined ? Infinity : options.high);
    return frameOf(width, 250, [xLow, xHigh], [yLow, yHigh]);
}

const tickText = (value) => (value >= 1e5 ? value / 1000 + "k" : String(value));

/* Grid, numbers, frame and what x is. */
function addAxes(root, at, label) {
    const end = at.top + at.down;
    for (const y of ticks(at.yLow, at.yHigh, 5)) {
        root.append(svg("line", { class: "grid", x1: at.left, x2: at.left + at.across, y1: at.y(y), y2: at.y(y) }),
            svg("text", { x: at.left - 6, y: at.y(y) + 4, "text-anchor": "end" }, number(y, 3)));
    }
    for (const x of ticks(at.xLow, at.xHigh, Math.max(3, Math.floor(at.width / 90)))) {
        root.append(svg("line", { class: "grid", x1: at.x(x), x2: at.x(x), y1: at.top, y2: end }),
            svg("text", { x: at.x(x), y: end + 16, "text-anchor": "middle" }, tickText(x)));
    }
    root.append(svg("rect", { class: "frame", x: at.left, y: at.top, width: at.across, height: at.down }),
        svg("text", { x: at.left + at.across / 2, y: at.height - 4, "text-anchor": "middle" }, label));
}

/* The curves, cut off at the frame. */
function addLines(root, at, series, id) {
    const lines = svg("g", { "clip-path": "url(#" + id + ")" });
    for (const s of series) {
        const d = s.points.map((p, i) => (i ? "L" : "M") + at.x(p[0]).toFixed(1) + " " + at.y(p[1]).toFixed(1)).join("");
        lines.append(svg("path", { class: "line curve " + (s.kind || ""), d, stroke: colour(s.run), "data-run": s.run }));
        if (s.marks || s.points.length === 1) {
            s.points.forEach((p) => lines.append(svg("circle", { cx: at.x(p[0]), cy: at.y(p[1]), r: 2.2, fill: colour(s.run) })));
        }
    }
    root.append(svg("clipPath", { id }, svg("rect", { x: at.left, y: at.top - 2, width: at.across + 2, height: at.down + 4 })), lines);
}

/* Tell the values nearest to the pointer. */
function addTip(holder, root, at, series, show) {
    const cursor = svg("line", { class: "cursor", y1: at.top, y2: at.top + at.down, visibility: "hidden" });
    const tip = html("div", { class: "tip", hidden: "" });
    const told = series.filter((s) => !s.loose);
    root.append(cursor);
    holder.append(tip);
    root.addEventListener("pointermove", (event) => {
        const box = root.getBoundingClientRect(), place = event.clientX - box.left;
        const x = at.valueAt(place / box.width * at.width);
        const values = told.map((s) => nearest(s.points, x));
        const closest = values.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
        cursor.setAttribute("x1", at.x(closest[0]));
        cursor.setAttribute("x2", at.x(closest[0]));
        cursor.setAttribute("visibility", "visible");
        tip.hidden = false;
        tip.replaceChildren(html("div", { class: "soft" }, (axis === "epoch" ? "epoch " : "update ") + number(closest[0])),
            ...told.map((s, i) => html("div", {}, dot(s.run), (runs.length > 1 ? runs[s.run].name + " " : "") + s.name,
                html("b", {}, show(values[i][1])))));
        tip.style.top = at.top + 24 + "px";
        tip.style.left = place > box.width / 2 ? "" : place + 24 + "px";
        tip.style.right = place > box.width / 2 ? box.width - place + 36 + "px" : "";
    });
    root.addEventListener("pointerleave", () => {
        tip.hidden = true;
        cursor.setAttribute("visibility", "hidden");
    });
}

/* make() gives the series of all runs; draws anew when the axis, the runs or the width change. */
function chart(title, unit, styles, make, options = {}) {
    const holder = html("div", {});
    const id = "clip" + charts.length;
    charts.push(() => {
        const series = make().filter((s) => !hidden.has(s.run) && s.points.length > 0);
        holder.textContent = "";
        if (series.every((s) => s.loose)) {
            holder.append(html("p", { class: "soft" }, "No values yet."));
            return;
        }
        const at = scalesOf(series, Math.max(260, holder.clientWidth), options);
        const root = svg("svg", { viewBox: "0 0 " + at.width + " " + at.height, height: at.height, role: "img", "aria-label": title });
        addAxes(root, at, axis === "epoch" ? "epoch" : "update");
        addLines(root, at, series, id);
        holder.append(root);
        addTip(holder, root, at, series, options.format || number);
    });
    return html("div", { class: "card chart" }, html("h3", {}, title + (unit ? " · " + unit : "")),
        styles.length > 1 ? lineKey(styles) : null, holder);
}
