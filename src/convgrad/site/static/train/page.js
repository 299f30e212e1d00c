"use strict";
/* What a person sees of the worker that trains: buttons, figures, the curve, the kernels. */
(() => {
  const page = convgrad.page;
  const part = (id) => document.getElementById(id);
  const CALM = 1000; // milliseconds between pictures, for those who want no motion
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const WORDS = { ready: "Start", running: "Pause", paused: "Go on", ended: "Go on", broken: "Go on" };

  let worker = null;
  let state = "loading";
  let round = 0;
  let network = null; // what the worker said when it was ready
  let rate = null;
  let losses = [];
  let speed = null;
  let goal = 0;
  let kernels = null;
  let drawnAt = -Infinity;
  let wanted = false;

  const ask = (act, content = {}) => worker.postMessage({ act, round, ...content });
  const perEpoch = () => Math.floor(network.counts[0] / network.about.batchSize);
  const say = (text) => (part("live").textContent = text);
  const percent = (right, count) => `${((100 * right) / count).toFixed(1)}\u202f%`;

  function become(next) {
    state = next;
    part("start").textContent = WORDS[next] ?? "Start";
    part("start").disabled = next === "broken" || !(next in WORDS);
    for (const id of ["restart", "save"]) part(id).disabled = !(next in WORDS);
    part("save-losses").disabled = losses.length === 0;
  }

  /** At the browser's next picture; for those who want no motion, a second after the last one. */
  function soon(now = false) {
    if (now) drawnAt = -Infinity;
    if (wanted && !now) return;
    wanted = true;
    const left = still.matches ? drawnAt + CALM - performance.now() : 0;
    if (left > 0) setTimeout(() => requestAnimationFrame(draw), left);
    else requestAnimationFrame(draw);
  }

  function draw() {
    wanted = false;
    drawnAt = performance.now();
    part("steps").textContent = losses.length.toLocaleString("en");
    part("loss").textContent = losses.length ? losses.at(-1).toPrecision(3) : "–";
    part("speed").textContent = speed === null ? "–" : Math.round(speed).toLocaleString("en");
    const epochs = Math.max(goal, wholeNumber(part("epochs").value) ?? 1, Math.ceil(losses.length / perEpoch()));
    page.drawCurve(part("curve"), losses, epochs * perEpoch(), perEpoch());
    drawKernels();
  }

  /** All kernels on one scale, in the colours that signed numbers have on light ground. */
  function drawKernels() {
    const [rows, columns, channels, count] = network.shape;
    let high = 0;
    for (const value of kernels) high = Math.max(high, Math.abs(value));
    [...part("kernels").children].forEach((canvas, k) => {
      const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
      let [least, most] = [Infinity, -Infinity];
      for (let n = 0; n < rows * columns; n++) {
        const value = kernels[n * channels * count + k];
        [least, most] = [Math.min(least, value), Math.max(most, value)];
        image.data.set([...page.color(value, { signed: true, high }, "light"), 255], 4 * n);
      }
      context.putImageData(image, 0, 0);
      canvas.setAttribute("aria-label", `Kernel ${k + 1} of ${count}: from ${least.toFixed(2)} to ${most.toFixed(2)}`);
    });
    part("low").textContent = `\u2212${high.toFixed(2)}`;
    part("high").textContent = `+${high.toFixed(2)}`;
  }

  function makeKernels() {
    const [rows, columns, , count] = network.shape;
    const made = Array.from({ length: count }, () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [columns, rows];
      canvas.setAttribute("role", "img");
      return canvas;
    });
    part("kernels").replaceChildren(...made);
    const stops = [-1, -0.5, 0, 0.5, 1].map((value) => page.rgb(page.color(value, { signed: true, high: 1 }, "light")));
    part("ramp").style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
  }

  function row(...cells) {
    const line = document.createElement("tr");
    line.append(
      ...cells.map((text) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        return cell;
      }),
    );
    return line;
  }

  function clear() {
    [losses, speed, goal] = [[], null, 0];
    part("accuracy").textContent = "–";
    const none = row("none yet");
    none.className = "none";
    none.firstChild.colSpan = 3;
    part("done").replaceChildren(none);
    part("problem").textContent = "";
  }

  const told = {
    ready(message) {
      network = message;
      kernels = message.kernels;
      const [train, test] = network.counts.map((count) => count.toLocaleString("en"));
      part("what").textContent =
        `LeNet-5 learns ${train} handwritten digits in your browser, ${network.about.batchSize} at a time. After each ` +
        `pass, an epoch, it is tested on ${test} others.`;
      part("rate").value = rate = network.about.learningRate;
      makeKernels();
      become("ready");
      soon(true);
    },
    progress(message) {
      losses.push(...message.losses);
      ({ speed, goal, kernels } = message);
      part("save-losses").disabled = losses.length === 0;
      soon();
    },
    epoch({ epoch, loss, right, count }) {
      part("done").querySelector(".none")?.remove();
      part("done").append(row(String(epoch), loss.toFixed(4), percent(right, count)));
      part("accuracy").textContent = percent(right, count);
      say(`Epoch ${epoch}: mean loss ${loss.toFixed(3)}, test accuracy ${percent(right, count)}`);
    },
    stopped() {
      become(losses.length >= goal * perEpoch() ? "ended" : "paused");
      soon(true);
    },
    broken() {
      part("problem").textContent =
        `After batch ${losses.length} the loss is no finite number: the learning rate is too large. Make it smaller, ` +
        "and press Restart.";
      become("broken");
      soon(true);
    },
    weights({ bytes }) {
      download("lenet5.safetensors", bytes);
    },
    failed({ text }) {
      fail(text);
    },
  };

  function fail(text) {
    part("what").textContent = "";
    part("problem").textContent = `The network can't be started: ${text}`;
    become("failed");
  }

  function download(name, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content]));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  const wholeNumber = (text) => (/^\s*[1-9]\d{0,3}\s*$/.test(text) ? Number(text) : null);
  const positive = (text) => (text.trim() && Number(text) > 0 && Number.isFinite(Number(text)) ? Number(text) : null);

  /** A field's number, or null after what is wrong with it was said. */
  function read(id, parse, wrong) {
    const value = parse(part(id).value);
    part(id).toggleAttribute("aria-invalid", value === null);
    if (value === null) part("problem").textContent = wrong;
    return value;
  }

  /** Both fields. Returns: whether they can be used. */
  function fields() {
    if (state !== "broken") part("problem").textContent = "";
    const epochs = read("epochs", wholeNumber, "Epochs are a whole number from 1 to 9999.");
    const given = read("rate", positive, "The learning rate is a number above 0, such as 0.02.");
    if (given !== null) rate = given;
    return epochs === null || given === null ? null : { rate, epochs };
  }

  part("start").addEventListener("click", () => {
    if (state === "running") {
      ask("pause");
      return;
    }
    const given = fields();
    if (given === null) return;
    become("running");
    ask("train", given);
  });
  part("restart").addEventListener("click", () => {
    round += 1;
    clear();
    become("ready");
    ask("restart");
    draw();
    drawnAt = -Infinity; // the first kernels, which the worker tells, need not wait
    say("Back at the beginning");
  });
  part("rate").addEventListener("change", () => {
    if (fields() !== null) ask("rate", { rate });
  });
  part("epochs").addEventListener("change", () => {
    if (fields() !== null) soon();
  });
  part("save").addEventListener("click", () => ask("save"));
  part("save-losses").addEventListener("click", () =>
    download("losses.csv", `batch,loss\n${losses.map((loss, n) => `${n + 1},${loss}\n`).join("")}`),
  );
  part("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = page.theme() === "dark" ? "light" : "dark";
  });

  worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => data.round === round && told[data.kind](data));
  worker.addEventListener("error", (event) => fail(event.message || "worker.js could not be loaded."));
})();
