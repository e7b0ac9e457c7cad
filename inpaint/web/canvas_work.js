// Talking with the server: quick questions, one piece of slow work at a time, and what the status line says of both.

"use strict";

class Work {
  // `services`: {ask, work} of Gradio's component; `told`: what the canvas does when
  //   changed()      something begins or ends
  //   gone()         the server no longer has the session
  //   done(message)  slow work has succeeded
  // and `token()`, the session's, `step()`, the one that is shown.
  constructor(part, texts, services, told) {
    Object.assign(this, { part, texts, services, told, text: texts.text });
    this.busy = false;
    this.begun = false; // whether the work has left the queue
    this.job = null;    // number of the slow work; null while it cannot be cancelled
    this.heard = -1;    // serial number of its last message
  }

  async ask(action, values) {
    const reply = await this.services.ask({ action, ...this.about(), ...values });
    return reply || { error: { kind: "offline", text: "" } }; // Gradio's own failure
  }

  about() { return { language: this.text("locale"), token: this.told.token(), step: this.told.step() }; }

  // A quick question; null where it failed, which has been said then.
  async request(action, values = {}) {
    let reply;
    try {
      reply = await this.ask(action, values);
    } catch (error) {
      reply = { error: { kind: "offline", text: String(error) } };
    }
    if (reply.error) {
      this.explain(reply.error);
      return null;
    }
    return reply;
  }

  start(work, values = {}) {
    if (!this.told.token() || this.busy) return;
    this.job = Math.random().toString(36).slice(2);
    this.heard = -1;
    this.setBusy(true);
    this.services.work({ work, ...this.about(), job: this.job, ...values });
  }

  // What waits for its turn is given up at once; what has begun stops at its next step and then says so.
  async cancel() {
    if (!this.busy || !this.job) return;
    const { job } = this, heard = this.request("cancel", { job });
    if (this.begun) this.say(this.text("cancelling"));
    else this.giveUp("error_cancelled");
    if (!(await heard) && this.busy && this.job === job) this.giveUp("error_offline");
  }

  giveUp(why) {
    this.job = null;
    this.setBusy(false);
    this.say(this.text(why), true);
  }

  // A message that the queue sent: progress, or the end of some work.
  receive(message) {
    if (!message || !message.kind || message.job !== this.job) return; // or it was cancelled while it waited
    if (message.serial <= this.heard) return; // Gradio delivers the last message twice
    this.heard = message.serial;
    if (message.kind === "progress") {
      this.begun = true;
      if (this.busy) this.showProgress(message.stage, message.done);
      return;
    }
    this.setBusy(false);
    if (message.kind === "error") this.explain(message.error);
    else this.told.done(message);
  }

  // Gradio's own failure: no message comes any more.
  fail() {
    if (!this.busy) return;
    this.setBusy(false);
    this.say(this.text("failed"), true);
  }

  // Run `act`, an upload, which cannot be cancelled.
  async during(act) {
    if (this.busy) return this.say(this.text("error_busy"), true);
    this.job = null;
    this.setBusy(true);
    this.showProgress("upload", null);
    try {
      await act();
    } catch (error) {
      this.explain({ kind: "upload", text: String(error) });
    }
    const status = this.part("status");
    const said = status.textContent, wrong = status.classList.contains("mc-wrong");
    this.setBusy(false);
    if (said) this.say(said, wrong);
  }

  explain(error) {
    const key = "error_" + error.kind;
    this.say(this.texts.has(key) ? this.text(key) : error.text, true);
    if (error.kind === "gone") this.told.gone();
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
    this.told.changed();
  }

  showProgress(stage, done) {
    const bar = this.part("share");
    if (done === null || done === 0) bar.removeAttribute("value");
    else bar.value = done;
    this.part("stage-name").textContent = this.text("stage_" + stage) + (done ? " " + Math.round(100 * done) + " %" : "");
  }
}
