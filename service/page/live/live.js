// The live view: what a camera or a video shows, with the detections in it, as fast as the server answers.

import { $, sentence } from "../elements.js";
import { askForKey } from "../panels/key_form.js";
import { loadStylesheet } from "../stylesheet.js";
import { download } from "../take_away/download.js";
import { closeSource, listCameras, obstacle, openCamera } from "./camera.js";
import { frameOf } from "./frame.js";
import { Loop } from "./loop.js";
import { Overlay } from "./overlay.js";
import { Player } from "./player.js";
import { Readout } from "./readout.js";
import { detectFrame, wishOf } from "./request.js";
import { makeStage } from "./stage.js";
import { Ticker } from "./ticker.js";

/** The live view, closed; its style sheet is loaded. */
export async function makeLive(page) {
  await loadStylesheet("live");
  return new Live(page, makeStage());
}

class Live {
  #isOpen = false;
  #isVideo = false; // otherwise a camera
  #isPlaying = false;
  #isDue = false; // the frame that is shown is to be sent, although the video stands still
  #turn = 0; // counts the sources, because the visitor may choose another one before the first is there
  #numPictures = 0;
  #wish = ""; // of the last request
  #opener = null;
  #selected = null;

  constructor(page, stage) {
    this.page = page;
    this.stage = stage;
    this.ticker = new Ticker(stage.video);
    this.player = new Player(stage.video, this.ticker);
    this.overlay = new Overlay(stage.canvas, stage.frame);
    this.readout = new Readout(stage.numbers, stage.counts);
    this.loop = new Loop({
      take: (signal) => this.#take(signal),
      ask: (frame, milliseconds, signal) => detectFrame(page.models, frame, milliseconds, signal),
      onAnswer: (detections, frame, rate) => this.#show(detections, frame, rate),
      onNotice: (text) => this.#say(text),
      onRefusal: (problem) => this.#refuse(problem),
    });
    this.#listen();
    page.addPart(() => this.#follow());
  }

  /** Open it with a video file, or with the camera if it is null. */
  async open(file) {
    if (!this.#isOpen) [this.#opener, this.#selected] = [document.activeElement, this.page.pictures.selected];
    this.#isOpen = true;
    document.body.classList.add("is-live");
    this.stage.section.hidden = false;
    this.stage.close.focus();
    if (file) await this.#change(() => this.player.open(file), true);
    else await this.#openCamera(null);
  }

  async #openCamera(id) {
    const { camera, video } = this.stage;
    await this.#change(async () => {
      const trouble = obstacle();
      if (trouble) throw new Error(trouble);
      const chosen = await openCamera(video, id);
      const cameras = await listCameras();
      camera.replaceChildren(...cameras.map(({ name, id: value }) => new Option(name, value)));
      camera.value = chosen;
      camera.hidden = cameras.length < 2;
      const turn = this.#turn;
      video.srcObject?.getVideoTracks()[0].addEventListener("ended", () => turn === this.#turn && this.#loseCamera());
    }, false);
  }

