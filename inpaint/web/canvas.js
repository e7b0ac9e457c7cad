// The mask canvas: shows the photo, paints operations over it (see strokes.js) and asks the server for everything else.
// `startCanvas` is called once by Gradio's HTML component. The parts are in files of their own, which go before this one:
// canvas_texts.js (language), canvas_painter.js (how it looks), canvas_tools.js (pointers), canvas_panels.js (what stands
// below), canvas_work.js (the server).

"use strict";

const TOOL_KEYS = { b: "brush", e: "eraser", r: "rectangle", l: "lasso", p: "polygon", o: "object", h: "hand" };
const RESTORES = "#12b76a"; // colour of what is painted to bring the original back

class MaskCanvas {
  // `services`: {ask, work, upload} of Gradio's component.
  constructor(element, texts, services) {
    this.element = element;
    this.upload = services.upload;
    this.part = (name) => element.querySelector('[data-part="' + name + '"]');
    this.text = texts.text;
    this.number = texts.number;
    this.canvas = this.part("canvas");
    this.view = new View();
    this.strokes = new UndoList();
    this.masks = {};       // id -> raster at the size of the shown photo
    this.pictures = {};    // path -> HTMLImageElement
    this.state = null;     // what the server says of this session
    this.divider = 0.5;
    this.trustShown = null;
    this.sent = [];        // the operations that the work in hand fills
    this.editing = false;
    this.unfitted = false; // the photo is to be fitted as soon as it is seen
    this.comparing = false;
    this.likesComparing = true; // a fill is shown beside the original until the person switches that off
    this.tools = new Tools(this);
    this.painter = new Painter(this.canvas, this.view, () => this.look());
    this.panels = new Panels(element, this.part, texts, (path) => this.url(path));
    this.work = new Work(this.part, texts, services, {
      changed: () => this.refresh(), gone: () => this.forget(), done: (message) => this.worked(message),
      token: () => this.state && this.state.token, step: () => this.state && this.state.current,
    });
    texts.fillIn(element);
    this.bind();
    this.chooseTool("brush");
    this.refresh();
    this.resume();
  }

  get busy() { return this.work.busy; }

  say(sentence, wrong = false) { this.work.say(sentence, wrong); }

