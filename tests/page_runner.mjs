// Runs the scripts of exported pages outside of a browser: jobs as JSON on stdin, answers on stdout.
import fs from "node:fs";
import vm from "node:vm";

const greedy = { temperature: 0, topK: 200, topP: 1 };

function open(path) {
  const html = fs.readFileSync(path, "utf8");
  const script = html.match(/<script>\n([\s\S]*)<\/script>/)[1].replace(/\nstart\(\);\s*$/, "\n");
  const context = vm.createContext({ TextEncoder, TextDecoder, atob, about: html.match(/id="about">([^<]*)</)[1],
    weights: html.match(/id="weights">([^<]*)</)[1] });
  vm.runInContext(script + "\nglobalThis.api = { generate, draw, lossOf, TextStream, " +
    "session: new Session(JSON.parse(about), fromBase64(weights)) };", context);
  return context.api;
}

const answers = JSON.parse(fs.readFileSync(0, "utf8")).map((job) => {
  const { session, generate, lossOf, draw, TextStream } = open(job.page), out = {};
  if (job.texts) out.ids = job.texts.map((text) => session.tokenizer.encode(text));
  if (job.stream) {
    const stream = new TextStream(session.tokenizer, session.about.stopIds, session.about.stopStrings);
    out.pieces = [];
    for (const id of job.stream) if (!stream.stopped) out.pieces.push(stream.push(id));
    if (!stream.stopped) out.pieces.push(stream.finish());
  }
  if (job.prompts) {
    out.tokens = job.prompts.map((ids) => [
      ...generate(session.model, ids, job.count, greedy, session.tokenizer.size),
    ].filter((id) => id !== null));
  }
  if (job.loss) out.loss = lossOf(session.model, job.loss);
  if (job.chat) {
    out.replies = job.chat.map((text) =>
      [...session.reply(text, { ...greedy, maxTokens: job.count })].join("").trim());
  }
  if (job.draws) {
    out.drawn = job.draws.map(({ logits, sampling, random }) =>
      random.map((r) => draw(Float32Array.from(logits), logits.length, sampling, () => r)));
  }
  return out;
});
console.log(JSON.stringify(answers));
