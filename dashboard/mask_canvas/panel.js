// The desk's bars and panel: buttons made from the tables of tools and actions, the live numbers, shapes being drawn.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function keyName(key) {
  if (key.includes(" ")) return key;
  return key.split("+").filter(Boolean).map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("+") || key;
}

Object.assign(Desk.prototype, {
  buildBars() {
    const icon = (glyph, title, run, attributes = {}) => element("button", { class: "icon", title, "aria-label": title, onclick: run, ...attributes }, glyph);
    for (const { id, key, icon: glyph, title } of TOOLS) {
      this.$(".tools").append(icon(glyph, `${title} (${keyName(key)})`, () => this.choose(id, false), { "data-tool": id }));
    }
    this.$(".steps").append(
      icon("undo", "Undo (Ctrl+Z)", () => this.undo(), { "data-step": "undo" }),
      icon("redo", "Redo (Ctrl+Y)", () => this.redo(), { "data-step": "redo" }),
    );
    this.$(".zooms").append(
      icon("remove", "Zoom out (-)", () => this.view.zoom(1 / 1.5)), element("output"),
      icon("add", "Zoom in (+)", () => this.view.zoom(1.5)), icon("fit_screen", "Whole photo (0)", () => this.view.fit()),
    );
    this.$(".help").onclick = () => this.$(".sheet").showModal();
    for (const button of this.root.querySelectorAll("[data-sign]")) button.onclick = () => this.set("erase", button.dataset.sign === "erase");
    for (const button of this.root.querySelectorAll("[data-source]")) {
      button.onclick = () => {
        this.set("source", button.dataset.source);
        if (button.dataset.source === "proposal") this.propose(() => {});
      };
    }
    this.$(".size input").oninput = (event) => this.set("size", Number(event.target.value));
    this.$("label.seam input[type=range]").oninput = (event) => this.set("seamWidth", Number(event.target.value));
    this.$(".replaces").onchange = () => this.toggleReplaces();
    this.$(".snap").onclick = () => this.finish(true);
    this.$(".finish").onclick = () => this.finish(false);
    const take = (onlyBoth) => () => (this.settings.source === "model" ? this.takeModel(onlyBoth) : this.takeProposal(onlyBoth));
    this.$(".whole").onclick = take(false);
    this.$(".both").onclick = take(true);
    this.$(".threshold input").oninput = (event) => this.setThreshold(Number(event.target.value));
    const slider = (id, title, swatch, max, step) =>
      element("label", { style: `--swatch: ${swatch}`, "data-view": id }, element("span", {}, title), element("output"),
        element("input", { type: "range", min: max > 1 ? 30 : 0, max, step, oninput: (event) => this.set(id, Number(event.target.value)) }));
    this.$(".views").append(
      ...VIEWS.map(([id, title, swatch, key]) => slider(id, `${title} (${key})`, swatch, 1, 0.05)),
      slider("brightness", "Brightness", "transparent", 300, 5), slider("contrast", "Contrast", "transparent", 400, 5),
    );
    const rows = this.actions.filter(([, title]) => title).map(([key, title, , off]) => [off ? `${keyName(key)}, away: ${keyName(off)}` : keyName(key), title]);
    this.$(".keys").append(...[...rows, ...DECISIONS].map(([key, title]) => element("div", {}, element("span", {}, title), element("kbd", {}, key))));
  },

  say(sentence, ...choices) {
    const notice = this.$(".notice");
    const close = () => (notice.hidden = true);
    const buttons = choices.map(([title, run]) => element("button", { onclick: () => (close(), run()) }, title));
    notice.replaceChildren(sentence, ...buttons);
    notice.hidden = false;
    clearTimeout(this.noticeTimer);
    if (!choices.length) this.noticeTimer = setTimeout(close, 5000);
  },

  // Everything that follows from settings and mask.
  refresh() {
    if (!this.ready) return;
    const { settings } = this;
    if (this.colours()) {
      this.view.recolour();
      clearTimeout(this.summarising);
      this.summarising = setTimeout(() => this.view.summarise(), 200);
    }
    this.$(".photo").style.filter = `brightness(${settings.brightness}%) contrast(${settings.contrast}%)`;
    for (const button of this.root.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === settings.tool);
    this.$("[data-step=undo]").disabled = !this.done.length && !this.pending[settings.tool];
    this.$("[data-step=redo]").disabled = !this.undone.length;
    for (const label of this.root.querySelectorAll("[data-view]")) {
      const value = settings[label.dataset.view];
      const disabled = !this.probs && ["prediction", "difference", "heat"].includes(label.dataset.view);
      label.hidden = disabled;
      label.querySelector("input").value = value;
      label.querySelector("output").value = value > 1 ? `${value}%` : `${Math.round(value * 100)}%`;
    }
    this.stage.dataset.tool = settings.tool;
    this.showOptions();
    this.showNumbers();
    this.showStatus();
    this.drawShapes();
  },

  showOptions() {
    const { tool, erase, size, seamWidth, source } = this.settings;
    const { sign, hint } = TOOLS.find(({ id }) => id === tool);
    const on = { sign, size: tool === "brush" || tool === "eraser", seam: tool === "seam", finish: tool === "polygon" || tool === "seam", take: tool === "take" };
    for (const option of this.root.querySelectorAll(".option")) {
      option.classList.toggle("on", Object.keys(on).some((name) => on[name] && option.classList.contains(name)));
    }
    for (const button of this.root.querySelectorAll("[data-sign]")) this.check(button, (button.dataset.sign === "erase") === erase);
    for (const button of this.root.querySelectorAll("[data-source]")) this.check(button, button.dataset.source === source);
    const show = (selector, value) => {
      this.$(`${selector} input`).value = value;
      this.$(`${selector} output`).value = `${value} px`;
    };
    show(".size", size);
    show("label.seam", seamWidth);
    this.$(".replaces").checked = this.replaces;
    this.$(".finish").disabled = this.$(".snap").disabled = !this.pending[tool];
    this.$(".hint").textContent = hint;
    this.$(".hint").title = hint;
  },

  check(button, on) {
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", on);
  },

  showStatus() {
    const status = this.$(".status");
    const { data } = this;
    const busy = this.outbox.some(({ load }) => load === this.load);
    const drawn = data.drawn || this.done.length > 0;
    status.textContent = busy ? "saving draft…" : data.drawn ? "draft saved" : data.saved ? `saved, revision ${data.saved}` : drawn ? "draft saved" : `revision ${data.revision}`;
    status.classList.toggle("unsaved", busy);
    this.$(".locked").hidden = !data.locked;
    this.$(".locked").textContent = data.locked ?? "";
  },

  showNumbers() {
    const change = (now, before, digits, unit = "") => {
      const text = now.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
      const off = now - before;
      if (Math.abs(off) < 10 ** -digits / 2) return [`${text}${unit}`];
      const shift = `${off > 0 ? "+" : "−"}${Math.abs(off).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
      return [`${text}${unit} `, element("span", { class: off > 0 ? "up" : "down" }, shift)];
    };
    const rows = [["Area", change(this.area, this.areaBefore, 0, " px")]];
    if (this.measured) rows.push(["Length", [`${Math.round(this.measured.length).toLocaleString("en")} px`]], ["Parts", [this.measured.parts]]);
    if (this.probs) {
      const level = levelOf(this.threshold);
      const ious = iouByLevel(this.inside, this.total);
      rows.unshift(["IoU with model", change(ious[level], this.before[level], 3)]);
      this.$(".threshold input").value = this.threshold;
      this.$(".threshold output").value = this.threshold.toFixed(2);
      const points = Array.from({ length: 99 }, (_, i) => `${i + 1},${(29 - 28 * ious[levelOf((i + 1) / 100)]).toFixed(2)}`);
      this.$(".threshold polyline").setAttribute("points", points.join(" "));
      const line = this.$(".threshold line");
      line.setAttribute("x1", 100 * this.threshold);
      line.setAttribute("x2", 100 * this.threshold);
    }
    this.$(".threshold").hidden = !this.probs;
    this.$(".numbers").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, ...value)]));
  },

  // The slower numbers, a moment after the last stroke.
  measure() {
    if (!this.ready) return;
    this.measured = { parts: countComponents(this.bitmap), length: skeletonLength(this.bitmap) };
    this.view.summarise();
    this.showNumbers();
  },

  drawShapes() {
    const { view, settings } = this;
    this.$(".zooms output").value = `${Math.round(100 * view.scale * (view.ratio || 1))}%`;
    if (!this.ready) return;
    const shape = (name, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    const path = (points) => points.map((p) => view.toStage(p).map((v) => v.toFixed(1)).join(",")).join(" ");
    const corner = ([x, y]) => shape("circle", { class: "corner", cx: x, cy: y, r: 4 });
    const shapes = [];
    const { polygon, seam } = this.pending;
    const offered = settings.tool === "take" ? settings.source === "proposal" : this.data.boxOnly && !this.done.length && !seam;
    for (const { points, width, confidence } of offered ? this.seams : []) {
      shapes.push(shape("polyline", { class: "band proposed", points: path(points), "stroke-width": Math.max(1, width * view.scale) }));
      const [x, y] = view.toStage([0, 1].map((axis) => (points[0][axis] + points.at(-1)[axis]) / 2));
      const text = shape("text", { class: "proposed", x, y });
      text.textContent = `seam, ${Math.round(100 * confidence)}% sure: G takes it`;
      shapes.push(text);
    }
    const end = this.pointer && !this.panning ? [this.pointer] : [];
    if (polygon && settings.tool === "polygon") {
      shapes.push(shape("polygon", { class: `area ${polygon.value ? "" : "erase"}`, points: path([...polygon.points, ...end]) }));
      shapes.push(...polygon.points.map((p) => corner(view.toStage(p))));
    }
    if (seam && settings.tool === "seam") {
      const points = path([...seam.points, ...(this.stroke ? end : [])]);
      shapes.push(shape("polyline", { class: "band", points, "stroke-width": Math.max(1, settings.seamWidth * view.scale) }));
      shapes.push(shape("polyline", { class: "line", points }), ...seam.points.map((p) => corner(view.toStage(p))));
    }
    if (settings.tool === "box" && this.stroke) {
      const { from, to } = this.stroke;
      shapes.push(shape("polygon", { class: `area ${settings.erase ? "erase" : ""}`, points: path([from, [to[0], from[1]], to, [from[0], to[1]]]) }));
    }
    for (const outline of this.outline?.outlines ?? []) {
      shapes.push(shape("polygon", { class: "line", points: path(editedRing(outline)) }));
      shapes.push(...outline.corners.map(({ x, y }) => corner(view.toStage([x, y]))));
    }
    if (end.length && (settings.tool === "brush" || settings.tool === "eraser")) {
      const [cx, cy] = view.toStage(brushPoint(end[0], settings.size));
      const kind = `line ${settings.tool === "eraser" ? "erase" : ""}`;
      if (settings.size === 1) shapes.push(shape("rect", { class: kind, x: cx - view.scale / 2, y: cy - view.scale / 2, width: view.scale, height: view.scale }));
      else shapes.push(shape("circle", { class: kind, cx, cy, r: (settings.size / 2) * view.scale }));
    }
    this.$(".shapes").replaceChildren(...shapes);
  },
});

const desks = new WeakMap();

export default function mount({ parentElement, data, setTriggerValue }) {
  let desk = desks.get(parentElement);
  if (!desk) {
    desk = new Desk(parentElement.querySelector(".desk"), () => {});
    desks.set(parentElement, desk);
  }
  desk.send = (message) => setTriggerValue("message", message);
  desk.update(data);
  return () => {
    desk.close();
    desks.delete(parentElement);
  };
}
