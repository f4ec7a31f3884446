// Everything that is told in words: who decides, what is recorded, how all is doing, what to do about it.

const MODES = {
  hold: ["■ HOLD", "hold"],
  policy: ["▶ POLICY", "policy"],
  human: ["● HUMAN", "human"],
  safety: ["▲ SOFT STOP", "safety"],
};
// Where a person is guided through something and no robot is shown.
const GUIDED = { hold: ["● YOUR TURN", "hold"], policy: ["▶ AT WORK", "policy"] };
const STATES = { idle: "ready", recording: "● REC", stopped: "ended", done: "finished", busy: "please wait", asked: "your turn" };
const SILENT = 0.5; // s without a tick
const LOOKBACK = 5; // s over which lost ticks are counted
const ROOM = 10; // minutes of disk that are worth a warning
const FINGERS = matchMedia("(pointer: coarse)").matches;

export const $ = (id) => document.getElementById(id);

export class Panel {
  constructor(link) {
    this.link = link;
    this.ticks = [];
    this.facts = new Map();
    this.view = null;
    this.sample = null;
  }

  // Take in a view; the latest sample stays when a view carries none.
  take(view) {
    this.view = view;
    this.sample = view.samples.at(-1) ?? this.sample;
    this.ticks.push({ time: view.time, tick: view.tick ?? 0, got: view.samples.length, late: Math.max(0, ...view.samples.map(({ late }) => late)) });
    this.ticks = this.ticks.filter(({ time }) => time > view.time - LOOKBACK);
  }

  get mode() {
    return this.sample?.source ?? null;
  }

  render(steering) {
    if (!this.view) return;
    const { view } = this, status = view.status;
    this.seat(view);
    if (!status || !this.sample) return;
    this.who(status, view.driver, steering);
    this.recording(status);
    this.figures(view, status, steering);
    this.past(view);
  }

  who(status, driver, steering) {
    const [name, kind] = (document.body.classList.contains("guide") ? GUIDED : MODES)[this.mode];
    $("mode").className = kind;
    text("mode-name", name);
    text("mode-why", this.why(status, driver, steering));
  }

  // What to do next.
  why(status, driver, steering) {
    if (status.state === "done") return "nothing is left to do here";
    if (this.stopped(status)) return driver === "you" ? "see to the robot, then press Re-arm" : "the driver may re-arm";
    if (status.taken) return `takeover ${status.takeover}${status.reason === "person" ? "" : `: ${status.reason}`}; hand back to go on`;
    if (status.state === "asked") return "do what is said below, then press Success";
    if (driver !== "you") return driver === "other" ? "you watch: another page has the wheel" : "press Take the wheel to drive";
    if (status.state === "busy") return "nothing to do for you now";
    if (!steering.attentive) return "click this page to drive";
    if (this.mode === "human") return "let go to stop";
    if (steering.stuck && this.mode === "hold") return "let go first, then hold again";
    if (!status.armed) return "let go of everything for a moment";
    if (this.complete(status)) return "judge the last episode, or press End";
    return `${how(steering.pad)} to ${this.mode === "policy" ? "take over" : "drive"}`;
  }

  stopped(status) {
    return this.mode === "safety" || status.stopped;
  }

  // Whether all that was to be recorded is, and only the last label is open.
  complete(status) {
    return status.enough > 0 && status.kept >= status.enough && status.state === "stopped";
  }

  // What there is in the end.
  summary() {
    const status = this.view?.status;
    if (!status || !/^(idle|stopped|done|recording)$/.test(status.state)) return "";
    return `${status.kept}${status.enough ? ` of ${status.enough}` : ""} episodes kept`;
  }

  recording(status) {
    $("episode").className = status.state;
    text("state", STATES[status.state] ?? status.state);
    const of = status.enough ? ` of ${status.enough}` : "";
    const running = `episode ${status.kept + 1}${of} · ${status.seconds.toFixed(1)} s`;
    text("count", status.state === "recording" ? running : /^(busy|asked)$/.test(status.state) ? "" : `${status.kept}${of} episodes kept`);
    const undo = status.undo_left > 0 && status.outcome !== "unlabelled" ? ` · undo ${Math.ceil(status.undo_left)} s` : "";
    text("label", status.state === "recording" || status.index === null ? "" : `last: ${status.outcome}${undo}`);
  }

