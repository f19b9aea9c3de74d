// Parts of all pages. Texts are set as text, never as HTML.

export const main = () => document.querySelector("main");
export const byId = (id) => document.getElementById(id);
export const named = () => main().dataset.name.split("/").map(encodeURIComponent).join("/");

export function make(tag, props = {}, ...children) {
  const { data, ...own } = props;
  const made = Object.assign(document.createElement(tag), own);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

export async function call(path, body, method = body ? "POST" : "GET") {
  const sent = body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { method, ...sent });
  if (answer.status === 204) return null;
  const text = await answer.text();
  let found;
  try { found = JSON.parse(text); } catch { found = { detail: text }; }
  if (!answer.ok) throw new Error(words(found.detail));
  return found;
}

const words = (detail) => typeof detail === "string" ? detail
  : (detail ?? []).map((one) => `${one.loc?.at(-1)}: ${one.msg}`).join("; ") || "The server did not answer.";

export const percent = (value, digits = 1) => value == null ? "–" : `${(100 * value).toFixed(digits)}%`;
export const fixed = (value, digits = 2) => value == null ? "–" : value.toFixed(digits);
export const range = (one, write) => one.low == null ? "" : ` (${write(one.low)} to ${write(one.high)})`;

document.addEventListener("click", async (event) => {
  const source = event.target.dataset?.copy;
  if (!source) return;
  await navigator.clipboard.writeText(byId(source).textContent);
  event.target.textContent = "Copied";
  setTimeout(() => { event.target.textContent = "Copy"; }, 1500);
});

// Checks of an audit: show those of some outcomes alone.
const outcomes = ["issue", "undecided", "tip", "passed", "not applicable", "skipped", "ignored"];
const checks = [...document.querySelectorAll("td:first-child")]
  .filter((cell) => outcomes.includes(cell.textContent.trim()) && cell.classList.length);
if (checks.length) {
  const filter = make("div", { className: "filter" });
  filter.setAttribute("role", "group");
  filter.setAttribute("aria-label", "Show outcomes");
  for (const outcome of outcomes) {
    const own = checks.filter((cell) => cell.textContent.trim() === outcome);
    if (!own.length) continue;
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => own.forEach((cell) => { cell.parentElement.hidden = !box.checked; }));
    const count = own.reduce((sum, cell) => sum + +(cell.parentElement.dataset.checks ?? 1), 0);
    filter.append(make("label", {}, box, ` ${outcome} (${count})`));
  }
  checks[0].closest(".wide").before(filter);
}

if (document.querySelector("figure[data-became] img")) import("./pairs.js");
