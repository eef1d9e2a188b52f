// Few requests in flight, and a slider that moves by itself.

import { positions } from "./numbers.js";

const QUICK = 20; // ms of computing
const FILM = 4000; // ms from one end to the other, at least

/**
 * Sends requests to the kernel, and waits for its answers. While it waits only the newest value of
 * each control is kept, so a held slider never builds a queue. A kernel that computes quickly finds
 * one request waiting when it is done: what it would spend waiting for the wire is worth a picture.
 */
export class Link {
  constructor(send, name = Math.random().toString(36).slice(2, 8)) {
    this.send = send;
    this.name = name;
    this.count = 0;
    this.most = 1; // in flight
    this.flying = [];
    this.request = null;
  }

  ask(request) {
    const earlier = request.preset ? {} : this.request; // a preset overrules what was moved before it
    this.request = { ...earlier, ...request };
    if (request.set) this.request.set = { ...earlier?.set, ...request.set };
    this.#pump();
  }

  /** True where the message answers this view's own request. */
  answered(message) {
    const place = this.flying.findIndex(({ id }) => id === message.answer);
    if (place < 0) return false;
    this.flying.splice(0, place + 1);
    this.most = message.took < QUICK ? 2 : 1;
    this.#pump();
    if (message.unfinished && !this.isWaiting) this.ask({ go_on: true });
    return true;
  }

  /** Controls whose newer position is still on its way must not jump back. */
  pending(name) {
    return [...this.flying, this.request].some((request) => request?.set && name in request.set);
  }

  get isWaiting() {
    return this.flying.length > 0;
  }

  /** Whether an answer is due to what a hand has changed, not just more of the same. */
  get owes() {
    return this.flying.some(({ go_on, set }) => !go_on || set);
  }

  /** Whether a request would be sent at once. */
  get isFree() {
    return this.request === null && this.flying.length < this.most;
  }

  #pump() {
    if (this.flying.length >= this.most || this.request === null) return;
    const next = { ...this.request, id: `${this.name}:${++this.count}` };
    this.request = null;
    this.send(next); // may fail
    this.flying.push(next);
  }
}

/**
 * Moves a slider by itself, a position at a time: never while too many answers are awaited, so that
 * a slow kernel slows the film down, and is never flooded. It stops at the end.
 * Who asked the system for less motion gets one picture a second, further apart.
 */
export class Player {
  constructor(control, { now, move, isFree, tell = () => {} }) {
    Object.assign(this, { control, now, move, isFree, tell });
    this.timer = null;
  }

  get isPlaying() {
    return this.timer !== null;
  }

  play() {
    if (this.isPlaying) return;
    const isCalm = window.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    const count = positions(this.control);
    const few = this.control.stops; // of a record: then a film is not over in a moment
    const [pause, stride] = isCalm ? [1000, few ? Math.ceil(count / 10) : 20] : [few ? Math.max(50, FILM / count) : 50, 1];
    if (this.now() >= count) this.move(0);
    const next = () => {
      this.timer = setTimeout(next, pause);
      if (this.isFree()) this.advance(stride);
    };
    this.timer = setTimeout(next, pause);
    this.tell(true);
  }

  advance(stride = 1) {
    const end = positions(this.control);
    if (this.now() < end) this.move(Math.min(end, this.now() + stride));
    if (this.now() >= end) this.pause();
  }

  pause() {
    if (!this.isPlaying) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.tell(false);
  }
}
