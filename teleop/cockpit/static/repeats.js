// Whether a held key may still be believed. The system repeats the key that was pressed last for as long as it is down;
// when a menu, a window manager or another program takes the keyboard, the repeats end, and no key-up ever comes.

const AGAIN = 300; // ms within which the next repeat comes
const FIRST = 1000; // ms within which the first repeat comes, on a keyboard that is known to repeat
const UNCONFIRMED = 5000; // ms that a key counts as held without any repeat
const STALL = 100; // ms between two looks after which the page itself was late, and its events with it

export class Repeats {
  constructor() {
    this.known = false;
    this.slowest = 0;
    this.key = null;
    this.repeated = false;
    this.heard = this.looked = 0;
  }

  press(code, repeat, now) {
    if (repeat && this.repeated && code === this.key) this.slowest = Math.min(FIRST, Math.max(this.slowest, now - this.heard));
    this.repeated = repeat;
    this.known ||= repeat;
    this.key = code;
    this.heard = now;
  }

  release(code, now) {
    if (code === this.key) this.key = null;
    this.heard = now;
  }

  // Any other sign that the keyboard is ours.
  sign(now) {
    this.heard = now;
  }

  believed(now) {
    if (now - this.looked > STALL) this.heard = now;
    this.looked = now;
    return now - this.heard <= this.patience();
  }

  patience() {
    if (this.key === null || !this.known) return UNCONFIRMED;
    return this.repeated && this.slowest ? Math.max(AGAIN, 3 * this.slowest) : FIRST;
  }
}
