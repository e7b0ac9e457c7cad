// The mask canvas: shows the photo, paints operations over it (see strokes.js) and asks the server for everything else.
// `startCanvas` is called once by Gradio's HTML component; `texts` holds every sentence in the person's language.

"use strict";

const ICONS = {
  open: "M3 6h6l2 2h10v11H3z", photo: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 5M15.5 9.5h.01", undo: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
  brush: "M4 20c3 0 5-1 5-4l-2-2c-3 0-3 3-3 6zM9 14L19 4l1 1-10 10", redo: "M15 7l5 5-5 5M20 12H10a6 6 0 0 0-6 6",
  eraser: "M8 20h12M5 15l9-10 6 5-8 9H9z", rectangle: "M4 6h16v12H4z", clear: "M6 7h12M9 7V5h6v2M8 7l1 13h6l1-13",
  lasso: "M12 5c5 0 9 2 9 5s-4 5-9 5-9-2-9-5 4-5 9-5zM7 15c-2 1-2 4 1 4", polygon: "M5 8l8-4 7 8-4 8-10-2z",
  object: "M12 3v4M12 17v4M3 12h4M17 12h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z", minus: "M5 12h14", plus: "M5 12h14M12 5v14",
  restore: "M4 12a8 8 0 1 0 3-6M4 4v5h5", hand: "M8 13V6a1.5 1.5 0 0 1 3 0v5V4a1.5 1.5 0 0 1 3 0v7V6a1.5 1.5 0 0 1 3 0v9c0 4-2 6-5 6-4 0-5-3-7-7a1.5 1.5 0 0 1 3-1z",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  fill: "M5 13l7-9 7 9a7 5 0 0 1-14 0zM9 14a3 3 0 0 0 3 3",
};
const SVG = "http://www.w3.org/2000/svg";
const TOOL_KEYS = { b: "brush", e: "eraser", r: "rectangle", l: "lasso", p: "polygon", o: "object", h: "hand" };

class MaskCanvas {
  constructor(element, services) {
    Object.assign(this, services); // texts, ask, work, upload
    this.element = element;
    this.part = (name) => element.querySelector('[data-part="' + name + '"]');
    this.canvas = this.part("canvas");
    this.context = this.canvas.getContext("2d");
    this.overlay = document.createElement("canvas");
    this.view = new View();
    this.strokes = new UndoList();
    this.masks = {};       // id -> raster at the size of the shown photo
    this.pictures = {};    // path -> HTMLImageElement
    this.pointers = new Map();
    this.state = null;     // what the server says of this session
    this.tool = "brush";
    this.radius = 20;      // on the screen, in CSS pixels
    this.divider = 0.5;
    this.trustShown = null;
    this.comparing = false;
    this.likesComparing = true; // a fill is shown beside the original until the person switches that off
    this.busy = false;
    this.fillIn(element);
    this.bind();
    this.chooseTool("brush");
    this.refresh();
    this.resume();
  }

