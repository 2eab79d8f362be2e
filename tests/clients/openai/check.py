"""Files, models and a raw video job with the OpenAI SDK, exactly as it is published, against BASE_URL.

Usage: python check.py BASE_URL KEY
"""

import base64
import io
import sys
import time

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)

# Models.
assert "grok-imagine-video" in [model.id for model in client.models.list()]
assert client.models.retrieve("grok-imagine-video-1.5").owned_by == "xai"

# Files.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
stored = client.files.create(file=("dot.png", io.BytesIO(PNG), "image/png"), purpose="user_data")
assert stored.bytes == len(PNG) and stored.filename == "dot.png"
assert client.files.retrieve(stored.id).id == stored.id
assert client.files.content(stored.id).read() == PNG
assert stored.id in [file.id for file in client.files.list()]

# A job from that file, over the raw routes: the SDK's own `videos` helpers speak another protocol.
created = client.post(
    "/videos/generations",
    body={
        "model": "grok-imagine-video-1.5",
        "image": {"file_id": stored.id},
        "duration": 1,
        "resolution": "480p",
    },
    cast_to=object,
)
deadline = time.monotonic() + 60
while True:
    answer = client.get(f"/videos/{created['request_id']}", cast_to=object)
    if answer["status"] != "pending":
        break
    assert time.monotonic() < deadline, answer
    time.sleep(0.1)
assert answer["status"] == "done", answer
assert answer["usage"]["cost_in_usd_ticks"] == 800_000_000 + 100_000_000

# Errors.
assert client.files.delete(stored.id).deleted
for call, error in [
    (lambda: client.files.retrieve(stored.id), openai.NotFoundError),
    (lambda: client.post("/videos/generations", body={"model": "no"}, cast_to=object), openai.NotFoundError),
    (lambda: openai.OpenAI(base_url=base_url, api_key="wrong").models.list(), openai.BadRequestError),
    (
        lambda: client.post(
            "/videos/generations",
            body={"model": "grok-imagine-video", "prompt": "x", "aspect_ratio": "auto"},
            cast_to=object,
        ),
        openai.UnprocessableEntityError,
    ),
]:
    try:
        call()
    except error:
        continue
    raise AssertionError(f"no {error.__name__}")
print("openai: ok")
