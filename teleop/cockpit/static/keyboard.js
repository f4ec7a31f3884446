// The keyboard: which keys are down, and what they mean by the table that the server sent.

import { nameOf } from "./keys.js";
import { Repeats } from "./repeats.js";

const ARROWS = { up: "forward", down: "back", left: "turn_left", right: "turn_right" };
const STOP = "escape"; // stops as well as the key in the table, and cannot be given away
const TOLD = 900; // ms for which a key that was refused is worth a word

const inField = (event) => event.target.matches?.("input, textarea");

export class Keyboard {
  // `ask(event)` is called for each key that counts once.
  constructor(ask) {
    this.ask = ask;
    this.actions = {};
    this.directions = {};
    this.speeds = { factor: 1, slowest: 1 };
    this.scale = 1;
    this.down = new Map();
    this.changed = 0;
    this.refused = -TOLD;
    this.repeats = new Repeats();
    addEventListener("keydown", (event) => this.press(event), { capture: true });
    addEventListener("keyup", (event) => this.release(event), { capture: true });
    for (const kind of ["pointerdown", "pointermove"]) addEventListener(kind, (event) => this.modified(event), { capture: true });
  }

  learn({ keys, directions, speeds }) {
    this.actions = Object.fromEntries(Object.entries(keys).map(([action, key]) => [key, action]));
    this.directions = directions;
    this.speeds = speeds;
  }

  // Let go of everything; a key that stays down must come up before it counts again.
  clear() {
    if (!this.down.size) return;
    this.changed = performance.now();
    this.down.clear();
    this.moved?.();
  }

  // Let go of what no key-up will end any more.
  watch() {
    const now = performance.now();
    if (this.repeats.believed(now) || !this.moving()) return false;
    this.clear();
    return true;
  }

  moving() {
    return [...this.down.values()].some((action) => action in this.directions);
  }

  // Whether somebody holds a key that does not count, for it was down before.
  get stuck() {
    return performance.now() - this.refused < TOLD;
  }

  device() {
    const held = [...this.down.values()].filter((action) => action === "deadman" || action in this.directions);
    const rows = held.map((action) => this.directions[action] ?? [0, 0, 0]);
    const sum = (axis) => Math.max(-1, Math.min(1, rows.reduce((total, row) => total + row[axis], 0))) * this.scale;
    return {
      name: "keyboard", serial: 0, changed: this.changed, engaged: held.length > 0,
      forward: sum(0), left: sum(1), turn: sum(2),
    };
  }

  press(event) {
    const { place, foreign } = nameOf(event);
    if (this.stops(event, place)) return this.stop(event);
    if (inField(event)) return;
    this.modified(event);
    const action = this.action(event, place, foreign);
    this.heard(event, action);
    // What is not ours may open a menu or leave the page, and then no key-up comes.
    if (!action || event.altKey || event.metaKey || event.isComposing) return this.clear();
    // A button that was reached with the Tab key keeps Enter to itself; Space stops, whatever is in focus.
    if (place === "enter" && event.target.matches?.(":focus-visible, summary")) return;
    event.preventDefault();
    if (event.repeat && action in this.directions && !this.down.has(event.code)) this.refused = performance.now();
    if (event.repeat || this.down.has(event.code)) return;
    this.down.set(event.code, action);
    this.changed = performance.now();
    if (action === "faster" || action === "slower") this.pace(action);
    else if (action !== "deadman" && !(action in this.directions)) this.ask(action);
    this.moved?.();
  }

  // Space (or what the table has instead) and Escape stop, whatever is in focus and whatever else is down. In a text field
  // Shift and Space write a space, and a letter that stops elsewhere is a letter.
  stops(event, place) {
    if (place === STOP) return true;
    if (this.actions[place] !== "estop") return false;
    return !inField(event) || (place.length > 1 && !(place === "space" && event.shiftKey));
  }

  stop(event) {
    event.preventDefault();
    event.stopPropagation();
    this.ask("estop");
    this.clear();
  }

  heard(event, action) {
    const now = performance.now();
    if (action === "deadman" && !event.repeat) this.repeats.sign(now);
    else this.repeats.press(event.code, event.repeat, now);
  }

  release(event) {
    if (event.key === " " && !inField(event)) event.preventDefault();
    this.modified(event);
    this.repeats.release(event.code, performance.now());
    if (event.key === "Meta" || event.key === "Alt") return this.clear();
    if (this.down.delete(event.code)) {
      this.changed = performance.now();
      this.moved?.();
    }
  }

  // What an event says about the modifier keys: macOS reports no key-up while Cmd is down, Windows loses one of two Shifts.
  modified(event) {
    if (event.metaKey) this.clear();
    if (event.shiftKey) return;
    if (!["ShiftLeft", "ShiftRight"].filter((code) => this.down.delete(code)).length) return;
    this.changed = performance.now();
    this.moved?.();
  }

  pace(action) {
    const factor = action === "faster" ? this.speeds.factor : 1 / this.speeds.factor;
    this.scale = Math.min(1, Math.max(this.speeds.slowest, this.scale * factor));
  }

  action(event, place, foreign) {
    if (event.key === "Shift") return "deadman"; // authority without motion
    if (event.ctrlKey) return this.actions[`ctrl-${place}`];
    return this.actions[place] ?? this.actions[foreign] ?? ARROWS[place];
  }
}
