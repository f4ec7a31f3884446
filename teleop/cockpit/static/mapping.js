// Says which gamepads are there and what is printed on their buttons, and lets a person map one that is not known.

import { PadMapper } from "./padmap.js";
import { connected, title } from "./pads.js";
import { $ } from "./panel.js";

export class Mapping {
  // `say(text)` tells something in passing; `changed()` is called when pads came, went or were mapped.
  constructor(pads, say, changed) {
    this.pads = pads;
    this.say = say;
    this.changed = changed;
    this.mapper = null;
    this.away = new Set();
    this.seen = "";
    $("pads-map").addEventListener("click", () => this.open(this.pads.unmapped()[0]));
    $("pads-away").addEventListener("click", () => this.pads.unmapped().forEach(({ id }) => this.away.add(id)));
    $("mapper-skip").addEventListener("click", () => this.skip());
    $("mapper-away").addEventListener("click", () => this.close());
    $("mapper").addEventListener("submit", (event) => event.preventDefault());
  }

  // What is held to drive on the first pad that can; null when there is none.
  ready() {
    const first = this.pads.described().find(({ map }) => map);
    if (!first) return null;
    const [name] = this.pads.deadman;
    return first.map === "standard" ? first.names[name] ?? name.toUpperCase() : "the button";
  }

  open(pad) {
    if (!pad) return;
    this.mapper = new PadMapper(pad);
    this.pads.paused = pad.index;
    $("mapper-title").textContent = title(pad.id);
    this.show();
  }

  close() {
    this.mapper = null;
    this.pads.paused = null;
    this.pads.remap();
    this.changed();
    this.show();
  }

  skip() {
    this.mapper.skip(this.pad());
    if (this.mapper.done) this.finish(this.pad());
  }

  pad() {
    return connected().find(({ index, id }) => index === this.mapper.index && id === this.mapper.id);
  }

  // Look at the pad that is being mapped; called as often as the others are.
  look() {
    if (!this.mapper) return;
    const pad = this.pad();
    if (!pad) return this.say("the gamepad is gone: map it when it is back"), this.close();
    const before = this.mapper.at;
    this.mapper.look(pad);
    if (this.mapper.done) this.finish(pad);
    else if (this.mapper.at !== before) this.show();
  }

  finish(pad) {
    const kept = this.mapper.keep(pad);
    this.say(kept ? "this gamepad is mapped, and stays so in this browser" : "this gamepad is mapped until the page is closed");
    this.close();
  }

  show() {
    const unknown = this.pads.unmapped().filter(({ id }) => !this.away.has(id));
    $("pads").hidden = !unknown.length || this.mapper !== null;
    if (unknown.length) $("pads-text").textContent = `${title(unknown[0].id)}: unknown to this browser. It does nothing, not even stop, until it is mapped.`;
    $("mapper").hidden = this.mapper === null;
    if (this.mapper) $("mapper-text").textContent = this.mapper.text;
    $("mapper-skip").hidden = !this.mapper?.optional;
    this.notice();
  }

  // Name a pad when it comes.
  notice() {
    const now = this.pads.described();
    const print = now.map(({ pad, map }) => `${pad.index} ${pad.id} ${Boolean(map)}`).join("\n");
    if (print === this.seen) return;
    const fresh = now.find(({ map, pad }) => map && !this.seen.includes(`${pad.index} ${pad.id} true`));
    this.seen = print;
    this.changed();
    if (fresh) this.say(`${fresh.title}: hold ${this.ready()} to drive`);
  }

  // What the buttons of each pad do, by what is printed on them.
  described(controls) {
    return this.pads.described().map(({ pad, title, map, names }) => {
      if (!map) return { title: `${title}: not mapped`, rows: [], again: this.again(pad, "Map it") };
      if (map !== "standard") return { title, rows: mapped(map), again: this.again(pad, "Map it again") };
      const held = controls.deadman.map((name) => names[name] ?? name).join(" or ");
      const events = Object.entries(controls.events).map(([name, event]) => [names[name] ?? name, event]);
      return { title, rows: [[held, "hold to drive"], ["left stick", "walk"], ["right stick", "turn"], ...events], again: null };
    });
  }

  again(pad, text) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.addEventListener("click", () => this.open(pad));
    return button;
  }
}

function mapped(map) {
  return Object.entries(map).filter(([, place]) => Number.isInteger(place))
    .map(([what, place]) => [`button ${place}`, what === "deadman" ? "hold to drive" : what]);
}
