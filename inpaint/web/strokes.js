// The mask as vectors, and their rasters. Pure functions: no page, no canvas; `strokes.py` computes the same, bit for bit.
//
// An operation is one of
//   {tool: "brush", radius, points: [x0, y0, x1, y1, ...], erase}   radius and points in pixels of the full photo
//   {tool: "polygon", points: [...], erase}                         rectangles and lassos too; nonzero winding
//   {tool: "mask", id, mode: "add" | "subtract" | "replace"}        a mask that lies on the server
//   {tool: "clear"}
// A raster is {width, height, data: Uint8Array of 0 and 1}; a pixel belongs to a shape when its centre does.

"use strict";

const SMALLEST = 0.75; // radius in raster pixels: a disc of this size holds at least one pixel centre

function newRaster(width, height) {
  return { width, height, data: new Uint8Array(width * height) };
}

// Set one row of a raster between two abscissas given in photo pixels.
function fillSpan(raster, row, from, to, scaleX, value) {
  const first = Math.max(0, Math.ceil(from * scaleX - 0.5));
  const last = Math.min(raster.width - 1, Math.floor(to * scaleX - 0.5));
  if (last >= first) raster.data.fill(value, row * raster.width + first, row * raster.width + last + 1);
}

// One segment of a brush stroke: all pixels within `radius` of the line from (x0, y0) to (x1, y1).
// Returns the box {left, top, right, bottom} of raster pixels that may have changed.
function fillSegment(raster, x0, y0, x1, y1, radius, scaleX, scaleY, value) {
  const r = Math.max(radius, SMALLEST / Math.min(scaleX, scaleY));
  const top = Math.max(0, Math.ceil((Math.min(y0, y1) - r) * scaleY - 0.5));
  const bottom = Math.min(raster.height - 1, Math.floor((Math.max(y0, y1) + r) * scaleY - 0.5));
  const dx = x1 - x0, dy = y1 - y0;
  const long = Math.sqrt(dx * dx + dy * dy);
  const nx = long > 0 ? (-dy / long) * r : 0, ny = long > 0 ? (dx / long) * r : 0;
  const corners = [x0 + nx, y0 + ny, x1 + nx, y1 + ny, x1 - nx, y1 - ny, x0 - nx, y0 - ny];
  for (let row = top; row <= bottom; row++) {
    const y = (row + 0.5) / scaleY;
    let from = Infinity, to = -Infinity;
    const first = r * r - (y - y0) * (y - y0), second = r * r - (y - y1) * (y - y1);
    if (first >= 0) { from = x0 - Math.sqrt(first); to = x0 + Math.sqrt(first); }
    if (second >= 0) { from = Math.min(from, x1 - Math.sqrt(second)); to = Math.max(to, x1 + Math.sqrt(second)); }
    if (long > 0) {
      for (let i = 0; i < 8; i += 2) {
        const ax = corners[i], ay = corners[i + 1], bx = corners[(i + 2) % 8], by = corners[(i + 3) % 8];
        if (ay <= y !== by <= y) {
          const x = ax + ((y - ay) / (by - ay)) * (bx - ax);
          from = Math.min(from, x);
          to = Math.max(to, x);
        }
      }
    }
    fillSpan(raster, row, from, to, scaleX, value);
  }
  return {
    left: Math.max(0, Math.floor((Math.min(x0, x1) - r) * scaleX) - 1), top,
    right: Math.min(raster.width, Math.ceil((Math.max(x0, x1) + r) * scaleX) + 1), bottom: bottom + 1,
  };
}

function fillBrush(raster, points, radius, scaleX, scaleY, value) {
  if (points.length === 2) {
    fillSegment(raster, points[0], points[1], points[0], points[1], radius, scaleX, scaleY, value);
  }
  for (let i = 0; i + 3 < points.length; i += 2) {
    fillSegment(raster, points[i], points[i + 1], points[i + 2], points[i + 3], radius, scaleX, scaleY, value);
  }
}

