// node find_boxes.js MODEL.onnx TRUTH.json FOLDER HEIGHT WIDTH: what a detector's file finds in ONNX Runtime
// in the images of COCO's annotations, as COCO's results on stdout. PNG files that are no larger than the
// input are put in the middle of it, on 114; scores, suppression and limits are those of an evaluation.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');
const path = require('path');
const zlib = require('zlib');

const CONFIDENCE = 0.001;
const IOU = 0.7;
const MOST = 300;
const PADDING = 114;

function paeth(a, b, c) {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

// A PNG of 8-bit RGB without interlacing: { width, height, pixels }.
function readPng(file) {
  const bytes = fs.readFileSync(file);
  const parts = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') {
      parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
    }
  }
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  if (bytes.readUInt32BE(24) !== 0x08020000) {
    throw new Error(`${file}: not 8-bit RGB`);
  }
  const row = 3 * width;
  const raw = zlib.inflateSync(Buffer.concat(parts));
  const pixels = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)];
    for (let i = 0; i < row; i++) {
      const left = i < 3 ? 0 : pixels[y * row + i - 3];
      const up = y === 0 ? 0 : pixels[(y - 1) * row + i];
      const corner = y === 0 || i < 3 ? 0 : pixels[(y - 1) * row + i - 3];
      const more = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      pixels[y * row + i] = raw[y * (row + 1) + 1 + i] + more;
    }
  }
  return { width, height, pixels };
}

function letterbox({ width, height, pixels }, rows, columns) {
  const [left, top] = [(columns - width) / 2, (rows - height) / 2];
  const data = new Float32Array(3 * rows * columns).fill(PADDING / 255);
  for (let i = 0; i < pixels.length; i++) {
    const [x, y] = [left + (Math.floor(i / 3) % width), top + Math.floor(i / 3 / width)];
    data[((i % 3) * rows + y) * columns + x] = pixels[i] / 255;
  }
  return { left, top, data };
}

function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const area = (c) => (c[2] - c[0]) * (c[3] - c[1]);
  const common = width > 0 && height > 0 ? width * height : 0;
  return common > 0 ? common / (area(a) + area(b) - common) : 0;
}

// Rows cx, cy, width, height and the classes' scores of an image: the boxes that stay, best first.
function suppress(rows, anchors, classes) {
  const found = [];
  for (let i = 0; i < anchors * classes; i++) {
    const [anchor, c] = [Math.floor(i / classes), i % classes];
    const score = rows[(4 + c) * anchors + anchor];
    if (score > CONFIDENCE) {
      const [x, y, w, h] = [0, 1, 2, 3].map((row) => rows[row * anchors + anchor]);
      found.push({ score, c, box: [x - w / 2, y - h / 2, x + w / 2, y + h / 2] });
    }
  }
  found.sort((a, b) => b.score - a.score);
  const kept = [];
  for (const one of found) {
    if (kept.length < MOST && !kept.some((k) => k.c === one.c && overlap(k.box, one.box) > IOU)) {
      kept.push(one);
    }
  }
  return kept;
}

async function main(model, truth, folder, height, width) {
  const [rows, columns] = [Number(height), Number(width)];
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
  const { images, categories } = JSON.parse(fs.readFileSync(truth));
  const ids = categories.map((c) => c.id).sort((a, b) => a - b);
  const results = [];
  for (const image of images) {
    const png = readPng(path.join(folder, image.file_name));
    const { left, top, data } = letterbox(png, rows, columns);
    const { output0 } = await session.run({ images: new ort.Tensor('float32', data, [1, 3, rows, columns]) });
    for (const { score, c, box } of suppress(output0.data, output0.dims[2], ids.length)) {
      const limit = (v, shift, size) => Math.min(Math.max(v - shift, 0), size);
      const [x1, y1, x2, y2] = box.map((v, i) => limit(v, i % 2 ? top : left, i % 2 ? png.height : png.width));
      results.push({ image_id: image.id, category_id: ids[c], bbox: [x1, y1, x2 - x1, y2 - y1], score });
    }
  }
  console.log(JSON.stringify(results));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
