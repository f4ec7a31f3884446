// Puts the page together: input goes out 50 times a second, what comes in is shown.

import { Cameras } from "./cameras.js";
import { Keyboard } from "./keyboard.js";
import { Labels } from "./keys.js";
import { Link } from "./link.js";
import { Mapping } from "./mapping.js";
import { Pads } from "./pads.js";
import { $, Panel } from "./panel.js";
import { Plots } from "./plots.js";
import { Sound } from "./sound.js";
import { whenSwallowed } from "./swallowed.js";
import { Touch } from "./touch.js";

const SAMPLING = 20; // ms; a timer, not requestAnimationFrame, which pauses with the screen
const STUCK = 400; // ms for which something is held before it is worth a word that it does not drive
const SURE = 3000; // ms within which a second press counts as being sure
const SECOND_THOUGHTS = { quit: "End the session? Press again" };
const CAPTIONS = { success: "Success", fail: "Fail", discard: "Discard", undo: "Undo", takeover: "Take over", handback: "Hand back", rearm: "Re-arm", note: "Note", quit: "End", start: "Record", stop: "Stop rec", estop: "STOP" };
const NO_CAMERA = "No camera. To see through the robot's eyes, start again with --camera on, or with --camera head=/dev/video0.";

const attentive = () => document.visibilityState === "visible" && document.hasFocus();
const link = new Link();
const panel = new Panel(link);
const cameras = new Cameras($("cameras"), link);
const plots = new Plots($("speed-plot"), $("joint-plots"));
const sound = new Sound($("sound"));
const keyboard = new Keyboard(request);
const pads = new Pads(request, attentive);
const touch = new Touch($("left-stick"), $("right-stick"));
const labels = new Labels(() => controls && showKeys(controls));
const mapping = new Mapping(pads, toast, () => controls && showKeys(controls));
let free = [];
let keys = {};
let controls = null;
let held = Infinity;
let over = null;
let mode = null;
let since = performance.now();

const drives = () => panel.view?.driver === "you";

// What a person asks once, by key, button or pad.
function request(event) {
  if (event === "note") openNote();
  else if (event === "quit") sure("quit", () => ask("quit"));
  else ask(event === "takeover" && panel.view?.status?.taken ? "handback" : event);
}

function ask(event, note = "") {
  if (!link.open) toast("no link: nothing was sent");
  link.send({ kind: "asking", event, note });
  if (event === "estop") sound.play(220, 165);
}

let complained = 0;
function hold() {
  if (!attentive()) letGo();
  if (keyboard.watch()) toast("the keyboard fell silent, so the key was let go: press it again");
  touch.watch();
  mapping.look();
  const devices = [keyboard.device(), touch.device(), ...pads.devices()];
  held = devices.some(({ engaged }) => engaged) ? Math.min(held, performance.now()) : Infinity;
  complain(devices);
  if (drives()) link.send({ kind: "holding", now: performance.now(), attentive: attentive(), devices });
}

// Tell somebody who tries to drive from a page that may only watch.
function complain(devices) {
  const tried = !drives() && attentive() && devices.some(({ engaged }) => engaged);
  if (!tried || performance.now() - complained < SURE) return;
  complained = performance.now();
  toast("this page only watches: take the wheel first");
}

function letGo({ touch: fingers = true } = {}) {
  keyboard.clear();
  if (fingers) touch.clear();
}

function away(what) {
  letGo(what);
  hold();
}

keyboard.moved = touch.moved = () => hold();
setInterval(hold, SAMPLING);
whenSwallowed(away);
addEventListener("keydown", (event) => labels.typed(event), { capture: true });

link.addEventListener("hello", ({ detail }) => {
  free = detail.free;
  keys = detail.keys;
  controls = detail;
  keyboard.learn(detail);
  pads.learn(detail);
  showKeys(detail);
});

link.addEventListener("view", ({ detail: view }) => {
  if (view.body) {
    plots.learn(view.body);
    document.body.classList.toggle("guide", view.body.joints.length === 0);
    document.title = `leash · ${view.body.name}`;
  }
  plots.add(view.samples);
  panel.take(view);
  show();
});

link.addEventListener("refused", ({ detail }) => toast(detail.text));
link.addEventListener("bye", ({ detail }) => ((over = detail), show()));
link.addEventListener("closed", show);
link.addEventListener("open", () => ((since = performance.now()), show()));

function show() {
  panel.render({ attentive: attentive(), scale: keyboard.scale, stuck: keyboard.stuck || performance.now() - held > STUCK, pad: mapping.ready() });
  mapping.show();
  document.body.classList.toggle("watching", !drives());
  document.body.classList.toggle("busy", panel.view?.status?.state === "busy");
  const trouble = panel.trouble(over, mapping.ready());
  const alert = $("alert");
  alert.hidden = !trouble;
  if (trouble && alert.textContent !== trouble[1]) alert.textContent = trouble[1];
  alert.className = trouble?.[0] ?? "";
  if (over || !link.open) {
    $("mode").className = "wait";
    $("mode-name").textContent = over ? "SESSION OVER" : "NO LINK";
    $("mode-why").textContent = over ? panel.summary() : "";
  }
  sound.call(trouble?.[0] === "help");
  announce();
  buttons();
  const waited = performance.now() - since > 2000;
  cameras.explain(panel.view?.status ? (waited && !/^(busy|asked)$/.test(panel.view.status.state) ? NO_CAMERA : "") : "Waiting for the robot.");
}

