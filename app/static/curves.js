// Keeps one Vega view alive and feeds it change sets, so that a zoom outlives every tick.
// What a frame holds is said in app/live/frames.py.

const charts = new WeakMap();
// A view keeps some 60 bytes of every row it has ever had; after so many rows it gets a successor.
const VIEW_ROWS = 25_000;
// Marks of rows that are gone, 1 to 2 kB each, that Vega may hoard for each line; it would 10,000.
const HOARDED_MARKS = 200;
let vegaModule;

export default function update(component) {
  style(component.parentElement);
  const host = component.parentElement.querySelector(".lab-curves");
  let chart = charts.get(host);
  if (!chart) charts.set(host, (chart = new Chart(host)));
  chart.component = component;
  const frame = component.data;
  chart.queue = chart.queue.then(() => chart.receive(frame)).catch((error) => chart.fail(error));
  return () => chart.leave();
}

// Called before the first chart is wanted: the bundle takes a second to load, and as long again to
// run at full speed, so a small chart is drawn where nobody sees it.
export async function warm(bundle) {
  const { vegaEmbed } = await (vegaModule ??= import(bundle));
  const field = (name) => ({ field: name, type: "quantitative" });
  const step = { ...field("step"), scale: { type: "log", domain: [1, 10] } };
  const { view } = await vegaEmbed(
    document.createElement("div"),
    {
      data: { values: [{ step: 1, value: 0 }, { step: 10, value: 1 }] },
      mark: "line",
      params: [{ name: "zoom", select: "interval", bind: "scales" }],
      encoding: { x: step, y: field("value") },
    },
    { renderer: "canvas", actions: false },
  );
  view.finalize();
}

function style(root) {
  if (root.querySelector("link")) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("curves.css", import.meta.url).href;
  root.prepend(link);
}

class Chart {
  constructor(host) {
    this.host = host;
    this.plot = child(host, "plot");
    this.cross = child(this.plot, "cross");
    this.canvas = child(this.plot, "canvas");
    this.readout = child(this.plot, "readout");
    this.caption = child(host, "caption");
    this.caption.textContent = "The curves are being drawn…"; // until the first are
    this.queue = Promise.resolve();
    this.stream = null;
    this.seq = null;
    this.series = new Map();
    this.tables = { markers: [], plateau: [], chance: [] };
    this.range = null;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(host);
    // the host outlives its chart: a listener that stayed would keep the chart and all its rows
    this.away = new AbortController();
    const { signal } = this.away;
    host.addEventListener("pointermove", (event) => this.point(event), { signal });
    host.addEventListener("pointerleave", () => this.unpoint(), { signal });
  }

  async receive(bytes) {
    const { header, arrays } = unpack(bytes);
    const known = header.stream === this.stream;
    if (known && header.seq === this.seq) {
      if (this.view && this.theme !== themeOf(this.host)) await this.embed();
      return;
    }
    if (header.base !== null && !(known && header.base === this.seq)) return this.resync(header);
    this.stream = header.stream;
    this.seq = header.seq;
    this.limit = header.limit;
    this.total = header.total;
    const fresh = this.take(header, arrays);
    if (header.tables) this.tables = header.tables;
    const other = header.figure && header.figure.id !== this.figure?.id;
    if (header.figure) this.figure = header.figure;
    if (header.range !== undefined && (other || !this.view)) this.range = header.range;
    if (other || !this.view || this.theme !== themeOf(this.host)) await this.embed();
    else await this.feed(header, fresh);
    if (!this.away.signal.aborted) this.describe();
  }

  // A frame was missed (reload, restart, two frames at once): ask Python for everything, once.
  resync(header) {
    const missed = `${header.stream}/${header.seq}`;
    if (this.asked === missed) return;
    this.asked = missed;
    this.component.setTriggerValue("resync", missed);
  }

  take(header, arrays) {
    if (header.base === null) this.series.clear();
    const fresh = [];
    header.series.forEach(([run, split, metric], i) => {
      const key = `${run}\n${split}\n${metric}`;
      let line = this.series.get(key);
      if (!line) this.series.set(key, (line = { run, split, metric, steps: [], values: [] }));
      const [steps, values] = arrays[i];
      for (let k = 0; k < steps.length; k++) {
        line.steps.push(steps[k]);
        line.values.push(values[k]);
        fresh.push({ run, split, metric, step: steps[k], value: values[k] });
      }
    });
    return fresh;
  }

