// Gamepads with the standard mapping. One that vanishes is reported for a moment longer as what it is: without life.

const BUTTONS = { a: 0, b: 1, x: 2, y: 3, lb: 4, rb: 5, back: 8, start: 9, "left stick": 10, "right stick": 11, up: 12, down: 13, left: 14, right: 15, home: 16 };
const GONE = 1000; // ms

export class Pads {
  // `ask(event)` is called for each button that counts once.
  constructor(ask) {
    this.ask = ask;
    this.deadman = [];
    this.events = {};
    this.known = new Map();
    this.serial = 0;
  }

  learn({ pad }) {
    this.deadman = pad.deadman;
    this.events = pad.events;
  }

  // Look at all pads; returns one device for each.
  devices() {
    const now = performance.now();
    const present = new Map([...(navigator.getGamepads?.() ?? [])].filter((pad) => pad?.connected).map((pad) => [pad.index, pad]));
    for (const [index, pad] of present) this.look(index, pad, now);
    for (const [index, known] of this.known) if (!present.has(index)) this.miss(index, known, now);
    return [...this.known.values()].map(({ device }) => device);
  }

  look(index, pad, now) {
    let known = this.known.get(index);
    if (!known || known.gone) known = { serial: ++this.serial, print: "", down: new Set(this.pressed(pad)) };
    this.known.set(index, known);
    const print = `${pad.timestamp} ${pad.axes} ${pad.buttons.map((button) => button.value)}`;
    if (print !== known.print) [known.print, known.changed] = [print, now];
    const down = new Set(this.pressed(pad));
    for (const name of down) if (!known.down.has(name) && this.events[name]) this.ask(this.events[name]);
    known.down = down;
    const [x = 0, y = 0, turn = 0] = pad.axes;
    known.device = {
      name: "gamepad", serial: known.serial, changed: known.changed,
      engaged: this.deadman.some((name) => down.has(name)),
      forward: clip(-y), left: clip(-x), turn: clip(-turn),
    };
  }

  miss(index, known, now) {
    known.gone ??= now;
    known.device = { ...known.device, changed: 0 };
    if (now - known.gone > GONE || !known.device.engaged) this.known.delete(index);
  }

  pressed(pad) {
    return Object.keys(BUTTONS).filter((name) => pad.buttons[BUTTONS[name]]?.pressed);
  }
}

function clip(value) {
  return Number.isFinite(value) ? Math.max(-1, Math.min(1, value)) : 0;
}
