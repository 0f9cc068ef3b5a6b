"use strict";
/* A model, its tokenizer and a conversation, made of what the page holds. Knows no element of it. */

/* The bytes of base64 text. */
function fromBase64(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/* name -> Float32Array, or {values, scales} for a matrix of bytes, from one stretch of bytes. */
function readTensors(described, bytes) {
  const floats = (from, count) => new Float32Array(bytes.buffer, from, count);
  return Object.fromEntries(described.map(({ name, rows, columns, at, scales }) => [name,
    scales === undefined ? floats(at, rows * columns) : {
      values: new Int8Array(bytes.buffer, at, rows * columns), scales: floats(scales, rows),
    }]));
}

class Session {
  constructor(about, weights) {
    this.about = about;
    this.chat = about.chat;  // null where the model continues text
    this.tokenizer = new Tokenizer(about.tokenizer);
    this.model = new GPT(about.config, readTensors(about.tensors, weights));
    this.turns = [];  // {role, text}
    this.tokens = 0;  // of the newest reply, so far
  }

  /* The ids of a conversation and of the tag that opens the answer, at most `budget` of them: the
     oldest turns are left out, and of a single long one its beginning. */
  prompt(budget) {
    const { chat, tokenizer, turns } = this;
    const starts = turns.flatMap((turn, i) => (turn.role === "human" ? [i] : []));
    let ids = [];
    for (const start of starts.length ? starts : [turns.length]) {
      ids = this.encode(turns.slice(start));
      if (ids.length <= budget) return [...(start ? [] : chat.before), ...ids].slice(-budget);
    }
    const first = chat.human in tokenizer.special
      ? [tokenizer.special[chat.human]] : tokenizer.encode(chat.human);
    const kept = Math.max(0, budget - first.length);
    return [...first.slice(0, budget - kept), ...ids.slice(ids.length - kept)];
  }

  encode(turns) {
    const { chat, tokenizer } = this, special = tokenizer.special;
    if (!chat.tagsAreSpecial) {
      const lines = turns.map((turn) => chat[turn.role] + turn.text + chat.end);
      return tokenizer.encode([...lines, chat.bot].join("\n"));
    }
    const ids = turns.flatMap((turn) => [
      special[chat[turn.role]], ...tokenizer.encode(turn.text), special[chat.end],
      ...(chat.endOfPair !== null && turn.role === "bot" ? [chat.endOfPair] : []),
    ]);
    return [...ids, special[chat.bot]];
  }

  /* The ids of a text to continue: the last that fit. */
  textPrompt(text) {
    const ids = this.tokenizer.encode(text);
    const some = ids.length ? ids : this.tokenizer.encode("\n");
    return (some.length ? some : [0]).slice(-this.about.config.block_size);
  }

  /* Yields the pieces of a reply to `text`, "" where nothing can be shown yet. Both become turns,
     also where the reply is cut short. */
  *reply(text, sampling) {
    const block = this.about.config.block_size;
    let ids;
    if (this.chat) {
      this.turns.push({ role: "human", text });
      const room = Math.min(sampling.maxTokens, Math.floor(block / 4));
      ids = this.prompt(Math.max(1, block - room));
    } else ids = this.textPrompt(text);
    const stream = new TextStream(this.tokenizer, this.about.stopIds, this.about.stopStrings);
    const turn = { role: "bot", text: "" };
    this.tokens = 0;
    if (this.chat) this.turns.push(turn);
    const give = (piece) => {
      turn.text += piece;
      return piece;
    };
    try {
      for (const id of generate(this.model, ids, sampling.maxTokens, sampling, this.tokenizer.size)) {
        if (id === null) {
          yield "";
          continue;
        }
        const piece = stream.push(id);
        if (!stream.stopped) this.tokens++;
        yield give(piece);
        if (stream.stopped) return;
      }
      yield give(stream.finish());
    } finally {
      if (this.chat) turn.text = turn.text.trim();
    }
  }
}