  text(key, values = {}) {
    return (this.texts[key] || key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
  }

  number(value, digits = 0) {
    return value.toLocaleString(this.texts.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  // Texts, labels and icons that the template only names.
  fillIn(root) {
    for (const node of root.querySelectorAll("[data-icon]")) {
      const svg = document.createElementNS(SVG, "svg");
      const path = document.createElementNS(SVG, "path");
      svg.setAttribute("viewBox", "0 0 24 24");
      svg.setAttribute("aria-hidden", "true");
      path.setAttribute("d", ICONS[node.dataset.icon]);
      svg.append(path);
      node.prepend(svg);
    }
    for (const node of root.querySelectorAll("[data-text]")) {
      const span = document.createElement("span");
      span.textContent = this.text(node.dataset.text);
      node.append(span);
    }
    for (const node of root.querySelectorAll("[data-hint]")) {
      node.title = this.text(node.dataset.hint);
      if (!node.dataset.text) node.setAttribute("aria-label", node.title);
    }
    for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", this.text(node.dataset.label));
  }

  bind() {
    const on = (target, names, act) => names.split(" ").forEach((name) => target.addEventListener(name, act, { passive: false }));
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
    on(this.part("colour"), "input", () => { this.paintOverlay(); this.draw(); });
    on(this.part("divider"), "input", (event) => { this.divider = event.target.value / 1000; this.draw(); });
    const stage = this.part("stage");
    on(stage, "dragover dragenter", (event) => { event.preventDefault(); stage.classList.add("mc-over"); });
    on(stage, "dragleave drop", () => stage.classList.remove("mc-over"));
    on(stage, "drop", (event) => { event.preventDefault(); this.open(event.dataTransfer.files[0]); });
    on(document, "paste", (event) => {
      const file = Array.from(event.clipboardData.files).find((one) => one.type.startsWith("image/"));
      if (file && this.visible()) { event.preventDefault(); this.open(file); }
    });
    on(this.canvas, "pointerdown", (event) => this.down(event));
    on(this.canvas, "pointermove", (event) => this.move(event));
    on(this.canvas, "pointerup pointercancel", (event) => this.up(event));
    on(this.canvas, "pointerleave", () => { this.cursor = null; this.draw(); });
    on(this.canvas, "dblclick", (event) => { event.preventDefault(); this.finishPolygon(); });
    on(this.canvas, "contextmenu", (event) => event.preventDefault());
    on(this.canvas, "wheel", (event) => {
      if (!this.state) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...this.place(event));
    });
    on(document, "keydown", (event) => this.key(event));
    on(document, "keyup", (event) => {
      if (event.key === " ") this.space = false;
      if (event.key.toLowerCase() === "c") this.letGo();
    });
    on(window, "blur", () => { this.space = false; this.letGo(); }); // another window gets the keyup
    on(document, "inpaint-ask", (event) => this.find(event.detail)); // the buttons beside the canvas
    on(document, "inpaint-open", (event) => this.openFrom(() => this.request("open_listed", { path: event.detail.listed })));
    on(document, "inpaint-failed", () => { if (this.busy) { this.setBusy(false); this.say(this.text("failed"), true); } });
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  letGo() {
    if (!this.holding) return;
    this.holding = false;
    this.draw();
  }

  visible() { return this.canvas.getClientRects().length > 0; }

  // ---- talking with the server -------------------------------------------------------------------------------------

  async request(action, values = {}) {
    let reply;
    try {
      reply = await this.ask({ action, language: this.text("locale"), token: this.state && this.state.token, ...values });
    } catch (error) {
      reply = { error: { kind: "offline", text: String(error) } };
    }
    if (reply.error) {
      this.explain(reply.error);
      return null;
    }
    return reply;
  }

  startWork(work, values = {}) {
    if (!this.state || this.busy) return;
    this.job = Math.random().toString(36).slice(2);
    this.heard = -1;
    this.setBusy(true);
    this.work({ work, language: this.text("locale"), token: this.state.token, job: this.job, ...values });
  }

  // What waits for its turn is given up at once; what has begun stops at its next step and then says so.
  cancel() {
    if (!this.busy || !this.job) return;
    this.request("cancel", { job: this.job });
    if (this.begun) return this.say(this.text("cancelling"));
    this.job = null;
    this.setBusy(false);
    this.say(this.text("error_cancelled"), true);
  }

  // A message that the queue sent: progress, or the end of some work.
  async receive(message) {
    if (!message || !message.kind || message.job !== this.job) return; // or it was cancelled while it waited
    if (message.serial <= this.heard) return; // Gradio delivers the last message twice
    this.heard = message.serial;
    if (message.kind === "progress") {
      this.begun = true;
      if (this.busy) this.showProgress(message.stage, message.done);
      return;
    }
    this.setBusy(false);
    if (message.kind === "error") return this.explain(message.error);
    if (message.mask) {
      const { asked, replaces } = message.work === "object" ? this.looked : {};
      await this.addMask(message.mask, "add", asked, replaces);
      return this.say(this.text("found_" + message.work, { pixels: this.number(message.mask.pixels) }));
    }
    this.strokes.reset();
    await this.show(message.state);
    this.compare(this.likesComparing);
    this.sayFilled();
  }

  explain(error) {
    const known = error.kind && this.texts["error_" + error.kind];
    this.say(known || error.text, true);
    if (error.kind === "gone" && this.state) this.forget();
  }

  say(sentence, wrong = false) {
    const status = this.part("status");
    status.textContent = sentence;
    status.classList.toggle("mc-wrong", wrong);
  }

  setBusy(busy) {
    this.busy = busy;
    this.begun = false;
    this.part("progress").hidden = !busy;
    if (busy) { this.say(""); this.showProgress("waiting", null); }
    this.refresh();
  }

  showProgress(stage, done) {
    const bar = this.part("share");
    if (done === null || done === 0) bar.removeAttribute("value");
    else bar.value = done;
    this.part("stage-name").textContent = this.text("stage_" + stage) + (done ? " " + Math.round(100 * done) + " %" : "");
  }

  // ---- photo and steps ---------------------------------------------------------------------------------------------

  open(file) {
    if (!file) return;
    this.openFrom(async () => {
      const sent = await this.upload(file);
      return this.request("open", { path: sent.path, name: file.name || "photo.png" });
    });
  }

  async openFrom(ask) {
    if (this.busy) return;
    this.job = null; // an upload cannot be cancelled
    this.setBusy(true);
    this.showProgress("upload", null);
    try {
      const reply = await ask();
      if (reply) {
        this.strokes.reset();
        this.masks = {};
        this.pictures = {};
        this.compare(false);
        await this.show(reply.state);
        this.resize(true);
        this.canvas.focus({ preventScroll: true });
      }
    } catch (error) {
      this.explain({ kind: "upload", text: String(error) });
    }
    const said = this.part("status").textContent, wrong = this.part("status").classList.contains("mc-wrong");
    this.setBusy(false);
    if (said) this.say(said, wrong);
  }

  async resume() {
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem("inpaint")); } catch (error) { kept = null; }
    if (!kept || !kept.token) return;
    const reply = await this.ask({ action: "resume", language: this.text("locale"), token: kept.token });
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
    this.state = null;
    this.strokes.reset();
    sessionStorage.removeItem("inpaint");
    this.part("history").hidden = this.part("report").hidden = this.part("alternatives").hidden = true;
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
      this.overlay.width = state.proxy[0];
      this.overlay.height = state.proxy[1];
      this.say(this.text("opened", { name: state.name, width: state.width, height: state.height }) + " " + state.notes.join(" "));
    }
    this.paintAgain();
    this.showHistory();
    this.showReport();
    this.refresh();
  }

