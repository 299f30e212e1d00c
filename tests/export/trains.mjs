/* `node trains.mjs FOLDER EXAMPLES STEPS RESULTS`: what tests/support/exported_networks.py does in Python, by net.js. */
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [folder, examples, steps, results] = process.argv.slice(2);
const { load, tensorsFrom, bytesFrom } = await import(pathToFileURL(`${folder}/net.js`));
const network = await load();
const { x, t } = Object.fromEntries(tensorsFrom(await readFile(examples)));
const { batchSize } = network.about;
const batches = x.shape[0] / batchSize;
const part = ({ data }, number) => data.subarray((number * data.length) / batches, ((number + 1) * data.length) / batches);

const before = network.predict(x.data);
const losses = Float64Array.from({ length: Number(steps) }, (_, number) =>
  network.step(part(x, number % batches), part(t, number % batches)),
);
const after = network.predict(x.data);
const own = Object.entries({ before, losses, after }).map(([name, data]) => [name, { shape: [data.length], data }]);
await writeFile(results, bytesFrom(new Map([...own, ...network.weights, ...network.state])));
await writeFile(`${results}.weights`, network.saveWeights());
