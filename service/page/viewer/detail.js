// The sharp pixels of a large picture that is zoomed.

export class Detail {
  constructor(canvas) {
    this.canvas = canvas;
  }

  open() {}

  draw() {}

  close() {}
}