  picture(path) {
    if (!this.pictures[path]) {
      this.pictures[path] = new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve(image);
        image.onerror = () => reject(new Error("picture " + path));
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
    const reply = await this.request("go", { step: number });
    if (!reply) return;
    const undone = left.parent === number && left.kind === "fill" && left.mask;
    this.strokes.reset(); // the mask of an undone fill comes back, ready to be changed
    if (undone) this.strokes.add(await this.fetchMask({ tool: "mask", ...left.mask, mode: "add" }));
    await this.show(reply.state);
    this.say(this.stepName(this.step()));
  }

  async download(number, png) {
    if (!this.state) return;
    this.say(this.text("preparing"));
    const reply = await this.request("download", { step: number, png });
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

  // ---- masks -------------------------------------------------------------------------------------------------------

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
  async addMask(mask, mode = "add", asked = null, replaces = null) {
    const operation = await this.fetchMask({ ...mask, mode });
    this.commit(asked ? { ...operation, asked } : operation, replaces);
  }

  async edit(kind) {
    if (!this.state) return;
    const pixels = Number(this.part("pixels").value) || 1;
    const reply = await this.request("edit", { operations: this.strokes.items, kind, pixels });
    if (reply) {
      await this.addMask(reply.mask, "replace");
      this.say(this.text("marked", { pixels: this.number(reply.mask.pixels) }));
    }
  }

  async uploadMask(file) {
    if (!file || !this.state) return;
    let sent;
    try {
      sent = await this.upload(file);
    } catch (error) {
      return this.explain({ kind: "upload", text: String(error) });
    }
    const reply = await this.request("upload_mask", { path: sent.path, mask_is: this.part("mask-is").value });
    if (!reply) return;
    await this.addMask(reply.mask);
    this.say(this.text("marked", { pixels: this.number(reply.mask.pixels) }) + " " + reply.notes.join(" "));
  }

  async find(detail) {
    if (!this.state) return this.say(this.text("error_no_photo"), true);
    if (detail.work === "region") {
      const reply = await this.request("region", { region: detail.region });
      if (reply) {
        await this.addMask(reply.mask);
        this.say(this.text("marked", { pixels: this.number(reply.mask.pixels) }));
      }
    } else this.startWork(detail.work, detail);
  }

  // ---- painting ----------------------------------------------------------------------------------------------------

  scale() { return [this.state.proxy[0] / this.state.width, this.state.proxy[1] / this.state.height]; }

  paintAgain() {
    const { proxy, width, height } = this.state;
    this.raster = rasterise(this.strokes.items, proxy[0], proxy[1], width, height, this.masks);
    this.paintOverlay();
    this.draw();
  }

  // The mask as stripes of a colour and its lighter self, which show on any photo.
  paintOverlay(box = { left: 0, top: 0, right: this.overlay.width, bottom: this.overlay.height }) {
    if (!this.raster) return;
    const width = box.right - box.left, height = box.bottom - box.top;
    if (width <= 0 || height <= 0) return;
    const colour = parseInt((this.tool === "restore" ? "#12b76a" : this.part("colour").value).slice(1), 16);
    const [red, green, blue] = [colour >> 16, (colour >> 8) & 255, colour & 255];
    const image = new ImageData(width, height);
    const stripe = Math.max(3, Math.round(Math.max(this.overlay.width, this.overlay.height) / 160));
    const { data } = this.raster;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (!data[(y + box.top) * this.raster.width + x + box.left]) continue;
        const at = 4 * (y * width + x);
        const light = Math.floor((x + box.left + y + box.top) / stripe) % 2 ? 60 : 0;
        image.data[at] = Math.min(255, red + light);
        image.data[at + 1] = Math.min(255, green + light);
        image.data[at + 2] = Math.min(255, blue + light);
        image.data[at + 3] = 150;
      }
    }
    this.overlay.getContext("2d").putImageData(image, box.left, box.top);
  }