  async feed(header, fresh) {
    const compacted = this.compact();
    this.inserted += fresh.length + (compacted ? this.count() : 0);
    if (this.inserted > VIEW_ROWS) return this.embed();
    if (header.base === null || compacted) {
      this.view.data("curves", this.rows());
    } else if (fresh.length) {
      this.view.insert("curves", fresh);
    }
    if (header.tables) {
      for (const [name, rows] of Object.entries(this.tables)) this.view.data(name, rows.map(copy));
    }
    await this.view.runAsync();
  }

  rows() {
    const rows = [];
    for (const { run, split, metric, steps, values } of this.series.values()) {
      for (let k = 0; k < steps.length; k++) {
        rows.push({ run, split, metric, step: steps[k], value: values[k] });
      }
    }
    return rows;
  }

  // What ticks have appended is thinned here as the store thins a first frame: the least and the
  // greatest value of every bucket stay, and so do the first and last point.
  compact() {
    let any = false;
    for (const line of this.series.values()) {
      if (line.steps.length <= 2 * this.limit) continue;
      any = true;
      const kept = thin(line, this.limit / 2, this.range);
      line.steps = kept.map((k) => line.steps[k]);
      line.values = kept.map((k) => line.values[k]);
    }
    return any;
  }

  async embed() {
    const { vegaEmbed } = await (vegaModule ??= import(address(this.figure.bundle)));
    this.theme = themeOf(this.host);
    const spec = structuredClone(this.figure.spec);
    spec.config = this.figure.configs[this.theme];
    spec.datasets = { curves: this.rows(), ...structuredClone(this.tables) };
    for (const panel of spec.vconcat) panel.width = this.plotWidth();
    const height = spec.vconcat.reduce((sum, panel) => sum + panel.height + spec.spacing, 0);
    // a fixed layout: labels that come and go must not move the plot under the reader's eyes
    const patch = (vega) => ({
      ...vega,
      autosize: "none",
      padding: { signal: this.padding() },
      height: height - spec.spacing,
    });
    const options = { renderer: "canvas", actions: false, hover: false, tooltip: false, logLevel: 1, patch };
    const canvas = document.createElement("div");
    const { view } = await vegaEmbed(canvas, spec, options);
    view.cleanThreshold = HOARDED_MARKS;
    if (this.away.signal.aborted) return view.finalize();
    if (this.range) await view.signal("zoom_step", this.range).runAsync();
    this.canvas.replaceChildren(canvas); // drawn before it is shown: nothing flickers
    this.view?.finalize();
    this.view = view;
    this.inserted = 0;
    this.view.addSignalListener("zoom_step", (_, range) => this.zoomed(range));
    this.host.dataset.ready = "yes";
  }

  zoomed(range) {
    this.unpoint();
    this.range = range && range.length === 2 ? [Math.min(...range), Math.max(...range)] : null;
    clearTimeout(this.timer);
    // a trigger: as a state, the null of a reset is no change where the zoom came from a link
    this.timer = setTimeout(() => this.component.setTriggerValue("range", this.range), 250);
  }

  // The margins, and the room for further rows that the legends need where it is narrow.
  padding() {
    const { left, right, top, bottom } = this.figure.margins;
    return `{left: ${left}, right: ${right}, top: ${top} + more_above, bottom: ${bottom} + more_below}`;
  }

  plotWidth() {
    const { left, right } = this.figure.margins;
    return Math.max(200, (this.host.clientWidth || 800) - left - right - 2);
  }

  resize() {
    if (!this.view || this.view.width() === this.plotWidth()) return;
    this.view.width(this.plotWidth()).runAsync();
  }

  point(event) {
    if (!this.view || event.buttons) return this.unpoint();
    const box = this.canvas.getBoundingClientRect();
    const { left, top, bottom } = this.view.padding();
    const x = event.clientX - box.left - left;
    if (x < 0 || x > this.view.width()) return this.unpoint();
    const scale = this.view.scale("x");
    const near = this.nearest(scale.invert(x));
    if (near === null) return this.unpoint();
    const at = scale(near) + left;
    this.cross.style.left = `${at}px`;
    this.cross.style.display = "block";
    this.cross.style.top = `${top}px`;
    this.cross.style.bottom = `${bottom}px`;
    this.readout.style.top = `${top + 24}px`;
    this.tell(near);
    this.readout.style.display = "block";
    const beyond = at > box.width / 2 ? at - 12 - this.readout.offsetWidth : at + 12;
    this.readout.style.left = `${Math.max(0, beyond)}px`;
  }

  unpoint() {
    this.cross.style.display = this.readout.style.display = "none";
  }

