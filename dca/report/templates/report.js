"use strict";
// Tables that sort and filter, and the browser of components. The page's policy knows this script by its hash; what it
// loads lies beside the page. All text from data is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const shown = (value, digits = 3) =>
  value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits).replace("-", "−");

// ---- Tables: a click, Enter or Space on a heading sorts by it; once more turns the order. ----

function cellValue(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text.replaceAll("\u202f", "").replace("−", "-"));
  return text !== "" && !Number.isNaN(number) ? number : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // "not run" comes last
  return a.localeCompare(b, "en", { numeric: true });
}

function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = make("button", { type: "button", className: "sort" });
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((a, b) => compare(cellValue(a, column), cellValue(b, column)));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}

// A field above a table hides the rows whose text does not have what was typed.
function makeFilterable(table) {
  const rows = [...table.tBodies[0].rows];
  const field = make("input", { type: "search" });
  const count = make("output");
  count.setAttribute("aria-live", "polite");
  const filter = () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    count.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} ${table.dataset.filter}`;
  };
  field.addEventListener("input", filter);
  table.closest(".scroll").before(controls(make("label", {}, "Only rows with ", field), count));
  filter();
}

function controls(...parts) {
  const form = make("form", { className: "controls" }, ...parts);
  form.addEventListener("submit", event => event.preventDefault());
  return form;
}

// ---- Components: data comes by a script file, or from within the page where that is a single file. ----

const waiting = new Map();
const arrived = new Map();
globalThis.dcaData = (name, content) => {
  arrived.set(name, content);
  waiting.get(name)?.(content);
};

function load(name, source) {
  if (arrived.has(name)) return Promise.resolve(arrived.get(name));
  const within = document.getElementById(source);
  if (within) {
    arrived.set(name, JSON.parse(within.textContent));
    return Promise.resolve(arrived.get(name));
  }
  return new Promise((resolve, reject) => {
    waiting.set(name, resolve);
    document.head.append(make("script", { src: source, onerror: () => reject(new Error(source)) }));
  });
}

// The sheet of a single file is a data: address of a megabyte: too long to give it to every small map.
function sheetAddress(source) {
  if (!source.startsWith("data:")) return source;
  const [kind, text] = source.split(";base64,");
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: kind.slice("data:".length) }));
}

function unpack(text, length) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const whole = new Int8Array(bytes.buffer);
  return Array.from({ length: whole.length / length }, (_, i) => whole.subarray(i * length, (i + 1) * length));
}

function standardise(values, sign = 1) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) || 1;
  return Array.from(values, v => (sign * (v - mean)) / deviation);
}

// Share of power by frequency, by the definition: a card's few hundred points need no faster way.
function spectrum(values) {
  const length = values.length;
  const power = [];
  for (let f = 1; f <= length / 2; f++) {
    let real = 0, imaginary = 0;
    for (let t = 0; t < length; t++) {
      const angle = (2 * Math.PI * ((f * t) % length)) / length;
      real += values[t] * Math.cos(angle);
      imaginary += values[t] * Math.sin(angle);
    }
    power.push(real * real + imaginary * imaginary);
  }
  const total = power.reduce((sum, p) => sum + p, 0) || 1;
  return power.map(p => (100 * p) / total);
}

function ticks(low, high, most) {
  const rough = (high - low) / most || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * unit).find(s => s >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9); k++) found.push(k * step);
  return found;
}

// A chart of lines in viewBox units; `areas` and `lines` hold [x[], y[], class name].
function chart({ areas = [], lines, across, up, label, width }) {
  const [height, left, right, top, bottom] = [190, 52, 8, 8, 40];
  const every = [...areas, ...lines];
  const xs = every.flatMap(([x]) => [x[0], x[x.length - 1]]), ys = every.flatMap(([, y]) => y);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const [y0, y1] = [Math.min(0, ...ys), Math.max(...ys) || 1];
  const px = x => left + ((x - x0) / (x1 - x0 || 1)) * (width - left - right);
  const py = y => height - bottom - ((y - y0) / (y1 - y0 || 1)) * (height - top - bottom);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "plot" });
  for (const y of ticks(y0, y1, 4)) {
    svg.append(draw("line", { x1: left, x2: width - right, y1: py(y), y2: py(y), class: "grid" }));
    svg.append(draw("text", { x: left - 6, y: py(y) + 4, class: "end" }, String(+y.toPrecision(6)).replace("-", "−")));
  }
  for (const x of ticks(x0, x1, width / 100)) {
    svg.append(draw("text", { x: px(x), y: height - bottom + 16, class: "middle" }, String(+x.toPrecision(6))));
  }
  const path = (x, y) => x.map((v, i) => `${i ? "L" : "M"}${px(v).toFixed(1)} ${py(y[i]).toFixed(1)}`).join("");
  for (const [x, y, name] of areas) {
    const floor = py(Math.min(...y)).toFixed(1);
    svg.append(draw("path", { d: `${path(x, y)}V${floor}H${px(x[0])}Z`, class: name }));
  }
  for (const [x, y, name] of lines) svg.append(draw("path", { d: path(x, y), class: `line ${name}` }));
  svg.append(draw("text", { x: (left + width - right) / 2, y: height - 6, class: "middle" }, across));
  svg.append(draw("text", { x: -(height - bottom + top) / 2, y: 12, class: "middle", transform: "rotate(-90)" }, up));
  return svg;
}

class Browser {
  constructor(root) {
    this.root = root;
    this.sources = JSON.parse(root.dataset.sources); // setup to [name, address of its data]
    this.setup = Object.keys(this.sources)[0];
    this.build();
    this.open(this.setup);
  }

  build() {
    const choice = (label, names) => {
      const select = make("select", {}, ...names.map(([value, text]) => make("option", { value }, text)));
      this.controls.append(make("label", {}, `${label} `, select));
      return select;
    };
    this.controls = controls();
    this.setupChoice = choice("Dictionary", Object.keys(this.sources).map(name => [name, name]));
    this.eventChoice = choice("Event", [["", "best of all"]]);
    this.sortChoice = choice("Sort by", [
      ["energy", "share of energy"], ["variance", "variance explained"], ["pcc", "|PCC|"], ["p", "p, uncorrected"],
      ["corrected", "p, corrected over atoms"], ["frequency", "frequency"],
      ["voxels", "voxels"], ["atom", "number"],
    ]);
    this.limit = make("input", { type: "number", min: 0, max: 1, step: "any", inputMode: "decimal" });
    this.limitLabel = make("label", {}, "p at most ", this.limit);
    this.controls.append(this.limitLabel);
    this.limitChoice = choice("p is", [["corrected", "corrected over atoms"], ["p", "uncorrected"]]);
    this.pick = make("input", { type: "number", min: 0, inputMode: "numeric" });
    this.controls.append(make("label", {}, "Go to atom ", this.pick));
    this.count = make("output");
    this.count.setAttribute("aria-live", "polite");
    this.controls.append(this.count);
    this.card = make("div", { className: "component" });
    this.lost = make("p", { className: "absent", hidden: true },
      "The maps of these atoms are not here: they belong into the folder beside the page.");
    this.list = make("ul", { className: "thumbs" });
    this.root.replaceChildren(this.controls, this.lost, this.card, this.list);
    this.setupChoice.addEventListener("change", () => this.open(this.setupChoice.value));
    this.eventChoice.addEventListener("change", () => this.arrange());
    this.sortChoice.addEventListener("change", () => this.arrange());
    this.limit.addEventListener("input", () => this.arrange());
    this.limitChoice.addEventListener("change", () => this.arrange());
    this.pick.addEventListener("change", () => this.show(Math.trunc(Number(this.pick.value)), true));
    this.list.addEventListener("keydown", event => this.move(event));
    this.list.addEventListener("click", event => {
      const button = event.target.closest("button");
      if (button) this.show(Number(button.dataset.atom));
    });
  }

  async open(setup) {
    this.setup = setup;
    this.card.replaceChildren("Loading …");
    try {
      const data = await load(...this.sources[setup]);
      if (setup === this.setup) this.fill(data);
    } catch {
      this.card.replaceChildren("The data of this browser is not here: it belongs into the folder beside the page.");
      this.list.replaceChildren();
    }
  }

  fill(data) {
    this.data = data;
    data.sheet = sheetAddress(data.sheet);
    this.courses ??= new Map();
    if (!this.courses.has(this.setup)) this.courses.set(this.setup, unpack(data.courses, data.length));
    this.design = unpack(data.design, data.length);
    const chosen = this.eventChoice.value;
    this.eventChoice.replaceChildren(make("option", { value: "" }, "best of all"),
      ...data.events.map((name, i) => make("option", { value: String(i) }, name)));
    this.eventChoice.value = chosen;
    for (const label of [this.eventChoice.parentElement, this.limitLabel, this.limitChoice.parentElement]) {
      label.hidden = !data.events.length;
    }
    for (const option of this.sortChoice.options) {
      option.hidden = ["pcc", "p", "corrected"].includes(option.value) && !data.events.length;
    }
    this.pick.max = data.atoms - 1;
    this.lost.hidden = true;
    make("img", { onerror: () => { this.lost.hidden = false; }, src: data.sheet });
    this.items = Array.from({ length: data.atoms }, (_, atom) => this.thumb(atom));
    this.arrange();
  }

  // Event that an atom is held against: the chosen one, or the one it follows best.
  event(atom) {
    if (this.eventChoice.value !== "") return Number(this.eventChoice.value);
    const sizes = this.data.pcc.map(row => Math.abs(row[atom]));
    return sizes.indexOf(Math.max(...sizes));
  }

  value(atom, key) {
    const event = this.event(atom);
    if (key === "atom") return atom;
    if (key === "pcc") return event < 0 ? null : Math.abs(this.data.pcc[event][atom]);
    if (key === "p" || key === "corrected") return event < 0 ? null : this.data[key][event]?.[atom] ?? null;
    return this.data[key][atom];
  }

  picture(atom, label) {
    const { columns, rows, sheet, aspect } = this.data;
    const node = make("span", { className: "thumb" });
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", label);
    const place = (index, count) => (count > 1 ? (100 * index) / (count - 1) : 0);
    Object.assign(node.style, {
      aspectRatio: String(aspect),
      backgroundImage: `url("${sheet}")`,
      backgroundSize: `${100 * columns}% ${100 * rows}%`,
      backgroundPosition: `${place(atom % columns, columns)}% ${place(Math.floor(atom / columns), rows)}%`,
    });
    return node;
  }

  thumb(atom) {
    const button = make("button", { type: "button", tabIndex: -1 });
    button.dataset.atom = atom;
    button.append(this.picture(atom, `Map of atom ${atom}`), make("span", { className: "number" }));
    return make("li", {}, button);
  }

  arrange() {
    const key = this.sortChoice.value;
    const upwards = ["atom", "p", "corrected", "frequency"].includes(key);
    const size = atom => this.value(atom, key);
    const order = this.items.map((_, atom) => atom).filter(atom => this.passes(atom));
    order.sort((a, b) => {
      const [x, y] = [size(a), size(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return (upwards ? x - y : y - x) || a - b;
    });
    const [label, digits, unit] = { atom: ["", 0, ""], pcc: ["|PCC| ", 3, ""], p: ["p ", 3, ""], corrected: ["p ", 3, " corr."],
      energy: ["", 2, " %"], variance: ["", 3, " %"], frequency: ["", 3, " Hz"], voxels: ["", 0, " voxels"] }[key];
    for (const atom of order) {
      const text = key === "atom" ? "" : ` · ${label}${shown(size(atom), digits)}${unit}`;
      this.items[atom].querySelector(".number").textContent = `${atom}${text}`;
    }
    this.list.replaceChildren(...order.map(atom => this.items[atom]));
    this.count.textContent = `${order.length} of ${this.data.atoms} atoms`;
    if (order.length) this.show(order[0]);
    else this.card.replaceChildren("No atom has so small a p.");
  }

  // An atom without a p passes only where no limit is set.
  passes(atom) {
    if (this.limit.value === "" || !this.data.events.length) return true;
    const p = this.value(atom, this.limitChoice.value);
    return p !== null && p <= Number(this.limit.value);
  }

  show(atom, focus = false) {
    if (!(atom >= 0 && atom < this.data.atoms)) return;
    for (const { firstChild } of this.items) {
      firstChild.removeAttribute("aria-current");
      firstChild.tabIndex = -1;
    }
    const button = this.items[atom].firstChild;
    button.setAttribute("aria-current", "true");
    // One that the limit hides is on the card alone: Tab then finds the first of those that are listed.
    const reached = button.isConnected ? button : this.list.querySelector("button");
    if (reached) reached.tabIndex = 0;
    if (focus) button.focus();
    this.card.replaceChildren(...this.describe(atom));
  }

  describe(atom) {
    const { data } = this;
    const event = this.event(atom);
    const pcc = event < 0 ? null : data.pcc[event][atom];
    const sign = pcc < 0 ? -1 : 1;
    const course = this.courses.get(this.setup)[atom];
    const time = Array.from(course, (_, i) => i * data.tr);
    const power = spectrum(course);
    const frequency = power.map((_, i) => (i + 1) / (data.length * data.tr));
    const against = event < 0 ? "" : ` over ${data.events[event]} convolved with the hemodynamic response`;
    const width = this.card.clientWidth < 560 ? 330 : 600; // so that letters keep their size
    const courses = chart({
      width,
      areas: event < 0 ? [] : [[time, standardise(this.design[event]), "area"]],
      lines: [[time, standardise(course, sign), this.setup]],
      across: "Time (s)", up: "SD units", label: `Time course of atom ${atom}${against}`,
    });
    const powers = chart({
      width,
      lines: [[frequency, power, this.setup]],
      across: "Frequency (Hz)", up: "Power (%)", label: `Spectrum of atom ${atom}`,
    });
    const [x, y, z] = data.place[atom];
    const facts = [
      ["Slices at x, y, z", `${x}, ${y}, ${z} mm`.replaceAll("-", "−")],
      ["Colours to", `±${data.limit[atom].toPrecision(3)}`],
      ["Share of energy", `${shown(data.energy[atom], 2)} %`],
      ["Variance explained", `${shown(data.variance[atom], 3)} %`],
      ["Strongest frequency", `${shown(data.frequency[atom], 3)} Hz`],
      ["Voxels", `${data.voxels[atom]}, ${data.below[atom]} of them negative`],
    ];
    if (event >= 0) {
      const p = key => (data[key][event]?.[atom] ?? null) === null ? "not run" : shown(data[key][event][atom]);
      facts.unshift(["Event", data.events[event]], ["PCC, uncorrected", shown(pcc)],
        ["p of this atom alone", p("p")], ["p corrected over atoms", p("corrected")]);
    }
    const list = make("dl", {}, ...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
    return [
      make("div", { className: "face" },
        make("p", { className: "title" }, `${this.setup}, atom ${atom}`),
        this.picture(atom, `Map of atom ${atom} on sagittal, coronal and axial slices through its strongest voxel`),
        list),
      make("div", { className: "plots" }, courses, powers),
    ];
  }

  move(event) {
    const items = [...this.list.children];
    const here = items.indexOf(event.target.closest("li"));
    const perRow = items.filter(item => item.offsetTop === items[0].offsetTop).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow,
      Home: -here, End: items.length - 1 - here }[event.key];
    if (step === undefined || here < 0) return;
    event.preventDefault();
    const next = items[Math.min(items.length - 1, Math.max(0, here + step))];
    this.show(Number(next.firstChild.dataset.atom), true);
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("table[data-filter]").forEach(makeFilterable);
// A browser is built when it is about to be seen, or printed. A page that is left alone builds its first ones
// meanwhile: paper does not wait for what they load, and more of them would be many megabytes.
const EARLY = 2;
const roots = new Set(document.querySelectorAll(".browser"));
function build(root) {
  if (!roots.delete(root)) return;
  seen.unobserve(root);
  new Browser(root);
}
const seen = new IntersectionObserver(
  entries => entries.filter(entry => entry.isIntersecting).forEach(entry => build(entry.target)),
  { rootMargin: "300px" },
);
roots.forEach(root => seen.observe(root));
const whenIdle = globalThis.requestIdleCallback ?? (callback => setTimeout(callback, 500)); // Safari has none
addEventListener("load", () => [...roots].slice(0, EARLY).forEach(root => whenIdle(() => build(root))));

// ---- Paper: nothing on it opens by a click. ----

const opened = [];
addEventListener("beforeprint", () => {
  roots.forEach(build);
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
});