  commit(operation, replaces = null) {
    this.strokes.add(operation, replaces);
    this.paintAgain();
    this.remember();
    this.refresh();
  }

  chooseTool(tool) {
    this.tool = tool;
    this.corners = null;
    for (const button of this.element.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.canvas.style.cursor = { hand: "grab", brush: "none", eraser: "none", restore: "none" }[tool] || "crosshair";
    if (this.state) { this.paintOverlay(); this.draw(); }
  }

  setRadius(radius) {
    this.radius = Math.min(200, Math.max(2, radius));
    this.part("size").value = String((100 * Math.log(this.radius / 2)) / Math.log(100));
    this.part("size-shown").textContent = this.state ? this.number(2 * this.radius / this.view.scale) + " px" : "";
    this.draw();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (!this.state || this.busy) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size >= 2) { // a second finger: the first one was not painting
      if (this.stroke) { this.stroke = null; this.paintAgain(); }
      this.drag = null;
      return;
    }
    const point = this.view.toPhoto(...at);
    const erase = event.button === 2 || event.buttons === 32 || this.tool === "eraser";
    if (this.space || event.button === 1 || this.tool === "hand") this.drag = { pan: at };
    else if (["brush", "eraser", "restore"].includes(this.tool)) {
      this.stroke = { tool: "brush", radius: this.radius / this.view.scale, points: [...point], erase };
      this.extend(point);
    } else if (this.tool === "polygon") this.drag = { corner: true, erase }; // set when the finger goes without a second one
    else this.drag = { from: point, points: [...point], erase, plus: event.shiftKey, minus: event.altKey || event.button === 2 };
    this.draw();
  }

  move(event) {
    const at = this.place(event);
    this.cursor = at;
    this.steered = false;
    if (this.pointers.has(event.pointerId)) {
      const before = this.pointers.get(event.pointerId);
      if (this.pointers.size === 2) this.pinch(event.pointerId, before, at);
      else if (this.drag && this.drag.pan) this.pan(at[0] - before[0], at[1] - before[1]);
      else {
        const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
        for (const one of events.length ? events : [event]) {
          const point = this.view.toPhoto(...this.place(one));
          if (this.stroke) { this.stroke.points.push(...point); this.extend(point); }
          else if (this.drag && this.drag.points) this.drag.points.push(...point);
        }
      }
      this.pointers.set(event.pointerId, at);
    }
    this.draw();
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { stroke, drag } = this;
    this.stroke = this.drag = null;
    if (event.type === "pointercancel") return this.paintAgain();
    if (stroke) this.tool === "restore" ? this.restore(stroke) : this.commit(stroke);
    else if (drag && drag.corner) this.addCorner(this.view.toPhoto(...this.place(event)), this.place(event), drag.erase);
    else if (drag && drag.points) this.finishDrag(drag, this.view.toPhoto(...this.place(event)));
    this.draw();
  }

  extend(point) {
    const points = this.stroke.points, n = points.length;
    const from = n >= 4 ? [points[n - 4], points[n - 3]] : point;
    const box = fillSegment(this.raster, ...from, ...point, this.stroke.radius, ...this.scale(), this.stroke.erase ? 0 : 1);
    this.paintOverlay(box);
  }

