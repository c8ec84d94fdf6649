// node run_onnx.js MODEL.onnx INPUT.npy OUTPUT=EXPECTED.npy...: run the model in ONNX Runtime on the
// array and compare each output with what it is to be, to 1e-4 of the largest element. Further arrays
// follow with their outputs. Prints a line an output; exit status 1 where one differs.
'use strict';
const ort = require('onnxruntime-node');
const { readArray } = require('./read_array.js');

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
      results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', x.data, x.dims) });
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
