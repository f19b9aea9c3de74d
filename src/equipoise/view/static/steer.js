import { byId, call, fixed, make, named, percent, range } from "./view.js";

const api = `/api/runs/${named()}`;
const said = byId("said");
let run, busy = false, again = false, drawing = null;

const sliders = () => [...document.querySelectorAll("#sliders input")];
const of = () => document.querySelector("[name=of]:checked").value;

function slider(label, data, value) {
  const input = make("input", { type: "range", min: 0, max: 100, step: "any", value, data });
  input.setAttribute("aria-label", `${data.group} ${label}`.trim());
  input.addEventListener("input", moved);
  return make("div", { className: data.group ? "slider" : "slider cell" }, make("span", { textContent: label }), input, make("output"));
}

function build(values) {
  const place = byId("sliders");
  const group = (title, rows) => make("fieldset", {}, make("legend", { textContent: title }), ...rows);
  place.replaceChildren(...(of() === "cells"
    ? [group("cells", run.cells.map((c, k) => slider(c.name, { group: "", key: c.name }, values?.[k] ?? 50)))]
    : run.attributes.map((a) => group(a.name, a.levels.map((level) =>
      slider(level, { group: a.name, key: level }, values?.[a.name]?.[level] ?? 50))))));
  moved();
}

function target() {
  const text = (input) => `${input.dataset.key}:${+(+input.value).toFixed(3)}`;
  if (of() === "cells") {
    return `cells: ${sliders().filter((i) => +i.value > 0).map(text).join("; ")}`;
  }
  return `marginals: ${run.attributes.map((a) =>
    `${a.name}=${sliders().filter((i) => i.dataset.group === a.name).map(text).join(",")}`).join("; ")}`;
}

function moved() {
  const sums = {};
  for (const i of sliders()) sums[i.dataset.group] = (sums[i.dataset.group] ?? 0) + +i.value;
  for (const i of sliders()) {
    const share = percent(sums[i.dataset.group] ? i.value / sums[i.dataset.group] : 0, 0);
    i.nextElementSibling.textContent = share;
    i.setAttribute("aria-valuetext", share);
  }
  plan();
}

// One question at a time; the newest place of the sliders wins.
async function plan() {
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    try {
      const asked = body();
      show(await call(`${api}/plan`, { ...asked, n: Math.min(Math.max(asked.n || 1, 1), 2000), seed: asked.seed || 0, faithful: byId("mode").value || null }));
    } catch (error) {
      said.textContent = error.message;
      byId("brings").tBodies[0].replaceChildren();
    }
  } while (again);
  busy = false;
}

function body() {
  const verified = document.querySelector("[name=kind]:checked")?.value !== "one-shot";
  return { target: target(), n: +(byId("n")?.value ?? 60), seed: +(byId("seed")?.value ?? 0), verified,
    faithful: verified ? byId("mode").value || null : null };
}

function show(found) {
  const calls = found.calls.low == null ? `about ${fixed(found.calls.value)}` : `${fixed(found.calls.value)}${range(found.calls, fixed)}`;
  const cost = found.calls.value == null ? "" : ` Verified: exact counts at ${calls} calls an image.`;
  const least = found.cells.filter((c) => c.target > 0 && c.faithfulness.value != null)
    .reduce((a, b) => !a || b.faithfulness.value < a.faithfulness.value ? b : a, null);
  const reach = !found.reachable
    ? `One-shot draws cannot reach this target: the nearest mix has ${percent(found.nearest)} of the images in another cell.`
    : found.distance < 0.001 ? "One-shot draws reach this target, at 1 call an image."
      : `This is the run's own target. By its own measurement, one-shot draws have ${percent(found.distance)} of the images in another cell.`;
  said.textContent = reach + cost
    + (least ? ` Least faithful cell: ${least.name}, ${percent(least.faithfulness.value)}${range(least.faithfulness, percent)}.` : "");
  const most = Math.max(...found.cells.map((c) => Math.max(c.share.high ?? 0, c.target)), 1e-9);
  const part = (value) => `${100 * (value ?? 0) / most}%`;
  byId("brings").tBodies[0].replaceChildren(...found.cells.map((cell) => {
    const bar = make("div", { className: "bar" }, make("i"), make("b"), make("s"));
    const [fill, whisker, mark] = bar.children;
    fill.style.width = part(cell.share.value);
    whisker.style.left = part(cell.share.low);
    whisker.style.width = part(cell.share.high - cell.share.low);
    mark.style.left = part(cell.target);
    bar.setAttribute("aria-hidden", "true");
    const number = (text, more = "") => make("td", { className: "n" }, text, make("small", { textContent: more }));
    const share = make("div", { className: "share" }, bar, make("span", {}, percent(cell.share.value),
      make("small", { textContent: range(cell.share, percent) })));
    return make("tr", {}, make("td", { textContent: cell.name }), number(percent(cell.target)), number(percent(cell.rate)),
      make("td", {}, share), number(percent(cell.faithfulness.value), range(cell.faithfulness, percent)),
      number(fixed(cell.calls.value), range(cell.calls, fixed)));
  }));
  byId("source").textContent = `Predicted from ${found.measured.toLocaleString("en")} measured draws of the run, intervals at 95%: of many draws, around which n images scatter; `
    + `the orange mark is the target. Faithfulness and calls are of verified draws${found.mode ? ` (${found.mode})` : ""}, stated before any draw.`;
  byId("command").textContent = found.command;
  byId("python").textContent = found.python;
}

