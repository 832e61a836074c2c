"use strict";
// Three ways to compare the original with the defaced head. Without this script they stand side by side.
(() => {
  const compare = document.getElementById("compare");
  const modes = document.querySelector(".modes");
  let timer = 0;

  function choose(mode) {
    clearInterval(timer);
    compare.className = "compare " + mode + (mode === "side" ? "" : " over");
    for (const button of modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    for (const slider of compare.querySelectorAll(".slider")) slider.hidden = mode !== "slide";
    for (const note of compare.querySelectorAll(".between")) note.hidden = mode !== "flicker";
    if (mode === "flicker") timer = setInterval(() => compare.classList.toggle("first"), 600);
  }

  modes.hidden = false;
  modes.addEventListener("click", (event) => {
    if (event.target.dataset.mode) choose(event.target.dataset.mode);
  });
  for (const pair of compare.querySelectorAll(".pair")) {
    const stack = pair.querySelector(".stack");
    const range = pair.querySelector("input");
    const cut = () => stack.style.setProperty("--cut", range.value + "%");
    range.addEventListener("input", cut);
    const drag = (event) => {
      if (!compare.classList.contains("slide") || (event.type === "pointermove" && !event.buttons)) return;
      const box = stack.getBoundingClientRect();
      range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
      cut();
      event.preventDefault();
    };
    stack.addEventListener("pointerdown", drag);
    stack.addEventListener("pointermove", drag);
  }
})();
