// Makes, edits and extends a clip with the AI SDK, exactly as it is published, against BASE_URL.
// Usage: node generate.mjs BASE_URL KEY
import assert from 'node:assert/strict';
import { experimental_generateVideo as generateVideo, NoVideoGeneratedError } from 'ai';
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
console.log('ai-sdk: ok');
