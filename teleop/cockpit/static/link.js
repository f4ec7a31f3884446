// The socket to the cockpit's process: reconnects by itself, says what was seen, and keeps the two clocks together.

const RETRY = 500; // ms
const SPAN = 10; // s over which the shortest way of a message is looked for

export class Link extends EventTarget {
  constructor() {
    super();
    this.over = false;
    this.trip = 0;
    this.offset = -Infinity;
    this.before = -Infinity;
    this.until = 0;
    this.latest = { time: 0, came: 0 };
    this.connect();
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  // The cockpit's monotonic time now [s].
  now() {
    return performance.now() / 1000 + Math.max(this.offset, this.before) + this.trip / 2;
  }

  send(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  // Tell that messages were dealt with, so that more may come.
  seen(number) {
    const held = performance.now() - this.latest.came;
    this.send({ kind: "seen", numbers: [number], echo: this.latest.time, held });
  }

  connect() {
    this.socket = new WebSocket(new URL("socket", location.href).href.replace(/^http/, "ws"));
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.line(JSON.parse(data)) : this.frame(data));
    this.socket.onopen = () => this.tell("open");
    this.socket.onclose = () => {
      this.tell("closed");
      if (!this.over) setTimeout(() => this.connect(), RETRY);
    };
  }

  line(message) {
    if (message.kind === "view") {
      this.latest = { time: message.time, came: performance.now() };
      this.keepTime(message);
      this.seen(message.number);
    }
    if (message.kind === "bye") this.over = true;
    this.tell(message.kind, message);
  }

  keepTime(view) {
    const now = performance.now() / 1000;
    if (now >= this.until) [this.before, this.offset, this.until] = [this.offset, -Infinity, now + SPAN];
    this.offset = Math.max(this.offset, view.time - now);
    this.trip = view.trip;
  }

  frame(data) {
    const length = new DataView(data).getUint16(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 2, length)));
    this.tell("frame", { ...head, jpeg: new Uint8Array(data, 2 + length) });
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
