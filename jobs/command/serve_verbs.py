"""Verb of the search service: serve."""

from typing import Annotated

import typer

from jobs.command.doors import named
from jobs.command.options import Debug
from jobs.command.progress import progress_on_stderr


def serve(
    indexes: Annotated[list[str], typer.Argument(metavar="INDEX...", help="Indexes: folders or s3:// urls.")],
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; by default only this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="0 is any free port.")] = 8_080,
    model: Annotated[
        str | None, typer.Option("--model", help="The encoder that made the index; by default the one it names.")
    ] = None,
    recall: Annotated[
        float | None, typer.Option("--recall", help="Share of the true best to find; by default that of the index.")
    ] = None,
    audit: Annotated[
        float, typer.Option("--audit", min=0, max=1, help="Share of questions answered again exactly, in idle time.")
    ] = 0.0,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Requests a second of one caller; 0: no limit.")] = 50.0,
    public: Annotated[
        bool, typer.Option("--public", help="Answer other machines without tokens. Everybody may ask.")
    ] = False,
    debug: Debug = False,
) -> int:
    """Serve indexes over HTTP, with a page to search and listen.

    Opens the indexes and loads the model once. A version that `deglu index --append` publishes is opened next to the
    one in use and answers within seconds; no question is lost. Only this machine can ask, unless --host says otherwise;
    then callers need a token:

    \b
      DEGLU_TOKENS='{"a-long-secret-token": ["archive-staff"]}' deglu serve INDEX --host 0.0.0.0

    Rows whose metadata has `access: archive-staff` are found and played for its holders alone.

    \b
    Examples:
      deglu serve build/demo/index
      curl -s localhost:8080/v1/search -H 'content-type: application/json' -d '{"text": "rain", "k": 3}'
      curl -s localhost:8080/v1/search -F audio=@question.wav -F k=3

    \b
    Addresses:
      /                                the page
      /v1/search, /v1/search/batch     text, vector, segment or recording; answers with places and text
      /v1/segments/ID, .../audio, .../peaks
      /v1/embeddings                   as OpenAI's, with dimensions; texts and recordings
      /mcp                             tools for language models
      /v1/indexes, /openapi.json, /healthz, /readyz, /metrics
    """
    run, settings = named("jobs.serving.serve_index:serve"), named("index.serve.settings:Settings")
    address = named("jobs.serving.serve_index:Address")
    with progress_on_stderr() as progress:
        code: int = run(
            indexes, address(host, port, public), model, settings(requests_per_s=rate, recall=recall), audit, progress
        )
    return code
