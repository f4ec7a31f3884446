// The cameras: each frame is decoded, drawn, and acknowledged, and its age is told.

const STALE = 0.3; // s
const LOST = 1.0; // s

export class Cameras {
  constructor(element, link) {
    this.element = element;
    this.empty = element.querySelector("#no-camera");
    this.link = link;
    this.shown = new Map();
    link.addEventListener("frame", ({ detail }) => this.draw(detail));
    setInterval(() => this.judge(), 200);
  }

  async draw({ number, camera, time, jpeg }) {
    const view = this.shown.get(camera) ?? this.open(camera);
    try {
      const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (time > view.time) this.put(view, picture, time);
      picture.close();
    } catch {
      view.damaged += 1;
    }
    this.link.seen(number);
  }

  put(view, picture, time) {
    const { canvas, paint } = view;
    if (canvas.width !== picture.width || canvas.height !== picture.height)
      [canvas.width, canvas.height] = [picture.width, picture.height];
    paint.drawImage(picture, 0, 0);
    view.time = time;
    view.age = this.link.now() - time;
    canvas.dataset.captured = time;
    canvas.dataset.age = view.age;
  }

  open(camera) {
    const figure = document.createElement("figure");
    const [canvas, caption] = [document.createElement("canvas"), document.createElement("figcaption")];
    canvas.id = `camera-${camera}`;
    figure.append(canvas, caption);
    this.element.append(figure);
    this.empty.hidden = true;
    const paint = canvas.getContext("2d", { alpha: false, desynchronized: true });
    const view = { name: camera, figure, canvas, caption, paint, time: -Infinity, age: 0, damaged: 0 };
    this.shown.set(camera, view);
    return view;
  }

  // Say how old each picture is, and when none comes any more.
  judge() {
    for (const { name, figure, caption, time, age, damaged } of this.shown.values()) {
      const silent = this.link.now() - time;
      figure.classList.toggle("stale", silent > STALE || age > STALE);
      figure.classList.toggle("lost", silent > LOST);
      const said = silent > LOST ? `no new picture for ${silent.toFixed(0)} s` : `${(age * 1e3).toFixed(0)} ms old`;
      caption.textContent = `${name} · ${said}${damaged ? ` · ${damaged} damaged` : ""}`;
    }
  }

  // What to say while there is no picture.
  explain(text) {
    this.empty.textContent = text;
    this.empty.hidden = this.shown.size > 0;
  }
}
