// What pointers and arrow keys do with the tool in hand: they draw operations (see strokes.js) or move the view.

"use strict";

const BRUSHES = ["brush", "eraser", "restore"];
const POINTERS = { hand: "grab", brush: "none", eraser: "none", restore: "none" }; // of a mouse; else a crosshair
const NEAR = 10; // a corner that closes a polygon lies so near to its first one, in CSS pixels
const CLICK = 4; // what is dragged less than this was a click

class Tools {
  // `owner` is the MaskCanvas: it keeps photo, mask and view, and takes what was drawn.
  constructor(owner) {
    this.owner = owner;
    this.view = owner.view;
    this.name = "brush";
    this.radius = 20;     // of the brush on the screen, in CSS pixels
    this.pointers = new Map();
    this.cursor = null;   // where the pointer or the arrow keys are, on the screen
    this.steered = false; // the arrow keys have moved the cursor since the last corner
    this.stroke = null;   // the brush stroke being drawn, an operation
    this.drag = null;     // {pan}, {corner} or {from, points}: what else a held pointer does
    this.corners = null;  // {points, erase}: those of the polygon so far
    this.looked = {};     // {asked, replaces}: the object that is looked for
    this.ended = null;    // the object that further clicks do not belong to
    this.space = false;   // whether the space bar is held
  }

  choose(name) {
    this.name = name;
    this.corners = null;
    this.owner.canvas.style.cursor = POINTERS[name] || "crosshair";
  }

  brushRadius() { return this.radius / this.view.scale; } // in pixels of the photo

  // The outline of what is being drawn, in pixels of the photo: rectangle, lasso, polygon; else null.
  draft() {
    const { drag, corners } = this;
    if (corners) return this.cursor ? [...corners.points, ...this.view.toPhoto(...this.cursor)] : corners.points;
    if (!drag || !drag.points) return null;
    if (this.name === "lasso") return drag.points;
    const [x, y] = drag.from, [u, v] = drag.points.slice(-2);
    return [x, y, u, y, u, v, x, v];
  }

  ring() {
    if (!this.cursor || !BRUSHES.includes(this.name)) return null;
    return { at: this.cursor, radius: this.radius, dashed: this.name === "eraser" };
  }

  // ---- pointers ----------------------------------------------------------------------------------------------------

