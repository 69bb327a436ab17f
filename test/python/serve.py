"""The official client of OpenAI for Python, as it is, with servers of ours; see serve.ts.

python serve.py URL KEY MODEL

Prints a JSON object with what it was answered.
"""

import json
import sys

import openai


def refusal(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]
    return None


def main(url, key, model):
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
    messages = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "a wonderful film"}]
    ask = client.chat.completions.create
    whole = ask(model=model, messages=messages, logprobs=True, top_logprobs=2, temperature=0, seed=1)
    chunks = list(ask(model=model, messages=messages, stream=True, stream_options={"include_usage": True}))
    text = client.completions.create(model=model, prompt="a wonderful film", max_tokens=8, logprobs=2)
    pieces = list(client.completions.create(model=model, prompt="a wonderful film", stream=True))
    stranger = openai.OpenAI(base_url=url, api_key="sk-wrong", max_retries=0)
    print(
        json.dumps(
            {
                "models": [one.id for one in client.models.list()],
                "model": client.models.retrieve(model).id,
                "whole": whole.choices[0].message.content,
                "finish": whole.choices[0].finish_reason,
                "tokens": [one.token for one in whole.choices[0].logprobs.content],
                "alternatives": [len(one.top_logprobs) for one in whole.choices[0].logprobs.content],
                "usage": whole.usage.total_tokens - whole.usage.prompt_tokens - whole.usage.completion_tokens,
                "stream": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
                "stream_usage": chunks[-1].usage.completion_tokens,
                "text": text.choices[0].text,
                "text_tokens": text.choices[0].logprobs.tokens,
                "text_stream": "".join(piece.choices[0].text for piece in pieces),
                "no_model": refusal(lambda: ask(model="gpt-4o", messages=messages)),
                "many": refusal(lambda: ask(model=model, messages=messages, n=2)),
                "wrong_key": refusal(lambda: stranger.models.list()),
            }
        )
    )


main(*sys.argv[1:])
