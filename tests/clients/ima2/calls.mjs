// The HTTP calls of ima2's server, one after the other: create, poll, download, edit by data URL.
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

const clip = await run('/videos/generations', {
  model: 'grok-imagine-video',
  prompt: 'a fox crosses a frozen lake',
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
console.log('ima2: ok');
