// What stands below the canvas: the steps, the alternatives to a fill, its report.

"use strict";

const SHOWN_HOLES = 20; // in the table of a report

class Panels {
  // `url(path)` is where the server shows a file.
  constructor(element, part, texts, url) {
    Object.assign(this, { element, part, url, text: texts.text, number: texts.number, fillIn: texts.fillIn });
  }

  hide() { this.part("history").hidden = this.part("report").hidden = this.part("alternatives").hidden = true; }

  show(state) {
    this.state = state;
    this.showHistory();
    this.showAlternatives();
    this.showReport();
  }

  step() { return this.state.steps[this.state.current]; }

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
  }

  // The other fills of the same hole, where there are several.
  showAlternatives() {
    const step = this.step();
    const others = this.state.steps.filter((one) => one.kind === "fill" && step.kind === "fill" && one.group === step.group);
    const caption = (one) => one.report.engines + ", " + this.text("seam", { seam: this.number(one.report.seam, 2) });
    const box = this.part("alternatives");
    box.replaceChildren();
    box.hidden = others.length < 2;
    if (box.hidden) return;
    const heading = make("strong", { textContent: this.text("alternatives") });
    box.append(heading, ...others.map((one) => this.stepButton(one, caption(one))));
  }

  filledSentence() {
    const { report } = this.step();
    const values = {
      filled: this.number(report.filled), engines: report.engines, seconds: this.number(report.seconds.total, 1),
      changed: this.number(report.changed), kept: this.number(report.kept),
    };
    return this.text("filled", values) + " " + report.notes.join(" ");
  }

  showReport() {
    const step = this.step();
    this.part("report").hidden = step.kind !== "fill";
    this.showTrust(null);
    if (step.kind !== "fill") return;
    const { report } = step;
    const table = make("table", {});
    const row = (cells, kind) => {
      const line = make("tr", {});
      line.append(...cells.map((cell) => make(kind, { textContent: cell })));
      table.append(line);
    };
    row(["hole_size", "engine", "hole_depth", "reach", "seam_head", "reason"].map((key) => this.text(key)), "th");
    for (const hole of report.holes.slice(0, SHOWN_HOLES)) {
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

  // Which map of trust lies over the photo, and what it says: the server's answer, or null for none.
  showTrust(kind, reply) {
    const said = kind && { largest: this.number(reply.largest, 2), share: this.number(100 * reply.blind, 1) };
    this.part("trust-text").textContent = kind ? this.text("trust_said_" + kind, said) : "";
    for (const button of this.element.querySelectorAll("[data-trust]")) {
      button.setAttribute("aria-pressed", String(button.dataset.trust === kind));
    }
  }
}
