// readArray(PATH): a .npy of little-endian float32 in C order, as { dims, data }.
'use strict';
const fs = require('fs');

exports.readArray = (path) => {
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
};
