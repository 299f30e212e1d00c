"use strict";
/* What a classifier thinks of its input: the probabilities in its loss, as bars; from a bar on to where it comes from. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  /** [probability of each class], of a network with one example, a label as target and softmax in its loss; else null.
   * In the loss s = sum(exp(z)), and dz[k] = exp(z[k]) / s for every class but the target, which has 1 less. */
  page.probabilitiesOf = (trace) => {
    if (!["loss.dz", "loss.z", "target"].every((name) => trace.has(name))) return null;
    const target = trace.tensor("target");
    if (!target.classes || target.values.length !== 1) return null;
    return Array.from(trace.tensor("loss.dz").values, (value, k) => (k === target.values[0] ? 1 + value : value));
  };

  page.percent = (share) => {
    const value = 100 * share;
    if (value > 0 && value < 0.1) return "< 0.1%";
    return value < 100 && value > 99.9 ? "> 99.9%" : `${value.toFixed(1)}%`;
  };

  /** The class with the greatest probability. */
  page.thinks = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

  /** Bars that stay and change their lengths. chosen(k): a bar was pressed. */
  page.Bars = class {
    constructor(classes, chosen) {
      this.rows = Array.from({ length: classes }, (_, k) => {
        const fill = h("span", { class: "bar-fill" });
        const says = h("span", { class: "bar-value" });
        const button = h(
          "button",
          { type: "button", class: "bar-row", onclick: () => chosen(k) },
          h("span", { class: "bar-name" }, String(k)),
          h("span", { class: "bar-room", "aria-hidden": "true" }, fill),
          says,
        );
        return { button, fill, says };
      });
      this.element = h("div", { class: "bars", role: "group", "aria-label": "Probability of each digit" });
      this.element.append(...this.rows.map(({ button }) => button));
    }

    show(probabilities, target) {
      const thinks = page.thinks(probabilities);
      this.rows.forEach(({ button, fill, says }, k) => {
        fill.style.width = `${100 * probabilities[k]}%`;
        says.textContent = page.percent(probabilities[k]);
        button.classList.toggle("thinks", k === thinks);
        button.classList.toggle("target", k === target);
        const role = k === thinks ? (k === target ? ", the answer, and right" : ", the answer, and wrong") : "";
        const should = k === target && k !== thinks ? ", should be the answer" : "";
        button.setAttribute("aria-label", `${k}: ${says.textContent}${role}${should}. Where it comes from`);
      });
    }
  };
})();
