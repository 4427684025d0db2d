// The screen as rows of spans: each is as many cells wide as it has, whatever its font draws.
"use strict";

const BOLD = 1, ITALIC = 2, UNDERLINE = 4, STRIKE = 8;
const NATURAL_FONT_PX = 15, LARGEST_CELL_PX = 18, SMALLEST_CELL_PX = 2, READABLE_CELL_PX = 7;

class Grid {
  constructor(element, columns, lines, palette) {
    this.element = element;
    this.columns = columns;
    this.lines = lines;
    this.palette = palette;
    this.shown = new Array(lines).fill(null);
    this.rows = Array.from({ length: lines }, () => {
      const row = document.createElement("div");
      row.className = "row";
      element.append(row);
      return row;
    });
    this.sheet = new RuleSheet();
    this.glyphs = new Map();
    const measured = this.measure(100);
    this.ratio = measured.plain / 100;
    this.cell = 0;
  }

  // Returns the widths of a character, plain and bold, at a size of the font.
  measure(fontPx) {
    const probe = document.createElement("span");
    probe.textContent = "0".repeat(100);
    probe.style.cssText = `position:absolute;visibility:hidden;white-space:pre;letter-spacing:0;font-size:${fontPx}px`;
    this.element.append(probe);
    const plain = probe.getBoundingClientRect().width / 100;
    probe.style.fontWeight = "bold";
    const bold = probe.getBoundingClientRect().width / 100;
    probe.remove();
    return { plain, bold };
  }

  // Makes cells as large as fits into so many pixels; all edges are on whole pixels of the display. For the sake of the
  // height they do not become narrower than `smallest`.
  fit(width, height, smallest) {
    const unit = 1 / (window.devicePixelRatio || 1);
    const lineOf = (cell) => Math.round(((cell / this.ratio) * 1.33) / unit) * unit;
    let cell = Math.min(LARGEST_CELL_PX, Math.floor(width / this.columns / unit) * unit);
    while (cell > smallest && lineOf(cell) * this.lines > height) cell -= unit;
    this.setCell(Math.max(SMALLEST_CELL_PX, cell), lineOf, unit);
  }

  // Makes cells as large as the natural size of the font.
  naturalWidth() {
    return Math.ceil(NATURAL_FONT_PX * this.ratio) * this.columns;
  }

  setCell(cell, lineOf, unit) {
    if (this.cell === cell && this.unit === unit) return;
    this.cell = cell;
    this.unit = unit;
    this.line = lineOf(cell);
    this.font = cell / this.ratio;
    this.sheet.clear();
    this.glyphs.clear();
    const measured = this.measure(this.font);
    this.sheet.add(`#screen { font-size: ${this.font}px; line-height: ${this.line}px; width: ${cell * this.columns}px;
      height: ${this.line * this.lines}px; letter-spacing: ${cell - measured.plain}px;
      background: ${this.palette[0][1]}; color: ${this.palette[0][0]}; }`);
    this.sheet.add(`.row { height: ${this.line}px; }`);
    for (let count = 1; count <= this.columns; count++) this.sheet.add(`.row > .w${count} { width: ${cell * count}px; }`);
    this.palette.forEach(([ink, ground, attributes], number) => {
      const lines = [attributes & UNDERLINE && "underline", attributes & STRIKE && "line-through"].filter(Boolean);
      this.sheet.add(`.row > .s${number} { color: ${ink}; background-color: ${ground};` +
        (attributes & BOLD ? `font-weight: bold; letter-spacing: ${cell - measured.bold}px;` : "") +
        (attributes & ITALIC ? "font-style: italic;" : "") +
        (lines.length ? `text-decoration: ${lines.join(" ")};` : "") + "}");
    });
    const rows = this.shown;
    this.shown = new Array(this.lines).fill(null);
    if (rows[0]) this.draw(rows);
  }

  // Draws the rows that changed.
  draw(rows) {
    rows.forEach((row, y) => {
      if (this.shown[y] !== row) this.rows[y].replaceChildren(...this.spans(row));
      this.shown[y] = row;
    });
  }

  *spans({ texts, styles }) {
    let x = 0;
    while (x < texts.length) {
      const text = texts[x], style = styles[x], begin = x;
      if (isShape(text)) {
        do x += 1;
        while (isLevel(text) && x < texts.length && texts[x] === text && styles[x] === style);
        yield this.shape(text, x - begin, style);
      } else if (isPlain(text)) {
        do x += 1;
        while (x < texts.length && isPlain(texts[x]) && styles[x] === style);
        yield this.span(texts.slice(begin, x).join(""), x - begin, `s${style}`);
      } else {
        do x += 1;
        while (x < texts.length && texts[x] === "");
        yield this.span(text, x - begin, `s${style} glyph ${this.glyphClass(text, x - begin)}`);
      }
    }
  }

  span(text, cells, className) {
    const span = document.createElement("span");
    span.className = `w${cells} ${className}`;
    span.textContent = text;
    return span;
  }

  shape(text, cells, style) {
    let name = this.glyphs.get(text);
    if (name === undefined) {
      name = `g${this.glyphs.size}`;
      this.glyphs.set(text, name);
      if (text in ARCS) this.sheet.add(`.row > .${name}::before { ${arcRule(text, this.cell, this.line, this.unit)} }`);
      else this.sheet.add(`.row > .${name} { ${shapeRule(text, this.cell, this.line, this.unit)} }`);
    }
    return this.span(text.repeat(cells), cells, `s${style} shape ${name}${text in ARCS ? " arc" : ""}`);
  }

  // Returns the class that makes a character as small as its cells, where the font draws it wider.
  glyphClass(text, cells) {
    let name = this.glyphs.get(text);
    if (name === undefined) {
      const probe = document.createElement("span");
      probe.textContent = text;
      probe.style.cssText = "position:absolute;visibility:hidden;white-space:pre;letter-spacing:0";
      this.element.append(probe);
      const width = probe.getBoundingClientRect().width;
      probe.remove();
      name = "";
      if (width > this.cell * cells + 0.5) {
        name = `g${this.glyphs.size}`;
        this.sheet.add(`.row > .${name} { font-size: ${(this.font * this.cell * cells) / width}px; }`);
      }
      this.glyphs.set(text, name);
    }
    return name;
  }
}

// Latin letters and signs, which every font for terminals has in the same width.
function isPlain(text) {
  return text.length === 1 && ((text >= " " && text <= "~") || (text >= "\u00a1" && text <= "\u017f" && text !== "\u00ad"));
}

// Rules that are made at run time: the policy of the page allows no style in an attribute of its text.
class RuleSheet {
  constructor() {
    this.sheet = document.styleSheets[0];
    this.fixed = this.sheet.cssRules.length;
  }

  add(rule) {
    this.sheet.insertRule(rule, this.sheet.cssRules.length);
  }

  clear() {
    while (this.sheet.cssRules.length > this.fixed) this.sheet.deleteRule(this.sheet.cssRules.length - 1);
  }
}
