// The HTTP calls of ima2's server, one after the other: search, plan, create, poll, download, edit by data
// URL, describe.
// Usage: node calls.mjs BASE_URL KEY
import assert from 'node:assert/strict';

const [base, key] = process.argv.slice(2);
const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` };

async function run(path, body) {
  const created = await fetch(`${base}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal(created.status, 200, await created.clone().text());
  const { request_id: id } = await created.json();
  assert.ok(id);
  for (let tries = 0; tries < 300; tries += 1) {
    const poll = await fetch(`${base}/videos/${id}`, { headers: { Authorization: `Bearer ${key}` } });
    const answer = await poll.json();
    if (answer.status === 'done') {
      assert.equal(answer.video.respect_moderation, true);
      const clip = await fetch(answer.video.url);
      assert.ok(clip.ok);
      assert.match(clip.headers.get('content-type'), /^video\//);
      return Buffer.from(await clip.arrayBuffer());
    }
    assert.ok(['pending', undefined].includes(answer.status), JSON.stringify(answer));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`job ${id} does not end`);
}

async function ask(path, body) {
  const response = await fetch(`${base}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}
// As it reads an answer: by the type of the item.
const wordsOf = (answer) =>
  answer.output
    .filter((item) => item.type === 'message')
    .flatMap((item) => item.content)
    .filter((part) => part.type === 'output_text')
    .map((part) => part.text)
    .join('\n');

const found = await ask('/responses', {
  model: 'grok-4.3',
  input: [
    { role: 'system', content: 'Search the web for visual facts and answer with a short brief.' },
    { role: 'user', content: 'a fox crosses a frozen lake' },
  ],
  tools: [{ type: 'web_search' }],
});
const brief = wordsOf(found);
assert.ok(brief.length > 0);
const planned = await ask('/chat/completions', {
  model: 'grok-4.3',
  stream: false,
  parallel_tool_calls: false,
  messages: [
    { role: 'system', content: 'You plan one prompt.' },
    {
      role: 'user',
      content: [
        {
          type: 'text',
          text: [
            'Selected video model: grok-imagine-video. Mode: text-to-video.',
            'Requested duration: 2s, resolution: 480p, aspect ratio: auto.',
            `Mandatory web-search brief:\n${brief}`,
            '\nUser prompt:',
            'a fox crosses a frozen lake',
          ].join('\n'),
        },
      ],
    },
  ],
  tools: [
    {
      type: 'function',
      function: {
        name: 'generate_video',
        description: 'Generate a single video.',
        parameters: {
          type: 'object',
          properties: {
            prompt: { type: 'string', description: 'Final video-generation prompt.' },
            model: { type: 'string', enum: ['grok-imagine-video'] },
            duration: { type: 'number' },
            resolution: { type: 'string', enum: ['480p', '720p'] },
          },
          required: ['prompt'],
        },
      },
    },
  ],
  tool_choice: { type: 'function', function: { name: 'generate_video' } },
});
const call = planned.choices[0].message.tool_calls.find((item) => item.function.name === 'generate_video');
const { prompt } = JSON.parse(call.function.arguments);
assert.match(prompt, /^a fox crosses a frozen lake\./);

const clip = await run('/videos/generations', {
  model: 'grok-imagine-video',
  prompt,
  duration: 2,
  resolution: '480p',
});
const url = `data:video/mp4;base64,${clip.toString('base64')}`;
await run('/videos/edits', { model: 'grok-imagine-video', prompt: 'at night', video: { url } });
const longer = await run('/videos/extensions', {
  model: 'grok-imagine-video',
  prompt: 'the fox looks back',
  video: { url },
  duration: 2,
});
assert.ok(longer.length > clip.length / 2);

const dot =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const described = await ask('/responses', {
  model: 'grok-4.3',
  input: [
    {
      role: 'user',
      content: [
        { type: 'input_text', text: 'Describe this clip from its first and last frame.' },
        { type: 'input_image', image_url: dot },
        { type: 'input_image', image_url: dot },
      ],
    },
  ],
});
assert.match(wordsOf(described), /nothing visible changes/);
console.log('ima2: ok');
