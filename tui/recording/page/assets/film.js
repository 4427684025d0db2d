// The screens of a view, from the differences of tui/recording/page/encoding.py.
"use strict";

const SNAPSHOT_EVERY = 50;

class Film {
  constructor(view, columns, lines) {
    this.name = view.name;
    this.frames = view.frames;
    this.times = [];
    let at = 0;
    for (const frame of this.frames) this.times.push((at += frame[0]));
    const blank = { texts: new Array(columns).fill(" "), styles: new Array(columns).fill(0) };
    this.blank = new Array(lines).fill(blank);
    this.snapshots = new Map();
    this.at = -1;
    this.rows = this.blank;
  }

  // Returns the number of the frame that is shown at an instant.
  numberAt(time) {
    let low = 0, high = this.times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.times[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // Returns the rows of a frame. A row that is the same object as before has not changed.
  rowsOf(number) {
    let from = this.at, rows = this.rows;
    if (from > number || number - from > SNAPSHOT_EVERY) {
      let snapshot = number - (number % SNAPSHOT_EVERY);
      while (snapshot >= 0 && !this.snapshots.has(snapshot)) snapshot -= SNAPSHOT_EVERY;
      if (snapshot >= 0 && (from > number || snapshot > from)) [from, rows] = [snapshot, this.snapshots.get(snapshot)];
      else if (from > number) [from, rows] = [-1, this.blank];
    }
    while (from < number) {
      from += 1;
      rows = applyFrame(rows, this.frames[from]);
      if (from % SNAPSHOT_EVERY === 0) this.snapshots.set(from, rows);
    }
    this.at = number;
    this.rows = rows;
    return rows;
  }
}

function applyFrame(rows, frame) {
  const after = rows.slice();
  for (const [y, column, ...runs] of frame.slice(1)) {
    if (after[y] === rows[y]) after[y] = { texts: rows[y].texts.slice(), styles: rows[y].styles.slice() };
    let x = column;
    for (let n = 0; n < runs.length; n += 2) {
      for (const text of typeof runs[n + 1] === "string" ? Array.from(runs[n + 1]) : runs[n + 1]) {
        after[y].texts[x] = text;
        after[y].styles[x] = runs[n];
        x += 1;
      }
    }
  }
  return after;
}
