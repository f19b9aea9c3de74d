// Pairs of an audit of super-resolution, made of its sheets: rows original, low-resolution, restored.
import { make } from "./view.js";

const outcomes = [
  { icon: "\u2716", name: "flips", word: (became) => `becomes ${became}` },
  { icon: "\u2714", name: "stays", word: () => "stays" },
  { icon: "?", name: "not known", word: () => "not known" }];
const of = (became, cell) => outcomes[became === "" ? 2 : became === cell ? 1 : 0];
const rows = { original: "0%", "low-resolution": "50%", restored: "100%" };

function layer(sheet, column, columns, row) {
  const made = make("div", { className: "layer" });
  Object.assign(made.style, { backgroundImage: `url("${sheet.src}")`, backgroundSize: `${100 * columns}% 300%`,
    backgroundPosition: `${columns > 1 ? 100 * column / (columns - 1) : 0}% ${rows[row]}` });
  return made;
}

function pairs(figure) {
  const sheet = figure.querySelector("img"), { cell } = figure.dataset;
  const became = JSON.parse(figure.dataset.became), n = became.length;
  const ratio = (3 * sheet.naturalWidth) / (n * sheet.naturalHeight);
  const words = make("p", { role: "status" }), box = make("div", { className: "pair" });
  box.setAttribute("role", "img");
  box.style.aspectRatio = ratio;
  const slide = make("input", { type: "range", min: 0, max: 100, value: 50 });
  slide.setAttribute("aria-label", `${cell}: from restored to before`);
  const before = make("select", {}, make("option", { textContent: "original" }), make("option", { textContent: "low-resolution" }));
  let shown = 0;
  const cut = () => {
    box.lastChild.style.clipPath = `inset(0 0 0 ${slide.value}%)`;
    slide.setAttribute("aria-valuetext", `${slide.value}% ${before.value}, ${100 - slide.value}% restored`);
  };
  const show = () => {
    const { icon, word } = of(became[shown], cell), text = word(became[shown]);
    box.replaceChildren(layer(sheet, shown, n, before.value), layer(sheet, shown, n, "restored"));
    box.setAttribute("aria-label", `${before.value} on the left, restored on the right`);
    words.textContent = `Image ${shown + 1} of ${n}, ${cell}: ${icon} ${text}`;
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", i === shown));
    cut();
  };
  const buttons = became.map((one, i) => {
    const { icon, word } = of(one, cell), picture = layer(sheet, i, n, "restored");
    picture.style.aspectRatio = ratio;
    const button = make("button", { type: "button", title: word(one) }, picture, `${icon} ${word(one)}`);
    button.addEventListener("click", () => { shown = i; show(); });
    return button;
  });
  slide.addEventListener("input", cut);
  before.addEventListener("change", show);
  const part = make("div", { className: "pairs" },
    make("div", {}, box, make("label", { className: "row" }, before, make("span", { textContent: "or restored" }), slide), words),
    make("div", { className: "choices" }, ...buttons));
  show();
  figure.append(part);
  return buttons.map((button, i) => ({ button, outcome: of(became[i], cell) }));
}

const figures = [...document.querySelectorAll("figure[data-became]")].filter((f) => f.querySelector("img"));
const found = (await Promise.all(figures.map((f) => f.querySelector("img").decode().then(() => pairs(f), () => [])))).flat();
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
figures[0].before(filter);
