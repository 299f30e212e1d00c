"use strict";
/* A part of the page as a picture: SVG of what is drawn there, with the fonts that it needs, and from that PNG. It is
 * read from the page as it is laid out, so that whoever sees the page sees the picture. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { svg } = page;
  const MARGIN = 16;
  const SIDES = ["Top", "Right", "Bottom", "Left"];
  const DASHES = { dashed: (wide) => `${3 * wide} ${2 * wide}`, dotted: (wide) => `${wide} ${wide}` };
  const MOST_PIXELS = 40_000_000;
  const LONGEST_SIDE = 16_000;
  const measure = document.createElement("canvas").getContext("2d");

  const isClear = (color) => color === "transparent" || /[,/]\s*0\)$/.test(color);
  const px = (text) => Number.parseFloat(text) || 0;
  const short = (value) => Number(value.toFixed(2));

  class Drawing {
    constructor(element) {
      this.box = element.getBoundingClientRect();
      this.fonts = new Set();
      this.clips = 0;
      const [width, height] = [this.box.width + 2 * MARGIN, this.box.height + 2 * MARGIN].map(Math.ceil);
      Object.assign(this, { width, height });
      const paper = getComputedStyle(document.body).backgroundColor;
      this.picture = svg("svg", {
        xmlns: "http://www.w3.org/2000/svg",
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
      });
      this.picture.append(svg("rect", { width, height, fill: paper }));
      this.whole(element, this.picture);
    }

    /** An element with what lies over it: parts with a z-index come last, the highest at the end. */
    whole(element, into) {
      const around = this.raised;
      this.raised = [];
      this.draw(element, into);
      const raised = this.raised.sort((one, other) => one.level - other.level);
      this.raised = around;
      for (const { part, within } of raised) this.whole(part, within);
    }

    x(left) {
      return short(left - this.box.left + MARGIN);
    }

    y(top) {
      return short(top - this.box.top + MARGIN);
    }

    draw(element, into) {
      const style = getComputedStyle(element);
      const hidden = style.display === "none" || style.visibility !== "visible" || Number(style.opacity) === 0;
      if (hidden || style.clipPath !== "none" || (style.clip !== "auto" && style.position === "absolute")) return;
      if (element.localName === "svg") {
        into.append(this.copied(element));
        return;
      }
      const box = element.getBoundingClientRect();
      this.shadow(box, style, into);
      this.surface(box, style, into);
      if (element.localName === "canvas") into.append(this.image(element, box));
      if (["INPUT", "SELECT"].includes(element.tagName)) return;
      const within = this.clipped(element, box, style, into);
      for (const which of ["::before", "::after"]) this.pseudo(element, which, box, within);
      for (const part of element.childNodes) {
        if (part.nodeType === Node.TEXT_NODE) this.text(part, style, within);
        else if (part.nodeType === Node.ELEMENT_NODE) {
          const level = px(getComputedStyle(part).zIndex);
          if (level > 0) this.raised.push({ level, part, within });
          else this.draw(part, within);
        }
      }
    }

    /** Where what an element shows of itself has bounds: a group with these. */
    clipped(element, box, style, into) {
      if (into === this.picture || (style.overflowX === "visible" && style.overflowY === "visible")) return into;
      const id = `part${(this.clips += 1)}`;
      const bounds = { x: this.x(box.left), y: this.y(box.top), width: box.width, height: box.height };
      const group = svg("g", { "clip-path": `url(#${id})` });
      into.append(svg("clipPath", { id }, svg("rect", bounds)), group);
      return group;
    }

    /** Ground, border and outline. */
    surface(box, style, into) {
      const radius = Math.min(px(style.borderTopLeftRadius), box.height / 2, box.width / 2);
      const rect = (grow, attributes) => {
        const [width, height] = [box.width + 2 * grow, box.height + 2 * grow];
        if (width <= 0 || height <= 0) return;
        const place = {
          x: this.x(box.left - grow),
          y: this.y(box.top - grow),
          width: short(width),
          height: short(height),
        };
        into.append(svg("rect", { ...place, rx: short(Math.max(0, radius + grow)), ...attributes }));
      };
      const stroke = (color, wide, kind) => ({
        fill: "none",
        stroke: color,
        "stroke-width": wide,
        ...(DASHES[kind] ? { "stroke-dasharray": DASHES[kind](wide) } : {}),
      });
      if (!isClear(style.backgroundColor)) rect(0, { fill: style.backgroundColor });
      const borders = SIDES.map((side) => ({
        side,
        wide: style[`border${side}Style`] === "none" ? 0 : px(style[`border${side}Width`]),
        color: style[`border${side}Color`],
        kind: style[`border${side}Style`],
      })).filter(({ wide, color }) => wide && !isClear(color));
      const [first] = borders;
      if (borders.length === 4 && borders.every(({ wide, color }) => wide === first.wide && color === first.color))
        rect(-first.wide / 2, stroke(first.color, first.wide, first.kind));
      else
        for (const border of borders)
          into.append(this.line(box, border, stroke(border.color, border.wide, border.kind)));
      const outline = style.outlineStyle === "none" ? 0 : px(style.outlineWidth);
      if (outline) rect(px(style.outlineOffset) + outline / 2, stroke(style.outlineColor, outline, style.outlineStyle));
    }

    line({ left, top, right, bottom }, { side, wide }, attributes) {
      const half = wide / 2;
      const [x1, y1, x2, y2] = {
        Top: [left, top + half, right, top + half],
        Right: [right - half, top, right - half, bottom],
        Bottom: [left, bottom - half, right, bottom - half],
        Left: [left + half, top, left + half, bottom],
      }[side];
      return svg("line", { x1: this.x(x1), y1: this.y(y1), x2: this.x(x2), y2: this.y(y2), ...attributes });
    }

    /** A glow around a cell, which has no blur. */
    shadow(box, style, into) {
      const glow = /^(rgba?\([^)]*\)|color\([^)]*\)) 0px 0px 0px (\d+(?:\.\d+)?)px$/.exec(style.boxShadow);
      if (!glow) return;
      const [, fill, spread] = [...glow.slice(0, 2), Number(glow[2])];
      const [x, y] = [this.x(box.left - spread), this.y(box.top - spread)];
      const [width, height] = [short(box.width + 2 * spread), short(box.height + 2 * spread)];
      into.append(svg("rect", { x, y, width, height, rx: px(style.borderTopLeftRadius) + spread, fill }));
    }

    image(canvas, box) {
      const place = { x: this.x(box.left), y: this.y(box.top), width: short(box.width), height: short(box.height) };
      const crisp = { preserveAspectRatio: "none", style: "image-rendering: pixelated" };
      return svg("image", { ...place, ...crisp, href: canvas.toDataURL() });
    }

    /** What CSS writes before or after an element: badges, arrows. */
    pseudo(element, which, box, into) {
      const style = getComputedStyle(element, which);
      const content = /^"(.+)"$/.exec(style.content);
      if (!content || style.position !== "absolute" || style.display === "none") return;
      const [width, height] = [px(style.width), px(style.height)];
      const border = getComputedStyle(element);
      const shift = style.transform === "none" ? 0 : new DOMMatrix(style.transform).m42;
      const left = box.left + px(border.borderLeftWidth) + px(style.left);
      const top = box.top + px(border.borderTopWidth) + px(style.top) + shift;
      this.surface({ left, top, right: left + width, bottom: top + height, width, height }, style, into);
      const ink = { left: left + width / 2, top, height, width: 0 };
      into.append(this.written(content[1], ink, style, { "text-anchor": "middle" }));
    }

    /** A text, one element for each of its lines. */
    text(node, style, into) {
      if (!node.data.trim()) return;
      const range = document.createRange();
      const lines = [];
      for (const { index, 0: word } of node.data.matchAll(/\S+/g)) {
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        for (const box of range.getClientRects()) {
          if (!box.width) continue;
          const last = lines.at(-1);
          if (last && Math.abs(last.top - box.top) < 2) {
            if (last.word !== index) last.words.push(word);
            Object.assign(last, { right: box.right, word: index });
          } else
            lines.push({
              left: box.left,
              right: box.right,
              top: box.top,
              height: box.height,
              words: [word],
              word: index,
            });
        }
      }
      for (const { words, ...box } of lines)
        into.append(this.written(words.join(" "), { ...box, width: box.right - box.left }, style));
    }

    written(text, { left, top, width, height }, style, attributes = {}) {
      this.fonts.add(style.fontFamily);
      const turned = style.writingMode.startsWith("vertical");
      const size = px(style.fontSize);
      measure.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = measure.measureText(text);
      const font = {
        "font-family": style.fontFamily,
        "font-size": size,
        ...(style.fontWeight === "400" ? {} : { "font-weight": style.fontWeight }),
        ...(style.fontStyle === "normal" ? {} : { "font-style": style.fontStyle }),
        fill: style.color,
      };
      if (turned) {
        const [x, y] = [this.x(left + width / 2 + (up - down) / 2), this.y(top + height / 2)];
        const place = { "text-anchor": "middle", transform: `translate(${x} ${y}) rotate(-90)` };
        return svg("text", { ...place, ...font }, text);
      }
      const fit = width ? { textLength: short(width) } : {};
      const [x, y] = [this.x(left), this.y(top + height / 2 + (up - down) / 2)];
      return svg("text", { x, y, ...fit, ...font, ...attributes, "xml:space": "preserve" }, text);
    }

    /** A drawing within the page, with what styles say of it. */
    copied(element) {
      const box = element.getBoundingClientRect();
      const copy = element.cloneNode(true);
      const [olds, news] = [element, copy].map((root) => [root, ...root.querySelectorAll("*")]);
      olds.forEach((old, n) => {
        const style = getComputedStyle(old);
        for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity"])
          news[n].setAttribute(name, style.getPropertyValue(name));
        for (const name of ["class", "style", "aria-hidden"]) news[n].removeAttribute(name);
      });
      const place = { x: this.x(box.left), y: this.y(box.top), width: short(box.width), height: short(box.height) };
      for (const [name, value] of Object.entries({ ...place, overflow: "visible" })) copy.setAttribute(name, value);
      return copy;
    }
  }

  /** The rules for the fonts that are used, with the fonts in them. */
  const fontRules = async (used) => {
    const families = new Set(
      [...used].flatMap((list) => list.split(",").map((name) => name.trim().replace(/["']/g, ""))),
    );
    const found = [];
    for (const sheet of document.styleSheets) {
      for (const rule of sheet.cssRules) {
        if (!(rule instanceof CSSFontFaceRule)) continue;
        if (!families.has(rule.style.getPropertyValue("font-family").replace(/["']/g, ""))) continue;
        found.push(await inlined(rule.cssText, sheet.href || location.href));
      }
    }
    return found.join("\n");
  };

  const inlined = async (css, base) => {
    const [, address] = /url\("([^"]+)"\)/.exec(css) || [];
    if (!address || address.startsWith("data:")) return css;
    const bytes = await (await fetch(new URL(address, base))).blob();
    const text = await new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(bytes);
    });
    return css.replace(address, text);
  };

  /** {text, width, height} of a part of the page. */
  page.asSvg = async (element, title) => {
    const { picture, fonts, width, height } = new Drawing(element);
    const rules = await fontRules(fonts);
    picture.prepend(svg("title", {}, title), svg("style", {}, rules));
    return { text: new XMLSerializer().serializeToString(picture), width, height };
  };

  /** The same as a picture of pixels, two for each of the page where that is not too large. */
  page.asPng = async (drawn) => {
    const { text, width, height } = drawn;
    const scale = Math.min(2, LONGEST_SIDE / Math.max(width, height), Math.sqrt(MOST_PIXELS / (width * height)));
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = page.h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((done, failed) =>
      canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("This browser draws no PNG of it."))), "image/png"),
    );
  };
})();
