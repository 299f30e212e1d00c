"use strict";
/* A picture of one's own as the input: dropped on the page, pasted, or chosen. It stays on this machine. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  /** Smaller inputs are no pictures; a file may still be dropped on those of one's own networks. */
  const LEAST = 8;
  const LIGHT = [0.299, 0.587, 0.114];

  /** {rows, columns, channels} of a network that takes one image; null of others. */
  page.imageOf = (app) => {
    const { shape } = app.trace.tensor("input");
    const [rows, columns, channels = 1] = shape;
    const isImage = !app.batched && (shape.length === 2 || shape.length === 3) && (channels === 1 || channels === 3);
    return isImage ? { rows, columns, channels } : null;
  };

  /** A picture's pixels, 0..255, row by row, stretched to the size of the input; on white where it is clear. */
  page.pixelsOfFile = async (file, { rows, columns, channels }) => {
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) throw new Error(`${file.name || "This file"} is no picture that the browser can read.`);
    const canvas = h("canvas", { width: columns, height: rows });
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, columns, rows);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, columns, rows);
    const { data } = context.getImageData(0, 0, columns, rows);
    const colors = Array.from({ length: rows * columns }, (_, n) => [...data.subarray(4 * n, 4 * n + 3)]);
    if (channels === 3) return colors.flat();
    return colors.map((color) => Math.round(color.reduce((sum, part, n) => sum + part * LIGHT[n], 0)));
  };

  /** Whether a picture of a digit is dark on light: its border is light. */
  const isDarkOnLight = (pixels, { rows, columns }) => {
    const border = pixels.filter((_, n) => {
      const [row, column] = [Math.floor(n / columns), n % columns];
      return row === 0 || column === 0 || row === rows - 1 || column === columns - 1;
    });
    return border.reduce((sum, pixel) => sum + pixel, 0) > 127.5 * border.length;
  };

  const isTyped = (event) => event.composedPath().some((node) => node.isContentEditable || node.matches?.("input, textarea"));

  page.Photo = class {
    constructor(app) {
      this.app = app;
      app.photo = this;
      const opens = (event) => event.dataTransfer?.types.includes("Files");
      document.addEventListener("dragover", (event) => opens(event) && event.preventDefault());
      document.addEventListener("drop", (event) => {
        if (!opens(event)) return;
        event.preventDefault();
        this.take(event.dataTransfer.files[0]);
      });
      document.addEventListener("paste", (event) => {
        const [file] = event.clipboardData?.files ?? [];
        if (!file?.type.startsWith("image/") || isTyped(event)) return;
        event.preventDefault();
        this.take(file);
      });
      this.own = this.chooser("open-picture");
    }

    /** A button that lets a file be chosen. */
    chooser(id) {
      const input = h("input", { type: "file", accept: "image/*", id: `${id}-file`, hidden: true, tabindex: "-1" });
      input.addEventListener("change", () => {
        if (input.files.length) this.take(input.files[0]);
        input.value = "";
      });
      const title = "A picture of your own as the input; it stays on this machine";
      const press = () => input.click();
      return h("span", {}, h("button", { type: "button", id, title, onclick: press }, "Open a picture\u2026"), input);
    }

    opened() {
      this.own.remove();
      if (this.isFitting && !this.app.trace.model.digits?.length) byId("source").append(this.own);
    }

    /** Whether the input is a picture in which something can be seen. */
    get isFitting() {
      const image = page.imageOf(this.app);
      return Boolean(image) && image.rows >= LEAST && image.columns >= LEAST;
    }

    /** Whether a picture belongs to this network: to any of one's own that takes an image, to examples that show one. */
    get takes() {
      const { served, trace } = this.app;
      const isExample = served.examples?.some(({ name }) => name === trace.model.name);
      return isExample ? this.isFitting : Boolean(page.imageOf(this.app));
    }

    /** A file is the input from now on; where the network takes no picture, that of one which does. */
    async take(file) {
      const { app } = this;
      const { problem } = app.served;
      problem.textContent = "";
      try {
        if (!this.takes && app.served.served) await app.served.turnTo(page.READER);
        const image = page.imageOf(app);
        if (!image) throw new Error("This network does not take one image; a picture can't be its input. Choose an example that does.");
        const { trace } = app;
        const pixels = await page.pixelsOfFile(file, image);
        if (trace !== app.trace) return;
        const inverts = Boolean(trace.model.digits?.length) && isDarkOnLight(pixels, image);
        const taken = inverts ? pixels.map((pixel) => 255 - pixel) : pixels;
        if (trace.model.digits?.length) await app.draw.take(taken);
        else trace.setAll("input", page.numbersOfPixels(taken));
        const turned = inverts ? ", its dark parts as ink" : "";
        page.say(`The picture is the input now, as ${image.rows} by ${image.columns} pixels${turned}.`);
      } catch (error) {
        page.tellIn(problem, error.message);
      }
    }
  };
  page.parts.push(page.Photo);
})();
