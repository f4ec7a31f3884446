// Sounds: a call for help that cannot be missed, and short ones for what changes hands.

export class Sound {
  constructor(button) {
    this.button = button;
    this.wanted = true;
    this.context = null;
    this.calling = null;
    button.addEventListener("click", () => this.toggle());
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, () => this.wake(), { capture: true });
    this.show();
  }

  // Browsers stay mute until somebody has touched the page.
  wake() {
    if (!this.context) this.woken = performance.now();
    this.context ??= new AudioContext();
    if (this.context.state === "suspended") this.context.resume().then(() => this.show());
    this.show();
  }

  // Note: the first press of the button wakes it, which is what was meant.
  toggle() {
    this.wanted = performance.now() - this.woken < 500 || !this.wanted;
    this.show();
  }

  show() {
    const on = this.wanted && this.context?.state === "running";
    this.button.textContent = on ? "Sound on" : "Sound off";
    this.button.setAttribute("aria-pressed", String(on));
  }

  tone(pitch, start = 0, seconds = 0.12, loudness = 0.2) {
    if (!this.wanted || this.context?.state !== "running") return;
    const [source, gain] = [this.context.createOscillator(), this.context.createGain()];
    const from = this.context.currentTime + start;
    source.frequency.value = pitch;
    gain.gain.setValueAtTime(loudness, from);
    gain.gain.exponentialRampToValueAtTime(0.001, from + seconds);
    source.connect(gain).connect(this.context.destination);
    source.start(from);
    source.stop(from + seconds);
  }

  play(...pitches) {
    pitches.forEach((pitch, at) => this.tone(pitch, at * 0.13));
  }

  // Repeats for as long as help is asked.
  call(asked) {
    if (asked && !this.calling) {
      this.play(880, 660, 880);
      this.calling = setInterval(() => this.play(880, 660, 880), 1500);
    } else if (!asked && this.calling) {
      clearInterval(this.calling);
      this.calling = null;
    }
  }
}
