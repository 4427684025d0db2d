// Blocks, braille and lines as rectangles of a cell, so that they join whatever font the browser has.
"use strict";

const UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8;
const BOX = {
  "─": LEFT | RIGHT, "│": UP | DOWN, "┤": UP | DOWN | LEFT, "├": UP | DOWN | RIGHT, "┬": DOWN | LEFT | RIGHT,
  "┴": UP | LEFT | RIGHT, "┼": UP | DOWN | LEFT | RIGHT, "┌": DOWN | RIGHT, "┐": DOWN | LEFT, "└": UP | RIGHT,
  "┘": UP | LEFT,
};
const HEAVY = { "━": "─", "┃": "│", "┏": "┌", "┓": "┐", "┗": "└", "┛": "┘", "┣": "├", "┫": "┤", "┳": "┬", "┻": "┴",
  "╋": "┼" };
const ARCS = { "╭": [1, 1], "╮": [-1, 1], "╰": [1, -1], "╯": [-1, -1] };
const LEFT_PARTS = { "▏": 1, "▎": 2, "▍": 3, "▌": 4, "▋": 5, "▊": 6, "▉": 7 };
const SHADES = { "░": 1, "▒": 2, "▓": 3 };
const DOTS = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [0, 3], [1, 3]];

function isShape(text) {
  return text in BOX || text in HEAVY || text in ARCS || text in SHADES || text === "▐" || text === "▕" ||
    (text >= "▀" && text <= "▏") || text === "▔" || (text >= "\u2800" && text <= "\u28ff" && text.length === 1);
}

// Whether neighbours of this shape are drawn as one: it is the same all over its width.
function isLevel(text) {
  return text === "─" || text === "━" || text in SHADES || (text >= "▀" && text <= "█") || text === "▔" ||
    text === "\u2800";
}

// Returns the rectangles [x, y, width, height] of a shape in a cell, in whole units of `unit` pixels.
function rectangles(text, width, height, unit) {
  const snap = (value) => Math.round(value / unit) * unit;
  if (text === "▀") return [[0, 0, width, snap(height / 2)]];
  if (text === "▔") return [[0, 0, width, Math.max(unit, snap(height / 8))]];
  if (text === "▕") return [[width - Math.max(unit, snap(width / 8)), 0, Math.max(unit, snap(width / 8)), height]];
  if (text === "▐") return [[snap(width / 2), 0, width - snap(width / 2), height]];
  if (text in LEFT_PARTS) return [[0, 0, Math.max(unit, snap((width * LEFT_PARTS[text]) / 8)), height]];
  if (text >= "▁" && text <= "█") {
    const tall = Math.max(unit, snap((height * (text.charCodeAt(0) - 0x2580)) / 8));
    return [[0, height - tall, width, tall]];
  }
  if (text in BOX || text in HEAVY) return strokes(BOX[HEAVY[text] || text], width, height, snap, unit, text in HEAVY);
  if (text >= "\u2800" && text <= "\u28ff") {
    const bits = text.charCodeAt(0) - 0x2800;
    const size = Math.max(unit, snap(width / 4)), dots = DOTS.filter((_, bit) => (bits >> bit) & 1);
    return dots.map(([x, y]) => [
      snap((width * (2 * x + 1)) / 4 - size / 2), snap((height * (2 * y + 1)) / 8 - size / 2), size, size,
    ]);
  }
  return [];
}

function lineWidth(width, snap, unit, isHeavy) {
  return Math.max(unit, snap(width * (isHeavy ? 0.28 : 0.14)));
}

function strokes(ways, width, height, snap, unit, isHeavy) {
  const thick = lineWidth(width, snap, unit, isHeavy), x = snap((width - thick) / 2), y = snap((height - thick) / 2);
  const found = [];
  if (ways & (LEFT | RIGHT)) {
    const begin = ways & LEFT ? 0 : x, end = ways & RIGHT ? width : x + thick;
    found.push([begin, y, end - begin, thick]);
  }
  if (ways & (UP | DOWN)) {
    const begin = ways & UP ? 0 : y, end = ways & DOWN ? height : y + thick;
    found.push([x, begin, thick, end - begin]);
  }
  return found;
}

// Returns the CSS declarations of a shape.
function shapeRule(text, width, height, unit) {
  if (text in SHADES) {
    const side = Math.max(2 * unit, Math.round(width / 3 / unit) * unit), part = { "░": 25, "▒": 0, "▓": 75 }[text];
    const image = part
      ? `conic-gradient(${part === 25 ? "currentColor 25%, #0000 0" : "#0000 25%, currentColor 0"})`
      : "conic-gradient(currentColor 25%, #0000 0 50%, currentColor 0 75%, #0000 0)";
    return `background-image: ${image}; background-size: ${side}px ${side}px; background-repeat: repeat;`;
  }
  const found = rectangles(text, width, height, unit);
  if (!found.length) return "";
  const tile = isLevel(text) ? (at) => `100% ${at[3]}px` : (at) => `${at[2]}px ${at[3]}px`;
  return `background-image: ${found.map(() => "linear-gradient(currentColor, currentColor)").join(", ")};` +
    `background-position: ${found.map((at) => `${at[0]}px ${at[1]}px`).join(", ")};` +
    `background-size: ${found.map(tile).join(", ")};`;
}

// Returns the CSS declarations of the rounded corner of a box.
function arcRule(text, width, height, unit) {
  const [right, down] = ARCS[text], snap = (value) => Math.round(value / unit) * unit;
  const thick = lineWidth(width, snap, unit, false), x = snap((width - thick) / 2), y = snap((height - thick) / 2);
  const side = right > 0 ? "left" : "right", edge = down > 0 ? "top" : "bottom";
  return `left: ${right > 0 ? x : 0}px; width: ${right > 0 ? width - x : x + thick}px; top: ${down > 0 ? y : 0}px; ` +
    `height: ${down > 0 ? height - y : y + thick}px; border-${side}-width: ${thick}px; border-${edge}-width: ` +
    `${thick}px; border-${edge}-${side}-radius: ${snap(width / 2)}px;`;
}