  bind() {
    const on = (target, names, act) => names.split(" ").forEach((name) => target.addEventListener(name, act, { passive: false }));
    const { tools } = this;
    on(this.element, "click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.tool) this.chooseTool(button.dataset.tool);
      else if (button.dataset.action) this.act(button.dataset.action);
      else if (button.dataset.edit) this.edit(button.dataset.edit);
      else if (button.dataset.trust) this.trust(button.dataset.trust);
      else if (button.dataset.step) this.go(Number(button.dataset.step));
      else if (button.dataset.save) this.download(Number(button.dataset.save), false);
    });
    on(this.part("file"), "change", (event) => { this.open(event.target.files[0]); event.target.value = ""; });
    on(this.part("mask-file"), "change", (event) => { this.uploadMask(event.target.files[0]); event.target.value = ""; });
    on(this.part("size"), "input", (event) => this.setRadius(2 * Math.pow(100, event.target.value / 100)));
    on(this.part("colour"), "input", () => { this.showMask(); this.draw(); });
    on(this.part("divider"), "input", (event) => { this.divider = event.target.value / 1000; this.draw(); });
    const stage = this.part("stage");
    on(stage, "dragover dragenter", (event) => { event.preventDefault(); stage.classList.add("mc-over"); });
    on(stage, "dragleave drop", () => stage.classList.remove("mc-over"));
    on(stage, "drop", (event) => { event.preventDefault(); this.open(event.dataTransfer.files[0]); });
    on(document, "paste", (event) => {
      const file = Array.from(event.clipboardData.files).find((one) => one.type.startsWith("image/"));
      if (file && this.visible()) { event.preventDefault(); this.open(file); }
    });
    on(this.canvas, "pointerdown", (event) => tools.down(event));
    on(this.canvas, "pointermove", (event) => tools.move(event));
    on(this.canvas, "pointerup pointercancel", (event) => tools.up(event));
    on(this.canvas, "pointerleave", () => tools.leave());
    on(this.canvas, "dblclick", (event) => { event.preventDefault(); tools.finishPolygon(); });
    on(this.canvas, "contextmenu", (event) => event.preventDefault());
    on(this.canvas, "wheel", (event) => {
      if (!this.state) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...tools.place(event));
    });
    on(document, "keydown", (event) => this.key(event));
    on(document, "keyup", (event) => {
      if (event.key === " ") tools.space = false;
      if (event.key.toLowerCase() === "c") this.letGo();
    });
    on(window, "blur", () => { tools.space = false; this.letGo(); }); // another window gets the keyup
    on(document, "inpaint-ask", (event) => this.find(event.detail)); // the buttons beside the canvas
    on(document, "inpaint-open", (event) => {
      this.openFrom(() => this.work.request("open_listed", { path: event.detail.listed }));
    });
    on(document, "inpaint-failed", () => this.work.fail());
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  letGo() {
    if (!this.holding) return;
    this.holding = false;
    this.draw();
  }

  visible() { return this.canvas.getClientRects().length > 0; }

  // ---- photo and steps ---------------------------------------------------------------------------------------------

  open(file) {
    if (!file) return;
    this.openFrom(async () => {
      const sent = await this.upload(file);
      return this.work.request("open", { path: sent.path, name: file.name || "photo.png" });
    });
  }

  openFrom(ask) {
    return this.work.during(async () => {
      const reply = await ask();
      if (!reply) return;
      this.tools.corners = null;
      this.strokes.reset();
      this.masks = {};
      this.pictures = {};
      this.compare(false);
      await this.show(reply.state);
      this.resize(true);
      this.canvas.focus({ preventScroll: true });
    });
  }

  async resume() {
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem("inpaint")); } catch (error) { kept = null; }
    if (!kept || !kept.token) return;
    const reply = await this.work.ask("resume", { token: kept.token });
    if (reply.error && reply.error.kind === "gone") sessionStorage.removeItem("inpaint");
    if (reply.error) this.work.explain(reply.error);
    if (reply.error || this.state) return;
    const operations = kept.step === reply.state.current ? kept.operations : []; // or a fill was ready after the page had gone
    for (const operation of operations) {
      if (operation.tool === "mask") await this.fetchMask(operation, reply.state.proxy);
    }
    if (this.state) return;
    this.strokes.reset(operations);
    await this.show(reply.state);
    this.resize(true);
  }

  remember() {
    try {
      const kept = { token: this.state.token, step: this.state.current, operations: this.strokes.items };
      sessionStorage.setItem("inpaint", JSON.stringify(kept));
    } catch (error) { console.warn("the strokes will not survive a reload", error); }
  }

  forget() {
    if (!this.state) return;
    this.state = null;
    this.strokes.reset();
    sessionStorage.removeItem("inpaint");
    this.panels.hide();
    this.refresh();
    this.draw();
  }

  step(number = this.state.current) { return this.state.steps[number]; }

  async show(state) {
    const first = !this.state || this.state.token !== state.token;
    if (!first && state.steps.length < this.state.steps.length) return; // an older answer that came later
    this.trustShown = null;
    this.state = state;
    this.remember();
    const [picture, before] = await Promise.all([this.picture(this.step().picture), this.picture(this.step(0).picture)]);
    if (this.state !== state) return; // something newer was shown meanwhile
    this.photo = picture;
    this.before = before;
    if (first) {
      this.say(this.text("opened", { name: state.name, width: state.width, height: state.height }) + " " + state.notes.join(" "));
    }
    this.paintAgain();
    this.panels.show(state);
    this.refresh();
  }

  picture(path) {
    if (!this.pictures[path]) {
      this.pictures[path] = new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve(image);
        image.onerror = () => { delete this.pictures[path]; reject(new Error("picture " + path)); }; // asked for again next time
        image.src = this.url(path);
      });
    }
    return this.pictures[path];
  }

  url(path) {
    const root = new URL(window.gradio_config.root || "/", location.href).pathname.replace(/\/$/, "");
    const prefix = window.gradio_config.api_prefix || "/gradio_api";
    return location.origin + root + prefix + "/file=" + path.split("/").map(encodeURIComponent).join("/");
  }

  async go(number) {
    if (this.busy || number < 0) return;
    const left = this.step();
    const reply = await this.work.request("go", { step: number });
    if (!reply) return;
    if (!this.paintedAnew()) {
      this.strokes.reset(); // the mask of an undone fill comes back, ready to be changed
      const undone = left.parent === number && left.kind === "fill" && left.mask;
      if (undone) this.strokes.add(await this.fetchMask({ tool: "mask", ...left.mask, mode: "add" }));
    }
    await this.show(reply.state);
    this.say(this.panels.stepName(this.step()));
  }

  async download(number, png) {
    if (!this.state) return;
    this.say(this.text("preparing"));
    const reply = await this.work.request("download", { step: number, png });
    if (!reply) return;
    this.save(reply);
    this.say(this.text("saved", { name: reply.name }) + " " + reply.proof + " " + reply.notes.join(" "));
  }

  save(reply) {
    const link = this.part("link");
    link.href = this.url(reply.file);
    link.download = reply.name;
    link.click();
  }

  // ---- fills and masks from the server -----------------------------------------------------------------------------

  fill() {
    if (!this.state) return this.say(this.text("error_no_photo"), true);
    if (!this.strokes.items.length || !countPixels(this.raster)) return this.say(this.text("error_empty"), true);
    this.sent = this.strokes.items;
    this.work.start("fill", { operations: this.sent });
  }

  // Slow work has ended: it found a mask, or it filled.
  async worked(message) {
    if (message.mask) {
      const { asked, replaces } = message.work === "object" ? this.tools.looked : {};
      await this.addMask(message.mask, "add", { asked, replaces });
      return this.say(this.text("found_" + message.work, { pixels: this.number(message.mask.pixels) }));
    }
    this.strokes.reset(this.strokes.items.filter((one) => !this.sent.includes(one))); // what came meanwhile stays
    await this.show(message.state);
    this.compare(this.likesComparing);
    this.say(this.panels.filledSentence());
  }

  async fetchMask(operation, size = this.state.proxy) {
    const image = await this.picture(operation.picture);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = size;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const values = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const raster = newRaster(canvas.width, canvas.height);
    for (let i = 0; i < raster.data.length; i++) raster.data[i] = values[4 * i] > 127 ? 1 : 0;
    this.masks[operation.id] = raster;
    return { tool: "mask", id: operation.id, picture: operation.picture, mode: operation.mode };
  }

  // `asked`: the clicks and the box that found it; `replaces`: the operation whose place it takes.
  // `sent`: the operations that it was made of, if it comes before all later ones.
  async addMask(mask, mode = "add", { asked = null, replaces = null, sent = null } = {}) {
    const { token } = this.state;
    const operation = await this.fetchMask({ ...mask, mode });
    if (!this.shows(token)) return;
    const later = sent ? this.strokes.items.filter((one) => !sent.includes(one)) : [];
    this.commit(asked ? { ...operation, asked } : operation, replaces, later);
  }

  shows(token) { return Boolean(this.state) && this.state.token === token; }

  // The mask that `ask` gives, added and told of; none where it failed or another photo is shown by now.
  async mark(ask, mode = "add", sent = null) {
    const { token } = this.state;
    const reply = await ask();
    if (!reply || !this.shows(token)) return;
    const notes = reply.notes || [];
    await this.addMask(reply.mask, mode, { sent });
    this.say([this.text("marked", { pixels: this.number(reply.mask.pixels) }), ...notes].join(" "));
  }

  async edit(kind) {
    if (!this.state || this.editing) return;
    const pixels = Number(this.part("pixels").value) || 1, operations = this.strokes.items;
    this.editing = true;
    try {
      await this.mark(() => this.work.request("edit", { operations, kind, pixels }), "replace", operations);
    } finally {
      this.editing = false;
    }
  }

  async uploadMask(file) {
    if (!file || !this.state) return;
    const { token } = this.state;
    await this.mark(async () => {
      let sent;
      try {
        sent = await this.upload(file);
      } catch (error) {
        return this.work.explain({ kind: "upload", text: String(error) });
      }
      if (!this.shows(token)) return null;
      return this.work.request("upload_mask", { path: sent.path, mask_is: this.part("mask-is").value });
    });
  }

  async find(detail) {
    if (!this.state) return this.say(this.text("error_no_photo"), true);
    if (detail.work !== "region") return this.work.start(detail.work, detail);
    await this.mark(() => this.work.request("region", { region: detail.region }));
  }

  findObject(asked) {
    const shadow = document.querySelector("#shadow input");
    this.work.start("object", { ...asked, shadow: Boolean(shadow && shadow.checked) });
  }

  async restore(stroke) {
    this.paintAgain();
    const reply = await this.work.request("restore", { operations: [{ ...stroke, erase: false }] });
    if (!reply) return;
    await this.show(reply.state);
    this.say(this.text("restored", { pixels: this.number(this.step().report.filled) }));
  }

  async trust(kind) {
    const shown = this.trustShown && this.trustShown.kind === kind;
    const reply = shown ? null : await this.work.request("trust", { step: this.state.current, kind });
    this.trustShown = reply && { kind, image: await this.picture(reply.picture) };
    this.panels.showTrust(reply && kind, reply);
    this.draw();
  }

  // The map covers the mask, which is looked at while it is painted.
  hideTrust() {
    if (!this.trustShown) return;
    this.trustShown = null;
    this.panels.showTrust(null);
    this.draw();
  }

  // ---- painting ----------------------------------------------------------------------------------------------------

  paintAgain() {
    const { proxy, width, height } = this.state;
    this.raster = rasterise(this.strokes.items, proxy[0], proxy[1], width, height, this.masks);
    this.showMask();
    this.draw();
  }

  // The last segment of a stroke that is being drawn.
  extend({ points, radius, erase }) {
    const { proxy, width, height } = this.state;
    this.hideTrust();
    const to = points.slice(-2), from = points.length >= 4 ? points.slice(-4, -2) : to;
    this.showMask(fillSegment(this.raster, ...from, ...to, radius, proxy[0] / width, proxy[1] / height, erase ? 0 : 1));
  }

  showMask(box) {
    if (this.raster) this.painter.showMask(this.raster, this.tools.name === "restore" ? RESTORES : this.part("colour").value, box);
  }

  commit(operation, replaces = null, later = []) {
    this.strokes.add(operation, replaces, later);
    this.hideTrust();
    this.changed();
  }

  // The strokes are others than before.
  changed() {
    this.paintAgain();
    this.remember();
    this.refresh();
  }

  chooseTool(name) {
    this.tools.choose(name);
    for (const button of this.element.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    }
    if (this.state) { this.showMask(); this.draw(); }
  }

  setRadius(radius) {
    const { tools } = this;
    tools.radius = Math.min(200, Math.max(2, radius));
    this.part("size").value = String((100 * Math.log(tools.radius / 2)) / Math.log(100));
    this.part("size-shown").textContent = this.state ? this.number(2 * tools.brushRadius()) + " px" : "";
    this.draw();
  }

  // ---- view --------------------------------------------------------------------------------------------------------

  resize(fit = false) {
    const box = this.part("stage").getBoundingClientRect();
    this.unfitted = this.unfitted || fit === true;
    if (!box.width) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(box.width * ratio) || this.canvas.height !== Math.round(box.height * ratio)) {
      this.canvas.width = Math.round(box.width * ratio);
      this.canvas.height = Math.round(box.height * ratio);
    }
    this.painter.ratio = ratio;
    const changed = !this.size || this.size[0] !== box.width || this.size[1] !== box.height;
    this.size = [box.width, box.height];
    if (this.state && (changed || this.unfitted)) this.view.fit(this.state.width, this.state.height, ...this.size);
    this.unfitted = false;
    this.setRadius(this.tools.radius);
  }

  zoom(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    this.view.zoom(factor, x, y);
    this.pan(0, 0);
    this.setRadius(this.tools.radius);
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.view.keepInside(this.state.width, this.state.height, ...this.size);
    this.draw();
  }

  draw() {
    // A window moved to another screen may have other pixels, with every size as it was, and no event says so everywhere.
    if (this.size && this.painter.ratio !== (window.devicePixelRatio || 1)) this.resize();
    else this.painter.draw();
  }

  look() {
    const { state, photo, before, holding, tools } = this;
    if (!state || !photo) return null;
    return {
      width: state.width, height: state.height, blown: state.width / state.proxy[0], photo: holding ? before : photo, before,
      over: holding ? null : this.trustShown ? this.trustShown.image : this.painter.overlay,
      divider: this.comparing && !holding ? this.divider : null, draft: tools.draft(), ring: this.busy ? null : tools.ring(),
    };
  }

  compare(on) {
    this.comparing = on;
    const button = this.element.querySelector('[data-action="compare"]');
    button.setAttribute("aria-pressed", String(on));
    this.part("compare").hidden = !on;
    this.draw();
  }

  // ---- buttons and keys --------------------------------------------------------------------------------------------

  act(action) {
    const last = this.state && this.lastMask();
    const acts = {
      "open": () => this.part("file").click(),
      "fill": () => this.fill(),
      "cancel": () => this.work.cancel(),
      "undo": () => this.undo(), "redo": () => this.redo(),
      "clear": () => { if (this.strokes.items.length) this.commit({ tool: "clear" }); },
      "upload-mask": () => this.part("mask-file").click(),
      "save-mask": async () => {
        const reply = await this.work.request("save_mask", { operations: this.strokes.items });
        if (reply) { this.save(reply); this.say(this.text("saved", { name: reply.name })); }
      },
      "zoom-in": () => this.zoom(1.4), "zoom-out": () => this.zoom(1 / 1.4), "fit": () => this.resize(true),
      "undo-fill": () => this.go(this.state.undo), "redo-fill": () => this.go(this.state.redo),
      "compare": () => { this.likesComparing = !this.comparing; this.compare(this.likesComparing); },
      "last-mask": () => { if (last) this.addMask(last); },
      "again": () => { this.sent = []; this.work.start("again"); },
      "download": () => this.download(this.state.current, false), "download-png": () => this.download(this.state.current, true),
    };
    if (this.state || action === "open") acts[action]();
  }

  lastMask() {
    const step = this.state.steps.filter((one) => one.mask && one.kind === "fill").pop();
    return step && step.mask;
  }

  undo() {
    if (this.tools.corners) return this.tools.dropCorner();
    if (this.strokes.items.length) {
      this.strokes.undo();
      this.changed();
    } else if (this.state.undo >= 0) this.go(this.state.undo);
  }

  redo() {
    if (this.strokes.undone.length) {
      this.strokes.redo();
      this.changed();
    } else if (this.canRedoFill()) this.go(this.state.redo);
  }

  // An undone fill brings its mask back; more than that must not have been painted meanwhile.
  canRedoFill() {
    if (!this.state || this.state.redo < 0) return false;
    const { items } = this.strokes, { mask } = this.step(this.state.redo);
    return !items.length || (items.length === 1 && mask !== null && items[0].id === mask.id && items[0].mode === "add");
  }

  // Whether more is painted than the mask of some fill, which "last mask" or an undo brings back.
  paintedAnew() {
    const kept = this.state.steps.map((step) => step.mask && step.mask.id);
    return this.strokes.items.some((one) => one.tool !== "mask" || !kept.includes(one.id));
  }

  key(event) {
    if (!this.state || !this.visible() || event.altKey) return;
    const field = event.target.closest && event.target.closest("input, textarea, select, [contenteditable]");
    if (field && !["range", "checkbox", "button"].includes(field.type)) return;
    const { tools } = this;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    let handled = true;
    if (command && key === "enter") this.fill();
    else if (command && key === "z") event.shiftKey ? this.redo() : this.undo();
    else if (command && key === "y") this.redo();
    else if (command) handled = false;
    else if (key === "escape") this.escape();
    else if (key === "[") this.setRadius(tools.radius / 1.2);
    else if (key === "]") this.setRadius(tools.radius * 1.2);
    else if (key === "x") this.chooseTool(tools.name === "eraser" ? "brush" : "eraser");
    else if (key === "c") { if (!this.holding) { this.holding = true; this.draw(); } }
    else if (key === "+" || key === "=") this.zoom(1.4);
    else if (key === "-") this.zoom(1 / 1.4);
    else if (key === "0") this.resize(true);
    else if (TOOL_KEYS[key]) this.chooseTool(TOOL_KEYS[key]);
    else handled = document.activeElement === this.canvas && tools.key(key);
    if (handled) event.preventDefault();
  }

  escape() {
    this.part("mask-menu").open = false;
    if (this.busy) this.work.cancel();
    this.tools.escape();
  }

  refresh() {
    const { state, busy } = this;
    const step = state && this.step();
    const painted = Boolean(this.strokes.items.length);
    const usable = {
      "fill": state && !busy, "undo": painted || (state && state.undo >= 0), "redo": this.strokes.undone.length || this.canRedoFill(),
      "clear": painted, "save-mask": painted, "upload-mask": state, "undo-fill": state && state.undo >= 0,
      "redo-fill": state && state.redo >= 0, "compare": state && state.current > 0, "last-mask": state && this.lastMask(),
      "again": step && step.kind === "fill" && !busy, "download": state, "download-png": state, "zoom-in": state, "zoom-out": state, "fit": state,
    };
    for (const button of this.element.querySelectorAll("button[data-action]")) {
      if (button.dataset.action in usable) button.disabled = !usable[button.dataset.action];
    }
    for (const button of this.element.querySelectorAll("[data-tool], [data-edit]")) button.disabled = !state;
    this.part("drop").hidden = Boolean(state);
    this.element.classList.toggle("mc-empty", !state);
    if (state && state.current === 0 && this.comparing) this.compare(false);
  }
}

function startCanvas(element, texts, { trigger, props, server, upload, watch }) {
  const languages = navigator.languages || [navigator.language];
  const services = { ask: (request) => server.ask(request), work: (request) => trigger("work", request), upload };
  const canvas = new MaskCanvas(element, new Texts(chooseTexts(texts, languages)), services);
  watch("value", () => canvas.work.receive(props.value));
  element.maskCanvas = canvas;
}
