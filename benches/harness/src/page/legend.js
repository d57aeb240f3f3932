for (const button of document.querySelectorAll("button[data-engine]")) {
  button.addEventListener("click", () => {
    const engine = button.dataset.engine;
    const shown = button.getAttribute("aria-pressed") !== "true";
    for (const other of document.querySelectorAll("[data-engine]")) {
      if (other.dataset.engine !== engine) continue;
      if (other.tagName === "BUTTON") other.setAttribute("aria-pressed", String(shown));
      else other.classList.toggle("hidden", !shown);
    }
  });
}
