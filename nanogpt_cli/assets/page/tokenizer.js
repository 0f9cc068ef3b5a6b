"use strict";
/* Text to token ids and back: characters, bytes, and byte pair encoding. Knows no model.

   A byte string is a JavaScript string of characters 0 to 255 here, which can be a key of a Map. */

const PATTERNS = {
  gpt2: String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+` +
    String.raw`|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}`,
  rustbpe: String.raw`'(?:[sSdDmMtT\u017f]|[lL][lL]|[vV][eE]|[rR][eE])` +
    String.raw`|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*` +
    String.raw`|\p{White_Space}*[\r\n]|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`,
  cl100k_base: String.raw`'(?:[sSdDmMtT\u017f]|[lL][lL]|[vV][eE]|[rR][eE])` +
    String.raw`|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*` +
    String.raw`|\p{White_Space}+$|\p{White_Space}*[\r\n]|\p{White_Space}+(?!\P{White_Space})` +
    String.raw`|\p{White_Space}`,
};

const bytesOf = (text) => new TextEncoder().encode(text);

function byteString(bytes) {
  let out = "";
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}

class Tokenizer {
  /* described: kind, special (tag -> id), size, and what the kind needs: characters, or tokens
     (base64, in the order of their ids) and pattern. */
  constructor(described) {
    this.kind = described.kind;
    this.special = described.special;
    this.size = described.size;
    this.pieces = new Map();  // id -> bytes
    this.ids = new Map();  // character or byte string -> id
    if (this.kind === "char") {
      [...described.characters].forEach((c, id) => {
        this.ids.set(c, id);
        this.pieces.set(id, bytesOf(c));
      });
    } else if (this.kind === "bpe") {
      this.pattern = new RegExp(PATTERNS[described.pattern], "gu");
      described.tokens.split(" ").forEach((token, id) => {
        const text = atob(token);
        this.ids.set(text, id);
        this.pieces.set(id, Uint8Array.from(text, (c) => c.charCodeAt(0)));
      });
    } else {
      for (let id = 0; id < 256; id++) this.pieces.set(id, Uint8Array.of(id));
    }
    for (const [tag, id] of Object.entries(this.special)) this.pieces.set(id, bytesOf(tag));
  }

  /* The ids of ordinary text; a character without a token is left out. */
  encode(text) {
    if (this.kind === "byte") return [...bytesOf(text)];
    if (this.kind === "char") {
      return [...text].map((c) => this.ids.get(c)).filter((id) => id !== undefined);
    }
    const ids = [];
    for (const [word] of text.matchAll(this.pattern)) this.merge(byteString(bytesOf(word)), ids);
    return ids;
  }

  /* Join the neighbours whose token comes first, until none has one (Sennrich et al. 2016). */
  merge(word, ids) {
    const whole = this.ids.get(word);
    if (whole !== undefined) {
      ids.push(whole);
      return;
    }
    const parts = [...word];
    while (parts.length > 1) {
      let best = Infinity, at = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const id = this.ids.get(parts[i] + parts[i + 1]);
        if (id < best) [best, at] = [id, i];
      }
      if (at < 0) break;
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
    for (const part of parts) ids.push(this.ids.get(part));
  }

  bytes(id) {
    return this.pieces.get(id) ?? new Uint8Array(0);
  }

  /* The characters of a text that have no token. */
  unknown(text) {
    return this.kind === "char" ? [...new Set(text)].filter((c) => !this.ids.has(c)) : [];
  }
}

/* Turns tokens into text as they come, and finds the end of the reply: half a character waits for
   its other bytes, and what may be the beginning of a stop string waits until that is clear. */
class TextStream {
  constructor(tokenizer, stopIds, stopStrings) {
    this.tokenizer = tokenizer;
    this.stopIds = new Set(stopIds);
    this.stopStrings = stopStrings;
    this.utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    this.pending = "";
    this.stopped = false;
  }

  push(id) {
    if (this.stopIds.has(id)) return this.finish(true);
    this.pending += this.utf8.decode(this.tokenizer.bytes(id), { stream: true });
    const ends = this.stopStrings.map((s) => this.pending.indexOf(s)).filter((at) => at >= 0);
    if (ends.length) {
      this.pending = this.pending.slice(0, Math.min(...ends));
      return this.finish(true);
    }
    const held = Math.max(0, ...this.stopStrings.map((s) => overlap(this.pending, s)));
    return this.release(this.pending.length - held);
  }

  finish(stopped = false) {
    this.stopped = stopped;
    if (!stopped) this.pending += this.utf8.decode();
    return this.release(this.pending.length);
  }

  release(count) {
    const text = this.pending.slice(0, count);
    this.pending = this.pending.slice(count);
    return text;
  }
}

/* How many characters at the end of a text begin the stop string. */
function overlap(text, stop) {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) {
    if (text.endsWith(stop.slice(0, n))) return n;
  }
  return 0;
}