  #loseCamera() {
    this.#stop();
    this.#say("The camera is gone. When it is back, close this view and open it again.");
  }

  /** Replace what is shown by what `open()` opens, and start. */
  async #change(open, isVideo) {
    const turn = ++this.#turn;
    this.#stop();
    this.#isVideo = isVideo;
    this.stage.player.hidden = !isVideo;
    if (isVideo) this.stage.camera.hidden = true; // otherwise another camera may be chosen, also after a failure
    this.#say(isVideo ? "" : "Waiting for the camera…");
    try {
      await open();
    } catch (error) {
      if (turn === this.#turn) this.#say(`${isVideo ? "" : "No camera: "}${sentence(error.message)}`);
      return;
    }
    if (turn !== this.#turn) {
      if (!this.#isOpen) closeSource(this.stage.video); // closed while the browser asked for permission
      return;
    }
    this.#say("");
    for (const button of [this.stage.play, this.stage.shot]) button.disabled = false;
    this.stage.frame.style.setProperty("--ratio", this.stage.video.videoWidth / this.stage.video.videoHeight);
    await this.#play();
  }

  #stop() {
    this.loop.stop();
    closeSource(this.stage.video);
    this.ticker.reset();
    this.overlay.clear();
    this.readout.clear();
    for (const button of [this.stage.play, this.stage.shot]) button.disabled = true;
  }

  #end() {
    this.#turn += 1;
    this.#isOpen = false;
    this.#stop();
    this.#say("");
    document.body.classList.remove("is-live");
    this.stage.section.hidden = true;
  }

  #endAndGoBack() {
    this.#end();
    const openers = [this.#opener, ...document.querySelectorAll(".live-open")];
    openers.find((button) => button?.checkVisibility())?.focus();
  }

  async #play() {
    const { video, each, play } = this.stage;
    [this.#isPlaying, this.#isDue, play.textContent] = [true, true, "Pause"];
    if (this.#isVideo && this.player.isAtEnd) await this.player.seek(0);
    if (!this.#isStepping) await video.play().catch(() => {}); // a short one may be at its end before it plays
    this.loop.start();
  }

  #pause() {
    [this.#isPlaying, this.stage.play.textContent] = [false, "Play"];
    this.stage.video.pause();
    this.ticker.wake();
  }

  get #isStepping() {
    return this.#isVideo && this.stage.each.checked;
  }

  /** The next frame to send; null if the video stands still and its frame is answered. */
  async #take(signal) {
    if (!this.#isDue && this.#isPlaying) {
      if (!this.#isStepping) await this.ticker.next(signal);
      else if (!(await this.player.step(1))) this.#pause();
    }
    if (signal.aborted || !(this.#isDue || this.#isPlaying)) return null;
    this.#isDue = false;
    this.#wish = wishOf(this.page.models);
    return frameOf(this.stage.video);
  }

  /** Send the frame that is shown, after the visitor has moved to it or changed the settings. */
  #askAgain() {
    this.#isDue = true;
    this.loop.start();
  }

  /** React to new settings, and end if the visitor looks at another picture. */
  #follow() {
    if (!this.#isOpen) return;
    if (this.page.pictures.selected !== this.#selected) this.#end();
    else if (!this.#isPlaying && !this.stage.play.disabled && wishOf(this.page.models) !== this.#wish) this.#askAgain();
  }

  #show(detections, frame, { perSecond, milliseconds }) {
    const { classes } = this.page.models.chosen;
    this.overlay.show(detections, classes, frame);
    this.readout.show(detections, classes, { perSecond: this.#isPlaying ? perSecond : null, milliseconds });
    if (this.#isVideo) this.player.note(frame, detections);
  }

  #showTime() {
    const { video, time, clock } = this.stage;
    if (!this.#isVideo || !Number.isFinite(video.duration)) return;
    time.max = video.duration;
    time.value = video.currentTime;
    clock.textContent = `${video.currentTime.toFixed(2)} of ${video.duration.toFixed(2)} s`;
    time.setAttribute("aria-valuetext", clock.textContent);
  }

  #say(text) {
    if (this.stage.notice.textContent !== text) this.stage.notice.textContent = text;
  }

  #refuse(problem) {
    if (problem.status === 401) askForKey(() => this.#isOpen && this.#play());
    this.#pause();
    this.#say(problem.status === 401 ? "Waiting for a key…" : `${problem.title}. ${sentence(problem.message)}`);
  }

  async #takePicture() {
    const { blob } = await frameOf(this.stage.video, { longSide: Infinity, quality: 0.92 });
    const name = `live-${++this.#numPictures}.jpg`;
    this.page.add([new File([blob], name, { type: blob.type })]);
    this.#selected = this.page.pictures.selected;
    this.#say(`${name} is among the pictures.`);
  }

  async #step(count) {
    this.#pause();
    await this.player.step(count);
    this.#askAgain();
  }

  async #goTo(seconds) {
    this.#pause();
    await this.player.seek(seconds);
    this.#askAgain();
  }

  #save() {
    const file = this.player.toFile(this.page.models.chosen);
    download(file, file.name);
  }

  #listen() {
    const { stage } = this;
    const on = (part, kind, react) => part.addEventListener(kind, react);
    on(stage.close, "click", () => this.#endAndGoBack());
    on(stage.section, "keydown", (event) => {
      event.stopPropagation(); // arrows and Delete are not meant for the pictures
      if (event.key === "Escape") this.#endAndGoBack();
    });
    on(stage.play, "click", () => (this.#isPlaying ? this.#pause() : this.#play()));
    on(stage.shot, "click", () => this.#takePicture());
    on(stage.choose, "click", () => stage.file.click());
    on(stage.file, "change", () => {
      const [file] = stage.file.files;
      stage.file.value = "";
      if (file) this.open(file);
    });
    on(stage.camera, "change", () => this.#openCamera(stage.camera.value));
    on(stage.labels, "change", () => this.overlay.showLabels(stage.labels.checked));
    on(stage.back, "click", () => this.#step(-1));
    on(stage.forth, "click", () => this.#step(1));
    on(stage.time, "input", () => this.#goTo(Number(stage.time.value)));
    on(stage.each, "change", () => this.#isPlaying && (this.#isStepping ? stage.video.pause() : stage.video.play()));
    on(stage.save, "click", () => this.#save());
    on(stage.video, "timeupdate", () => this.#showTime());
    on(stage.video, "ended", () => this.#isPlaying && !this.#isStepping && this.#pause());
    on($("thumbs"), "click", () => this.#isOpen && this.#end());
    on(document, "visibilitychange", () => {
      if (document.hidden) stage.video.pause();
      else if (this.#isPlaying && !this.#isStepping) stage.video.play();
    });
    addEventListener("pagehide", () => this.#stop());
  }
}