  nearest(step) {
    let best = null;
    for (const { steps } of this.series.values()) {
      const k = indexOf(steps, step);
      if (k >= 0 && (best === null || Math.abs(steps[k] - step) < Math.abs(best - step))) {
        best = steps[k];
      }
    }
    return best;
  }

  tell(step) {
    const lines = new Map();
    for (const { run, split, metric, steps, values } of this.series.values()) {
      const k = indexOf(steps, step);
      if (k < 0) continue;
      const name = `${this.figure.names[run] ?? run}\n${split}`;
      if (!lines.has(name)) lines.set(name, { run, split });
      lines.get(name)[metric] = values[k];
    }
    const several = Object.keys(this.figure.names).length > 1;
    const all = [...lines.entries()];
    const text = [`step ${step.toLocaleString("en")}`];
    for (const [name, line] of all.slice(0, 12)) {
      const [run, split] = name.split("\n");
      const title = several ? `${run} ${split}` : split;
      const parts = Object.entries(line).filter(([, value]) => typeof value === "number");
      const words = parts.map(([metric, value]) => `${metric.replace("_", " ")} ${short(value)}`);
      text.push(`${title}  ${words.join("  ")}`.trim());
    }
    if (all.length > 12) text.push(`and ${all.length - 12} more lines`);
    this.readout.textContent = text.join("\n");
  }

  count() {
    return [...this.series.values()].reduce((sum, { steps }) => sum + steps.length, 0);
  }

  describe() {
    const shown = this.count();
    const points = `${shown.toLocaleString("en")} of ${this.total.toLocaleString("en")} points shown`;
    const thinned = shown < this.total ? ", least and greatest of every bucket kept" : "";
    const how = "wheel zooms, drag pans, double click resets";
    this.caption.textContent = [this.figure.note, points + thinned, how].filter(Boolean).join(" · ");
    this.host.setAttribute("role", "img");
    const marked = this.tables.markers.map(({ label }) => label).filter(Boolean);
    this.host.setAttribute("aria-label", [this.figure.alt, ...marked].join(" "));
    this.host.dataset.points = shown;
    this.host.dataset.seq = this.seq;
    this.host.dataset.last = Math.max(0, ...[...this.series.values()].map((l) => l.steps.at(-1) ?? 0));
  }

  fail(error) {
    this.caption.textContent = `The chart could not be drawn: ${error.message ?? error}`;
  }

  leave() {
    this.away.abort();
    this.observer.disconnect();
    clearTimeout(this.timer);
    this.view?.finalize();
    charts.delete(this.host);
    this.host.replaceChildren();
  }
}

function child(parent, name) {
  const element = document.createElement("div");
  element.className = name;
  parent.append(element);
  return element;
}

const copy = (row) => ({ ...row });
const address = (path) => new URL(path, document.baseURI.replace(/\/[^/]*$/, "/")).href;

function unpack(bytes) {
  const buffer = bytes.slice().buffer; // alignment: the message it came in has none
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const arrays = header.series.map(([, , , n]) => {
    const pair = [new Float32Array(buffer, at, n), new Float32Array(buffer, at + 4 * n, n)];
    at += 8 * n;
    return pair;
  });
  return { header, arrays };
}

function thin({ steps, values }, buckets, range) {
  const [low, high] = range ?? [1, steps.at(-1)];
  const span = Math.log(Math.max(high, low + 1)) - Math.log(Math.max(low, 1));
  const best = new Map();
  steps.forEach((step, k) => {
    const bucket = Math.floor(((Math.log(step) - Math.log(Math.max(low, 1))) / span) * buckets);
    const pair = best.get(bucket);
    if (!pair) best.set(bucket, [k, k]);
    else if (values[k] < values[pair[0]]) pair[0] = k;
    else if (values[k] > values[pair[1]]) pair[1] = k;
  });
  const kept = new Set([0, steps.length - 1]);
  for (const [least, greatest] of best.values()) kept.add(least).add(greatest);
  return [...kept].sort((a, b) => a - b);
}

function indexOf(steps, step) {
  let low = 0;
  let high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
}

function themeOf(host) {
  const [r, g, b] = getComputedStyle(host).color.match(/[\d.]+/g).map(Number);
  return (r + g + b) / 3 > 128 ? "dark" : "light";
}

function short(value) {
  if (value === 0) return "0";
  if (value < 1 && value >= 0.99995) return "0.9999"; // only what is whole is written as 1
  return Math.abs(value) < 0.001 ? value.toExponential(2) : value.toPrecision(4);
}
