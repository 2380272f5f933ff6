"""The shared layers of an image, from the lowest: what `docker history` calls them -> target."""

# Of every image: the same layers in the same order are stored and pulled once.
ENGINE = {
    "C library": "//images/layers:c_library",
    "Paddle engine": "//images/layers:engine",
}

# What an engine for GPUs needs to serve. It comes without cuFFT, cuRAND, NCCL and FlashAttention:
# a model that needs one of them (a Fourier transform, say) says so; then add its layer to the stanza.
ENGINE_GPU = {
    "C library": "//images/layers:c_library",
    "CUDA runtime": "//images/layers:cuda_runtime",
    "cuBLAS": "//images/layers:cublas",
    "cuDNN": "//images/layers:cudnn",
    "cuSOLVER": "//images/layers:cusolver",
    "cuSPARSE": "//images/layers:cusparse",
    "Paddle engine for GPUs": "//images/layers:engine_gpu",
}

# Of every image with Python: all that the training programs import.
PYTHON = ENGINE | {
    "CPython": "//images/layers:cpython",
    "Paddle": "//images/layers:paddle",
    "NumPy": "//images/layers:numpy",
    "requirements of Paddle": "//images/layers:requirements",
    "SciPy": "//images/layers:scipy",
    "scikit-learn": "//images/layers:scikit_learn",
    "requirements of the programs": "//images/layers:training",
}

# The same on GPUs.
PYTHON_GPU = ENGINE_GPU | {
    "cuDNN for training": "//images/layers:cudnn_train",
    "cuFFT": "//images/layers:cufft",
    "NCCL": "//images/layers:nccl",
    "cuRAND": "//images/layers:curand",
    "CUDA tools": "//images/layers:cuda_tools",
    "FlashAttention": "//images/layers:flash_attention",
    "CPython": "//images/layers:cpython",
    "Paddle for GPUs": "//images/layers:paddle_gpu",
} | {
    history: layer
    for history, layer in PYTHON.items()
    if history not in ENGINE and history not in ["CPython", "Paddle"]
}

# Of the images that train.
TRAIN = PYTHON | {
    "SnowNLP": "//images/layers:snownlp",
    "shell": "//images/layers:shell",
}

TRAIN_GPU = PYTHON_GPU | {
    "SnowNLP": "//images/layers:snownlp",
    "shell": "//images/layers:shell",
}

# What people work with.
NOTEBOOK = {
    "Matplotlib": "//images/layers:matplotlib",
    "OpenCV": "//images/layers:opencv",
    "pandas": "//images/layers:pandas",
    "jieba": "//images/layers:jieba",
    "TensorBoard": "//images/layers:tensorboard",
    "IPython": "//images/layers:ipython",
    "Jupyter server": "//images/layers:jupyter_server",
    "JupyterLab": "//images/layers:jupyterlab",
}

# Chinese fonts, which chinese_ocr renders its lines with, and Matplotlib its titles.
FONTS = {
    "fonts": "//images/layers:fonts",
}

# The environment of an image with them.
FONTS_ENV = {
    "MATPLOTLIBRC": "/etc/matplotlibrc",
}

SLIM = {
    "Matplotlib": "//images/layers:matplotlib",
    "PaddleSlim": "//images/layers:paddleslim",
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
