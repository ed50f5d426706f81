FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 NUMBA_CACHE_DIR=/tmp/numba XDG_CACHE_HOME=/tmp/cache HF_HUB_OFFLINE=1
RUN useradd --create-home --uid 10001 qa && mkdir /workspace && chown qa /workspace
WORKDIR /app
COPY pyproject.toml README.md ./
COPY core core
COPY data data
COPY training training
COPY dashboard dashboard
COPY pages pages
COPY .streamlit .streamlit
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu -e .
USER qa
VOLUME /workspace
EXPOSE 8501
ENV DRYWALL_QA_WORKSPACE=/workspace
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"
CMD ["python", "-m", "dashboard.server", "--workspace", "/workspace", "--host", "0.0.0.0"]