// The inside of a closed polygon; where it crosses itself, what is enclosed at all is inside.
function fillPolygon(raster, points, scaleX, scaleY, value) {
  const count = points.length / 2;
  if (count < 3) return;
  let low = Infinity, high = -Infinity;
  for (let i = 1; i < points.length; i += 2) { low = Math.min(low, points[i]); high = Math.max(high, points[i]); }
  const top = Math.max(0, Math.ceil(low * scaleY - 0.5));
  const bottom = Math.min(raster.height - 1, Math.floor(high * scaleY - 0.5));
  for (let row = top; row <= bottom; row++) {
    const y = (row + 0.5) / scaleY;
    const crossings = [];
    for (let i = 0; i < count; i++) {
      const ax = points[2 * i], ay = points[2 * i + 1];
      const bx = points[(2 * i + 2) % points.length], by = points[(2 * i + 3) % points.length];
      if (ay <= y !== by <= y) crossings.push([ax + ((y - ay) / (by - ay)) * (bx - ax), ay <= y ? 1 : -1]);
    }
    crossings.sort((a, b) => a[0] - b[0]);
    let winding = 0;
    for (let i = 0; i + 1 < crossings.length; i++) {
      winding += crossings[i][1];
      if (winding !== 0) fillSpan(raster, row, crossings[i][0], crossings[i + 1][0], scaleX, value);
    }
  }
}

// Apply one operation; `masks` maps ids to rasters of the same size.
function applyOperation(raster, operation, scaleX, scaleY, masks) {
  const value = operation.erase ? 0 : 1;
  if (operation.tool === "brush") fillBrush(raster, operation.points, operation.radius, scaleX, scaleY, value);
  else if (operation.tool === "polygon") fillPolygon(raster, operation.points, scaleX, scaleY, value);
  else if (operation.tool === "clear") raster.data.fill(0);
  else if (operation.tool === "mask") {
    const other = masks[operation.id].data;
    if (operation.mode === "replace") raster.data.set(other);
    else for (let i = 0; i < other.length; i++) if (other[i]) raster.data[i] = operation.mode === "subtract" ? 0 : 1;
  } else throw new Error("unknown tool " + operation.tool);
}

// All operations in order, on a new raster that shows a photo of `photoWidth` x `photoHeight` pixels.
function rasterise(operations, width, height, photoWidth, photoHeight, masks = {}) {
  const raster = newRaster(width, height);
  for (const operation of operations) {
    applyOperation(raster, operation, width / photoWidth, height / photoHeight, masks);
  }
  return raster;
}

function countPixels(raster) {
  let count = 0;
  for (let i = 0; i < raster.data.length; i++) count += raster.data[i];
  return count;
}

// A list with undo and redo: `done` and `undone` hold whole lists. Adding after an undo forgets what was undone.
class UndoList {
  constructor() { this.reset(); }
  add(item, replaced = null, later = []) { // takes the place of `replaced`, or comes last but for what came `later`
    this.done.push(this.items);
    if (this.items.includes(replaced)) this.items = this.items.map((one) => (one === replaced ? item : one));
    else this.items = [...this.items.filter((one) => !later.includes(one)), item, ...later];
    this.undone = [];
  }
  undo() { if (this.done.length) { this.undone.push(this.items); this.items = this.done.pop(); } }
  redo() { if (this.undone.length) { this.done.push(this.items); this.items = this.undone.pop(); } }
  reset(items = []) { this.items = items; this.done = items.map((_, i) => items.slice(0, i)); this.undone = []; }
}

// How the photo lies in its viewport: screen = photo * scale + offset.
class View {
  constructor() { this.scale = 1; this.x = 0; this.y = 0; }
  fit(photoWidth, photoHeight, width, height) {
    this.scale = Math.min(width / photoWidth, height / photoHeight, 8);
    this.x = (width - photoWidth * this.scale) / 2;
    this.y = (height - photoHeight * this.scale) / 2;
  }
  toPhoto(x, y) { return [(x - this.x) / this.scale, (y - this.y) / this.scale]; }
  toScreen(x, y) { return [x * this.scale + this.x, y * this.scale + this.y]; }
  zoom(factor, x, y) { // the photo's point under (x, y) stays there
    const scale = Math.min(40, Math.max(0.01, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
  }
  keepInside(photoWidth, photoHeight, width, height) { // at least a quarter of the viewport shows the photo
    const margin = Math.min(width, height) / 4;
    this.x = Math.min(width - margin, Math.max(margin - photoWidth * this.scale, this.x));
    this.y = Math.min(height - margin, Math.max(margin - photoHeight * this.scale, this.y));
  }
}

if (typeof module !== "undefined") {
  module.exports = { newRaster, fillSegment, fillBrush, fillPolygon, applyOperation, rasterise, countPixels, UndoList, View };
}
