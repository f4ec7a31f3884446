// The last ten seconds as lines: speeds that were asked, and joints against their targets.

const SPAN = 10; // s
const PALETTE = ["#60a5fa", "#fbbf24", "#34d399", "#f472b6", "#a78bfa", "#f87171"];
const SPEEDS = [["vx", "#60a5fa"], ["vy", "#34d399"], ["wz", "#fbbf24"], ["measured", "#a16207"]];

export class Plots {
  constructor(speed, joints) {
    this.speed = speed;
    this.joints = joints;
    this.groups = [];
    this.samples = [];
    setInterval(() => this.draw(), 100);
  }

  // Joints of a kind share a plot: names such as front_left_knee are taken apart at the last underscore.
  learn(body) {
    const kinds = new Map();
    body.joints.forEach((name, index) => {
      const cut = name.lastIndexOf("_");
      const kind = cut < 0 ? "joints" : name.slice(cut + 1);
      kinds.set(kind, [...(kinds.get(kind) ?? []), { index, limb: name.slice(0, Math.max(0, cut)) }]);
    });
    const merged = [...kinds.values()].every((group) => group.length === 1)
      ? new Map([["joints", [...kinds.values()].flat()]]) : kinds;
    this.joints.replaceChildren();
    this.groups = [...merged].map(([kind, lines]) => this.open(kind, lines, body));
  }

  open(kind, lines, body) {
    const figure = document.createElement("figure");
    const [canvas, caption] = [document.createElement("canvas"), document.createElement("figcaption")];
    caption.append(`${kind} rad `);
    lines.forEach(({ index, limb }, at) => {
      const label = document.createElement("span");
      label.textContent = limb ? limb.split("_").map((word) => word[0]).join("") : body.joints[index];
      label.title = body.joints[index];
      label.style.color = PALETTE[at % PALETTE.length];
      caption.append(label, " ");
    });
    figure.append(canvas, caption);
    this.joints.append(figure);
    return { canvas, lines };
  }

  add(samples) {
    this.samples.push(...samples);
    const newest = this.samples.at(-1)?.time ?? 0;
    this.samples = this.samples.filter((sample) => sample.time > newest - SPAN && sample.time <= newest);
    this.stirred = samples.length > 0 || this.stirred;
  }

  draw() {
    if (!this.stirred || document.hidden || this.samples.length < 2) return;
    this.stirred = false;
    const speeds = [0, 1, 2].map((axis) => (sample) => sample.command[axis]).concat((sample) => sample.turning);
    plot(this.speed, this.samples, SPEEDS.map(([, color], at) => ({ color, of: speeds[at] })), 0.3);
    for (const { canvas, lines } of this.groups) {
      const targets = lines.map(({ index }) => ({ color: "#475569", of: (sample) => sample.sent[index] }));
      const joints = lines.map(({ index }, at) => ({ color: PALETTE[at % PALETTE.length], of: (sample) => sample.joint_pos[index] }));
      plot(canvas, this.samples, [...targets, ...joints], 0.1);
    }
  }
}

function plot(canvas, samples, lines, least) {
  const scale = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  if (canvas.width !== Math.round(width * scale)) [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  const paint = canvas.getContext("2d");
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.clearRect(0, 0, width, height);
  const values = lines.flatMap(({ of }) => samples.map(of)).filter(Number.isFinite);
  if (!values.length) return;
  const low = Math.min(...values), high = Math.max(...values);
  const middle = (low + high) / 2, half = Math.max((high - low) / 2, least) * 1.08;
  const end = samples.at(-1).time;
  const x = (time) => width - ((end - time) / SPAN) * width;
  const y = (value) => height / 2 - ((value - middle) / half) * (height / 2);
  if (Math.abs(middle) < half) zero(paint, width, y(0));
  for (const { color, of } of lines) trace(paint, samples, x, y, of, color);
  label(paint, (middle + half).toFixed(2), 11);
  label(paint, (middle - half).toFixed(2), height - 3);
}

function zero(paint, width, y) {
  paint.strokeStyle = "#334155";
  paint.lineWidth = 1;
  paint.beginPath();
  paint.moveTo(0, y);
  paint.lineTo(width, y);
  paint.stroke();
}

function label(paint, text, y) {
  paint.font = "10.5px system-ui, sans-serif";
  paint.fillStyle = "#131c2ed8";
  paint.fillRect(0, y - 10, paint.measureText(text).width + 6, 13);
  paint.fillStyle = "#b6c4da";
  paint.fillText(text, 3, y);
}

function trace(paint, samples, x, y, of, color) {
  paint.strokeStyle = color;
  paint.lineWidth = 1.4;
  paint.beginPath();
  let drawing = false;
  for (const sample of samples) {
    const value = of(sample);
    if (!Number.isFinite(value)) drawing = false;
    else if (drawing) paint.lineTo(x(sample.time), y(value));
    else paint.moveTo(x(sample.time), y(value)), (drawing = true);
  }
  paint.stroke();
}
