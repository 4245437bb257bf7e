// Operations on pixels and labels, with the same results as segdata/images/resize.py.

// Returns RGB, uint8 [toHeight, toWidth, 3], of RGBA pixels [height, width, 4]: each new pixel is the mean of its area.
// Adds up in OpenCV's order and precision, so that halves are rounded to the same side.
export function shrink(pixels, height, width, toHeight, toWidth) {
  const columns = cover(width, toWidth);
  const row = new Float32Array(toWidth * 3), sum = new Float32Array(toWidth * 3);
  const small = new Uint8ClampedArray(toHeight * toWidth * 3); // rounds halves to even, as OpenCV does
  const half = height === 2 * toHeight && width === 2 * toWidth ? 1e-3 : 0; // OpenCV rounds halves up for 2x2 pixels
  cover(height, toHeight).forEach((part, to) => {
    sum.fill(0);
    for (const [y, share] of part) {
      row.fill(0);
      columns.forEach((across, column) => {
        for (const [x, part] of across) {
          const from = (y * width + x) * 4, at = column * 3;
          row[at] += Math.fround(part * pixels[from]);
          row[at + 1] += Math.fround(part * pixels[from + 1]);
          row[at + 2] += Math.fround(part * pixels[from + 2]);
        }
      });
      row.forEach((value, at) => (sum[at] += Math.fround(share * value)));
    }
    sum.forEach((value, at) => (small[to * toWidth * 3 + at] = value + half));
  });
  return new Uint8Array(small.buffer);
}

// For each of `to` equal parts of a line of `from` pixels: which pixels it covers, and the share of each.
function cover(from, to) {
  const length = from / to;
  return Array.from({ length: to }, (_, part) => {
    const begin = part * length, end = Math.min(begin + length, from), found = [];
    for (let pixel = Math.floor(begin); pixel < end; pixel++) {
      const share = (Math.min(pixel + 1, end) - Math.max(pixel, begin)) / length;
      if (share > 1e-6) found.push([pixel, Math.fround(share)]);
    }
    return found;
  });
}

// Returns labels [height, width] for a picture of toHeight x toWidth: each pixel has the nearest class.
export function enlarge(labels, height, width, toHeight, toWidth) {
  const rows = nearest(height, toHeight), columns = nearest(width, toWidth);
  const large = new Uint8Array(toHeight * toWidth);
  let to = 0;
  for (const row of rows) for (const column of columns) large[to++] = labels[row * width + column];
  return large;
}

// For each of `to` pixels of a line, the nearest of `from`. If two are equally near, OpenCV may take the other one.
function nearest(from, to) {
  return Uint32Array.from({ length: to }, (_, at) => Math.floor(((at + 0.5) * from) / to));
}

// Returns [class id, share] of each class in the picture, the largest first.
export function shares(labels) {
  const counts = new Map();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, count]) => [label, count / labels.length]).sort((a, b) => b[1] - a[1]);
}

// Returns RGBA of labels in their colours.
export function paint(labels, colours) {
  const pixels = new Uint8ClampedArray(labels.length * 4);
  labels.forEach((label, at) => pixels.set([...colours[label], 255], at * 4));
  return pixels;
}

// Returns a PNG of labels [height, width]: class ids, with the colours as its palette.
export async function maskPng(labels, height, width, colours) {
  const lines = new Uint8Array(height * (width + 1)); // each line begins with its filter: none
  for (let y = 0; y < height; y++) lines.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([8, 3], 8); // 8 bits, palette
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("PLTE", Uint8Array.from(colours.flat())),
    chunk("IDAT", new Uint8Array(await new Response(packed).arrayBuffer())),
    chunk("IEND", new Uint8Array()),
  ];
  return new Blob(parts, { type: "image/png" });
}

function chunk(name, body) {
  const bytes = new Uint8Array(body.length + 12), view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(body, 8);
  view.setUint32(body.length + 8, crc(bytes.subarray(4, body.length + 8)));
  return bytes;
}

// The check sum that PNG asks for (ISO 3309).
function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