  figures(view, status, { scale }) {
    const { sample } = this;
    const late = Math.max(0, ...this.ticks.filter(({ time }) => time > view.time - 1).map((each) => each.late)) * 1e3;
    this.fact("loop late", `${late.toFixed(1)} ms`, late > 50 ? "bad" : late > 10 ? "warn" : "");
    this.fact("robot link", `${(sample.age * 1e3).toFixed(0)} ms`, sample.age > 0.1 ? "bad" : "");
    const lost = this.lost();
    this.fact("page link", `${(view.trip * 1e3).toFixed(0)} ms`, view.trip > 0.1 ? "warn" : "");
    this.fact("ticks lost", `${(lost * 100).toFixed(0)} %`, lost > 0.2 ? "warn" : "");
    this.fact("policy", status.policy.split("/").at(-1) || "–", "");
    this.fact("its answer", status.policy_time === null ? "in the loop" : `${(status.policy_time * 1e3).toFixed(0)} ms`, status.policy_time > 0.045 ? "warn" : "");
    if (status.policy_lost !== null) this.fact("late answers", `${(status.policy_lost * 100).toFixed(1)} %`, status.policy_lost > 0.05 ? "warn" : "");
    this.fact("risk", number(sample.risk, 2), sample.risk > 0.5 ? "warn" : "");
    this.fact("tilt", sample.tilt === null ? "no IMU" : `${((sample.tilt * 180) / Math.PI).toFixed(0)}°`, sample.tilt > 0.5 ? "bad" : "");
    this.fact("disk", view.disk === null ? "–" : time(view.disk), view.disk < ROOM ? "bad" : "");
    this.fact("speed", `${(scale * 100).toFixed(0)} %`, "");
    this.fact("stops", String(status.stops), status.stops ? "warn" : "");
    this.fact("pages", String(view.pages), "");
  }

  // Share of the ticks of the last seconds that never came here.
  lost() {
    const [first, last] = [this.ticks[0], this.ticks.at(-1)];
    const made = last.tick - first.tick;
    const got = this.ticks.slice(1).reduce((sum, each) => sum + each.got, 0);
    return made > 0 ? Math.max(0, 1 - got / made) : 0;
  }

  fact(name, value, kind) {
    let entry = this.facts.get(name);
    if (!entry) {
      const box = document.createElement("div");
      entry = { box, value: document.createElement("dd") };
      const term = document.createElement("dt");
      term.textContent = name;
      box.append(term, entry.value);
      $("facts").append(box);
      this.facts.set(name, entry);
    }
    if (entry.value.textContent !== value) entry.value.textContent = value;
    entry.box.className = kind;
  }

  past(view) {
    const now = this.link.now();
    const lines = view.past.map(({ number, reason, time, seconds }) => `${number}: ${reason || "pressed"} · ${ago(now - time)} · ${seconds.toFixed(1)} s`);
    $("takeovers").hidden = !view.status.shared && lines.length === 0;
    const list = $("past");
    if (list.dataset.shown === lines.join("\n")) return;
    list.dataset.shown = lines.join("\n");
    list.replaceChildren(...(lines.length ? lines : ["none yet"]).map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  }

  seat(view) {
    const words = { you: "you have the wheel", other: "you watch, another page has the wheel", nobody: "nobody has the wheel" };
    text("seat-text", words[view.driver]);
    const wheel = $("wheel");
    wheel.textContent = { you: "Let go", other: wheel.dataset.sure ? "Really? Press again" : "Steal the wheel", nobody: "Take the wheel" }[view.driver];
    $("seat").className = view.driver;
  }

  // The one thing that a person must know now; null when there is none.
  trouble(over, pad) {
    if (over) return [over.failed ? "bad" : "info", over.text];
    if (!this.link.open) return ["bad", "No link to the robot's computer: it was told to let go. Trying again; check the network or the tunnel."];
    const { view } = this;
    if (!view?.status) return ["warn", "The robot is being started; this takes some seconds."];
    const { status } = view;
    if (status.state === "done") return ["info", "Finished. What was recorded is being saved: wait until this page says that the session is over."];
    const stop = this.stopped(status) ? [status.cause || "the robot was stopped", status.refused && `re-arming was refused: ${status.refused}`].filter(Boolean) : [];
    if (view.since > SILENT) return ["warn", [...stop, `No tick for ${view.since.toFixed(0)} s: the robot is being made ready, or the program is at work. If that lasts, look at the terminal.`].join(" · ")];
    if (status.request && !stop.length) return ["help", `Help is asked: ${status.request}. ${capital(how(pad))}, or press Take over.`];
    const lines = [...stop, ...status.warnings.filter((line) => !stop.includes(line))];
    if (view.disk !== null && view.disk < ROOM) lines.push(`the disk is full in ${time(view.disk)} of recording: make room`);
    if (lines.length) return [stop.length ? "bad" : "warn", lines.join(" · ")];
    if (this.complete(status)) return ["info", `All ${status.enough} episodes are recorded. The session ends by itself in ${Math.ceil(status.undo_left)} s; until then the last label can be changed.`];
    return status.hint ? ["info", status.hint] : null;
  }
}

function how(pad) {
  return FINGERS ? "touch a stick" : pad ? `hold a key or ${pad}` : "hold a key";
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function text(id, value) {
  const element = $(id);
  if (element.textContent !== value) element.textContent = value;
}

function number(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function time(minutes) {
  return minutes >= 120 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes)} min`;
}

function ago(seconds) {
  return seconds < 90 ? `${Math.max(0, seconds).toFixed(0)} s ago` : `${(seconds / 60).toFixed(0)} min ago`;
}
