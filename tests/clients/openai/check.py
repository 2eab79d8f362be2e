"""Files, models, a raw video job and answers with the OpenAI SDK, exactly as it is published, against BASE_URL.

Usage: python check.py BASE_URL KEY
"""

import base64
import io
import json
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

# Chat Completions: a forced function, a schema, a stream.
TOOL = {
    "type": "function",
    "function": {
        "name": "generate_video",
        "parameters": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    },
}
planned = client.chat.completions.create(
    model="grok-4.3",
    messages=[{"role": "user", "content": "Duration: 6s\nUser prompt:\na fox in the snow"}],
    tools=[TOOL],
    tool_choice={"type": "function", "function": {"name": "generate_video"}},
)
call = planned.choices[0].message.tool_calls[0].function
assert call.name == "generate_video" and "a fox in the snow" in json.loads(call.arguments)["prompt"]
assert planned.choices[0].finish_reason == "tool_calls"
usage = planned.usage
assert usage.total_tokens > usage.prompt_tokens + usage.completion_tokens, "reasoning is counted beside"
SCHEMA = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}, "seconds": {"type": "integer", "maximum": 15}},
    "required": ["prompt", "seconds"],
    "additionalProperties": False,
}
formed = client.chat.completions.create(
    model="grok-4.3",
    messages=[{"role": "user", "content": "a fox for 9 seconds"}],
    response_format={"type": "json_schema", "json_schema": {"name": "plan", "schema": SCHEMA, "strict": True}},
)
assert json.loads(formed.choices[0].message.content)["seconds"] == 9
words, reasons = "", set()
for chunk in client.chat.completions.create(
    model="grok-4.3",
    messages=[{"role": "user", "content": "a fox"}],
    stream=True,
    stream_options={"include_usage": True},
):
    for choice in chunk.choices:
        words += choice.delta.content or ""
        reasons.add(choice.finish_reason)
assert "a fox" in words and "stop" in reasons and chunk.usage.completion_tokens > 0

# Responses: pictures, a search, a stream, what is kept.
look = client.responses.create(
    model="grok-4.3",
    input=[
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is in this picture?"},
                {"type": "input_image", "image_url": "data:image/png;base64," + base64.b64encode(PNG).decode()},
            ],
        }
    ],
)
assert look.status == "completed" and "1x1 pixels" in look.output_text
assert [item.type for item in look.output] == ["reasoning", "message"]
assert client.responses.retrieve(look.id).output_text == look.output_text
searched = client.responses.create(
    model="grok-4.3",
    input="the harbour of Hamburg",
    tools=[{"type": "web_search"}],
    previous_response_id=look.id,
    reasoning={"effort": "low"},
)
assert "web_search_call" in [item.type for item in searched.output]
parsed = client.responses.create(
    model="grok-4.3",
    input="a fox for 9 seconds",
    text={"format": {"type": "json_schema", "name": "plan", "schema": SCHEMA, "strict": True}},
)
assert json.loads(parsed.output_text)["seconds"] == 9
with client.responses.stream(model="grok-4.3", input="a fox") as stream:
    kinds = [event.type for event in stream]
    assert "a fox" in stream.get_final_response().output_text
assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
client.responses.delete(look.id)
for call, error in [
    (lambda: client.responses.retrieve(look.id), openai.NotFoundError),
    (lambda: client.responses.create(model="no", input="x"), openai.NotFoundError),
    (
        lambda: client.responses.create(model="grok-4.7", input="x", reasoning={"effort": "none"}),
        openai.BadRequestError,
    ),
    (
        lambda: client.chat.completions.create(
            model="grok-4.3", messages=[{"role": "user", "content": "x"}], tools=[TOOL["function"]]
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
