# equipoise view on a CPU:
#   docker build -t equipoise .
#   docker run --rm -p 127.0.0.1:7860:7860 -v "$PWD/runs:/runs" equipoise
# It prints an address with a token. PIP_EXTRA_INDEX_URL may name PyTorch's CPU builds, which are smaller.
FROM python:3.12-slim
ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt '.[view]' && useradd --create-home --uid 1000 viewer
USER viewer
ENV EQUIPOISE_CACHE=/home/viewer/cache
EXPOSE 7860
VOLUME /runs
CMD ["equipoise", "view", "/runs", "--host", "0.0.0.0", "--no-browser"]