function preset(name) {
  if (name === "uniform") { check("attributes"); build(); return; }
  if (name === "prior") { check("cells"); build(scaled(run.cells.map((c) => c.prior ?? 0))); return; }
  const attribute = run.attributes[+name];
  check("attributes");
  build({ [attribute.name]: { [attribute.levels[0]]: 25, [attribute.levels[1]]: 75 } });
}
const check = (value) => { document.querySelector(`[name=of][value=${value}]`).checked = true; };
const scaled = (shares) => { const most = Math.max(...shares); return shares.map((s) => 100 * s / most); };

async function readCsv(file) {
  const lines = (await file.slice(0, 1e6).text()).trim().split(/\r?\n/).map((l) => l.split(/[,;\t]/).map((v) => v.trim()));
  const [header, ...rows] = lines;
  const key = (row) => run.attributes.map((a) => `${a.name}=${row[header.indexOf(a.name)]}`).join(", ");
  const shares = Object.fromEntries(rows.map((row) => [key(row), +row[header.indexOf("share")]]));
  const missing = run.cells.find((c) => !(shares[c.name] >= 0));
  if (missing) { said.textContent = `The table must have the columns ${run.attributes.map((a) => a.name).join(", ")} and share, and a share of at least 0 for ${missing.name}.`; return; }
  check("cells");
  build(scaled(run.cells.map((c) => shares[c.name])));
}

function begin(own) {
  drawing = own;
  byId("images").replaceChildren();
  byId("counts").replaceChildren();
  byId("after").hidden = true;
  byId("repeat-drawn").hidden = !own;
  if (!own) return;
  byId("command-drawn").textContent = own.command;
  byId("python-drawn").textContent = own.python;
}

async function earlier() {
  const found = await call(`${api}/draws`);
  byId("earlier").hidden = !found.length;
  byId("earlier").lastElementChild.replaceChildren(...found.map((one) => {
    const kind = one.verified ? `verified${one.faithful ? ` ${one.faithful}` : ""}` : "one-shot";
    const button = make("button", { type: "button", textContent: "Show" });
    button.addEventListener("click", () => { const own = { ...one }; begin(own); follow(own, one.n).catch(say); });
    return make("p", { className: "row" }, button,
      make("span", { textContent: `${one.n} images, seed ${one.seed}, ${kind}: ${one.target}` }));
  }));
}

async function draw(event) {
  event.preventDefault();
  const asked = body();
  begin(null);
  try {
    byId("drawn").textContent = "Opening the models.";
    const own = await call(`${api}/draws`, asked);
    begin(own);
    await follow(own, asked.n);
    await earlier();
  } catch (error) { say(error); }
}

const say = (error) => { byId("drawn").textContent = error.message; };

// Shows a draw as it goes on, until it ends or another one is shown; who leaves it can show it again.
async function follow(own, n) {
  for (let have = 0; drawing === own;) {
    const found = await call(`${api}/draws/${own.draw}?since=${have}`);
    if (drawing !== own) return;
    have += found.images.length;
    byId("images").append(...found.images.map((one) => picture(own, one)));
    byId("drawn").textContent = `${have} of ${n} images: ${found.state}${found.error ? `. ${found.error}` : ""}`;
    const ended = !["waiting", "drawing"].includes(found.state);
    if (byId("stop")) byId("stop").disabled = ended;
    if (ended) {
      byId("after").hidden = !(found.state === "done" || (found.state === "stopped" && have));
      for (const kind of ["npz", "tar"]) {
        byId(kind).href = `${api}/draws/${own.draw}/download?format=${kind}`;
        byId(kind).hidden = found.state !== "done";
      }
      byId("zip").href = `${api}/draws/${own.draw}/download`;
      byId("counts").replaceChildren(...(found.shares.length ? [table(found.shares)] : []));
      return;
    }
    await new Promise((done) => setTimeout(done, 250));
  }
}

