// Time ONNX Runtime on a file with fixed shapes.
//     node scripts/bench_ort.js FILE.onnx [--threads N] [--steps N] [--int8]
// Needs onnxruntime-node (scripts/install_onnxruntime), found by NODE_PATH. Prints one JSON object
// with the names of `weld bench --json`, and the mean beside the median; both are of the runs after
// three that warm up. --int8 says what the file is of.
const ort = require('onnxruntime-node');
const { version } = require('onnxruntime-node/package.json');

function option(name, otherwise) {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

async function main(file, threads, steps) {
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads });
  const { name, shape } = session.inputMetadata[0];
  const noise = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => Math.random());
  const feeds = { [name]: new ort.Tensor('float32', noise, shape) };
  const times = [];
  for (let i = -3; i < steps; i++) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    if (i >= 0) times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  const mean = times.reduce((a, b) => a + b) / steps;
  const median = times.sort((a, b) => a - b)[steps >> 1];
  console.log(JSON.stringify({
    who: `ONNX Runtime ${version}${process.argv.includes('--int8') ? ' int8' : ''}`, batch: shape[0], threads, milliseconds: median,
    mean_milliseconds: mean, images_per_second: shape[0] * 1e3 / median,
    peak_bytes: process.resourceUsage().maxRSS * 1024,
  }));
}
main(process.argv[2], option('--threads', 2), option('--steps', 10));
