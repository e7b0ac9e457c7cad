const test = require("node:test");
const assert = require("node:assert");
const { chooseTexts } = require("../../inpaint/web/canvas_texts.js");

const all = { en: "English", "zh-CN": "Chinese" };

test("the first language of the browser that there are texts for is taken", () => {
  assert.strictEqual(chooseTexts(all, ["zh-CN", "en"]), "Chinese");
  assert.strictEqual(chooseTexts(all, ["zh-Hans-SG"]), "Chinese");
  assert.strictEqual(chooseTexts(all, ["zh"]), "Chinese");
  assert.strictEqual(chooseTexts(all, ["fr", "en-GB", "zh"]), "English");
  assert.strictEqual(chooseTexts(all, ["zh-TW"]), "English");
  assert.strictEqual(chooseTexts(all, []), "English");
});
