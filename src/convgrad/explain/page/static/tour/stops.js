"use strict";
/* The stops of the tour: what each shows and what it says. Numbers in the sentences are read from the trace (`see`). */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  /** "4 products". */
  const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  /** "once", "4 times". */
  const times = (count) => (count === 1 ? "once" : `${count} times`);

  /** "grows" or "falls", as a delta says of the loss. */
  const grows = (value) => (value > 0 ? "grows" : "falls");

  /** "conv2.x[2,1] through conv2.w[0,0]": how what is looked at was read on the way forward. */
  const readings = (see, element, layer) => {
    const places = see.terms(element);
    if (!places.length) return "All of their deltas are 0 now.";
    const texts = places.map(({ factors }) => {
      const place = (tensor) => convgrad.core.elementText(tensor, factors.find((factor) => factor.tensor === tensor).index);
      return `{${place(`${layer}.dx`).replace(".dx", ".x")}} through {${place(`${layer}.w`)}}`;
    });
    return `The deltas that are not 0 belong to ${page.listed(texts)}.`;
  };

  /** name: in links. example: the bundled one. lens, at: as in a link. motion: what is played. caption: sentences. */
  page.STOPS = [
    {
      name: "kernel",
      title: "A kernel slides",
      example: "classic",
      lens: "forward",
      at: "conv1.x[1,1]",
      motion: "conv1.x",
      caption: (see) => [
        `A small image comes in: {input}, ${see.size("input")} numbers. A kernel of ${see.size("conv1.w")} weights, ` +
          "{conv1.w}, is laid on it, place after place.",
        "At each place, every weight is multiplied by the number under it, and the products are added up:",
        "{sum conv1.x[1,1]}",
        `The kernel fits at ${see.size("conv1.x")} places, so that {conv1.x} has ${see.count("conv1.x")} numbers.`,
      ],
      hint: "Click any number on this page: what it came from lights up.",
    },
    {
      name: "maximum",
      title: "Who wins the maximum",
      example: "classic",
      lens: "forward",
      at: "pool1.x[0,1]",
      motion: "pool1.x",
      caption: (see) => {
        const { element, written } = see.winner("pool1.x[0,1]");
        const candidates = see.explained("pool1.x[0,1]").madeFrom.length;
        return [
          `Max pooling looks at windows that do not overlap, and only the greatest of ${candidates} numbers goes on:`,
          "{sum pool1.x[0,1]}",
          `The winner is {${element}}, ${page.typeset(written)}. The other ${candidates - 1} have no part in what ` +
            `follows. Remember the winner: on the way back, it alone will be asked.`,
          `Of ${see.count("conv1.x")} numbers, ${see.count("pool1.x")} are left.`,
        ];
      },
      hint: "Change a number that lost (double click it) until it wins.",
    },
    {
      name: "error",
      title: "The error",
      example: "classic",
      lens: "forward",
      at: "loss.E",
      motion: "loss.E",
      caption: (see) => [
        `The {sigmoid1.x} are squeezed between zero and one, and weighted sums of them are the answer, {dense1.x}: ` +
          `${see.all("dense1.x")}. Wanted was {target}: ${see.all("target")}.`,
        "One number says how wrong that is, half the sum of the squared differences:",
        "{sum loss.E}",
        "Learning means: change the weights so that the loss {loss.E} gets smaller. But which weight, and which way?",
      ],
    },
    {
      name: "delta",
      title: "One delta is followed back",
      example: "classic",
      lens: "backward",
      at: "sigmoid1.dx[0,1]",
      motion: "sigmoid1.dx",
      caption: (see) => [
        `A delta says how fast the loss grows with a number. For an answer it is answer minus wanted: {dense1.dx[0]} = ` +
          `{=dense1.dx[0]}, so the loss ${grows(see.value("dense1.dx[0]"))} as that answer rises.`,
        `{sigmoid1.x[0,1]} went into every answer. So its delta collects theirs, each times the weight between them:`,
        "{sum sigmoid1.dx[0,1]}",
        "Through the sigmoid it is multiplied by the slope there, x times one minus x: {pool1.dx[0,1]} = " +
          "{=pool1.dx[0,1]}.",
      ],
    },
    {
      name: "route",
      title: "Only the winner is asked",
      example: "classic",
      lens: "backward",
      at: (see) => see.winner("pool1.x[0,1]").element.replace(".x[", ".dx["),
      motion: "conv1.dx",
      caption: (see) => {
        const { element } = see.winner("pool1.x[0,1]");
        const deltas = see.trace.tensor("conv1.dx").values;
        const none = deltas.filter((delta) => delta === 0).length;
        return [
          "Back at the pooling. {pool1.x[0,1]} was the maximum of a window, so a small change of the winner changes it " +
            "just as much, and a small change of a loser changes nothing.",
          `So the whole delta {pool1.dx[0,1]} = {=pool1.dx[0,1]} goes to {${element}}:`,
          `{sum ${element.replace(".x[", ".dx[")}}`,
          `All others get 0: ${none} of the ${deltas.length} deltas of {conv1.x}.`,
        ];
      },
    },
    {
      name: "gradient",
      title: "A gradient is a sum over the output",
      example: "classic",
      lens: "backward",
      at: "conv1.dw[0,0]",
      motion: "conv1.dw[0,0]",
      caption: (see) => {
        const { length } = see.terms("conv1.dw[0,0]");
        return [
        `The weight {conv1.w[0,0]} was used at all ${see.count("conv1.x")} places of {conv1.x}. It gets a share of the ` +
          "blame from each: the delta there, times the number of the input that it was multiplied by.",
        "{sum conv1.dw[0,0]}",
        `${counted(length, "product")} ${length === 1 ? "is" : "are"} left, one for each delta that is not 0; the two factors have ` +
          "the same small number. Slide the deltas over the input, and you see another convolution.",
      ];
      },
      hint: "Click another number of conv1.dw: the window moves by one.",
    },
    {
      name: "update",
      title: "The update",
      example: "classic",
      lens: "update",
      at: "conv1.w_next[0,0]",
      motion: "conv1.w_next",
      caption: (see) => [
        `The loss ${grows(see.value("conv1.dw[0,0]"))} with {conv1.w[0,0]}. So the weight goes the other way, by the ` +
          "gradient times the learning rate:",
        "{sum conv1.w_next[0,0]}",
        `All ${see.count("conv1.w") + see.count("dense1.w")} weights are changed like this, at the same time. That is ` +
          "one training step, and training is nothing else.",
      ],
      hint: "Change the learning rate at the top: the update follows at once.",
    },
    {
      name: "step",
      title: "Now you: step",
      example: "classic",
      lens: "forward",
      at: "loss.E",
      parts: ["Steps"],
      caption: (see) => {
        const { losses, steps } = see.trace;
        const began = losses.length ? page.typeset(page.plain(losses[0])) : null;
        return [
          "Each step puts the updated weights in place of the old ones and calculates everything anew.",
          steps
            ? `After ${counted(steps, "step")} the loss is {=loss.E}; it was ${began}. The answer ` +
              `is now ${see.all("dense1.x")}; wanted is ${see.all("target")}.`
            : `The loss is {=loss.E}. The answer is ${see.all("dense1.x")}; wanted is ${see.all("target")}.`,
          see.trace.pins.length ? `${page.heldBack(see.trace.pins)} So the loss need not fall.` : "",
        ];
      },
      hint: "What does a learning rate of five do? Of fifty?",
    },
    {
      name: "second",
      title: "A second convolution, and why the kernel turns",
      example: "two-convolutions",
      lens: "backward",
      at: "conv1.dx[2,1]",
      motion: "conv1.dx",
      caption: (see) => {
        const all = page.termsOf(see.explained("conv1.dx[2,1]")).length;
        return [
          `Now another convolution comes before. {conv1.x[2,1]} lay under the second kernel {conv2.w} at ${all} places, ` +
            `each time under another weight. ${readings(see, "conv1.dx[2,1]", "conv2")}`,
          "Its delta adds up theirs, each times the weight that it went through:",
          "{sum conv1.dx[2,1]}",
          "The result further down and to the right saw it under the weight further up and to the left. So on the way " +
            "back the kernel lies turned by 180 degrees: that is all there is to the rotation.",
        ];
      },
    },
    {
      name: "stride",
      title: "What a stride leaves out",
      example: "strided",
      lens: "backward",
      at: "dinput[1,1]",
      motion: "dinput",
      caption: (see) => {
        const weights = see.count("conv1.w");
        const [few, many] = ["dinput[1,1]", "dinput[2,2]"].map((element) => weights - see.outside(element).length);
        return [
          `This kernel of ${see.size("conv1.w")} moves on by more than one place at a time. It stops at ` +
            `${see.size("conv1.x")} places only, and what lies between is left out.`,
          `So not every one of its ${weights} weights met every input: {input[1,1]} was read ` +
            `${times(few)}, {input[2,2]} ${times(many)}.`,
          "{sum dinput[1,1]}",
          `For the other ${see.outside("dinput[1,1]").length} weights the sum asks for a delta where the kernel did not ` +
            "stop. There is none, so it counts as 0: a stride puts zeros between the deltas.",
        ];
      },
    },
    {
      name: "published",
      title: "Published, and rounded",
      example: "classic",
      lens: "backward",
      at: "conv1.dw[0,0]",
      parts: ["Switch"],
      caption: (see) => [
        "The first example was published, calculated by hand and rounded on the way. Of its numbers, " +
          `${page.listed(see.trace.published.map((name) => `{${name}}`))} can be taken from there.`,
        `That makes {conv1.dw[0,0]} ${see.published(true).written("conv1.dw[0,0]")}; without rounding in between it is ` +
          `${see.published(false).written("conv1.dw[0,0]")}. Here it is now {=conv1.dw[0,0]}.`,
        see.trace.pins.length
          ? `${page.heldBack(see.trace.pins)} Whatever you change before them does not reach what comes after.`
          : "With the switch on, these numbers are pinned: they do not follow when you change a weight. A step turns it " +
            "off, because they belong to the weights that they came with.",
      ],
    },
    {
      name: "correct",
      title: "Is my calculation correct?",
      example: "classic",
      lens: "backward",
      at: "conv1.dw[1,1]",
      parts: ["Answer"],
      caption: (see) => [
        `Take a pencil. {conv1.dw[1,1]} is the sum of the ${counted(see.terms("conv1.dw[1,1]").length, "product")} that are lit; write your result ` +
          "here, to as many decimals as you like.",
      ],
    },
  ];
})();
