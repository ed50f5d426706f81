// The desk: loads a sample, hands the pointer to the tools, keeps the strokes (undo, redo, draft) and talks to the server.
//
// To the server goes one message: {strokes: every stroke not yet acknowledged, ask: a question or null}. From it come
// `data` with every run of the page: what to show, and per `load` (one opening of a sample) the last stroke it has stored.
// Strokes set and clear pixels, so that storing or drawing one twice does no harm; until acknowledged they also lie in the
// browser's own storage and are offered again whatever happens to page or server.

const HISTORY_BYTES = 64e6;
const RESEND_MS = 4000;
const SETTINGS = { tool: "brush", size: 9, seamWidth: 24, erase: false, source: "model", brightness: 100, contrast: 100, label: 0.5, prediction: 0, difference: 0, heat: 0 };
const VIEWS = [
  ["label", "Label", "rgb(0 158 115)", "1"],
  ["prediction", "Prediction", "rgb(230 159 0)", "2"],
  ["difference", "Difference", "linear-gradient(90deg, rgb(213 94 0) 50%, rgb(86 180 233) 50%)", "3"],
  ["heat", "Heat map", "linear-gradient(90deg, rgb(68 1 84), rgb(33 144 141), rgb(253 231 37))", "4"],
];
const DECISIONS = [["Ctrl+S", "Save as a new revision"], ["A", "Accept (saves first)"], ["J", "Reject"], ["K", "Skip"], ["N", "Next sample"], ["U", "Reopen a locked label"]];

