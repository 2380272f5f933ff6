FROM localhost/base AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ libpython3.11 python3-pip
RUN pip install --no-deps --break-system-packages paddlepaddle==2.6.2
WORKDIR /src
COPY paddle_inference_api.h predict.cc ./
RUN g++ -std=c++17 -O2 predict.cc -o predict \
      /usr/local/lib/python3.11/dist-packages/paddle/base/libpaddle.so \
      -l:libpython3.11.so.1.0 -Wl,--allow-shlib-undefined -Wl,-rpath,/app/paddle/base

FROM localhost/base
COPY --from=build /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0 /usr/lib/x86_64-linux-gnu/libexpat.so.1 /usr/lib/x86_64-linux-gnu/
COPY --from=build /usr/local/lib/python3.11/dist-packages/paddle/base/libpaddle.so /app/paddle/base/
COPY --from=build /usr/local/lib/python3.11/dist-packages/paddle/libs /app/paddle/libs
COPY model /models/digits/1
COPY --from=build /src/predict /app/bin/predict
USER 65532:65532
ENTRYPOINT ["/app/bin/predict"]