  finishDrag(drag, to) {
    const [left, top] = [Math.min(drag.from[0], to[0]), Math.min(drag.from[1], to[1])];
    const [right, bottom] = [Math.max(drag.from[0], to[0]), Math.max(drag.from[1], to[1])];
    const small = (right - left) * this.view.scale < 4 && (bottom - top) * this.view.scale < 4;
    if (this.tool === "object") return this.findObject(drag, small ? null : [left, top, right - left, bottom - top]);
    if (small && this.tool === "rectangle") return;
    const points = this.tool === "rectangle" ? [left, top, right, top, right, bottom, left, bottom] : drag.points;
    if (points.length >= 6) this.commit({ tool: "polygon", points, erase: drag.erase });
  }

  // A click starts an object, Shift adds a point that belongs to it, Alt or the right button one that does not.
  findObject(drag, box) {
    const last = drag.plus || drag.minus ? this.lastObject() : null;
    const before = last ? last.asked : { points: [], labels: [], box: null };
    const asked = { points: [...before.points], labels: [...before.labels], box: box || before.box };
    if (!box) {
      asked.points.push([drag.from[0], drag.from[1]]);
      asked.labels.push(drag.minus ? 0 : 1);
    }
    this.looked = { asked, replaces: last };
    const shadow = document.querySelector("#shadow input");
    this.startWork("object", { ...asked, shadow: Boolean(shadow && shadow.checked) });
  }

  // The object that was marked last; none where Esc ended it or the mask was cleared or changed as a whole since.
  lastObject() {
    const found = this.strokes.items.findLast((one) => one.asked || one.tool === "clear" || one.mode === "replace");
    return found && found.asked && found !== this.ended ? found : null;
  }

  addCorner(point, at, erase) {
    if (!this.corners) this.corners = { points: [], erase };
    const first = this.corners.points.length >= 6 && this.view.toScreen(this.corners.points[0], this.corners.points[1]);
    this.steered = false; // the arrow keys have not moved the cursor since
    if (first && Math.hypot(first[0] - at[0], first[1] - at[1]) < 10) return this.finishPolygon();
    this.corners.points.push(...point);
  }

  finishPolygon() {
    const corners = this.corners;
    this.corners = null;
    if (corners && corners.points.length >= 6) this.commit({ tool: "polygon", points: corners.points, erase: corners.erase });
    else this.draw();
  }

  async restore(stroke) {
    this.paintAgain();
    const reply = await this.request("restore", { operations: [{ ...stroke, erase: false }] });
    if (!reply) return;
    await this.show(reply.state);
    this.say(this.text("restored", { pixels: this.number(this.step().report.filled) }));
  }

  // ---- view --------------------------------------------------------------------------------------------------------

  resize(fit = false) {
    const box = this.part("stage").getBoundingClientRect();
    if (!box.width) return;
    const ratio = window.devicePixelRatio || 1;
    const changed = this.canvas.width !== Math.round(box.width * ratio) || this.canvas.height !== Math.round(box.height * ratio);
    if (changed) {
      this.canvas.width = Math.round(box.width * ratio);
      this.canvas.height = Math.round(box.height * ratio);
    }
    this.size = [box.width, box.height];
    if (this.state && (changed || fit === true)) this.view.fit(this.state.width, this.state.height, ...this.size);
    this.setRadius(this.radius);
  }

  zoom(factor, x = this.size[0] / 2, y = this.size[1] / 2) {
    this.view.zoom(factor, x, y);
    this.pan(0, 0);
    this.setRadius(this.radius);
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.view.keepInside(this.state.width, this.state.height, ...this.size);
    this.draw();
  }

  pinch(moved, before, after) {
    const other = [...this.pointers].find(([id]) => id !== moved)[1];
    const distance = (a) => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
    this.zoom(distance(after) / distance(before), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
    this.pan((after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.drawNow(); });
  }

  drawNow() {
    const { context, view } = this;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.state || !this.photo) return;
    const [left, top, width, height] = [view.x, view.y, this.state.width * view.scale, this.state.height * view.scale];
    context.imageSmoothingEnabled = view.scale * (this.state.width / this.state.proxy[0]) < 2;
    context.imageSmoothingQuality = "high";
    this.drawChecks(left, top, width, height);
    context.drawImage(this.holding ? this.before : this.photo, left, top, width, height);
    if (this.comparing && !this.holding) this.drawDivider(left, top, width, height);
    if (!this.holding) {
      context.drawImage(this.trustShown ? this.trustShown.image : this.overlay, left, top, width, height);
    }
    this.drawDraft();
    this.drawCursor();
  }

