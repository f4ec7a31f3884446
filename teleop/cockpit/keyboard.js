// The keyboard, with real key-up: which keys are down, and what they mean by the table that the server sent.

const NAMES = { " ": "space", Enter: "enter", Tab: "tab", Backspace: "backspace" };
const ARROWS = { ArrowUp: "forward", ArrowDown: "back", ArrowLeft: "turn_left", ArrowRight: "turn_right" };
const DEADMAN = "Shift"; // holding it drives at standstill: authority without motion

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
    addEventListener("keydown", (event) => this.press(event), { capture: true });
    addEventListener("keyup", (event) => this.release(event), { capture: true });
  }

  learn({ keys, directions, speeds }) {
    this.actions = Object.fromEntries(Object.entries(keys).map(([action, key]) => [key, action]));
    this.directions = directions;
    this.speeds = speeds;
  }

  clear() {
    if (this.down.size) this.changed = performance.now();
    this.down.clear();
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
    if (event.target.matches("input, textarea")) return;
    const action = this.action(event);
    if (!action || event.altKey || event.metaKey) return;
    // A button that was reached with the Tab key keeps Enter to itself; Space stops, whatever is in focus.
    if (event.key === "Enter" && event.target.matches(":focus-visible, summary")) return;
    event.preventDefault();
    if (action === "estop") this.ask(action);
    if (event.repeat || this.down.has(event.code)) return;
    this.down.set(event.code, action);
    this.changed = performance.now();
    if (action === "faster" || action === "slower") this.pace(action);
    else if (action !== "deadman" && action !== "estop" && !(action in this.directions)) this.ask(action);
    this.moved?.();
  }

  release(event) {
    if (event.key === " " && !event.target.matches("input, textarea")) event.preventDefault();
    if (this.down.delete(event.code)) {
      this.changed = performance.now();
      this.moved?.();
    }
  }

  pace(action) {
    const factor = action === "faster" ? this.speeds.factor : 1 / this.speeds.factor;
    this.scale = Math.min(1, Math.max(this.speeds.slowest, this.scale * factor));
  }

  action(event) {
    if (event.key === DEADMAN) return "deadman";
    const plain = NAMES[event.key] ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    const named = event.key.startsWith("Arrow") ? event.key.slice(5).toLowerCase() : plain;
    return this.actions[event.ctrlKey ? `ctrl-${named}` : named] ?? (event.ctrlKey ? undefined : ARROWS[event.key]);
  }
}
