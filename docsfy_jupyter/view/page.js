// What a page of its own must do where a notebook has a theme.
export function paintTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => (document.body.dataset.docsfyTheme = dark.matches ? "dark" : "light");
  dark.addEventListener("change", paint);
  paint();
}