function table(shares) {
  const number = (text) => make("td", { className: "n", textContent: text });
  const head = ["came out as", "target", "images", "share"].map((text, i) => make("th", { className: i ? "n" : "", textContent: text }));
  const rows = shares.map((one) => make("tr", {}, make("td", { textContent: one.cell }), number(percent(one.target)),
    number(one.count), number(`${percent(one.share.value)}${range(one.share, percent)}`)));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

function picture(own, one) {
  const source = `${api}/draws/${own.draw}/images/${one.number}`;
  const missed = one.achieved !== one.requested;
  const button = make("button", { type: "button", className: missed ? "miss" : "" },
    make("img", { src: source, loading: "lazy", alt: `image ${one.number}: ${one.achieved}${missed ? `, requested ${one.requested}` : ""}` }));
  button.addEventListener("click", () => {
    const dialog = byId("picture");
    dialog.querySelector("img").src = source;
    dialog.querySelector("img").alt = `image ${one.number}`;
    const facts = [["seed", one.seed], ["index", one.index], ["requested", one.requested], ["achieved", one.achieved],
      ["weight", one.weight.toPrecision(4)], ...Object.entries(one.probabilities).map(([k, v]) => [`P(${k})`, v.toFixed(3)])];
    dialog.querySelector("dl").replaceChildren(...facts.flatMap(([k, v]) => [make("dt", { textContent: k }), make("dd", { textContent: v })]));
    dialog.showModal();
    around(dialog, source);
  });
  return button;
}

// What lies around the picture: asked for at the click, since it costs some images.
async function around(dialog, source) {
  const place = byId("around");
  place.replaceChildren(make("p", { textContent: "Looking around." }));
  const figure = (one, text) => make("figure", {}, make("img", { src: one.picture, alt: `${text}: ${one.answer}` }),
    make("figcaption", {}, text, make("small", { textContent: one.answer })));
  const strip = (title, ...figures) => [make("h3", { textContent: title }), make("div", { className: "strip" }, ...figures)];
  let parts;
  try {
    const found = await call(`${source}/around`);
    parts = [
      ...strip("Nearest labelled codes, by cosine in code space", ...found.neighbours.map((one) => figure(one, one.cosine.toFixed(2)))),
      ...found.strips.flatMap((one) => strip(`Moved along ${one.name}, in standard deviations`,
        ...one.moved.map((step) => figure(step, `${step.move > 0 ? "+" : ""}${step.move}`)))),
      ...(found.missing ? [make("p", { textContent: `No directions: ${found.missing}` })] : [])];
  } catch (error) { parts = [make("p", { textContent: error.message })]; }
  if (dialog.open && dialog.querySelector("img").src.endsWith(source)) place.replaceChildren(...parts);
}

try { run = await call(api); } catch (error) { said.textContent = error.message; throw error; }
run.attributes.forEach((a, i) => {
  if (a.levels.length === 2) byId("presets").children[1].after(make("button",
    { type: "button", textContent: `75% ${a.name}=${a.levels[1]}`, data: { preset: i } }));
});
byId("mode").replaceChildren(...(run.modes.length ? run.modes : [""]).map((m) => make("option", { value: m, textContent: m || "not stated" })));
byId("presets").addEventListener("click", (event) => event.target.dataset.preset && preset(event.target.dataset.preset));
byId("csv").addEventListener("change", (event) => readCsv(event.target.files[0]));
byId("mode").addEventListener("change", plan);
for (const id of ["n", "seed"]) byId(id)?.addEventListener("input", plan);
document.querySelectorAll("[name=kind]").forEach((radio) => radio.addEventListener("change", plan));
document.querySelectorAll("[name=of]").forEach((radio) => radio.addEventListener("change", () =>
  build(of() === "cells" ? scaled(run.cells.map((c) => c.target)) : undefined)));
byId("draw")?.addEventListener("submit", draw);
byId("stop")?.addEventListener("click", () => drawing && call(`${api}/draws/${drawing.draw}`, undefined, "DELETE").catch(say));
byId("label")?.addEventListener("click", async () => {
  try {
    const made = await call(`${api}/draws/${drawing.draw}/task`, { per_answer: 10 });
    location.assign(`/runs/${made.task.split("/").map(encodeURIComponent).join("/")}`);
  } catch (error) { byId("drawn").textContent = error.message; }
});
build();
if (byId("start")) byId("start").disabled = false;
await earlier();
