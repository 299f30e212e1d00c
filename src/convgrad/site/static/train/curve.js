"use strict";
/* Losses as a curve: each batch, or the mean of some where there are more than can be told apart, and a smooth one. */
(() => {
  const page = convgrad.page;
  const WIDE = 1000;
  const HIGH = 400;
  const POINTS = 500;
  const SMOOTH = 25;
  const EMPTY = 2.5; // above ln 10, about which the loss of ten classes begins

  /** The least of 1, 2, 2.5 and 5 times a power of ten that a number is not above. */
  const rounded = (value) => {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 2, 2.5, 5, 10].find((times) => value <= times * power * (1 + 1e-9));
  };

  const meanOf = (values, from, to) => {
    let sum = 0;
    for (let n = from; n < to; n++) sum += values[n];
    return sum / (to - from);
  };

  const path = (points) => points.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

  /** Draws into an element with .x, .y and paths. steps: how far the curve will go; perEpoch: steps of one. */
  page.drawCurve = (element, losses, steps, perEpoch) => {
    const shown = losses.filter(Number.isFinite);
    const bin = Math.max(1, Math.ceil(shown.length / POINTS));
    const ends = Array.from({ length: Math.ceil(shown.length / bin) }, (_, n) => Math.min(shown.length, (n + 1) * bin));
    const each = ends.map((end, n) => [end, meanOf(shown, n * bin, end)]);
    const mean = ends.map((end) => [end, meanOf(shown, Math.max(0, end - SMOOTH), end)]);
    const top = each.length ? rounded(Math.max(...each.map(([, loss]) => loss), 1e-9)) : EMPTY;
    const at = ([step, loss]) => [(WIDE * step) / steps, HIGH - (HIGH * loss) / top];
    const epochs = Array.from({ length: Math.floor(steps / perEpoch) }, (_, n) => n + 1);
    const stride = Math.ceil(epochs.length / 10); // as many as have room
    const ticks = epochs.filter((epoch) => epoch % stride === 0);
    const level = [0, 0.5, 1].map((share) => `M0 ${HIGH * share}H${WIDE}`);
    const lines = ticks.map((epoch) => `M${(WIDE * epoch * perEpoch) / steps} 0V${HIGH}`);
    const drawn = { grid: [...level, ...lines].join(""), each: path(each.map(at)), mean: path(mean.map(at)) };
    for (const [name, d] of Object.entries(drawn)) element.querySelector(`path.${name}`).setAttribute("d", d);
    label(element.querySelector(".y"), [top, top / 2, 0].map((value) => [value === 0 ? "0" : String(Number(value.toPrecision(3))), 1 - value / top]));
    label(element.querySelector(".x"), ticks.map((epoch, n) => [n ? String(epoch) : `epoch ${epoch}`, (epoch * perEpoch) / steps]));
    const words = shown.length
      ? `Loss over ${shown.length} batches: from ${shown[0].toFixed(3)} to a mean of ${mean.at(-1)[1].toFixed(3)}`
      : "No loss yet";
    element.setAttribute("aria-label", words);
  };

  /** Texts at shares of the way along an axis; made anew only where they are others. */
  const label = (axis, marks) => {
    const key = JSON.stringify(marks);
    if (axis.dataset.marks === key) return;
    axis.dataset.marks = key;
    axis.replaceChildren(
      ...marks.map(([text, share]) => {
        const mark = document.createElement("span");
        mark.textContent = text;
        mark.style.setProperty("--at", `${100 * share}%`);
        return mark;
      }),
    );
  };
})();
