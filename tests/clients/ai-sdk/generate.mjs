// Makes, edits and extends a clip, and asks language models, with the AI SDK, exactly as it is published, against BASE_URL.
// Usage: node generate.mjs BASE_URL KEY
import assert from 'node:assert/strict';
import {
  experimental_generateVideo as generateVideo,
  generateObject,
  generateText,
  jsonSchema,
  streamText,
  tool,
} from 'ai';
import { createXai } from '@ai-sdk/xai';

const [baseURL, apiKey] = process.argv.slice(2);
const xai = createXai({ baseURL, apiKey });
// The SDK's own download refuses loopback addresses, as it should in production.
const download = async ({ url }) => {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  return { data: new Uint8Array(await response.arrayBuffer()), mediaType: response.headers.get('content-type') };
};
const options = { pollIntervalMs: 100, pollTimeoutMs: 60000 };
const make = (model, rest) => generateVideo({ model: xai.video(model), download, maxRetries: 0, ...rest });
const isMp4 = (video) => {
  assert.equal(video.mediaType, 'video/mp4');
  assert.equal(Buffer.from(video.uint8Array.slice(4, 8)).toString(), 'ftyp');
};

// Text to video.
const clip = await make('grok-imagine-video', {
  prompt: 'a paper boat in the rain',
  duration: 2,
  aspectRatio: '16:9',
  resolution: '1280x720',
  providerOptions: { xai: options },
});
isMp4(clip.video);
assert.deepEqual(clip.warnings, []);
const facts = clip.providerMetadata.xai;
const made = facts.videos?.[0] ?? facts;
assert.equal(made.duration, 2);
assert.equal(made.costInUsdTicks, 2 * 700_000_000);

// Image to video, inline.
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC',
  'base64',
);
const moving = await make('grok-imagine-video', {
  prompt: { image: new Uint8Array(png), text: 'it glows' },
  duration: 1,
  providerOptions: { xai: { ...options, resolution: '480p' } },
});
isMp4(moving.video);

// Edit and extend the first clip by its link.
for (const [mode, seconds] of [['edit-video', undefined], ['extend-video', 2]]) {
  const next = await make('grok-imagine-video', {
    prompt: 'the rain stops',
    duration: seconds,
    providerOptions: { xai: { ...options, mode, videoUrl: made.videoUrl } },
  });
  isMp4(next.video);
}

// What the service refuses arrives as the SDK's own error, with the service's words.
await assert.rejects(
  make('grok-imagine-video-1.5', {
    prompt: 'x',
    providerOptions: { xai: { ...options, mode: 'edit-video', videoUrl: made.videoUrl } },
  }),
  (error) => /Video editing is not supported for this model/.test(error.responseBody ?? error.message),
);
await assert.rejects(
  generateVideo({
    model: createXai({ baseURL, apiKey: 'wrong' }).video('grok-imagine-video'),
    prompt: 'x',
    maxRetries: 0,
    providerOptions: { xai: options },
  }),
  (error) => error.statusCode === 400 && /Incorrect API key/.test(error.responseBody),
);

// Answers, over Chat Completions and over Responses.
const schema = jsonSchema({
  type: 'object',
  properties: { prompt: { type: 'string' }, seconds: { type: 'integer', minimum: 1, maximum: 15 } },
  required: ['prompt', 'seconds'],
  additionalProperties: false,
});
const tools = {
  generate_video: tool({
    description: 'Makes one clip.',
    inputSchema: jsonSchema({ type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] }),
  }),
};
for (const language of [xai.chat('grok-4.3'), xai.responses('grok-4.3')]) {
  const ask = { model: language, maxRetries: 0 };
  const text = await generateText({ ...ask, prompt: 'a paper boat in the rain' });
  assert.match(text.text, /a paper boat in the rain/);
  assert.equal(text.finishReason, 'stop');
  assert.ok(text.usage.outputTokens > 0 && text.usage.inputTokens > 0);
  assert.ok(text.reasoningText.length > 0);

  const { object } = await generateObject({ ...ask, schema, prompt: 'a paper boat for 7 seconds' });
  assert.equal(object.seconds, 7);
  assert.match(object.prompt, /a paper boat/);

  const called = await generateText({
    ...ask,
    tools,
    toolChoice: { type: 'tool', toolName: 'generate_video' },
    prompt: 'User prompt: a paper boat',
  });
  assert.equal(called.toolCalls[0].toolName, 'generate_video');
  assert.match(called.toolCalls[0].input.prompt, /a paper boat/);
  assert.equal(called.finishReason, 'tool-calls');

  const seen = await generateText({
    ...ask,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is in this picture?' },
          { type: 'image', image: new Uint8Array(png), mediaType: 'image/png' },
        ],
      },
    ],
  });
  assert.match(seen.text, /1x1 pixels/);

  const streamed = streamText({ ...ask, prompt: 'a paper boat in the rain' });
  let words = '';
  for await (const piece of streamed.textStream) words += piece;
  assert.equal(words, text.text);
  assert.equal(await streamed.finishReason, 'stop');
  await assert.rejects(
    generateText({ ...ask, model: xai.responses('grok-9'), prompt: 'x' }),
    (error) => error.statusCode === 404 && /does not exist/.test(error.message),
  );
}
const searched = await generateText({
  model: xai.responses('grok-4.3'),
  tools: { web_search: xai.tools.webSearch() },
  prompt: 'the harbour of Hamburg',
});
assert.ok(searched.sources.length > 0);
console.log('ai-sdk: ok');
