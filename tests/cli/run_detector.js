// node run_detector.js LAYOUT MODEL.onnx X.npy BOXES.npy SCORES.npy [CONF IOU MOST [agnostic]]: run a
// detector's file in ONNX Runtime and hold what it gives to the boxes and scores that weld finds: to
// 0.01 pixels and 1e-4. LAYOUT: rows, nms or raw. What nms is to keep is worked out here, one box after
// another. Exit status 1 where something differs.
'use strict';
const ort = require('onnxruntime-node');
const { readArray } = require('./read_array.js');

const BINS = 16;
let compared = 0;

function hold(what, got, wanted, tolerance) {
  compared += 1;
  if (!(Math.abs(got - wanted) < tolerance)) {
    throw new Error(`${what}: ${got}, wanted ${wanted}`);
  }
}

function holdShape(name, got, wanted) {
  if (got.join() !== wanted.join()) {
    throw new Error(`${name} is [${got}], wanted [${wanted}]`);
  }
}

// x1 y1 x2 y2 and scores of an anchor.
function anchorOf({ boxes, scores }, image, anchor) {
  const [, anchors, classes] = scores.dims;
  const at = image * anchors + anchor;
  return {
    anchor,
    box: boxes.data.subarray(4 * at, 4 * at + 4),
    scores: scores.data.subarray(classes * at, classes * (at + 1)),
  };
}

function checkRows(out, want) {
  const [images, anchors, classes] = want.scores.dims;
  holdShape('output0', out.output0.dims, [images, 4 + classes, anchors]);
  for (let i = 0; i < images; i++) {
    for (let a = 0; a < anchors; a++) {
      const { box, scores } = anchorOf(want, i, a);
      const value = (row) => out.output0.data[(i * (4 + classes) + row) * anchors + a];
      const rows = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]];
      rows.forEach((w, row) => hold(`image ${i} anchor ${a} row ${row}`, value(row), w, 0.01));
      scores.forEach((w, c) => hold(`image ${i} anchor ${a} class ${c}`, value(4 + c), w, 1e-4));
    }
  }
}

function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const area = (c) => (c[2] - c[0]) * (c[3] - c[1]);
  const common = width > 0 && height > 0 ? width * height : 0;
  return common > 0 ? common / (area(a) + area(b) - common) : 0;
}

function suppressed(want, image, conf, iou, agnostic) {
  const found = [];
  for (let a = 0; a < want.scores.dims[1]; a++) {
    const one = anchorOf(want, image, a);
    one.score = Math.max(...one.scores);
    one.class = one.scores.indexOf(one.score);
    if (one.score > conf) {
      found.push(one);
    }
  }
  found.sort((x, y) => y.score - x.score || x.anchor - y.anchor);
  const kept = [];
  for (const one of found) {
    if (!kept.some((k) => (agnostic || k.class === one.class) && overlap(k.box, one.box) > iou)) {
      kept.push(one);
    }
  }
  return { kept, found };
}

function checkBest(out, want, [conf, iou, most], agnostic) {
  const images = want.scores.dims[0];
  holdShape('output0', out.output0.dims, [images, most, 6]);
  for (let i = 0; i < images; i++) {
    const { kept, found } = suppressed(want, i, conf, iou, agnostic);
    console.log(`image ${i}: ${kept.length} of ${found.length}, told are at most ${most}`);
    for (let k = 0; k < most; k++) {
      const row = out.output0.data.subarray((i * most + k) * 6, (i * most + k + 1) * 6);
      const one = kept[k];
      const wanted = one ? [...one.box, one.score, one.class] : [0, 0, 0, 0, 0, 0];
      wanted.forEach((w, c) => hold(`image ${i} box ${k} column ${c}`, row[c], w, c < 4 ? 0.01 : 1e-4));
    }
  }
}

// The distance that the logits of a side say, in positions.
function expectation(logit) {
  const e = Array.from({ length: BINS }, (_, bin) => Math.exp(logit(bin)));
  return e.reduce((sum, v, bin) => sum + bin * v, 0) / e.reduce((sum, v) => sum + v, 0);
}

function checkMaps(out, want) {
  const [images, anchors, classes] = want.scores.dims;
  let first = 0;
  for (const stride of [8, 16, 32]) {
    const map = out[`stride${stride}`];
    const [, channels, height, width] = map.dims;
    holdShape('map', map.dims, [images, 4 * BINS + classes, height, width]);
    for (let at = 0; at < images * height * width; at++) {
      const image = Math.floor(at / (height * width));
      const position = at % (height * width);
      const { box, scores } = anchorOf(want, image, first + position);
      const value = (c) => map.data[(image * channels + c) * height * width + position];
      const centre = [position % width + 0.5, Math.floor(position / width) + 0.5];
      box.forEach((w, side) => {
        const distance = expectation((bin) => value(side * BINS + bin));
        hold('side', stride * (centre[side % 2] + (side < 2 ? -distance : distance)), w, 0.01);
      });
      scores.forEach((w, c) => hold('score', 1 / (1 + Math.exp(-value(4 * BINS + c))), w, 1e-4));
    }
    first += height * width;
  }
  hold('anchors', first, anchors, 0.5);
}

async function main(layout, model, input, boxes, scores, ...rest) {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
  const x = readArray(input);
  const want = { boxes: readArray(boxes), scores: readArray(scores) };
  const out = await session.run({ images: new ort.Tensor('float32', x.data, x.dims) });
  if (layout === 'rows') {
    checkRows(out, want);
  } else if (layout === 'raw') {
    checkMaps(out, want);
  } else {
    checkBest(out, want, rest.slice(0, 3).map(Number), rest[3] === 'agnostic');
  }
  console.log(`${compared} numbers agree`);
  process.exitCode = compared > 0 ? 0 : 1;
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
