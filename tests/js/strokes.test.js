const test = require("node:test");
const assert = require("node:assert");
const { rasterise, countPixels, newRaster, fillSegment, UndoList, View } = require("../../inpaint/web/strokes.js");

const rows = (raster) =>
  Array.from({ length: raster.height }, (_, y) =>
    Array.from(raster.data.subarray(y * raster.width, (y + 1) * raster.width)).join(""));

test("a rectangle covers the pixels whose centres it holds", () => {
  const raster = rasterise([{ tool: "polygon", points: [1, 1, 4, 1, 4, 3, 1, 3] }], 6, 4, 6, 4);
  assert.deepStrictEqual(rows(raster), ["000000", "011100", "011100", "000000"]);
});

test("a dab of any size marks at least one pixel, also on a proxy", () => {
  for (const [x, y] of [[2, 2], [2.5, 2.5], [2.49, 2.01]]) {
    assert.ok(countPixels(rasterise([{ tool: "brush", radius: 0.1, points: [x, y] }], 5, 5, 5, 5)) >= 1);
    assert.ok(countPixels(rasterise([{ tool: "brush", radius: 1, points: [20 * x, 20 * y] }], 5, 5, 100, 100)) >= 1);
  }
});

test("a stroke has the area of a capsule", () => {
  const raster = rasterise([{ tool: "brush", radius: 20, points: [60, 60, 140, 120] }], 200, 200, 200, 200);
  const expected = Math.PI * 400 + 40 * 100;
  assert.ok(Math.abs(countPixels(raster) / expected - 1) < 0.01);
});

test("the eraser takes away, clear takes all, order counts", () => {
  const square = { tool: "polygon", points: [0, 0, 10, 0, 10, 10, 0, 10] };
  const hole = { tool: "brush", radius: 2, points: [5, 5], erase: true };
  assert.strictEqual(countPixels(rasterise([square], 10, 10, 10, 10)), 100);
  assert.strictEqual(countPixels(rasterise([square, hole], 10, 10, 10, 10)), 100 - 12);
  assert.strictEqual(countPixels(rasterise([hole, square], 10, 10, 10, 10)), 100);
  assert.strictEqual(countPixels(rasterise([square, { tool: "clear" }], 10, 10, 10, 10)), 0);
});

test("a lasso that crosses itself keeps both lobes", () => {
  const eight = [0, 0, 10, 10, 10, 0, 0, 10];
  const raster = rasterise([{ tool: "polygon", points: eight }], 10, 10, 10, 10);
  assert.strictEqual(raster.data[5 * 10 + 1], 1);
  assert.strictEqual(raster.data[5 * 10 + 8], 1);
  assert.strictEqual(raster.data[0 * 10 + 5], 0);
});

test("masks from the server are added, subtracted, put in place", () => {
  const other = newRaster(4, 1);
  other.data.set([1, 1, 0, 0]);
  const left = { tool: "polygon", points: [1, 0, 3, 0, 3, 1, 1, 1] };
  const put = (mode) => rows(rasterise([left, { tool: "mask", id: "a", mode }], 4, 1, 4, 1, { a: other }))[0];
  assert.deepStrictEqual([put("add"), put("subtract"), put("replace")], ["1110", "0010", "1100"]);
});

test("a segment says which box it changed", () => {
  const raster = newRaster(50, 40);
  const box = fillSegment(raster, 10, 12, 30, 20, 4, 1, 1, 1);
  for (let y = 0; y < 40; y++) for (let x = 0; x < 50; x++) if (raster.data[y * 50 + x]) {
    assert.ok(x >= box.left && x < box.right && y >= box.top && y < box.bottom, `${x},${y}`);
  }
});

test("an unknown tool is refused", () => {
  assert.throws(() => rasterise([{ tool: "spray" }], 2, 2, 2, 2), /unknown tool spray/);
});

test("undo and redo; a new stroke forgets what was undone", () => {
  const list = new UndoList();
  list.add(1); list.add(2); list.undo();
  assert.deepStrictEqual(list.items, [1]);
  list.redo();
  assert.deepStrictEqual(list.items, [1, 2]);
  list.undo(); list.add(3); list.redo();
  assert.deepStrictEqual(list.items, [1, 3]);
  list.undo(); list.undo(); list.undo();
  assert.deepStrictEqual(list.items, []);
});

test("an item may take the place of another; undo brings that one back", () => {
  const list = new UndoList(), [a, b, c, d] = ["a", "b", "c", "d"];
  list.reset([a, b]);
  list.add(c);
  list.add(d, a);
  assert.deepStrictEqual(list.items, [d, b, c]);
  list.undo();
  assert.deepStrictEqual(list.items, [a, b, c]);
  list.redo();
  assert.deepStrictEqual(list.items, [d, b, c]);
  list.undo(); list.undo(); list.undo();
  assert.deepStrictEqual(list.items, [a]);
  list.add(d, b); // no longer there
  assert.deepStrictEqual(list.items, [a, d]);
  list.undo(); list.undo(); list.undo();
  assert.deepStrictEqual(list.items, []);
});

test("what was computed of earlier items comes before what was added meanwhile", () => {
  const list = new UndoList();
  list.add("a"); list.add("b"); list.add("late");
  list.add("mask", null, ["late"]);
  assert.deepStrictEqual(list.items, ["a", "b", "mask", "late"]);
  list.undo();
  assert.deepStrictEqual(list.items, ["a", "b", "late"]);
});

test("zooming keeps the point under the pointer, panning keeps the photo in sight", () => {
  const view = new View();
  view.fit(1000, 500, 400, 400);
  assert.strictEqual(view.scale, 0.4);
  const before = view.toPhoto(120, 180);
  view.zoom(3, 120, 180);
  const after = view.toPhoto(120, 180);
  assert.ok(Math.abs(before[0] - after[0]) < 1e-9 && Math.abs(before[1] - after[1]) < 1e-9);
  view.x = 1e6;
  view.keepInside(1000, 500, 400, 400);
  assert.strictEqual(view.x, 300);
});
