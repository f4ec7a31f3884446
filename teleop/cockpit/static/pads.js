// Gamepads. One with the browser's standard mapping is understood; any other does nothing until a person has shown where
// its controls are. One that vanishes is reported for a moment longer as what it is: without life.

import { keptMap, readMapped } from "./padmap.js";

const BUTTONS = { a: 0, b: 1, x: 2, y: 3, lb: 4, rb: 5, back: 8, start: 9, "left stick": 10, "right stick": 11, home: 16 };
const GONE = 1000; // ms

export class Pads {
  // `ask(event)` is called for each button that counts once; `attentive()` says whether the page is in front of the person.
  constructor(ask, attentive) {
    this.ask = ask;
    this.attentive = attentive;
    this.deadman = [];
    this.events = {};
    this.names = {};
    this.known = new Map();
    this.serial = 0;
    this.paused = null; // the pad that is being mapped
  }

  learn({ pad }) {
    this.deadman = pad.deadman;
    this.events = pad.events;
    this.names = pad.names;
  }

  // Look at all pads; returns one device for each that may drive.
  devices() {
    const now = performance.now();
    const present = new Map(connected().filter(({ index }) => index !== this.paused).map((pad) => [pad.index, pad]));
    for (const [index, pad] of present) this.look(index, pad, now);
    for (const [index, known] of this.known) if (!present.has(index)) this.miss(index, known, now);
    return [...this.known.values()].flatMap(({ device }) => device ?? []);
  }

  look(index, pad, now) {
    let known = this.known.get(index);
    if (!known || known.gone || known.id !== pad.id) known = { serial: ++this.serial, id: pad.id, print: "", events: null, map: mapOf(pad) };
    this.known.set(index, known);
    const print = `${pad.timestamp} ${pad.axes} ${pad.buttons.map((button) => button.value)}`;
    if (print !== known.print) [known.print, known.changed] = [print, now];
    if (!known.map) return;
    const said = known.map === "standard" ? this.standard(pad) : readMapped(pad, known.map);
    // Every page of this browser sees the pad: only the one in front of the person asks, but all of them stop.
    for (const event of said.events) if (known.events && !known.events.has(event) && (event === "estop" || this.attentive())) this.ask(event);
    known.events = said.events;
    known.device = {
      name: "gamepad", serial: known.serial, changed: known.changed, engaged: said.engaged,
      forward: clip(said.forward), left: clip(said.left), turn: clip(said.turn),
    };
  }

  standard(pad) {
    const down = Object.keys(BUTTONS).filter((name) => pad.buttons[BUTTONS[name]]?.pressed);
    const [x = 0, y = 0, turn = 0] = pad.axes;
    return {
      engaged: this.deadman.some((name) => down.includes(name)),
      events: new Set(down.flatMap((name) => this.events[name] ?? [])),
      forward: -y, left: -x, turn: -turn,
    };
  }

  miss(index, known, now) {
    known.gone ??= now;
    if (known.device) known.device = { ...known.device, changed: 0 };
    if (now - known.gone > GONE || !known.device?.engaged) this.known.delete(index);
  }

  // Another map counts from now on, as if the pad had just been connected.
  remap() {
    this.known.clear();
  }

  // The pads that do nothing yet.
  unmapped() {
    return connected().filter((pad) => !mapOf(pad));
  }

  // What each pad is called, and what is printed on its buttons.
  described() {
    return (this.deadman.length ? connected() : []).map((pad) => ({ pad, title: title(pad.id), map: mapOf(pad), names: this.printed(pad.id) }));
  }

  printed(id) {
    const vendor = /Vendor: ([0-9a-f]{4})/i.exec(id)?.[1] ?? /^([0-9a-f]{1,4})-[0-9a-f]{1,4}-/i.exec(id)?.[1] ?? "";
    return this.names[vendor.toLowerCase().padStart(4, "0")] ?? this.names.others ?? {};
  }
}

export function connected() {
  return [...(navigator.getGamepads?.() ?? [])].filter((pad) => pad?.connected);
}

// A pad's own name without the numbers that browsers put around it.
export function title(id = "") {
  return id.replace(/^[0-9a-f]{1,4}-[0-9a-f]{1,4}-/i, "").replace(/\s*\((STANDARD GAMEPAD )?Vendor:.*\)$/i, "").trim() || "gamepad";
}

function mapOf(pad) {
  return pad.mapping === "standard" ? "standard" : keptMap(pad);
}

function clip(value) {
  return Number.isFinite(value) ? Math.max(-1, Math.min(1, value)) : 0;
}