function stored(key, value) {
  try {
    if (value === undefined) return JSON.parse(localStorage.getItem(key));
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch {
    return null; // a full or forbidden storage: the server's draft is the one that counts
  }
  return null;
}

class Desk {
  constructor(root, send) {
    Object.assign(this, { root, send, data: null, load: null, ready: false, done: [], undone: [], outbox: [], number: 0 });
    Object.assign(this, { pending: {}, stroke: null, outline: null, questions: new Map(), question: 0, sentAt: new Map(), roundTrips: [] });
    this.settings = { ...SETTINGS, ...stored("drywall-qa:editor") };
    this.$ = (selector) => root.querySelector(selector);
    this.stage = this.$(".stage");
    this.view = new View(this.stage, this.$(".navigator"));
    this.view.onMove = () => this.drawShapes();
    this.stage.desk = this; // for tests and the benchmark
    this.listeners = new AbortController();
    this.buildBars();
    this.listen();
    this.timer = setInterval(() => this.resend(), 1000);
  }

  // As high as the window has room for below where the page put us.
  fill() {
    const { top } = this.root.getBoundingClientRect();
    const scrolled = document.querySelector("[data-testid=stMain]")?.scrollTop ?? 0;
    this.root.style.setProperty("--top", `${Math.round(top + scrolled)}px`);
  }

  close() {
    this.listeners.abort();
    clearInterval(this.timer);
  }

  // ---- from the server ----

  update(data) {
    this.data = data;
    for (const stroke of this.outbox.filter(({ load, n }) => n <= (data.acked[load] ?? 0))) {
      const sent = this.sentAt.get(`${stroke.load}:${stroke.n}`);
      if (sent) this.roundTrips.push(performance.now() - sent);
    }
    this.outbox = this.outbox.filter(({ load, n }) => n > (data.acked[load] ?? 0));
    const answer = data.answer && this.questions.get(data.answer.id);
    if (answer) {
      this.questions.delete(data.answer.id);
      if (data.answer.error) this.say(data.answer.error);
      else answer(data.answer);
    }
    if (data.load !== this.load) this.open(data);
    else {
      if (this.ready && data.revision !== this.revision) this.saved();
      this.persist();
      this.showStatus();
    }
  }

  async open(data) {
    [this.load, this.ready] = [data.load, false];
    [this.stroke, this.outline, this.pending] = [null, null, {}];
    this.stage.classList.add("loading");
    this.$(".notice").hidden = true;
    const fetched = async (url, read) => (url ? read(await fetch(url)) : null);
    const inflate = async (reply) => new Uint8Array(await new Response(reply.body.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
    try {
      const [image, label, strokes, probs] = await Promise.all([
        fetched(data.photo, async (reply) => createImageBitmap(await reply.blob())),
        fetched(data.label, async (reply) => decodeCoco(await reply.json())),
        fetched(data.draft, (reply) => reply.json()),
        fetched(data.probs, inflate),
      ]);
      if (this.load !== data.load) return image.close();
      this.begin(this.data.load === data.load ? this.data : data, image, label, strokes ?? [], probs);
    } catch (error) {
      if (this.load === data.load) this.say(`The sample could not be loaded (${error.message}); reload the page.`);
    }
  }

  async begin(data, image, label, strokes, probs) {
    Object.assign(this, { label, probs, revision: data.revision, done: [], undone: [], proposal: null, seams: [], proposing: [] });
    this.number = data.acked[data.load] ?? 0; // back from another page, the opening goes on
    this.bitmap = { ...label, bits: label.bits.slice() };
    for (const text of strokes) {
      const patch = patchFromText(text);
      applyPatch(this.bitmap, patch);
      if (text.undo) this.done.pop();
      else this.done.push({ patch, tool: text.tool });
    }
    this.base = { ...label, bits: this.bitmap.bits.slice() }; // the mask as of the last finished stroke
    this.threshold = data.threshold ?? 0.5;
    this.total = probs && histogram(probs);
    this.before = probs && iouByLevel(histogram(probs, label.bits), this.total);
    this.inside = probs && histogram(probs, this.bitmap.bits);
    this.area = areaOf(this.bitmap.bits);
    this.areaBefore = areaOf(label.bits);
    this.replaces = data.boxOnly;
    await this.view.open(image, () => ({ bitmap: this.bitmap, probs: this.usesProbs ? this.probs : null, table: this.table }), this.colours());
    this.ready = true;
    this.fill();
    this.stage.classList.remove("loading");
    this.recall();
    this.refresh();
    this.measure();
    if (strokes.length) this.offerDraft(new Date(data.draftTime));
    if (data.boxOnly && !data.locked) this.propose(() => {});
    this.stage.focus({ preventScroll: true });
  }

  // Strokes and shapes that an earlier page left in the browser before the server had them.
  recall() {
    const left = stored(this.data.key);
    if (!left) return;
    const mine = new Set(this.outbox.map((stroke) => stroke.load));
    for (const stroke of left.strokes.filter(({ load, n }) => load !== this.load || n > this.number)) {
      if (!mine.has(stroke.load)) this.commit(stroke.tool, applyPatch(this.bitmap, patchFromText(stroke)));
    }
    this.outbox = this.outbox.filter(({ key, load }) => key !== this.data.key || load === this.load);
    this.pending = left.pending ?? {};
    this.persist();
  }

  offerDraft(time) {
    const clock = Number.isNaN(time.getTime()) ? "" : ` of ${time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
    this.say(`Draft${clock} restored.`, ["Discard it", () => this.discard()], ["Keep", () => {}]);
  }

  // Back to the label as saved: itself a stroke that can be undone.
  discard() {
    this.bitmap.bits.set(this.label.bits);
    this.commit("discard", [0, 0, this.bitmap.width, this.bitmap.height]);
  }

  // The server saved a revision from our strokes: it is what the next ones are compared with.
  saved() {
    this.revision = this.data.revision;
    this.label = { ...this.base, bits: this.base.bits.slice() };
    this.before = this.inside && iouByLevel(this.inside, this.total);
    this.areaBefore = this.area;
    this.replaces = this.data.boxOnly;
    this.refresh();
  }

  // ---- to the server ----

  post(ask = null) {
    this.send({ strokes: this.outbox.map(({ key, ...stroke }) => stroke), ask });
    this.lastSent = performance.now();
  }

  resend() {
    if (this.outbox.length && performance.now() - this.lastSent > RESEND_MS) this.post();
  }

  ask(question, answered) {
    const id = ++this.question;
    this.questions.set(id, answered);
    this.post({ ...question, id, load: this.load });
  }

  persist() {
    const keys = new Set([...this.outbox.map(({ key }) => key), this.data.key, this.lastKey]);
    this.lastKey = this.data.key;
    for (const key of keys) {
      if (!key || (key === this.data.key && !this.ready)) continue;
      const strokes = this.outbox.filter((stroke) => stroke.key === key);
      const pending = key === this.data.key ? this.pending : null;
      const empty = !strokes.length && !pending?.polygon && !pending?.seam;
      if (empty && key === this.data.key) stored(key, null);
      else if (strokes.length || pending) stored(key, { strokes, pending });
    }
  }

  keepPending() {
    this.persist();
    this.drawShapes();
    this.showOptions();
  }

  // ---- strokes ----

  commit(tool, box, extra = {}) {
    this.stroke = null;
    const clipped = box && clipBox(this.bitmap, box);
    const patch = clipped && diffPatch(this.base, this.bitmap, clipped);
    if (!extra.keepsOutline) this.outline = null;
    if (patch) {
      this.done.push({ patch, tool, seam: extra.seam });
      this.undone = [];
      this.forget();
      this.record(patch, tool, false);
    }
    if (clipped) this.view.recolour(clipped);
    this.persist();
    this.refresh();
  }

  forget() {
    const bytes = ({ patch }) => patch.added.length + patch.removed.length + 100;
    let kept = this.done.reduce((sum, entry) => sum + bytes(entry), 0);
    while (kept > HISTORY_BYTES) kept -= bytes(this.done.shift());
  }

  // Bring base and numbers up to date with a patch the bitmap has already, and send it.
  record(patch, tool, undo) {
    const count = (bytes, sign) => {
      let [at, on] = [0, 0];
      for (const length of unpackRuns(bytes)) {
        if (on) {
          this.area += sign * length;
          if (this.probs) {
            for (let k = at; k < at + length; k++) {
              this.inside[this.probs[(patch.y + Math.floor(k / patch.w)) * this.bitmap.width + patch.x + (k % patch.w)]] += sign;
            }
          }
        }
        at += length;
        on ^= 1;
      }
    };
    count(patch.added, 1);
    count(patch.removed, -1);
    applyPatch(this.base, patch);
    const stroke = { ...patchToText(patch), tool, undo, n: ++this.number, load: this.load, key: this.data.key };
    this.sentAt.set(`${stroke.load}:${stroke.n}`, performance.now());
    this.outbox.push(stroke);
    this.post();
    clearTimeout(this.measuring);
    this.measuring = setTimeout(() => this.measure(), 250);
  }

  step(from, to, undo) {
    const entry = from.pop();
    if (!entry || this.stroke) return;
    to.push(entry);
    const patch = undo ? reversePatch(entry.patch) : entry.patch;
    this.outline = null;
    this.view.recolour(applyPatch(this.bitmap, patch));
    this.record(patch, entry.tool, undo);
    this.persist();
    this.refresh();
  }

  undo() {
    for (const tool of ["polygon", "seam"]) {
      if (this.settings.tool === tool && this.pending[tool]) return this.backspace();
    }
    return this.step(this.done, this.undone, true);
  }

  redo() {
    this.step(this.undone, this.done, false);
  }

  cancel() {
    if (this.stroke) {
      this.bitmap.bits.set(this.base.bits);
      this.view.recolour();
    }
    [this.stroke, this.outline] = [null, null];
    this.pending[this.settings.tool] = null;
    this.keepPending();
  }

  backspace() {
    const shape = this.pending[this.settings.tool];
    shape?.points.pop();
    if (shape && !shape.points.length) this.pending[this.settings.tool] = null;
    this.keepPending();
  }

  finish(snap) {
    if (this.locked()) return;
    HANDLERS[this.settings.tool].finish?.(this, snap);
    this.keepPending();
  }

  // A test on pixel indices for the mask that `take` takes from, or null.
  source(kind = this.settings.source) {
    if (kind === "proposal") {
      const { proposal } = this;
      return proposal && ((i) => proposal.bits[i]);
    }
    const { probs } = this;
    const level = levelOf(this.threshold);
    return probs && ((i) => probs[i] >= level);
  }

  takeModel(onlyBoth) {
    if (this.locked()) return;
    if (!this.probs) this.say("There is no prediction of this sample; evaluate a run on its split first.");
    takeWhole(this, this.source("model"), "model", onlyBoth);
  }

  takeProposal(onlyBoth) {
    if (this.locked()) return;
    this.propose(() => {
      if (this.seams.length) takeWhole(this, this.source("proposal"), "proposal", onlyBoth);
      else this.say("No seam was seen in the boxes of this label.");
    });
  }

  // Ask once for the seams in the label's boxes; they are shown, and `then` runs, when they are there.
  propose(then) {
    if (this.proposal) return then();
    const load = this.load;
    if (this.proposing.push(then) > 1) return;
    this.ask({ what: "proposal" }, ({ seams }) => {
      if (this.load !== load) return;
      const waiting = this.proposing.splice(0);
      this.seams = seams;
      const { width, height } = this.bitmap;
      this.proposal = { width, height, bits: new Uint8Array(width * height) };
      for (const { points, width } of seams) drawBand(this.proposal, points, width, 1);
      if (seams.length) this.settings.seamWidth = Math.round(seams[0].width);
      this.refresh();
      for (const run of waiting) run();
    });
  }

  // The mask as it is without the open outline's part, and that part as its corners now have it.
  redrawOutline() {
    const { under, box, outlines } = this.outline;
    this.bitmap.bits.set(under);
    this.outline.box = joinBoxes(box, fillRings(this.bitmap, outlines.map(editedRing), 1));
    this.view.recolour(this.outline.box);
  }

  locked() {
    if (this.data?.locked) this.say(this.data.locked);
    return !this.ready || Boolean(this.data.locked);
  }

  // ---- keyboard and pointer ----

  get actions() {
    const set = (key, value) => () => this.set(key, value);
    return [
      ...TOOLS.map(({ id, key, title, sign }) => [key, title, () => this.choose(id, false), sign ? `shift+${key}` : null]),
      ...TOOLS.filter(({ sign }) => sign).map(({ id, key }) => [`shift+${key}`, null, () => this.choose(id, true)]),
      ["[ ]", "Brush size, seam width", null],
      ["[", null, () => this.resize(-1)],
      ["]", null, () => this.resize(1)],
      ["enter", "Close the polygon, draw the band", () => this.finish(false)],
      ["shift+enter", "Snap the seam to the joint", () => this.finish(true)],
      ["backspace", "Take the last corner back", () => this.backspace()],
      ["escape", "Cancel the shape", () => this.cancel()],
      ["q", "Seam replaces what it crosses", () => this.toggleReplaces()],
      ["m", "Take the model's mask", () => this.takeModel(false)],
      ["shift+m", "Keep where label and model agree", () => this.takeModel(true)],
      ["g", "Take the seams proposed in the boxes", () => this.takeProposal(false)],
      ["shift+g", "Keep where label and proposal agree", () => this.takeProposal(true)],
      ["ctrl+z", "Undo (also Z)", () => this.undo()],
      ["z", null, () => this.undo()],
      ["ctrl+y", "Redo (also Y)", () => this.redo()],
      ["y", null, () => this.redo()],
      ["ctrl+shift+z", null, () => this.redo()],
      [", .", "Threshold down, up", null],
      [",", null, () => this.setThreshold(this.threshold - 0.02)],
      [".", null, () => this.setThreshold(this.threshold + 0.02)],
      ...VIEWS.map(([id, title, , key]) => [key, `${title} on, off`, () => this.toggleView(id)]),
      ["h", "Hold: hide everything over the photo", () => this.hide(true)],
      ["+ -", "Zoom (also the wheel)", null],
      ["+", null, () => this.view.zoom(1.5)],
      ["=", null, () => this.view.zoom(1.5)],
      ["-", null, () => this.view.zoom(1 / 1.5)],
      ["0", "Whole photo", () => this.view.fit()],
      ["5", "One to one", () => this.view.zoom(1 / this.view.scale / this.view.ratio)],
      ["← ↑ → ↓", "Move the view (also Space and drag)", null],
      ["arrowleft", null, () => this.view.pan(-80, 0)],
      ["arrowright", null, () => this.view.pan(80, 0)],
      ["arrowup", null, () => this.view.pan(0, -80)],
      ["arrowdown", null, () => this.view.pan(0, 80)],
      ["?", "This sheet", () => this.$(".sheet").showModal()],
    ];
  }

  listen() {
    const { signal } = this.listeners;
    const on = (target, type, handle, options = {}) => target.addEventListener(type, handle, { signal, ...options });
    const keys = new Map(this.actions.map(([key, , run]) => [key, run]));
    on(document, "keydown", (event) => {
      const target = event.composedPath()[0];
      const typing = target.isContentEditable || target.matches?.("textarea, select, input:not([type=range]):not([type=checkbox])");
      if (typing || this.$(".sheet").open || !this.stage.isConnected || !this.stage.clientWidth) return;
      if (event.key === " " && !target.matches?.("button, input")) {
        this.space = true;
        event.preventDefault();
        return;
      }
      if (target.matches?.("input[type=range]") && event.key.startsWith("Arrow")) return;
      if (event.key === "Enter" && target.matches?.("button, a, summary")) return;
      const named = event.key.length > 1 || /[a-z]/i.test(event.key);
      const key = `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${event.shiftKey && named ? "shift+" : ""}${event.key.toLowerCase()}`;
      const run = keys.get(key);
      if (!run || event.altKey) return;
      event.preventDefault();
      run();
    });
    on(document, "keyup", (event) => {
      if (event.key === " ") this.space = false;
      if (event.key.toLowerCase() === "h") this.hide(false);
    });
    on(window, "blur", () => {
      this.space = false;
      this.hide(false);
    });
    on(window, "pagehide", () => this.data && this.persist());
    on(this.stage, "wheel", (event) => {
      event.preventDefault();
      const frame = this.stage.getBoundingClientRect();
      this.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - frame.left, event.clientY - frame.top);
    }, { passive: false });
    on(this.stage, "pointerdown", (event) => this.press(event));
    on(this.stage, "pointermove", (event) => this.drag(event));
    on(this.stage, "pointerup", (event) => this.release(event));
    on(this.stage, "pointercancel", () => this.cancel());
    on(this.stage, "pointerleave", () => this.hover(null));
    on(this.stage, "contextmenu", (event) => event.preventDefault());
    on(this.stage, "dblclick", (event) => {
      if (this.settings.tool === "outline") this.handler.double(this, this.view.toImage(event));
      else this.finish(false);
      this.drawShapes();
    });
    const look = (event) => {
      const frame = this.$(".navigator .frame").getBoundingClientRect();
      const shrink = frame.width / this.view.width;
      if (event.buttons & 1) this.view.centre((event.clientX - frame.left) / shrink, (event.clientY - frame.top) / shrink);
    };
    on(this.$(".navigator"), "pointerdown", look);
    on(this.$(".navigator"), "pointermove", look);
  }

  get handler() {
    return HANDLERS[this.settings.tool];
  }

  press(event) {
    if (event.target.closest(".notice")) return; // its buttons are no part of the photo
    this.stage.focus({ preventScroll: true });
    if (!this.ready) return;
    this.stage.setPointerCapture(event.pointerId);
    if (event.button === 1 || this.space) {
      this.panning = [event.clientX, event.clientY];
      event.preventDefault();
    } else if (event.button === 0 && !this.locked()) {
      this.handler.down(this, this.view.toImage(event), event);
      this.drawShapes();
    }
  }

  drag(event) {
    if (this.panning) {
      this.view.pan(this.panning[0] - event.clientX, this.panning[1] - event.clientY);
      this.panning = [event.clientX, event.clientY];
      return;
    }
    if (this.stroke) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.handler.move(this, this.view.toImage(each), each);
    }
    this.hover(event);
  }

  release(event) {
    if (this.panning) this.panning = null;
    else if (this.stroke) {
      this.handler.up(this, this.view.toImage(event), event);
      this.stroke = null;
    }
    this.drawShapes();
  }

  hover(event) {
    this.pointer = event && this.view.toImage(event);
    this.drawShapes();
  }

  // ---- settings ----

  set(key, value) {
    this.settings[key] = value;
    stored("drywall-qa:editor", this.settings);
    this.refresh();
  }

  choose(tool, erase) {
    if (this.stroke) this.cancel();
    if (tool !== "outline") this.outline = null;
    this.settings.erase = erase;
    this.set("tool", tool);
  }

  resize(direction) {
    const key = this.settings.tool === "seam" ? "seamWidth" : "size";
    const step = Math.max(1, Math.round(this.settings[key] * 0.15));
    this.set(key, Math.min(key === "size" ? 150 : 300, Math.max(1, this.settings[key] + direction * step)));
  }

  setThreshold(value) {
    this.threshold = Math.round(Math.min(0.99, Math.max(0.01, value)) * 100) / 100;
    this.refresh();
  }

  toggleView(id) {
    this.shown ??= {};
    const now = this.settings[id];
    if (now) this.shown[id] = now;
    this.set(id, now ? 0 : this.shown[id] ?? 0.6);
  }

  toggleReplaces() {
    this.replaces = !this.replaces;
    this.refresh();
  }

  hide(hidden) {
    for (const layer of [this.$(".overlay"), this.$(".shapes")]) layer.style.visibility = hidden ? "hidden" : "";
  }

  colours() {
    const { settings } = this;
    const level = this.probs ? levelOf(this.threshold) : 256;
    const opacity = this.probs ? settings : { ...settings, prediction: 0, difference: 0, heat: 0 };
    const wanted = JSON.stringify([level, opacity.label, opacity.prediction, opacity.difference, opacity.heat]);
    if (wanted === this.wanted) return false;
    this.wanted = wanted;
    this.table = colourTable(opacity, level);
    this.usesProbs = opacity.prediction || opacity.difference || opacity.heat;
    return true;
  }
}
