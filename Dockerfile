# The images of a cluster, one target each: docker build --target controller|sidecar|crew .
# Each holds one dependency group of uv.lock and the packages that it may import, nothing else: a test looks inside.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN python3 -m venv /uv \
 && /uv/bin/pip install --quiet "uv==$(sed -n '/^name = "uv"$/{n;s/^version = "\(.*\)"$/\1/p;}' uv.lock)"
ENV PATH=/uv/bin:${PATH} UV_NO_CACHE=1
RUN for group in controller sidecar crew; do \
      uv export --quiet --frozen --only-group $group --no-emit-project --prune aiohttp --prune aiohttp-retry --output-file /$group.txt \
      && uv pip install --quiet --no-deps --python "$(command -v python3)" --target /app/$group --requirements /$group.txt || exit; \
    done
# Of the Kubernetes package only the way into a cluster is used. Its asynchronous twin (aiohttp is for that one) and the text of its
# generated models are two thirds of what would be in the image.
RUN cd /app/controller && rm -r kubernetes/aio && python3 -m compileall -q -b -o 2 kubernetes && find kubernetes -name '*.py' -delete
COPY README.md LICENSE ./
COPY schemas schemas
COPY transport transport
COPY controller controller
COPY sidecar sidecar
COPY crew crew
COPY cli cli
COPY runtime runtime
# From the wheel come the packages as users get them, and the metadata that tells a process its version.
RUN uv build --quiet --wheel --out-dir /dist && python3 -m zipfile -e /dist/*.whl /wheel \
 && cd /wheel && for group in controller sidecar crew; do mkdir -p /app/$group && cp -r asya_$group *.dist-info /app/$group/; done \
 && for group in controller sidecar; do cp -r asya_schemas asya_transport /app/$group/; done \
 && rm -f /app/*/.lock && python3 -m compileall -q /app

FROM ${BASE} AS controller
COPY --from=build /app/controller /app
COPY --from=build /wheel/asya_runtime.py /runtime/asya_runtime.py
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "asya_controller"]

FROM ${BASE} AS sidecar
COPY --from=build /app/sidecar /app
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "asya_sidecar"]

# The end actors' handlers. The runtime that calls them is mounted by the controller, as in every other actor.
FROM ${BASE} AS crew
COPY --from=build /app/crew /app
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1
USER 65532:65532
CMD ["python3", "-c", "print('the crew runs in actors: kubectl apply -k kustomize/end-actors')"]