  place(event) {
    const box = this.owner.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    const { owner } = this;
    if (!owner.state || owner.busy) return;
    event.preventDefault();
    owner.canvas.focus({ preventScroll: true });
    owner.canvas.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size >= 2) { // a second finger: the first one was not painting
      if (this.stroke) { this.stroke = null; owner.paintAgain(); }
      this.drag = null;
      return;
    }
    const point = this.view.toPhoto(...at);
    const erase = event.button === 2 || event.buttons === 32 || this.name === "eraser";
    if (this.space || event.button === 1 || this.name === "hand") this.drag = { pan: true };
    else if (BRUSHES.includes(this.name)) {
      this.stroke = { tool: "brush", radius: this.brushRadius(), points: [...point], erase };
      owner.extend(this.stroke);
    } else if (this.name === "polygon") this.drag = { corner: true, erase }; // set when the finger goes without a second one
    else this.drag = { from: point, points: [...point], erase, plus: event.shiftKey, minus: event.altKey || event.button === 2 };
    owner.draw();
  }

  move(event) {
    const at = this.place(event);
    this.cursor = at;
    this.steered = false;
    if (this.pointers.has(event.pointerId)) {
      const before = this.pointers.get(event.pointerId);
      if (this.pointers.size === 2) this.pinch(event.pointerId, before, at);
      else if (this.drag && this.drag.pan) this.owner.pan(at[0] - before[0], at[1] - before[1]);
      else {
        const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
        for (const one of events.length ? events : [event]) {
          const point = this.view.toPhoto(...this.place(one));
          if (this.stroke) { this.stroke.points.push(...point); this.owner.extend(this.stroke); }
          else if (this.drag && this.drag.points) this.drag.points.push(...point);
        }
      }
      this.pointers.set(event.pointerId, at);
    }
    this.owner.draw();
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { owner, stroke, drag } = this;
    this.stroke = this.drag = null;
    if (event.type === "pointercancel") return owner.paintAgain();
    const at = this.place(event), point = this.view.toPhoto(...at);
    if (stroke) this.name === "restore" ? owner.restore(stroke) : owner.commit(stroke);
    else if (drag && drag.corner) this.addCorner(point, at, drag.erase);
    else if (drag && drag.points) this.finishDrag(drag, point);
    owner.draw();
  }

  leave() {
    this.cursor = null;
    this.owner.draw();
  }

  pinch(moved, before, after) {
    const other = [...this.pointers].find(([id]) => id !== moved)[1];
    const distance = (a) => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
    this.owner.zoom(distance(after) / distance(before), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
    this.owner.pan((after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
  }

  finishDrag(drag, to) {
    const [left, top] = [Math.min(drag.from[0], to[0]), Math.min(drag.from[1], to[1])];
    const [right, bottom] = [Math.max(drag.from[0], to[0]), Math.max(drag.from[1], to[1])];
    const clicked = (right - left) * this.view.scale < CLICK && (bottom - top) * this.view.scale < CLICK;
    if (this.name === "object") return this.findObject(drag, clicked ? null : [left, top, right - left, bottom - top]);
    if (clicked && this.name === "rectangle") return;
    const points = this.name === "rectangle" ? [left, top, right, top, right, bottom, left, bottom] : drag.points;
    if (points.length >= 6) this.owner.commit({ tool: "polygon", points, erase: drag.erase });
  }

  // ---- objects and polygons ----------------------------------------------------------------------------------------

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
    this.owner.findObject(asked);
  }

  // The object that was marked last; none where Esc ended it or the mask was cleared or changed as a whole since.
  lastObject() {
    const found = this.owner.strokes.items.findLast((one) => one.asked || one.tool === "clear" || one.mode === "replace");
    return found && found.asked && found !== this.ended ? found : null;
  }

  addCorner(point, at, erase) {
    if (!this.corners) this.corners = { points: [], erase };
    const first = this.corners.points.length >= 6 && this.view.toScreen(this.corners.points[0], this.corners.points[1]);
    this.steered = false;
    if (first && Math.hypot(first[0] - at[0], first[1] - at[1]) < NEAR) return this.finishPolygon();
    this.corners.points.push(...point);
  }

  dropCorner() {
    const { points, erase } = this.corners;
    this.corners = points.length > 2 ? { points: points.slice(0, -2), erase } : null;
    this.owner.draw();
  }

  finishPolygon() {
    const corners = this.corners;
    this.corners = null;
    if (corners && corners.points.length >= 6) {
      this.owner.commit({ tool: "polygon", points: corners.points, erase: corners.erase });
    } else this.owner.draw();
  }

  // ---- keys, with the canvas in focus ------------------------------------------------------------------------------

  // Arrows move the cursor, Enter dabs or sets a corner, once more closes; the space bar pans. Whether the key was one of these.
  key(key) {
    const moves = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
    const { owner } = this, { size } = owner;
    if (!this.cursor) this.cursor = [size[0] / 2, size[1] / 2];
    if (moves[key]) {
      this.steered = true;
      this.cursor = this.cursor.map((value, i) => Math.min(size[i], Math.max(0, value + moves[key][i] * this.radius)));
      owner.draw();
    } else if (key === " ") this.space = true;
    else if (key === "enter" && !owner.busy) this.dab(this.view.toPhoto(...this.cursor));
    else return false;
    return true;
  }

  dab(point) {
    const dot = { tool: "brush", radius: this.brushRadius(), points: point };
    if (this.name === "polygon" && this.corners && this.corners.points.length >= 6 && !this.steered) this.finishPolygon();
    else if (this.name === "polygon") this.addCorner(point, this.cursor, false);
    else if (this.name === "object") this.findObject({ from: point }, null);
    else if (this.name === "restore") this.owner.restore(dot);
    else if (["brush", "eraser"].includes(this.name)) this.owner.commit({ ...dot, erase: this.name === "eraser" });
  }

  escape() {
    this.corners = this.drag = null;
    this.ended = this.lastObject() || this.ended;
    if (this.stroke) { this.stroke = null; this.owner.paintAgain(); }
    this.owner.draw();
  }
}
