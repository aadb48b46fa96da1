// The fold of the settings: closed on a narrow page, where it would push other parts away; always open on a wide one.

const NARROW = matchMedia("(max-width: 56rem)"); // as in style/base.css

export function mountFold() {
  const fold = document.querySelector(".fold");
  const fit = () => (fold.open = !NARROW.matches);
  NARROW.addEventListener("change", fit);
  fit();
}
