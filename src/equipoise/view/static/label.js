import { byId, call, fixed, make, named, percent, range } from "./view.js";

const api = `/api/tasks/${named()}`;
const kept = `rater ${named()}`;
let task, rater = "", asked = null, busy = false;

function show(question) {
  asked = question;
  const done = question.image == null;
  byId("progress").max = question.total;
  byId("progress").value = question.done;
  byId("count").textContent = `${question.done} of ${question.total} answers`;
  byId("skip").disabled = done;
  byId("undo").disabled = !question.done;
  byId("shown").hidden = done;
  if (done) {
    byId("asked").textContent = "All done. Thank you.";
    byId("levels").replaceChildren();
    byId("scale").textContent = "";
    return;
  }
  const attribute = task.attributes[question.attribute];
  byId("asked").textContent = `${attribute.name.replaceAll("_", " ")}?`;
  byId("shown").src = `${api}/images/${question.image}`;
  byId("shown").dataset.image = question.image;
  byId("scale").textContent = attribute.scale && `${attribute.scale}. Order and colours never change. The screen changes what they look like: the words count.`;
  byId("levels").replaceChildren(...attribute.levels.map((level, i) => {
    const button = make("button", { type: "button" }, make("kbd", { textContent: i + 1 }), level);
    if (attribute.scale) {
      const swatch = make("span", { className: "swatch" });
      swatch.style.background = attribute.colours[i];
      button.append(swatch);
    }
    button.addEventListener("click", () => answer(i));
    return button;
  }));
}

async function send(path, body) {
  if (busy) {
    byId("count").textContent = "Not counted: the next picture was not there yet.";
    return;
  }
  busy = true;
  try { show(await call(`${api}/${path}`, { rater, ...body })); } catch (error) { byId("asked").textContent = error.message; }
  busy = false;
  if (asked && (asked.done < 2 || asked.done % 5 === 0 || asked.image == null)) raters();
}

const answer = (level) => asked?.image != null && send("answers", { image: asked.image, attribute: asked.attribute, level });

async function raters() {
  task = await call(api);
  const row = (...cells) => make("tr", {}, ...cells.map((c, i) => make("td", { className: i ? "n" : "", textContent: c })));
  const head = (...names) => make("thead", {}, make("tr", {}, ...names.map((n, i) => make("th", { className: i ? "n" : "", textContent: n }))));
  byId("raters").replaceChildren(task.raters.length
    ? make("table", {}, head("rater", "answers", "of"), make("tbody", {}, ...task.raters.map((r) => row(r.name, r.done, r.total))))
    : make("p", { textContent: "Nobody has begun." }));
  if (task.agreement.some((a) => a.rated_twice)) byId("raters").append(make("table", {}, head("agreement on", "rated twice", "Cohen kappa", "Krippendorff alpha"),
    make("tbody", {}, ...task.agreement.map((a) => row(a.attribute, a.rated_twice, fixed(a.kappa), fixed(a.alpha))))));
}

async function begin(name) {
  rater = name;
  try {
    show(await call(`${api}/question?rater=${encodeURIComponent(name)}`));
    localStorage.setItem(kept, name);
    byId("rater").value = name;
    byId("asking").hidden = false;
    byId("asked").focus({ preventScroll: true });
  } catch (error) { byId("raters").textContent = error.message; }
}

async function result() {
  if (!byId("result").open) return;
  const place = byId("corrected");
  try {
    const found = await call(`${api}/result`);
    place.replaceChildren(make("p", { textContent: `Judged: ${found.judged} images. Intervals at 95%, all shares of a table together.` }),
      ...found.corrections.map((one) => make("table", {}, make("caption", { className: "unseen", textContent: "corrected shares" }),
        make("thead", {}, make("tr", {}, make("th", { textContent: `${one.status}${one.reason ? `: ${one.reason}` : ""}` }),
          make("th", { className: "n", textContent: "counted" }), make("th", { className: "n", textContent: "corrected" }))),
        make("tbody", {}, ...one.shares.map((s) => make("tr", {}, make("td", { textContent: s.name }),
          make("td", { className: "n", textContent: `${percent(s.counted.value)}${range(s.counted, percent)}` }),
          make("td", { className: "n", textContent: `${percent(s.corrected.value)}${range(s.corrected, percent)}` })))))),
      make("pre", { textContent: found.command, tabIndex: 0 }));
  } catch (error) { place.textContent = error.message; }
}

async function upload(event) {
  const [file] = event.target.files;
  event.target.value = "";
  try {
    const added = await call(`${api}/label-studio`, JSON.parse(await file.text()));
    byId("uploaded").textContent = `Answers of ${added.join(", ") || "nobody"} are in.`;
    await raters();
  } catch (error) { byId("uploaded").textContent = error.message; }
}

byId("tasks").href = `${api}/label-studio`;
byId("config").href = `${api}/label-studio/config`;
byId("answers")?.addEventListener("change", upload);
byId("who")?.addEventListener("submit", (event) => { event.preventDefault(); begin(byId("rater").value.trim()); });
byId("skip")?.addEventListener("click", () => answer(null));
byId("undo")?.addEventListener("click", () => send("undo"));
byId("result").addEventListener("toggle", result);
document.addEventListener("keydown", (event) => {
  if (!asked || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const levels = asked.image == null ? [] : task.attributes[asked.attribute].levels;
  const key = event.key.toLowerCase();
  if (+key >= 1 && +key <= Math.min(levels.length, 9)) answer(+key - 1);
  else if (key === "s") answer(null);
  else if (key === "u" || key === "backspace") send("undo");
  else return;
  event.preventDefault();
});

await raters();
setInterval(() => document.hidden || raters().catch(() => {}), 5000);
if (byId("begin")) byId("begin").disabled = false;
const last = localStorage.getItem(kept);
if (last && byId("who")) await begin(last);
