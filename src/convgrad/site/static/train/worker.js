/* Trains the network that lies beside it, apart from the page, which so can answer while it does.
 * It is told {act, round, ...} and tells {kind, round, ...}; a round ends with a restart, and what is told of an earlier
 * one counts no more. */
import { allDigits, seeded, shuffled } from "./digits.js";
import { load } from "./net.js";

const SLICE = 40; // milliseconds of work before the next message is heard
const RECENT = 1000; // milliseconds of steps that the speed is told of
const SEED = 1; // of the order of the digits
const KERNELS = "conv1.w";

let network, digits, width;
let round = 0, running = false, waiting = false, broken = false, rate, goal;
let draw, order, next, epoch, epochLoss, recent;

const tell = (kind, content = {}, moved = []) => postMessage({ kind, round, ...content }, moved);

function begin() {
  network.restart();
  [draw, order, next, epoch, epochLoss, recent] = [seeded(SEED), [], 0, 0, 0, []];
  [running, broken, goal] = [false, false, 0];
}

/** Images and labels of some digits, as the network takes them. */
function batchOf({ pixels, labels }, places) {
  const some = new Uint8Array(places.length * width);
  places.forEach((place, n) => some.set(pixels.subarray(place * width, (place + 1) * width), n * width));
  return [network.prepare(some), Float32Array.from(places, (place) => labels[place])];
}

function step() {
  const { batchSize } = network;
  if (next === 0) order = shuffled(digits.train.count, draw);
  const batch = batchOf(digits.train, order.slice(next, next + batchSize));
  const before = performance.now();
  const loss = network.step(...batch, rate);
  recent.push([performance.now(), performance.now() - before]);
  epochLoss += loss;
  next += batchSize;
  return loss;
}

/** How many of the digits that were never trained on have the greatest result at their label. */
function rightOnes() {
  const { pixels, labels, count } = digits.test;
  const results = network.predict(network.prepare(pixels)), classes = results.length / count;
  let right = 0;
  for (let n = 0; n < count; n++) {
    const own = results.subarray(n * classes, (n + 1) * classes);
    right += own.indexOf(Math.max(...own)) === labels[n];
  }
  return right;
}

function endEpoch(steps) {
  epoch += 1;
  tell("epoch", { epoch, loss: epochLoss / steps, right: rightOnes(), count: digits.test.count });
  [next, epochLoss] = [0, 0];
  running = epoch < goal;
}

function work() {
  waiting = false;
  if (!running) return;
  const until = performance.now() + SLICE, steps = Math.floor(digits.train.count / network.batchSize), losses = [];
  let ended = false;
  while (!ended && !broken && performance.now() < until) {
    losses.push(step());
    broken = !Number.isFinite(losses.at(-1));
    ended = next + network.batchSize > digits.train.count;
  }
  tellProgress(losses);
  if (broken) running = false;
  else if (ended) endEpoch(steps);
  if (running) soon();
  else tell(broken ? "broken" : "stopped");
}

function tellProgress(losses) {
  const now = performance.now();
  recent = recent.filter(([when]) => now - when < RECENT);
  const busy = recent.reduce((sum, [, time]) => sum + time, 0);
  const speed = busy ? (1000 * recent.length * network.batchSize) / busy : null;
  tell("progress", { losses, speed, goal, kernels: network.weights.get(KERNELS).data.slice() });
}

function soon() {
  if (!waiting) setTimeout(work);
  waiting = true;
}

const acts = {
  train(told) {
    if (broken) return; // numbers that are none stay so, until a restart
    rate = told.rate;
    if (epoch >= goal) goal = epoch + told.epochs;
    running = true;
    soon();
  },
  rate(told) {
    rate = told.rate;
  },
  pause() {
    if (running) tell("stopped");
    running = false;
  },
  restart(told) {
    round = told.round;
    begin();
    tellProgress([]);
  },
  save() {
    const bytes = network.saveWeights();
    tell("weights", { bytes }, [bytes.buffer]);
  },
};

try {
  [network, digits] = await Promise.all([load(), allDigits()]);
  width = digits.train.pixels.length / digits.train.count;
  begin();
  const { data, shape } = network.weights.get(KERNELS);
  tell("ready", {
    about: network.about,
    counts: [digits.train.count, digits.test.count],
    shape,
    kernels: data.slice(),
  });
  onmessage = ({ data: told }) => acts[told.act](told);
} catch (error) {
  tell("failed", { text: error.message });
}
