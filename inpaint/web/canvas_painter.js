// How the canvas looks: the photo, the mask over it, what is being drawn.
//
// `look()` says what is to be shown, or null where there is no photo:
//   {width, height, blown}  of the photo, and how many of its pixels one of `photo` stands for
//   {photo, before, over}   pictures: the photo, the one beside it, what is laid over it (or null)
//   {divider}               share of the width that shows `before`, or null
//   {draft}                 outline of a shape that is not finished, in pixels of the photo, or null
//   {ring}                  the brush: {at, radius, dashed} on the screen, or null

"use strict";

const OPACITY = 150; // of the mask, of 255

class Painter {
  constructor(canvas, view, look) {
    Object.assign(this, { canvas, view, look });
    this.context = canvas.getContext("2d");
    this.overlay = document.createElement("canvas"); // the mask, at the size of the shown photo
    this.ratio = 1; // pixels of the canvas for one of the page, as it was sized
  }

  // Lay a raster's pixels inside `box` over the photo, as stripes of a colour and its lighter self: they show on any photo.
  showMask(raster, colour, box = { left: 0, top: 0, right: raster.width, bottom: raster.height }) {
    const { overlay } = this;
    if (overlay.width !== raster.width || overlay.height !== raster.height) {
      [overlay.width, overlay.height] = [raster.width, raster.height];
    }
    const width = box.right - box.left, height = box.bottom - box.top;
    if (width <= 0 || height <= 0) return;
    const value = parseInt(colour.slice(1), 16);
    const [red, green, blue] = [value >> 16, (value >> 8) & 255, value & 255];
    const image = new ImageData(width, height);
    const stripe = Math.max(3, Math.round(Math.max(raster.width, raster.height) / 160));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (!raster.data[(y + box.top) * raster.width + x + box.left]) continue;
        const at = 4 * (y * width + x);
        const light = Math.floor((x + box.left + y + box.top) / stripe) % 2 ? 60 : 0;
        image.data[at] = Math.min(255, red + light);
        image.data[at + 1] = Math.min(255, green + light);
        image.data[at + 2] = Math.min(255, blue + light);
        image.data[at + 3] = OPACITY;
      }
    }
    overlay.getContext("2d").putImageData(image, box.left, box.top);
  }

  draw() { // with the next frame
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.drawNow(); });
  }

  drawNow() {
    const { context, view } = this;
    const shown = this.look();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!shown) return;
    const place = [view.x, view.y, shown.width * view.scale, shown.height * view.scale];
    context.imageSmoothingEnabled = view.scale * shown.blown < 2;
    context.imageSmoothingQuality = "high";
    this.drawChecks(...place);
    context.drawImage(shown.photo, ...place);
    if (shown.divider !== null) this.drawDivider(shown.before, shown.divider, ...place);
    if (shown.over) context.drawImage(shown.over, ...place);
    if (shown.draft) this.drawOutline(shown.draft);
    if (shown.ring) this.drawRing(shown.ring);
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

  drawDivider(before, share, left, top, width, height) {
    const { context } = this;
    const x = left + width * share;
    context.save();
    context.beginPath();
    context.rect(left, top, width * share, height);
    context.clip();
    context.drawImage(before, left, top, width, height);
    context.restore();
    this.trace(2, () => { context.moveTo(x, top); context.lineTo(x, top + height); });
  }

  drawOutline(points) {
    this.trace(1.5, () => {
      for (let i = 0; i < points.length; i += 2) this.context.lineTo(...this.view.toScreen(points[i], points[i + 1]));
      this.context.closePath();
    });
  }

  drawRing({ at, radius, dashed }) {
    const { context } = this;
    context.setLineDash(dashed ? [5, 4] : []);
    this.trace(1.5, () => context.arc(at[0], at[1], radius, 0, 2 * Math.PI), 1.5);
    context.setLineDash([]);
  }

  trace(width, path, more = 2) { // white on black, which is wider by `more`: shows on any photo
    const { context } = this;
    for (const [colour, wide] of [["#000", width + more], ["#fff", width]]) {
      context.beginPath();
      path();
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.stroke();
    }
  }
}