// Say aloud what changes hands.
function announce() {
  if (panel.mode === mode) return;
  const known = mode !== null;
  mode = panel.mode;
  if (known) sound.play(...({ human: [660], policy: [520, 780], safety: [330, 220, 165] }[mode] ?? []));
}

function buttons() {
  const status = panel.view?.status;
  for (const button of document.querySelectorAll("button[data-event]")) {
    const event = button.dataset.event;
    if (status && event.match(/^(start|stop)$/)) button.dataset.event = status.state === "recording" ? "stop" : "start";
    if (status && event.match(/^(takeover|handback)$/)) {
      button.dataset.event = status.taken ? "handback" : "takeover";
      button.hidden = !status.shared;
    }
    button.disabled = event !== "estop" && (!link.open || over !== null || !(drives() || free.includes(event)));
    const wanted = (event === "rearm" && status?.stopped) || (event === "takeover" && status?.request) || (event === "success" && status?.state === "asked");
    button.classList.toggle("wanted", Boolean(wanted) && !button.disabled);
    caption(button);
  }
}

function caption(button) {
  const event = button.dataset.event;
  const asked = button.dataset.sure ? SECOND_THOUGHTS[event] : CAPTIONS[event];
  const key = labels.of(keys[event]);
  const said = `${asked} ${key}`;
  if (button.dataset.said === said) return;
  button.dataset.said = said;
  const [name, label] = [document.createElement("b"), document.createElement("kbd")];
  [name.textContent, label.textContent] = [asked, key];
  button.replaceChildren(name, label);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-event]");
  if (button && button.dataset.event !== "estop") request(button.dataset.event);
  if (event.detail > 0) event.target.closest("button")?.blur();
});
// The stop counts from the moment it is touched.
for (const button of document.querySelectorAll("[data-event=estop]")) {
  button.addEventListener("pointerdown", () => ask("estop"));
  button.addEventListener("click", (event) => event.detail === 0 && ask("estop"));
}

$("wheel").addEventListener("click", () => {
  const driver = panel.view?.driver;
  if (driver === "other") sure("wheel", () => link.send({ kind: "wheel", want: "steal" }));
  else link.send({ kind: "wheel", want: driver === "you" ? "give" : "take" });
});

// Ask for a second press, on the button that it is about.
function sure(what, act) {
  const button = what === "wheel" ? $("wheel") : document.querySelector(`button[data-event=${what}]`);
  if (button.dataset.sure) {
    delete button.dataset.sure;
    act();
  } else {
    button.dataset.sure = "asked";
    setTimeout(() => (delete button.dataset.sure, show()), SURE);
  }
  show();
}

function openNote() {
  letGo();
  $("note").hidden = false;
  $("note-text").focus();
}

function closeNote() {
  $("note").hidden = true;
  $("note-text").value = "";
  $("note-text").blur();
}

$("note").addEventListener("submit", (event) => {
  event.preventDefault();
  ask("note", $("note-text").value);
  toast("noted");
  closeNote();
});
$("note-away").addEventListener("click", closeNote);
// Space stops also here, so that something else must write a space.
$("note-text").addEventListener("input", ({ target }) => {
  const at = target.selectionStart;
  if (target.value.includes("_")) target.value = target.value.replaceAll("_", " ");
  target.setSelectionRange(at, at);
});

let toasting = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toasting);
  toasting = setTimeout(() => ($("toast").hidden = true), 4000);
}

function showKeys({ keys: by, pad }) {
  const pairs = [["forward", "back", "ahead, back"], ["turn_left", "turn_right", "turn"], ["arc_left", "arc_right", "arcs"], ["step_left", "step_right", "sideways"], ["faster", "slower", "faster, slower"]];
  const key = (action) => Object.assign(document.createElement("kbd"), { textContent: labels.of(by[action]) });
  $("drive-keys").replaceChildren("hold to drive: ", ...pairs.flatMap(([one, other, does]) => [key(one), key(other), ` ${does}  `]));
  $("layout").textContent = labels.known ? "" : "Keys are named by their place on a US keyboard; yours may have other letters there.";
  const rows = Object.entries(by).map(([action, name]) => [labels.of(name), action.replace("_", " ")]);
  $("keys").replaceChildren(...[["shift", "hold at standstill"], ["escape", "estop"], ["arrows", "drive"], ...rows].map(row));
  $("pad-keys").replaceChildren(...mapping.described(pad).flatMap(({ title, rows, again }) => [
    Object.assign(document.createElement("b"), { textContent: title }), ...rows.map(row), ...(again ? [again] : []),
  ]));
}

function row([key, does]) {
  const element = document.createElement("div");
  const [name, action] = [document.createElement("kbd"), document.createElement("span")];
  [name.textContent, action.textContent] = [key, does];
  element.append(name, action);
  return element;
}

setInterval(show, 500);
