"""The shared layers of an image, from the lowest: what `docker history` calls them -> target.

Where there is one for each line of Paddle, `paddle` of a paddle_image chooses.
"""

load("//bazel/platforms:paddle.bzl", "line_labels")

# Of every image: the same layers in the same order are stored and pulled once.
ENGINE = {
    "C library": Label("//images/layers:c_library"),
    "Paddle engine": line_labels(Label("//images/layers:engine")),
}

# After ENGINE in an image with `paddle = "3"`: what models compute with that say `cpu_engine: openvino`.
OPENVINO = {
    "OpenVINO": Label("//images/layers:openvino"),
}

# What an engine for GPUs needs to serve. It comes without cuFFT, cuRAND, NCCL and FlashAttention:
# a model that needs one of them (a Fourier transform, say) says so; then add its layer to the stanza.
ENGINE_GPU = {
    "C library": Label("//images/layers:c_library"),
    "CUDA runtime": Label("//images/layers:cuda_runtime"),
    "cuBLAS": Label("//images/layers:cublas"),
    "cuDNN": Label("//images/layers:cudnn"),
    "cuSOLVER": Label("//images/layers:cusolver"),
    "cuSPARSE": Label("//images/layers:cusparse"),
    "Paddle engine for GPUs": Label("//images/layers:engine_gpu"),
}

# Of every image with Python: all that the training programs import.
PYTHON = ENGINE | {
    "CPython": Label("//images/layers:cpython"),
    "Paddle": line_labels(Label("//images/layers:paddle")),
    "NumPy": line_labels(Label("//images/layers:numpy")),
    "requirements of Paddle": line_labels(Label("//images/layers:requirements")),
    "SciPy": line_labels(Label("//images/layers:scipy")),
    "scikit-learn": line_labels(Label("//images/layers:scikit_learn")),
    "requirements of the programs": line_labels(Label("//images/layers:training")),
}

# The same on GPUs.
PYTHON_GPU = ENGINE_GPU | {
    "cuDNN for training": Label("//images/layers:cudnn_train"),
    "cuFFT": Label("//images/layers:cufft"),
    "NCCL": Label("//images/layers:nccl"),
    "cuRAND": Label("//images/layers:curand"),
    "CUDA tools": Label("//images/layers:cuda_tools"),
    "FlashAttention": Label("//images/layers:flash_attention"),
    "CPython": Label("//images/layers:cpython"),
    "Paddle for GPUs": Label("//images/layers:paddle_gpu"),
} | {
    history: layer
    for history, layer in PYTHON.items()
    if history not in ENGINE and history not in ["CPython", "Paddle"]
}

# Of the images that train.
TRAIN = PYTHON | {
    "SnowNLP": line_labels(Label("//images/layers:snownlp")),
    "shell": line_labels(Label("//images/layers:shell")),
}

TRAIN_GPU = PYTHON_GPU | {
    "SnowNLP": Label("//images/layers:snownlp"),
    "shell": Label("//images/layers:shell"),
}

# What people work with.
NOTEBOOK = {
    "Matplotlib": Label("//images/layers:matplotlib"),
    "OpenCV": Label("//images/layers:opencv"),
    "pandas": Label("//images/layers:pandas"),
    "jieba": Label("//images/layers:jieba"),
    "TensorBoard": Label("//images/layers:tensorboard"),
    "IPython": Label("//images/layers:ipython"),
    "Jupyter server": Label("//images/layers:jupyter_server"),
    "JupyterLab": Label("//images/layers:jupyterlab"),
}

# Chinese fonts, which chinese_ocr renders its lines with, and Matplotlib its titles.
FONTS = {
    "fonts": Label("//images/layers:fonts"),
}

# The environment of an image with them.
FONTS_ENV = {
    "MATPLOTLIBRC": "/etc/matplotlibrc",
}

SLIM = {
    "Matplotlib": Label("//images/layers:matplotlib"),
    "PaddleSlim": Label("//images/layers:paddleslim"),
}

# What images are said to lie on, if they do.
BASES = {
    "engine": ENGINE,
    "engine_gpu": ENGINE_GPU,
    "python": PYTHON,
    "python_gpu": PYTHON_GPU,
    "train": TRAIN,
    "train_gpu": TRAIN_GPU,
}
