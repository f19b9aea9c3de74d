// Pairs of an audit, made of its sheets, with a slider from one picture to the other.
import { make } from "./view.js";

const outcomes = [
  { icon: "\u2716", name: "flips", word: (became) => `becomes ${became}` },
  { icon: "\u2714", name: "stays", word: () => "stays" },
  { icon: "?", name: "not known", word: () => "not known" }];
const of = (became, cell) => outcomes[became === "" ? 2 : became === cell ? 1 : 0];

// Super-resolution: a column an image, rows original, low-resolution, restored.
function restored({ cell, became }) {
  const all = JSON.parse(became), n = all.length;
  return { label: cell, columns: n, rows: 3, before: ["original", "low-resolution"], after: "restored",
    pairs: all.map((one, i) => {
      const { icon, word } = of(one, cell);
      return { icon, text: word(one), before: [[i, 0], [i, 1]], after: [i, 2], outcome: of(one, cell) };
    }) };
}

// The same face at two levels: pictures before and after beside each other, in rows.
function counterfactual({ before, after, level, became, pairs, columns }) {
  const wide = +columns, place = (k) => [k % wide, Math.floor(k / wide)];
  const text = became ? `becomes ${level}` : `ceases to be ${level}`;
  return { label: `${before} to ${after}`, columns: wide, rows: Math.ceil(2 * pairs / wide), before: [before], after,
    pairs: [...Array(+pairs).keys()].map((i) => ({ icon: "\u2716", text, before: [place(2 * i)], after: place(2 * i + 1) })) };
}

function layer(sheet, { columns, rows }, [column, row]) {
  const made = make("div", { className: "layer" }), at = (k, n) => (n > 1 ? 100 * k / (n - 1) : 0);
  Object.assign(made.style, { backgroundImage: `url("${sheet.src}")`, backgroundSize: `${100 * columns}% ${100 * rows}%`,
    backgroundPosition: `${at(column, columns)}% ${at(row, rows)}%` });
  return made;
}

function add(figure, sheet, grid) {
  const { pairs, label, before, after } = grid;
  const ratio = (grid.rows * sheet.naturalWidth) / (grid.columns * sheet.naturalHeight);
  const words = make("p", { role: "status" }), box = make("div", { className: "pair" });
  box.setAttribute("role", "img");
  box.style.aspectRatio = ratio;
  const slide = make("input", { type: "range", min: 0, max: 100, value: 50 });
  slide.setAttribute("aria-label", `${label}: from ${after} to before`);
  const choice = make("select", {}, ...before.map((textContent) => make("option", { textContent })));
  choice.setAttribute("aria-label", `${label}: before`);
  let shown = 0;
  const cut = () => {
    box.lastChild.style.clipPath = `inset(0 0 0 ${slide.value}%)`;
    slide.setAttribute("aria-valuetext", `${slide.value}% ${choice.value}, ${100 - slide.value}% ${after}`);
  };
  const show = () => {
    const pair = pairs[shown];
    box.replaceChildren(layer(sheet, grid, pair.before[choice.selectedIndex]), layer(sheet, grid, pair.after));
    box.setAttribute("aria-label", `${choice.value} on the left, ${after} on the right`);
    words.textContent = `Image ${shown + 1} of ${pairs.length}, ${label}: ${pair.icon} ${pair.text}`;
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", i === shown));
    cut();
  };
  const buttons = pairs.map((pair, i) => {
    const picture = layer(sheet, grid, pair.after);
    picture.style.aspectRatio = ratio;
    const button = make("button", { type: "button", title: pair.text }, picture, `${pair.icon} ${pair.text}`);
    button.addEventListener("click", () => { shown = i; show(); });
    return button;
  });
  slide.addEventListener("input", cut);
  choice.addEventListener("change", show);
  const name = before.length > 1 ? choice : make("span", { textContent: before[0] });
  const part = make("div", { className: "pairs" },
    make("div", {}, box, make("div", { className: "row" }, name, make("span", { textContent: `or ${after}` }), slide), words),
    make("div", { className: "choices" }, ...buttons));
  show();
  if (before.length === 1) sheet.classList.add("on-paper"); // The choices show all that is on it.
  figure.append(part);
  return buttons.map((button, i) => ({ button, outcome: pairs[i].outcome }));
}

const figures = [...document.querySelectorAll("figure[data-became]")].filter((f) => f.querySelector("img"));
const found = (await Promise.all(figures.map(async (figure) => {
  const sheet = figure.querySelector("img");
  try { await sheet.decode(); } catch { return []; }
  return add(figure, sheet, ("cell" in figure.dataset ? restored : counterfactual)(figure.dataset));
}))).flat();
const filter = make("div", { className: "filter" });
filter.setAttribute("role", "group");
filter.setAttribute("aria-label", "Show pairs that");
for (const outcome of outcomes) {
  const own = found.filter((one) => one.outcome === outcome);
  if (!own.length) continue;
  const box = make("input", { type: "checkbox", checked: true });
  box.addEventListener("change", () => own.forEach(({ button }) => { button.hidden = !box.checked; }));
  filter.append(make("label", {}, box, ` ${outcome.icon} ${outcome.name} (${own.length})`));
}
if (filter.childElementCount) figures[0].before(filter);
