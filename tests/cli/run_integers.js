// node run_integers.js MODEL.onnx INPUT.npy CONVOLUTIONS PRODUCTS OUTPUT=EXPECTED.npy...: run the model in
// ONNX Runtime on the array and compare its outputs with what they are to be, bit for bit. The optimised graph
// must have so many QLinearConv and no Conv, and so many QGemm; - for CONVOLUTIONS: it is not looked at; plain:
// the file is run as it stands, without optimisation.
// OUTPUT~EXPECTED: nine in ten of the numbers need be within 1e-5 of the largest, as where some layers are
// floats: their rounding moves a code by one here and there. The file must load with optimisation off, too.
// Prints a line an output; exit status 1 where one differs.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const ort = require('onnxruntime-node');
const { readArray } = require('./read_array.js');

// Nodes of a kind in an ONNX file, without reading all of it: op_type is field 4 of a node.
function count(bytes, kind) {
  const field = Buffer.concat([Buffer.from([0x22, kind.length]), Buffer.from(kind)]);
  let found = 0;
  for (let at = bytes.indexOf(field); at >= 0; at = bytes.indexOf(field, at + 1)) found += 1;
  return found;
}

function compare(name, got, want, exactly) {
  const images = want.dims[0];
  const width = want.data.length / images;
  const bits = [got, want.data].map((a) => new Int32Array(a.buffer, a.byteOffset, a.length));
  const largest = want.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  let equal = 0;
  let near = 0;
  let difference = 0;
  for (let i = 0; i < images; i++) {
    let same = true;
    for (let k = i * width; k < (i + 1) * width; k++) {
      const d = Math.abs(got[k] - want.data[k]);
      same = same && bits[0][k] === bits[1][k];
      near += d <= 1e-5 * largest ? 1 : 0;
      difference = Math.max(difference, d);
    }
    equal += same ? 1 : 0;
  }
  console.log(`${name}: ${equal} of ${images} images equal, ${near} of ${images * width} numbers near, ` +
    `largest difference ${(difference / largest).toExponential(1)} of the largest`);
  const whole = got.length === want.data.length && largest > 0;
  return whole && (exactly ? equal === images : near >= 0.9 * images * width);
}

async function main(model, input, convolutions, products, ...words) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'integers-'));
  const optimised = path.join(folder, 'optimised.onnx');
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1, graphOptimizationLevel: 'all', optimizedModelFilePath: optimised, logSeverityLevel: 3,
  });
  const plain = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'disabled', logSeverityLevel: 3 });
  const bytes = fs.readFileSync(optimised);
  fs.rmSync(folder, { recursive: true });
  const x = readArray(input);
  const results = await (convolutions === 'plain' ? plain : session).run({ [session.inputNames[0]]: new ort.Tensor('float32', x.data, x.dims) });
  let good = words.length > 0;
  for (const word of words) {
    const [, name, kind, expected] = word.match(/^([^=~]*)([=~])(.*)$/);
    good = compare(name, results[name].data, readArray(expected), kind === '=') && good;
  }
  const made = [count(bytes, 'QLinearConv'), count(bytes, 'QGemm'), count(bytes, 'Conv')];
  console.log(`${made[0]} QLinearConv, ${made[1]} QGemm, ${made[2]} Conv`);
  if (convolutions !== '-' && convolutions !== 'plain') {
    good = good && made[0] === Number(convolutions) && made[1] === Number(products) && made[2] === 0;
  }
  process.exitCode = good ? 0 : 1;
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
