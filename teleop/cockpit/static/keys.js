// Keys by their place on the keyboard: the table names the key that a US keyboard has there, whatever layout is on.

const NAMED = {
  Space: "space", Enter: "enter", NumpadEnter: "enter", Tab: "tab", Backspace: "backspace", Escape: "escape",
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  Minus: "-", Equal: "=", BracketLeft: "[", BracketRight: "]", Backslash: "\\", Semicolon: ";", Quote: "'",
  Backquote: "`", Comma: ",", Period: ".", Slash: "/",
};
const PLACES = Object.fromEntries(Object.entries(NAMED).map(([code, name]) => [name, code]));

// The name of the key at this place.
function atPlace(code) {
  return NAMED[code] ?? (/^(Key|Digit|Numpad)([A-Z0-9])$/.exec(code)?.[2].toLowerCase() || null);
}

function placeOf(name) {
  return PLACES[name] ?? (/^[a-z]$/.test(name) ? `Key${name.toUpperCase()}` : /^[0-9]$/.test(name) ? `Digit${name}` : null);
}

// What a key event is called in the table: by its place, and by what it types where no US keyboard has such a key.
export function nameOf(event) {
  const key = event.key ?? "";
  const typed = key === " " ? "space" : key.toLowerCase();
  const foreign = typed.length === 1 && !placeOf(typed);
  return { place: atPlace(event.code) ?? typed, foreign: foreign ? typed : null };
}

// What is printed on the keys, as far as the browser tells or somebody typed it.
export class Labels {
  constructor(changed) {
    this.printed = new Map();
    this.changed = changed;
    this.known = false;
    navigator.keyboard?.getLayoutMap?.().then((layout) => {
      this.printed = new Map(layout);
      this.known = this.printed.size > 0;
      this.changed();
    }, () => {});
  }

  // Learn from what is typed, where the browser keeps the layout to itself.
  typed(event) {
    if (this.known || event.key?.length !== 1 || event.key === " " || event.shiftKey || event.ctrlKey || event.altKey) return;
    if (!/^Key/.test(event.code) || this.printed.get(event.code) === event.key) return;
    this.printed.set(event.code, event.key);
    this.changed();
  }

  of(name = "") {
    const [, modifier, plain] = /^(ctrl-)?(.*)$/.exec(name);
    return (modifier ?? "") + (this.printed.get(placeOf(plain)) ?? plain);
  }
}
