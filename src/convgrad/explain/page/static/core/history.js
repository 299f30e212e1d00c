// What was done to a trace since its model's own numbers: to be taken back, done again, and put into a link.
(() => {
  "use strict";
  const { core } = globalThis.convgrad;
  const MOST_KEPT = 4_000_000;

  /** An action is ["set", "conv1.w", 0, 0.5]: a method of the trace with what it was given. Several that are one change
   * to a person are ["together", action, action]. The same actions give the same bits. */
  class History {
    constructor(trace) {
      this.trace = trace;
      this.done = []; // [{action, before}]: what the trace was given before; null where too much is kept already
      this.undone = []; // actions, the next one last
      this.group = null;
      this.mostKept = MOST_KEPT;
    }

    /** The actions since the model's own numbers. */
    get log() {
      const actions = this.done.map(({ action }) => action);
      return actions.slice(actions.findLastIndex(([method]) => method === "reset") + 1);
    }

    get next() {
      return { undo: this.done.at(-1)?.action ?? null, redo: this.undone.at(-1) ?? null };
    }

    /** Do it, write it down, and tell. Where it can't be done, nothing has changed. */
    act(...action) {
      this._do(action);
      if (!this.group) this.undone = [];
      this.tell();
    }

    /** What `work` does is one change. */
    together(work) {
      if (this.group) return work();
      const before = this.trace.given;
      this.group = [];
      let actions;
      try {
        work();
      } catch (error) {
        this.trace.given = before;
        throw error;
      } finally {
        actions = this.group;
        this.group = null;
      }
      if (!actions.length) return;
      this._add(actions.length === 1 ? actions[0] : ["together", ...actions], before);
      this.undone = [];
      this.tell();
    }

    /** Take the last change back. Returns it, or null where there is none. */
    undo() {
      const last = this._undo();
      if (last) this.tell();
      return last;
    }

    redo() {
      const action = this.undone.pop() ?? null;
      if (action) this._do(action);
      if (action) this.tell();
      return action;
    }

    /** Changes what is done into `log`, keeping what both have in common, for undo and redo, too. It works beside the
     * trace, which then changes at once, or not at all. `pause` is awaited between two actions or steps. Returns whether
     * it was done: not where `pause` says no, or where something else was done in the meantime. */
    async goTo(log, pause = async () => true) {
      const { done } = this;
      const first = done.length - this.log.length;
      let common = first;
      while (common < done.length && core.sameAction(done[common].action, log[common - first])) common += 1;
      let undone = [
        ...this.undone,
        ...done
          .slice(common)
          .reverse()
          .map(({ action }) => action),
      ];
      const apart = this._apart(common);
      for (const action of log.slice(common - first)) {
        undone = undone.length && core.sameAction(undone.at(-1), action) ? undone.slice(0, -1) : [];
        const before = apart.trace.given;
        for (const part of parts(action)) {
          apart._perform(part);
          if (!(await pause())) return false;
        }
        apart._add(action, before);
      }
      if (this.done !== done || done.length !== apart.from) return false;
      const changes = common < done.length || common - first < log.length;
      this.done = apart.done;
      this.undone = undone;
      if (changes) this.trace.given = apart.trace.given;
      if (changes) this.tell();
      return true;
    }

    /** Another history, of another trace, that has done the first so many actions of this one. */
    _apart(count) {
      const { trace } = this;
      const other = new trace.constructor(trace.model);
      other.programs = trace.programs;
      const apart = other.history;
      apart.done = this.done.slice(0, count);
      apart.from = this.done.length;
      const given = count < this.done.length ? this.done[count].before : trace.given;
      if (given) other.given = given;
      else apart._again();
      return apart;
    }

    tell() {
      if (!this.group) this.trace.onchange();
    }

    _undo() {
      const last = this.done.pop();
      if (!last) return null;
      if (last.before) this.trace.given = last.before;
      else this._again();
      this.undone.push(last.action);
      return last.action;
    }

    _again() {
      this.trace.restore();
      for (const { action } of this.done) this._perform(action);
    }

    _do(action) {
      const before = this.trace.given;
      try {
        this._perform(action);
      } catch (error) {
        this.trace.given = before;
        throw error;
      }
      if (this.group) this.group.push(action);
      else this._add(action, before);
    }

    _perform([method, ...given]) {
      if (method === "together") given.forEach((action) => this._perform(action));
      else this.trace.perform(method, given);
    }

    /** The oldest are done again from the beginning when they are needed: what is kept has a bound. */
    _add(action, before) {
      this.done.push({ action, before });
      let kept = 0;
      let newer = this.trace.kept;
      for (const entry of this.done.toReversed()) {
        if (!entry.before) break;
        for (const [name, values] of entry.before.kept) if (newer.get(name) !== values) kept += values.length;
        newer = entry.before.kept;
        if (kept > this.mostKept) entry.before = null;
      }
    }
  }

  /** Of an action that may take long: its steps one by one. */
  const parts = (action) => (action[0] === "step" ? Array.from({ length: action[1] }, () => ["step", 1]) : [action]);

  core.sameAction = (one, other) => JSON.stringify(one) === JSON.stringify(other);

  Object.assign(core, { History });
})();
