FROM localhost/base
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 python3-pip
COPY requirements.txt /
RUN pip install --no-cache-dir --break-system-packages -r /requirements.txt
COPY python /app
ENV PYTHONPATH=/app
USER 65532:65532
ENTRYPOINT ["python3", "-m", "cli.train"]
