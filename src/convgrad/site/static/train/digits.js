/* The digits that lie beside the page, in MNIST's own files (IDX), and the order in which they are trained on. */

const PARTS = { train: "train", test: "t10k" };
const PACKED = [0x1f, 0x8b]; // how a file of gzip begins

/** {train, test}: each with `pixels` (an image after the other), `labels`, and their `count`. */
export async function allDigits() {
  const read = async ([part, name]) => {
    const [pixels, labels] = await Promise.all(["images-idx3", "labels-idx1"].map((kind) => numbersAt(`${name}-${kind}`)));
    return [part, { pixels, labels, count: labels.length }];
  };
  return Object.fromEntries(await Promise.all(Object.entries(PARTS).map(read)));
}

/** The numbers of a file of IDX: behind two bytes of 0, the type, the number of axes, and the size of each. */
async function numbersAt(name) {
  const answer = await fetch(`./digits/${name}-ubyte.gz`);
  if (!answer.ok) throw new Error(`digits/${name}-ubyte.gz can't be had: status ${answer.status}`);
  const sent = await answer.arrayBuffer(), first = new Uint8Array(sent, 0, 2);
  // A server may have said that it is packed; then the browser has unpacked it.
  const packed = first[0] === PACKED[0] && first[1] === PACKED[1];
  const file = packed ? await unpacked(sent) : sent;
  return new Uint8Array(file, 4 + 4 * new DataView(file).getUint8(3));
}

const unpacked = (bytes) =>
  new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();

/** Numbers of 0 to below 1, the same for the same seed: a counter whose bits are mixed (mulberry32). */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 to count - 1 in an order that is drawn. */
export function shuffled(count, draw) {
  const order = Array.from({ length: count }, (_, n) => n);
  for (let n = count - 1; n > 0; n--) {
    const other = Math.floor(draw() * (n + 1));
    [order[n], order[other]] = [order[other], order[n]];
  }
  return order;
}