  drawChecks(left, top, width, height) {
    if (!this.checks) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = 16;
      const paint = tile.getContext("2d");
      paint.fillStyle = "#fff";
      paint.fillRect(0, 0, 16, 16);
      paint.fillStyle = "#d0d0d0";
      paint.fillRect(0, 0, 8, 8);
      paint.fillRect(8, 8, 8, 8);
      this.checks = this.context.createPattern(tile, "repeat");
    }
    this.context.fillStyle = this.checks;
    this.context.fillRect(left, top, width, height);
  }

  drawDivider(left, top, width, height) {
    const { context } = this;
    const x = left + width * this.divider;
    context.save();
    context.beginPath();
    context.rect(left, top, width * this.divider, height);
    context.clip();
    context.drawImage(this.before, left, top, width, height);
    context.restore();
    this.line([x, top, x, top + height], 2);
  }

  // What is being drawn: rectangle, lasso, polygon.
  drawDraft() {
    const { drag, corners, view } = this;
    if (corners) {
      const path = [...corners.points];
      if (this.cursor) path.push(...view.toPhoto(...this.cursor));
      this.outline(path);
    } else if (drag && drag.points && this.tool === "lasso") this.outline(drag.points);
    else if (drag && drag.points) {
      const n = drag.points.length, [x, y] = drag.from, [u, v] = [drag.points[n - 2], drag.points[n - 1]];
      this.outline([x, y, u, y, u, v, x, v]);
    }
  }

  outline(points) {
    const path = [];
    for (let i = 0; i < points.length; i += 2) path.push(...this.view.toScreen(points[i], points[i + 1]));
    this.line([...path, path[0], path[1]], 1.5);
  }

  line(path, width) { // white on black: shows on any photo
    const { context } = this;
    for (const [colour, wide] of [["#000", width + 2], ["#fff", width]]) {
      context.beginPath();
      for (let i = 0; i < path.length; i += 2) context.lineTo(path[i], path[i + 1]);
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.stroke();
    }
  }

  drawCursor() {
    if (!this.cursor || this.busy || !["brush", "eraser", "restore"].includes(this.tool)) return;
    const { context } = this;
    for (const [colour, wide] of [["#000", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc(this.cursor[0], this.cursor[1], this.radius, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.setLineDash(this.tool === "eraser" ? [5, 4] : []);
      context.stroke();
    }
    context.setLineDash([]);
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
      "cancel": () => this.cancel(),
      "undo": () => this.undo(), "redo": () => this.redo(),
      "clear": () => { if (this.strokes.items.length) this.commit({ tool: "clear" }); },
      "upload-mask": () => this.part("mask-file").click(),
      "save-mask": async () => {
        const reply = await this.request("save_mask", { operations: this.strokes.items });
        if (reply) { this.save(reply); this.say(this.text("saved", { name: reply.name })); }
      },
      "zoom-in": () => this.zoom(1.4), "zoom-out": () => this.zoom(1 / 1.4), "fit": () => this.resize(true),
      "undo-fill": () => this.go(this.state.undo), "redo-fill": () => this.go(this.state.redo),
      "compare": () => { this.likesComparing = !this.comparing; this.compare(this.likesComparing); },
      "last-mask": () => { if (last) this.addMask(last); },
      "again": () => this.startWork("again"),
      "download": () => this.download(this.state.current, false), "download-png": () => this.download(this.state.current, true),
    };
    if (this.state || action === "open") acts[action]();
  }

  fill() {
    if (!this.state) return this.say(this.text("error_no_photo"), true);
    if (!this.strokes.items.length || !countPixels(this.raster)) return this.say(this.text("error_empty"), true);
    this.startWork("fill", { operations: this.strokes.items });
  }

  lastMask() {
    const step = this.state.steps.filter((one) => one.mask && one.kind === "fill").pop();
    return step && step.mask;
  }

  undo() {
    if (this.strokes.items.length) {
      this.strokes.undo();
      this.paintAgain();
      this.remember();
      this.refresh();
    } else if (this.state.undo >= 0) this.go(this.state.undo);
  }

  redo() {
    if (this.strokes.undone.length) {
      this.strokes.redo();
      this.paintAgain();
      this.remember();
      this.refresh();
    } else if (this.canRedoFill()) this.go(this.state.redo);
  }

  // An undone fill brings its mask back; more than that must not have been painted meanwhile.
  canRedoFill() {
    if (!this.state || this.state.redo < 0) return false;
    const { items } = this.strokes, { mask } = this.step(this.state.redo);
    return !items.length || (items.length === 1 && mask !== null && items[0].id === mask.id && items[0].mode === "add");
  }

  key(event) {
    if (!this.state || !this.visible() || event.altKey) return;
    const field = event.target.closest && event.target.closest("input, textarea, select, [contenteditable]");
    if (field && !["range", "checkbox", "button"].includes(field.type)) return;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    let handled = true;
    if (command && key === "enter") this.fill();
    else if (command && key === "z") event.shiftKey ? this.redo() : this.undo();
    else if (command && key === "y") this.redo();
    else if (command) handled = false;
    else if (key === "escape") this.escape();
    else if (key === "[") this.setRadius(this.radius / 1.2);
    else if (key === "]") this.setRadius(this.radius * 1.2);
    else if (key === "x") this.chooseTool(this.tool === "eraser" ? "brush" : "eraser");
    else if (key === "c") { if (!this.holding) { this.holding = true; this.draw(); } }
    else if (key === "+" || key === "=") this.zoom(1.4);
    else if (key === "-") this.zoom(1 / 1.4);
    else if (key === "0") this.resize(true);
    else if (TOOL_KEYS[key]) this.chooseTool(TOOL_KEYS[key]);
    else if (document.activeElement === this.canvas) handled = this.canvasKey(key);
    else handled = false;
    if (handled) event.preventDefault();
  }

  // With the canvas in focus: arrows move the cursor, Enter dabs or sets a corner, once more closes; the space bar pans.
  canvasKey(key) {
    const moves = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
    if (!this.cursor) this.cursor = [this.size[0] / 2, this.size[1] / 2];
    if (moves[key]) {
      this.steered = true;
      this.cursor = this.cursor.map((value, i) => Math.min(this.size[i], Math.max(0, value + moves[key][i] * this.radius)));
      this.draw();
    } else if (key === " ") this.space = true;
    else if (key === "enter" && !this.busy) {
      const point = this.view.toPhoto(...this.cursor);
      if (this.tool === "polygon" && this.corners && this.corners.points.length >= 6 && !this.steered) this.finishPolygon();
      else if (this.tool === "polygon") this.addCorner(point, this.cursor, false);
      else if (this.tool === "object") this.findObject({ from: point }, null);
      else if (this.tool === "restore") this.restore({ tool: "brush", radius: this.radius / this.view.scale, points: point });
      else if (["brush", "eraser"].includes(this.tool)) {
        this.commit({ tool: "brush", radius: this.radius / this.view.scale, points: point, erase: this.tool === "eraser" });
      }
    } else return false;
    return true;
  }

  escape() {
    this.part("mask-menu").open = false;
    if (this.busy) this.act("cancel");
    this.corners = this.drag = null;
    this.ended = this.lastObject() || this.ended;
    if (this.stroke) { this.stroke = null; this.paintAgain(); }
    this.draw();
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

  // ---- history, alternatives, report -------------------------------------------------------------------------------

  stepName(step) {
    const fills = this.state.steps.filter((one) => one.kind === step.kind);
    const groups = [...new Set(fills.map((one) => one.group))];
    const same = fills.filter((one) => one.group === step.group);
    const letter = step.kind === "fill" && same.length > 1 ? String.fromCharCode(97 + same.indexOf(step)) : "";
    const count = step.kind === "fill" ? groups.indexOf(step.group) + 1 : fills.indexOf(step) + 1;
    return this.text("step_" + step.kind, { number: count + letter });
  }

  stepButton(step, caption) {
    const button = make("button", { type: "button", className: "mc-step" });
    button.dataset.step = step.number;
    button.append(make("img", { src: this.url(step.thumbnail), alt: "" }), make("span", { textContent: caption }));
    if (step.number === this.state.current) button.setAttribute("aria-current", "step");
    return button;
  }

  showHistory() {
    const items = this.state.steps.map((step) => {
      const name = this.stepName(step);
      const save = make("button", { type: "button", className: "mc-save", title: this.text("download_step", { name }) });
      save.setAttribute("aria-label", save.title);
      save.dataset.save = step.number;
      save.dataset.icon = "download";
      const item = make("div", { className: "mc-item" });
      item.append(this.stepButton(step, name), save);
      this.fillIn(item);
      return item;
    });
    this.part("history").replaceChildren(...items);
    this.part("history").hidden = items.length < 2;
    const step = this.step();
    const others = this.state.steps.filter((one) => one.kind === "fill" && step.kind === "fill" && one.group === step.group);
    const caption = (one) => one.report.engines + ", " + this.text("seam", { seam: this.number(one.report.seam, 2) });
    const several = others.length > 1;
    this.part("alternatives").replaceChildren(...(several ? [make("strong", { textContent: this.text("alternatives") })] : []),
      ...(several ? others.map((one) => this.stepButton(one, caption(one))) : []));
    this.part("alternatives").hidden = !several;
  }

  sayFilled() {
    const { report } = this.step();
    const values = {
      filled: this.number(report.filled), engines: report.engines, seconds: this.number(report.seconds.total, 1),
      changed: this.number(report.changed), kept: this.number(report.kept),
    };
    this.say(this.text("filled", values) + " " + report.notes.join(" "));
  }

  showReport() {
    const step = this.step();
    this.part("report").hidden = step.kind !== "fill";
    this.part("trust-text").textContent = "";
    for (const button of this.element.querySelectorAll("[data-trust]")) button.setAttribute("aria-pressed", "false");
    if (step.kind !== "fill") return;
    const { report } = step;
    const table = make("table", {});
    const row = (cells, kind) => {
      const line = make("tr", {});
      line.append(...cells.map((cell) => make(kind, { textContent: cell })));
      table.append(line);
    };
    row(["hole_size", "engine", "hole_depth", "reach", "seam_head", "reason"].map((key) => this.text(key)), "th");
    for (const hole of report.holes.slice(0, 20)) {
      const reach = hole.network_reach === null ? "-" : this.number(hole.network_reach) + " px";
      const why = hole.reason || this.text("no_reason");
      row([this.number(hole.hole_pixels) + " px", hole.engine, this.number(hole.hole_depth) + " px", reach, this.number(hole.seam, 2), why], "td");
    }
    const stages = Object.entries(report.seconds).map(([name, spent]) => this.text("stage_" + name) + " " + this.number(spent, 2) + " s");
    const lines = [
      this.text("proof", { changed: this.number(report.changed), kept: this.number(report.kept) }),
      this.text("settings", { model: report.model, seed: report.seed, dilate: report.dilate }),
      this.text("times", { stages: stages.join(", ") }), ...report.notes,
    ];
    const box = make("div", { className: "mc-scroll" });
    box.append(table);
    this.part("report-body").replaceChildren(box, ...lines.map((line) => make("p", { textContent: line })));
  }

  async trust(kind) {
    const shown = this.trustShown && this.trustShown.kind === kind;
    this.trustShown = null;
    if (!shown) {
      const reply = await this.request("trust", { step: this.state.current, kind });
      if (reply) {
        this.trustShown = { kind, image: await this.picture(reply.picture) };
        const share = this.number(100 * reply.blind, 1);
        this.part("trust-text").textContent = this.text("trust_said_" + kind, { largest: this.number(reply.largest, 2), share });
      }
    } else this.part("trust-text").textContent = "";
    for (const button of this.element.querySelectorAll("[data-trust]")) {
      button.setAttribute("aria-pressed", String(Boolean(this.trustShown) && button.dataset.trust === kind));
    }
    this.draw();
  }
}

function make(tag, values) { return Object.assign(document.createElement(tag), values); }

// Texts in the language of the browser: the first of its languages that we have, else English.
function chooseTexts(all, languages) {
  for (const language of languages) {
    if (/^zh\b(?!-(tw|hk|mo|hant))/i.test(language)) return all["zh-CN"];
    if (/^en\b/i.test(language)) return all.en;
  }
  return all.en;
}

function startCanvas(element, texts, { trigger, props, server, upload, watch }) {
  const canvas = new MaskCanvas(element, {
    texts: chooseTexts(texts, navigator.languages || [navigator.language]),
    ask: (request) => server.ask(request),
    work: (request) => trigger("work", request),
    upload,
  });
  watch("value", () => canvas.receive(props.value));
  element.maskCanvas = canvas;
}

if (typeof module !== "undefined") module.exports = { chooseTexts, MaskCanvas };
