// Plays the recording: time, views, controls and keys.
"use strict";

const SPEEDS = [0.5, 1, 2, 5, 10, 20, 50, 100];
const FIRST_SPEED = 10;
const STEP_MS = 5000, LONG_STEP_MS = 60000;
const CALM_MS = 1000; // between two screens while playing, where the reader prefers reduced motion

const byId = (id) => document.getElementById(id);

class PagePlayer {
  constructor(recording, films) {
    this.recording = recording;
    this.films = films;
    this.clock = new Clock(recording.zone);
    this.grid = new Grid(byId("screen"), recording.columns, recording.lines, recording.palette);
    this.film = films[0];
    this.time = recording.from;
    this.number = -1;
    this.isPlaying = false;
    this.isNatural = false;
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.makeControls();
    this.makeMarks();
    this.makeKeys();
    this.makeViews();
    this.fit();
    window.addEventListener("resize", () => this.fit());
    document.addEventListener("fullscreenchange", () => this.fit());
    document.addEventListener("copy", (event) => this.copy(event));
    this.time = this.startTime();
    this.setView(0);
  }

  // The instant after `#t=` in the address, such as `#t=2026-11-21T20:17:10Z`; else the start.
  startTime() {
    const given = /[#&]t=([^&]+)/.exec(location.hash);
    const at = given ? Date.parse(decodeURIComponent(given[1])) : NaN;
    return Number.isNaN(at) ? this.recording.from : at;
  }

  // Time

  seek(time) {
    this.show(time);
    this.announce();
  }

  show(time) {
    const { from, to } = this.recording;
    this.time = Math.min(to, Math.max(from, time));
    const number = this.film.numberAt(this.time);
    if (number !== this.number) {
      this.number = number;
      this.grid.draw(this.film.rowsOf(number));
    }
    byId("seek").value = String(Math.round(this.time - from));
    byId("seek").setAttribute("aria-valuetext", this.clock.full(this.time));
    const shown = byId("clock"), text = this.clock.full(this.time);
    if (shown.textContent !== text) {
      shown.textContent = text;
      shown.dateTime = new Date(this.time).toISOString();
    }
    this.followMarks();
  }

  stepFrames(count) {
    this.pause();
    const number = Math.min(this.film.times.length - 1, Math.max(0, this.number + count));
    this.seek(this.film.times[number]);
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play() {
    if (this.time >= this.recording.to) this.show(this.recording.from);
    this.isPlaying = true;
    byId("play").textContent = "Pause";
    let before = null, drawn = 0;
    const tick = (now) => {
      if (!this.isPlaying) return;
      if (before !== null) this.elapsed = (this.elapsed || 0) + (now - before) * this.speed;
      before = now;
      if (!this.calm.matches || now - drawn >= CALM_MS) {
        drawn = now;
        this.show(this.time + (this.elapsed || 0));
        this.elapsed = 0;
      }
      if (this.time >= this.recording.to) this.pause();
      else requestAnimationFrame(tick);
    };
    this.elapsed = 0;
    requestAnimationFrame(tick);
  }

  pause() {
    if (!this.isPlaying) return;
    this.isPlaying = false;
    byId("play").textContent = "Play";
    this.announce();
  }

  setSpeed(speed) {
    this.speed = speed;
    byId("speed").value = String(speed);
  }

  changeSpeed(steps) {
    const at = SPEEDS.indexOf(this.speed) + steps;
    this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at))]);
    this.say(`speed ${this.speed}×`);
  }

  // Tells readers of the live region where the recording is: time, view and the first lines of the screen.
  announce() {
    if (this.isPlaying) return;
    const lines = this.film.rowsOf(this.number).slice(0, 2).map(({ texts }) => texts.join("").replace(/\s+/g, " ").trim());
    this.say(`${this.clock.full(this.time)}. ${this.film.name}. ${lines.join(". ")}`);
  }

  say(text) {
    byId("live").textContent = text;
  }

  // Parts of the page

  makeControls() {
    const { from, to } = this.recording;
    byId("range").textContent = this.clock.range(from, to);
    const seek = byId("seek");
    seek.max = String(to - from);
    seek.addEventListener("input", () => this.seek(from + Number(seek.value)));
    byId("play").addEventListener("click", () => this.toggle());
    byId("back").addEventListener("click", () => this.stepFrames(-1));
    byId("forth").addEventListener("click", () => this.stepFrames(1));
    for (const speed of SPEEDS) byId("speed").append(new Option(`${speed}×`, String(speed)));
    this.setSpeed(FIRST_SPEED);
    byId("speed").addEventListener("change", () => this.setSpeed(Number(byId("speed").value)));
    byId("zoom").addEventListener("click", () => this.toggleSize());
    byId("full").addEventListener("click", () => this.toggleFullScreen());
    byId("full").hidden = !document.fullscreenEnabled;
    byId("keys").addEventListener("click", () => this.showHelp());
  }

  makeViews() {
    this.films.forEach((film, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = film.name;
      if (at < 9) button.setAttribute("aria-keyshortcuts", String(at + 1));
      button.addEventListener("click", () => this.setView(at));
      byId("views").append(button);
    });
    byId("views").hidden = this.films.length < 2;
  }

  setView(at) {
    if (at < 0 || at >= this.films.length) return;
    this.film = this.films[at];
    this.number = -1;
    [...byId("views").children].forEach((button, other) => button.setAttribute("aria-pressed", String(other === at)));
    byId("screen").setAttribute("aria-label", `Screen of the console: ${this.film.name}`);
    this.seek(this.time);
  }

  makeMarks() {
    const { from, to, marks } = this.recording, length = Math.max(1, to - from);
    this.markButtons = marks.map((mark) => {
      const bar = document.createElement("i");
      bar.className = mark.kind;
      bar.style.left = `${(100 * (mark.from_ms - from)) / length}%`;
      bar.style.width = `${(100 * (mark.to_ms - mark.from_ms)) / length}%`;
      byId("marks").append(bar);
      const item = document.createElement("li"), button = document.createElement("button");
      const time = document.createElement("time"), kind = document.createElement("b");
      button.type = "button";
      time.textContent = this.clock.time(mark.from_ms) +
        (mark.to_ms > mark.from_ms ? `–${this.clock.time(mark.to_ms)}` : "");
      kind.className = mark.kind;
      kind.textContent = mark.kind === "failed" ? "no answer" : mark.kind;
      button.append(time, kind, mark.text);
      button.addEventListener("click", () => this.seek(mark.from_ms));
      item.append(button);
      byId("event-list").append(item);
      return button;
    });
    byId("events").hidden = marks.length === 0;
  }

  followMarks() {
    this.recording.marks.forEach((mark, at) => {
      const isNow = mark.from_ms <= this.time && this.time <= Math.max(mark.to_ms, mark.from_ms + 999);
      if (isNow) this.markButtons[at].setAttribute("aria-current", "true");
      else this.markButtons[at].removeAttribute("aria-current");
    });
  }

  stepMarks(direction) {
    const times = this.recording.marks.map((mark) => mark.from_ms);
    const at = direction > 0 ? times.find((time) => time > this.time) : times.filter((time) => time < this.time).pop();
    if (at !== undefined) this.seek(at);
  }

  // Size

  fit() {
    const stage = byId("stage"), isFull = document.fullscreenElement !== null;
    const width = stage.clientWidth, around = byId("timeline").offsetHeight + byId("controls").offsetHeight + 32;
    const tall = isFull ? window.innerHeight - around : window.innerHeight - stage.offsetTop - around;
    if (this.isNatural) this.grid.fit(Math.max(this.grid.naturalWidth(), width), Infinity, SMALLEST_CELL_PX);
    else this.grid.fit(width, tall, isFull ? SMALLEST_CELL_PX : READABLE_CELL_PX);
  }

  toggleSize() {
    this.isNatural = !this.isNatural;
    byId("zoom").setAttribute("aria-pressed", String(this.isNatural));
    this.fit();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (document.fullscreenEnabled) document.querySelector("main").requestFullscreen();
  }

  // Copied text has no blanks at the ends of its lines.
  copy(event) {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed || !byId("screen").contains(selection.anchorNode)) return;
    const text = selection.toString().split("\n").map((line) => line.trimEnd()).join("\n");
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  }

  // Keys

  makeKeys() {
    const viewOf = (name) => this.films.findIndex((film) => film.name === name);
    const view = (name) => () => this.setView(viewOf(name));
    const named = [["g", "gaps"], ["y", "days"], ["s", "servers"], ["Escape", "sessions"]]
      .filter(([, name]) => viewOf(name) >= 0);
    this.keys = [
      [[" "], "space", "play or pause", () => this.toggle()],
      [["ArrowRight"], "→", "5 seconds on; with shift a minute", (event) => this.move(event, 1)],
      [["ArrowLeft"], "←", "5 seconds back; with shift a minute", (event) => this.move(event, -1)],
      [["."], ".", "one frame on", () => this.stepFrames(1)],
      [[","], ",", "one frame back", () => this.stepFrames(-1)],
      [["n"], "n", "the next mark", () => this.stepMarks(1)],
      [["N"], "N", "the mark before", () => this.stepMarks(-1)],
      [["Home"], "Home", "the start", () => this.seek(this.recording.from)],
      [["End"], "End", "the end", () => this.seek(this.recording.to)],
      [["+", "="], "+", "faster", () => this.changeSpeed(1)],
      [["-"], "-", "slower", () => this.changeSpeed(-1)],
      ...this.films.slice(0, 9).map((film, at) => [[String(at + 1)], String(at + 1), film.name, () => this.setView(at)]),
      ...named.map(([key, name]) => [[key], key === "Escape" ? "esc" : key, name, view(name)]),
      [["z"], "z", "readable size, or all of the screen", () => this.toggleSize()],
      [["f"], "f", "full screen", () => this.toggleFullScreen()],
      [["?"], "?", "this list", () => this.showHelp()],
    ];
    const body = byId("help-keys").tBodies[0];
    for (const [, shown, purpose] of this.keys) {
      const row = body.insertRow(), key = document.createElement("th");
      key.scope = "row";
      key.textContent = shown;
      row.append(key);
      row.insertCell().textContent = purpose;
    }
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
    const isControl = event.target instanceof Element && event.target.closest("button, select");
    if (isControl && (event.key === " " || event.key === "Enter")) return;
    if (event.target === byId("speed") && event.key.startsWith("Arrow")) return;
    const found = this.keys.find(([keys]) => keys.includes(event.key));
    if (found) {
      event.preventDefault();
      found[3](event);
    }
  }

  move(event, direction) {
    this.seek(this.time + direction * (event.shiftKey ? LONG_STEP_MS : STEP_MS));
  }

  showHelp() {
    this.pause();
    byId("help").showModal();
  }
}

(async () => {
  try {
    const recording = JSON.parse(byId("recording").textContent);
    const views = JSON.parse(await inflateText(byId("frames").textContent.trim()));
    const films = views.map((view) => new Film(view, recording.columns, recording.lines));
    new PagePlayer(recording, films);
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    byId("problem").hidden = false;
    byId("problem").textContent = `The recording in this page cannot be played: ${error.message}`;
    throw error;
  }
})();
