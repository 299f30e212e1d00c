"use strict";
/* Heat maps: numbers to colours, and the colour of the text upon them. 0 is paper; the sign is also written. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  const RAMPS = {
    light: {
      paper: [255, 255, 255],
      high: [92, 184, 178],
      low: [205, 148, 214],
      positive: [244, 160, 88],
      negative: [126, 166, 240],
      dark: [18, 20, 26],
      bright: [255, 255, 255],
    },
    dark: {
      paper: [24, 28, 36],
      high: [16, 114, 116],
      low: [124, 62, 138],
      positive: [150, 78, 14],
      negative: [44, 84, 172],
      dark: [12, 14, 18],
      bright: [255, 255, 255],
    },
  };
  const SIGNED = ["delta", "gradient", "parameter", "state", "update"];

  page.theme = () =>
    document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  /** Whether a tensor has the colours of weights and of what comes back, or those of results. */
  page.isSigned = (tensor) => SIGNED.includes(tensor.role) || tensor.lens === "backward";

  /** What the colours of a tensor run over, {signed, high}: from -high to high, its finite number of the greatest size. */
  page.scale = (tensor) => {
    let high = 0;
    for (const value of tensor.values) {
      const size = Math.abs(value);
      if (size > high && size < Infinity) high = size;
    }
    return { signed: page.isSigned(tensor), high };
  };

  const mix = (from, to, share) => from.map((part, n) => Math.round(part + (to[n] - part) * share));

  /** [r, g, b] of a value. */
  page.color = (value, scale, theme) => {
    const ramp = RAMPS[theme];
    if (!Number.isFinite(value)) return ramp.paper;
    const share = scale.high ? Math.min(1, Math.abs(value) / scale.high) : 0;
    const [low, high] = scale.signed ? [ramp.negative, ramp.positive] : [ramp.low, ramp.high];
    return mix(ramp.paper, value < 0 ? low : high, share ** 0.8);
  };

  const linear = (part) => (part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  page.luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

  /** Dark or bright, whichever can be read better on a colour. */
  page.textOn = (color, theme) => {
    const ground = page.luminance(color);
    const dark = (ground + 0.05) / (page.luminance(RAMPS[theme].dark) + 0.05);
    const bright = (page.luminance(RAMPS[theme].bright) + 0.05) / (ground + 0.05);
    return dark >= bright ? RAMPS[theme].dark : RAMPS[theme].bright;
  };

  page.rgb = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
})();
