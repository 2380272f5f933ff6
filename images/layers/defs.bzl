"""The shared layers of an image, from the lowest: what `docker history` calls them -> target."""

# Of every image: the same layers in the same order are stored and pulled once.
ENGINE = {
    "C library": "//images/layers:c_library",
    "Paddle engine": "//images/layers:engine",
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

# Of the images that train.
TRAIN = PYTHON | {
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

# Chinese fonts, which chinese_ocr renders its lines with.
FONTS = {
    "fonts": "//images/layers:fonts",
}

SLIM = {
    "Matplotlib": "//images/layers:matplotlib",
    "PaddleSlim": "//images/layers:paddleslim",
}
