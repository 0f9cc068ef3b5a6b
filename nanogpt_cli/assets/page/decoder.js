"use strict";
/* A GPT that reads one token at a time, with the keys and values of those before: GPT-2's
   arrangement and the modern one, all position embeddings. Knows neither text nor the page.

   Matrices are bytes with a scale for each row; everything else is in 32-bit floats.

   Shape letters: C channels, H heads, D head size, S tokens so far, V vocabulary. */

/* Products of the rows of a matrix of bytes (rows, x.length) with x, and the bias. */
function multiply(matrix, x, bias, out) {
  const { values, scales } = matrix, width = x.length;
  for (let row = 0, at = 0; row < out.length; row++, at += width) {
    let a = 0, b = 0, c = 0, d = 0, i = 0;
    for (; i + 3 < width; i += 4) {
      a += values[at + i] * x[i];
      b += values[at + i + 1] * x[i + 1];
      c += values[at + i + 2] * x[i + 2];
      d += values[at + i + 3] * x[i + 3];
    }
    for (; i < width; i++) a += values[at + i] * x[i];
    out[row] = (a + b + c + d) * scales[row] + (bias ? bias[row] : 0);
  }
  return out;
}

function addRow(matrix, row, x) {
  const { values, scales } = matrix, scale = scales[row];
  for (let i = 0, at = row * x.length; i < x.length; i++) x[i] += values[at + i] * scale;
}

/* LayerNorm of x[from, from + size), or RMSNorm, into out at the same place. */
function normalise(x, out, from, size, kind, gain, bias) {
  let mean = 0, variance = 0;
  if (kind !== "rms") {
    for (let i = from; i < from + size; i++) mean += x[i];
    mean /= size;
  }
  for (let i = from; i < from + size; i++) variance += (x[i] - mean) ** 2;
  const scale = 1 / Math.sqrt(variance / size + (kind === "rms" ? 1.1920928955078125e-7 : 1e-5));
  for (let i = from; i < from + size; i++) {
    out[i] = (x[i] - mean) * scale * (gain ? gain[i - from] : 1) + (bias ? bias[i - from] : 0);
  }
}

/* The error function by a series whose terms are all positive. */
function erf(x) {
  const size = Math.abs(x);
  if (size > 5.5) return Math.sign(x);
  let term = size, sum = size;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= 2 * size * size / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * sum * Math.exp(-size * size) * 2 / Math.sqrt(Math.PI);
}

