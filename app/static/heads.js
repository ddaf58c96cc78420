// Draws every attention head as a heat-map on a canvas, with a scrubber over recorded steps.
// What a frame holds is said in app/live/frames.py.

const panels = new WeakMap();
const KEPT = 400;
const LONG = 16; // tokens beyond which cells carry no names, and weights share a row with so many

export default function update(component) {
  style(component.parentElement);
  const host = component.parentElement.querySelector(".lab-heads");
  let panel = panels.get(host);
  if (!panel) panels.set(host, (panel = new Panel(host)));
  panel.receive(component);
  return () => panel.leave();
}

function style(root) {
  if (root.querySelector("link")) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("heads.css", import.meta.url).href;
  root.prepend(link);
}

class Panel {
  constructor(host) {
    this.host = host;
    this.cache = new Map();
    const bar = add(host, "div", "bar");
    this.back = button(bar, "◀", "one snapshot back", () => this.move(-1));
    this.slider = add(bar, "input", "");
    this.slider.type = "range";
    this.slider.min = 0;
    this.slider.step = 1;
    this.slider.setAttribute("aria-label", "step of the attention snapshot");
    this.slider.addEventListener("input", () => this.choose(Number(this.slider.value)));
    this.forth = button(bar, "▶", "one snapshot on", () => this.move(1));
    this.label = add(bar, "span", "label");
    this.follow = button(bar, "Follow the run", "always show the newest snapshot", () => this.stay(null));
    this.maps = add(host, "div", "maps");
    this.legend = add(host, "div", "legend");
    const colours = Array.from({ length: 11 }, (_, i) => css(viridis(i / 10))).join(", ");
    this.legend.innerHTML = "<span>0</span><i></i><span>1</span><span class='scale'></span><span class='value'></span>";
    this.legend.querySelector("i").style.background = `linear-gradient(to right, ${colours})`;
    this.scale = this.legend.querySelector(".scale");
    this.value = this.legend.querySelector(".value");
  }

  receive(component) {
    this.component = component;
    const { header, numbers } = unpack(component.data);
    if (header.run !== this.run) {
      clearTimeout(this.timer);
      this.waiting = false;
      this.cache.clear();
      this.run = header.run;
      this.steps = [];
      this.at = header.at;
    }
    if (!this.waiting) this.at = header.at;
    if (header.at === this.at) this.waiting = false;
    if (header.steps) this.steps = header.steps;
    if (header.shape) {
      this.cache.set(header.step, { shape: header.shape, numbers, names: header.names });
      if (this.cache.size > KEPT) this.cache.delete(this.cache.keys().next().value);
    }
    this.wanted = header.step;
    if (!this.complete()) return this.resync();
    this.show();
  }

  complete() {
    return this.steps.length > 0 && this.cache.has(this.wanted);
  }

  // Asked again after a moment: the answer, too, may have been overtaken by the next tick.
  resync() {
    if (this.asked) return;
    this.component.setTriggerValue("resync", `${this.run}/${this.wanted}`);
    this.asked = setTimeout(() => {
      this.asked = null;
      if (!this.complete()) this.resync();
    }, 1500);
  }

  // The snapshot that the scrubber stands on: the chosen step, or the newest one.
  index() {
    if (this.at === null) return this.steps.length - 1;
    let index = 0;
    this.steps.forEach((step, i) => {
      if (step <= this.at) index = i;
    });
    return index;
  }

  move(by) {
    const to = Math.min(Math.max(this.index() + by, 0), this.steps.length - 1);
    this.choose(to);
  }

  choose(index) {
    this.stay(this.steps[index]);
  }

  stay(step) {
    this.at = step;
    this.waiting = true;
    this.show();
    clearTimeout(this.timer);
    // a trigger: as a state, the null that follows the run is no change where `at` came from a link
    this.timer = setTimeout(() => this.component.setTriggerValue("at", step), 120);
  }

  show() {
    const index = this.index();
    const step = this.steps[index];
    this.slider.max = this.steps.length - 1;
    this.slider.value = index;
    this.follow.classList.toggle("on", this.at === null);
    this.follow.setAttribute("aria-pressed", String(this.at === null));
    const where = `snapshot ${index + 1} of ${this.steps.length}`;
    this.label.textContent = `step ${step.toLocaleString("en")} · ${where}`;
    const snapshot = this.cache.get(step);
    if (snapshot && this.drawn !== snapshot) this.draw(snapshot);
    if (snapshot) this.host.dataset.step = step;
    this.maps.style.opacity = snapshot ? 1 : 0.35; // what is drawn is not yet what is named
  }

