# One image, every process: the command chooses. CPU only; a GPU image wants TORCH_INDEX= and a CUDA base.
FROM python:3.13-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Dependencies first, from the project's metadata alone: this layer stays when only code changes.
RUN mkdir service workers integrations && touch service/__init__.py workers/__init__.py integrations/__init__.py \
 && /venv/bin/pip install ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} -c constraints.txt .
COPY service service
COPY workers workers
COPY integrations integrations
RUN /venv/bin/pip uninstall -qy fencepost && /venv/bin/python -m compileall -q service workers integrations

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home fencepost && mkdir /data && chown fencepost /data
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HF_HOME=/data/hub FENCEPOST_DATA_DIR=/data FENCEPOST_HOST=0.0.0.0
USER 10001
VOLUME /data
EXPOSE 8765
STOPSIGNAL SIGTERM
CMD ["python", "-m", "service", "up"]
