# The models are converted in a stage of its own, so that the image that runs holds no TensorFlow.

FROM python:3.11-slim AS models
WORKDIR /app
COPY requirements.txt ./
COPY requirements ./requirements
RUN pip install --no-cache-dir -r requirements.txt
COPY config.py ./
COPY admin ./admin
COPY cloud ./cloud
COPY ml_models ./ml_models
COPY server ./server
ARG TF_MODEL_URL=MobileNetV2Mid
ARG TF_MODEL_INPUT_SHAPE_SIZE=
ENV MODELS_DIR=/models
RUN python -m server models fetch

FROM python:3.11-slim
WORKDIR /app
COPY requirements/runtime.txt ./requirements/
RUN pip install --no-cache-dir -r requirements/runtime.txt \
    && useradd --create-home --uid 10001 parsewarden \
    && install --directory --owner=parsewarden /data
COPY --from=models /models /models
COPY config.py ./
COPY admin ./admin
COPY cloud ./cloud
COPY ml_models ./ml_models
COPY server ./server
ARG TF_MODEL_URL=MobileNetV2Mid
ARG TF_MODEL_INPUT_SHAPE_SIZE=
ENV TF_MODEL_URL=$TF_MODEL_URL TF_MODEL_INPUT_SHAPE_SIZE=$TF_MODEL_INPUT_SHAPE_SIZE
ENV BIND_HOST=0.0.0.0 DATA_DIR=/data MODELS_DIR=/models PYTHONUNBUFFERED=1
USER parsewarden
VOLUME /data
EXPOSE 1337
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "server", "health"]
CMD ["python", "-m", "server", "run"]
