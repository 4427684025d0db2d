// Inflates zlib data for browsers without DecompressionStream: RFC 1950 and 1951, without the checksum.
"use strict";

const inflate = (() => {
  const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258];
  const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
  const DISTANCE_BASE = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
    3073, 4097, 6145, 8193, 12289, 16385, 24577];
  const DISTANCE_EXTRA = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13];
  const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

  // A canonical code: how many symbols each length has, and the symbols by length.
  function makeCode(lengths) {
    const counts = new Uint16Array(16), firsts = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
    for (const length of lengths) counts[length]++;
    counts[0] = 0;
    for (let length = 1; length < 15; length++) firsts[length + 1] = firsts[length] + counts[length];
    lengths.forEach((length, symbol) => { if (length) symbols[firsts[length]++] = symbol; });
    return { counts, symbols };
  }

  const fixedLengths = Array.from({ length: 288 }, (_, n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8));

  return function inflate(data) {
    let at = 2, bits = 0, held = 0, out = new Uint8Array(Math.max(1024, data.length * 6)), size = 0;

    function take(count) {
      while (held < count) {
        if (at >= data.length) throw new Error("the recording in this page is incomplete");
        bits |= data[at++] << held;
        held += 8;
      }
      const value = bits & ((1 << count) - 1);
      bits >>>= count;
      held -= count;
      return value;
    }

    function decode(code) {
      let value = 0, first = 0, index = 0;
      for (let length = 1; length < 16; length++) {
        value |= take(1);
        const count = code.counts[length];
        if (value - count < first) return code.symbols[index + value - first];
        index += count;
        first = (first + count) << 1;
        value <<= 1;
      }
      throw new Error("the recording in this page is damaged");
    }

    function reserve(more) {
      if (size + more <= out.length) return;
      const larger = new Uint8Array(Math.max(out.length * 2, size + more));
      larger.set(out);
      out = larger;
    }

    function readCodes() {
      const literals = take(5) + 257, distances = take(5) + 1, count = take(4) + 4;
      const lengths = new Array(19).fill(0);
      for (let n = 0; n < count; n++) lengths[ORDER[n]] = take(3);
      const code = makeCode(lengths), all = [];
      while (all.length < literals + distances) {
        const symbol = decode(code);
        if (symbol < 16) all.push(symbol);
        else if (symbol === 16) { const again = all[all.length - 1]; for (let n = take(2) + 3; n; n--) all.push(again); }
        else for (let n = symbol === 17 ? take(3) + 3 : take(7) + 11; n; n--) all.push(0);
      }
      return [makeCode(all.slice(0, literals)), makeCode(all.slice(literals))];
    }

    let isLast = false;
    while (!isLast) {
      isLast = take(1) === 1;
      const kind = take(2);
      if (kind === 0) {
        bits = held = 0;
        const length = data[at] | (data[at + 1] << 8);
        at += 4;
        reserve(length);
        out.set(data.subarray(at, at + length), size);
        at += length;
        size += length;
        continue;
      }
      const [literal, distance] = kind === 1 ? [makeCode(fixedLengths), makeCode(new Array(30).fill(5))] : readCodes();
      for (;;) {
        const symbol = decode(literal);
        if (symbol === 256) break;
        if (symbol < 256) {
          reserve(1);
          out[size++] = symbol;
          continue;
        }
        const length = LENGTH_BASE[symbol - 257] + take(LENGTH_EXTRA[symbol - 257]), far = decode(distance);
        const from = size - DISTANCE_BASE[far] - take(DISTANCE_EXTRA[far]);
        reserve(length);
        for (let n = 0; n < length; n++) out[size++] = out[from + n];
      }
    }
    return out.subarray(0, size);
  };
})();

// Returns the text of zlib data in base64.
async function inflateText(base64) {
  const data = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  if (typeof DecompressionStream === "function") {
    return new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  }
  return new TextDecoder().decode(inflate(data));
}