  draw(snapshot) {
    this.drawn = snapshot;
    const [layers, heads, rows, columns] = snapshot.shape;
    if (this.maps.childElementCount !== layers * heads || this.size !== columns) {
      this.maps.replaceChildren();
      this.size = columns;
      for (let i = 0; i < layers * heads; i++) {
        const box = add(this.maps, "figure", "");
        add(box, "figcaption", "").textContent = `layer ${Math.floor(i / heads)} · head ${i % heads}`;
        const canvas = add(box, "canvas", "");
        canvas.addEventListener("pointermove", (event) => this.tell(event, canvas, i));
        canvas.addEventListener("pointerleave", () => (this.value.textContent = ""));
      }
    }
    this.scale.textContent = columns > LONG ? "(root scale: the middle colour is 0.25)" : "";
    this.maps.querySelectorAll("canvas").forEach((canvas, i) => {
      const part = snapshot.numbers.subarray(i * rows * columns, (i + 1) * rows * columns);
      paint(canvas, part, { rows, columns, names: snapshot.names });
    });
  }

  tell(event, canvas, head) {
    const { rows, columns, names, left, cell, top } = canvas.lab;
    const column = Math.floor((event.offsetX - left) / cell);
    const row = Math.floor((event.offsetY - top) / cell);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return (this.value.textContent = "");
    const weight = this.drawn.numbers[(head * rows + row) * columns + column];
    const [from, to] = [names[row] ?? row, names[column] ?? column];
    this.value.textContent = `position ${row} (${from}) reads position ${column} (${to}): ${weight.toFixed(4)}`;
  }

  leave() {
    clearTimeout(this.timer);
    clearTimeout(this.asked);
    panels.delete(this.host);
  }
}

const FONT = "12px system-ui, sans-serif";

function paint(canvas, numbers, { rows, columns, names }) {
  const labelled = columns <= LONG;
  const pen = canvas.getContext("2d");
  pen.font = FONT;
  const widths = Array.from({ length: rows }, (_, i) => pen.measureText(names[i] ?? i).width);
  const left = labelled ? Math.ceil(Math.max(18, ...widths)) + 8 : 0;
  const top = labelled ? 20 : 0;
  const cell = Math.max(3, Math.min(44, Math.floor(170 / columns)));
  const gap = cell < 6 ? 0 : 1; // between small cells it would be most of what is seen
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [left + cell * columns, top + cell * rows];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.lab = { rows, columns, names, left, top, cell };
  pen.scale(ratio, ratio);
  pen.font = FONT; // a canvas of another size has forgotten it
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const weight = numbers[row * columns + column];
      const colour = viridis(labelled ? weight : Math.sqrt(weight));
      pen.fillStyle = css(colour);
      pen.fillRect(left + column * cell, top + row * cell, cell - gap, cell - gap);
      if (columns <= 5) {
        pen.fillStyle = colour[0] + colour[1] + colour[2] > 330 ? "#111" : "#fff";
        pen.fillText(weight.toFixed(2), left + (column + 0.5) * cell, top + (row + 0.5) * cell);
      }
    }
  }
  if (!labelled) return;
  pen.fillStyle = getComputedStyle(canvas).color;
  for (let i = 0; i < columns; i++) pen.fillText(names[i] ?? i, left + (i + 0.5) * cell, top / 2, cell);
  for (let i = 0; i < rows; i++) pen.fillText(names[i] ?? i, left / 2, top + (i + 0.5) * cell);
}

// Viridis at eleven points, between which is mixed. Source: van der Walt & Smith 2015.
const STOPS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];

function viridis(weight) {
  const place = Math.min(Math.max(weight, 0), 1) * (STOPS.length - 1);
  const i = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[i].map((low, c) => Math.round(low + (STOPS[i + 1][c] - low) * (place - i)));
}

const css = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;

function add(parent, tag, name) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  parent.append(element);
  return element;
}

function button(parent, text, title, act) {
  const element = add(parent, "button", "");
  element.type = "button";
  element.textContent = text;
  element.title = title;
  element.setAttribute("aria-label", title);
  element.addEventListener("click", act);
  return element;
}

function unpack(bytes) {
  const buffer = bytes.slice().buffer;
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, numbers: new Float32Array(buffer, 4 + length) };
}
