// Two touch sticks. A thumb on either is the dead-man.

export class Touch {
  constructor(left, right) {
    this.sticks = [new Stick(left), new Stick(right)];
    for (const stick of this.sticks) stick.moved = () => this.moved?.();
  }

  clear() {
    for (const stick of this.sticks) stick.drop();
  }

  // Let go of a stick whose pointer the browser gave to somebody else.
  watch() {
    for (const stick of this.sticks) stick.watch();
  }

  device() {
    const [walk, turn] = this.sticks;
    return {
      name: "touch", serial: 0, changed: Math.max(walk.changed, turn.changed),
      engaged: walk.held || turn.held,
      forward: -walk.y, left: -walk.x, turn: -turn.x,
    };
  }
}

class Stick {
  constructor(element) {
    this.element = element;
    this.knob = element.querySelector("i");
    this.pointer = null;
    this.x = this.y = this.changed = 0;
    element.addEventListener("pointerdown", (event) => this.take(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      element.addEventListener(end, (event) => event.pointerId === this.pointer && this.drop());
    element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  get held() {
    return this.pointer !== null;
  }

  take(event) {
    if (this.held) return;
    event.preventDefault();
    this.pointer = event.pointerId;
    this.element.setPointerCapture(event.pointerId);
    this.move(event);
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    const box = this.element.getBoundingClientRect();
    const reach = Math.min(box.width, box.height) * 0.38;
    const x = (event.clientX - box.left - box.width / 2) / reach;
    const y = (event.clientY - box.top - box.height / 2) / reach;
    const far = Math.max(1, Math.hypot(x, y));
    this.put(x / far, y / far);
  }

  watch() {
    if (this.held && !this.element.hasPointerCapture(this.pointer)) this.drop();
  }

  drop() {
    if (!this.held) return;
    this.pointer = null;
    this.put(0, 0);
  }

  put(x, y) {
    [this.x, this.y, this.changed] = [x, y, performance.now()];
    this.knob.style.translate = `${x * 38}% ${y * 38}%`;
    this.element.classList.toggle("held", this.held);
    this.moved?.();
  }
}