const ACTIVATIONS = {
  relu2: (x) => (x > 0 ? x * x : 0),
  erf: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

const NGRAMS = [2, 3, 4];

/* The rows of the n-gram tables for the tokens that end a sequence (Huang et al. 2025): products
   and sums in 64 bits with a sign, as torch has them. */
function ngramRows(ids, rows) {
  const id = (before) => BigInt((ids[ids.length - 1 - before] ?? -1) + 1);
  let code = id(0);
  return NGRAMS.map((length, table) => {
    code = BigInt.asIntN(64, code * 1_000_003n + id(length - 1));
    const hash = BigInt.asIntN(64, code * -7_046_029_254_386_353_131n) >> 40n;
    const size = BigInt(rows);
    return Number(((hash % size) + size) % size) + table * rows;
  });
}

class GPT {
  /* config: ModelConfig; tensors: name -> Float32Array, or {values, scales} for a matrix. */
  constructor(config, tensors) {
    this.config = config;
    this.tensors = tensors;
    this.modern = config.arch === "modern";
    this.activation = ACTIVATIONS[this.modern ? "relu2" : config.gelu];
    this.norm = this.modern ? config.norm : "layer";
    this.head = tensors["lm_head.weight"] ?? tensors["transformer.wte.weight"];
    this.ids = [];  // what the cache holds
    const { n_layer, n_embd, block_size } = config;
    this.room = Math.min(block_size, 64);
    this.keys = Array.from({ length: n_layer }, () => new Float32Array(this.room * n_embd));
    this.values = Array.from({ length: n_layer }, () => new Float32Array(this.room * n_embd));
    this.layers = Array.from({ length: n_layer }, (_, i) => this.layer(`transformer.h.${i}.`));
    this.x = new Float32Array(n_embd);
    this.normed = new Float32Array(n_embd);
    this.mixed = new Float32Array(n_embd);
    this.qkv = new Float32Array(3 * n_embd);
    this.wide = new Float32Array(4 * n_embd);
    this.scores = new Float32Array(block_size);
    this.logits = new Float32Array(config.vocab_size);
    this.speeds = Float32Array.from({ length: n_embd / config.n_head / 2 },
      (_, i) => 1e4 ** -(2 * i / (n_embd / config.n_head)));
  }

  layer(prefix) {
    const names = ["ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
      "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",
      "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"];
    return Object.fromEntries(names.map((name) => [name, this.tensors[prefix + name]]));
  }

  /* Forget all but the first tokens. */
  truncate(length) {
    this.ids.length = Math.min(length, this.ids.length);
  }

  /* Double the room for keys and values. */
  grow() {
    const { block_size, n_embd } = this.config;
    this.room = Math.min(block_size, 2 * this.room);
    for (const all of [this.keys, this.values]) {
      all.forEach((old, i) => {
        all[i] = new Float32Array(this.room * n_embd);
        all[i].set(old);
      });
    }
  }

  /* Read one more token. */
  read(id) {
    const at = this.ids.length, { n_embd: C, pos_embd } = this.config, x = this.x;
    if (at === this.room) this.grow();
    this.ids.push(id);
    x.fill(0);
    addRow(this.tensors["transformer.wte.weight"], id, x);
    const table = this.tensors["transformer.wpe.weight"];
    if (table) addRow(table, at, x);
    const ngrams = this.tensors["transformer.ngram.tables.weight"];
    if (ngrams) for (const row of ngramRows(this.ids, this.config.ngram_rows)) addRow(ngrams, row, x);
    this.layers.forEach((layer, i) => {
      normalise(x, this.normed, 0, C, this.norm, layer["ln_1.weight"], layer["ln_1.bias"]);
      this.attend(layer, i, at, pos_embd);
      for (let c = 0; c < C; c++) x[c] += this.mixed[c];
      normalise(x, this.normed, 0, C, this.norm, layer["ln_2.weight"], layer["ln_2.bias"]);
      const wide = multiply(layer["mlp.c_fc.weight"], this.normed, layer["mlp.c_fc.bias"], this.wide);
      for (let c = 0; c < wide.length; c++) wide[c] = this.activation(wide[c]);
      multiply(layer["mlp.c_proj.weight"], wide, layer["mlp.c_proj.bias"], this.mixed);
      for (let c = 0; c < C; c++) x[c] += this.mixed[c];
    });
  }

  /* Attention of the newest token to all of them, into this.mixed. */
  attend(layer, i, at, pos_embd) {
    const { n_embd: C, n_head: H } = this.config, D = C / H, { qkv, scores, normed } = this;
    const keys = this.keys[i], values = this.values[i];
    multiply(layer["attn.c_attn.weight"], normed, layer["attn.c_attn.bias"], qkv);
    for (let from = 0; from < 2 * C; from += D) {
      if (this.modern) normalise(qkv, qkv, from, D, this.norm);
      if (pos_embd === "rope") this.rotate(qkv, from, D, at);
    }
    keys.set(qkv.subarray(C, 2 * C), at * C);
    values.set(qkv.subarray(2 * C), at * C);
    const bias = this.tensors["transformer.relative.relative_embeddings.weight"];
    const last = bias ? bias.length / H - 1 : 0;
    normed.fill(0);
    for (let h = 0; h < H; h++) {
      let most = -Infinity, sum = 0;
      for (let s = 0; s <= at; s++) {
        let score = 0;
        for (let d = 0, k = s * C + h * D; d < D; d++) score += qkv[h * D + d] * keys[k + d];
        score /= Math.sqrt(D);
        if (bias) score += bias[Math.min(at - s, last) * H + h];
        scores[s] = score;
        if (scores[s] > most) most = scores[s];
      }
      for (let s = 0; s <= at; s++) sum += scores[s] = Math.exp(scores[s] - most);
      for (let s = 0; s <= at; s++) {
        const weight = scores[s] / sum;
        for (let d = 0, v = s * C + h * D; d < D; d++) normed[h * D + d] += weight * values[v + d];
      }
    }
    multiply(layer["attn.c_proj.weight"], normed, layer["attn.c_proj.bias"], this.mixed);
  }

  /* Rotate the pairs of channels (i, i + D/2) of a head (Su et al. 2021). */
  rotate(x, from, D, at) {
    for (let i = 0; i < D / 2; i++) {
      const angle = Math.fround(at * this.speeds[i]), cos = Math.cos(angle), sin = Math.sin(angle);
      const a = x[from + i], b = x[from + i + D / 2];
      x[from + i] = a * cos - b * sin;
      x[from + i + D / 2] = a * sin + b * cos;
    }
  }

  /* The logits (V) of what follows the tokens read so far. */
  predict() {
    const norm = "transformer.ln_f.";
    normalise(this.x, this.normed, 0, this.config.n_embd, this.norm, this.tensors[norm + "weight"],
      this.tensors[norm + "bias"]);
    return multiply(this.head, this.normed, null, this.logits);
  }
}

/* The index of a token drawn from logits, of the first `count` of them. */
function draw(logits, count, { temperature, topK, topP }, random = Math.random) {
  let best = 0;
  for (let i = 1; i < count; i++) if (logits[i] > logits[best]) best = i;
  if (temperature === 0) return best;
  let order = Array.from({ length: count }, (_, i) => i);
  if (topK < count) {
    const least = logits.slice(0, count).sort()[count - topK];
    order = order.filter((i) => logits[i] >= least);
  }
  if (topP < 1) order.sort((a, b) => logits[b] - logits[a]);
  let weights = order.map((i) => Math.exp((logits[i] - logits[best]) / temperature));
  let sum = weights.reduce((a, b) => a + b, 0);
  if (topP < 1) {
    let mass = 0, kept = 0;
    while (kept < order.length && mass < topP) mass += weights[kept++] / sum;
    [order, weights] = [order.slice(0, kept), weights.slice(0, kept)];
    sum = weights.reduce((a, b) => a + b, 0);
  }
  let left = random() * sum;
  for (let n = 0; n < order.length; n++) if ((left -= weights[n]) < 0) return order[n];
  return order[0];
}

/* Yields the tokens that continue a prompt. A text longer than the context is read through a window,
   its last tokens; one that is full continues with its second half. Yields null for each token that
   was only read, so that whoever asks can do something else meanwhile. */
function* generate(model, prompt, count, sampling, size, random) {
  const ids = [...prompt], block = model.config.block_size;
  let start = Math.max(0, ids.length - block);
  for (let n = 0; n < count; n++) {
    if (ids.length - start > block) start = ids.length - Math.max(1, Math.floor(block / 2));
    const window = ids.slice(start);
    let known = 0;
    while (known < window.length - 1 && model.ids[known] === window[known]) known++;
    model.truncate(known);
    for (const id of window.slice(known)) {
      model.read(id);
      yield null;
    }
    const id = draw(model.predict(), size, sampling, random);
    ids.push(id);
    yield id;
  }
}

/* The mean negative log-likelihood, in nats, of ids in adjacent windows. */
function lossOf(model, ids) {
  const block = Math.min(model.config.block_size, ids.length - 1);
  let nats = 0, count = 0;
  for (let from = 0; from + block < ids.length; from += block) {
    model.truncate(0);
    for (let i = from; i < from + block; i++, count++) {
      model.read(ids[i]);
      const logits = model.predict();
      const most = logits.reduce((a, b) => Math.max(a, b));
      const sum = logits.reduce((a, b) => a + Math.exp(b - most), 0);
      nats += most + Math.log(sum) - logits[ids[i + 1]];
    }
  }
  model.truncate(0);
  return nats / count;
}
