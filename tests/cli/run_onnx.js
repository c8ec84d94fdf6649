// node run_onnx.js MODEL.onnx INPUT.npy OUTPUT=EXPECTED.npy...: run the model in ONNX Runtime on the
// array and compare each output with what it is to be, to 1e-4 of the largest element. Further arrays
// follow with their outputs. Prints a line an output; exit status 1 where one differs.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');

// A .npy of little-endian float32 in C order.
function readArray(path) {
  const bytes = fs.readFileSync(path);
  const begin = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const header = bytes.toString('latin1', begin, begin + length);
  if (!header.includes("'<f4'") || header.includes('True')) {
    throw new Error(`${path}: not float32 in C order`);
  }
  const dims = (header.match(/'shape': \(([^)]*)\)/)[1].match(/\d+/g) || []).map(Number);
  const from = bytes.byteOffset + begin + length;
  return { dims, data: new Float32Array(bytes.buffer.slice(from, bytes.byteOffset + bytes.length)) };
}

// Written so that what is not a number counts as different.
function compare(name, got, want) {
  const sameShape = got.dims.length === want.dims.length && got.dims.every((d, i) => d === want.dims[i]);
  let largest = 0;
  let difference = 0;
  for (let i = 0; sameShape && i < want.data.length; i++) {
    const d = Math.abs(got.data[i] - want.data[i]);
    largest = Math.max(largest, Math.abs(want.data[i]));
    difference = d <= difference ? difference : d >= 0 ? d : Infinity;
  }
  const good = sameShape && largest > 0 && difference <= 1e-4 * largest;
  console.log(`${name} [${got.dims}], wanted [${want.dims}]: ` +
    `largest difference ${difference.toExponential(2)} of ${largest.toExponential(2)}` +
    `${good ? '' : ': DIFFERENT'}`);
  return good;
}

async function main(model, ...words) {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
  let good = true;
  let compared = 0;
  let results;
  for (const word of words) {
    const [name, expected] = word.split('=');
    if (expected === undefined) {
      const x = readArray(word);
      results = await session.run({ input: new ort.Tensor('float32', x.data, x.dims) });
    } else {
      good = compare(name, results[name], readArray(expected)) && good;
      compared += 1;
    }
  }
  process.exitCode = good && compared > 0 ? 0 : 1;
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
