// Keeps the sections marked `data-live` up to date: fetches the page again and puts in what differs.
const EVERY = 5000;
const button = document.getElementById("live");
const focusable = "a, button, input, select, summary, [tabindex]";

function swap(old, fresh) {
  const open = [...old.querySelectorAll("details")].map((each) => each.open);
  for (const each of fresh.querySelectorAll("details")) each.open = open.shift() ?? false;
  if (old.innerHTML === fresh.innerHTML) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.outerHTML : null;
  const scrolled = [...old.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  old.replaceChildren(...fresh.childNodes);
  for (const each of old.querySelectorAll(".scroll")) each.scrollLeft = scrolled.shift() ?? 0;
  const again = focused && [...old.querySelectorAll(focusable)].find((each) => each.outerHTML === focused);
  if (again) again.focus({ preventScroll: true });
}

function busy() {
  const selected = document.getSelection();
  return document.hidden || button.getAttribute("aria-pressed") !== "true" || (selected && !selected.isCollapsed);
}

async function update() {
  if (busy()) return;
  const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (busy()) return;
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh) swap(old, fresh);
  }
}

async function go() {
  try {
    await update();
    button.classList.remove("broken");
    button.textContent = button.getAttribute("aria-pressed") === "true" ? "Live" : "Paused";
  } catch {
    button.classList.add("broken");
    button.textContent = "No answer";
  }
  setTimeout(go, EVERY);
}

if (document.querySelector("[data-live]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Live" : "Paused";
  });
  setTimeout(go, EVERY);
}
