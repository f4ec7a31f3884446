// Where the controls of a gamepad are that the browser does not know: shown once by a person, kept in this browser.

const NEEDED = [
  ["deadman", "press the button that you will hold to drive: best a shoulder button"],
  ["estop", "press the button for STOP"],
  ["forward", "push the walking stick forward, then let it spring back"],
  ["left", "push the walking stick to the left, then let it spring back"],
  ["turn", "push the turning stick to the left, then let it spring back"],
];
const OPTIONAL = [
  ["start", "press the button for Record"],
  ["stop", "press the button that ends a recording"],
  ["success", "press the button for Success"],
  ["fail", "press the button for Fail"],
  ["discard", "press the button for Discard"],
  ["undo", "press the button for Undo"],
  ["rearm", "press the button for Re-arm"],
];
const kept = new Map(); // where the browser keeps nothing, for as long as the page is open
const AXES = ["forward", "left", "turn"];
const FAR = 0.6; // of the way that a stick must go, and
const NEAR = 0.25; // how near to its rest it must come back, which no trigger that was never touched does
const RESTING = 0.3; // where a stick can rest at most
const key = ({ id, axes, buttons }) => `leash pad ${id} ${axes.length} ${buttons.length}`;

// The map that was kept for a pad of this kind; null when there is none that makes sense.
export function keptMap(pad) {
  try {
    const map = kept.get(key(pad)) ?? JSON.parse(localStorage.getItem(key(pad)));
    return map && NEEDED.every(([what]) => sound(pad, what, map[what])) ? map : null;
  } catch {
    return null;
  }
}

function sound(pad, what, place) {
  if (!AXES.includes(what)) return Number.isInteger(place) && place in pad.buttons;
  return place && place.axis in pad.axes && Math.abs(place.sign) === 1 && Math.abs(place.rest) < RESTING;
}

// What a pad says by a map.
export function readMapped(pad, map) {
  const pressed = (index) => Boolean(pad.buttons[index]?.pressed);
  const along = ({ axis, sign, rest }) => ((pad.axes[axis] ?? rest) - rest) * sign;
  const events = ["estop", ...OPTIONAL.map(([event]) => event)].filter((event) => pressed(map[event]));
  return { engaged: pressed(map.deadman), events: new Set(events), forward: along(map.forward), left: along(map.left), turn: along(map.turn) };
}

// Leads a person through the steps; `look(pad)` is called again and again, `text` is what to do now.
export class PadMapper {
  constructor(pad) {
    this.id = pad.id;
    this.index = pad.index;
    this.map = {};
    this.at = 0;
    this.begin(pad);
  }

  get steps() {
    return [...NEEDED, ...OPTIONAL];
  }

  get text() {
    return `${this.at + 1} of ${this.steps.length}: ${this.steps[this.at][1]}`;
  }

  get optional() {
    return this.at >= NEEDED.length;
  }

  get done() {
    return this.at >= this.steps.length;
  }

  begin(pad) {
    this.rest = [...pad.axes];
    this.peaks = pad.axes.map(() => 0);
    this.before = pad.buttons.map(({ pressed }) => pressed);
    this.pressed = null;
  }

  look(pad) {
    if (this.done) return;
    const [what] = this.steps[this.at];
    const place = AXES.includes(what) ? this.axis(pad) : this.button(pad);
    if (place !== null) this.take(pad, what, place);
  }

  take(pad, what, place) {
    this.map[what] = place;
    this.skip(pad);
  }

  skip(pad) {
    this.at += 1;
    if (pad) this.begin(pad);
  }

  // A button counts once it was let go, so that it does not answer the next question as well.
  button(pad) {
    const down = pad.buttons.map(({ pressed }) => pressed);
    if (this.pressed !== null && !down[this.pressed]) return this.pressed;
    const fresh = down.findIndex((pressed, index) => pressed && !this.before[index] && !this.taken(index));
    if (this.pressed === null && fresh >= 0) this.pressed = fresh;
    this.before = down;
    return null;
  }

  taken(index) {
    return Object.values(this.map).includes(index);
  }

  // The axis that went far and came back. Note: drivers say 0 for a trigger until it is first touched.
  axis(pad) {
    pad.axes.forEach((value, axis) => {
      const away = value - this.rest[axis];
      if (Math.abs(away) > Math.abs(this.peaks[axis])) this.peaks[axis] = away;
    });
    const used = AXES.map((what) => this.map[what]?.axis);
    const axis = this.peaks.findIndex((peak, index) => !used.includes(index) && Math.abs(peak) > FAR
      && Math.abs(this.rest[index]) < RESTING && Math.abs(pad.axes[index] - this.rest[index]) < NEAR);
    return axis < 0 ? null : { axis, sign: Math.sign(this.peaks[axis]), rest: this.rest[axis] };
  }

  // Keep the map for pads of this kind; false where the browser keeps it only until the page is closed.
  keep(pad) {
    kept.set(key(pad), this.map);
    try {
      localStorage.setItem(key(pad), JSON.stringify(this.map));
      return true;
    } catch {
      return false;
    }
  }
}
